"""Searches share the cores out among themselves, and with whoever builds a graph."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from crossfade.retrieval import shares
from crossfade.store.building import building


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "_cores", lambda: 8)


def test_alone_a_search_takes_all() -> None:
    with shares.share(0, 1) as threads:
        assert threads == 0


def test_each_takes_its_share_of_those_in_progress_and_at_least_one() -> None:
    with ExitStack() as others:
        taken = [others.enter_context(shares.share(0, 1)) for _ in range(10)]
    assert taken == [0, 4, 2, 2, 1, 1, 1, 1, 1, 1]
    with shares.share(0, 1) as threads:
        assert threads == 0


def test_a_build_counts_as_another() -> None:
    with building():
        with shares.share(0, 1) as threads:
            assert threads == 4
        with building(), shares.share(0, 1) as threads:
            assert threads == 4


def test_what_was_asked_for_stands_and_many_queries_take_all() -> None:
    with building(), shares.share(3, 1) as asked, shares.share(0, 9) as many, shares.share(0, 8) as few:
        assert (asked, many, few) == (3, 0, 2)


def test_an_error_gives_its_share_back() -> None:
    with pytest.raises(KeyError), shares.share(0, 1):
        raise KeyError
    with shares.share(0, 1) as threads:
        assert threads == 0

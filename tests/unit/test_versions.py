"""Versions are told as far as they are known: hours of measuring must not end for want of a name."""

from __future__ import annotations

from importlib import metadata

import pytest

from crossfade import versions


def test_what_is_installed_is_told_and_what_is_not_is_left_out() -> None:
    found = versions.installed("numpy", "no-such-package-anywhere")
    assert found == {"numpy": metadata.version("numpy")}
    assert versions.own() == metadata.version("crossfade")


def test_a_source_tree_that_was_never_installed_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", missing)
    assert versions.own() == "not installed"
    assert versions.installed("crossfade", "numpy") == {}

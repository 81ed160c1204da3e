"""Cores that a process may use, by what the system says of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossfade.models import cores


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        (None, {}, 8),
        ("0::/\n", {}, 8),
        ("0::/\n", {".": "max 100000\n"}, 8),
        ("0::/\n", {".": "200000 100000\n"}, 2),
        ("0::/\n", {".": "50000 100000\n"}, 1),
        ("0::/\n", {".": "1600000 100000\n"}, 8),
        ("0::/pods/one\n", {"pods/one": "max 100000", "pods": "300000 100000"}, 3),
        ("0::/pods/one\n", {"pods/one": "150000 50000", "pods": "500000 100000"}, 3),
        ("0::/../elsewhere\n", {".": "100000 100000"}, 1),
        ("12:cpu:/old\n", {".": "100000 100000"}, 8),
        ("0::/\n", {".": "nonsense"}, 8),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, limits: dict[str, str], expected: int
) -> None:
    root, line = tmp_path / "cgroup", tmp_path / "own"
    root.mkdir()
    if own is not None:
        line.write_text(own, encoding="ascii")
    for directory, content in limits.items():
        (root / directory).mkdir(parents=True, exist_ok=True)
        (root / directory / "cpu.max").write_text(content, encoding="ascii")
    monkeypatch.setattr(cores, "_CGROUPS", root)
    monkeypatch.setattr(cores, "_OWN_CGROUP", line)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert cores.usable_cores() == expected


def test_this_process() -> None:
    assert 1 <= cores.usable_cores() <= len(os.sched_getaffinity(0))

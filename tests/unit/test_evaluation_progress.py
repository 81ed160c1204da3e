"""Bars on a terminal and only there, only for what takes long, and none left behind."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from crossfade.cli.progress import StageBars


def drawn(*, terminal: bool, patience: float, stages: list[tuple[str, int, int]]) -> str:
    stream = StringIO()
    console = Console(file=stream, force_terminal=terminal, width=80, color_system=None)
    with StageBars(console, patience=patience) as bars:
        for state in stages:
            bars(*state)
    return stream.getvalue()


STAGES = [("embedding corpus", 1, 3), ("embedding corpus", 2, 3), ("embedding corpus", 3, 3), ("searching", 1, 2)]


def test_a_long_stage_gets_a_bar() -> None:
    output = drawn(terminal=True, patience=0, stages=STAGES)
    assert "embedding corpus" in output
    assert "searching" in output


def test_a_short_one_gets_none() -> None:
    assert drawn(terminal=True, patience=60, stages=STAGES) == ""


def test_a_stage_done_at_once_gets_none() -> None:
    assert drawn(terminal=True, patience=0, stages=[("searching", 2, 2)]) == ""


def test_nothing_goes_into_a_file_or_a_pipe() -> None:
    assert drawn(terminal=False, patience=0, stages=STAGES) == ""


def test_names_are_not_markup() -> None:
    assert "[bold]x" in drawn(terminal=True, patience=0, stages=[("[bold]x", 1, 2)])

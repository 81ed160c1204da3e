"""What an ingest says about itself while it runs."""

from __future__ import annotations

import io

from rich.console import Console

from crossfade.cli.ingest_progress import IngestProgress
from crossfade.ingest import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(times: list[tuple[float, Progress]], *, terminal: bool) -> str:
    stream, clock = io.StringIO(), Clock()
    console = Console(file=stream, force_terminal=terminal, width=100, markup=False, highlight=False, color_system=None)
    with IngestProgress(console, clock=clock) as progress:
        for clock.now, each in times:
            progress(each)
        progress.say("a [word] of news")
    return stream.getvalue()


STEPS = [(at, Progress(int(at * 100) + 5000, at / 100)) for at in (1.0, 2.0, 9.0, 11.0, 12.0, 20.0, 22.0, 51.0)]


def test_in_a_file_a_line_every_ten_seconds() -> None:
    assert run(STEPS, terminal=False).splitlines() == [
        "crossfade: 6,100 documents, 100/s, 11%, 1 min 29 s left",
        "crossfade: 7,200 documents, 100/s, 22%, 1 min 18 s left",
        "crossfade: 10,100 documents, 100/s, 51%, 49 s left",
        "crossfade: a [word] of news",
    ]


def test_a_short_one_says_nothing() -> None:
    assert run(STEPS[:2], terminal=False) == "crossfade: a [word] of news\n"


def test_without_an_end_in_sight() -> None:
    steps = [(1.0, Progress(10, None)), (15.0, Progress(1410, None))]
    assert run(steps, terminal=False).splitlines()[0] == "crossfade: 1,410 documents, 100/s"


def test_hours() -> None:
    steps = [(1.0, Progress(10, 0.0)), (101.0, Progress(20, 0.01))]
    assert "2 h 45 min left" in run(steps, terminal=False)


def test_on_a_terminal_a_bar() -> None:
    told = run(STEPS, terminal=True)
    assert "documents, 100/s" in told
    assert "left" in told
    assert "a [word] of news" in told

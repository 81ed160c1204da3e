"""How far an ingest is, on stderr: a bar on a terminal, a line every ten seconds in a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from crossfade.ingest import Progress
from crossfade.wording import counted

_PATIENCE = 2.0  # seconds
_LINE_EVERY = 10.0  # seconds
_BAR_WIDTH = 20  # columns: what is said beside it fits into 80


class IngestProgress:
    """A progress callback for `crossfade.ingest.ingest`; `say` prints a line beside it. Use as a context manager."""

    def __init__(self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
        self._clock = clock
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._started = self._told = clock()
        self._first: Progress | None = None

    def __enter__(self) -> IngestProgress:
        self._started = self._told = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        self._console.print(f"crossfade: {line}")

    def __call__(self, now: Progress) -> None:
        at = self._clock()
        if self._first is None:
            # What the first batch took is model and caches warming up, and earlier runs' documents are in it.
            self._first, self._started = now, at
        if self._console.is_terminal:
            self._draw(now, at)
        elif at - self._told >= _LINE_EVERY:
            self._told = at
            self.say(self._described(now, at))

    def _described(self, now: Progress, at: float) -> str:
        words = [counted(now.documents, "document")]
        first, elapsed = self._first or now, at - self._started
        if elapsed > 0 and now.documents > first.documents:
            words.append(f"{(now.documents - first.documents) / elapsed:,.0f}/s")
        if now.fraction is not None:
            words.append(f"{now.fraction:.0%}")
            gained = now.fraction - (first.fraction or 0.0)
            if gained > 0 and elapsed > 0:
                words.append(f"{_duration((1 - now.fraction) * elapsed / gained)} left")
        return ", ".join(words)

    def _draw(self, now: Progress, at: float) -> None:
        words, total = self._described(now, at), None if now.fraction is None else 1.0
        if self._bar is None or self._task is None:
            if at - self._told < _PATIENCE:
                return
            text = TextColumn("{task.description}", markup=False)
            self._bar = Bar(BarColumn(_BAR_WIDTH), text, console=self._console, transient=True)
            self._task = self._bar.add_task(words, total=total)
            self._bar.start()
        self._bar.update(self._task, description=words, total=total, completed=now.fraction or 0.0)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60 % 60, whole // 3600
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"

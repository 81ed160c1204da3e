"""Progress bars on stderr: one a stage, only on a terminal, only for work that takes over two seconds; of work that was
planned, one bar for all of it, and where there is no terminal, a line every minute.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from crossfade.evaluation.forecast import Forecast

_PATIENCE = 2.0  # seconds
_MINUTE = 60.0


class StageBars:
    """A progress callback `(stage, done, total)`; a bar goes when its stage is done. Use as a context manager."""

    def __init__(self, console: Console | None = None, *, patience: float = _PATIENCE) -> None:
        self._console = console or Console(stderr=True)
        self._patience = patience
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._since = 0.0
        self._forecast: Forecast | None = None
        self._minutes = 0
        self._after_a_minute: float | None = None

    def __enter__(self) -> StageBars:
        self._since = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def follow(self, forecast: Forecast) -> None:
        """From now on one bar for all stages, with the time that they will take."""
        self._finish()
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._forecast = None, forecast

    def told(self) -> dict[str, Any]:
        """Of work that was followed: how long all of it was to take, as it was seen after a minute, and the stages."""
        if self._forecast is None:
            return {}
        return {
            "seconds_taken": self._forecast.elapsed,
            "seconds_seen_after_a_minute": self._after_a_minute,
            "stages": self._forecast.to_json(),
        }

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._forecast is not None:
            self._forecast(stage, done, total)
            self._overall(self._forecast)
            return
        now = time.monotonic()
        if stage != self._stage:
            self._finish()
            self._stage = stage
        if done >= total:
            # What comes next begins here, however long it takes to report for the first time.
            self._finish()
            self._since = now
        elif self._task is not None and self._progress is not None:
            self._progress.update(self._task, completed=done, total=total)
        elif self._console.is_terminal and now - self._since >= self._patience:
            self._progress = self._progress or self._started(TimeRemainingColumn())
            self._task = self._progress.add_task(stage, total=total, completed=done)

    def _overall(self, forecast: Forecast) -> None:
        elapsed, total = forecast.elapsed, forecast.total()
        running = forecast.running
        name = "" if running is None else ", ".join(filter(None, (running.name, running.of)))
        if elapsed >= _MINUTE and self._after_a_minute is None:
            self._after_a_minute = total
        left = _clock(total - elapsed)
        if not self._console.is_terminal:
            if elapsed >= _MINUTE * (self._minutes + 1):
                self._minutes = int(elapsed / _MINUTE)
                share = f"{min(elapsed / max(total, 1e-9), 1):.0%}"
                self._console.print(f"{share}, {left} left: {name}", markup=False, highlight=False, soft_wrap=True)
            return
        if self._progress is None:
            self._progress = self._started(TextColumn("{task.fields[left]} left"))
            self._task = self._progress.add_task(name, total=total, completed=int(elapsed), left=left)
        elif self._task is not None:
            described = name or self._progress.tasks[0].description
            self._progress.update(self._task, description=described, total=total, completed=elapsed, left=left)

    def _started(self, last: TextColumn | TimeRemainingColumn) -> Progress:
        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            last,
            console=self._console,
            transient=True,
        )
        progress.start()
        return progress

    def _finish(self) -> None:
        if self._task is not None and self._progress is not None:
            self._progress.remove_task(self._task)
        self._task = None


def _clock(seconds: float) -> str:
    whole = max(round(seconds), 0)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"

"""Progress bars on stderr: one a stage, only on a terminal, only for work that takes over two seconds."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

_PATIENCE = 2.0  # seconds


class StageBars:
    """A progress callback `(stage, done, total)`; a bar goes when its stage is done. Use as a context manager."""

    def __init__(self, console: Console | None = None, *, patience: float = _PATIENCE) -> None:
        self._console = console or Console(stderr=True)
        self._patience = patience
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._since = 0.0

    def __enter__(self) -> StageBars:
        self._since = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
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
            self._progress = self._progress or self._started()
            self._task = self._progress.add_task(stage, total=total, completed=done)

    def _started(self) -> Progress:
        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        progress.start()
        return progress

    def _finish(self) -> None:
        if self._task is not None and self._progress is not None:
            self._progress.remove_task(self._task)
        self._task = None

"""One call's right to run: its deadline, and whether anybody still waits for the answer."""

from __future__ import annotations

import time

from crossfade.errors import DeadlineExceeded


class Call:
    """Shared by the event loop, which may cancel it, and the thread that works for it, which asks before each step."""

    __slots__ = ("_cancelled", "_deadline")

    def __init__(self, seconds: float | None = None) -> None:
        """`seconds`: how long the caller will wait; None for ever."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._cancelled = False

    def cancel(self) -> None:
        """Nobody waits any more: work that has not started will not."""
        self._cancelled = True

    def check(self) -> None:
        """Raises DeadlineExceeded when the answer would come too late or to nobody."""
        if self._cancelled:
            raise DeadlineExceeded("the caller went away before the answer was ready")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineExceeded(
                "the call's deadline passed before the answer was ready: give it more time, or send fewer texts a call"
            )

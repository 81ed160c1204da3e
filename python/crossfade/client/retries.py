"""When a call that the server had no room for is sent again."""

from __future__ import annotations

import random
import time

from crossfade.errors import InvalidInput, Overloaded

# Callers that were refused together must not come back together.
_SPREAD = 0.5


class Patience:
    """How often and how long one call may still be tried: `times` more, all within `timeout` seconds from now."""

    def __init__(self, times: int, timeout: float) -> None:
        self._times = times
        self._end = time.monotonic() + timeout

    @property
    def left(self) -> float:
        """Seconds until the call's deadline."""
        return max(0.0, self._end - time.monotonic())

    def pause(self, refused: Overloaded) -> float:
        """Seconds to wait before the next try: as long as the server asks for, and up to half as long again.

        Raises `refused` when there is no next try: none was granted, the server does not say when to come back (then
        it may not be the admission that refused), or the deadline would pass while waiting.
        """
        if self._times < 1 or refused.retry_after is None:
            raise refused
        pause = refused.retry_after * (1 + random.uniform(0, _SPREAD))  # noqa: S311 - spreads load, keeps no secret
        if pause >= self.left:
            raise refused
        self._times -= 1
        return pause


def check_retries(times: int) -> int:
    """Raises InvalidInput unless it is a number of times."""
    if not isinstance(times, int) or times < 0:
        raise InvalidInput(f"retry_overloaded is {times!r}: give how often a refused call is sent again, 0 for never")
    return times

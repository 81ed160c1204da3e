"""Steps of upkeep that several things want, in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def in_turn(steps: Iterable[Callable[[], bool]]) -> bool:
    """Take one after the other until one had anything to do; say whether there was one.

    One that fails does not keep the others from their turn: its error is raised when none of them had anything to do.
    """
    failed: Exception | None = None
    for step in steps:
        try:
            if step():
                return True
        except Exception as error:  # noqa: BLE001 - raised below, when it was the others' turn
            failed = failed or error
    if failed is not None:
        raise failed
    return False

"""How many rows a bench takes, and what the record calls it then.

    CROSSFADE_BENCH_ROWS=1000000 python -m bench graph/filtered --save     # "graph/filtered, 1,000,000 rows"

A bench whose size may be chosen asks `Session.rows`. What was measured at another size than the bench's own is another
section of the record, and replaces nothing of what was measured at its own.
"""

from __future__ import annotations

import os

ROWS = "CROSSFADE_BENCH_ROWS"
"""Environment variable: rows, documents or texts of the benches that ask. A quick run has sizes of its own."""

LEAST = 3_000
"""Of fewer, a filter of 0.1% leaves next to nothing, and 30 seconds of writes have more documents than there are."""


def asked() -> int | None:
    """The number of rows that the environment asks for; None where it does not.

    Raises ValueError for what is no whole number, or less than LEAST.
    """
    said = os.environ.get(ROWS, "").strip()
    if not said:
        return None
    try:
        rows = int(said)
    except ValueError:
        rows = 0
    if rows < LEAST:
        raise ValueError(f"{ROWS} is {said!r}: give a whole number of rows, {LEAST} at least, such as 1000000")
    return rows


def section(bench: str, rows: int, default: int) -> str:
    """What the record calls a bench that took so many rows: by its name alone where that is its own size."""
    return bench if rows == default else f"{bench}, {rows:,} rows"

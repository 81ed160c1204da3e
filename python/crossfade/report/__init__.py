"""The report: one HTML file, complete in itself, drawn from whichever records there are."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from crossfade.files import write_atomically
from crossfade.report.page import draw
from crossfade.report.together import Given, read_together
from crossfade.report.view import build


def render(
    comparison: Given | None = None,
    *,
    decision: Given | None = None,
    diagnosis: Given | None = None,
    frontier: Given | None = None,
    leakage: Given | None = None,
) -> str:
    """The report as HTML: what the records given have to say, the verdict first.

    Each is evaluation's type or its JSON. What would show a record that is not given, or an optional field that it
    lacks, is left out. Equal records give equal text.

    Raises InvalidInput, naming the field by path, when one is not such a record, and by name when they are of different
    data or share no model, or when none is given.
    """
    return draw(
        build(
            read_together(
                comparison=comparison, decision=decision, diagnosis=diagnosis, frontier=frontier, leakage=leakage
            )
        )
    )


def write(
    comparison: Given | None,
    path: str | PathLike[str],
    *,
    decision: Given | None = None,
    diagnosis: Given | None = None,
    frontier: Given | None = None,
    leakage: Given | None = None,
) -> None:
    """Render to a file. An existing report is replaced as a whole, or not at all.

    Raises InvalidInput as `render` does, before the file is touched, and when it cannot be written.
    """
    page = render(comparison, decision=decision, diagnosis=diagnosis, frontier=frontier, leakage=leakage).encode()
    with write_atomically(Path(path)) as stream:
        stream.write(page)

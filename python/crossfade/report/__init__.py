"""The report: one HTML file, complete in itself, drawn from a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from crossfade.evaluation.results import Comparison
from crossfade.files import write_atomically
from crossfade.report.page import draw
from crossfade.report.parse import read
from crossfade.report.view import build


def render(comparison: Mapping[str, Any] | Comparison) -> str:
    """The report as HTML: verdict, differences with intervals, latency, wins and losses, every query.

    `comparison` is evaluation's type or its JSON. Latency, per-query values, rankings, Holm's p and settings may be
    missing; what would show them is left out. Equal comparisons give equal text.

    Raises InvalidInput, naming the field by path, when the record is not a comparison.
    """
    return draw(build(read(comparison)))


def write(comparison: Mapping[str, Any] | Comparison, path: str | PathLike[str]) -> None:
    """Render to a file. An existing report is replaced as a whole, or not at all.

    Raises InvalidInput as `render` does, before the file is touched, and when it cannot be written.
    """
    page = render(comparison).encode()
    with write_atomically(Path(path)) as stream:
        stream.write(page)

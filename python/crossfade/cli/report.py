"""`crossfade report`: one page from records that other commands wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the page goes, as one HTML file.")],
    comparison: Annotated[
        Path | None, typer.Option("--comparison", help="What compare --json wrote.", show_default=False)
    ] = None,
    decision: Annotated[
        Path | None, typer.Option("--decision", help="What compare --decision wrote.", show_default=False)
    ] = None,
    diagnosis: Annotated[
        Path | None, typer.Option("--diagnosis", help="What diagnose --json wrote.", show_default=False)
    ] = None,
    frontier: Annotated[
        Path | None, typer.Option("--frontier", help="What frontier --json wrote.", show_default=False)
    ] = None,
    leakage: Annotated[
        Path | None, typer.Option("--leakage", help="What leakage --json wrote.", show_default=False)
    ] = None,
) -> None:
    """Draw the report from stored records: any of them, all of one data set and split, of models that they share.

    Nothing is measured and no signature is checked: `crossfade decision verify` does that.
    """
    from crossfade.cli.output import check_outputs, write_text
    from crossfade.errors import InvalidInput
    from crossfade.evaluation.decision.record import read_json
    from crossfade.report import render

    given = {
        "comparison": comparison,
        "decision": decision,
        "diagnosis": diagnosis,
        "frontier": frontier,
        "leakage": leakage,
    }
    if all(path is None for path in given.values()):
        raise InvalidInput(f"a report is drawn from a record: give {', '.join(f'--{name}' for name in given)}")
    check_outputs({"OUT": out}, stdout="", inputs=[(f"--{name}", path) for name, path in given.items()])
    records = {name: read_json(path) for name, path in given.items() if path is not None}
    write_text(out, render(**records))

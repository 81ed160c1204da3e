"""`crossfade dataset`: what is done to a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossfade.cli.evaluation_options import AbsentOption, DatasetOption, ThreadsOption
from crossfade.cli.overlap_options import Characters, Containment, IgnoreNumbers, Phrases, overlap_settings

if TYPE_CHECKING:
    from crossfade.evaluation.splitting import SplitReport

app = typer.Typer(name="dataset", help="Splits of a data set.", rich_markup_mode=None)


@app.callback()
def _dataset() -> None:
    """Splits of a data set."""


@app.command()
def split(
    dataset: DatasetOption,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="A directory for the new splits; the data set's own to add them.", show_default=False
        ),
    ],
    split: Annotated[
        list[str],
        typer.Option("--split", help="Take the queries that this split judges; repeatable.", show_default=False),
    ],
    shares: Annotated[
        str, typer.Option("--shares", help="The new splits, each with its share of the queries.")
    ] = "train=0.8,dev=0.1,test=0.1",
    group_by: Annotated[
        Literal["target", "query"],
        typer.Option(
            "--group-by",
            help="What keeps queries in one split: near-copies of each other (query), or relevant documents too.",
        ),
    ] = "target",
    seed: Annotated[int, typer.Option("--seed", help="Another one gives other splits.")] = 17,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="How far a split's share may be from the one asked for.")
    ] = 0.05,
    characters: Characters = 0.85,
    phrases: Phrases = 0.7,
    containment: Containment = 0.9,
    ignore_numbers: IgnoreNumbers = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace splits that are there, and another corpus or queries.")
    ] = False,
    allow_absent: AbsentOption = False,
    threads: ThreadsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Put the judged queries of a BEIR directory into splits that do not leak into each other.

    Queries that are near-copies, or have a relevant document in common, stay in one split.
    """
    from crossfade.cli.progress import StageBars
    from crossfade.config import load_settings
    from crossfade.evaluation.splitting import SplitSettings, split_dataset

    settings = SplitSettings(
        shares=_shares(shares),
        by=group_by,
        seed=seed,
        tolerance=tolerance,
        overlap=overlap_settings(characters, phrases, containment, ignore_numbers=ignore_numbers),
        overwrite=overwrite,
        allow_absent=allow_absent,
        threads=load_settings(threads=threads).threads,
    )
    with StageBars() as bars:
        report = split_dataset(dataset, split, out, settings, progress=bars)
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        _show(report, out)


def _shares(given: str) -> dict[str, float]:
    from crossfade.errors import InvalidInput

    found: dict[str, float] = {}
    for part in filter(None, map(str.strip, given.split(","))):
        name, _, share = part.partition("=")
        try:
            value = float(share)
        except ValueError:
            raise InvalidInput(f"--shares: {part!r} is no split with a share, as train=0.8 is") from None
        if name in found:
            raise InvalidInput(f"--shares names {name!r} twice")
        found[name] = value
    return found


def _show(report: SplitReport, out: Path) -> None:
    from rich import box
    from rich.table import Table

    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("split")
    for column in ("queries", "share", "groups"):
        table.add_column(column, justify="right")
    for name, size in report.sizes.items():
        table.add_row(name, f"{size:,}", f"{size / report.queries:.1%}", f"{report.groups[name]:,}")
    console.print(table)
    together = "near-copies" if report.by == "query" else "near-copies or relevant documents in common"
    print_paragraph(
        console,
        f"{report.queries:,} queries in {sum(report.groups.values()):,} groups by {together}; the largest has "
        f"{report.largest:,}",
    )
    print_paragraph(console, f"{out}: {', '.join(report.files)}")

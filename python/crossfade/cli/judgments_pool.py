"""`crossfade judgments pool`: what nobody has judged yet among what systems rank first."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossfade.cli.judgments_options import named, read

if TYPE_CHECKING:
    from crossfade.evaluation.judgments.pool import Pool


def pool(
    dataset: Annotated[Path, typer.Option("--dataset", help="A BEIR directory.", show_default=False)],
    runs: Annotated[
        list[str],
        typer.Option(
            "--run",
            metavar="[NAME=]FILE",
            help="A TREC run, or a record of crossfade compare (.json); may be repeated.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Where the pool goes: .jsonl, .csv or .tsv.", show_default=False)],
    depth: Annotated[int, typer.Option("--depth", help="Documents of each system and query.")] = 10,
    source: Annotated[
        Literal["union", "disagreements"],
        typer.Option("--from", help="All documents found, or those alone on which systems differ."),
    ] = "union",
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="At most so many pairs: those that tell systems apart most.", show_default=False),
    ] = None,
    judged_splits: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            help="What this split judges is judged; may be repeated. By default every split.",
            show_default=False,
        ),
    ] = None,
    judged: Annotated[
        list[str] | None,
        typer.Option(
            "--judged",
            metavar="[JUDGE=]FILE",
            help="What this file of judgments judges is judged too; may be repeated.",
            show_default=False,
        ),
    ] = None,
    judge: Annotated[str, typer.Option("--judge", help="Write this name into the judge column.")] = "",
    blind: Annotated[
        bool, typer.Option("--blind/--no-blind", help="Shuffled, without systems and ranks; or by weight, with both.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", help="Of the shuffle.")] = 17,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON instead of text.")] = False,
) -> None:
    """Write what nobody has judged yet, for judges to fill in: query, title, text and an empty grade.

    What tells systems apart comes first; judges see neither systems nor ranks unless --no-blind says so.
    """
    from crossfade.cli.output import check_outputs, dataset_inputs
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.judgments.pool import PoolSettings
    from crossfade.evaluation.judgments.pool_dataset import PoolOutput, pool_dataset
    from crossfade.evaluation.judgments.pool_file import check_ending
    from crossfade.evaluation.judgments.systems import RunSource, read_systems

    check_ending(out)
    inputs = [*dataset_inputs("--dataset", dataset), *(("--run", named(run)[1]) for run in runs)]
    inputs += [("--judged", named(file)[1]) for file in judged or []]
    check_outputs({"--out": out}, stdout="", inputs=inputs)
    with StageBars() as bars:
        found = pool_dataset(
            dataset,
            read_systems([RunSource(path, name) for name, path in map(named, runs)], depth),
            PoolOutput(out, judge, blind),
            PoolSettings(depth, source, limit, seed),
            judged_splits=judged_splits,
            judgments=read(judged, bars, last=True, models=None) if judged else None,
            progress=bars,
        )
    if as_json:
        summary = {key: value for key, value in asdict(found).items() if key != "entries"}
        written = str(out) if found.entries else None
        record = {"pool": len(found.entries), **summary, "blind": blind, "seed": seed, "out": written}
        print(json.dumps(record, indent=2, allow_nan=False))
    else:
        _show(found, out, depth, blind=blind)


def _show(pool: Pool, out: Path, depth: int, *, blind: bool) -> None:
    from rich import box
    from rich.table import Table

    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("system", overflow="fold")
    for column in ("documents", "judged", f"Judged@{depth}"):
        table.add_column(column, justify="right")
    for system in pool.systems:
        share = f"{system.judged / system.documents:.3f}" if system.documents else "-"
        table.add_row(system.name, f"{system.documents:,}", f"{system.judged:,}", share)
    console.print(table)
    print_paragraph(console, f"union: {pool.union:,} pairs, judged already: {pool.judged:,}")
    for number, what in ((pool.agreed, "left out because systems agree on them"), (pool.beyond, "beyond the limit")):
        if number:
            print_paragraph(console, f"{what}: {number:,}")
    if not pool.entries:
        print_paragraph(console, "nothing is left to judge: no file was written")
        return
    order = "blind, shuffled" if blind else "by weight, with systems and ranks"
    print_paragraph(console, f"to judge: {len(pool.entries):,} pairs of {pool.queries:,} queries, {order}: {out}")

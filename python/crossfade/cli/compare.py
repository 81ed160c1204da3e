"""`crossfade compare`: two models, one split, one verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossfade.cli.evaluation_options import (
    DEFAULT_DEPTH,
    DEFAULT_MEASURES,
    AbsentOption,
    CacheOption,
    DatasetOption,
    DepthOption,
    JsonOption,
    MeasuresOption,
    SplitOption,
    ThreadsOption,
    evaluation_settings,
    load_dataset,
    load_models,
)

if TYPE_CHECKING:
    from rich.table import Table

    from crossfade.evaluation.results import Comparison

_VERDICTS = {"ship": "ship it", "do_not_ship": "do not ship it", "inconclusive": "inconclusive"}
_STYLES = {"ship": "bold green", "do_not_ship": "bold red", "inconclusive": "bold yellow"}


def compare(
    base: Annotated[Path, typer.Option("--base", help="The base model's bundle directory.", show_default=False)],
    candidate: Annotated[Path, typer.Option("--candidate", help="The candidate's bundle.", show_default=False)],
    dataset: DatasetOption,
    split: SplitOption = "test",
    measures: MeasuresOption = DEFAULT_MEASURES,
    depth: DepthOption = DEFAULT_DEPTH,
    json: JsonOption = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the report as one HTML file.", show_default=False)
    ] = None,
    cache: CacheOption = None,
    allow_absent: AbsentOption = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap and the randomisation test.")] = 17,
    threads: ThreadsOption = None,
) -> None:
    """Hold a candidate against a base on the same queries and say whether it should ship.

    The exit code is 0 whatever the verdict: the verdict is data.
    """
    from crossfade.cli.output import STDOUT, check_outputs, write_json, write_text
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.compare import ComparisonSettings, check_primary
    from crossfade.evaluation.compare import compare as compare_models
    from crossfade.report import render

    settings = evaluation_settings(measures, depth, threads)
    check_primary(settings.measures[0])
    check_outputs({"--json": json, "--report": report}, stdout="--json")
    with StageBars() as bars:
        data = load_dataset(dataset, split, allow_absent=allow_absent, bars=bars)
        models = load_models({"base": base, "candidate": candidate}, threads)
        result = compare_models(
            data,
            models["base"],
            models["candidate"],
            settings,
            ComparisonSettings(seed=seed),
            cache=cache,
            progress=bars,
        )
    record = result.to_json()
    if json != STDOUT:
        _show(result)  # first: should a file fail now, the result is not lost with it
    if json is not None:
        write_json(json, record)
    if report is not None:
        write_text(report, render(record))


def _show(comparison: Comparison) -> None:
    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    base, candidate = comparison.base, comparison.candidate
    print_paragraph(console, f"{base.dataset}/{base.split}: {base.queries:,} queries, {base.documents:,} documents")
    print_paragraph(console, f"base       {base.model.name} ({base.model.fingerprint})")
    print_paragraph(console, f"candidate  {candidate.model.name} ({candidate.model.fingerprint})")
    console.print(_table(comparison))
    print_paragraph(console, f"verdict: {_VERDICTS[comparison.verdict]}", style=_STYLES[comparison.verdict])
    for reason in comparison.reasons:
        print_paragraph(console, f"- {reason}")


def _table(comparison: Comparison) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("measure", no_wrap=True)
    for heading in ("base", "candidate", "change", "95% interval", "p", "Holm p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for measure, found in comparison.difference.items():
        low, high = found.ci95
        table.add_row(
            measure,
            f"{comparison.base.measures[measure]:.4f}",
            f"{comparison.candidate.measures[measure]:.4f}",
            f"{found.delta:+.4f}",
            f"{low:+.4f} {high:+.4f}",
            f"{found.p:.4f}",
            f"{found.p_holm:.4f}",
            _mark(comparison, measure),
        )
    return table


def _mark(comparison: Comparison, measure: str) -> str:
    """Significance in words, so that it reads without colour, by the rule that the verdict follows."""
    from crossfade.evaluation.verdict import direction

    return {1: "better", -1: "worse", 0: ""}[direction(comparison, measure)]

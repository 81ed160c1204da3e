"""`crossfade evaluate`: one model on one split."""

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
    from crossfade.evaluation.results import Evaluation


def evaluate(
    dataset: DatasetOption,
    model: Annotated[Path, typer.Option("--model", help="The model's bundle directory.", show_default=False)],
    split: SplitOption = "test",
    measures: MeasuresOption = DEFAULT_MEASURES,
    depth: DepthOption = DEFAULT_DEPTH,
    run_out: Annotated[
        Path | None,
        typer.Option("--run-out", help="Write the rankings as a TREC run (.gz: compressed).", show_default=False),
    ] = None,
    json: JsonOption = None,
    cache: CacheOption = None,
    allow_absent: AbsentOption = False,
    threads: ThreadsOption = None,
) -> None:
    """Measure one model on a split: embed, search, compare with the judgments, time single queries."""
    from crossfade.cli.output import STDOUT, check_outputs, write_json
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.evaluate import evaluate as evaluate_model
    from crossfade.evaluation.index import CorpusIndexes
    from crossfade.evaluation.trec import write_run

    settings = evaluation_settings(measures, depth, threads)
    check_outputs({"--run-out": run_out, "--json": json}, stdout="--json")
    with StageBars() as bars:
        data = load_dataset(dataset, split, allow_absent=allow_absent, bars=bars)
        encoder = load_models({"model": model}, threads)["model"]
        indexes = CorpusIndexes(data, cache=cache, progress=bars)
        result = evaluate_model(data, encoder, settings, indexes=indexes, progress=bars)
    if json != STDOUT:
        _show(result.evaluation)  # first: should a file fail now, the result is not lost with it
    if run_out is not None:
        write_run(run_out, result.run)
    if json is not None:
        write_json(json, result.evaluation.to_json())


def _show(evaluation: Evaluation) -> None:
    from rich import box
    from rich.table import Table

    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    print_paragraph(
        console,
        f"{evaluation.dataset}/{evaluation.split}: {evaluation.queries:,} queries, "
        f"{evaluation.documents:,} documents, model {evaluation.model.name} ({evaluation.model.fingerprint})",
    )
    if absent := evaluation.settings.get("absent_judgments"):
        which = "1 judgment names a document" if absent == 1 else f"{absent:,} judgments name documents"
        print_paragraph(console, f"{which} that the corpus lacks; no model can find what is not there.")
    if truncated := evaluation.settings.get("truncated_documents"):
        which = "1 document is" if truncated == 1 else f"{truncated:,} documents are"
        print_paragraph(console, f"{which} longer than the model reads; what follows its limit was not seen.")
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("measure")
    table.add_column("mean", justify="right")
    for measure, value in evaluation.measures.items():
        table.add_row(measure, f"{value:.4f}")
    console.print(table)
    latency = evaluation.latency_ms
    print_paragraph(
        console,
        f"one query: {latency.p50:.1f} ms median, {latency.p95:.1f} ms p95, {latency.p99:.1f} ms p99 "
        f"({latency.samples:,} timed)",
    )

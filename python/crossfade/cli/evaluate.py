"""`crossfade evaluate`: one model on one split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossfade.cli.arm_options import (
    ArmOptions,
    BestChunks,
    Chunking,
    ChunkOverlap,
    ChunkSize,
    HeadingPrefix,
    Mode,
    Reranker,
)
from crossfade.cli.evaluation_options import (
    DEFAULT_DEPTH,
    DEFAULT_MEASURES,
    AbsentOption,
    CacheOption,
    DatasetOption,
    DepthOption,
    DeviceOption,
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
    model: Annotated[
        Path | None,
        typer.Option("--model", help="The model's bundle; needed but for --mode lexical.", show_default=False),
    ] = None,
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
    mode: Mode = "dense",
    reranker: Reranker = None,
    chunking: Chunking = "whole",
    chunk_size: ChunkSize = 0,
    chunk_overlap: ChunkOverlap = 0,
    heading_prefix: HeadingPrefix = False,
    best_chunks: BestChunks = 1,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Search a collection of this store, as a server does.", show_default=False),
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", help="Which one, or an alias.", show_default=False)
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Of a store: look at every vector, where its graphs would be walked.")
    ] = False,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
) -> None:
    """Measure one model on a split: embed, search, compare with the judgments, time single queries.

    By default by exact search of whole documents' vectors; or as the options say, or in a store's collection.
    """
    from crossfade.cli.output import STDOUT, check_outputs, dataset_inputs, write_json
    from crossfade.cli.progress import StageBars
    from crossfade.cli.store_options import searchable
    from crossfade.cli.writing import Job, write_all
    from crossfade.evaluation.evaluate import evaluate as evaluate_model
    from crossfade.evaluation.evaluate import evaluate_collection
    from crossfade.evaluation.index import CorpusIndexes
    from crossfade.evaluation.trec import write_run

    settings = evaluation_settings(measures, depth, threads)
    options = ArmOptions(mode, reranker, chunking, chunk_size, chunk_overlap, heading_prefix, best_chunks)
    options.check(model, "--model")
    model = options.needed(model)
    _check_place(options, store, collection, cache, exact=exact)
    inputs = [*dataset_inputs("--dataset", dataset), ("--model", model), ("--reranker", reranker), ("--store", store)]
    check_outputs({"--run-out": run_out, "--json": json}, stdout="--json", inputs=inputs)
    with StageBars() as bars:
        data = load_dataset(dataset, split, allow_absent=allow_absent, bars=bars)
        if store is not None and collection is not None:
            with searchable(store) as there:
                found = there.get(collection)  # before the model is loaded: that takes seconds
                encoder = None if model is None else load_models({"model": model}, threads, device)["model"]
                arm = options.arm(threads, device, exact=exact)
                result = evaluate_collection(data, found, encoder, settings, arm=arm, progress=bars)
        else:
            encoder = None if model is None else load_models({"model": model}, threads, device)["model"]
            indexes = CorpusIndexes(data, cache=cache, progress=bars)
            arm = options.arm(threads, device)
            result = evaluate_model(data, encoder, settings, arm=arm, indexes=indexes, progress=bars)
    if json != STDOUT:
        _show(result.evaluation)  # first: should a file fail now, the result is not lost with it
    if run_out is not None:
        write_all([Job(3, lambda tell: write_run(run_out, result.run, tell=tell))], len(data.queries))
    if json is not None:
        write_json(json, result.evaluation.to_json())


def _check_place(
    options: ArmOptions, store: Path | None, collection: str | None, cache: Path | None, *, exact: bool
) -> None:
    """Raises InvalidInput for options that do not go together."""
    from crossfade.errors import InvalidInput

    if (store is None) != (collection is None):
        raise InvalidInput(
            "--store and --collection go together: give both, or neither to measure the data set's corpus"
        )
    if store is None and exact:
        raise InvalidInput("--exact is for a store: the data set's corpus is searched exactly anyway")
    if store is not None and options.chunking != "whole":
        raise InvalidInput("a store's collection says itself how documents are cut: leave --chunking out")
    if store is not None and cache is not None:
        raise InvalidInput("a store's collection holds its vectors itself: leave --cache out")


def _show(evaluation: Evaluation) -> None:
    from rich import box
    from rich.table import Table

    from crossfade.cli.output import print_paragraph, table_console
    from crossfade.evaluation.context import described

    console = table_console()
    print_paragraph(
        console,
        f"{evaluation.dataset}/{evaluation.split}: {evaluation.queries:,} queries, "
        f"{evaluation.documents:,} documents, model {evaluation.model.name} ({evaluation.model.fingerprint})",
    )
    if not evaluation.retrieval.plain or evaluation.retrieval.collection:
        print_paragraph(console, f"queries answered {described(evaluation.retrieval)}")
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

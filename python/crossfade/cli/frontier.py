"""`crossfade frontier`: several models at once, quality against latency and cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossfade.cli.arm_options import Mode
from crossfade.cli.evaluation_options import (
    DEFAULT_DEPTH,
    AbsentOption,
    CacheOption,
    DatasetOption,
    DepthOption,
    DeviceOption,
    JsonOption,
    ReportOption,
    SplitOption,
    ThreadsOption,
    evaluation_settings,
    load_dataset,
    load_models,
)

if TYPE_CHECKING:
    from crossfade.evaluation.frontier import Frontier

_LEXICAL = "BM25"


def frontier(
    dataset: DatasetOption,
    model: Annotated[
        list[str],
        typer.Option("--model", metavar="[NAME=]BUNDLE", help="A model to measure; two or more.", show_default=False),
    ],
    price_cpu_hour: Annotated[
        float, typer.Option("--price-cpu-hour", help="Price of a CPU core's hour.", show_default=False)
    ] = 0.0,
    price_gpu_hour: Annotated[
        float, typer.Option("--price-gpu-hour", help="Price of a GPU's hour.", show_default=False)
    ] = 0.0,
    currency: Annotated[str, typer.Option("--currency", help="Of the prices.")] = "USD",
    lexical: Annotated[bool, typer.Option("--lexical", help="Measure search by words (BM25) beside them.")] = False,
    mode: Mode = "dense",
    split: SplitOption = "test",
    measure: Annotated[str, typer.Option("--measure", help="The quality, as ir-measures spells it.")] = "nDCG@10",
    depth: DepthOption = DEFAULT_DEPTH,
    device: DeviceOption = None,
    json: JsonOption = None,
    report: ReportOption = None,
    cache: CacheOption = None,
    allow_absent: AbsentOption = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 17,
    threads: ThreadsOption = None,
) -> None:
    """Measure several models on the same queries: quality, p99 of a query, what a million queries and documents cost.

    A model is marked that no other beats in all four. Costs are measured throughput at the prices given.
    """
    from crossfade.cli.output import STDOUT, check_outputs, dataset_inputs, write_json, write_text
    from crossfade.cli.progress import StageBars
    from crossfade.config import Device, load_settings
    from crossfade.errors import InvalidInput
    from crossfade.evaluation.arms import Arm
    from crossfade.evaluation.decision.protocol import Prices
    from crossfade.evaluation.frontier import FrontierSettings, measure_frontier
    from crossfade.evaluation.index import ModelEncoder
    from crossfade.report import render

    evaluation = evaluation_settings(measure, depth, threads)
    bundles = _bundles(model)
    if price_cpu_hour < 0 or price_gpu_hour < 0 or price_cpu_hour + price_gpu_hour == 0:
        raise InvalidInput("costs need a price: give --price-cpu-hour, --price-gpu-hour, or both, above 0")
    if lexical and _LEXICAL in bundles:
        raise InvalidInput(f"two are named {_LEXICAL}: name the model otherwise, NAME=BUNDLE")
    if len(bundles) + lexical < 2:
        raise InvalidInput("a frontier is of two models or more: give --model again, or --lexical")
    inputs = [*dataset_inputs("--dataset", dataset), *(("--model", path) for path in bundles.values())]
    check_outputs({"--json": json, "--report": report}, stdout="--json", inputs=inputs)
    gpus = int(load_settings(device=device).device is not Device.CPU)
    with StageBars() as bars:
        data = load_dataset(dataset, split, allow_absent=allow_absent, bars=bars)
        encoders = load_models(bundles, threads, device)
        arm = Arm(mode)
        models: dict[str, tuple[ModelEncoder | None, Arm]] = {name: (each, arm) for name, each in encoders.items()}
        if lexical:
            models[_LEXICAL] = (None, Arm("lexical"))
        result = measure_frontier(
            data,
            models,
            FrontierSettings(Prices(price_cpu_hour, price_gpu_hour, currency), gpus, seed=seed),
            evaluation,
            cache=cache,
            progress=bars,
        )
    if json != STDOUT:
        _show(result)
    if json is not None:
        write_json(json, result.to_json())
    if report is not None:
        write_text(report, render(frontier=result))


def _bundles(given: list[str]) -> dict[str, Path]:
    from crossfade.errors import InvalidInput

    found: dict[str, Path] = {}
    for text in given:
        name, _, place = text.rpartition("=")
        path = Path(place)
        name = name or path.resolve().name
        if name in found:
            raise InvalidInput(f"two models are named {name!r}: name one otherwise, NAME=BUNDLE")
        found[name] = path
    return found


def _show(result: Frontier) -> None:
    from rich import box
    from rich.table import Table

    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    print_paragraph(
        console, f"{result.dataset}/{result.split}: {result.queries:,} queries, {result.documents:,} documents"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("model", overflow="fold")
    currency = result.prices.currency
    for heading in (
        result.measure,
        "95% interval",
        "to the best",
        "p99 ms",
        f"{currency}/M queries",
        f"{currency}/M docs",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for point in result.points:
        documents = point.cost.per_million_documents
        table.add_row(
            point.name,
            f"{point.value:.4f}",
            f"{point.low:.4f} {point.high:.4f}",
            f"{point.behind:+.4f}",
            f"{point.latency_ms.p99:.1f}",
            f"{point.cost.per_million_queries:.4g}",
            "none" if documents is None else f"{documents:.4g}",
            "frontier" if point.pareto else f"beaten by {', '.join(point.dominated_by)}",
        )
    console.print(table)

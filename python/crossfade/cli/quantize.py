"""`crossfade model quantize`: a bundle in eight or sixteen bits, and what it costs and saves."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossfade.cli.evaluation_options import AbsentOption, SplitOption, ThreadsOption, load_dataset, load_models

if TYPE_CHECKING:
    from rich.table import Table

    from crossfade.evaluation.quantisation import Parity, QuantisationCost, Speed
    from crossfade.models.bundle import Bundle

_NO_JUDGMENTS = "retrieval: not measured, for want of judgments; give a judged data set (--dataset DIR)"


class TargetPrecision(StrEnum):
    """What a bundle can be quantised to."""

    INT8 = "int8"
    FP16 = "fp16"


def quantize(
    source: Annotated[Path, typer.Argument(help="The directory of a bundle in fp32.", show_default=False)],
    output: Annotated[Path, typer.Argument(help="The new bundle's directory.", show_default=False)],
    precision: Annotated[
        TargetPrecision, typer.Option("--precision", help="int8 for CPUs, fp16 for GPUs.", show_default=False)
    ],
    dataset: Annotated[
        list[Path] | None,
        typer.Option(
            "--dataset",
            help="A judged BEIR directory to measure the cost on; repeatable. Without one, parity and speed are "
            "measured on the documentation inside this Python.",
            show_default=False,
        ),
    ] = None,
    split: SplitOption = "test",
    name: Annotated[
        str | None, typer.Option(help="The new bundle's name; by default SOURCE's and the precision.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    allow_absent: AbsentOption = False,
    threads: ThreadsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Make a smaller, faster bundle of a bundle, and measure what that costs: vectors, rankings, speed."""
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.quantisation import measure_cost
    from crossfade.evaluation.texts import dataset_sample, interpreter_sample
    from crossfade.models.bundle import Bundle
    from crossfade.models.quantising import quantise
    from crossfade.models.quantising.quantiser import check_source
    from crossfade.models.staging import check_target
    from crossfade.models.types import Precision

    check_target(output, overwrite=overwrite)
    base = Bundle.load(source)
    check_source(base)
    with StageBars() as bars:
        datasets = [load_dataset(each, split, allow_absent=allow_absent, bars=bars) for each in dataset or ()]
        made = quantise(base, output, Precision(precision), name=name, overwrite=overwrite)
        models = load_models({"source": source, "quantised": output}, threads)
        sample = dataset_sample(datasets) if datasets else interpreter_sample()
        cost = measure_cost(
            models["source"], models["quantised"], sample, datasets, threads=threads or 0, progress=bars
        )
    if as_json:
        print(json.dumps(_record(base, made, cost), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        _show(base, made, cost)


def _record(base: Bundle, made: Bundle, cost: QuantisationCost) -> dict[str, Any]:
    from crossfade.cli.model import bundle_json
    from crossfade.evaluation.record import encode

    record = encode(cost)
    for kind, speed in cost.speed.items():
        record["speed"][kind]["ratio"] = speed.ratio
    return {"source": bundle_json(base), "bundle": bundle_json(made), **record}


def _show(base: Bundle, made: Bundle, cost: QuantisationCost) -> None:
    from crossfade.cli.model import bundle_json
    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    before, after = (bundle_json(bundle)["bytes"] for bundle in (base, made))
    print_paragraph(console, f"{made.name} ({made.precision}), made from {base.name}: {made.path}")
    print_paragraph(console, f"document fingerprint {made.document_fingerprint}")
    print_paragraph(console, f"query fingerprint    {made.query_fingerprint}")
    print_paragraph(console, f"size: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after")
    print_paragraph(console, _parity_line(cost.parity))
    for kind, speed in cost.speed.items():
        print_paragraph(console, _speed_line(kind, speed))
    if cost.retrieval:
        console.print(_retrieval_table(cost))
    else:
        print_paragraph(console, _NO_JUDGMENTS)


def _parity_line(parity: Parity) -> str:
    return (
        f"parity: cosine min {parity.min:.5f}, p1 {parity.p1:.5f}, p50 {parity.p50:.5f}, mean {parity.mean:.5f} over "
        f"{parity.texts:,} texts of {parity.origin}"
    )


def _speed_line(kind: str, speed: Speed) -> str:
    return (
        f"speed, {kind} texts ({speed.tokens:.0f} tokens): {speed.source:,.0f} texts/s before, "
        f"{speed.quantised:,.0f} after ({speed.ratio:.2f} times)"
    )


def _retrieval_table(cost: QuantisationCost) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("data set", no_wrap=True)
    table.add_column("queries", justify="right", no_wrap=True)
    table.add_column("measure", no_wrap=True)
    for heading in ("before", "after", "change", "95% interval", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    for found in cost.retrieval:
        for measure, difference in found.difference.items():
            low, high = difference.ci95
            table.add_row(
                f"{found.dataset}/{found.split}",
                f"{found.queries:,}",
                measure,
                f"{found.source[measure]:.4f}",
                f"{found.quantised[measure]:.4f}",
                f"{difference.delta:+.4f}",
                f"{low:+.4f} {high:+.4f}",
                f"{difference.p:.4f}",
            )
    return table

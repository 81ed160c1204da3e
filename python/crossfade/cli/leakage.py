"""`crossfade leakage`: training files held against a split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from crossfade.cli.evaluation_options import (
    AbsentOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    ReportOption,
    SplitOption,
    ThreadsOption,
)
from crossfade.cli.overlap_options import Characters, Containment, IgnoreNumbers, Phrases, overlap_settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from crossfade.evaluation.leakage import Example, LeakageReport, LeakageSettings
    from crossfade.evaluation.leakage.settings import Pair

LEAK = 1  # the exit code that --fail-on-leak asks for

_Files = Annotated[
    list[Path],
    typer.Option(
        "--train", metavar="FILE", help="Training rows as JSON lines (.gz too); repeatable.", show_default=False
    ),
]
_QueryField = Annotated[
    list[str] | None,
    typer.Option("--query-field", help="The field of queries; repeatable. By default known names.", show_default=False),
]
_PositiveField = Annotated[
    list[str] | None,
    typer.Option("--positive-field", help="The field of positives; repeatable.", show_default=False),
]
_NegativeField = Annotated[
    list[str] | None,
    typer.Option("--negative-field", help="The field of negatives; repeatable.", show_default=False),
]
_IgnoreField = Annotated[
    list[str] | None,
    typer.Option("--ignore-field", help="Pass over this field, whatever is in it; repeatable.", show_default=False),
]


def leakage(
    train: _Files,
    dataset: DatasetOption,
    split: SplitOption = "test",
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Find paraphrases too, by this bundle's vectors.", show_default=False),
    ] = None,
    characters: Characters = 0.85,
    phrases: Phrases = 0.7,
    containment: Containment = 0.9,
    ignore_numbers: IgnoreNumbers = False,
    cosine: Annotated[float, typer.Option("--cosine", help="With --model: least cosine of a paraphrase.")] = 0.95,
    counted: Annotated[
        str | None,
        typer.Option(
            "--counted",
            metavar="PAIR,...",
            help="Pairs of sides that make a leak; by default all but negative-relevant.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[float, typer.Option("--limit", help="The share of evaluation queries that may be touched.")] = 0.0,
    query_field: _QueryField = None,
    positive_field: _PositiveField = None,
    negative_field: _NegativeField = None,
    ignore_field: _IgnoreField = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Count lines that cannot be used, and go on.")] = False,
    clean_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--clean-out",
            metavar="FILE",
            help="Write the training file without its leaking rows; one for each --train, in their order.",
            show_default=False,
        ),
    ] = None,
    examples: Annotated[int, typer.Option("--examples", help="Shown of each pair of sides and kind.")] = 3,
    suspects: Annotated[
        int, typer.Option("--suspects", help="With --model: shown of the nearest texts below --cosine.")
    ] = 5,
    fail_on_leak: Annotated[
        bool, typer.Option("--fail-on-leak", help="Exit with code 1 unless the verdict is clean.")
    ] = False,
    json: JsonOption = None,
    report: ReportOption = None,
    allow_absent: AbsentOption = False,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
) -> None:
    """Say which training rows are copies, or nearly, of a split's queries and of what is relevant to them."""
    from crossfade.cli.evaluation_options import load_dataset, load_models
    from crossfade.cli.output import STDOUT, check_outputs, dataset_inputs, write_json, write_text
    from crossfade.cli.progress import StageBars
    from crossfade.config import load_settings
    from crossfade.evaluation.leakage import COUNTED, FieldNames, LeakageSettings, find_leakage
    from crossfade.report import render

    settings = LeakageSettings(
        overlap=overlap_settings(characters, phrases, containment, ignore_numbers=ignore_numbers),
        cosine=cosine,
        counted=COUNTED if counted is None else _pairs(counted),
        limit=limit,
        examples=examples,
        suspects=suspects,
        names=FieldNames(
            tuple(query_field or ()),
            tuple(positive_field or ()),
            tuple(negative_field or ()),
            tuple(ignore_field or ()),
        ),
        skip_bad=skip_bad,
        threads=load_settings(threads=threads).threads,
    )
    places = {f"--clean-out {path}": path for path in clean_out or ()}
    inputs = [*dataset_inputs("--dataset", dataset), ("--model", model), *(("--train", path) for path in train)]
    check_outputs({"--json": json, "--report": report, **places}, stdout="--json", inputs=inputs)
    with StageBars() as bars:
        data = load_dataset(dataset, split, allow_absent=allow_absent, bars=bars)
        encoder = None if model is None else load_models({"model": model}, threads, device)["model"]
        found = find_leakage(data, train, settings, encoder=encoder, clean_out=clean_out, progress=bars)
    if json != STDOUT:
        _show(found, settings, clean_out)
    if json is not None:
        write_json(json, found.to_json())
    if report is not None:
        write_text(report, render(leakage=found))
    if fail_on_leak and found.verdict != "clean":
        raise typer.Exit(LEAK)


def _pairs(given: str) -> tuple[Pair, ...]:
    # LeakageSettings says which there are.
    return tuple(cast("Pair", name.strip()) for name in given.split(",") if name.strip())


def _show(report: LeakageReport, settings: LeakageSettings, clean_out: list[Path] | None) -> None:
    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    print_paragraph(
        console,
        f"{report.dataset}/{report.split}: {report.queries:,} queries, {report.relevant_documents:,} documents "
        f"relevant to them; {report.rows:,} training rows",
    )
    for file in report.files:
        found = "; ".join(f"{role}: {', '.join(names)}" for role, names in file.fields.items() if names)
        passed = f"; not looked at: {', '.join(file.ignored)}" if file.ignored else ""
        print_paragraph(console, f"{file.path}: {file.rows:,} rows; {found or 'arrays of texts'}{passed}")
        if file.skipped:
            print_paragraph(console, f"{file.skipped:,} lines were skipped, the first: {file.first_fault}")
    console.print(_table(report, settings))
    _show_examples(report.examples, console)
    if report.suspects:
        _show_suspects(report, settings, console)
    for reason in report.reasons:
        print_paragraph(console, reason)
    overlap = settings.overlap
    print_paragraph(
        console,
        f"thresholds: characters {overlap.characters:g}, phrases {overlap.phrases:g}, containment "
        f"{overlap.containment:g}" + (f", cosine {settings.cosine:g}" if report.settings["model"] else ""),
    )
    print_paragraph(console, f"verdict: {report.verdict}", style="bold")
    for file, path in zip(report.files, clean_out or (), strict=False):
        print_paragraph(console, f"{path}: {file.rows - file.leaking_rows:,} rows, {file.leaking_rows:,} left out")


def _table(report: LeakageReport, settings: LeakageSettings) -> Table:
    from rich import box
    from rich.table import Table

    from crossfade.evaluation.leakage.results import KINDS

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("training rows", no_wrap=True)
    for kind in KINDS:
        table.add_column(kind, justify="right", no_wrap=True)
    table.add_column("of evaluation queries", justify="right")
    table.add_column("")
    for pair, counts in report.pairs.items():
        semantic = report.settings["model"] is not None
        cells = [f"{counts.rows[kind]:,}" if kind != "semantic" or semantic else "" for kind in KINDS]
        table.add_row(
            pair, *cells, f"{counts.evaluation_queries:,}", "" if pair in settings.counted else "does not count"
        )
    return table


def _show_suspects(report: LeakageReport, settings: LeakageSettings, console: Console) -> None:
    from crossfade.cli.output import print_paragraph

    chance = report.settings["model"]["alike_by_chance"]
    shares = [f"{share:.1%} of the {name}" for name, share in chance.items() if share is not None]
    print_paragraph(
        console,
        f"nearest by vectors below the cosine of {settings.cosine:g}, for looking at; none of these counts"
        + (f" ({' and '.join(shares)} are as near to another of the evaluation's own)" if shares else ""),
    )
    _show_examples(report.suspects, console)


def _show_examples(examples: list[Example], console: Console) -> None:
    from crossfade.cli.output import print_paragraph

    for each in examples:
        alike = each.kind if each.measure == "identity" else f"{each.kind}, {each.measure} {each.similarity:.2f}"
        print_paragraph(console, f"{each.file}:{each.line}: {each.pair}, {alike}")
        print_paragraph(console, f"  training    {each.training_text}")
        print_paragraph(console, f"  {each.evaluation_id:<10}  {each.evaluation_text}")
    if examples:
        print_paragraph(console, "")

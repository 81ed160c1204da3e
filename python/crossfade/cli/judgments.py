"""`crossfade judgments`: several judges' judgments merged into a split; agreement and pools beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossfade.cli import judgments_agreement, judgments_pool
from crossfade.cli.evaluation_options import AbsentOption
from crossfade.cli.judgments_options import Files, Last, Models, read, said_blank

if TYPE_CHECKING:
    from crossfade.evaluation.judgments.results import MergeRecord
    from crossfade.evaluation.judgments.types import Judgments

app = typer.Typer(
    name="judgments",
    help="Judgments of several judges: import them as a split, measure agreement, pool what is left to judge.",
    rich_markup_mode=None,
)
app.command("agreement")(judgments_agreement.agreement)
app.command("pool")(judgments_pool.pool)


@app.command("import")
def import_(
    files: Files,
    dataset: Annotated[
        Path, typer.Option("--dataset", help="The BEIR directory that gets the split.", show_default=False)
    ],
    out: Annotated[str, typer.Option("--out", metavar="SPLIT", help="The split to write.", show_default=False)],
    merge: Annotated[
        Literal["majority", "median", "mean", "max", "min", "adjudicated"],
        typer.Option("--merge", help="From the grades of several judges to one.", show_default=False),
    ],
    ties: Annotated[
        Literal["lower", "higher", "drop", "refuse"],
        typer.Option(
            "--ties", help="Where the rule leaves it open: the lower grade, the higher, no judgment, or no import."
        ),
    ] = "lower",
    adjudicator: Annotated[
        str | None,
        typer.Option("--adjudicator", help="With --merge adjudicated: whose grade stands.", show_default=False),
    ] = None,
    otherwise: Annotated[
        Literal["majority", "median", "mean", "max", "min"],
        typer.Option("--otherwise", help="With --merge adjudicated: the rule for pairs that the adjudicator left out."),
    ] = "majority",
    min_judges: Annotated[int, typer.Option("--min-judges", help="Leave out pairs that fewer judged.")] = 1,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include-model-judges",
            metavar="NAME",
            help="Let this model's judgments count as a person's; may be repeated.",
            show_default=False,
        ),
    ] = None,
    models: Models = None,
    last: Last = False,
    allow_absent: AbsentOption = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write the split even where it is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON instead of text.")] = False,
) -> None:
    """Merge judgments into a split of a data set, with a record of how it came about beside it.

    Judges that are models do not count unless they are named.
    """
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.judgments.import_split import check_split, import_split
    from crossfade.evaluation.judgments.merge import MergeSettings

    check_split(dataset, out, replace=replace)
    settings = MergeSettings(merge, ties, adjudicator, otherwise, min_judges, tuple(include or ()))
    with StageBars() as bars:
        judgments = read(files, bars, last=last, models=models)
        record = import_split(
            judgments, dataset, out, settings, allow_absent=allow_absent, replace=replace, progress=bars
        )
    if as_json:
        print(json.dumps(record.to_json(), indent=2, allow_nan=False))
    else:
        _show(record, judgments)


def _show(record: MergeRecord, judgments: Judgments) -> None:
    from rich import box
    from rich.table import Table

    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    rule = record.rule
    if record.adjudicator:
        rule = f"adjudicated by {record.adjudicator}, otherwise {record.otherwise}"
    print_paragraph(
        console,
        f"{record.dataset}/{record.split}: {record.pairs:,} judgments of {record.queries:,} queries; merged by {rule}, "
        f"ties: {record.ties}",
    )
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("judge", "kind", "judgments", "counted"):
        table.add_column(column, justify="right" if column == "judgments" else "left", overflow="fold")
    for judge in record.judges:
        table.add_row(judge.name, judge.kind, f"{judge.judgments:,}", "yes" if judge.used else "no")
    console.print(table)
    if record.included_models:
        names = ", ".join(record.included_models)
        print_paragraph(console, f"Judgments of models are merged with those of people, as asked: {names}.")
    by = {what: sum(each.by == what for each in record.disagreements) for what in ("tie", "adjudicated")}
    print_paragraph(
        console,
        f"one judge: {record.single:,}; several, unanimous: {record.unanimous:,}; in disagreement: "
        f"{len(record.disagreements):,}, of which tied {by['tie']:,} and adjudicated {by['adjudicated']:,}",
    )
    grades = ", ".join(f"{grade}: {count:,}" for grade, count in record.grades.items())
    print_paragraph(console, f"grades: {grades}")
    for number, what in (
        (record.undecided, "left out because of a tie"),
        (record.too_few, f"left out with fewer than {record.min_judges} judges"),
        (record.absent, "of documents that the corpus lacks"),
        (record.replaced, "replaced by a later judgment of the same judge"),
    ):
        if number:
            print_paragraph(console, f"{what}: {number:,}")
    for line in said_blank(judgments):
        print_paragraph(console, line)
    print_paragraph(console, f"written: qrels/{record.split}.tsv and qrels/{record.split}.judgments.json")

"""`crossfade judgments agreement`: how far judges agree, people and models apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from crossfade.cli.judgments_options import Files, Last, Models, read, said_blank

if TYPE_CHECKING:
    from rich.table import Table

    from crossfade.evaluation.judgments.results import AgreementReport, Coefficient, PairAgreement


def agreement(
    files: Files,
    models: Models = None,
    last: Last = False,
    resamples: Annotated[int, typer.Option("--resamples", help="Of the bootstrap over pairs.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Of the bootstrap.")] = 17,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON instead of tables.")] = False,
) -> None:
    """Measure agreement beyond chance: Cohen's and Fleiss' kappa, Krippendorff's alpha, with 95% intervals.

    Judges that are models are held against people, and are in no figure about people.
    """
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.judgments.agreement import agreement as measure
    from crossfade.intervals import Bootstrap

    with StageBars() as bars:
        judgments = read(files, bars, last=last, models=models)
        report = measure(judgments, Bootstrap(resamples=resamples, seed=seed), progress=bars)
    if as_json:
        print(json.dumps(report.to_json(), indent=2, allow_nan=False))
    else:
        _show(report, said_blank(judgments))


def _show(report: AgreementReport, blank: list[str]) -> None:
    from crossfade.cli.output import print_paragraph, table_console

    console = table_console()
    kinds = {kind: sum(judge.kind == kind for judge in report.judges) for kind in ("human", "model")}
    print_paragraph(
        console,
        f"{report.units:,} pairs of query and document; judges: {_count(kinds['human'], 'person', 'people')}, "
        f"{_count(kinds['model'], 'model', 'models')}; grades {', '.join(map(str, report.grades))}",
    )
    for line in blank:
        print_paragraph(console, line)
    humans = report.humans
    table = _table("people together")
    each = f" ({humans.fleiss_judgments} judgments a pair)" if humans.fleiss_judgments else ""
    for name, found in (
        ("agreement", humans.percent),
        (f"Fleiss' kappa{each}", humans.fleiss),
        ("Krippendorff's alpha, nominal", humans.alpha_nominal),
        ("Krippendorff's alpha, ordinal", humans.alpha_ordinal),
        ("Krippendorff's alpha, interval", humans.alpha_interval),
    ):
        _add(table, name, found)
    console.print(table)
    for pair in report.pairs:
        console.print(_pair(pair))
    for model in report.models:
        print_paragraph(console, f"Model {model.judge}, against people:")
        for pair in (model.majority, *model.pairs):
            console.print(_pair(pair))


def _pair(pair: PairAgreement) -> Table:
    table = _table(f"{pair.first} and {pair.second}")
    for name, found in (
        ("agreement", pair.percent),
        ("Cohen's kappa", pair.kappa),
        ("Cohen's kappa, linear weights", pair.kappa_linear),
        ("Cohen's kappa, quadratic weights", pair.kappa_quadratic),
    ):
        _add(table, name, found)
    return table


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(title, overflow="fold", min_width=34)
    for column in ("value", "95% interval", "pairs"):
        table.add_column(column, justify="right")
    table.add_column("")
    return table


def _add(table: Table, name: str, found: Coefficient) -> None:
    value = "-" if found.value is None else f"{found.value:.3f}"
    interval = "-" if found.ci is None else f"{found.ci[0]:.3f} to {found.ci[1]:.3f}"
    table.add_row(name, value, interval, f"{found.units:,}", found.undefined)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"

"""What several sections draw: tables of words and figures, bars, names with values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WORDS, FIGURES = "words", "figures"


@dataclass(frozen=True, slots=True)
class Column:
    """`kind`: words stand to the left and wrap, figures to the right and do not."""

    head: str
    kind: str = FIGURES


@dataclass(frozen=True, slots=True)
class Table:
    """`rows`: as many texts as columns each, the first of them the row's name. `label`: for who does not see it."""

    label: str
    columns: list[Column]
    rows: list[list[str]]


def table(label: str, columns: Sequence[str | Column], rows: Sequence[Sequence[str]]) -> Table:
    """A table whose columns are of figures unless they say otherwise; the first is of names."""
    return Table(
        label,
        [
            column if isinstance(column, Column) else Column(column, WORDS if index == 0 else FIGURES)
            for index, column in enumerate(columns)
        ],
        [list(row) for row in rows],
    )


def without_empty(made: Table) -> Table:
    """Without the columns that say nothing in any row."""
    kept = [at for at in range(len(made.columns)) if at == 0 or any(row[at] not in ("", "–") for row in made.rows)]
    return Table(made.label, [made.columns[at] for at in kept], [[row[at] for at in kept] for row in made.rows])


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values under a heading."""

    title: str
    lines: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """Where an interval lies on an axis, in percent. `margin`: what it is held against, None where nothing is."""

    left: float
    point: float
    right: float
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One line of an interval plot. `outcome` picks mark and colour: better, worse, unclear or judged; `sign` and
    `words` say the same. `alt`: for who does not see it."""

    name: str
    gloss: str
    tag: str
    outcome: str
    sign: str
    value: str
    words: str
    span: Span
    alt: str


SIGNS = {"better": "▲", "worse": "▼", "unclear": "○", "judged": "–"}

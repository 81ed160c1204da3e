"""What a decision kept of a leakage report: counts and thresholds, no texts."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.flat import flat
from crossfade.report.limits import LONG_LIST, NAME
from crossfade.report.reader import Fields


@dataclass(frozen=True, slots=True)
class Touched:
    """`leaking_rows`: by pair of sides. `thresholds`: from when on a text counted as a copy."""

    report_sha256: str
    queries: int
    touched: int
    rows: int
    skipped: int
    limit: float
    leaking_rows: dict[str, int]
    counted: list[str]
    thresholds: dict[str, str]
    files: dict[str, str]


def read_touched(fields: Fields | None) -> Touched | None:
    """Raises InvalidInput, naming the field by path."""
    if fields is None:
        return None
    rows = fields.fields("leaking_rows")
    thresholds = flat(fields.fields("overlap"))
    if "cosine" in fields:
        thresholds["cosine"] = f"{fields.number('cosine'):g}"
    return Touched(
        report_sha256=fields.text("report_sha256", NAME),
        queries=fields.whole("queries"),
        touched=fields.whole("queries_touched"),
        rows=fields.whole("rows"),
        skipped=fields.whole("skipped"),
        limit=fields.number("limit"),
        leaking_rows={pair: rows.whole(pair) for pair in list(rows.values)[:LONG_LIST]},
        counted=fields.texts("counted", NAME, LONG_LIST),
        thresholds=thresholds,
        files={each.text("path", NAME): each.text("sha256", NAME) for each in fields.objects("files", LONG_LIST)},
    )

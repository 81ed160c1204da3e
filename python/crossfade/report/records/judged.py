"""How much of what both sides found somebody judged, and what judging the rest could change."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from crossfade.report.limits import NAME
from crossfade.report.reader import Fields


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a measure's mean: as reported, with every unjudged result relevant, and between what it must lie."""

    as_judged: float
    all_relevant: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judged:
    """`base` and `candidate`: mean shares of the first k that somebody judged. `pool`: results that nobody did."""

    k: int
    base: float
    candidate: float
    pool: int
    measure: str
    base_bounds: Bounds | None
    candidate_bounds: Bounds | None
    difference: tuple[float, float] | None


def read_judged(fields: Fields) -> Judged:
    """Raises InvalidInput, naming the field by path."""
    shares = [fields.numbers(name) for name in ("base", "candidate")]
    for name, values in zip(("base", "candidate"), shares, strict=True):
        if not values:
            raise fields.place(name).wrong("a list of at least one share", values)
    ends = None
    if "difference_low" in fields and "difference_high" in fields:
        ends = fields.ends("difference_low", "difference_high")
    return Judged(
        k=fields.whole("k"),
        base=fmean(shares[0]),
        candidate=fmean(shares[1]),
        pool=fields.whole("pool"),
        measure=fields.text("measure", NAME),
        base_bounds=_bounds(fields.optional_fields("base_bounds")),
        candidate_bounds=_bounds(fields.optional_fields("candidate_bounds")),
        difference=ends,
    )


def _bounds(fields: Fields | None) -> Bounds | None:
    if fields is None:
        return None
    low, high = fields.ends("low", "high")
    return Bounds(fields.number("as_judged"), fields.number("all_relevant"), low, high)

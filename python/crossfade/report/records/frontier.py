"""Several models at once (`crossfade frontier`) as the page takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossfade.report.flat import flat
from crossfade.report.limits import NAME
from crossfade.report.parse import read_latency
from crossfade.report.reader import Fields, HasRecord, Place, as_json
from crossfade.report.record import Latency, Model
from crossfade.report.records.decision import Cost, read_cost
from crossfade.report.records.diagnosis import read_hashes, read_model
from crossfade.report.text import sentence_list

SCHEMA = 1
MODELS = 60


@dataclass(frozen=True, slots=True)
class Point:
    """One model. `behind`: what it lacks to the best mean, with its interval."""

    name: str
    model: Model
    value: float
    low: float
    high: float
    behind: float
    behind_low: float
    behind_high: float
    latency: Latency
    cost: Cost
    pareto: bool
    dominated_by: list[str]


@dataclass(frozen=True, slots=True)
class Frontier:
    """`points`: the best mean first."""

    dataset: str
    split: str
    queries: int
    documents: int
    measure: str
    points: list[Point]
    left_out: int
    prices: str
    hashes: dict[str, str]
    facts: dict[str, str]


def read(record: Mapping[str, Any] | HasRecord) -> Frontier:
    """Check and clean a frontier. Raises InvalidInput, naming the field by path."""
    fields = Fields(as_json(record), Place("frontier"))
    fields.get("points")  # the wrong kind of record is told before its version
    if fields.whole("schema") != SCHEMA:
        raise fields.place("schema").wrong(f"{SCHEMA}: another version is another crossfade's", fields.get("schema"))
    points = [_point(each) for each in fields.objects("points", MODELS)]
    if not points:
        raise fields.place("points").wrong("a list of at least one model", [])
    settings = fields.optional_fields("settings")
    return Frontier(
        dataset=fields.text("dataset", NAME),
        split=fields.text("split", NAME),
        queries=fields.whole("queries"),
        documents=fields.whole("documents"),
        measure=fields.text("measure", NAME),
        points=points,
        left_out=len(fields.items("points")) - len(points),
        prices=_prices(fields.fields("prices")),
        hashes=read_hashes(settings),
        facts=flat(settings),
    )


def _prices(fields: Fields) -> str:
    currency = fields.text("currency", 20)
    hours = (("a CPU core", fields.at_least_zero("cpu_hour")), ("a GPU", fields.at_least_zero("gpu_hour")))
    return sentence_list([f"{price:g} {currency} for an hour of {what}" for what, price in hours if price])


def _point(fields: Fields) -> Point:
    low, high = fields.ends("low", "high")
    behind = fields.interval("behind_ci95")
    return Point(
        name=fields.text("name", NAME),
        model=read_model(fields.fields("model")),
        value=fields.number("value"),
        low=low,
        high=high,
        behind=fields.number("behind"),
        behind_low=behind[0],
        behind_high=behind[1],
        latency=read_latency(fields.fields("latency_ms")),
        cost=read_cost(fields.fields("cost")),
        pareto=fields.flag("pareto"),
        dominated_by=fields.texts("dominated_by", NAME, MODELS),
    )

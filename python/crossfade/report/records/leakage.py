"""Training data held against a split (docs/leakage.md) as the page takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossfade.report.flat import flat
from crossfade.report.limits import LONG_LIST, NAME, REASON, REASONS, SNIPPET
from crossfade.report.reader import Fields, HasRecord, Place, as_json
from crossfade.report.records.diagnosis import read_hashes

SCHEMA = 1
KINDS = ("exact", "normalised", "near", "semantic")
VERDICTS = ("leak", "clean", "unclear")
_EXAMPLES = 30


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair of sides. `rows`: by kind. `counts`: whether it makes a leak."""

    name: str
    rows: dict[str, int]
    queries: int
    counts: bool


@dataclass(frozen=True, slots=True)
class File:
    path: str
    sha256: str
    rows: int
    skipped: int
    leaking_rows: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A training text beside the evaluation text that it is a copy of."""

    pair: str
    kind: str
    measure: str
    similarity: float
    place: str
    training_text: str
    evaluation_id: str
    evaluation_text: str


@dataclass(frozen=True, slots=True)
class Leakage:
    dataset: str
    split: str
    queries: int
    rows: int
    skipped: int
    leaking_rows: int
    touched: int
    verdict: str
    reasons: list[str]
    pairs: list[Pair]
    files: list[File]
    files_left_out: int
    examples: list[Copy]
    thresholds: dict[str, str]
    limit: float
    hashes: dict[str, str]
    facts: dict[str, str]


def read(record: Mapping[str, Any] | HasRecord) -> Leakage:
    """Check and clean a leakage report. Raises InvalidInput, naming the field by path."""
    fields = Fields(as_json(record), Place("leakage"))
    fields.get("pairs")  # the wrong kind of record is told before its version
    if "schema" in fields and fields.whole("schema") != SCHEMA:
        raise fields.place("schema").wrong(f"{SCHEMA}: another version is another crossfade's", fields.get("schema"))
    settings = fields.fields("settings")
    counted = settings.texts("counted", NAME, LONG_LIST)
    pairs = fields.fields("pairs")
    return Leakage(
        dataset=fields.text("dataset", NAME),
        split=fields.text("split", NAME),
        queries=fields.whole("queries"),
        rows=fields.whole("rows"),
        skipped=fields.whole("skipped"),
        leaking_rows=fields.whole("leaking_rows"),
        touched=fields.whole("queries_touched"),
        verdict=fields.one_of("verdict", VERDICTS),
        reasons=fields.sentences("reasons", REASON, REASONS),
        pairs=[_pair(name, pairs.fields(name), counted) for name in list(pairs.values)[:LONG_LIST]],
        files=[_file(each) for each in fields.objects("files", LONG_LIST)],
        files_left_out=max(0, len(fields.items("files")) - LONG_LIST),
        examples=[_copy(each) for each in fields.objects("examples", _EXAMPLES)],
        thresholds=_thresholds(settings),
        limit=settings.number("limit"),
        hashes=read_hashes(settings),
        facts=flat(settings),
    )


def _thresholds(settings: Fields) -> dict[str, str]:
    overlap, model = settings.fields("overlap"), settings.optional_fields("model")
    found = {name: f"{overlap.number(name):g}" for name in ("characters", "phrases", "containment")}
    if model is not None:
        found["cosine"] = f"{model.number('cosine'):g}"
    return found


def _pair(name: str, fields: Fields, counted: list[str]) -> Pair:
    rows = fields.fields("rows")
    return Pair(name, {kind: rows.whole(kind) for kind in KINDS}, fields.whole("evaluation_queries"), name in counted)


def _file(fields: Fields) -> File:
    return File(
        path=fields.text("path", SNIPPET),
        sha256=fields.text("sha256", NAME),
        rows=fields.whole("rows"),
        skipped=fields.whole("skipped"),
        leaking_rows=fields.whole("leaking_rows"),
    )


def _copy(fields: Fields) -> Copy:
    return Copy(
        pair=fields.text("pair", NAME),
        kind=fields.one_of("kind", KINDS),
        measure=fields.text("measure", NAME),
        similarity=fields.number("similarity"),
        place=f"{fields.text('file', NAME)}:{fields.whole('line'):,}",
        training_text=fields.text("training_text", SNIPPET),
        evaluation_id=fields.text("evaluation_id", NAME),
        evaluation_text=fields.text("evaluation_text", SNIPPET),
    )

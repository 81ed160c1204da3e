"""From a comparison, as JSON or as evaluation's own type, to a checked `Record`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

from crossfade.errors import InvalidInput
from crossfade.evaluation.results import Comparison, Verdict
from crossfade.report import reader
from crossfade.report.reader import Fields
from crossfade.report.record import Difference, Latency, Model, Query, Ranked, Record, Side
from crossfade.report.text import clean

VERDICTS = ("ship", "do_not_ship", "inconclusive", "blocked")
MAX_ROWS = 10  # results shown of one ranking
_MAX_REASONS, _MAX_SETTINGS, _MAX_DEPTH = 20, 100, 4
_MAX_GRADE = 1000
_NAME, _QUERY, _TITLE, _SNIPPET, _LINE, _REASON = 120, 300, 120, 260, 300, 1000  # bytes shown of each kind of text


def read(comparison: Mapping[str, Any] | Comparison) -> Record:
    """Check and clean a comparison.

    Raises InvalidInput, naming the field by path, when a required one is missing or any one is not what it must be.
    """
    fields = Fields(comparison.to_json() if isinstance(comparison, Comparison) else comparison)
    verdict = fields.get("verdict")
    if verdict not in VERDICTS:
        raise reader.wrong("verdict", f"one of {', '.join(VERDICTS)}", verdict)
    measured = fields.fields("difference")
    if not measured.values:
        raise reader.wrong("difference", "an object of at least one measure", {})
    primary = fields.get("primary") if "primary" in fields else next(iter(measured.values))
    if not isinstance(primary, str) or primary not in measured.values:
        raise reader.wrong("primary", "a measure that difference holds", primary)
    base, candidate = _side(fields.fields("base"), primary), _side(fields.fields("candidate"), primary)
    _same_queries(base, candidate)
    settings = fields.optional_fields("settings")
    return Record(
        verdict=cast(Verdict, verdict),
        reasons=[
            reader.text(reason, f"reasons[{index}]", _REASON)
            for index, reason in enumerate(fields.items("reasons")[:_MAX_REASONS])
        ],
        primary=clean(primary, _NAME),
        base=base,
        candidate=candidate,
        differences=[
            _difference(measure, measured.fields(measure), fields)
            for measure in sorted(measured.values, key=lambda measure: measure != primary)
        ],
        queries=_queries(fields) if "queries" in fields else [],
        settings=_flat(settings),
        alpha=_alpha(settings),
    )


def _same_queries(base: Side, candidate: Side) -> None:
    for name in ("dataset", "split", "queries", "documents"):
        ours, theirs = getattr(base, name), getattr(candidate, name)
        if ours != theirs:
            raise InvalidInput(
                f"comparison: base.{name} is {ours!r} and candidate.{name} is {theirs!r}: two models are compared on "
                "the same queries and documents only; evaluate both on one split of one data set"
            )


def _alpha(settings: Fields | None) -> float:
    if settings is None or "alpha" not in settings:
        return 0.05
    alpha = settings.number("alpha")
    if not 0 < alpha < 1:
        raise reader.wrong("settings.alpha", "between 0 and 1", alpha)
    return alpha


def _side(fields: Fields, primary: str) -> Side:
    model = fields.fields("model")
    latency = fields.optional_fields("latency_ms")
    every = fields.optional_fields("per_query")
    per_query = every.optional_fields(primary) if every else None
    return Side(
        dataset=fields.text("dataset", _NAME),
        split=fields.text("split", _NAME),
        queries=fields.whole("queries"),
        documents=fields.optional_whole("documents"),
        model=Model(
            name=model.text("name", _NAME),
            fingerprint=model.text("fingerprint", _NAME),
            document_fingerprint=model.optional_text("document_fingerprint", _NAME),
        ),
        latency=_latency(latency) if latency else None,
        per_query={query: per_query.number(query) for query in per_query.values} if per_query else {},
        settings=_retrieval(fields.optional_fields("retrieval")) | _flat(fields.optional_fields("settings")),
    )


def _latency(fields: Fields) -> Latency:
    found = {name: fields.number(name) for name in ("p50", "p95", "p99")}
    for name, value in found.items():
        if value < 0:
            raise reader.wrong(fields.path(name), "0 ms or more", value)
    return Latency(**found, samples=fields.optional_whole("samples"))


def _difference(measure: str, fields: Fields, record: Fields) -> Difference:
    path = fields.path("ci95")
    interval = [reader.number(bound, path) for bound in fields.items("ci95")]
    if len(interval) != 2 or interval[0] > interval[1]:
        raise reader.wrong(path, "two numbers, the lower one first", interval)
    return Difference(
        measure=clean(measure, _NAME),
        base=record.fields("base").fields("measures").number(measure),
        candidate=record.fields("candidate").fields("measures").number(measure),
        delta=fields.number("delta"),
        low=interval[0],
        high=interval[1],
        p=_probability(fields, "p"),
        p_holm=_probability(fields, "p_holm") if "p_holm" in fields else None,
        wins=fields.optional_whole("wins"),
        losses=fields.optional_whole("losses"),
        ties=fields.optional_whole("ties"),
        minimum_detectable=fields.optional_number("minimum_detectable") or None,
    )


def _probability(fields: Fields, key: str) -> float:
    p = fields.number(key)
    if not 0 <= p <= 1:
        raise reader.wrong(fields.path(key), "a probability, 0 to 1", p)
    return p


def _queries(fields: Fields) -> list[Query]:
    queries = [_query(query) for query in fields.objects("queries")]
    if len({query.id for query in queries}) < len(queries):
        twice = next(label for label, times in Counter(query.label for query in queries).items() if times > 1)
        raise reader.wrong("queries", "a list that holds each query once", twice)
    return queries


def _query(fields: Fields) -> Query:
    id_ = fields.get("query_id")
    relevant = _ranking(fields, "relevant")
    return Query(
        id=id_,
        label=reader.text(id_, fields.path("query_id"), _NAME),
        text=fields.text("text", _QUERY),
        base_value=fields.number("base_value"),
        candidate_value=fields.number("candidate_value"),
        base_results=_ranking(fields, "base_results"),
        candidate_results=_ranking(fields, "candidate_results"),
        relevant=relevant,
        relevant_total=max(len(relevant), fields.optional_whole("relevant_total") or 0),
    )


def _ranking(fields: Fields, key: str) -> list[Ranked]:
    return [_ranked(item) for item in fields.objects(key, MAX_ROWS)] if key in fields else []


def _ranked(fields: Fields) -> Ranked:
    id_ = fields.get("id")
    grade = fields.get("grade") if "grade" in fields else None
    if grade is not None and (isinstance(grade, bool) or not isinstance(grade, int) or abs(grade) > _MAX_GRADE):
        raise reader.wrong(fields.path("grade"), "a small whole number, or null where nobody judged", grade)
    return Ranked(
        id=id_,
        label=reader.text(id_, fields.path("id"), _NAME),
        score=fields.number("score") if "score" in fields else 0.0,
        title=fields.text("title", _TITLE) if "title" in fields else "",
        snippet=fields.text("snippet", _SNIPPET) if "snippet" in fields else "",
        grade=grade,
    )


def _flat(settings: Fields | None) -> dict[str, str]:
    return dict(islice(_lines(settings.values), _MAX_SETTINGS)) if settings else {}


def _retrieval(found: Fields | None) -> dict[str, str]:
    """How queries were answered, as lines before the settings; what does not apply is left out. Older records are all
    of exact search by vectors."""
    said = {key: value for key, value in found.values.items() if value} if found else {"mode": "dense", "exact": True}
    return dict(islice(_lines(said, "retrieval"), _MAX_SETTINGS))


def _lines(value: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Settings as lines: `{"versions": {"numpy": "2.4"}}` is `versions numpy`, `2.4`."""
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        for key, inner in value.items():
            yield from _lines(inner, f"{name} {str(key).replace('_', ' ')}".strip(), depth + 1)
        return
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = ", ".join(_scalar(item) for item in value[:_LINE])
    else:
        shown = _scalar(value)
    yield clean(name, _NAME), clean(shown, _LINE)


def _scalar(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

"""From a comparison, as JSON or as evaluation's own type, to a checked `Record`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from crossfade.errors import InvalidInput
from crossfade.evaluation.results import Verdict
from crossfade.report.flat import flat, retrieval
from crossfade.report.limits import NAME, QUERY, REASON, REASONS, RESULTS, SNIPPET, TITLE
from crossfade.report.order import most_changed
from crossfade.report.reader import Fields, HasRecord, Place, as_json
from crossfade.report.record import Difference, Latency, Model, Query, Ranked, Record, Side
from crossfade.report.text import clean

SCHEMA = 2  # the newest that is read
VERDICTS = ("ship", "do_not_ship", "inconclusive", "blocked")
_MAX_GRADE = 1000
_TOLERANCE = 1e-6  # of a mean: sums in another order differ by less


def read(comparison: Mapping[str, Any] | HasRecord) -> Record:
    """Check and clean a comparison.

    Raises InvalidInput, naming the field by path, when a required one is missing or any one is not what it must be.
    """
    fields = Fields(as_json(comparison), Place("comparison"))
    verdict = fields.one_of("verdict", VERDICTS)
    if "schema" in fields and not 1 <= fields.whole("schema") <= SCHEMA:
        expected = f"1 to {SCHEMA}: another version is another crossfade's"
        raise fields.place("schema").wrong(expected, fields.get("schema"))
    measured = fields.fields("difference")
    if not measured.values:
        raise fields.place("difference").wrong("an object of at least one measure", {})
    primary = fields.get("primary") if "primary" in fields else next(iter(measured.values))
    if not isinstance(primary, str) or primary not in measured.values:
        raise fields.place("primary").wrong("a measure that difference holds", primary)
    base, candidate = _side(fields.fields("base"), primary), _side(fields.fields("candidate"), primary)
    _same_queries(base, candidate)
    settings = fields.optional_fields("settings")
    _whole(fields, settings, base.queries)
    return Record(
        verdict=cast(Verdict, verdict),
        reasons=fields.sentences("reasons", REASON, REASONS),
        primary=clean(primary, NAME),
        base=base,
        candidate=candidate,
        differences=[
            _difference(measure, measured.fields(measure), fields)
            for measure in sorted(measured.values, key=lambda measure: measure != primary)
        ],
        queries=_queries(fields) if "queries" in fields else [],
        settings=flat(settings),
        alpha=_alpha(settings),
        protocol_sha256=_protocol(settings),
    )


def _same_queries(base: Side, candidate: Side) -> None:
    for name in ("dataset", "split", "queries", "documents"):
        ours, theirs = getattr(base, name), getattr(candidate, name)
        if ours != theirs:
            raise InvalidInput(
                f"comparison: base.{name} is {ours!r} and candidate.{name} is {theirs!r}: two models are compared on "
                "the same queries and documents only; evaluate both on one split of one data set"
            )


def _whole(fields: Fields, settings: Fields | None, queries: int) -> None:
    """That no query is gone but those that the record itself says it leaves out."""
    left_out = settings.optional_whole("queries_left_out") if settings else None
    if left_out is None or "queries" not in fields:
        return
    held = len(fields.items("queries"))
    if held + left_out != queries:
        raise fields.place("queries").wrong(f"a list of {queries - left_out}: {queries} less {left_out} left out", held)


def _alpha(settings: Fields | None) -> float:
    if settings is None or "alpha" not in settings:
        return 0.05
    alpha = settings.number("alpha")
    if not 0 < alpha < 1:
        raise settings.place("alpha").wrong("between 0 and 1", alpha)
    return alpha


def _protocol(settings: Fields | None) -> str | None:
    decision = settings.optional_fields("decision") if settings else None
    return decision.optional_text("protocol_sha256", NAME) if decision else None


def _side(fields: Fields, primary: str) -> Side:
    model = fields.fields("model")
    latency = fields.optional_fields("latency_ms")
    every = fields.optional_fields("per_query")
    per_query = every.optional_fields(primary) if every else None
    return Side(
        dataset=fields.text("dataset", NAME),
        split=fields.text("split", NAME),
        queries=fields.whole("queries"),
        documents=fields.optional_whole("documents"),
        model=Model(
            name=model.text("name", NAME),
            fingerprint=model.text("fingerprint", NAME),
            document_fingerprint=model.optional_text("document_fingerprint", NAME),
        ),
        latency=read_latency(latency) if latency else None,
        per_query={query: per_query.number(query) for query in per_query.values} if per_query else {},
        settings=retrieval(fields.optional_fields("retrieval")) | flat(fields.optional_fields("settings")),
    )


def read_latency(fields: Fields) -> Latency:
    """Percentiles in milliseconds."""
    found = {name: fields.at_least_zero(name, " ms") for name in ("p50", "p95", "p99")}
    return Latency(**found, samples=fields.optional_whole("samples"))


def _difference(measure: str, fields: Fields, record: Fields) -> Difference:
    low, high = fields.interval("ci95")
    base, candidate = (record.fields(side).fields("measures").number(measure) for side in ("base", "candidate"))
    delta = fields.number("delta")
    if abs(candidate - base - delta) > _TOLERANCE * max(1.0, abs(base), abs(candidate)):
        raise fields.place("delta").wrong(f"candidate less base, {candidate:.6g} - {base:.6g}", delta)
    return Difference(
        measure=clean(measure, NAME),
        base=base,
        candidate=candidate,
        delta=delta,
        low=low,
        high=high,
        p=fields.probability("p"),
        p_holm=fields.optional_probability("p_holm"),
        wins=fields.optional_whole("wins"),
        losses=fields.optional_whole("losses"),
        ties=fields.optional_whole("ties"),
        minimum_detectable=fields.optional_number("minimum_detectable") or None,
    )


def _queries(fields: Fields) -> list[Query]:
    """Every query; words and rankings of those alone that a page can show."""
    found = list(fields.objects("queries"))
    ids = [each.text("query_id", NAME) for each in found]
    values = [(each.number("base_value"), each.number("candidate_value")) for each in found]
    keys = [each.get("query_id") for each in found]
    if len(set(keys)) < len(keys):
        twice = next(label for label, times in Counter(ids).items() if times > 1)
        raise fields.place("queries").wrong("a list that holds each query once", twice)
    chosen = most_changed([candidate - base for base, candidate in values], keys)
    queries = []
    for row, (each, key, label, (base, candidate)) in enumerate(zip(found, keys, ids, values, strict=True)):
        words = each.text("text", QUERY) if row in chosen.listed else ""
        queries.append(
            _query(each, key, label, words, base, candidate)
            if row in chosen.ranked
            else Query(key, label, words, base, candidate, [], [], [], 0)
        )
    return queries


def _query(fields: Fields, key: str, label: str, words: str, base: float, candidate: float) -> Query:
    relevant = read_ranking(fields, "relevant")
    return Query(
        id=key,
        label=label,
        text=words,
        base_value=base,
        candidate_value=candidate,
        base_results=read_ranking(fields, "base_results"),
        candidate_results=read_ranking(fields, "candidate_results"),
        relevant=relevant,
        relevant_total=max(len(relevant), fields.optional_whole("relevant_total") or 0),
    )


def read_query(fields: Fields) -> Query:
    """One query with both rankings."""
    base, candidate = fields.number("base_value"), fields.number("candidate_value")
    label = fields.text("query_id", NAME)
    return _query(fields, fields.get("query_id"), label, fields.text("text", QUERY), base, candidate)


def read_ranking(fields: Fields, key: str) -> list[Ranked]:
    """The first results; none where the field is absent."""
    return [_ranked(item) for item in fields.objects(key, RESULTS)] if key in fields else []


def _ranked(fields: Fields) -> Ranked:
    id_ = fields.get("id")
    grade = fields.get("grade") if "grade" in fields else None
    if grade is not None and (isinstance(grade, bool) or not isinstance(grade, int) or abs(grade) > _MAX_GRADE):
        raise fields.place("grade").wrong("a small whole number, or null where nobody judged", grade)
    return Ranked(
        id=id_,
        label=fields.text("id", NAME),
        score=fields.number("score") if "score" in fields else 0.0,
        title=fields.text("title", TITLE) if "title" in fields else "",
        snippet=fields.text("snippet", SNIPPET) if "snippet" in fields else "",
        grade=grade,
    )

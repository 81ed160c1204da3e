"""Checks a record: its hashes, its verdict from the values by query, and, where they are given, its data and runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from crossfade import measures as ir
from crossfade.errors import CrossfadeError, InvalidInput
from crossfade.evaluation.beir import read_query_fields
from crossfade.evaluation.changes import changes
from crossfade.evaluation.compare import ComparisonSettings
from crossfade.evaluation.dataset import Dataset, Run
from crossfade.evaluation.decision.attested import attested, data_unlike
from crossfade.evaluation.decision.canonical import canonical_bytes
from crossfade.evaluation.decision.causes import standing
from crossfade.evaluation.decision.checks import MOST_NAMED, Check, Sources, differences, equal, lacking, named
from crossfade.evaluation.decision.evidence import Evidence, Values
from crossfade.evaluation.decision.gather import run_sha256
from crossfade.evaluation.decision.judged import judged_shares
from crossfade.evaluation.decision.losses import greatest_losses
from crossfade.evaluation.decision.record import DecisionRecord, content_sha256
from crossfade.evaluation.decision.rule import RULE, conclude
from crossfade.evaluation.decision.slices import slice_members
from crossfade.evaluation.evaluate import TIES, package_versions
from crossfade.evaluation.record import encode
from crossfade.evaluation.showcase import query_comparisons


def verify(data: Mapping[str, Any], sources: Sources | None = None) -> list[Check]:
    """Every check of a record as parsed JSON, but for its signature (`signing.check_signature`).

    Raises InvalidInput when it is no record of a schema and a rule that this crossfade reads.
    """
    sources = sources or Sources()
    record = DecisionRecord.from_json(data)
    if record.outcome.rule != RULE:
        raise InvalidInput(
            f"outcome.rule: this record was concluded by rule {record.outcome.rule}, this crossfade has rule {RULE}: "
            "verify it with the version that wrote it"
        )
    checks = [_content(data), _fields(data, record), _protocol(data, record)]
    checks += _outcome(data, record)
    checks.append(_regressions(record))
    checks += _data(record, sources)
    checks += _runs(record, sources)
    checks += _shown(record, sources)
    checks += attested(record, sources)
    return checks


def _fields(data: Mapping[str, Any], record: DecisionRecord) -> Check:
    """What a reader would ignore, and someone would read, is refused. The protocol has a check of its own."""
    known = {key: value for key, value in encode(record).items() if key != "protocol"}
    unknown = list(_unknown({key: value for key, value in data.items() if key != "protocol"}, known, ""))
    said = f"no field of a record: {named(unknown)}; of a newer crossfade, verify with that" if unknown else ""
    return Check("fields", not unknown, said)


def _unknown(stored: Any, known: Any, path: str) -> Iterator[str]:
    if isinstance(stored, Mapping) and isinstance(known, Mapping):
        for key, value in stored.items():
            if key in known:
                yield from _unknown(value, known[key], f"{path}{key}.")
            else:
                yield f"{path}{key}"
    elif isinstance(stored, list) and isinstance(known, list):
        for value, other in zip(stored, known, strict=True):
            yield from _unknown(value, other, path)


def _content(data: Mapping[str, Any]) -> Check:
    stored, found = data.get("content_sha256"), content_sha256(data)
    said = "" if stored == found else f"the content's SHA-256 is {found}, the record says {stored}: it was changed"
    return Check("content", stored == found, said)


def _protocol(data: Mapping[str, Any], record: DecisionRecord) -> Check:
    found = record.protocol.sha256()
    if canonical_bytes(data["protocol"]) != canonical_bytes(record.protocol.to_json()):
        return Check("protocol", False, "the protocol is not spelled as crossfade spells it: keys or values differ")
    said = (
        "" if found == record.protocol_sha256 else f"its SHA-256 is {found}, the record says {record.protocol_sha256}"
    )
    return Check("protocol", not said, said)


def _outcome(data: Mapping[str, Any], record: DecisionRecord) -> Iterator[Check]:
    try:
        again = conclude(record.protocol, record.evidence)
    except CrossfadeError as error:
        yield Check("verdict", False, f"no verdict follows from the record: {error}")
        return
    stored, found = data["outcome"], encode(again)
    same = stored["verdict"] == found["verdict"]
    said = "" if same else f"{found['verdict']} follows from the values by query, the record says {stored['verdict']}"
    yield Check("verdict", same, said)
    unlike = list(differences(stored["findings"], found["findings"], "outcome.findings"))
    yield Check("findings", not unlike, named(unlike))
    wrote, reads = record.environment.versions.get("crossfade"), package_versions().get("crossfade")
    if wrote == reads:
        unlike = list(differences(stored["gates"], found["gates"], "outcome.gates"))
        yield Check("gates", not unlike, named(unlike))
        unlike = list(differences(stored["reasons"], found["reasons"], "outcome.reasons"))
        yield Check("reasons", not unlike, named(unlike))
        return
    # Another version may say the same in other words.
    unlike = list(differences(_without_words(stored["gates"]), _without_words(found["gates"]), "outcome.gates"))
    yield Check("gates", not unlike, named(unlike))
    yield Check("reasons", None, f"crossfade {wrote} wrote them, and this is {reads}: its words may be others")


def _without_words(gates: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in gate.items() if key not in ("reason", "remedy")} for gate in gates]


def _regressions(record: DecisionRecord) -> Check:
    evidence = record.evidence
    values = evidence.values.get(record.protocol.primary)
    place = {query: row for row, query in enumerate(evidence.queries)}
    unlike = []
    for regression in record.regressions:
        query = regression.query
        row = place.get(query.query_id)
        if values is None or row is None or max(row, 0) >= min(len(values.base), len(values.candidate)):
            unlike.append(f"query {query.query_id!r} has no values")
        elif not (equal(query.base_value, values.base[row]) and equal(query.candidate_value, values.candidate[row])):
            unlike.append(f"query {query.query_id!r} is shown with other values than it has")
    if values is not None:
        pairs = _pairs(evidence, record.protocol.primary)
        must = greatest_losses(pairs, evidence, record.outcome)
        shown = [(regression.query.query_id, regression.slices) for regression in record.regressions]
        if shown != must:
            lacking = [repr(query) for query, _ in must if query not in {name for name, _ in shown}]
            lack = f"lacking: {', '.join(lacking[:MOST_NAMED])}" if lacking else "in another order, or of other slices"
            unlike.append(f"the {len(must):,} greatest losses are not those that are shown; {lack}")
    return Check("regressions", not unlike, named(unlike))


def _pairs(evidence: Evidence, primary: str) -> dict[str, tuple[float, float]]:
    """The primary measure by query, base and candidate; without queries that have no values."""
    values = evidence.values.get(primary, Values([], []))
    rows = zip(evidence.queries, values.base, values.candidate, strict=False)
    return {query: (base, candidate) for query, base, candidate in rows}


def _shown(record: DecisionRecord, sources: Sources) -> Iterator[Check]:
    """What is shown of both rankings and does not decide."""
    base, candidate, dataset = sources.base_run, sources.candidate_run, sources.dataset
    if base is None or candidate is None:
        options = lacking({"--base-run": base, "--candidate-run": candidate})
        for name in ("rank overlap", "churn"):
            yield Check(name, None, "give both rankings (--base-run, --candidate-run) to compute it again", options)
    else:
        try:
            seen = changes(base, candidate)
        except InvalidInput as error:
            yield Check("rank overlap", False, str(error))
        else:
            for name, stored, again in (
                ("rank overlap", record.rank_overlap, encode(seen.rank_overlap)),
                ("churn", record.churn, encode(seen.churn)),
            ):
                unlike = list(differences(stored, again, name.replace(" ", "_")))
                yield Check(name, not unlike, named(unlike))
    if not record.regressions:
        return
    if base is None or candidate is None or dataset is None:
        options = lacking({"--dataset": dataset, "--base-run": base, "--candidate-run": candidate})
        said = "give the data set and both rankings to hold what regressions show of them"
        yield Check("shown rankings", None, said, options)
        return
    settings = ComparisonSettings()
    pairs = _pairs(record.evidence, record.protocol.primary)
    asked = [each.query.query_id for each in record.regressions]
    found = query_comparisons(
        replace(
            dataset,
            queries={query: dataset.queries[query] for query in asked if query in pairs and query in dataset.queries},
        ),
        {"base": base, "candidate": candidate},
        {
            "base": {query: pair[0] for query, pair in pairs.items()},
            "candidate": {query: pair[1] for query, pair in pairs.items()},
        },
        results_shown=settings.results_shown,
        relevant_shown=settings.relevant_shown,
    )
    again_shown = {each.query_id: encode(each) for each in found}
    held = {each.query.query_id: encode(each.query) for each in record.regressions}
    unlike = list(differences(held, again_shown, "regressions"))
    yield Check("shown rankings", not unlike, named(unlike))


def _data(record: DecisionRecord, sources: Sources) -> Iterator[Check]:
    data, dataset = record.evidence.data, sources.dataset
    if dataset is None:
        options = ("--dataset",)
        said = "give the data set (--dataset) to hold its hashes and slices against the record's"
        yield Check("data", None, said, options)
        if record.evidence.slices:
            yield Check("slices", None, "give the data set (--dataset) to say again which queries are in them", options)
        return
    unlike = data_unlike(data, dataset)
    if list(dataset.queries) != record.evidence.queries:
        unlike.append("the queries by value are not the data set's, in its order")
    yield Check("data", not unlike, named(unlike))
    yield _slices(record, dataset, sources)


def _slices(record: DecisionRecord, dataset: Dataset, sources: Sources) -> Check:
    rules = record.protocol.slices
    if sources.folder is None and any(rule.file for rule in rules):
        said = "a slice is by a file: give the protocol (--protocol), which it lies beside"
        return Check("slices", None, said, ("--protocol",))
    fields = None
    if any(rule.field for rule in rules):
        if sources.directory is None:
            return Check("slices", None, "a slice is by a field: give the data set's directory", ("--dataset",))
        fields = read_query_fields(sources.directory)
    held = record.evidence.diagnosis
    try:
        causes = None if held is None else standing(held, dataset)
        found = slice_members(rules, dataset.queries, fields=fields, folder=sources.folder, causes=causes)
    except InvalidInput as error:
        return Check("slices", False, str(error))
    stored = {members.name: members for members in record.evidence.slices}
    unlike = [each.name for each in found if stored.get(each.name) != each]
    unlike += [name for name in stored if name not in {each.name for each in found}]
    return Check("slices", not unlike, f"other queries in {', '.join(unlike[:MOST_NAMED])}" if unlike else "")


def _runs(record: DecisionRecord, sources: Sources) -> Iterator[Check]:
    evidence = record.evidence
    for side, run in (("base", sources.base_run), ("candidate", sources.candidate_run)):
        name = f"{side} run"
        if run is None:
            yield Check(name, None, f"give its rankings (--{side}-run) to measure them again", (f"--{side}-run",))
            continue
        stored = evidence.base.run_sha256 if side == "base" else evidence.candidate.run_sha256
        found = run_sha256(run)
        if stored != found:
            yield Check(name, False, f"its SHA-256 is {found}, the record says {stored}")
        elif sources.dataset is None:
            yield Check(name, None, "its hash agrees; give the data set too to measure it again", ("--dataset",))
        else:
            unlike = list(_measured_again(evidence, side, run, sources.dataset))
            yield Check(name, not unlike, named(unlike))
    judged, protocol = evidence.judged, record.protocol
    if (judged.measure, judged.k) != (protocol.primary, protocol.gates.judged_at):
        said = f"the protocol asks for {protocol.primary} at {protocol.gates.judged_at}"
        yield Check("judged", False, f"it is of {judged.measure} at {judged.k}, and {said}")
    elif sources.dataset is not None and sources.base_run is not None and sources.candidate_run is not None:
        try:
            again = judged_shares(sources.dataset, sources.base_run, sources.candidate_run, judged.measure, judged.k)
        except InvalidInput as error:
            yield Check("judged", False, str(error))
            return
        unlike = list(differences(encode(judged), encode(again), "evidence.judged"))
        yield Check("judged", not unlike, named(unlike))
    else:
        given = {"--dataset": sources.dataset, "--base-run": sources.base_run, "--candidate-run": sources.candidate_run}
        said = "give the data set and both rankings to count judged results and bounds again"
        yield Check("judged", None, said, lacking(given))


def _measured_again(evidence: Evidence, side: str, run: Run, dataset: Dataset) -> Iterator[str]:
    try:
        table = ir.evaluate(dataset.qrels, run, list(evidence.values), ties=TIES, missing="zero")
    except InvalidInput as error:
        yield str(error)
        return
    for name, values in evidence.values.items():
        again, stored = table.per_query(name), values.base if side == "base" else values.candidate
        unlike = [
            query for query, value in zip(evidence.queries, stored, strict=False) if not equal(value, again.get(query))
        ]
        if unlike:
            yield f"{name} of {len(unlike):,} queries is another, {unlike[0]!r} among them"

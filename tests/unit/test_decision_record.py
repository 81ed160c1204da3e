"""Records: whole, checked again from their values, and every change to one named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset
from leakage_samples import write_rows

from crossfade.errors import AlreadyExists, DataError, InvalidInput
from crossfade.evaluation.beir import read_beir, write_beir
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision import signing
from crossfade.evaluation.decision.canonical import canonical_bytes
from crossfade.evaluation.decision.checks import Check, Sources
from crossfade.evaluation.decision.decide import Conditions, Decided, compare_and_decide, decide_runs
from crossfade.evaluation.decision.gather import Extras, GuardRuns
from crossfade.evaluation.decision.leakage import read_leakage
from crossfade.evaluation.decision.protocol import Gates, GuardSet, Prices, Protocol, SliceRule, Waiver
from crossfade.evaluation.decision.record import DecisionRecord, content_sha256, read_json, write_record
from crossfade.evaluation.decision.schema import decision_schema
from crossfade.evaluation.decision.verify import verify
from crossfade.evaluation.evaluate import EvaluationSettings
from crossfade.evaluation.leakage import LeakageSettings, find_leakage
from crossfade.evaluation.trec import read_run, write_run

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "decision-1.json"
POOR = FakeEncoder(FakeBundle("poor", query_fingerprint="cf1-poor"), noise=1.5)
GOOD = FakeEncoder(FakeBundle("good", query_fingerprint="cf1-good"), noise=0.1)
PROTOCOL = Protocol(
    resamples=500,
    permutations=999,
    guards=[GuardSet("general", "general", 0.3)],
    slices=[SliceRule("short", most_words=3), SliceRule("digits", identifiers=False)],
    gates=Gates(least_queries=30, latency_p99_ms=1e6, cost_per_million_queries=1e9),
    prices=Prices(0.1),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, data = tmp_path_factory.mktemp("data") / "toy", toy_dataset()
    write_beir(made, data.documents, data.queries, {"test": data.qrels})
    return made


@pytest.fixture(scope="module")
def dataset(directory: Path) -> Dataset:
    return read_beir(directory, "test")


@pytest.fixture(scope="module")
def decided(dataset: Dataset, directory: Path) -> Decided:
    return decide(dataset, directory, POOR, GOOD)


def decide(dataset: Dataset, directory: Path, base: FakeEncoder, candidate: FakeEncoder, **changes: Any) -> Decided:
    general = replace(toy_dataset(queries=25), name="general")
    return compare_and_decide(
        dataset,
        base,
        candidate,
        replace(PROTOCOL, **changes),
        EvaluationSettings(["nDCG@10", "RR", "R@5", "Judged@10"]),
        conditions=Conditions(directory=directory, guards={"general": (general, None)}),
    )


@pytest.fixture
def data(decided: Decided) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(canonical_bytes(decided.record.to_json()))
    return loaded


def fallen(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if check.holds is False}


def test_a_better_model_ships_with_its_evidence(decided: Decided, dataset: Dataset) -> None:
    record = decided.record
    assert record.outcome.verdict == decided.comparison.verdict == "ship"
    assert decided.comparison.reasons[: len(record.outcome.reasons)] == record.outcome.reasons
    # A gate looks at latency here.
    assert not any("does not enter the verdict" in reason for reason in decided.comparison.reasons)
    evidence = record.evidence
    assert evidence.queries == list(dataset.queries)
    assert list(evidence.values) == ["nDCG@10", "RR", "R@5", "Judged@10"]
    assert evidence.data.corpus_sha256 == dataset.corpus_hash
    assert evidence.data.modified <= evidence.base.created
    assert [members.name for members in evidence.slices] == ["short", "digits"]
    assert [guard.name for guard in evidence.guards] == ["general"]
    assert len(evidence.guards[0].queries) == 25
    assert evidence.candidate.cost is not None
    cost = evidence.candidate.cost
    assert cost.per_million_queries == pytest.approx(1e6 / cost.queries_per_second * cost.cores * 0.1 / 3600)
    assert record.protocol.measures == ["nDCG@10", "RR", "R@5", "Judged@10"]
    assert record.rank_overlap is not None
    assert record.rank_overlap["per_query"].keys() == dataset.queries.keys()
    assert record.churn is not None
    assert record.churn["depth"] == 10
    means = {name: float(np.mean(values.candidate)) for name, values in evidence.values.items()}
    assert means == pytest.approx(decided.candidate.evaluation.measures)


def test_the_reverse_does_not_ship_and_shows_what_was_lost(dataset: Dataset, directory: Path) -> None:
    reverse = decide(dataset, directory, GOOD, POOR)
    assert reverse.record.outcome.verdict == "do_not_ship"
    shown = reverse.record.regressions
    assert 10 <= len(shown) <= 16
    deltas = [each.query.delta for each in shown]
    assert deltas == sorted(deltas)
    assert all(delta < 0 for delta in deltas)
    assert shown[0].query.base_results[0].title
    assert shown[0].query.candidate_results
    assert set(shown[0].slices) <= {"short", "digits"}
    assert not fallen(verify(json.loads(json.dumps(reverse.record.to_json()))))


def test_a_model_against_itself_is_not_decided(dataset: Dataset, directory: Path) -> None:
    assert decide(dataset, directory, POOR, POOR).record.outcome.verdict == "inconclusive"


def test_the_published_schema_is_that_of_the_types() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == decision_schema(), "run scripts/generate_schemas.py"


def test_a_record_is_of_the_published_schema(data: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    jsonschema.Draft202012Validator.check_schema(validator.schema)
    validator.validate(data)
    for spoil in (
        lambda record: record.pop("protocol"),
        lambda record: record["outcome"].update(verdict="perhaps"),
        lambda record: record["evidence"].update(queries="q1"),
        lambda record: record.update(schema=2),
    ):
        spoiled = copy.deepcopy(data)
        spoil(spoiled)
        assert not validator.is_valid(spoiled)


def test_a_record_reads_back(decided: Decided, data: dict[str, Any], tmp_path: Path) -> None:
    assert DecisionRecord.from_json(data) == decided.record
    assert data["content_sha256"] == decided.record.content_sha256 == content_sha256(data)
    path = tmp_path / "decision.json"
    write_record(path, data)
    assert path.read_bytes() == canonical_bytes(data) + b"\n"
    assert read_json(path) == data


def test_a_record_holds(
    data: dict[str, Any], dataset: Dataset, directory: Path, decided: Decided, tmp_path: Path
) -> None:
    checks = verify(data)
    assert not fallen(checks)
    shown = {"shown rankings"} if data["regressions"] else set()
    never = {"guard general values", "throughput", "latency", "dates", "models", "environment"}
    given = {"data", "slices", "base run", "candidate run", "judged", "rank overlap", "churn", "guard general data"}
    assert {check.name for check in checks if check.holds is None} == never | given | shown
    runs = {}
    for side in ("base", "candidate"):
        path = tmp_path / f"{side}.trec.gz"
        write_run(path, getattr(decided, side).run, tag="any")
        runs[f"{side}_run"] = read_run(path)
    general = replace(toy_dataset(queries=25), name="general")
    checks = verify(data, Sources(dataset, directory, **runs, guards={"general": general}))
    assert not fallen(checks)
    assert {check.name for check in checks if check.holds is None} == never
    assert given | shown <= {check.name for check in checks if check.holds}


def rehashed(data: dict[str, Any]) -> dict[str, Any]:
    """As whoever changes a record would."""
    data["content_sha256"] = content_sha256(data)
    return data


def change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def changed(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return changed


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (change("outcome", "verdict", to="do_not_ship"), {"verdict"}),
        (change("outcome", "findings", 0, "delta", to=0.5), {"findings"}),
        (change("outcome", "findings", 0, "wins", to=lambda n: n + 1), {"findings"}),
        (change("outcome", "findings", to=lambda rows: rows[:-1]), {"findings"}),
        (change("outcome", "gates", 0, "passed", to=False), {"gates"}),
        (change("outcome", "reasons", 0, to="It is better."), {"reasons"}),
        (change("evidence", "values", "nDCG@10", "candidate", 0, to=0.123), {"findings", "reasons"}),
        (change("evidence", "values", "RR", "candidate", to=lambda row: row[:-1]), {"verdict"}),
        (change("evidence", "queries", 1, to="q0"), {"verdict"}),
        (change("evidence", "slices", 0, "queries", to=["nobody"]), {"verdict"}),
        (change("evidence", "guards", to=[]), {"verdict"}),
        (change("evidence", "candidate", "latency_ms", "p99", to=2e6), {"verdict", "gates", "reasons"}),
        (change("protocol", "gates", "least_queries", to=31), {"protocol", "verdict", "gates", "reasons"}),
        (change("protocol", "superiority_margin", to=0.9), {"protocol", "verdict", "findings", "reasons"}),
        (lambda data: data["protocol"].update(note=1), {"protocol"}),
        (change("protocol_sha256", to="0" * 64), {"protocol"}),
        (lambda data: data["outcome"]["findings"][0].update(extra=1), {"findings", "fields"}),
        (lambda data: data.update(approved_by="the board"), {"fields"}),
        (lambda data: data["outcome"].update(note="reviewed"), {"fields"}),
        (lambda data: data["evidence"]["judged"].update(note="reviewed"), {"fields"}),
        (change("evidence", "candidate", "cost", "per_million_queries", to=0.01), {"costs"}),
        (change("evidence", "candidate", "cost", "queries_per_second", to=0), {"costs"}),
        (change("evidence", "judged", "measure", to="RR"), {"judged"}),
        (change("evidence", "judged", "k", to=1), {"judged"}),
        (lambda data: data["evidence"]["guards"][0].update(data=data["evidence"]["data"]), {"guard general data"}),
    ],
)
def test_what_was_changed_and_hashed_again_is_named(
    data: dict[str, Any], spoil: Callable[[dict[str, Any]], None], names: set[str]
) -> None:
    spoil(data)
    assert "content" in fallen(verify(data))
    found = fallen(verify(rehashed(data)))
    assert names <= found.keys()
    assert "content" not in found
    assert all(found[name] for name in names)


def test_regressions_that_are_shown_otherwise_are_named(dataset: Dataset, directory: Path) -> None:
    data = json.loads(json.dumps(decide(dataset, directory, GOOD, POOR).record.to_json()))
    data["regressions"][0]["query"]["candidate_value"] += 0.1
    data["regressions"][1]["query"]["query_id"] = "nobody"
    detail = fallen(verify(rehashed(data)))["regressions"]
    assert "is shown with other values" in detail
    assert "'nobody' has no values" in detail


def test_the_greatest_losses_must_be_shown(dataset: Dataset, directory: Path) -> None:
    reverse = decide(dataset, directory, GOOD, POOR)
    held = json.loads(json.dumps(reverse.record.to_json()))
    sources = Sources(dataset, directory, base_run=reverse.base.run, candidate_run=reverse.candidate.run)
    assert not fallen(verify(held, sources))
    for spoil, check, message in (
        (change("regressions", to=[]), "regressions", "greatest losses are not those that are shown; lacking: "),
        (change("regressions", to=lambda rows: rows[1:]), "regressions", "lacking: "),
        (change("regressions", to=lambda rows: rows[::-1]), "regressions", "in another order"),
        (change("regressions", 0, "slices", to=["other"]), "regressions", "of other slices"),
        (change("regressions", 0, "query", "text", to="another text"), "shown rankings", "another text"),
        (change("regressions", 0, "query", "base_results", 0, "title", to="x"), "shown rankings", "title is 'x'"),
    ):
        data = copy.deepcopy(held)
        spoil(data)
        assert message in fallen(verify(rehashed(data), sources))[check]


def test_what_users_will_see_is_computed_again(
    data: dict[str, Any], dataset: Dataset, directory: Path, decided: Decided
) -> None:
    runs = Sources(base_run=decided.base.run, candidate_run=decided.candidate.run)
    data["churn"]["first"] = 0.0
    data["rank_overlap"] = None
    assert {"churn", "rank overlap"} == fallen(verify(rehashed(data), runs)).keys()


def test_what_was_given_beside_the_data_is_held_against_the_record(
    dataset: Dataset, directory: Path, tmp_path: Path, data: dict[str, Any]
) -> None:
    report, notes = tmp_path / "leakage.json", tmp_path / "notes.toml"
    rows = [{"anchor": text, "positive": "nothing of the kind"} for text in list(dataset.queries.values())[:5]]
    leaky = find_leakage(dataset, [write_rows(tmp_path / "train.jsonl", rows)], LeakageSettings())
    report.write_text(json.dumps(leaky.to_json()), encoding="utf-8")
    notes.write_text("# kept", encoding="utf-8")
    general = replace(toy_dataset(queries=25), name="general")
    found = read_leakage(report)
    held = compare_and_decide(
        dataset,
        POOR,
        GOOD,
        PROTOCOL,
        EvaluationSettings(["nDCG@10"]),
        conditions=Conditions(directory, guards={"general": (general, None)}, leakage=found, files={"protocol": notes}),
    ).record.to_json()
    sources = Sources(dataset, directory, leakage=report, guards={"general": general}, files={"protocol": notes})
    held = json.loads(json.dumps(held))
    checks = {check.name: check.holds for check in verify(held, sources)}
    assert checks["leakage"] is checks["guard general data"] is checks["file protocol"] is True
    blind = {check.name: check.holds for check in verify(held)}
    assert blind["leakage"] is blind["guard general data"] is blind["file protocol"] is None
    assert {check.name: check.holds for check in verify(held, Sources(leakage=report))}["leakage"] is True
    for spoil, name in (
        (change("evidence", "leakage", "queries_touched", to=0), "leakage"),
        (change("evidence", "leakage", "report_sha256", to="0" * 64), "leakage"),
        (change("evidence", "leakage", to=None), "leakage"),
        (change("evidence", "guards", 0, "data", "corpus_sha256", to="f" * 64), "guard general data"),
        (change("evidence", "files", "protocol", to="0" * 64), "file protocol"),
        (change("evidence", "files", to={}), "file protocol"),
    ):
        forged = copy.deepcopy(held)
        spoil(forged)
        assert name in fallen(verify(rehashed(forged), sources))
    assert "guard none data" in fallen(verify(data, Sources(guards={"none": general})))


def test_other_data_and_runs_are_named(
    data: dict[str, Any], dataset: Dataset, directory: Path, decided: Decided
) -> None:
    other = toy_dataset(documents=41)
    named = fallen(verify(data, Sources(other, directory, candidate_run=decided.base.run)))
    assert named["data"].startswith("the corpus's SHA-256 is")
    assert "candidate run" in named
    fewer = replace(dataset, qrels={**dataset.qrels, "q0": {"d1": 1}})
    assert "judgments" in fallen(verify(data, Sources(fewer, directory)))["data"]
    # A run whose hash was written into the record, with values that it does not have.
    data["evidence"]["values"]["RR"]["candidate"][3] = 0.25
    rehashed(data)
    named = fallen(verify(data, Sources(dataset, directory, candidate_run=decided.candidate.run)))
    assert "RR of 1 queries is another, 'q3' among them" in named["candidate run"]
    data["evidence"]["slices"][1]["queries"].pop()
    assert "digits" in fallen(verify(rehashed(data), Sources(dataset, directory)))["slices"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("format", to="other"), "no record of a decision"),
        (change("schema", to=2), "has version 2, this crossfade reads 1: upgrade"),
        (change("schema", to="1"), "'1' is no version"),
        (change("outcome", "rule", to=2), "concluded by rule 2, this crossfade has rule 1"),
        (change("evidence", "decided", to=3), "evidence.decided: 3 is not a string"),
        (lambda data: data.pop("evidence"), "evidence: missing"),
    ],
)
def test_what_is_no_record_is_refused(
    data: dict[str, Any], spoil: Callable[[dict[str, Any]], Any], message: str
) -> None:
    spoil(data)
    with pytest.raises(InvalidInput, match=message):
        verify(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ('{"a": 1, "a": 2}', "'a' is in one object twice"),
        ('{"a": NaN}', "NaN is no number"),
        ("[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_files_that_readers_would_take_differently(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_json(path)
    with pytest.raises(DataError, match="no such file"):
        read_json(tmp_path / "none")


def test_a_signature_is_of_this_content_by_this_key(data: dict[str, Any], tmp_path: Path) -> None:
    public = signing.make_keys(tmp_path / "key")
    other = signing.make_keys(tmp_path / "other")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(AlreadyExists, match="a key is never overwritten"):
        signing.make_keys(tmp_path / "key")
    assert signing.check_signature(data).holds is None
    assert signing.check_signature(data, public_key=public).holds is False
    signature = signing.sign(data, tmp_path / "key")
    held = json.loads(
        json.dumps({"algorithm": "Ed25519", "public_key": signature.public_key, "value": signature.value})
    )
    signed = {**data, "signature": held}
    assert content_sha256(signed) == data["content_sha256"]
    assert not fallen(verify(signed))
    jsonschema.validate(signed, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert signing.check_signature(signed).holds is None
    assert signing.check_signature(signed, public_key=public).holds
    assert signing.check_signature(data, public_key=public, detached=held).holds
    assert "another key" in signing.check_signature(signed, public_key=other).detail
    signed["outcome"] = {**signed["outcome"], "verdict": "blocked"}
    assert "changed after" in signing.check_signature(rehashed(signed), public_key=public).detail
    assert signing.check_signature(data, public_key=public, detached={**held, "value": "?"}).holds is False
    forged = {**held, "public_key": signing.sign(data, tmp_path / "other").public_key}
    assert signing.check_signature(data, public_key=other, detached=forged).holds is False


def test_files_that_are_no_keys(data: dict[str, Any], tmp_path: Path) -> None:
    public = signing.make_keys(tmp_path / "key")
    for path, message in ((public, "no private key"), (tmp_path / "none", "no such file")):
        with pytest.raises(DataError, match=message):
            signing.sign(data, path)
    with pytest.raises(DataError, match="no public key"):
        signing.check_signature({**data, "signature": {"algorithm": "Ed25519", "public_key": "", "value": ""}},
                                public_key=tmp_path / "key")  # fmt: skip


def test_without_the_package_signing_says_what_to_install(
    data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"install crossfade\[sign\]"):
        signing.make_keys(tmp_path / "key")


def test_waivers_and_guards_that_were_not_given(dataset: Dataset, directory: Path) -> None:
    with pytest.raises(InvalidInput, match="the waiver of 'slice:none' names no gate"):
        decide(dataset, directory, POOR, GOOD, waivers=[Waiver("slice:none", "x")])
    with pytest.raises(InvalidInput, match="guard set 'general' \\(general\\) was not given"):
        compare_and_decide(dataset, POOR, GOOD, PROTOCOL)


def test_the_data_set_itself_guards_nothing(dataset: Dataset, directory: Path, decided: Decided) -> None:
    with pytest.raises(InvalidInput, match="guard set 'general' is the data set that is evaluated"):
        compare_and_decide(dataset, POOR, GOOD, PROTOCOL, conditions=Conditions(guards={"general": (dataset, None)}))
    runs = GuardRuns("general", replace(dataset, name="other"), decided.base, decided.candidate)
    with pytest.raises(InvalidInput, match="guard set 'general' is the data set that is evaluated"):
        decide_runs(dataset, decided.base, decided.candidate, PROTOCOL, Extras(guards=[runs]))


def test_evaluations_with_more_measures_than_were_declared(decided: Decided, dataset: Dataset) -> None:
    few = Protocol(primary="RR", measures=["RR"], resamples=500, permutations=999)
    assert list(decide_runs(dataset, decided.base, decided.candidate, few).record.evidence.values) == ["RR"]
    record = decide_runs(dataset, decided.base, decided.candidate, replace(few, measures=[])).record
    assert record.protocol.measures == list(record.evidence.values) == ["RR", "nDCG@10", "R@5", "Judged@10"]
    with pytest.raises(InvalidInput, match="P@1, was not measured"):
        decide_runs(dataset, decided.base, decided.candidate, Protocol(primary="P@1"))
    with pytest.raises(InvalidInput, match=r"judged_at is 10, and 5 results are taken"):
        compare_and_decide(dataset, POOR, GOOD, few, EvaluationSettings(["RR"], depth=5))

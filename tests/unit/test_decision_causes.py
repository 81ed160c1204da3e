"""Slices by what a diagnosis of the base says: which queries, for whom, and that chance makes no verdict of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decision_samples import HASH, equal_systems, evidence, side
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset
from scipy import stats

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.decision.causes import EXPECTED, objections, standing
from crossfade.evaluation.decision.checks import Check, Sources
from crossfade.evaluation.decision.decide import Decided, decide_runs
from crossfade.evaluation.decision.diagnosis import read_diagnosis
from crossfade.evaluation.decision.evidence import DiagnosisRef, SliceMembers
from crossfade.evaluation.decision.gather import Extras
from crossfade.evaluation.decision.protocol import GuardSet, Protocol, SliceRule, Waiver
from crossfade.evaluation.decision.protocol_file import read_protocol, with_waivers
from crossfade.evaluation.decision.record import content_sha256
from crossfade.evaluation.decision.rule import conclude
from crossfade.evaluation.decision.slices import slice_members
from crossfade.evaluation.decision.verify import verify
from crossfade.evaluation.diagnosis.diagnose import diagnose
from crossfade.evaluation.diagnosis.inputs import Case, DiagnosisSettings
from crossfade.evaluation.diagnosis.types import CAUSES
from crossfade.evaluation.evaluate import EvaluationSettings, evaluate_all

COMPARISONS, QUERIES = 1000, 80
CAUSES_OF = {"q0": "exact_match", "q1": "answered", "q2": "truncated", "q3": "exact_match", "q4": "answered"}
SHOWN = SliceRule("cause", cause="all", require="nothing")


def members(cause: str) -> dict[str, list[str]]:
    rule = SliceRule("why", cause=cause, require="nothing")
    found = slice_members([rule], dict.fromkeys(CAUSES_OF, ""), causes=CAUSES_OF)
    assert all(each.rule == "why" for each in found)
    return {each.name: each.queries for each in found}


def test_queries_of_a_cause() -> None:
    assert members("exact_match") == {"why": ["q0", "q3"]}
    assert members("failed") == {"why": ["q0", "q2", "q3"]}
    assert members("answered") == {"why": ["q1", "q4"]}
    assert members("filter") == {"why": []}
    assert members("all") == {
        "why=truncated": ["q2"], "why=exact_match": ["q0", "q3"], "why=answered": ["q1", "q4"],
    }  # fmt: skip
    with pytest.raises(InvalidInput, match="slice 'why' is by cause: give a diagnosis of the base"):
        slice_members([SliceRule("why", cause="all", require="nothing")], {"q0": ""})


def test_a_protocol_names_causes(tmp_path: Path) -> None:
    path = tmp_path / "protocol.toml"
    path.write_text('format = 1\ndiagnosis = "d.json"\n[[slices]]\nname = "why"\ncause = "all"\n', encoding="utf-8")
    found = read_protocol(path)
    assert found.diagnosis == "d.json"
    assert found.slices == [SliceRule("why", cause="all", require="nothing")]
    assert Protocol.from_json(found.to_json()) == found
    assert with_waivers(found, ["slice:why=filter=because=so"]) == [Waiver("slice:why=filter", "because=so")]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (SliceRule("a", cause="rain", require="nothing"), "has cause 'rain'; expected one of all, failed, answered"),
        (SliceRule("a", cause="exact_match"), 'requires no_harm, and its .* say require = "nothing"$'),
        (SliceRule("a", cause="failed", require="non_inferiority", margin=0.1), 'say require = "nothing"$'),
        (SliceRule("a", cause="answered"), 'say require = "nothing", or "non_inferiority" with a margin$'),
        (SliceRule("a", cause="all", require="non_inferiority", margin=0.1), "in a slice of its own"),
        (SliceRule("a", cause="all", field="x", require="nothing"), "given: field, cause"),
    ],
)  # fmt: skip
def test_a_cause_cannot_be_required_to_gain_or_hold(rule: SliceRule, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Protocol(slices=[rule])


def test_older_protocols_have_the_hash_they_had() -> None:
    """As crossfade hashed it before slices could be by cause."""
    protocol = Protocol(
        measures=["nDCG@10", "R@10"],
        slices=[SliceRule("short", most_words=3), SliceRule("team", field="team", margin=0.1)],
        guards=[GuardSet("g", "d", 0.1)],
        waivers=[Waiver("latency", "x")],
    )
    assert protocol.sha256() == "054f22adf9d33e9e2cc7dc2ed6a3458baa48b084f125c309c7eb17115b216d49"


def sliced(base: list[float], candidate: list[float], protocol: Protocol, failed: list[int], **more: Any) -> Any:
    held = evidence({"nDCG@10": (base, candidate)}, **more)
    answered = [row for row in range(len(base)) if row not in set(failed)]
    parts = [("cause=exact_match", failed), ("cause=answered", answered)]
    found = [SliceMembers(name, "cause", [f"q{row}" for row in rows]) for name, rows in parts if rows]
    return conclude(protocol, replace(held, slices=found))


def test_what_the_base_chose_is_shown_and_never_tested() -> None:
    base, candidate = [0.0] * 40 + [0.9] * 60, [0.5] * 40 + [0.5] * 60
    outcome = sliced(base, candidate, Protocol(slices=[SHOWN]), list(range(40)))
    failed, answered = outcome.findings[1:]
    assert (failed.chosen, failed.delta, failed.n) == ("failed", pytest.approx(0.5), 40)
    assert (answered.chosen, answered.delta, answered.n) == ("answered", pytest.approx(-0.4), 60)
    for found in (failed, answered):
        assert found.shown_only
        assert not found.harmed
        assert not found.gained
        assert (found.p_harm, found.p_gain, found.p_harm_holm) == (None, None, None)
    plain = conclude(Protocol(), evidence({"nDCG@10": (base, candidate)}))
    assert (outcome.verdict, outcome.findings[0]) == (plain.verdict, plain.findings[0])
    said = " ".join(outcome.reasons)
    assert "Slice cause=exact_match, 40 queries, nDCG@10 rose from 0.000 to 0.500: " + EXPECTED["failed"] in said
    assert "chosen by the base's successes: a loss here is expected by chance" in said
    assert "smaller slice" not in said


def test_a_measure_of_slices_by_cause_alone_weighs_on_nothing() -> None:
    """Neither does harm in it count, nor does it make harm in another look smaller."""
    base = [0.3 + 0.01 * row for row in range(60)]
    candidate = [value + 0.05 * (-1) ** row for row, value in enumerate(base)]
    worse = [value - 0.3 for value in base]
    held = evidence({"nDCG@10": (base, candidate), "R@10": (base, worse)})
    shown = SliceMembers("failed", "failed", held.queries[:20])
    by_cause = SliceRule("failed", cause="failed", measure="R@10", require="nothing")

    def told(*slices: SliceRule, measures: tuple[str, ...] = ("nDCG@10",)) -> Any:
        protocol = Protocol(measures=list(measures), slices=list(slices))
        ours = [shown if rule is by_cause else SliceMembers(rule.name, rule.name, held.queries) for rule in slices]
        return conclude(protocol, replace(held, slices=ours))

    plain = conclude(Protocol(measures=["nDCG@10"]), evidence({"nDCG@10": (base, candidate)}))
    found = told(by_cause)
    assert found.verdict == plain.verdict != "do_not_ship"
    assert found.findings[0] == plain.findings[0]
    assert [(each.subject, each.measure) for each in found.findings[1:]] == [("slice", "R@10")]
    assert told(by_cause, measures=("nDCG@10", "R@10")).verdict == "do_not_ship"
    assert told(by_cause, SliceRule("every", least_words=1, measure="R@10", require="nothing")).verdict == "do_not_ship"


def test_a_slice_may_require_nothing() -> None:
    rows = ([0.9] * 50, [0.1] * 25 + [0.9] * 25)
    held = evidence({"nDCG@10": rows}, slices={"long": range(25)})
    told = conclude(Protocol(slices=[SliceRule("long", least_words=5, require="nothing")]), held).findings[1]
    assert (told.shown_only, told.harmed, told.p_harm, told.chosen) == (True, False, None, "")
    assert conclude(Protocol(slices=[SliceRule("long", least_words=5)]), held).findings[1].harmed


def most(rate: float) -> int:
    return int(stats.binom.ppf(0.999, COMPARISONS, rate))


def equals(seed: int, queries: int = QUERIES) -> Iterator[tuple[list[float], list[float], list[int]]]:
    """Base, candidate, and the rows where the base failed, of pairs of equal systems."""
    generator = np.random.default_rng(seed)
    for _ in range(COMPARISONS):
        base, candidate = equal_systems(generator, queries, 1)
        yield base[0].tolist(), candidate[0].tolist(), np.flatnonzero(base[0] < 0.1).tolist()


def test_chance_makes_no_verdict_of_slices_by_cause() -> None:
    """A/A: the verdicts are those without slices, one by one; as slices like any other they would be false harm."""
    alpha = 0.05
    quick = Protocol(alpha=alpha, resamples=400, permutations=499)
    by_cause, tested = replace(quick, slices=[SHOWN]), replace(quick, slices=[SliceRule("cause", field="x")])
    gains, harms, naive = [], 0, 0
    for base, candidate, failed in equals(3, 250):
        outcome = sliced(base, candidate, by_cause, failed)
        assert outcome.verdict == conclude(quick, evidence({"nDCG@10": (base, candidate)})).verdict
        harms += outcome.verdict == "do_not_ship"
        naive += sliced(base, candidate, tested, failed).verdict == "do_not_ship"
        gains += [found.delta for found in outcome.findings if found.chosen == "failed"]
    print(f"harm by chance: {harms / COMPARISONS:.1%}, tested like other slices {naive / COMPARISONS:.1%}")
    print(f"where the base failed the candidate gains {np.mean(gains):+.3f}, in {np.mean(np.array(gains) > 0):.1%}")
    assert harms <= most(alpha / 2)
    assert naive > 4 * most(alpha / 2)
    assert np.mean(np.array(gains) > 0) > 0.9  # which is why none of it is evidence


def test_what_was_answered_can_be_asked_to_hold_and_only_blocks() -> None:
    rule = SliceRule("cause", cause="answered", require="non_inferiority", margin=0.1)
    quick = Protocol(alpha=0.1, resamples=400, permutations=499)
    asked = replace(quick, slices=[rule])
    blocked = 0
    for base, candidate, failed in equals(5):
        outcome = sliced(base, candidate, replace(asked, slices=[replace(rule, name="cause")]), failed)
        plain = conclude(quick, evidence({"nDCG@10": (base, candidate)})).verdict
        assert outcome.verdict in (plain, "blocked")
        assert all(not found.harmed for found in outcome.findings if found.chosen)
        blocked += outcome.verdict == "blocked"
    assert blocked > 0  # chance alone takes from what was answered
    generator = np.random.default_rng(7)
    shipped = {-0.1: 0, 0.0: 0}
    for _ in range(COMPARISONS):
        truth = generator.uniform(0.2, 0.8, 200)
        for change in shipped:
            # Noise in what the base is chosen by: on all 200 the true loss is the margin exactly.
            base = truth + generator.normal(0, 0.05, 200)
            candidate = truth + change + generator.normal(0, 0.05, 200)
            rows = np.flatnonzero(base < 0.35).tolist()
            found = sliced(base.tolist(), candidate.tolist(), asked, rows).findings[-1]
            shipped[change] += bool(found.non_inferior)
    assert shipped[-0.1] <= most(0.05)
    assert shipped[0.0] > 0.9 * COMPARISONS


REF = DiagnosisRef(HASH, HASH, HASH, HASH, "base", "cf1-base", "cf1-d", {"mode": "dense"}, 10, {"q1": "filter"})


def test_a_diagnosis_of_something_else_is_refused_by_name() -> None:
    data = evidence({"nDCG@10": ([1.0], [1.0])}).data
    base = side("base", retrieval={"mode": "dense"})
    assert objections(REF, data, base) == []
    for change, message in (
        ({"corpus_sha256": "1"}, "it is of other documents"),
        ({"queries_sha256": "1"}, "it is of other queries"),
        ({"qrels_sha256": "1"}, "it is of other judgments"),
        ({"fingerprint": "cf1-x", "base": "other"}, "it is of the model other (cf1-x) and the base is base (cf1-base)"),
        ({"retrieval": {"mode": "hybrid"}}, "in another way than the base (mode is 'hybrid' in the one and 'dense' in"),
    ):
        [said] = objections(replace(REF, **change), data, base)  # type: ignore[arg-type]
        assert message in said


def test_only_queries_that_can_fail_are_in_a_slice() -> None:
    data = toy_dataset(queries=4)
    data = replace(data, qrels={**data.qrels, "q2": {"d2": 0}})
    assert standing(replace(REF, causes={"q1": "filter"}), data) == {"q0": "answered", "q1": "filter", "q3": "answered"}
    with pytest.raises(InvalidInput, match="says that query 'q2' failed, which has no relevant document"):
        standing(replace(REF, causes={"q2": "filter"}), data)


BASE = FakeEncoder(FakeBundle("base"), noise=1.2)
QUICK = DiagnosisSettings(latency_samples=2, resamples=100, permutations=100, measures=("nDCG@10",), k=1)


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("diagnosed") / "diagnosis.json"
    path.write_text(json.dumps(diagnose(Case(toy_dataset(), BASE), QUICK).to_json()), encoding="utf-8")
    return path


def decided(diagnosis: Path | None, arm: Arm | None = None, **changes: Any) -> Decided:
    data = toy_dataset()
    protocol = Protocol(resamples=100, permutations=200, slices=[SHOWN], **changes)
    settings = EvaluationSettings(measures=("nDCG@10",))
    first, second = evaluate_all(data, [BASE, FakeEncoder()], settings, arms=[arm or Arm(), Arm()])
    extras = Extras(diagnosis=None if diagnosis is None else read_diagnosis(diagnosis))
    return decide_runs(data, first, second, protocol, extras)


def test_a_decision_keeps_the_causes_and_is_verified_by_them(diagnosed: Path, tmp_path: Path) -> None:
    record = decided(diagnosed).record
    told = json.loads(diagnosed.read_text(encoding="utf-8"))
    slices = {each.name: each.queries for each in record.evidence.slices}
    failed = [query for name, queries in slices.items() if name != "cause=answered" for query in queries]
    assert sorted(failed) == sorted(each["query_id"] for each in told["failures"])
    assert 0 < len(failed) < len(slices["cause=answered"]) + len(failed) == 30
    assert {name.removeprefix("cause=") for name in slices} <= {*CAUSES, "answered"}
    assert {each.chosen for each in record.outcome.findings[1:]} == {"failed", "answered"}

    def checked(data: dict[str, Any], **sources: Any) -> dict[str, Check]:
        return {check.name: check for check in verify(data, Sources(dataset=toy_dataset(), **sources))}

    written = record.to_json()
    found = checked(written, diagnosis=diagnosed)
    assert all(check.holds is not False for check in found.values())
    assert found["slices"].holds
    assert found["diagnosis"].holds
    assert checked(written)["diagnosis"].holds is None
    for spoil, name in (
        (lambda each: each["diagnosis"]["causes"].popitem(), "slices"),
        (lambda each: each["slices"][0]["queries"].pop(), "slices"),
        (lambda each: each["diagnosis"].update(fingerprint="cf1-other"), "diagnosis"),
        (lambda each: each["diagnosis"].update(report_sha256="1" * 64), "diagnosis"),
        (lambda each: each.pop("diagnosis"), "slices"),
    ):
        spoiled = json.loads(json.dumps(written))
        spoil(spoiled["evidence"])
        spoiled["content_sha256"] = content_sha256(spoiled)
        assert checked(spoiled, diagnosis=diagnosed)[name].holds is False
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**told, "notes": ["x"]}), encoding="utf-8")
    assert checked(written, diagnosis=other)["diagnosis"].holds is False
    plain = decide_runs_without_slices().to_json()
    assert "diagnosis" not in plain["evidence"]
    assert checked(plain, diagnosis=diagnosed)["diagnosis"].holds is False


def decide_runs_without_slices() -> Any:
    data = toy_dataset()
    settings = EvaluationSettings(measures=("nDCG@10",))
    first, second = evaluate_all(data, [BASE, FakeEncoder()], settings)
    return decide_runs(data, first, second, Protocol(resamples=100, permutations=200)).record


def test_the_base_must_be_the_one_that_was_diagnosed(diagnosed: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be taken for slices: its baseline answers queries in another way"):
        decided(diagnosed, Arm("hybrid"))
    with pytest.raises(InvalidInput, match="give a diagnosis of the base"):
        decided(None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(arms=[]), "no diagnosis that can be read: arms: empty"),
        (lambda data: data.update(schema=9), "schema: 9 is no version of a diagnosis"),
        (lambda data: data["settings"].pop("qrels_hash"), "does not say the hashes of its data"),
        (lambda data: data["failures"].append(data["failures"][0]), "failed twice"),
        (lambda data: data["failures"][0].update(cause="rain"), "cause: 'rain' is not one of"),
    ],
)
def test_what_is_no_diagnosis_is_refused(diagnosed: Path, tmp_path: Path, change: Any, message: str) -> None:
    data = json.loads(diagnosed.read_text(encoding="utf-8"))
    change(data)
    path = tmp_path / "spoiled.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_diagnosis(path)

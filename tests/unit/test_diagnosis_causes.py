"""Failures that were planted get the cause that they were planted for; what tells the causes apart, one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from planted import JARGON, LIMIT, PLANTERS, Planted, WordEncoder, plant, sentence
from word_tokens import WordTokens

from crossfade.chunking import ChunkingSettings, Method, TokenBudget
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.diagnosis.causes import explain
from crossfade.evaluation.diagnosis.diagnose import diagnose
from crossfade.evaluation.diagnosis.duplicates import resemblance, shingles
from crossfade.evaluation.diagnosis.evidence import Facts, Look
from crossfade.evaluation.diagnosis.identifiers import Vocabulary, spelled_otherwise
from crossfade.evaluation.diagnosis.inputs import Cutter, DiagnosisSettings
from crossfade.evaluation.diagnosis.ladder import Ladder
from crossfade.evaluation.diagnosis.reading import Reading
from crossfade.evaluation.diagnosis.types import CAUSES, Diagnosis
from crossfade.models.types import InputType
from crossfade.store.types import Document

SETTINGS = DiagnosisSettings(latency_samples=2, resamples=500, permutations=500)


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(seed=3)


@pytest.fixture(scope="module")
def found(planted: Planted) -> Diagnosis:
    return diagnose(planted.case(), SETTINGS)


@pytest.mark.parametrize("kind", PLANTERS)
def test_nine_of_ten_of_each_kind_are_told(planted: Planted, found: Diagnosis, kind: str) -> None:
    told = {each.query_id: each.cause for each in found.failures}
    mine = [query_id for query_id, made_for in planted.kinds.items() if made_for == kind]
    counted = Counter(told.get(query_id, "answered") for query_id in mine)
    assert counted[kind] >= 0.9 * len(mine), counted


def test_answered_queries_have_not_failed(planted: Planted, found: Diagnosis) -> None:
    assert not [each.query_id for each in found.failures if planted.kinds[each.query_id] == ""]
    assert found.failed == sum(each.count for each in found.causes) == len(found.failures)
    assert sum(each.share for each in found.causes) == pytest.approx(1.0)
    counts = [each.count for each in found.causes]
    assert counts == sorted(counts, reverse=True)


def test_the_evidence_is_kept(planted: Planted, found: Diagnosis) -> None:
    first = {each.cause: each for each in reversed(found.failures)}
    assert first["missing_document"].evidence["absent_count"] == 1
    assert first["missing_document"].best_rank is None
    assert first["duplicate_or_stale"].evidence["resemblance"] >= 0.6
    assert first["unjudged"].evidence["unjudged_share"] >= 0.5
    cut = first["truncated"].evidence
    assert cut["read"] < cut["passage_at"] + 20 < cut["characters"]
    assert cut["passage_score"] >= cut["kth_score"]
    [code] = [word for word in first["exact_match"].text.split() if any(letter.isdigit() for letter in word)]
    assert first["exact_match"].evidence["identifiers"] == [code]
    low = first["ranked_low"]
    assert "rerank: overlap" in low.evidence["mended_by"]
    assert low.evidence["rank"] == low.best_rank > 10
    assert first["semantic_mismatch"].margin is not None
    assert first["semantic_mismatch"].margin < 0
    both = {
        ("brings" in each.evidence, "excludes" in each.evidence) for each in found.failures if each.cause == "filter"
    }
    assert both == {(True, False), (False, True)}


def test_jargon_recurs_among_mismatches(found: Diagnosis) -> None:
    recurring = {each.term for each in found.terms}
    assert recurring <= set(JARGON)
    assert len(recurring) >= len(JARGON) - 1
    assert all(each.mismatched >= 2 > each.others and each.log_odds > 0 for each in found.terms)


def test_clusters_are_of_alike_queries_and_named(found: Diagnosis) -> None:
    jargon = [each for each in found.clusters if set(each.terms) & set(JARGON)]
    assert jargon
    assert all(len(each.queries) >= 2 and next(iter(each.causes)) == "semantic_mismatch" for each in jargon)


def test_the_record_reads_back(found: Diagnosis) -> None:
    record = found.to_json()
    assert record["schema"] == 1
    assert Diagnosis.from_json(record) == Diagnosis.from_json(Diagnosis.from_json(record).to_json())
    assert Diagnosis.from_json(record).failures[0] == found.failures[0]


def test_a_cause_that_was_not_planted_is_not_told() -> None:
    kinds = ["missing_document", "ranked_low", "semantic_mismatch"]
    told = diagnose(plant(seed=11, kinds=kinds).case(), SETTINGS)
    assert {each.cause for each in told.failures} == {*kinds}


def test_where_judgments_name_only_what_is_right_nothing_is_called_unjudged() -> None:
    planted = plant(seed=5, each=8, kinds=["ranked_low", "semantic_mismatch"], answered=40)
    told = diagnose(planted.case(), SETTINGS)
    assert {each.cause for each in told.causes} <= {"ranked_low", "semantic_mismatch"}
    assert any("are judged" in note for note in told.notes)


def test_queries_without_a_relevant_document_cannot_fail() -> None:
    planted = plant(seed=6, each=4, kinds=["semantic_mismatch"], answered=30)
    query = planted.query("", "nobody knows", planted.documents[0].id)
    planted.qrels[query] = {planted.documents[0].id: 0}
    told = diagnose(planted.case(), SETTINGS)
    assert told.unanswerable == 1
    assert query not in {each.query_id for each in told.failures}


def test_a_border_through_what_is_asked_for() -> None:
    """Half of it ends one chunk, half begins the next: neither scores as the piece around the border does."""
    planted = Planted()
    words = [
        f"{first}{second}" for first in ("ka", "lo", "mu", "ne", "pi") for second in ("rt", "sk", "lm", "nd", "xo")
    ]
    target = words[:4]
    body = [*words[4:10], *target[:2], *target[2:], *words[10:16]]
    wanted = planted.document(" ".join(body))
    others = [planted.document(sentence([*target[:3], *words[16:19]])) for _ in range(3)]
    query = planted.query("chunk_border", " ".join(target), wanted)
    case = planted.case(baseline=Arm(chunking=ChunkingSettings(Method.TOKENS, size=8)))
    encoder = WordEncoder()
    vector = encoder.encode([" ".join(target)], InputType.QUERY).vectors[0]
    reading = Reading(case.cutter, case.baseline.chunking)
    chunks = encoder.encode([each.content for each in reading.chunks(planted.documents[0])], InputType.DOCUMENT).vectors
    run = {query: {**dict.fromkeys(others, 0.6), wanted: float((chunks @ vector).max())}}
    assert run[query][wanted] < 0.6
    figures = diagnose(replace(case, baseline=Arm()), SETTINGS).arms[:1]
    facts = Facts(case, replace(SETTINGS, k=3), Ladder(figures, {"baseline": run}, [], []), None, {})
    cause, evidence = explain(Look(facts, query, " ".join(target), vector))
    assert cause == "chunk_border"
    assert evidence["best_chunk_score"] < evidence["passage_score"]
    for word in target:
        assert word in evidence["passage"]


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("lg ldf6920bb dishwasher", {"ldf6920bb"}),
        ("denon dvd-2930ci player", {"dvd-2930ci", "2930ci"}),
        ("what is foo_bar.baz for", {"foo_bar.baz"}),
        ("error 80070005 on start", {"80070005"}),
        ("the 12 best of 2 worlds", set()),
        ("how EBITDA is computed", {"ebitda"}),
        ("HOW IS IT COMPUTED", set()),
        ('who said "purple monkey"', {"purple", "monkey"}),
        ("at Mach 3.5 or so", {"3.5"}),
        ("it ends. Nothing e.g. follows.", set()),
        ("", set()),
    ],
)
def test_what_is_an_identifier(query: str, codes: set[str]) -> None:
    vocabulary = Vocabulary(["common words " * 3] * 10)
    assert vocabulary.identifiers(query).codes == codes


def test_codes_that_are_spelled_otherwise() -> None:
    held = {"kxtg6313s", "dvd", "2930ci", "ab-12"}
    assert spelled_otherwise({"kx-tg6313s", "tg6313s"}, held) == {"kx-tg6313s": "kxtg6313s"}
    assert spelled_otherwise({"kxtg6313s"}, held) == {}  # as it is: BM25 sees that
    assert spelled_otherwise({"ab12"}, held) == {}  # four letters and digits are too few
    assert spelled_otherwise({"d-v-d"}, held) == {}


def test_rare_words_are_those_that_few_documents_have_and_some_do() -> None:
    vocabulary = Vocabulary([*(["alpha beta"] * 50), "gamma alpha", "delta", "delta", "delta"])
    assert vocabulary.identifiers("alpha gamma delta epsilon").rare == {"gamma"}
    assert vocabulary.documents("delta") == 3
    assert vocabulary.rare("gamma")
    assert not vocabulary.rare("epsilon")


def test_a_code_that_every_document_has_identifies_none() -> None:
    assert Vocabulary(["model x100"] * 40).identifiers("model x100").codes == set()


def test_resemblance() -> None:
    first = "one two three four five six seven eight nine ten"
    assert resemblance(first, first.upper()) == 1.0
    assert resemblance(first, first.replace("ten", "10")) == pytest.approx(7 / 9)
    assert resemblance(first, "other words altogether here") == 0.0
    assert resemblance("", first) == 0.0
    assert len(shingles("one two")) == 1


def test_where_a_model_stops_reading() -> None:
    reading = Reading(Cutter(WordTokens(), TokenBudget(5)), ChunkingSettings())
    document = Document("d", "A title", "one two three four five")
    assert document.text[reading.read_end(document) :].split() == ["four", "five"]
    assert reading.read_end(Document("d", "", "one two")) == 7
    assert Reading(None, ChunkingSettings()).read_end(document) == len(document.text)
    passages = reading.passages(Document("d", "", "One two. Three four. Five six."))
    assert [each.content for each in passages] == ["One two.", "Three four.", "Five six."]
    assert reading.straddling(document) == []


def test_causes_are_asked_for_in_the_documented_order() -> None:
    assert CAUSES[0] == "missing_document"
    assert CAUSES[-1] == "semantic_mismatch"
    assert set(CAUSES) == {*PLANTERS, "chunk_border"}
    assert LIMIT == 32
    assert np.isfinite(WordEncoder().encode(["x1"], InputType.QUERY).vectors).all()

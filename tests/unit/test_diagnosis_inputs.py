"""What a diagnosis reads beside the data set: answers, filters, other splits; and what recurs in texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.beir import read_beir, write_beir
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.diagnosis.answers import judge_answers, read_answers
from crossfade.evaluation.diagnosis.clusters import cluster
from crossfade.evaluation.diagnosis.evidence import unit
from crossfade.evaluation.diagnosis.filtering import QueryFilters, read_filters
from crossfade.evaluation.diagnosis.splits import other_splits
from crossfade.evaluation.diagnosis.terms import naming_terms, recurring_terms
from crossfade.evaluation.diagnosis.types import Diagnosis
from crossfade.store.metadata import Filter
from crossfade.store.types import Document

DATASET = Dataset(
    "small",
    "test",
    [
        Document("d1", "Tea", "Boil the water, then pour it over the leaves and wait."),
        Document("d2", "Milk", "Not before the tea has been poured, whatever some people say."),
        Document("d3", "Cups", "Warm them first."),
    ],
    {"q1": "how to make tea", "q2": "when does the milk go in", "q3": "cups?"},
    {"q1": {"d1": 1}, "q2": {"d2": 1}, "q3": {"d3": 0}},
)
RUN = {"q1": {"d1": 1.0}, "q2": {"d1": 1.0, "d3": 0.5}, "q3": {"d3": 1.0}}


def written(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_retrieval_is_told_from_generation(tmp_path: Path) -> None:
    path = written(
        tmp_path / "answers.jsonl",
        {"query_id": "q1", "contexts": ["d1", "d2"], "answer": "boil", "correct": True},
        {"query_id": "q1", "contexts": ["d1"], "answer": "freeze", "correct": False},
        {"question": "When does the  MILK go in", "contexts": ["boil the water, THEN pour it"], "score": 0.2},
        {"query_id": "q2", "contexts": ["Not before the tea has been poured"], "answer": "first", "score": 0.49},
        {"query_id": "q2", "contexts": [], "answer": "after", "score": 0.5},
        {"query_id": "q3", "contexts": ["d3"], "answer": "?", "correct": False},
        {"question": "who knows", "contexts": ["d3"], "answer": "?", "correct": False},
        {"query_id": "q1", "contexts": ["a text that is of no document at all"], "correct": False},
    )
    found = judge_answers(read_answers(path, DATASET), DATASET, RUN, k=10)
    assert (found.answers, found.right, found.right_without) == (8, 2, 1)
    assert (found.not_retrieved, found.not_used, found.unknown) == (1, 2, 3)
    assert [each.query_id for each in found.not_retrieved_examples] == ["q2"]
    assert [each.relevant_used for each in found.not_used_examples] == [["d1"], ["d2"]]
    assert [each.retrievable for each in found.not_used_examples] == [True, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "expected a JSON object"),
        ("{", "not usable JSON"),
        ('{"contexts": [], "correct": true}', 'no "query_id" and no "question"'),
        ('{"query_id": "q9", "contexts": [], "correct": true}', "query 'q9' is not among those that test judges"),
        ('{"query_id": "q1", "correct": true}', '"contexts" must be a list of strings'),
        ('{"query_id": "q1", "contexts": [1], "correct": true}', '"contexts" must be a list of strings'),
        ('{"query_id": "q1", "contexts": []}', 'expected "correct"'),
        ('{"query_id": "q1", "contexts": [], "score": 2}', 'expected "correct"'),
        ('{"query_id": "q1", "contexts": [], "score": NaN}', 'expected "correct"'),
        ('{"query_id": "q1", "contexts": [], "correct": 1}', 'expected "correct"'),
        ('{"query_id": "q1", "contexts": [], "answer": 5, "correct": true}', '"answer" must be a string'),
        ('{"question": 5, "contexts": [], "correct": true}', '"question" must be a string'),
        ('{"query_id": [], "contexts": [], "correct": true}', '"query_id" must be a string'),
    ],
)
def test_answers_of_another_form_are_refused_by_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(f'{{"query_id": "q1", "contexts": [], "correct": true}}\n{line}\n')
    with pytest.raises(DataError, match=message.replace("[", "\\[")) as error:
        read_answers(path, DATASET)
    assert error.value.line == 2


def test_no_answers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(DataError, match="empty"):
        read_answers(tmp_path / "none.jsonl", DATASET)


@pytest.fixture
def filtered(tmp_path: Path) -> Path:
    write_beir(tmp_path, DATASET.documents, DATASET.queries, {"test": DATASET.qrels, "train": {"q1": {"d1": 1}}})
    rows = [json.loads(line) for line in (tmp_path / "corpus.jsonl").read_text().splitlines()]
    written(
        tmp_path / "corpus.jsonl",
        *({**row, "metadata": {"kind": kind, "n": n}} for n, (row, kind) in enumerate(zip(rows, "aab", strict=True))),
    )
    return tmp_path


def ask(directory: Path, condition: object) -> None:
    rows = [json.loads(line) for line in (directory / "queries.jsonl").read_text().splitlines()]
    written(directory / "queries.jsonl", {**rows[0], "filter": condition}, *rows[1:])


def test_filters_and_metadata_are_read(filtered: Path) -> None:
    ask(filtered, {"field": "kind", "eq": "a"})
    dataset = read_beir(filtered, "test")
    found = read_filters(filtered, dataset)
    assert list(found.filters) == ["q1"]
    assert found.kept(["d1", "d2", "d3"]) == {"q1": {"d1", "d2"}}
    applied = found.applied(dataset)
    assert [each.metadata["kind"] for each in applied.documents] == ["a", "a", "b"]
    assert applied.corpus_hash == dataset.corpus_hash
    ask(filtered, {"field": "kind", "eq": "b"})
    assert read_filters(filtered, dataset).hash != found.hash != ""


def test_without_filters_nothing_is_read(filtered: Path) -> None:
    dataset = read_beir(filtered, "test")
    found = read_filters(filtered, dataset)
    assert not found
    assert found.hash == ""
    assert found.applied(dataset) is dataset


def test_filters_that_fit_nothing_are_refused(filtered: Path) -> None:
    dataset = read_beir(filtered, "test")
    ask(filtered, {"field": "kind", "equals": "a"})
    with pytest.raises(DataError, match=r'queries\.jsonl:1: "filter"'):
        read_filters(filtered, dataset)
    ask(filtered, {"field": "kin", "eq": "a"})
    with pytest.raises(InvalidInput, match="the filter of query 'q1'"):
        read_filters(filtered, dataset)
    ask(filtered, {"field": "kind", "eq": "a"})
    rows = [json.loads(line) for line in (filtered / "corpus.jsonl").read_text().splitlines()]
    written(filtered / "corpus.jsonl", rows[0], {**rows[1], "metadata": [1]}, rows[2])
    with pytest.raises(DataError, match=r'corpus\.jsonl:2: "metadata" is list; expected an object'):
        read_filters(filtered, dataset)
    written(filtered / "corpus.jsonl", rows[0], {**rows[1], "metadata": {"kind": 5}}, rows[2])
    with pytest.raises(InvalidInput, match='document "d2": field "kind"'):
        read_filters(filtered, dataset)


def test_other_splits_and_what_they_share(filtered: Path) -> None:
    dataset = read_beir(filtered, "test")
    [train] = other_splits(filtered, dataset)
    assert (train.name, train.queries, train.pairs, train.shared) == ("train", 1, 1, 1)
    (filtered / "qrels" / "train.tsv").unlink()
    assert other_splits(filtered, dataset) == []


def test_a_filter_keeps_what_it_says() -> None:
    held = QueryFilters({"q": Filter.parse({"field": "n", "gte": 2})}, {"a": {"n": 1}, "b": {"n": 2}})
    assert held.kept(["a", "b", "c"]) == {"q": {"b"}}


def test_words_that_recur_are_those_that_the_others_lack() -> None:
    inside = ["what is the CPL of the unit", "cpl report of march", "reset cpl", "unit of the month"]
    outside = ["what is the weather", "report of the year", "the unit of time"] * 10
    found = recurring_terms(inside, outside)
    assert found[0].term == "cpl"
    assert (found[0].mismatched, found[0].others, found[0].acronym) == (3, 0, True)
    assert all(each.z >= 1.645 for each in found)
    assert recurring_terms([], outside) == []
    assert recurring_terms(inside, inside) == []
    assert naming_terms(["purple monkey"], outside) == ["purple", "monkey"]


def naive_clusters(vectors: np.ndarray, near: float) -> list[list[int]]:
    """Join the nearest pair, by the mean of all cosines between the two, until none is near."""
    groups = [[row] for row in range(len(vectors))]
    exact = vectors.astype(np.float64)
    while len(groups) > 1:
        best = max(
            (
                (float(np.mean(exact[first] @ exact[second].T)), -i, -j)
                for i, first in enumerate(groups)
                for j, second in enumerate(groups)
                if i < j
            )
        )
        if best[0] < near:
            break
        first, second = -best[1], -best[2]
        groups[first] += groups.pop(second)
    return sorted((sorted(rows) for rows in groups if len(rows) > 1), key=lambda rows: (-len(rows), rows[0]))


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(-3, 3).map(np.float32)))
def test_clusters_are_those_of_the_naive_way(vectors: np.ndarray) -> None:
    # Moved apart a little, so that no two pairs are exactly as near: ties are broken by number in either way, but the
    # two round differently.
    moved = unit(vectors + np.random.default_rng(len(vectors)).uniform(0.01, 0.2, vectors.shape).astype(np.float32))
    assert cluster(moved, 0.5) == naive_clusters(moved, 0.5)


def test_records_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(InvalidInput, match="schema: 99 is no version"):
        Diagnosis.from_json({"schema": 99})
    with pytest.raises(InvalidInput, match="dataset: missing"):
        Diagnosis.from_json({"schema": 1})

"""Retriever: fingerprints, the order of hits, ties at the k-th place, and what it refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import FingerprintMismatch, InvalidInput
from crossfade.models.types import Embeddings, InputType
from crossfade.retrieval import Hit, Retriever
from crossfade.store import CollectionSpec, Document, MemoryCollection, MemoryStore
from crossfade.store.types import Metric

DOCUMENT, QUERY = "cf1-document", "cf1-query"


@dataclass
class FakeEncoder:
    """Reads a text as numbers: "1 2" is the vector (1, 2)."""

    document_fingerprint: str = DOCUMENT
    query_fingerprint: str = QUERY
    dimension: int = 2

    @property
    def bundle(self) -> SimpleNamespace:
        return SimpleNamespace(
            document_fingerprint=self.document_fingerprint,
            query_fingerprint=self.query_fingerprint,
            dimension=self.dimension,
        )

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        assert input_type is InputType.QUERY
        vectors = np.array([[float(part) for part in text.split()] for text in texts], np.float32)
        counts = np.array([len(text.split()) for text in texts], np.int32)
        return Embeddings(vectors.reshape(-1, 2), counts, counts > 2, 11, 22)


def make(rows: dict[str, Sequence[float]], metric: Metric = "ip") -> MemoryCollection:
    collection = MemoryStore().create(CollectionSpec("docs", 2, metric, DOCUMENT))
    vectors = np.array(list(rows.values()), np.float32).reshape(-1, 2)
    collection.upsert([Document(name) for name in rows], vectors)
    return collection


def query(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_texts_are_encoded_as_queries_and_answered_in_order() -> None:
    retriever = Retriever(make({"a": (1, 0), "b": (0, 1), "c": (2, 0)}), FakeEncoder())
    result = retriever.search_texts(["1 0", "0 3"], 2)
    assert result.hits == [[Hit("c", 2.0), Hit("a", 1.0)], [Hit("b", 3.0), Hit("a", 0.0)]]
    assert result.query_fingerprint == QUERY
    assert result.token_counts is not None
    assert result.token_counts.tolist() == [2, 2]
    assert result.truncated is not None
    assert (result.tokenise_ns, result.infer_ns) == (11, 22)
    assert result.search_ns > 0


def pairs(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in hits]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("ip", [("far", 4.0), ("near", 1.0)]),
        ("cosine", [("far", 1.0), ("near", 1.0)]),
        ("l2", [("near", 0), ("far", -9)]),
    ],
)
def test_higher_is_better_in_every_metric(metric: Metric, expected: list[tuple[str, float]]) -> None:
    retriever = Retriever(make({"near": (1, 0), "far": (4, 0)}, metric))
    (hits,) = retriever.search_vectors(query(1, 0), 2, fingerprint=DOCUMENT).hits
    assert pairs(hits) == expected


def test_fewer_documents_than_asked_for() -> None:
    retriever = Retriever(make({"a": (1, 0)}))
    (hits,) = retriever.search_vectors(query(1, 0), 100, fingerprint=DOCUMENT).hits
    assert pairs(hits) == [("a", 1.0)]


def test_an_empty_collection_and_an_empty_batch() -> None:
    assert Retriever(make({})).search_vectors(query(1, 0), 3, fingerprint=DOCUMENT).hits == [[]]
    retriever = Retriever(make({"a": (1, 0)}), FakeEncoder())
    assert retriever.search_vectors(np.empty((0, 2), np.float32), 3, fingerprint=DOCUMENT).hits == []


class TestTies:
    def test_equal_scores_come_by_id_in_utf8_order_also_at_the_cut(self) -> None:
        # Inserted so that row order is the opposite of id order. U+FFFD sorts before U+1F600 in UTF-8, after in UTF-16.
        ids = ["\U0001f600", "\ufffd", "é", "b", "a", "B"]
        retriever = Retriever(make(dict.fromkeys(ids, (1, 0))))
        for k in range(1, 7):
            found = retriever.search_vectors(query(1, 0), k, fingerprint=DOCUMENT).hits[0]
            assert [hit.id for hit in found] == sorted(ids, key=str.encode)[:k]

    def test_signed_zeros_tie(self) -> None:
        retriever = Retriever(make({"b": (0.0, 0.0), "a": (-0.0, -0.0), "c": (-1, 0)}))
        hits = retriever.search_vectors(query(1, 0), 2, fingerprint=DOCUMENT).hits[0]
        assert [hit.id for hit in hits] == ["a", "b"]

    def test_a_tie_larger_than_many_widenings(self) -> None:
        rows = {f"{number:05d}": (1, 0) for number in reversed(range(3000))}
        retriever = Retriever(make({"top": (2, 0), **rows}))
        hits = retriever.search_vectors(np.repeat(query(1, 0), 400, axis=0), 3, fingerprint=DOCUMENT).hits
        assert [pairs(each) for each in hits] == [[("top", 2.0), ("00000", 1.0), ("00001", 1.0)]] * 400

    @settings(max_examples=150, deadline=None)
    @given(
        rows=st.lists(st.tuples(st.integers(-2, 2), st.integers(-1, 1)), min_size=1, max_size=60),
        queries=st.lists(st.tuples(st.integers(-2, 2), st.integers(-1, 1)), min_size=1, max_size=5),
        k=st.integers(1, 70),
        metric=st.sampled_from(["ip", "l2"]),
        seed=st.randoms(use_true_random=False),
    )
    def test_against_sorting_everything(self, rows, queries, k, metric, seed) -> None:
        ids = [f"{number}" for number in range(len(rows))]
        seed.shuffle(ids)
        retriever = Retriever(make(dict(zip(ids, rows, strict=True)), metric))
        result = retriever.search_vectors(np.array(queries, np.float32), k, fingerprint=DOCUMENT)
        for (x, y), hits in zip(queries, result.hits, strict=True):
            scores = {
                name: float(x * a + y * b) if metric == "ip" else float(-((x - a) ** 2 + (y - b) ** 2))
                for name, (a, b) in zip(ids, rows, strict=True)
            }
            assert pairs(hits) == sorted(scores.items(), key=lambda item: (-item[1], item[0].encode()))[:k]


class TestFingerprints:
    def test_an_encoder_of_another_space_is_refused_by_name(self) -> None:
        with pytest.raises(
            FingerprintMismatch, match=r"cf1-other, collection 'docs' holds cf1-document: use the model"
        ):
            Retriever(make({}), FakeEncoder(document_fingerprint="cf1-other"))

    def test_an_encoder_of_another_dimension_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="made with dimension 2, but the model of its fingerprint makes 3"):
            Retriever(make({}), FakeEncoder(dimension=3))

    def test_query_vectors_join_by_document_or_query_fingerprint(self) -> None:
        retriever = Retriever(make({"a": (1, 0)}), FakeEncoder())
        for fingerprint in (DOCUMENT, QUERY):
            result = retriever.search_vectors(query(1, 0), 1, fingerprint=fingerprint)
            assert [pairs(hits) for hits in result.hits] == [[("a", 1.0)]]
            assert result.query_fingerprint == fingerprint
            assert result.token_counts is None

    def test_other_query_vectors_are_refused(self) -> None:
        with pytest.raises(FingerprintMismatch, match="cf1-query, collection 'docs' holds cf1-document"):
            Retriever(make({"a": (1, 0)})).search_vectors(query(1, 0), 1, fingerprint=QUERY)
        with pytest.raises(InvalidInput, match="without a fingerprint"):
            Retriever(make({"a": (1, 0)})).search_vectors(query(1, 0), 1, fingerprint="")


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (query(1, 0, 0), r"shape \(1, 3\), expected \(any, 2\): collection 'docs' holds 2 dimensions"),
        (np.zeros(2, np.float32), r"shape \(2,\)"),
        (query(1, np.nan), "query vector 0 holds nan at position 1"),
        (query(-np.inf, 1), "query vector 0 holds -inf at position 0"),
        (np.zeros((1, 2), np.int32), "dtype int32"),
    ],
)
def test_bad_query_vectors_are_refused(vectors: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Retriever(make({"a": (1, 0)})).search_vectors(vectors, 1, fingerprint=DOCUMENT)


def test_k_below_one_and_texts_without_an_encoder_are_refused() -> None:
    retriever = Retriever(make({"a": (1, 0)}))
    with pytest.raises(InvalidInput, match="k is 0"):
        retriever.search_vectors(query(1, 0), 0, fingerprint=DOCUMENT)
    with pytest.raises(InvalidInput, match="k is -1"):
        Retriever(make({"a": (1, 0)}), FakeEncoder()).search_texts(["1 0"], -1)
    with pytest.raises(InvalidInput, match="no encoder"):
        retriever.search_texts(["1 0"], 1)

"""What a quantised model costs: the arithmetic, on encoders that need no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from evaluation_fakes import DIMENSION, FakeBundle, FakeEncoder, toy_dataset

from crossfade.errors import InvalidInput
from crossfade.evaluation.quantisation import MEASURES, measure_cost, measure_parity, measure_speed
from crossfade.evaluation.texts import Sample, dataset_sample, interpreter_sample, of_words, spread
from crossfade.models.types import Embeddings, InputType

SOURCE = FakeEncoder()


class Turned(FakeEncoder):
    """The first text of a call gets the vector turned by 60 degrees, or none at all when `zero`."""

    zero = False

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        found = super().encode(texts, input_type)
        vectors = found.vectors.copy()
        other = np.roll(vectors[0], 1)
        other -= (other @ vectors[0]) * vectors[0]
        vectors[0] = 0 if self.zero else 0.5 * vectors[0] + np.sqrt(0.75) * other / np.linalg.norm(other)
        return Embeddings(vectors, found.token_counts, found.truncated, 1, 1)


def sample(count: int) -> Sample:
    return Sample("nowhere", {InputType.DOCUMENT: [f"text {row}" for row in range(count)]})


def test_parity() -> None:
    found = measure_parity(SOURCE, Turned(), sample(64))
    assert (found.origin, found.texts) == ("nowhere", 64)
    assert found.min == pytest.approx(0.5, abs=1e-6)
    assert found.p50 == pytest.approx(1, abs=1e-6)
    assert found.mean == pytest.approx(1 - 0.5 / 64, abs=1e-6)
    assert found.p1 == pytest.approx(0.5 + 0.5 * 0.63, abs=1e-6)
    same = measure_parity(SOURCE, FakeEncoder(), sample(3))
    assert (same.min, same.mean) == (1, 1)


def test_a_vector_of_zeros_is_like_no_other() -> None:
    nothing = Turned()
    nothing.zero = True
    assert measure_parity(SOURCE, nothing, sample(2)).min == 0
    assert measure_parity(nothing, nothing, sample(2)).min == 1


def test_queries_are_embedded_as_queries() -> None:
    source, other = FakeEncoder(), FakeEncoder()
    stages: list[tuple[str, int, int]] = []
    dataset = toy_dataset()
    measure_parity(source, other, dataset_sample([dataset]), progress=lambda *step: stages.append(step))
    assert source.calls == other.calls == [(InputType.DOCUMENT, 40), (InputType.QUERY, 30)]
    assert stages == [("comparing vectors", 40, 70), ("comparing vectors", 70, 70)]


def test_speed_by_turns() -> None:
    found = measure_speed(SOURCE, Turned(), ["one two three"])
    assert list(found) == ["short", "long"]
    assert [speed.tokens for speed in found.values()] == [8 + 2, 64 + 2]
    for speed in found.values():
        assert speed.source > 0
        assert speed.ratio == speed.quantised / speed.source


def test_retrieval_is_compared_as_compare_does() -> None:
    worse = FakeEncoder(FakeBundle("worse", "cf1-w", "cf1-w"), noise=3.0)
    dataset = toy_dataset()
    cost = measure_cost(SOURCE, worse, dataset_sample([dataset]), [dataset], threads=1)
    (found,) = cost.retrieval
    assert (found.dataset, found.split, found.queries, found.documents) == ("toy", "test", 30, 40)
    assert tuple(found.difference) == MEASURES
    change = found.difference["nDCG@10"]
    assert found.source["nDCG@10"] == 1
    assert change.delta == pytest.approx(found.quantised["nDCG@10"] - 1)
    assert change.ci95[0] <= change.delta <= change.ci95[1] < 0
    assert measure_cost(SOURCE, worse, sample(3)).retrieval == []


def test_no_texts_are_refused() -> None:
    with pytest.raises(InvalidInput, match="nowhere holds no text to compare"):
        measure_parity(SOURCE, SOURCE, sample(0))
    with pytest.raises(InvalidInput, match="hold no word to time"):
        measure_speed(SOURCE, SOURCE, ["", " "])


def test_samples() -> None:
    dataset = toy_dataset(documents=10, queries=5)
    found = dataset_sample([dataset, dataset], most=4)
    assert found.origin == "toy"
    assert len(found) == 8
    assert found.texts[InputType.DOCUMENT] == ["title 0 text 0", "title 5 text 5", "title 0 text 0", "title 5 text 5"]
    assert spread(["a", "b", "c"], 2) == ["a", "b"]
    assert spread([], 2) == []
    assert of_words(["a b c", "d"], 3, 3) == ["a b c", "d a b", "c d a"]
    assert of_words(["", " "], 3, 3) == []


def test_the_interpreter_documents_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    found = interpreter_sample()
    assert len(found) == len(set(found.all)) >= 500
    assert found.all == interpreter_sample().all
    assert all(len(text.split()) >= 2 for text in found.all)

    def fail(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("crossfade.evaluation.texts.importlib.import_module", fail)
    assert len(interpreter_sample()) >= 100
    assert DIMENSION == 16

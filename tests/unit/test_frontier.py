"""The frontier: dominance against a naive oracle, figures, records."""

from __future__ import annotations

import json

import numpy as np
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.decision.protocol import Prices
from crossfade.evaluation.evaluate import EvaluationSettings
from crossfade.evaluation.frontier import Frontier, FrontierSettings, dominated_by, measure_frontier

POOR = FakeEncoder(FakeBundle("poor", query_fingerprint="cf1-poor"), noise=1.5)
GOOD = FakeEncoder(FakeBundle("good", query_fingerprint="cf1-good"), noise=0.1)
SETTINGS = FrontierSettings(Prices(0.36), resamples=500)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=8))
def test_dominance(rows: list[tuple[int, ...]]) -> None:
    naive = [
        [
            other
            for other, theirs in enumerate(rows)
            if all(a <= b for a, b in zip(theirs, own, strict=True))
            and any(a < b for a, b in zip(theirs, own, strict=True))
        ]
        for own in rows
    ]
    found = dominated_by(rows)
    assert found == naive
    assert any(not each for each in found)  # there is always a frontier


def test_models_are_measured_on_the_same_queries() -> None:
    models = {"poor": (POOR, Arm()), "good": (GOOD, Arm()), "words": (None, Arm("lexical"))}
    found = measure_frontier(toy_dataset(), models, SETTINGS, EvaluationSettings(["RR"], threads=1))
    assert found.measure == "RR"
    assert sorted(point.name for point in found.points) == ["good", "poor", "words"]
    values = [point.value for point in found.points]
    assert values == sorted(values, reverse=True)
    assert found.points[0].behind == 0.0
    assert found.points[0].behind_ci95 == (0.0, 0.0)
    for point in found.points:
        assert point.low <= point.value <= point.high
        assert point.behind == pytest.approx(point.value - values[0])
        assert point.pareto == (not point.dominated_by)
        cost = point.cost
        assert cost.cores == 1
        assert cost.per_million_queries == pytest.approx(1e6 / cost.queries_per_second * 0.36 / 3600)
        if point.name == "words":
            assert cost.documents_per_second is cost.per_million_documents is None
        else:
            assert cost.documents_per_second is not None
            assert cost.per_million_documents == pytest.approx(1e6 / cost.documents_per_second * 0.36 / 3600)
    assert any(point.pareto for point in found.points)
    assert np.isfinite(values).all()
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Frontier.from_json(record) == found
    with pytest.raises(InvalidInput, match="version 2"):
        Frontier.from_json({**record, "schema": 2})


def test_what_is_no_frontier_is_refused() -> None:
    two = {"poor": (POOR, Arm()), "good": (GOOD, Arm())}
    with pytest.raises(InvalidInput, match="two models or more"):
        measure_frontier(toy_dataset(), {"poor": (POOR, Arm())}, SETTINGS)
    with pytest.raises(InvalidInput, match="the prices come to nothing"):
        measure_frontier(toy_dataset(), two, FrontierSettings(Prices()))
    with pytest.raises(InvalidInput, match="describes the judgments only"):
        measure_frontier(toy_dataset(), two, SETTINGS, EvaluationSettings(["Judged@10"]))

"""A base that was measured before: its record vouches for its rankings, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset

from crossfade.errors import DataError
from crossfade.evaluation.decision.baseline import read_baseline
from crossfade.evaluation.evaluate import EvaluationSettings, evaluate_all
from crossfade.evaluation.trec import write_run

DATA = toy_dataset()
MEASURES = ["nDCG@10", "RR", "Judged@10"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    poor = FakeEncoder(FakeBundle("poor", query_fingerprint="cf1-poor"), noise=1.5)
    (found,) = evaluate_all(DATA, [poor], EvaluationSettings(MEASURES))
    run = tmp_path_factory.mktemp("base") / "base.trec"
    write_run(run, found.run, tag="base")
    return found.evaluation.to_json(), run


def read(record: dict[str, Any], run: Path, folder: Path, **changes: Any) -> Any:
    path = folder / "base.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return read_baseline(path, run, replace(DATA, **changes), ["nDCG@10", "R@5"])


def test_rankings_are_measured_again_by_the_measures_asked_for(
    measured: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    record, run = measured
    found = read(record, run, tmp_path).evaluation
    assert list(found.measures) == list(found.per_query) == ["nDCG@10", "R@5"]
    assert found.per_query["nDCG@10"] == pytest.approx(record["per_query"]["nDCG@10"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda held: held.update(per_query={}, measures={}), "per_query is empty"),
        (lambda held: held["per_query"].pop("RR"), "per_query lacks RR, which has a mean"),
        (lambda held: held["per_query"].update({"RR": {}}), "per_query.RR lacks query 'q0', which is judged"),
        (lambda held: held["per_query"]["RR"].pop("q3"), "per_query.RR lacks query 'q3'"),
        (lambda held: held["per_query"]["RR"].update(more=1.0), "per_query.RR has query 'more', which is not judged"),
        (lambda held: held["per_query"]["RR"].update(q3=0.123), "RR of query 'q3' is not what"),
        (lambda held: held["measures"].update(RR=0.123), "measures.RR is 0.123, which is not the mean"),
        (lambda held: held["per_query"].update({"nDGC@10": {}}), "cannot be measured again"),
        (lambda held: held["settings"].pop("qrels_hash"), "settings lack qrels_hash"),
        (lambda held: held["settings"].update(corpus_hash=None), "settings lack corpus_hash"),
    ],
)
def test_a_record_that_does_not_vouch_for_its_rankings_is_refused(
    measured: tuple[dict[str, Any], Path], tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], message: str
) -> None:
    record = json.loads(json.dumps(measured[0]))
    spoil(record)
    with pytest.raises(DataError, match=message):
        read(record, measured[1], tmp_path)


def test_other_rankings_than_those_of_the_record_are_refused(
    measured: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.trec"
    write_run(other, {query: {"d1": 1.0} for query in DATA.queries}, tag="other")
    with pytest.raises(DataError, match="give the run of that record"):
        read(measured[0], other, tmp_path)

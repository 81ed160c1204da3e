"""The base model on real data gives the figures that sentence-transformers and pytrec_eval give.

The data (three public collections) lies in the folder `shared` beside the checkout and is no part of the project.
CROSSFADE_TEST_CACHE may name a directory that keeps document vectors between test runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import pytrec_eval

from crossfade.evaluation.beir import read_beir
from crossfade.evaluation.evaluate import Evaluated, EvaluationSettings, evaluate
from crossfade.evaluation.index import CorpusIndexes
from crossfade.models import Bundle, Encoder

DATA = Path(__file__).parents[2].parent / "shared" / "data"

# Measured with sentence-transformers' own vectors and pytrec_eval; test split, top 100.
PUBLISHED = {
    "cranfield": {"nDCG@10": 0.4012, "R@100": 0.8185},
    "cisi": {"nDCG@10": 0.4389, "AP": 0.2175},
    "abt-buy": {"nDCG@10": 0.8157, "RR": 0.7740},
}
ORACLE = {"nDCG@10": "ndcg_cut_10", "AP": "map", "RR": "recip_rank", "R@100": "recall_100"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the data sets in shared/data beside the checkout"),
]


@pytest.fixture(scope="module")
def evaluated(minilm_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evaluated]:
    """Each data set embedded and measured once."""
    cache = Path(os.environ.get("CROSSFADE_TEST_CACHE") or tmp_path_factory.mktemp("vectors"))
    encoder = Encoder(Bundle.load(minilm_bundle))
    results = {}
    for name in PUBLISHED:
        dataset = read_beir(DATA / name, "test")
        settings = EvaluationSettings(latency_samples=10)
        results[name] = evaluate(dataset, encoder, settings, indexes=CorpusIndexes(dataset, cache=cache))
    return results


@pytest.mark.parametrize(
    ("name", "measure", "value"),
    [(name, measure, value) for name, row in PUBLISHED.items() for measure, value in row.items()],
)
def test_published_figures(evaluated: dict[str, Evaluated], name: str, measure: str, value: float) -> None:
    assert evaluated[name].evaluation.measures[measure] == pytest.approx(value, abs=0.002)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_pytrec_eval_measures_the_same_run_alike(evaluated: dict[str, Evaluated], name: str) -> None:
    found = evaluated[name]
    dataset = read_beir(DATA / name, "test")
    evaluator = pytrec_eval.RelevanceEvaluator(dataset.qrels, {"ndcg_cut.10", "map", "recip_rank", "recall.100"})
    oracle = evaluator.evaluate(dict(found.run))
    for measure, theirs in ORACLE.items():
        per_query = found.evaluation.per_query[measure]
        assert per_query == pytest.approx({query: row[theirs] for query, row in oracle.items()}, abs=1e-6)

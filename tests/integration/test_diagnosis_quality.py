"""The diagnosis of real data: abt-buy asks for exact match and hybrid search; where nothing is proven, nothing is said
to be better.

The data (three public collections) lies in the folder `shared` beside the checkout and is no part of the project.
CROSSFADE_TEST_CACHE may name a directory that keeps document vectors between test runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossfade.evaluation.beir import read_beir
from crossfade.evaluation.diagnosis.diagnose import diagnose
from crossfade.evaluation.diagnosis.inputs import Case, Cutter, DiagnosisSettings, Remedies
from crossfade.evaluation.diagnosis.types import Diagnosis
from crossfade.evaluation.verdict import ALPHA
from crossfade.models import Bundle, Encoder

DATA = Path(__file__).parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the data sets in shared/data beside the checkout"),
]


@pytest.fixture(scope="module")
def diagnosed(minilm_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Diagnosis]:
    """Each data set once; by words and both ways, which take no further model."""
    cache = Path(os.environ.get("CROSSFADE_TEST_CACHE") or tmp_path_factory.mktemp("diagnoses"))
    base = Encoder(Bundle.load(minilm_bundle))
    remedies = Remedies(left_out={"chunking": "takes minutes"})
    found = {}
    for name in ("abt-buy", "cisi", "cranfield"):
        case = Case(read_beir(DATA / name, "test", allow_absent=True), base, remedies=remedies, cutter=Cutter.of(base))
        found[name] = diagnose(case, DiagnosisSettings(latency_samples=3), cache=cache)
    return found


def test_abt_buy_is_about_exact_match_and_hybrid_comes_first(diagnosed: dict[str, Diagnosis]) -> None:
    found = diagnosed["abt-buy"]
    assert found.causes[0].cause == "exact_match"
    assert (found.recommendation.action, found.recommendation.arm) == ("hybrid", "hybrid")
    told = [each for each in found.failures if each.cause == "exact_match"]
    named = [each.evidence.get("identifiers") or each.evidence["spelled_otherwise"] for each in told]
    assert sum(map(bool, named)) >= 0.8 * len(told)
    assert len(told) > found.failed / 2


@pytest.mark.parametrize("name", ["abt-buy", "cisi", "cranfield"])
def test_causes_have_shares_and_nothing_is_better_unproven(diagnosed: dict[str, Diagnosis], name: str) -> None:
    found = diagnosed[name]
    assert found.failed > 0
    assert sum(each.share for each in found.causes) == pytest.approx(1.0)
    chosen = found.recommendation.arm
    for arm in found.arms[1:]:
        difference = arm.difference
        assert difference is not None
        if arm.name == chosen or arm.kind == "combination":
            continue
        if not (difference.ci95[0] > 0 and difference.p_holm <= ALPHA):
            assert f"{arm.name} is better" not in " ".join(found.recommendation.reasons)
    if chosen is not None:
        proof = next(arm.difference for arm in found.arms if arm.name == chosen)
        assert proof is not None
        assert proof.ci95[0] > 0
        assert proof.p_holm <= ALPHA


def test_where_no_arm_helps_none_is_recommended(diagnosed: dict[str, Diagnosis]) -> None:
    """On cisi, 34 queries, no arm's corrected interval says anything."""
    assert diagnosed["cisi"].recommendation.arm is None

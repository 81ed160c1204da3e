"""The nine questions that come before fine-tuning, each answered by a figure and where it is from.

What the inputs cannot tell is "unknown", with how to find out. Question 4 is decided by the Wilson (1927) interval of
the share of queries that fail for semantic mismatch; the sizes in question 5 are rules of thumb, and no test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crossfade.evaluation.diagnosis.ladder import is_better, is_worse
from crossfade.evaluation.diagnosis.types import (
    Answer,
    ArmFigures,
    ArmKind,
    CauseCount,
    CheckItem,
    LeftOut,
    Recommendation,
)
from crossfade.evaluation.verdict import MIN_QUERIES

ENOUGH_PAIRS = 1_000
ENOUGH_QUERIES = 200
TOO_FEW_PAIRS = 100
TOO_FEW_QUERIES = 50
_Z = 1.959963984540054  # two-sided, 95%
_WORTH = 0.05  # of all queries
_REMEDIES: dict[ArmKind, str] = {
    "chunking": "chunking",
    "filters": "metadata filters",
    "hybrid": "hybrid search",
    "reranking": "reranking",
}


@dataclass(frozen=True, slots=True)
class OtherSplit:
    """Judgments beside the ones that are evaluated on. `pairs`: of a query and a relevant document. `shared`: queries
    that both have, by id or by text."""

    name: str
    queries: int
    pairs: int
    shared: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the checklist is answered from. `causes`: of failed queries; `answerable`: queries that could fail."""

    dataset: str
    split: str
    primary: str
    k: int
    documents: int
    answerable: int
    arms: Sequence[ArmFigures]
    left_out: Sequence[LeftOut]
    causes: Sequence[CauseCount]
    others: Sequence[OtherSplit]
    recommendation: Recommendation

    @property
    def failed(self) -> int:
        return sum(each.count for each in self.causes)

    @property
    def judged(self) -> str:
        return f"{self.dataset}/qrels/{self.split}.tsv"


def checklist(known: Known) -> list[CheckItem]:
    """All nine, in their order."""
    return [
        _failures(known),
        _baseline(known),
        _remedies(known),
        _mismatch(known),
        _training(known),
        _separate(known),
        _reindex(known),
        _rollback(),
        _worth(known),
    ]


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927, JASA 22(158)); (0, 1) of nothing."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z
    centre = (share + square / (2 * of)) / (1 + square / of)
    half = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _failures(known: Known) -> CheckItem:
    question = "Have real query failures been collected?"
    figure = f"{known.failed:,} of {known.answerable:,} judged queries fail (none relevant in the first {known.k})"
    if known.answerable < MIN_QUERIES:
        return CheckItem(question, "no", figure, known.judged, f"judge at least {MIN_QUERIES} queries of real users")
    how = "whether these are queries of real users, only you can say"
    return CheckItem(question, "yes" if known.failed else "unknown", figure, known.judged, how)


def _baseline(known: Known) -> CheckItem:
    base = known.arms[0]
    mean = base.measures[known.primary]
    low, high = mean.ci95
    figure = f"{known.primary} {mean.mean:.3f}, 95% interval {low:.3f} to {high:.3f}"
    return CheckItem("Is the baseline measured?", "yes", figure, f"arm {base.name}")


def _remedies(known: Known) -> CheckItem:
    question = "Were chunking, metadata, hybrid search and reranking tested?"
    told, missing = [], []
    for kind, name in _REMEDIES.items():
        arms = [each for each in known.arms if each.kind == kind]
        left = [each for each in known.left_out if each.kind == kind]
        if arms:
            best = max(arms, key=lambda each: each.measures[known.primary].mean)
            told.append(f"{name} {_direction(best)}")
        elif left and all(each.inapplicable for each in left):
            told.append(f"{name} does not apply ({left[0].reason})")
        else:
            missing.append(f"{name} ({left[0].reason if left else 'not measured'})")
    if missing:
        return CheckItem(question, "no", "; ".join([*told, *(f"not measured: {each}" for each in missing)]), "ladder")
    return CheckItem(question, "yes", "; ".join(told), "ladder")


def _direction(arm: ArmFigures) -> str:
    delta = 0.0 if arm.difference is None else arm.difference.delta
    word = "better" if is_better(arm.difference) else "worse" if is_worse(arm.difference) else "not proven either way"
    return f"{word} ({delta:+.3f})"


def _mismatch(known: Known) -> CheckItem:
    count = sum(each.count for each in known.causes if each.cause == "semantic_mismatch")
    low, high = wilson(count, known.answerable)
    answer: Answer = "yes" if low >= _WORTH else "no" if high < _WORTH else "unknown"
    share = count / known.answerable if known.answerable else 0.0
    figure = f"{count:,} queries ({share:.1%}; 95% interval {low:.1%} to {high:.1%}) fail for semantic mismatch"
    how = f"judge more queries until the interval leaves {_WORTH:.0%}" if answer == "unknown" else ""
    return CheckItem("Does the model fail domain-specific semantic relationships?", answer, figure, "causes", how)


def _training(known: Known) -> CheckItem:
    question = "Is there enough training data?"
    if not known.others:
        how = "put judgments to learn from beside the others, as qrels/train.tsv"
        return CheckItem(question, "unknown", "no other split is there", f"{known.dataset}/qrels", how)
    best = max(known.others, key=lambda each: (each.pairs, each.name))
    answer: Answer = "unknown"
    if best.pairs >= ENOUGH_PAIRS and best.queries >= ENOUGH_QUERIES:
        answer = "yes"
    elif best.pairs < TOO_FEW_PAIRS or best.queries < TOO_FEW_QUERIES:
        answer = "no"
    figure = f"{best.pairs:,} pairs of a query and a relevant document, of {best.queries:,} queries"
    how = (
        ""
        if answer == "yes"
        else f"full tuning usually wants {ENOUGH_PAIRS:,} pairs of {ENOUGH_QUERIES:,} queries or more; an adapter does "
        "with fewer"
    )
    return CheckItem(question, answer, figure, f"{known.dataset}/qrels/{best.name}.tsv", how)


def _separate(known: Known) -> CheckItem:
    question = "Is there a separate evaluation set?"
    if not known.others:
        how = "part the queries before you tune: what is learnt from cannot be judged by"
        return CheckItem(question, "unknown", "no other split is there", f"{known.dataset}/qrels", how)
    shared = sum(each.shared for each in known.others)
    names = ", ".join(each.name for each in known.others)
    figure = f"{shared:,} queries of {known.split} are in {names} too, by id or by text"
    how = "near-duplicates and shared documents are for a leakage check" if not shared else "take them out of training"
    return CheckItem(question, "no" if shared else "yes", figure, known.judged, how)


def _reindex(known: Known) -> CheckItem:
    tokens = known.arms[0].cost.corpus_tokens
    figure = f"{known.documents:,} documents, about {tokens:,} tokens to embed once"
    how = "build a second index version beside the one in use, which stays as it is (docs/versions.md)"
    question = "Can the corpus be re-embedded and re-indexed safely?"
    return CheckItem(question, "unknown", figure, "arm costs", how)


def _rollback() -> CheckItem:
    how = "search through an alias, keep the old index version, and try the way back once (docs/versions.md)"
    return CheckItem("Is there a rollback plan?", "unknown", "nothing in the inputs speaks of it", "", how)


def _worth(known: Known) -> CheckItem:
    question = "Does the expected gain justify cost and latency?"
    tuned = [each for each in known.arms if each.kind in {"tuned", "adapter"}]
    if not tuned:
        how = "measure a tuned model (--tuned) or a cross-fitted query adapter (--adapter)"
        return CheckItem(question, "unknown", "no tuned model was measured", "ladder", how)
    best = max(tuned, key=lambda each: each.measures[known.primary].mean)
    before = best.baseline_latency_ms.p50 if best.baseline_latency_ms else 0.0
    delta = 0.0 if best.difference is None else best.difference.delta
    figure = f"{best.name}: {known.primary} {delta:+.3f}, {best.latency_ms.p50:.1f} ms a query against {before:.1f}"
    first = next((each for each in known.arms if each.name == known.recommendation.arm), None)
    if is_better(best.difference) and known.recommendation.action != "fine_tune":
        simpler = "something else comes first" if first is None else f"{first.name}, which is simpler, comes first"
        return CheckItem(question, "no", f"{figure}; {simpler}", f"arm {best.name}")
    if is_better(best.difference):
        how = "the gain is proven; whether it is worth embedding the corpus again, only you can say"
        answer: Answer = "yes" if best.kind == "adapter" else "unknown"
        return CheckItem(question, answer, figure, f"arm {best.name}", how if answer == "unknown" else "")
    return CheckItem(question, "no", f"{figure}; not proven better", f"arm {best.name}")

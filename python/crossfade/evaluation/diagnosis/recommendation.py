"""One recommendation. A pure function, and the rule in full:

1. Fewer than 20 queries with a relevant document: fix the data, by judging more; nothing else can be told.
2. At most `tolerated` (5%) of the queries fail, and no remedy is better: nothing is wrong.
3. Half of the failures or more are faults of the data (missing documents, duplicates, unjudged results): fix the data.
   Until then every figure is of the faults.
4. Among the remedies that are better than the baseline, the simplest: without its reranker, filters, chunking, vectors
   alone, words (BM25 or hybrid search), reranking, another base model, a query adapter, a tuned model, in this order. A
   less simple one takes its place only where it is better than that too. An adapter or tuned model that is chosen so
   means: fine-tune. Words alone mean: search words too, unless the baseline does.
5. No remedy is better, semantic mismatch is the most frequent cause, and the 95% Wilson interval of the share of
   queries that fail for it lies above `tolerated`: another base model, where none was measured; else fine-tune.
   From words alone, which no model moves: vectors or hybrid search of another base model.
6. Otherwise nothing is proven: fix the data, by judging more queries, and see what the failures are.

"Better" is said of an arm only where the 95% interval of its difference on the primary measure lies above zero and its
p is at most 0.05 under Holm's correction over all arms (in rule 4, between remedies, over the comparisons made there).
Combinations and quantised variants are never the first thing to do, and are not among the remedies here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crossfade.evaluation.diagnosis.checklist import wilson
from crossfade.evaluation.diagnosis.inputs import DiagnosisSettings
from crossfade.evaluation.diagnosis.ladder import against, is_better, is_worse
from crossfade.evaluation.diagnosis.types import Action, ArmFigures, ArmKind, Cause, CauseCount, Recommendation
from crossfade.evaluation.results import Difference
from crossfade.evaluation.verdict import MIN_QUERIES

DATA_FAULTS: frozenset[Cause] = frozenset({"missing_document", "duplicate_or_stale", "unjudged"})

_ACTIONS: dict[ArmKind, Action] = {
    "no_reranker": "no_reranker",
    "filters": "filters",
    "chunking": "chunking",
    "dense": "dense",
    "lexical": "hybrid",
    "hybrid": "hybrid",
    "reranking": "reranking",
    "base_model": "base_model",
    "adapter": "fine_tune",
    "tuned": "fine_tune",
}
_SIMPLICITY = {kind: place for place, kind in enumerate(_ACTIONS)}
# Both search words, and neither asks for more than the other of whoever runs them: the better by its mean stands first.
_SIMPLICITY["hybrid"] = _SIMPLICITY["lexical"]


def recommend(
    arms: Sequence[ArmFigures],
    causes: Sequence[CauseCount],
    *,
    answerable: int,
    settings: DiagnosisSettings,
) -> Recommendation:
    """Apply the rule above. `arms`: the baseline first. `causes`: most frequent first. `answerable`: queries with a
    document judged relevant."""
    failed = sum(each.count for each in causes)
    helping = sorted(
        (each for each in arms if each.kind in _ACTIONS and is_better(each.difference)),
        key=lambda each: (_SIMPLICITY[each.kind], -_delta(each), each.name),
    )
    said = f"{failed:,} of {answerable:,} queries have no relevant document in the first {settings.k}"
    if answerable < MIN_QUERIES:
        return Recommendation(
            "fix_data",
            None,
            [f"Only {answerable:,} queries have a relevant document; to tell anything takes at least {MIN_QUERIES}."],
        )
    if not helping and failed <= settings.tolerated * answerable:
        return Recommendation("nothing_is_wrong", None, [f"{said}, and no remedy is proven better.", _power(arms)])
    faults = [each for each in causes if each.cause in DATA_FAULTS]
    faulty = sum(each.count for each in faults)
    if failed and faulty * 2 >= failed:
        named = ", ".join(f"{each.cause.replace('_', ' ')} {each.count:,}" for each in faults)
        return Recommendation(
            "fix_data", None, [f"{said}; {faulty:,} of them for faults of the data ({named}): mend these first."]
        )
    if helping:
        found = _simplest(helping, settings, said)
        words = next(each.kind for each in helping if each.name == found.arm) == "lexical"
        return replace(found, action="lexical") if words and arms[0].retrieval.mode != "dense" else found
    low, high = wilson(causes[0].count, answerable)
    if causes[0].cause == "semantic_mismatch" and low > settings.tolerated:
        tried = any(each.kind == "base_model" for each in arms)
        top = (
            f"{said}; no remedy is proven better, and {causes[0].count:,} ({causes[0].share:.0%}) of them are semantic "
            f"mismatches: {low:.1%} to {high:.1%} of all such queries"
        )
        if arms[0].retrieval.mode == "lexical":  # no model answers today, so that none can be changed or tuned
            return Recommendation(
                "base_model",
                None,
                [
                    f"{top}. Words alone do not tell that two texts mean the same, and what was measured with this "
                    "model's vectors is not proven better: diagnose with another model (--model) beside them."
                ],
            )
        if not tried:
            return Recommendation("base_model", None, [f"{top}. Measure another base model before any tuning."])
        return Recommendation("fine_tune", None, [f"{top}. Another base model is not better either."])
    return Recommendation(
        "fix_data", None, [f"{said}, and no remedy is proven better: judge more queries to see which is.", _power(arms)]
    )


def _simplest(helping: Sequence[ArmFigures], settings: DiagnosisSettings, said: str) -> Recommendation:
    chosen = helping[0]
    others = list(helping[1:])
    passed: list[tuple[ArmFigures, Difference]] = []
    while others:
        found = list(zip(others, against(chosen, others, settings), strict=True))
        better = [pair for pair in found if is_better(pair[1])]
        if not better:
            passed = found
            break
        chosen = better[0][0]
        others = [each for each in others if helping.index(each) > helping.index(chosen)]
    reasons = [f"{said}.", f"{chosen.name}: {settings.primary} {_change(chosen.difference)} over the baseline."]
    reasons += [
        f"{each.name} is better than the baseline too ({_delta(each):+.3f}), but "
        f"{'worse' if is_worse(difference) else 'not proven better'} than {chosen.name} ({_change(difference)})."
        for each, difference in passed
    ]
    simpler = [each for each in helping if helping.index(each) < helping.index(chosen)]
    if simpler:
        names = ", ".join(each.name for each in simpler)
        reasons.append(f"It is simpler to use {names}, and {chosen.name} is proven better than that.")
    return Recommendation(_ACTIONS[chosen.kind], chosen.name, reasons)


def _delta(arm: ArmFigures) -> float:
    return 0.0 if arm.difference is None else arm.difference.delta


def _change(found: Difference | None) -> str:
    if found is None:
        return "+0.000"
    low, high = found.ci95
    return f"{found.delta:+.3f}, 95% interval {low:+.3f} to {high:+.3f}, Holm p {_p(found.p_holm)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _power(arms: Sequence[ArmFigures]) -> str:
    detectable = [each.difference.minimum_detectable for each in arms if each.difference is not None]
    largest = max(detectable, default=0.0)
    return (
        f"With these queries a difference of {largest:.3f} would be found four times out of five for every arm, before "
        "correction; smaller ones may stay hidden."
    )

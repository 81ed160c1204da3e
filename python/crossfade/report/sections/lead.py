"""The first thing on the page: the verdict and why, or what stands for one where nothing was compared."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.record import Record, Side
from crossfade.report.records.decision import Decision
from crossfade.report.records.diagnosis import Diagnosis
from crossfade.report.records.leakage import Leakage
from crossfade.report.sections.frontier import frontier
from crossfade.report.text import count, sentence_list
from crossfade.report.together import Records
from crossfade.report.wording import ACTION_WORDS, LEAK_WORDS, VERDICT_WORDS

_SHOWN = 3  # reasons before the rest is folded


@dataclass(frozen=True, slots=True)
class Lead:
    """`tone` picks colour and sign: good, bad, open or plain. `kind`: what the page is of, for its head.
    `subject`: for the browser's tab. `reasons`: complete sentences, the deciding ones first; `more` are folded."""

    kind: str
    title: str
    tone: str
    subject: str
    advice: str
    scope: str
    reasons: list[str]
    more: list[str]


def lead(given: Records, pair: Record | None) -> Lead:
    """Of a decision, else of the comparison, else of the recommendation, the frontier or the leaks."""
    if pair is not None:
        return _verdict(pair, given.decision, given.leakage)
    if given.diagnosis is not None:
        return _recommendation(given.diagnosis)
    if given.frontier is not None:
        found = given.frontier
        best = [point.name for point in found.points if point.pareto]
        title = f"{len(best)} of {len(found.points)} on the frontier"
        scope = _scope(found.queries, found.documents, found.dataset, found.split)
        return _folded(
            "models compared", title, "plain", sentence_list(best[:3]) or found.dataset, frontier(found).lead, scope, []
        )
    leak = given.leakage
    if leak is None:  # read_together lets no page without a record through
        return _folded("report", "Nothing was measured", "open", "", "", "", [])
    words = LEAK_WORDS[leak.verdict]
    scope = _scope(leak.queries, None, leak.dataset, leak.split)
    return _folded(
        "search for leaks", words.title, words.tone, f"{leak.dataset}/{leak.split}", words.advice, scope, leak.reasons
    )


def _folded(kind: str, title: str, tone: str, subject: str, advice: str, scope: str, reasons: list[str]) -> Lead:
    shown = len(reasons) if len(reasons) <= _SHOWN + 1 else _SHOWN
    return Lead(kind, title, tone, subject, advice, scope, reasons[:shown], reasons[shown:])


def _scope(queries: int, documents: int | None, dataset: str, split: str) -> str:
    over = f" over {count(documents, 'document')}" if documents is not None else ""
    return f"{count(queries, 'query', 'queries')}{over}, data set {dataset}, split {split}"


def _verdict(pair: Record, decision: Decision | None, leak: Leakage | None) -> Lead:
    base, candidate = pair.base, pair.candidate
    verdict = decision.verdict if decision is not None else pair.verdict
    words, (first, second) = VERDICT_WORDS[verdict], _names(base, candidate)
    advice = words.advice.format(base=first, candidate=second)
    reasons = decision.reasons if decision is not None else pair.reasons
    if verdict == "ship" and leak is not None and leak.verdict == "leak":
        reasons = [_leaking(leak), *reasons]
    return _folded(
        "decision" if decision is not None else "model comparison",
        words.title,
        words.tone,
        f"{candidate.model.name} against {base.model.name}",
        advice[:1].upper() + advice[1:] if first != base.model.name else advice,
        _scope(base.queries, base.documents, base.dataset, base.split),
        reasons,
    )


def _names(base: Side, candidate: Side) -> tuple[str, str]:
    """By their models; by how they answer, where that is what differs."""
    if base.model.name != candidate.model.name:
        return base.model.name, candidate.model.name
    modes = [side.settings.get("retrieval mode", "") for side in (base, candidate)]
    told = [f" ({mode})" if mode and modes[0] != modes[1] else "" for mode in modes]
    return f"the base{told[0]}", f"the candidate{told[1]}"


def _leaking(leak: Leakage) -> str:
    """A verdict may not have asked for leaks; whoever reads it beside one must know."""
    return (
        f"Beware: the training data hold copies of what {leak.touched:,} of these queries ask "
        "or of what answers them, and this verdict does not count that. A model trained on them looks better than it "
        "is."
    )


def _recommendation(found: Diagnosis) -> Lead:
    words = ACTION_WORDS[found.action]
    scope = _scope(found.queries, found.documents, found.dataset, found.split)
    return _folded(
        "diagnosis",
        words.title,
        words.tone,
        found.baseline.model.name,
        words.advice,
        f"{scope}, base model {found.baseline.model.name}",
        found.reasons,
    )

"""Which arms are measured, in which order, and which are not, and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from crossfade.chunking import ChunkingSettings, chunk
from crossfade.chunking.chunker import Chunked
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.diagnosis.inputs import Case, Cutter
from crossfade.evaluation.diagnosis.types import ArmKind, LeftOut
from crossfade.evaluation.index import ModelEncoder
from crossfade.models.encoder import Encoder

_DOCUMENTS = 512  # looked at at once


@dataclass(frozen=True, slots=True)
class Rung:
    """One arm to measure. `encoder`: None where words alone are searched. `adapted`: its queries pass through adapters
    that are fitted first. `filtered`: each query's own filter is applied."""

    name: str
    kind: ArmKind
    arm: Arm
    encoder: ModelEncoder | None
    filtered: bool = False
    adapted: bool = False
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """`rungs`: the baseline first. `unread`: documents that the baseline's model does not read to their end; None when
    that is not known."""

    rungs: list[Rung]
    left_out: list[LeftOut]
    unread: int | None


def make_plan(case: Case) -> Plan:
    """Every arm by itself. Combinations come after, of those that helped."""
    base, baseline, remedies, filters = case.base, case.baseline, case.remedies, case.filters
    rungs = [Rung("baseline", "baseline", baseline, base)]
    left_out: list[LeftOut] = []

    def add(rung: Rung) -> None:
        if (reason := remedies.left_out.get(rung.kind)) is not None:
            if all(each.kind != rung.kind for each in left_out):
                left_out.append(LeftOut(rung.kind, rung.kind, reason))
        else:
            rungs.append(rung)

    unread = None if case.cutter is None else _unread(case, case.cutter)
    cuts, missing = _cuts(case, unread)
    left_out += missing
    for settings in cuts:
        add(Rung(f"chunks: {cut_name(settings)}", "chunking", replace(baseline, chunking=settings), base))
    if filters:
        add(Rung("filters", "filters", baseline, base, filtered=True))
    else:
        left_out.append(LeftOut("filters", "filters", "no query carries a filter", inapplicable=True))
    if baseline.reranker is not None:
        add(Rung("without reranker", "no_reranker", replace(baseline, reranker=None, reranker_name=""), base))
    if baseline.mode != "dense":
        # By vectors, and by nothing else: faults of reading are told by it too.
        by_vectors = Arm("dense", baseline.chunking, exact=baseline.exact, best_chunks=baseline.best_chunks)
        add(Rung("vectors", "dense", by_vectors, base))
    if not by_words_alone(baseline):
        add(Rung("BM25", "lexical", Arm("lexical", analyser=baseline.analyser), None))
    if baseline.mode == "hybrid":
        left_out.append(LeftOut("hybrid", "hybrid", "the baseline searches by words and vectors", inapplicable=True))
    else:
        add(Rung("hybrid", "hybrid", replace(baseline, mode="hybrid"), base))
    known_rerankers: dict[str, str] = {}
    if baseline.reranker is not None:
        known_rerankers[baseline.reranker.fingerprint] = "the baseline's"
    for name, reranker in remedies.rerankers.items():
        if (same := known_rerankers.setdefault(reranker.fingerprint, name)) != name:
            left_out.append(LeftOut(f"rerank: {name}", "reranking", f"the same as {same}", inapplicable=True))
            continue
        add(Rung(f"rerank: {name}", "reranking", replace(baseline, reranker=reranker, reranker_name=name), base))
    lacking = [
        LeftOut(each, "reranking", why) for each, why in remedies.left_out.items() if each.startswith("rerank: ")
    ]
    left_out += lacking
    if not remedies.rerankers and not lacking:
        reason = remedies.left_out.get("reranking", "no reranker was given")
        if baseline.reranker is not None:
            left_out.append(LeftOut("reranking", "reranking", "the baseline reranks", inapplicable=True))
        else:
            left_out.append(LeftOut("reranking", "reranking", reason))
    if baseline.mode == "lexical":
        why = "the baseline searches by words alone: no model moves it"
        return Plan(rungs, [*left_out, LeftOut("models", "base_model", why, inapplicable=True)], unread)
    for name, model in remedies.base_models.items():
        add(Rung(f"model: {name}", "base_model", baseline, model))
    for name, model in remedies.quantised.items():
        add(Rung(name, "quantised", baseline, model))
    if remedies.adapter is not None:
        add(Rung("query adapter", "adapter", baseline, base, adapted=True))
    for name, model in remedies.tuned.items():
        add(Rung(f"tuned: {name}", "tuned", baseline, model))
    kinds: list[tuple[ArmKind, bool, str]] = [
        ("base_model", not remedies.base_models, "no other base model was given"),
        ("quantised", not remedies.quantised, "no quantised variant was given"),
        ("adapter", remedies.adapter is None, "no query adapter was asked for"),
        ("tuned", not remedies.tuned, "no tuned model was given"),
    ]
    known = {each.kind for each in left_out}
    for kind, absent, why in kinds:
        if absent and kind not in known:
            left_out.append(LeftOut(kind, kind, remedies.left_out.get(kind, why)))
    return Plan(rungs, left_out, unread)


def by_vectors_alone(arm: Arm) -> bool:
    """Of chunks or of whole documents."""
    return arm.mode == "dense" and arm.reranker is None


def by_words_alone(arm: Arm) -> bool:
    """Of whole documents."""
    return arm.mode == "lexical" and arm.whole and arm.reranker is None


def cut_name(settings: ChunkingSettings) -> str:
    """In few words, for a table."""
    said = [settings.method.value]
    if settings.size:
        said.append(str(settings.size))
    if settings.overlap:
        said.append(f"+{settings.overlap}")
    return " ".join(said)


def _cuts(case: Case, unread: int | None) -> tuple[list[ChunkingSettings], list[LeftOut]]:
    """The settings that cut something, each to another result."""
    cutter, remedies = case.cutter, case.remedies
    if cutter is None or not isinstance(case.base, Encoder):
        return [], [LeftOut("chunking", "chunking", "this encoder has no tokenizer to cut documents by")]
    if (reason := remedies.left_out.get("chunking")) is not None:
        return [], [LeftOut("chunking", "chunking", reason)]
    if not unread:
        reason = f"no text is longer than the model reads ({cutter.budget.max_tokens:,} tokens)"
        return [], [LeftOut("chunking", "chunking", reason, inapplicable=True)]
    found, left_out = [], []
    seen = {_borders(case, cutter, case.baseline.chunking)}
    for settings in remedies.cuts:
        if settings == case.baseline.chunking:
            continue
        borders = _borders(case, cutter, settings)
        if borders in seen:
            name = f"chunks: {cut_name(settings)}"
            left_out.append(LeftOut(name, "chunking", "cuts no document otherwise than another arm", inapplicable=True))
            continue
        seen.add(borders)
        found.append(settings)
    return found, left_out


def _unread(case: Case, cutter: Cutter) -> int:
    return sum(done.report.unread_documents for done in _chunked(case, cutter, case.baseline.chunking))


def _borders(case: Case, cutter: Cutter, settings: ChunkingSettings) -> str:
    """The same for equal cuts of all documents."""
    state = hashlib.sha256()
    for done in _chunked(case, cutter, settings):
        for pieces in done.chunks:
            state.update(json.dumps([(each.start, each.end, each.prefix) for each in pieces]).encode())
    return state.hexdigest()


def _chunked(case: Case, cutter: Cutter, settings: ChunkingSettings) -> Iterator[Chunked]:
    documents = case.dataset.documents
    for start in range(0, len(documents), _DOCUMENTS):
        some = documents[start : start + _DOCUMENTS]
        yield chunk(some, cutter.tokenizer, settings, cutter.budget)
        if case.progress:
            case.progress("looking at where texts are cut", start + len(some), len(documents))

"""Why a query failed: the decision list, in full.

A query has failed when no document judged relevant for it is among the baseline's first k. The questions are asked in
this order, faults of the data before faults of reading before faults of matching, and the first yes is the cause:

1. missing_document: no document judged relevant is in the corpus.
2. filter: the query carries a filter, and it keeps out every relevant document that the corpus has; or, applied where
   the baseline does not, it brings one into the first k.
3. duplicate_or_stale: an unjudged result in the first k is near-identical to a relevant document (see `duplicates`),
   and no identifier of the query tells the two apart.
4. unjudged: at least half of the first k results were never judged, in a data set where most results are.
5. truncated: a relevant document is longer than the model reads, and what matches lies beyond: its best passage by the
   model begins after the limit and scores at least as high as the k-th result; or BM25 has the document in its first k,
   and at least half of what it matches by (weighted by idf) is only in the part that was not read.
6. chunk_border: where the baseline cuts documents, a piece around a border scores at least as high as the k-th result,
   and higher than every chunk of that document.
7. exact_match: BM25 has a relevant document in its first k that has an identifier or a rare word of the query (see
   `identifiers`); or a relevant document has an identifier of the query with other signs in it (`kx-tg6313s` for
   `kxtg6313s`), which BM25 does not find either.
8. ranked_low: a relevant document is within reach of a second look (the first 100, in a corpus of fewer than a thousand
   documents the first tenth), and an arm that reranks, or hybrid search, has it in its first k.
9. semantic_mismatch: what is left. The model does not put query and document together.

Where the baseline is more than search by vectors, 5 and 6 take the k-th result by vectors alone, and are not asked of
search by words alone, which reads documents whole. Where the baseline searches words, 7 asks only for other signs, as
words that find the document are searched already; what fails then is the order, and 8 takes any simpler arm that has
the document for a mender: vectors alone, words alone, no reranker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from crossfade.evaluation.diagnosis.duplicates import NEAR, resemblance
from crossfade.evaluation.diagnosis.evidence import Facts, Look
from crossfade.evaluation.diagnosis.identifiers import spelled_otherwise, words_of
from crossfade.evaluation.diagnosis.types import Cause
from crossfade.evaluation.showcase import snippet

Evidence = dict[str, Any]

_UNREAD_SHARE = 0.5
_UNJUDGED_SHARE = 0.5
_REACH = 100
_SECOND_LOOK = ("hybrid", "reranking")
_ANY_LOOK = (*_SECOND_LOOK, "no_reranker", "dense", "lexical")  # of a baseline that puts several of these together


def explain(look: Look) -> tuple[Cause, Evidence]:
    """The cause of a failed query, and what it was told by."""
    for cause, ask in _QUESTIONS.items():
        evidence = ask(look)
        if evidence is not None:
            return cause, evidence
    return "semantic_mismatch", _mismatch(look)


def reach(facts: Facts) -> int:
    """Down to which rank a second look would find a document."""
    settings = facts.settings
    return min(_REACH, settings.depth, max(2 * settings.k, len(facts.dataset.documents) // 10))


def _missing(look: Look) -> Evidence | None:
    return None if look.present else {"absent": look.absent[:5], "absent_count": len(look.absent)}


def _filter(look: Look) -> Evidence | None:
    filters = look.facts.case.filters
    condition = filters.filters.get(look.query_id)
    if condition is None:
        return None
    kept = look.facts.kept.get(look.query_id, set())
    shown: Evidence = {"filter": condition.to_json()}
    if not any(document.id in kept for document in look.present):
        document = look.present[0]
        return {**shown, "excludes": document.id, "metadata": dict(filters.metadata.get(document.id, {}))}
    found = look.found_in(look.facts.run_of("filters"))
    if found is None:
        return None
    outside = sum(1 for document_id, _ in look.head if document_id not in kept)
    return {**shown, "brings": found, "results_it_would_remove": outside}


def _duplicate(look: Look) -> Evidence | None:
    dataset = look.facts.dataset
    judged = dataset.qrels[look.query_id]
    for document in look.present:
        for rank, (rival_id, _) in enumerate(look.head, start=1):
            if judged.get(rival_id, -1) >= 0:
                continue
            rival = dataset.documents_by_id[rival_id]
            alike = resemblance(document.content, rival.content)
            if alike < NEAR:
                continue
            ours, theirs = words_of([document.content]), words_of([rival.content])
            meant = look.facts.vocabulary.identifiers(look.text).all
            if (meant & ours) - theirs or (
                spelled_otherwise(meant, ours) and not spelled_otherwise(meant, theirs) and not meant & theirs
            ):
                continue  # the query says which of the two it means
            return {"document": document.id, "rival": rival_id, "rank": rank, "resemblance": round(alike, 3)}
    return None


def _unjudged(look: Look) -> Evidence | None:
    judged = look.facts.dataset.qrels[look.query_id]
    share = sum(1 for document_id, _ in look.head if judged.get(document_id, -1) < 0) / max(len(look.head), 1)
    if not look.facts.pooled or share < _UNJUDGED_SHARE:
        return None
    return {"unjudged_share": share, "judged_share_of_all_queries": round(look.facts.judged_share, 3)}


def _truncated(look: Look) -> Evidence | None:
    if not _reads(look):
        return None
    reading = look.facts.reading
    for document in look.present:
        limit = reading.read_end(document)
        if limit >= len(document.text.rstrip()):
            continue
        passages = reading.passages(document)
        scores = look.score(passages)
        at = int(scores.argmax())
        best, score = passages[at], float(scores[at])
        shown: Evidence = {"document": document.id, "characters": len(document.text), "read": limit}
        # Most of the passage lies beyond: one that begins on the limit itself was not read either.
        beyond = best.start + best.end > 2 * limit
        if beyond and (look.near_score is None or score >= look.near_score):
            return {
                **shown,
                "passage": snippet(document.text[best.start : best.end]),
                "passage_at": best.start,
                "passage_score": score,
                "kth_score": look.near_score,
            }
        share = _unread_share(look, document.content[: len(document.content) - len(document.text) + limit], document.id)
        if share is not None and share >= _UNREAD_SHARE:
            return {**shown, "words_only_beyond": round(share, 3)}
    return None


def _reads(look: Look) -> bool:
    """The baseline depends on what the model reads of a document, and it is known what vectors alone find."""
    return look.facts.case.baseline.mode != "lexical" and look.facts.vectors is not None


def _unread_share(look: Look, read: str, document_id: str) -> float | None:
    """Of what BM25 matches a document by, the part that only the unread text has; None when it does not find it."""
    found = look.found_in(look.facts.words)
    if found != document_id:
        return None
    whole = words_of([look.facts.dataset.documents_by_id[document_id].content])
    shared, seen = words_of([look.text]) & whole, words_of([read])
    documents = len(look.facts.dataset.documents)
    weights: Mapping[str, float] = {
        token: math.log(1 + (documents - count + 0.5) / (count + 0.5))
        for token in shared
        for count in [look.facts.vocabulary.documents(token)]
    }
    total = sum(weights.values())
    return sum(weight for token, weight in weights.items() if token not in seen) / total if total else None


def _border(look: Look) -> Evidence | None:
    if not _reads(look):
        return None
    reading = look.facts.reading
    for document in look.present:
        around = reading.straddling(document)
        if not around:
            continue
        scores, chunks = look.score(around), look.score(reading.chunks(document))
        at = int(scores.argmax())
        enough = look.near_score is None or float(scores[at]) >= look.near_score
        if enough and scores[at] > chunks.max():
            return {
                "document": document.id,
                "passage": snippet(document.text[around[at].start : around[at].end]),
                "passage_score": float(scores[at]),
                "best_chunk_score": float(chunks.max()),
                "kth_score": look.near_score,
            }
    return None


def _exact(look: Look) -> Evidence | None:
    # Where the baseline searches words too, that they find a document is no remedy, and rank or fusion is the fault.
    searched = look.facts.case.baseline.mode != "dense"
    found = None if searched else look.found_in(look.facts.words)
    meant = look.facts.vocabulary.identifiers(look.text)
    if found is None:
        for document in look.present:
            other = spelled_otherwise(meant.codes, words_of([document.content]))
            if other:
                return {"document": document.id, "spelled_otherwise": other}
        return None
    held = words_of([look.facts.dataset.documents_by_id[found].content])
    codes, rare = sorted(meant.codes & held), sorted(meant.rare & held)
    other = spelled_otherwise(meant.codes, held)
    if not codes and not rare and not other:
        return None
    return {"document": found, "identifiers": codes, "rare_words": rare, "spelled_otherwise": other}


def _low(look: Look) -> Evidence | None:
    best, limit = look.best, reach(look.facts)
    kinds = _SECOND_LOOK if look.facts.plain else _ANY_LOOK
    arms = [each.name for each in look.facts.ladder.figures if each.kind in kinds]
    menders = [name for name in arms if look.found_by(name)]
    if best is None or best[0] > limit or not menders:
        return None
    return {"document": best[2], "rank": best[0], "reach": limit, "mended_by": menders}


def _mismatch(look: Look) -> Evidence:
    if look.best is None:
        return {"beyond": len(look.ranking)}
    rank, score, document_id = look.best
    return {"document": document_id, "rank": rank, "score": score, "kth_score": look.kth_score, "margin": look.margin}


_QUESTIONS: dict[Cause, Callable[[Look], Evidence | None]] = {
    "missing_document": _missing,
    "filter": _filter,
    "duplicate_or_stale": _duplicate,
    "unjudged": _unjudged,
    "truncated": _truncated,
    "chunk_border": _border,
    "exact_match": _exact,
    "ranked_low": _low,
}

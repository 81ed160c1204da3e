"""Slices by what a diagnosis of the base says of each query: why it failed, or that it did not.

Such a slice is chosen by the base's own results. Of two equal systems, one does better than the other on the queries
where that other failed, and worse where it did not, by the choice alone: regression to the mean (Galton 1886). So these
slices are shown, in full, and are no hypotheses: they stand in no family of tests, and make no verdict but for
non-inferiority on what was answered, which the choice speaks against and never for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.evidence import DataRef, DiagnosisRef, SideRef
from crossfade.evaluation.diagnosis.failures import relevant
from crossfade.evaluation.diagnosis.types import CAUSES

FAILED, ANSWERED, ALL = "failed", "answered", "all"
KEYWORDS = (ALL, FAILED, ANSWERED)
"""What a slice's `cause` may be beside a cause."""

Chosen = Literal["", "failed", "answered"]
"""By what of the base's the queries of a slice were chosen; empty: by nothing of its results."""

EXPECTED: dict[Chosen, str] = {
    "": "",
    "failed": "chosen by the base's failures: a gain here is expected by chance",
    "answered": "chosen by the base's successes: a loss here is expected by chance",
}
"""What whoever reads the slice must know."""


def chosen_by(cause: str, name: str, rule: str) -> Chosen:
    """Of a slice. `cause`: of its rule, whose name is `rule`; of a rule for all causes the slice's own name says it."""
    if not cause:
        return ""
    one = name.removeprefix(f"{rule}=") if cause == ALL else cause
    return "answered" if one == ANSWERED else "failed"


def objections(found: DiagnosisRef, data: DataRef, base: SideRef) -> list[str]:
    """Why the causes say nothing about this comparison; empty when they do."""
    unlike = [
        f"it is of other {what}"
        for what, stored, held in (
            ("documents", found.corpus_sha256, data.corpus_sha256),
            ("queries", found.queries_sha256, data.queries_sha256),
            ("judgments", found.qrels_sha256, data.qrels_sha256),
        )
        if stored != held
    ]
    if (found.fingerprint, found.document_fingerprint) != (base.fingerprint, base.document_fingerprint):
        unlike.append(
            f"it is of the model {found.base} ({found.fingerprint}) and the base is {base.name} ({base.fingerprint}), "
            "and what one model fails says nothing of another"
        )
    differing = [
        f"{key} is {found.retrieval.get(key)!r} in the one and {base.retrieval.get(key)!r} in the other"
        for key in dict.fromkeys([*found.retrieval, *base.retrieval])
        if found.retrieval.get(key) != base.retrieval.get(key)
    ]
    if differing:
        unlike.append(f"its baseline answers queries in another way than the base ({'; '.join(differing)})")
    return unlike


def standing(found: DiagnosisRef, dataset: Dataset) -> dict[str, str]:
    """Cause, or "answered", of each query that has a relevant document, in the order of the queries; the others cannot
    fail, and are in no slice. Raises InvalidInput for a failed query that is none of those."""
    can_fail = {query: "" for query in dataset.queries if relevant(dataset, query)}
    strange = next((query for query in found.causes if query not in can_fail), None)
    if strange is not None:
        raise InvalidInput(f"the diagnosis says that query {strange!r} failed, which has no relevant document here")
    return {query: found.causes.get(query, ANSWERED) for query in can_fail}


def named_slices(cause: str, name: str, causes: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Names and queries of a rule's slices. `causes`: as `standing` gives them."""
    if cause == FAILED:
        return [(name, [query for query, found in causes.items() if found != ANSWERED])]
    if cause != ALL:
        return [(name, [query for query, found in causes.items() if found == cause])]
    there = set(causes.values())
    return [
        (f"{name}={each}", [query for query, found in causes.items() if found == each])
        for each in (*CAUSES, ANSWERED)
        if each in there
    ]

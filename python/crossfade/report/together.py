"""Which records one page may be drawn from: those of the same queries, and of models that they share.

A page that put one data set's verdict beside another's causes would be believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.report import parse
from crossfade.report.reader import HasRecord
from crossfade.report.record import Model, Record, Side
from crossfade.report.records import decision, diagnosis, frontier, leakage
from crossfade.report.records.decision import Decision
from crossfade.report.records.diagnosis import Diagnosis
from crossfade.report.records.frontier import Frontier
from crossfade.report.records.leakage import Leakage
from crossfade.report.text import sentence_list

Given = Mapping[str, Any] | HasRecord
_HASHES = {"corpus_hash": "the corpus", "queries_hash": "the queries", "qrels_hash": "the judgments"}
_TOLERANCE = 1e-6  # of a mean: sums differ between machines, values of two runs differ by more


@dataclass(frozen=True, slots=True)
class Records:
    """What was given, checked one by one and against each other; at least one."""

    comparison: Record | None = None
    decision: Decision | None = None
    diagnosis: Diagnosis | None = None
    frontier: Frontier | None = None
    leakage: Leakage | None = None


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a record is of. `models`: those that it measured; empty where it is of none. `hashes`: of the data."""

    kind: str
    dataset: str
    split: str
    queries: int
    documents: int | None
    models: list[Model]
    hashes: Mapping[str, str]


def read_together(
    *,
    comparison: Given | None = None,
    decision: Given | None = None,
    diagnosis: Given | None = None,
    frontier: Given | None = None,
    leakage: Given | None = None,
) -> Records:
    """Check each record, then that all are of the same data and share models.

    Raises InvalidInput, naming the field by path, where one is wrong; and by name what they differ in.
    """
    found = Records(
        parse.read(comparison) if comparison is not None else None,
        _read_decision(decision),
        _read_diagnosis(diagnosis),
        _read_frontier(frontier),
        _read_leakage(leakage),
    )
    subjects = list(_subjects(found))
    if not subjects:
        raise InvalidInput(
            "a report is drawn from a record: give a comparison, decision, diagnosis, frontier or leakage"
        )
    for other in subjects[1:]:
        _same_data(subjects[0], other)
    for index, one in enumerate(subjects):
        for other in subjects[index + 1 :]:
            _share_models(one, other)
            _same_hashes(one, other)
    if found.comparison is not None and found.decision is not None:
        _same_decision(found.comparison, found.decision)
    return found


def _read_decision(given: Given | None) -> Decision | None:
    return None if given is None else decision.read(given)


def _read_diagnosis(given: Given | None) -> Diagnosis | None:
    return None if given is None else diagnosis.read(given)


def _read_frontier(given: Given | None) -> Frontier | None:
    return None if given is None else frontier.read(given)


def _read_leakage(given: Given | None) -> Leakage | None:
    return None if given is None else leakage.read(given)


def _subjects(found: Records) -> list[_Subject]:
    made = []
    if (one := found.comparison) is not None:
        base, models = one.base, [one.base.model, one.candidate.model]
        hashes = _setting_hashes(base)
        made.append(_Subject("comparison", base.dataset, base.split, base.queries, base.documents, models, hashes))
    if (two := found.decision) is not None:
        data, models = two.data, [two.base.model, two.candidate.model]
        made.append(_Subject("decision", data.dataset, data.split, two.queries, data.documents, models, data.hashes))
    if (three := found.diagnosis) is not None:
        models = [three.baseline.model]
        made.append(
            _Subject("diagnosis", three.dataset, three.split, three.queries, three.documents, models, three.hashes)
        )
    if (four := found.frontier) is not None:
        models = [point.model for point in four.points]
        made.append(_Subject("frontier", four.dataset, four.split, four.queries, four.documents, models, four.hashes))
    if (five := found.leakage) is not None:
        made.append(_Subject("leakage", five.dataset, five.split, five.queries, None, [], five.hashes))
    return made


def _setting_hashes(side: Side) -> dict[str, str]:
    """Settings are lines by now, their names without underlines."""
    found = {name: side.settings.get(name.replace("_", " ")) for name in _HASHES}
    return {name: shown for name, shown in found.items() if shown is not None}


def _same_data(one: _Subject, other: _Subject) -> None:
    for name in ("dataset", "split", "queries", "documents"):
        ours, theirs = getattr(one, name), getattr(other, name)
        if ours is not None and theirs is not None and ours != theirs:
            raise InvalidInput(
                f"{name}: {ours!r} in the {one.kind}, {theirs!r} in the {other.kind}: one report is of one data set "
                "and split; draw two"
            )


def _same_hashes(one: _Subject, other: _Subject) -> None:
    for name, what in _HASHES.items():
        ours, theirs = one.hashes.get(name), other.hashes.get(name)
        if ours is None and theirs is not None and {one.kind, other.kind} == {"comparison", "decision"}:
            raise InvalidInput(
                f"{what}: the {other.kind} has the hash {theirs}, the {one.kind} none: it cannot be told to be of the "
                "same data; give the comparison that was written beside the decision"
            )
        if ours is not None and theirs is not None and ours != theirs:
            raise InvalidInput(
                f"{what} of the {one.kind} and of the {other.kind} are not the same ({ours}, {theirs}): one report is "
                "of one data set; measure again what is older"
            )


def _share_models(one: _Subject, other: _Subject) -> None:
    if not one.models or not other.models:
        return
    if {each.fingerprint for each in one.models} & {each.fingerprint for each in other.models}:
        return
    raise InvalidInput(
        f"the {one.kind} is of {_named(one.models)}, the {other.kind} of {_named(other.models)}: no model is in both; "
        "give records of the same models"
    )


def _named(models: list[Model]) -> str:
    return sentence_list([f"{each.name} ({each.fingerprint})" for each in models[:6]])


def _same_decision(comparison: Record, decision: Decision) -> None:
    """A decision stands on one comparison."""
    for what in ("base", "candidate"):
        ours, theirs = getattr(comparison, what).model, getattr(decision, what).model
        if (ours.name, ours.fingerprint) != (theirs.name, theirs.fingerprint):
            raise InvalidInput(
                f"the comparison's {what} is {_named([ours])}, the decision's is {_named([theirs])}: give the "
                "comparison that was written beside the decision"
            )
    if comparison.protocol_sha256 is not None and comparison.protocol_sha256 != decision.protocol_sha256:
        raise InvalidInput(
            f"the comparison follows the protocol {comparison.protocol_sha256}, the decision "
            f"{decision.protocol_sha256}: give the comparison that was written beside the decision"
        )
    means = {row.measure: (row.base, row.candidate) for row in comparison.differences}
    for finding in decision.of("measure"):
        found = means.get(finding.measure)
        if found is None:
            continue
        for what, ours, theirs in zip(("base", "candidate"), found, (finding.base, finding.candidate), strict=True):
            if abs(ours - theirs) > _TOLERANCE:
                raise InvalidInput(
                    f"{finding.measure} of the {what} is {ours:.6f} in the comparison and {theirs:.6f} in the decision"
                    ": they are of two runs; give the comparison that was written beside the decision"
                )

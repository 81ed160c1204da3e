"""What was compared, measured and decided: the last section, for whoever wants to do it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfade.report.record import Record
from crossfade.report.shapes import Facts
from crossfade.report.text import clean, count, sentence_list
from crossfade.report.together import Records

_WAYS = {
    "comparison": ("differences, queries and latency", "crossfade compare --json FILE"),
    "decision": ("gates, slices and guard sets", "crossfade compare --protocol FILE --decision FILE"),
    "diagnosis": ("ladder, causes and checklist", "crossfade diagnose --json FILE"),
    "frontier": ("several models against latency and cost", "crossfade frontier --json FILE"),
    "leakage": ("copies in training data", "crossfade leakage --json FILE"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of what was compared: one value for both, or one each."""

    name: str
    base: str
    candidate: str

    @property
    def shared(self) -> bool:
        return self.base == self.candidate


def pair_facts(record: Record) -> list[Fact]:
    base, candidate = record.base, record.candidate
    facts = [
        Fact("model", base.model.name, candidate.model.name),
        Fact("fingerprint of the query encoder", base.model.fingerprint, candidate.model.fingerprint),
    ]
    if base.model.document_fingerprint is not None and candidate.model.document_fingerprint is not None:
        ours, theirs = base.model.document_fingerprint, candidate.model.document_fingerprint
        facts.append(Fact("fingerprint of the document encoder", ours, theirs))
    facts += [
        Fact(name, shown, shown)
        for name, shown in (
            ("data set", base.dataset),
            ("split", base.split),
            ("queries", f"{base.queries:,}"),
            ("documents", "" if base.documents is None else f"{base.documents:,}"),
            ("measures", clean(sentence_list([row.measure for row in record.differences]), 1000)),
        )
        if shown
    ]
    for name in dict.fromkeys([*base.settings, *candidate.settings]):
        facts.append(Fact(name, base.settings.get(name, "–"), candidate.settings.get(name, "–")))
    facts += [Fact(name, shown, shown) for name, shown in record.settings.items()]
    return facts


def more_facts(given: Records) -> list[Facts]:
    """A list for each record beside the comparison."""
    found = []
    if given.decision is not None:
        found.append(Facts("The decision", given.decision.facts))
    if given.diagnosis is not None:
        model = given.diagnosis.baseline.model
        lines = {"base model": model.name, "fingerprint": model.fingerprint, **_of(given.diagnosis)}
        found.append(Facts("The diagnosis", lines | given.diagnosis.facts))
    if given.frontier is not None:
        models = {f"model {each.name}": each.model.fingerprint for each in given.frontier.points}
        prices = {"prices": given.frontier.prices}
        found.append(Facts("The frontier", models | _of(given.frontier) | prices | given.frontier.facts))
    if given.leakage is not None:
        files = {f"file {each.path}": each.sha256 for each in given.leakage.files}
        found.append(Facts("The search for leaks", files | given.leakage.facts))
    return [Facts(each.title, _said(each.lines)) for each in found]


def _said(lines: Mapping[str, str]) -> dict[str, str]:
    """Without what was left at nothing: an expectation that nobody had, a limit that nobody set."""
    return {name: shown for name, shown in lines.items() if shown not in ("", "None")}


def _of(record: object) -> dict[str, str]:
    return {
        "data set": str(getattr(record, "dataset", "")),
        "split": str(getattr(record, "split", "")),
        "queries": count(int(getattr(record, "queries", 0)), "query", "queries"),
        "documents": f"{getattr(record, 'documents', 0):,}",
    }


def missing(given: Records) -> list[tuple[str, str]]:
    """What this page has no record of, and how to get it."""
    absent = {kind: way for kind, way in _WAYS.items() if getattr(given, kind) is None}
    if given.decision is not None:
        absent.pop("comparison", None)
    return list(absent.values())

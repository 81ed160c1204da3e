"""What no value by query shows: guard sets, the leakage report, latency, costs, dates, models, files. Each is held
against what was given, and where nothing can be computed again, that is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from crossfade.errors import DataError
from crossfade.evaluation.costs import cost_of
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.causes import objections
from crossfade.evaluation.decision.checks import Check, Sources, differences, named
from crossfade.evaluation.decision.diagnosis import read_diagnosis
from crossfade.evaluation.decision.evidence import DataRef, DiagnosisRef, Leakage
from crossfade.evaluation.decision.leakage import read_leakage
from crossfade.evaluation.decision.record import DecisionRecord
from crossfade.evaluation.record import encode

_GIVEN = ("protocol", "baseline")
"""Files by the name they are recorded under that have an option of their own."""


def attested(record: DecisionRecord, sources: Sources) -> Iterator[Check]:
    """A check of each part. Raises DataError when a file that was given cannot be read."""
    yield from _guards(record, sources)
    yield from _leakage(record, sources)
    yield from _diagnosis(record, sources)
    yield from _costs(record)
    evidence = record.evidence
    yield Check("latency", None, "it was timed when it was decided, and cannot be timed again by a record")
    yield Check(
        "dates", None, "when the sides were measured, the data changed and it was decided is as the record says"
    )
    yield Check("models", None, "names, fingerprints and settings are as the record says: no model is run again")
    yield Check("environment", None, "versions and machine are as the record says")
    for name in dict.fromkeys([*evidence.files, *sources.files]):
        yield _file(name, evidence.files.get(name), sources)


def data_unlike(stored: DataRef, dataset: Dataset) -> list[str]:
    """Which hashes of a data set are not those that are recorded."""
    return [
        f"the {what}'s SHA-256 is {found}, the record says {said}"
        for what, said, found in (
            ("corpus", stored.corpus_sha256, dataset.corpus_hash),
            ("queries file", stored.queries_sha256, dataset.queries_hash),
            ("judgments file", stored.qrels_sha256, dataset.qrels_hash),
        )
        if said != found
    ]


def _guards(record: DecisionRecord, sources: Sources) -> Iterator[Check]:
    held = {guard.name: guard for guard in record.evidence.guards}
    for name in sources.guards:
        if name not in held:
            yield Check(f"guard {name} data", False, "the record has no guard set of this name")
    for name, guard in held.items():
        dataset = sources.guards.get(name)
        if _hashes(guard.data) == _hashes(record.evidence.data):
            yield Check(f"guard {name} data", False, "it is the data set that was evaluated, which cannot guard itself")
        elif dataset is None:
            option = f"--guard {name}=DIR"
            yield Check(f"guard {name} data", None, f"give its data set ({option}) to hold its hashes", (option,))
        else:
            unlike = data_unlike(guard.data, dataset)
            if list(dataset.queries) != guard.queries:
                unlike.append("the queries by value are not the data set's, in its order")
            yield Check(f"guard {name} data", not unlike, named(unlike))
        yield Check(f"guard {name} values", None, "its rankings are not kept, so they are not measured again")


def _hashes(data: DataRef) -> tuple[str, str, str]:
    return data.corpus_sha256, data.queries_sha256, data.qrels_sha256


def _leakage(record: DecisionRecord, sources: Sources) -> Iterator[Check]:
    held, path = record.evidence.leakage, sources.leakage
    if held is None:
        if path is not None:
            yield Check("leakage", False, "a report was given, and the record holds none")
        return
    yield _report("leakage", held, path, read_leakage)


def _diagnosis(record: DecisionRecord, sources: Sources) -> Iterator[Check]:
    """The causes are the report's, and of this base on these data."""
    held, path = record.evidence.diagnosis, sources.diagnosis
    if path is None and sources.folder is not None and record.protocol.diagnosis:
        path = sources.folder / record.protocol.diagnosis
    if held is None:
        if sources.diagnosis is not None:
            yield Check("diagnosis", False, "one was given, and the record holds none")
        return
    against = objections(held, record.evidence.data, record.evidence.base)
    if against:
        yield Check("diagnosis", False, "; ".join(against))
        return
    yield _report("diagnosis", held, path, read_diagnosis)


def _report(
    name: str, held: Leakage | DiagnosisRef, path: Path | None, read: Callable[[Path], Leakage | DiagnosisRef]
) -> Check:
    """What the record keeps of a report, held against the report."""
    if path is None:
        return Check(name, None, f"give the report (--{name}) to hash it and read it again", (f"--{name}",))
    found = _sha256(path)
    if found != held.report_sha256:
        return Check(name, False, f"the report's SHA-256 is {found}, the record says {held.report_sha256}")
    unlike = list(differences(encode(held), encode(read(path)), f"evidence.{name}"))
    return Check(name, not unlike, named(unlike))


def _costs(record: DecisionRecord) -> Iterator[Check]:
    sides = {"base": record.evidence.base.cost, "candidate": record.evidence.candidate.cost}
    unlike: list[str] = []
    for side, cost in sides.items():
        if cost is None:
            continue
        prices = record.protocol.prices
        if prices is None:
            unlike.append(f"the {side} has a cost, and the protocol no prices")
            continue
        try:
            again = cost_of(
                prices, cost.queries_per_second, cost.documents_per_second, cores=cost.cores, gpus=cost.gpus
            )
        except (ZeroDivisionError, OverflowError):
            unlike.append(f"the {side}'s throughput is none")
            continue
        unlike += differences(encode(cost), encode(again), f"evidence.{side}.cost")
    if any(sides.values()):
        yield Check("costs", not unlike, named(unlike))
        yield Check("throughput", None, "it was measured when it was decided; costs follow from it")


def _file(name: str, stored: str | None, sources: Sources) -> Check:
    label = f"file {name}"
    path = sources.files.get(name)
    if path is None and sources.folder is not None and name not in _GIVEN:
        path = sources.folder / name
    if stored is None:
        return Check(label, False, "it was given, and the record names no such file")
    if path is None:
        option = f"--{name}" if name in _GIVEN else "--protocol"  # or beside the protocol
        return Check(label, None, f"it was not given ({option}): its hash is as the record says", (option,))
    found = _sha256(path)
    said = "" if found == stored else f"its SHA-256 is {found}, the record says {stored}"
    return Check(label, not said, said)


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None

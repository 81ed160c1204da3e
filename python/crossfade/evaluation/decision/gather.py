"""From evaluations and runs to the evidence that the rule looks at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.array_run import pieces
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.causes import objections, standing
from crossfade.evaluation.decision.diagnosis import read_diagnosis
from crossfade.evaluation.decision.evidence import (
    Cost,
    DataRef,
    DiagnosisRef,
    Evidence,
    GuardValues,
    Leakage,
    SideRef,
    Values,
)
from crossfade.evaluation.decision.judged import judged_shares
from crossfade.evaluation.decision.protocol import Protocol
from crossfade.evaluation.decision.slices import QueryFields, slice_members
from crossfade.evaluation.evaluate import TIES, Evaluated
from crossfade.evaluation.record import encode
from crossfade.evaluation.results import Evaluation
from crossfade.evaluation.stages import TOLD_AFTER, Tell, untold
from crossfade.evaluation.trec import ordered, run_lines


@dataclass(frozen=True, slots=True)
class GuardRuns:
    """A guard set's data and both sides on it. `name`: as the protocol has it; `directory`: see `Extras`."""

    name: str
    dataset: Dataset
    base: Evaluated
    candidate: Evaluated
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Extras:
    """What evidence may hold beside the two evaluations.

    `directory`: of the data set, to say when it was last changed. `fields`: of the queries, where a slice is by one.
    `folder`: what files that the protocol names are relative to. `diagnosis`: in the place of the protocol's.
    `costs`: of base and candidate. `files`: read beside the data, by the name to record them under.
    """

    guards: Sequence[GuardRuns] = ()
    directory: Path | None = None
    fields: QueryFields | None = None
    folder: Path | None = None
    leakage: Leakage | None = None
    diagnosis: DiagnosisRef | None = None
    costs: tuple[Cost | None, Cost | None] = (None, None)
    files: Mapping[str, Path] = field(default_factory=dict)


HASHED, JUDGED = 6, 25
"""What `gather` tells of a query: of its ranking that is hashed, and of both, whose results nobody judged, counted. In
parts of what testing one value takes, as measured with rankings of 100."""


def gather(
    dataset: Dataset,
    base: Evaluated,
    candidate: Evaluated,
    protocol: Protocol,
    extras: Extras | None = None,
    *,
    tell: Tell = untold,
) -> Evidence:
    """All that a decision stands on. Both evaluations must be of this data set's queries (`compare_runs` checks that).
    `tell`: told of what is done, see `HASHED` and `JUDGED`.

    Raises InvalidInput for a measure that the protocol needs and the evaluations lack, for a diagnosis of other data or
    of another base, and for whatever `slice_members` refuses.
    """
    extras = extras or Extras()
    for guard in extras.guards:
        check_guard(guard.name, guard.dataset, dataset)
    queries = list(dataset.queries)
    first, second = base.evaluation, candidate.evaluation
    lacking = [name for name in protocol.needed_measures() if name not in first.per_query]
    if lacking:
        raise InvalidInput(f"the protocol needs {', '.join(lacking)}, which was not measured: add it to the measures")
    names = protocol.needed_measures(first.per_query)
    files = dict(extras.files)
    for rule in protocol.slices:
        if rule.file:
            files[rule.file] = Path(rule.file) if extras.folder is None else extras.folder / rule.file
    data, side = data_ref(dataset, extras.directory), _side(base, extras.costs[0], tell)
    diagnosis = extras.diagnosis
    if diagnosis is None and protocol.diagnosis:
        diagnosis = read_diagnosis((extras.folder or Path()) / protocol.diagnosis)
    causes = None if diagnosis is None else _causes(diagnosis, dataset, data, side)
    return Evidence(
        decided=datetime.now(UTC).isoformat(timespec="seconds"),
        data=data,
        base=side,
        candidate=_side(candidate, extras.costs[1], tell),
        queries=queries,
        values={name: _values(first, second, name, queries) for name in names},
        judged=judged_shares(
            dataset,
            base.run,
            candidate.run,
            protocol.primary,
            protocol.gates.judged_at,
            tell=lambda queries: tell(JUDGED * queries),
        ),
        slices=slice_members(
            protocol.slices, dataset.queries, fields=extras.fields, folder=extras.folder, causes=causes
        ),
        guards=[_guard(protocol, guard, tell) for guard in extras.guards],
        leakage=extras.leakage,
        files={name: _file_sha256(path) for name, path in files.items()},
        diagnosis=diagnosis,
    )


def _causes(found: DiagnosisRef, dataset: Dataset, data: DataRef, base: SideRef) -> dict[str, str]:
    against = objections(found, data, base)
    if against:
        raise InvalidInput(
            f"the diagnosis cannot be taken for slices: {'; '.join(against)}: diagnose the base as it is compared "
            "(crossfade diagnose with the same data set, split and --base options)"
        )
    return standing(found, dataset)


def check_guard(name: str, guard: Dataset, dataset: Dataset) -> None:
    """Raises InvalidInput where a guard set is the data set that is decided on: it would guard nothing more."""
    same = (dataset.corpus_hash, dataset.queries_hash, dataset.qrels_hash)
    if (guard.corpus_hash, guard.queries_hash, guard.qrels_hash) == same:
        raise InvalidInput(
            f"guard set {name!r} is the data set that is evaluated: give other queries, of another split or data set"
        )


def data_ref(dataset: Dataset, directory: Path | None = None) -> DataRef:
    """What identifies a data set; with its directory also when its files were last changed."""
    return DataRef(
        dataset=dataset.name,
        split=dataset.split,
        documents=len(dataset.documents),
        corpus_sha256=dataset.corpus_hash,
        queries_sha256=dataset.queries_hash,
        qrels_sha256=dataset.qrels_hash,
        absent_judgments=dataset.absent_judgments,
        modified="" if directory is None else _modified(directory, dataset.split),
    )


def run_sha256(run: Mapping[str, Mapping[str, float]], *, tell: Tell = untold) -> str:
    """SHA-256 (hex) of what `write_run` writes of a run under the tag "crossfade", queries in order of their ids: a
    file of it gives the same, whatever its order and tag. `tell`: told `HASHED` for each query.
    """
    state = hashlib.sha256()
    for queries in pieces(sorted(run), TOLD_AFTER):
        for query in queries:
            state.update(run_lines(query, ordered(run, query, TIES), "crossfade"))
        tell(HASHED * len(queries))
    return state.hexdigest()


def _values(base: Evaluation, candidate: Evaluation, name: str, queries: Iterable[str]) -> Values:
    first, second = base.per_query[name], candidate.per_query[name]
    ordered = list(queries)
    return Values([first[query] for query in ordered], [second[query] for query in ordered])


def _side(evaluated: Evaluated, cost: Cost | None, tell: Tell) -> SideRef:
    found = evaluated.evaluation
    created = found.settings.get("created")
    if not isinstance(created, str):
        raise InvalidInput(f"the evaluation of {found.model.name} does not say when it was made: evaluate it again")
    return SideRef(
        name=found.model.name,
        fingerprint=found.model.fingerprint,
        document_fingerprint=found.model.document_fingerprint,
        retrieval=encode(found.retrieval),
        settings=encode(found.settings),
        latency_ms=found.latency_ms,
        missing_queries=found.missing_queries,
        run_sha256=run_sha256(evaluated.run, tell=tell),
        created=created,
        cost=cost,
    )


def _guard(protocol: Protocol, guard: GuardRuns, tell: Tell) -> GuardValues:
    rule = next((rule for rule in protocol.guards if rule.name == guard.name), None)
    if rule is None:
        raise InvalidInput(f"guard set {guard.name!r} is none of the protocol's")
    queries = list(guard.dataset.queries)
    return GuardValues(
        name=guard.name,
        data=data_ref(guard.dataset, guard.directory),
        base_run_sha256=run_sha256(guard.base.run, tell=tell),
        candidate_run_sha256=run_sha256(guard.candidate.run, tell=tell),
        queries=queries,
        values=_values(guard.base.evaluation, guard.candidate.evaluation, protocol.measure_of(rule), queries),
    )


def _modified(directory: Path, split: str) -> str:
    names = ("corpus.jsonl", "corpus.jsonl.gz", "queries.jsonl", "queries.jsonl.gz", f"qrels/{split}.tsv")
    times = [path.stat().st_mtime for name in names if (path := directory / name).is_file()]
    # To the second, as evaluations are dated, and downwards.
    return datetime.fromtimestamp(int(max(times)), UTC).isoformat(timespec="seconds") if times else ""


def _file_sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None

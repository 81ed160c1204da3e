"""A BEIR directory's judged queries in new splits, written as BEIR directories have them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.evaluation.beir import check_split_name, jsonl_path, read_beir, splits, write_qrels_tsv
from crossfade.evaluation.dataset import Dataset, Progress, Qrels
from crossfade.evaluation.record import encode
from crossfade.evaluation.splitting.allot import Allotment, allot
from crossfade.evaluation.splitting.groups import GroupBy, Groups, group_queries
from crossfade.files import write_atomically
from crossfade.overlap import OverlapSettings

_FILES = ("corpus.jsonl", "queries.jsonl")


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """`shares`: name of a new split to its share of the queries. `by`: what keeps queries together. `tolerance`: how
    far a split's share may be from what was asked. `overwrite`: whether splits that are there may be replaced, and
    another corpus and other queries.
    """

    shares: Mapping[str, float] = field(default_factory=lambda: {"train": 0.8, "dev": 0.1, "test": 0.1})
    by: GroupBy = "target"
    seed: int = 17
    tolerance: float = 0.05
    overlap: OverlapSettings = field(default_factory=OverlapSettings)
    overwrite: bool = False
    allow_absent: bool = False
    threads: int = 0


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What was written. `sizes` and `groups`: split to its queries and groups. `largest`: queries of the largest group.
    `hub`: the document that most of these have in common, and how many they are."""

    dataset: str
    sources: list[str]
    queries: int
    by: GroupBy
    seed: int
    sizes: dict[str, int]
    groups: dict[str, int]
    largest: int
    hub: tuple[str, int] | None
    files: list[str]

    def to_json(self) -> dict[str, Any]:
        """As JSON values; keys are the fields' names."""
        found: dict[str, Any] = encode(self)
        return found


def split_dataset(
    directory: Path,
    sources: Sequence[str],
    out: Path,
    settings: SplitSettings | None = None,
    *,
    progress: Progress | None = None,
) -> SplitReport:
    """Put the judged queries of the splits `sources` into new splits that do not leak into each other.

    Writes `out`/qrels/NAME.tsv with all judgments of each query, and, where `out` is another directory, copies of
    corpus and queries as they were read: of a plain file and a packed one, one. Each file appears whole or not at all.

    Raises DataError for what a BEIR directory may not hold, and InvalidInput when a split is there already, or another
    corpus or other queries, a query is judged differently in two sources, or the groups are too large for the shares.
    """
    settings = settings or SplitSettings()
    new = out.resolve() != directory.resolve()
    _check_names(out, settings)
    if new and not settings.overwrite:
        _check_place(directory, out)
    dataset = _read(directory, sources, settings, progress)
    groups = group_queries(dataset, settings.by, settings.overlap, threads=settings.threads)
    if len(groups.members) < len(settings.shares):
        count = "1 group" if len(groups.members) == 1 else f"{len(groups.members):,} groups"
        raise InvalidInput(_too_large(f"{count} for {len(settings.shares):,} splits", groups, settings))
    allotment = allot(groups.members, settings.shares, settings.seed)
    _check_sizes(groups, allotment, settings)
    try:
        (out / "qrels").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"cannot write {out}: {error.strerror or error}; choose another place") from None
    written = []
    for name in _FILES if new else ():
        source = jsonl_path(directory, name)
        if _copy(source, out / source.name):
            written.append(source.name)
        for other in _others(source, out, name):
            other.unlink()
    for name, ids in allotment.queries.items():
        write_qrels_tsv(out / "qrels" / f"{name}.tsv", {query_id: dataset.qrels[query_id] for query_id in ids})
        written.append(f"qrels/{name}.tsv")
    return SplitReport(
        dataset=dataset.name,
        sources=list(sources),
        queries=len(dataset.queries),
        by=settings.by,
        seed=settings.seed,
        sizes={name: len(ids) for name, ids in allotment.queries.items()},
        groups=allotment.groups,
        largest=len(groups.members[0]),
        hub=groups.hub,
        files=written,
    )


def _check_names(out: Path, settings: SplitSettings) -> None:
    for name in settings.shares:
        check_split_name(name)
    taken = sorted(set(splits(out)) & set(settings.shares))
    if taken and not settings.overwrite:
        raise InvalidInput(
            f"{out} has a split {taken[0]} already: choose another name or another --out, or replace it (--overwrite)"
        )


def _check_place(directory: Path, out: Path) -> None:
    """Raises InvalidInput where copies would take another data set's place, or lie beside it."""
    for name in _FILES:
        source = jsonl_path(directory, name)
        target = out / source.name
        there = [*_others(source, out, name), *([target] if target.exists() and not _same(source, target) else [])]
        if source.is_file() and there:
            raise InvalidInput(
                f"{there[0]} is there already and is not a copy of {source}: choose another --out, or replace it "
                "(--overwrite)"
            )


def _others(source: Path, out: Path, name: str) -> list[Path]:
    """What is in `out` under the name that the copy does not have: packed beside plain, or plain beside packed."""
    return [out / other for other in (name, f"{name}.gz") if other != source.name and (out / other).exists()]


def _same(one: Path, other: Path) -> bool:
    """Whether both are files of the same bytes."""
    if not (one.is_file() and other.is_file()) or one.stat().st_size != other.stat().st_size:
        return False
    digests = []
    for path in (one, other):
        with path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").digest())
    return digests[0] == digests[1]


def _read(directory: Path, sources: Sequence[str], settings: SplitSettings, progress: Progress | None) -> Dataset:
    if not sources:
        raise InvalidInput("no split to take queries from: name at least one")
    queries: dict[str, str] = {}
    qrels: Qrels = {}
    for source in sources:
        one = read_beir(directory, source, allow_absent=settings.allow_absent, progress=progress)
        queries.update(one.queries)
        for query_id, grades in one.qrels.items():
            before = qrels.setdefault(query_id, {})
            for document_id, grade in grades.items():
                if before.setdefault(document_id, grade) != grade:
                    raise InvalidInput(
                        f"query {query_id!r} has grade {before[document_id]} for document {document_id!r} in one split "
                        f"and {grade} in {source}: correct one of them"
                    )
    return Dataset(one.name, "+".join(sources), one.documents, queries, qrels)


def _check_sizes(groups: Groups, allotment: Allotment, settings: SplitSettings) -> None:
    """Raises InvalidInput when the shares cannot be had, with what keeps them from it."""
    total = sum(map(len, groups.members))
    for name, share in settings.shares.items():
        got = len(allotment.queries[name]) / total
        if not allotment.queries[name] or abs(got - share) > settings.tolerance + 0.5 / total:
            what = f"{name} was to have {share:.0%} of the {total:,} queries and would get {got:.1%}"
            raise InvalidInput(_too_large(what, groups, settings))


def _too_large(what: str, groups: Groups, settings: SplitSettings) -> str:
    total, largest = sum(map(len, groups.members)), len(groups.members[0])
    found = f"{what}: the largest group of queries that belong together has {largest:,} of {total:,}"
    if groups.hub is not None:
        found += f", {groups.hub[1]:,} of which have the relevant document {groups.hub[0]!r} in common"
    if settings.by == "target":
        found += "; group by queries alone (--group-by query: splits then share relevant documents), or"
    else:
        found += ";"
    return f"{found} choose other shares, or a larger --tolerance"


def _copy(source: Path, target: Path) -> bool:
    """Whether there was anything to copy."""
    if _same(source, target):
        return False
    with source.open("rb") as content, write_atomically(target) as stream:
        shutil.copyfileobj(content, stream)
    return True

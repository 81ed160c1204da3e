"""An index version given what it lacks of its collection's documents, by a model, in steps that are each kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from crossfade.errors import CrossfadeError, FingerprintMismatch, InvalidInput
from crossfade.ingest.embedding import EmbeddingCutter
from crossfade.ingest.report import ChunkTotals, Progress
from crossfade.store import DurableCollection, VersionView
from crossfade.wording import are_in

ROWS = 1000


@dataclass(slots=True)
class FillReport:
    """`filled`: documents that this run gave to the index; `pending`: that it lacks still, for they were written
    meanwhile; `seconds`: of this run."""

    filled: int = 0
    pending: int = 0
    totals: ChunkTotals = field(default_factory=ChunkTotals)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        totals = asdict(self.totals)
        rows = totals.pop("rows")
        return {
            "filled": self.filled,
            "pending": self.pending,
            "rows": rows,
            "seconds": round(self.seconds, 3),
            "chunking": totals,
        }


def fill(
    collection: DurableCollection,
    version: int,
    cutter: EmbeddingCutter,
    *,
    rows: int = ROWS,
    progress: Callable[[Progress], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> FillReport:
    """Give an index version all documents that it lacks, those longest without first, cut as the collection says.

    About `rows` rows are written at once, each time durably: whatever ends it, the same call goes on from there. Others
    may write meanwhile. `progress` is called after each write, `say` with news for people.

    Raises NotFound for the version; FingerprintMismatch when the model is not the version's; InvalidInput when rows
    < 1; StoreError when the disk does not take it.
    """
    if rows < 1:
        raise InvalidInput(f"rows is {rows}: write at least 1 row at once")
    check_model(collection.at(version), cutter)
    started, report = time.monotonic(), FillReport()
    view = collection.at(version)
    before = view.snapshot().pending
    wanted = max(1, before)
    try:
        for taken, totals in _steps(collection, version, cutter, rows):
            report.filled += taken
            report.totals = report.totals.plus(totals)
            progress(Progress(report.filled, min(1.0, report.filled / wanted)))
    except BaseException:
        with suppress(CrossfadeError):
            # By what the version says: Ctrl-C may come when a write has been taken, and not been counted yet.
            if filled := before - view.snapshot().pending:
                say(f"{are_in(filled)}; the same command goes on from there")
        raise
    report.pending = view.snapshot().pending
    report.seconds = time.monotonic() - started
    return report


def _steps(
    collection: DurableCollection, version: int, cutter: EmbeddingCutter, rows: int
) -> Iterator[tuple[int, ChunkTotals]]:
    """Documents that were taken, and what was made of them, by write."""
    while lacking := collection.pending(version, rows):
        keys, documents = [key for key, _ in lacking], [document for _, document in lacking]
        start = 0
        for read in cutter.read(documents, rows, collection.settings.chunking):
            taken = collection.fill(version, keys[start : read.stop], read.vectors, spans=read.spans)
            yield taken, read.totals
            start = read.stop


def check_model(view: VersionView, cutter: EmbeddingCutter) -> None:
    """Raises FingerprintMismatch, naming the version, when the model's vectors are not of it."""
    if cutter.fingerprint != view.spec.document_fingerprint:
        raise FingerprintMismatch(
            f"the model makes vectors of {cutter.fingerprint}, and index version {view.current} of collection "
            f"{view.spec.name!r} holds {view.spec.document_fingerprint}: use the model that the version was made for, "
            "or make another version for this one"
        )


def versions_of(view: VersionView, cutter: EmbeddingCutter) -> list[int]:
    """Other versions of the view's collection that hold the model's vectors. Raises FingerprintMismatch when there is
    none, the view's own included."""
    indexes = view.index_versions()
    found = [each.version for each in indexes if each.document_fingerprint == cutter.fingerprint]
    if not found:
        there = ", ".join(f"{each.version} ({each.document_fingerprint})" for each in indexes)
        raise FingerprintMismatch(
            f"no index version of collection {view.spec.name!r} holds vectors of {cutter.fingerprint}: it has {there}; "
            "make one for this model first"
        )
    return [version for version in found if version != view.current]

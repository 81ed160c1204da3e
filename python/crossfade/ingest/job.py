"""The job: sources are read, checked, cut, embedded and upserted, a batch at a time, and go on where they ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossfade.errors import DataError, FingerprintMismatch, InvalidInput
from crossfade.ingest.batches import BatchReader
from crossfade.ingest.embedding import Cutter, EmbeddingCutter, Piece
from crossfade.ingest.fields import DocumentMaker, FieldMapping
from crossfade.ingest.filling import versions_of
from crossfade.ingest.journal import Entry, Journal, check_same, forget_gone
from crossfade.ingest.records import Position, Reject
from crossfade.ingest.report import IngestReport, Progress, Unread
from crossfade.ingest.side_files import (
    NOTHING,
    REJECTS,
    UNREAD,
    SideFile,
    Written,
    check_place,
    is_same,
    rejected_line,
    unread_line,
)
from crossfade.ingest.sources import Format, Source, identity, open_source
from crossfade.ingest.tenants import keeper
from crossfade.store import DurableStore, IndexVectors, UpsertCounts, VersionView
from crossfade.store.marks import holds, mark
from crossfade.store.tenancy import owner
from crossfade.wording import are_in, counted

_BEGIN = Position(0, 0, 0)
MOST_BATCH_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """`batch_rows`: about how many rows an upsert has. `rejects`: where bad lines and rows go; None: the first one ends
    the job. `restart`: forget how far an earlier run was. `unread`: where documents are named that the model did not
    read to their end, with their chunks. None of these four decides what a document becomes, so they may change from
    run to run. `tenant`: whose the documents are, in a collection of tenants; None: each names its own.
    """

    mapping: FieldMapping = field(default_factory=FieldMapping)
    format: Format = Format.AUTO
    batch_rows: int = 1000
    rejects: Path | None = None
    restart: bool = False
    tenant: str | None = None
    unread: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.batch_rows <= MOST_BATCH_ROWS:
            raise InvalidInput(f"a batch of {self.batch_rows} rows cannot be: use 1 to {MOST_BATCH_ROWS}")


def ingest(
    store: DurableStore,
    name: str,
    paths: Sequence[Path],
    cutter: Cutter,
    settings: IngestSettings | None = None,
    *,
    also: Sequence[EmbeddingCutter] = (),
    progress: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> IngestReport:
    """Bring the documents of files into a collection; add or replace, by id. The last of equal ids stands.

    What is acknowledged survives whatever ends the process, and the same call goes on after it (`journal`), unless a
    path is a pipe. `also`: models of further versions of the collection's index, which take the documents in the same
    transactions. `progress` is called after each batch, `say` with news for people.

    Raises DataError naming file and line or row for what cannot be a document, before anything of its batch is taken;
    FingerprintMismatch or InvalidInput when the vectors are not the collection's; InvalidInput when an earlier run had
    other sources' content or settings; NotFound; StoreError when the disk does not take it.
    """
    # Pinned: it goes on with the index whose vectors these are, whichever becomes the current one meanwhile.
    collection = store.get(name).pinned()
    _check_vectors(collection, cutter)
    further = [(version, each) for each in also for version in versions_of(collection, each)]
    # Whoever drops a collection, a server say, need not know of its jobs.
    forget_gone(store.database.path.parent, {each.number for each in store.all()})
    job = _Job(store, collection, paths, cutter, further, settings or IngestSettings())
    return job.run(progress or (lambda _: None), say or (lambda _: None))


class _Job:
    def __init__(
        self,
        store: DurableStore,
        collection: VersionView,
        paths: Sequence[Path],
        cutter: Cutter,
        further: Sequence[tuple[int, EmbeddingCutter]],
        settings: IngestSettings,
    ) -> None:
        self._store = store
        self._collection = collection
        self._cutter = cutter
        self._further = further
        self._settings = settings
        self._maker = DocumentMaker(settings.mapping, vectors=cutter.takes_vectors)
        self._sources: list[Source] = [open_source(path, self._maker, settings.format) for path in paths]
        self._check_paths()
        self._kept = keeper(collection, settings.tenant)
        found = [identity(source.path) for source in self._sources]
        self._identities = [each for each in found if each is not None]
        self._resumable = len(self._identities) == len(found)
        self._journal = Journal(store.database.path.parent, collection.number, self._identities, settings.tenant)
        self._rejects: SideFile | None = None
        self._unread: SideFile | None = None

    def _check_paths(self) -> None:
        if not self._sources:
            raise InvalidInput("there is no source: name at least one file")
        resolved = [source.path.resolve() for source in self._sources]
        for at, path in enumerate(resolved):
            if path in resolved[:at]:
                raise InvalidInput(f"source {path} is named twice: name it once")
        rejects, unread, directory = self._settings.rejects, self._settings.unread, self._store.database.path.parent
        paths = [source.path for source in self._sources]
        if rejects is not None:
            check_place(rejects, REJECTS, directory, paths)
        if unread is None:
            return
        if self._cutter.takes_vectors:
            raise InvalidInput("the documents come with vectors, and no model reads them: leave the unread file out")
        check_place(unread, UNREAD, directory, paths)
        if rejects is not None and (unread.resolve() == rejects.resolve() or is_same(unread, rejects)):
            raise InvalidInput(f"{unread} takes the rejects, and cannot take what was not read too: name another file")

    def run(self, progress: Callable[[Progress], None], say: Callable[[str], None]) -> IngestReport:
        started = time.monotonic()
        entry = self._entry()
        report = entry.report
        report.rejects_file = (entry.rejects.path or None) if report.rejected else None
        if entry.done:
            report.finished_before = True
            unread = self._settings.unread
            if unread is not None and str(unread.resolve()) != entry.unread.path:
                say(f"{unread} is not written, since nothing is left to take: --restart begins again, and tells of all")
            return report
        if report.resumed:
            say(f"going on after {counted(report.resumed, 'document')} that an earlier run has taken")
        try:
            with ExitStack() as files:
                self._open_files(entry, files, say)
                self._take_all(entry, progress)
                entry.done = True
                self._save(entry)
        except BaseException:
            if report.documents > report.resumed and self._resumable:
                say(f"{are_in(report.documents)}; the same command goes on from there")
            elif report.documents and not self._resumable:
                say(f"{are_in(report.documents)}; a pipe cannot be read from where it ended")
            raise
        report.seconds = time.monotonic() - started
        return report

    def _open_files(self, entry: Entry, files: ExitStack, say: Callable[[str], None]) -> None:
        """What an earlier run has written into the same files stays, as far as its documents were taken."""
        rejects, unread, afresh = self._settings.rejects, self._settings.unread, entry.position == _BEGIN
        if rejects is not None:
            self._rejects = files.enter_context(closing(SideFile(rejects, REJECTS, entry.rejects, afresh=afresh)))
            entry.rejects = self._rejects.written
            entry.report.rejects_file = entry.rejects.path
        if unread is not None:
            if entry.report.resumed and str(unread.resolve()) != entry.unread.path:
                say(f"{unread} tells of what is taken from here on: --restart begins again, and tells of all")
            self._unread = files.enter_context(closing(SideFile(unread, UNREAD, entry.unread, afresh=afresh)))
            entry.unread = self._unread.written
        if self._settings.restart:
            self._journal.forget()

    def _entry(self) -> Entry:
        """What an earlier run has left, or a beginning."""
        settings, sources = self._decisive(), [each.to_json() for each in self._identities]
        files = (NOTHING, NOTHING)
        if self._settings.restart:
            files = self._own_files()
        elif self._resumable and (found := self._journal.load()) is not None and found.position == _BEGIN:
            files = (found.rejects, found.unread)  # nothing was taken yet that other settings could have made another
        elif self._resumable and found is not None:
            check_same(found, settings, self._identities)
            if found.position.source >= len(self._sources):
                raise self._journal.unusable(f"source {found.position.source + 1} of {len(self._sources)} cannot be")
            if not holds(self._store.database, found.mark):
                raise InvalidInput(
                    "an earlier run took documents that the store does not have now (an older backup may be in its "
                    "place): begin again with --restart"
                )
            return found
        where = mark(self._store.database, self._collection.index.record.number)
        rejects, unread = files
        return Entry(settings, sources, _BEGIN, where, IngestReport(), rejects, done=False, unread=unread)

    def _own_files(self) -> tuple[Written, Written]:
        """What the job that is to be forgotten wrote, so that it can be written again."""
        try:
            found = self._journal.load() if self._resumable else None
        except InvalidInput:
            found = None
        return (NOTHING, NOTHING) if found is None else (found.rejects, found.unread)

    def _decisive(self) -> dict[str, Any]:
        """The settings that decide what a document becomes."""
        chunking = self._collection.settings.chunking
        decisive = {
            "fields": self._settings.mapping.to_json(),
            "format": self._settings.format.value,
            **self._cutter.to_json(chunking),
        }
        further = {str(version): cutter.fingerprint for version, cutter in self._further}
        return {**decisive, "further versions": further} if further else decisive

    def _take_all(self, entry: Entry, progress: Callable[[Progress], None]) -> None:
        """Make the next piece while the last one is written."""
        # At its end, however that comes, the pool waits for the write in progress: what is acknowledged is recorded.
        with ThreadPoolExecutor(1, "crossfade-ingest") as pool:
            writing: Future[None] | None = None
            for step in self._steps(entry.position):
                if writing is not None:
                    writing.result()
                    progress(Progress(entry.report.documents, self._fraction(entry.position)))
                writing = pool.submit(self._take, entry, step)
            if writing is not None:
                writing.result()
                progress(Progress(entry.report.documents, self._fraction(entry.position)))

    def _steps(self, after: Position) -> Iterator[_Step]:
        reader = BatchReader(
            self._sources,
            self._maker,
            self._collection.fields,
            self._collection.spec.dimension,
            kept=self._kept,
            keep_going=self._settings.rejects is not None,
        )
        rows = self._settings.batch_rows
        for batch in reader.read(after, rows):
            last = after
            for piece in self._cutter.pieces(batch, rows, self._collection.settings.chunking):
                superseded = sum(last < position <= piece.end for position in batch.superseded)
                rejects = [reject for position, reject in batch.rejects if last < position <= piece.end]
                yield _Step(piece, piece.end, superseded, rejects, self._also(piece))
                last = piece.end
            if rest := [reject for position, reject in batch.rejects if position > last]:
                yield _Step(None, batch.end, 0, rest, {})
            after = batch.end

    def _also(self, piece: Piece) -> dict[int, IndexVectors]:
        """The piece's documents as the further versions' models read them; each model once."""
        read: dict[str, IndexVectors] = {}
        for _, cutter in self._further:
            if cutter.fingerprint not in read:
                read[cutter.fingerprint] = cutter.whole(piece.documents, self._collection.settings.chunking)
        return {version: read[cutter.fingerprint] for version, cutter in self._further}

    def _take(self, entry: Entry, step: _Step) -> None:
        """On the other thread: when it returns the piece is on the disk, and so is the record of it."""
        report = entry.report
        begun = (entry.rejects.size or not step.rejects) and (entry.unread.size or self._unread is None)
        if not begun:
            self._save(entry)  # so that the files are known for this job's before they hold something
        if step.piece is not None:
            piece = step.piece
            counts = self._upsert(piece, step.also, entry.position)
            report.added += counts.added
            report.replaced += counts.replaced + step.superseded
            report.totals = report.totals.plus(piece.totals)
            unread = self._named(piece.unread)
            report.name(unread)
            if self._unread is not None:
                self._unread.add(map(unread_line, unread))
                entry.unread = self._unread.written
        if self._rejects is not None:
            self._rejects.add(map(rejected_line, step.rejects))
            entry.rejects = self._rejects.written
        report.rejected += len(step.rejects)
        entry.position = step.end
        self._save(entry)

    def _named(self, unread: Sequence[Unread]) -> list[Unread]:
        """By the ids that their sources have, and by tenant."""
        if self._collection.settings.tenant_field is None:
            return list(unread)
        owned = [(each, *owner(each.id)) for each in unread]
        return [each._replace(id=own, tenant=tenant) for each, tenant, own in owned]

    def _upsert(self, piece: Piece, also: Mapping[int, IndexVectors], after: Position) -> UpsertCounts:
        try:
            return self._collection.upsert(piece.documents, piece.vectors, spans=piece.spans, also=also)
        except InvalidInput as error:
            # Something that only the collection knows: the reader cannot say which line it is, but which ones it was.
            source = self._sources[piece.end.source]
            first = after.number + 1 if after.source == piece.end.source else 1
            what = "rows" if source.counts_rows else "lines"
            raise DataError(source.path, f"{what} {first:,} to {piece.end.number:,}: {error}") from error

    def _save(self, entry: Entry) -> None:
        if self._resumable:
            entry.mark = mark(self._store.database, self._collection.index.record.number)
            self._journal.save(entry)

    def _fraction(self, position: Position) -> float | None:
        current = position.source
        part = self._sources[current].fraction(position.place)
        if not self._resumable or part is None:
            return None
        sizes = [each.size for each in self._identities]
        return (sum(sizes[:current]) + part * sizes[current]) / max(1, sum(sizes))


@dataclass(slots=True)
class _Step:
    """What one turn takes: a piece, or only rejects that no document follows."""

    piece: Piece | None
    end: Position
    superseded: int
    rejects: list[Reject]
    also: dict[int, IndexVectors]


def _check_vectors(collection: VersionView, cutter: Cutter) -> None:
    spec = collection.spec
    if cutter.fingerprint != spec.document_fingerprint:
        raise FingerprintMismatch(
            f"the vectors are of {cutter.fingerprint}, and collection {spec.name!r} holds {spec.document_fingerprint}: "
            "use the model that the collection was made for, or create another collection"
        )
    if cutter.dimension not in (None, spec.dimension):
        raise InvalidInput(
            f"collection {spec.name!r} was made with dimension {spec.dimension}, but the model of its fingerprint "
            f"makes {cutter.dimension}: drop the collection and create it from the model"
        )

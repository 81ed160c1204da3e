"""Training files streamed past the evaluation's side."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Dataset, Progress
from crossfade.evaluation.leakage.batch import Sides, leaking_rows
from crossfade.evaluation.leakage.gate import reasons
from crossfade.evaluation.leakage.known import known_documents, known_queries
from crossfade.evaluation.leakage.results import FileSummary, LeakageReport
from crossfade.evaluation.leakage.settings import LeakageSettings
from crossfade.evaluation.leakage.tally import Tally
from crossfade.evaluation.leakage.training_file import TrainingFile, TrainingRow
from crossfade.files import write_atomically
from crossfade.models.encoder import Encoder
from crossfade.versions import own

_BATCH_ROWS = 2_048
_BATCH_BYTES = 8 << 20


def find_leakage(
    dataset: Dataset,
    files: Sequence[Path],
    settings: LeakageSettings | None = None,
    *,
    encoder: Encoder | None = None,
    clean_out: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> LeakageReport:
    """Hold training files against one split of a data set: its judged queries and their relevant documents.

    Memory is that of the evaluation's side and of one batch of rows, however many there are. With an `encoder`, queries
    and positives that no words gave away are compared by vectors too: queries with queries, positives with relevant
    documents. `clean_out`: a path for each file, where it is written without its leaking rows and those that were
    skipped, every other line byte for byte, whole or not at all; packed when its name ends in .gz.

    Raises DataError by file and line for what cannot be used, InvalidInput when there is no file or no judged query, or
    places to write to are not one for each, or one of them is a training file.
    """
    settings = settings or LeakageSettings()
    if not dataset.queries:
        raise InvalidInput(f"{dataset.name}/{dataset.split} judges no query: there is nothing to hold files against")
    _check(files, clean_out)
    threads = settings.threads
    sides = Sides(
        known_queries(dataset, settings.overlap, threads), known_documents(dataset, settings.overlap, threads), encoder
    )
    if encoder is not None:
        sides.queries.embed(encoder)
        sides.documents.embed(encoder)
    tally = Tally(settings.examples, settings.suspects)
    summaries = []
    with ExitStack() as written:
        # All of them appear when all have been read: a fault in the last file leaves no clean first one behind.
        for place, path in enumerate(files):
            to = written.enter_context(_clean_file(clean_out[place])) if clean_out else None
            summaries.append(_scan(path, sides, settings, tally, to, progress))
    return _report(dataset, summaries, sides, settings, tally)


def _check(files: Sequence[Path], clean_out: Sequence[Path] | None) -> None:
    if not files:
        raise InvalidInput("no training file: name at least one")
    if clean_out is None:
        return
    if len(clean_out) != len(files):
        raise InvalidInput(
            f"{len(files)} training files and {len(clean_out)} places for clean ones: name one for each, in their order"
        )
    read = {path.resolve() for path in files}
    places = [path.resolve() for path in clean_out]
    for path, place in zip(clean_out, places, strict=True):
        if place in read:
            raise InvalidInput(f"{path} is a training file: write the clean one to another place")
        if places.count(place) > 1:
            raise InvalidInput(f"{path} is named twice: give each clean file its own place")


def _scan(
    path: Path, sides: Sides, settings: LeakageSettings, tally: Tally, to: IO[bytes] | None, progress: Progress | None
) -> FileSummary:
    file = TrainingFile(path, settings.names, skip_bad=settings.skip_bad)
    leaking = 0
    for rows in _batches(file):
        found = leaking_rows(rows, str(path), sides, settings, tally)
        leaking += len(found)
        if to is not None:
            to.writelines(row.content for place, row in enumerate(rows) if place not in found)
        if progress:
            progress(f"checking {path.name}", min(file.done, file.size), max(file.size, 1))
    if progress:
        progress(f"checking {path.name}", max(file.size, 1), max(file.size, 1))
    return FileSummary(
        str(path),
        file.sha256,
        file.rows,
        file.skipped,
        leaking,
        {role: sorted(names) for role, names in file.reader.fields.items()},
        sorted(file.reader.ignored),
        file.first_fault,
    )


def _batches(file: TrainingFile) -> Iterator[list[TrainingRow]]:
    rows: list[TrainingRow] = []
    size = 0
    for row in file.read():
        rows.append(row)
        size += len(row.content)
        if len(rows) == _BATCH_ROWS or size >= _BATCH_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


@contextmanager
def _clean_file(path: Path) -> Iterator[IO[bytes]]:
    with write_atomically(path) as stream:
        if path.suffix != ".gz":
            yield stream
            return
        # Without name and time: the same rows give the same bytes.
        with gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed:
            yield cast("IO[bytes]", packed)


def _report(
    dataset: Dataset, files: list[FileSummary], sides: Sides, settings: LeakageSettings, tally: Tally
) -> LeakageReport:
    counts = tally.counts()
    touched = sorted(tally.queries(settings.counted))
    queries = len(sides.queries.ids)
    share = len(touched) / queries
    skipped = sum(file.skipped for file in files)
    return LeakageReport(
        dataset=dataset.name,
        split=dataset.split,
        queries=queries,
        relevant_documents=len(sides.documents.ids),
        rows=sum(file.rows for file in files),
        skipped=skipped,
        leaking_rows=sum(file.leaking_rows for file in files),
        queries_touched=len(touched),
        share_touched=share,
        verdict="leak" if share > settings.limit else "unclear" if skipped else "clean",
        reasons=reasons(counts, len(touched), queries, settings, skipped),
        pairs=dict(counts.items()),
        files=files,
        touched=[sides.queries.ids[place] for place in touched],
        examples=tally.examples(),
        settings=_settings(dataset, sides, settings),
        suspects=tally.suspected(),
    )


def _settings(dataset: Dataset, sides: Sides, settings: LeakageSettings) -> dict[str, Any]:
    model = None
    if sides.encoder is not None:
        bundle = sides.encoder.bundle
        model = {
            "name": bundle.name,
            "fingerprint": bundle.query_fingerprint,
            "cosine": settings.cosine,
            # What the threshold is worth on texts like these.
            "alike_by_chance": {
                "queries": sides.queries.alike_by_chance(settings.cosine, settings.threads),
                "documents": sides.documents.alike_by_chance(settings.cosine, settings.threads),
            },
        }
    return {
        "overlap": asdict(settings.overlap),
        "model": model,
        "counted": list(settings.counted),
        "limit": settings.limit,
        "corpus_hash": dataset.corpus_hash,
        "queries_hash": dataset.queries_hash,
        "qrels_hash": dataset.qrels_hash,
        "versions": {"crossfade": own()},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }

"""The graph of a segment: built after it, from its vectors, and put beside them.

    graph.hnsw     `crossfade.kernels.Graph`'s own format, with its own checksums
    effort.json    how far a walk goes by default: measured against exact search on a sample of the segment

A segment without them is searched exactly; one whose graph is damaged loses it, and gets another.

A build stands as far back as can be. Of a core that a search wants as well a thread at nice 10 has a tenth: a turn of
4 ms in every 40, which is the p99 of searches of a millisecond. At nice 19 it has a seventieth. What is idle it takes
all the same, and where nothing is, it comes nearer, or segments would pile up that are scanned. (SCHED_IDLE was no
better for searches, and stood still beside any program that is not idle, however nice.)
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crossfade.errors import CrossfadeError, DataError, InvalidInput
from crossfade.files import write_atomically
from crossfade.kernels import Effort, Graph, build_graph, open_graph
from crossfade.niceness import behind
from crossfade.store import faults
from crossfade.store.building import building
from crossfade.store.precision import GRAPH_FORMS
from crossfade.store.segment import Segment, sync_directory
from crossfade.store.settings import GraphSettings, HnswSettings
from crossfade.store.types import Metric

log = logging.getLogger(__name__)

GRAPH_FILE, EFFORT_FILE = "graph.hnsw", "effort.json"


@dataclass(frozen=True, slots=True)
class SegmentGraph:
    """`effort`: the `ef` of a search that does not say, and what recall it was measured to have."""

    graph: Graph
    effort: Effort


def build(
    segment: Segment, metric: Metric, hnsw: HnswSettings, settings: GraphSettings, stopped: Callable[[], bool]
) -> SegmentGraph | None:
    """Build, measure and write it; None when `stopped` said so. Raises OSError or InvalidInput of the disk."""

    def work(unwanted: Callable[[], bool]) -> tuple[Graph, Effort] | None:
        def tell(_rows: int) -> None:
            if stopped() or unwanted():
                raise _Stopped

        try:
            graph = build_graph(
                segment.vectors,
                metric=metric,
                m=hnsw.m,
                ef_construction=hnsw.ef_construction,
                form=GRAPH_FORMS[segment.space.precision],
                threads=settings.threads,
                progress=tell,
            )
        except _Stopped:
            return None
        return graph, graph.ef_for_recall(
            hnsw.recall, settings.recall_at, sample=settings.sample, threads=settings.threads
        )

    with building():
        made = behind(settings.niceness, work)
    if made is None:
        return None
    graph, effort = made
    with write_atomically(segment.directory / EFFORT_FILE) as stream:
        content = json.dumps(effort._asdict())
        stream.write(json.dumps({"crc32": zlib.crc32(content.encode()), "effort": content}).encode())
    graph.save(segment.directory / GRAPH_FILE)
    sync_directory(segment.directory)
    faults.passed("graph.written")
    log.info(
        "graph of %d rows: ef %d has recall@%d %.4f (aim %.2f)",
        segment.rows,
        effort.ef,
        settings.recall_at,
        effort.recall,
        hnsw.recall,
    )
    opened = open_of(segment, check=False)
    if opened is not None and not stopped():
        # Or the first search would: a second for a million rows. By one thread: the others' helpers are for searches.
        try:
            opened.graph.prepare(threads=1)
        except CrossfadeError as error:
            log.warning("the first search of a graph will take longer: %s", error)
    return opened


def open_of(segment: Segment, *, check: bool) -> SegmentGraph | None:
    """The segment's graph, mapped; None when it has none. `check`: hold all of it against its checksums.

    One that cannot be used is removed.
    """
    path, effort_path = segment.directory / GRAPH_FILE, segment.directory / EFFORT_FILE
    if not path.exists():
        return None
    try:
        graph = open_graph(path, segment.vectors, verify=check)
        return SegmentGraph(graph, _effort(effort_path))
    except (DataError, InvalidInput) as error:
        log.warning("graph left out, and built again: %s", error)
        remove(segment.directory)
        return None


def check(segment: Segment) -> None:
    """Read the graph whole. Raises DataError or InvalidInput when it does not hold what was written."""
    path = segment.directory / GRAPH_FILE
    if path.exists():
        open_graph(path, segment.vectors, verify=True)
        _effort(segment.directory / EFFORT_FILE)


def _effort(path: Path) -> Effort:
    try:
        signed = json.loads(path.read_text(encoding="utf-8"))
        content: str = signed["effort"]
        if zlib.crc32(content.encode()) != signed["crc32"]:
            raise DataError(path, "its checksum is not the one that it was written with")
        return Effort(**json.loads(content))
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"it does not say how far to walk: {error!r}") from None


def size(directory: Path) -> int:
    """Bytes on the disk of a segment's graph; 0 when it has none."""
    found = 0
    for name in (GRAPH_FILE, EFFORT_FILE):
        with suppress(FileNotFoundError):
            found += (directory / name).stat().st_size
    return found


def remove(directory: Path) -> None:
    """Whoever has it mapped keeps it."""
    for name in (GRAPH_FILE, EFFORT_FILE):
        (directory / name).unlink(missing_ok=True)


class _Stopped(Exception):
    """The store is being closed."""

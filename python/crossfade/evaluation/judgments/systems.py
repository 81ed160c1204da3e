"""Rankings to pool: TREC runs, and the rankings that a comparison's record holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossfade import tables
from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.order import trec_order
from crossfade.evaluation.results import Comparison


@dataclass(frozen=True, slots=True)
class RunSource:
    """A file, and the name of its system; by default the name of the file without its ending."""

    path: Path
    name: str = ""


@dataclass(frozen=True, slots=True)
class System:
    """What one system ranks first: query id to document ids, best first, at most as many as were asked for."""

    name: str
    rankings: Mapping[str, Sequence[str]]


def read_systems(sources: Sequence[RunSource], depth: int) -> list[System]:
    """Read the first `depth` documents of each query from TREC runs (gzipped or not) and records of `crossfade compare`
    (.json), which are two systems each, named after the models.

    Raises DataError for a file that is neither, an evaluation's record, which holds no rankings, and a comparison's
    that shows fewer documents than `depth`. Raises InvalidInput for no file, two systems of one name, and a depth
    below 1.
    """
    if depth < 1:
        raise InvalidInput(f"depth must be 1 or more, not {depth}")
    if not sources:
        raise InvalidInput("no run was given: a pool is made of what systems found")
    systems: dict[str, System] = {}
    for source in sources:
        for system in _read(source, depth):
            if system.name in systems:
                raise InvalidInput(f"two systems are named {system.name!r}: name them apart (NAME=FILE)")
            systems[system.name] = system
    return list(systems.values())


def _read(source: RunSource, depth: int) -> list[System]:
    if source.path.suffix == ".json":
        return _of_record(source, depth)
    run = tables.Run.read_trec(source.path).to_dict()
    rankings = {query_id: [name for name, _ in trec_order(ranking)[:depth]] for query_id, ranking in run.items()}
    return [System(source.name or source.path.name.removesuffix(".gz").rsplit(".", 1)[0], rankings)]


def _of_record(source: RunSource, depth: int) -> list[System]:
    path = source.path
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"not JSON: {error}") from None
    if isinstance(data, Mapping) and "per_query" in data:
        raise DataError(
            path, "an evaluation's record holds no rankings: give the run (crossfade evaluate --run-out FILE)"
        )
    try:
        record = Comparison.from_json(data)
    except InvalidInput as error:
        raise DataError(path, f"not a record of crossfade compare: {error}") from None
    shown = record.settings.get("results_shown", 0)
    if not isinstance(shown, int) or shown < depth:
        raise DataError(path, f"the record shows the first {shown} documents, not {depth}: lower --depth, or give runs")
    base, candidate = (side.model.name for side in (record.base, record.candidate))
    if base == candidate:  # two arms of one model
        base, candidate = f"{base} (base)", f"{candidate} (candidate)"
    prefix = f"{source.name}:" if source.name else ""
    first = {query.query_id: [each.id for each in query.base_results[:depth]] for query in record.queries}
    second = {query.query_id: [each.id for each in query.candidate_results[:depth]] for query in record.queries}
    return [System(f"{prefix}{base}", first), System(f"{prefix}{candidate}", second)]

"""What a comparison will cost, before it begins: time by stage, memory, disk, money.

From counts, from what the cache holds, and from a probe of some seconds at most: each model embeds a sample of the
texts, and the scan is timed on rows that are made up. The probe is a guess, which `forecast.Forecast` corrects as the
work goes on.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.evaluation.arms import Arm
from crossfade.evaluation.compare import ComparisonSettings
from crossfade.evaluation.costs import MOST_QUERIES
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.evaluate import EvaluationSettings
from crossfade.evaluation.forecast import PlannedStage
from crossfade.evaluation.index import ModelEncoder, embed_rows
from crossfade.evaluation.texts import spread, spread_places
from crossfade.evaluation.vector_cache import VectorCache
from crossfade.evaluation.vector_file import HELD_BYTES
from crossfade.kernels import top_k
from crossfade.models.cores import usable_cores
from crossfade.models.types import InputType

_FEW = 500
"""Documents and queries of a data set that needs no plan."""

_PROBE_SECONDS = 0.5
_CROWD_SECONDS = 0.2
_MOST_SAMPLED = 8192
_PROBE_ROWS, _PROBE_ROWS_OF_A_CORE, _PROBE_QUERIES = 131_072, 16_384, 512
_CURVE_STEPS = 256
_SMALL_BATCHES = 1.5  # how much longer a query takes among 64 than among 512
_TEXT_OVERHEAD = 20
"""What a text costs beside its characters, in characters."""

# Seconds on one core of a Xeon of 2024, by what the stages' time grows with; corrected as they run.
_DRAW = 1.2e-9  # a query drawn once, for a test or an interval
_MEASURED = 0.6e-6  # a result that is measured
_RESULT = 1.2e-6  # a result whose place in the other ranking is looked for
_DECIDED = 3e-6  # a result that is hashed, and its share of what the judgments leave open


@dataclass(frozen=True, slots=True)
class Planned:
    """What is compared, and how. `datasets`: by name, guard sets behind the first. `encoders` and `arms`: of the sides
    that are measured. `decides`: under a protocol; `priced`: which has prices, so that throughput is measured."""

    datasets: dict[str, Dataset]
    encoders: dict[str, ModelEncoder | None]
    arms: dict[str, Arm]
    evaluation: EvaluationSettings
    cache: Path | None = None
    comparison: ComparisonSettings = field(default_factory=ComparisonSettings)
    decides: bool = False
    priced: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`memory`: bytes at most, about; `disk`: bytes of vectors in `directory`, None where none are written. `unknown`:
    stages whose time is not known before they run are among them."""

    stages: list[PlannedStage]
    cores: int
    memory: int
    disk: int
    directory: Path | None

    @property
    def seconds(self) -> float:
        return sum(stage.seconds or 0.0 for stage in self.stages)

    @property
    def unknown(self) -> bool:
        return any(stage.seconds is None for stage in self.stages)

    def price(self, cpu_hour: float) -> float:
        """What it costs when its cores do nothing else."""
        return self.seconds / 3600 * self.cores * cpu_hour

    def to_json(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "at_least": self.unknown,
            "cores": self.cores,
            "memory_bytes": self.memory,
            "disk_bytes": self.disk,
        }


def small(planned: Planned) -> bool:
    """Whether it is so little that nobody asks what it costs."""
    return all(len(each.documents) <= _FEW and len(each.queries) <= _FEW for each in planned.datasets.values())


def plan_comparison(planned: Planned) -> Plan:
    """Probe and plan. Raises InvalidInput, naming the directory, where the disk has no room for the vectors."""
    cache = None if planned.cache is None else VectorCache(planned.cache)
    disk, directory = _disk(planned, cache)
    stages: list[PlannedStage] = []
    for name, dataset in planned.datasets.items():
        found = _measuring(name if len(planned.datasets) > 1 else "", dataset, planned, cache)
        if planned.priced and not stages:
            found.append(_throughput(found))
        stages += found
    first = next(iter(planned.datasets.values()))
    cores = planned.evaluation.threads or usable_cores()
    queries, measures = len(first.queries), len(planned.evaluation.measures)
    draws = planned.comparison.permutations + planned.comparison.resamples
    results = 2 * queries * min(planned.evaluation.depth, len(first.documents))
    crowd = _crowding()
    testing = crowd * _DRAW * draws * queries * measures / cores
    stages.append(PlannedStage("testing differences", "", testing, queries * measures, "values", "tests"))
    stages.append(PlannedStage("comparing rankings", "", crowd * _RESULT * results, results, "results", "rankings"))
    if planned.decides:
        stages.append(
            PlannedStage(
                "deciding",
                "",
                crowd * _DECIDED * results + testing,
                results,
                "results",
                "deciding",
            )
        )
    return Plan(stages, cores, _memory(planned), disk, directory)


def _measuring(of: str, dataset: Dataset, planned: Planned, cache: VectorCache | None) -> list[PlannedStage]:
    """The stages of one data set, in the order in which they come."""
    embedding: list[PlannedStage] = []
    searching: list[PlannedStage] = []
    single = 0.0
    known = True
    seen: set[str] = set()
    for side, encoder in planned.encoders.items():
        arm, whose = planned.arms[side], f"{of}, {side}" if of else side
        plain = arm.mode == "dense" and arm.whole and arm.reranker is None
        if encoder is not None and arm.mode != "lexical" and arm.whole:
            stage = _embedding(whose, dataset, encoder, cache)
            if encoder.bundle.document_fingerprint not in seen and stage is not None:
                embedding.append(stage)
            seen.add(encoder.bundle.document_fingerprint)
        if plain and encoder is not None:
            many, alone = _search_seconds(dataset, encoder, planned.evaluation)
            searching.append(PlannedStage("searching", whose, many, len(dataset.queries), "queries", "search"))
            single += alone
        else:
            searching.append(PlannedStage("searching", whose, None, len(dataset.queries), "queries"))
            known = False
    timed = min(len(dataset.queries), planned.evaluation.latency_samples)
    timing = PlannedStage("timing queries", of, single * timed if known else None, timed, "queries", "timing")
    results = len(planned.encoders) * len(dataset.queries) * min(planned.evaluation.depth, len(dataset.documents))
    measuring = PlannedStage("measuring", of, _crowding() * _MEASURED * results, results, "results", "measuring")
    return [*embedding, *searching, timing, measuring]


def _crowding() -> float:
    """How many times longer than on a core of its own this process takes for what no probe times: 1 where nobody else
    works."""
    begin, before = time.perf_counter(), time.thread_time()
    while time.perf_counter() - begin < _CROWD_SECONDS:
        sum(range(2000))
    spent = time.thread_time() - before
    return max((time.perf_counter() - begin) / max(spent, 1e-3), 1.0)


def _throughput(measuring: Sequence[PlannedStage]) -> PlannedStage:
    """Of the first data set's sides: some queries in small batches, and some documents."""
    searching = [stage for stage in measuring if stage.name == "searching"]
    known = [stage.seconds / max(stage.work, 1) for stage in searching if stage.seconds is not None]
    seconds = _SMALL_BATCHES * MOST_QUERIES * sum(known) if len(known) == len(searching) else None
    return PlannedStage("measuring throughput", "", seconds, MOST_QUERIES * len(searching), "queries", "throughput")


def _embedding(of: str, dataset: Dataset, encoder: ModelEncoder, cache: VectorCache | None) -> PlannedStage | None:
    """None where the cache holds all of it."""
    rows, bundle = len(dataset.documents), encoder.bundle
    held = 0
    if cache is not None:
        held = cache.rows_held(bundle.document_fingerprint, dataset.corpus_hash, rows=rows, dimension=bundle.dimension)
    if held >= rows:
        return None
    costs = _costs(dataset.document_lengths, encoder)
    sampled, seconds = _timed(
        rows, lambda places: embed_rows(dataset, spread_places(rows, len(places)), encoder), _PROBE_SECONDS
    )
    pace = seconds / max(float(costs[spread_places(rows, sampled)].sum()), 1.0)
    gone = np.concatenate([[0.0], np.cumsum(costs)])
    curve = np.interp(np.linspace(0, rows, _CURVE_STEPS + 1), np.arange(rows + 1), gone / gone[-1])
    left = float(1 - np.interp(held, np.arange(rows + 1), gone / gone[-1]))
    return PlannedStage(
        "embedding corpus",
        of,
        pace * float(gone[-1]) * left,
        rows - held,
        "documents",
        f"embedding {bundle.document_fingerprint}",
        curve.tolist(),
        held / rows,
    )


def _costs(lengths: NDArray[np.int32], encoder: ModelEncoder) -> NDArray[np.float64]:
    """What each text costs, in characters: no more than the model reads, at five to a token."""
    most = getattr(encoder.bundle, "max_tokens", None)
    read = lengths if most is None else np.minimum(lengths, 5 * most)
    return read.astype(np.float64) + _TEXT_OVERHEAD


def _search_seconds(dataset: Dataset, encoder: ModelEncoder, settings: EvaluationSettings) -> tuple[float, float]:
    """Of all queries together, and of one alone: encoded and searched."""
    rows, queries, dimension = len(dataset.documents), list(dataset.queries.values()), encoder.bundle.dimension
    sampled, seconds = _timed(
        len(queries), lambda places: encoder.encode(spread(queries, len(places)), InputType.QUERY), _PROBE_SECONDS / 2
    )
    encoding = seconds / max(sampled, 1)
    # Rows for every core: a probe that ends before all of them are at work says nothing of how fast they are.
    cores = settings.threads or usable_cores()
    some = _made_up(min(rows, max(_PROBE_ROWS, _PROBE_ROWS_OF_A_CORE * cores)), dimension)
    asked = _made_up(_PROBE_QUERIES, dimension, seed=1)
    depth = min(settings.depth + 1, len(some))
    scale = rows / len(some)

    def scan(count: int) -> float:
        begin = time.perf_counter()
        top_k(asked[:count], some, depth, threads=settings.threads)
        return (time.perf_counter() - begin) * scale

    scan(1)  # the first touch of the memory
    together = min(scan(_PROBE_QUERIES) for _ in range(2)) / _PROBE_QUERIES
    alone = sorted(scan(1) for _ in range(5))[2]
    begin = time.perf_counter()
    encoder.encode(queries[:1], InputType.QUERY)
    return (encoding + together) * len(queries), alone + time.perf_counter() - begin


def _timed(most: int, work: Callable[[range], object], budget: float) -> tuple[int, float]:
    """How many texts were worked on the last time, and how long that took: as many as the budget lets, doubling.

    What the first call of all pays for (a GPU takes half a second to be ready) goes before, untimed.
    """
    count = min(16, most)
    work(range(count))
    while True:
        begin = time.perf_counter()
        work(range(count))
        seconds = time.perf_counter() - begin
        if seconds * 2 > budget or count >= min(most, _MOST_SAMPLED):
            return count, seconds
        count = min(count * 2, most)


def _made_up(rows: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Numbers between -1 and 1 as they come from a hash: rows that resemble each other would be scanned in other time.

    Not NumPy's generators: a Ctrl-C while they are imported is lost in their C code.
    """
    bits = np.arange(rows * dimension, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 % 2**32)
    for shift in (16, 15):
        bits ^= bits >> np.uint32(shift)
        bits *= np.uint32(0x45D9F3B)
    bits ^= bits >> np.uint32(16)
    values: NDArray[np.float32] = bits.astype(np.float32)
    values *= np.float32(2.0**-31)
    values -= np.float32(1.0)
    return values.reshape(rows, dimension)


def _disk(planned: Planned, cache: VectorCache | None) -> tuple[int, Path | None]:
    directory = Path(tempfile.gettempdir()) if cache is None else cache.directory
    needed = 0
    seen: set[tuple[str, str]] = set()
    for dataset in planned.datasets.values():
        for side, encoder in planned.encoders.items():
            if encoder is None or planned.arms[side].mode == "lexical" or not planned.arms[side].whole:
                continue
            bundle, rows = encoder.bundle, len(dataset.documents)
            key = (bundle.document_fingerprint, dataset.corpus_hash)
            size = rows * bundle.dimension * 4
            if key in seen or (cache is None and size <= HELD_BYTES):
                continue
            seen.add(key)
            if cache is None or not cache.reserved(*key, rows=rows, dimension=bundle.dimension):
                needed += size
    if not needed:
        return 0, None
    free = shutil.disk_usage(directory).free
    if needed > free:
        how = "--cache names another place" if cache is not None else "TMPDIR, or --cache, names another place"
        raise InvalidInput(
            f"the vectors take {needed / 1e9:,.2f} GB and {directory} has {free / 1e9:,.2f} GB free: make room there "
            f"({how})"
        )
    return needed, directory


def _memory(planned: Planned) -> int:
    """Bytes at most, about; docs/evaluation.md says what they are of."""
    most = 0
    for dataset in planned.datasets.values():
        rows, queries = len(dataset.documents), len(dataset.queries)
        vectors = {
            e.bundle.document_fingerprint: e.bundle.dimension for e in planned.encoders.values() if e is not None
        }
        mapped = sum(rows * dimension * 4 for dimension in vectors.values())
        runs = 2 * queries * min(planned.evaluation.depth, rows) * 8
        most = max(most, mapped + runs + 300 * rows)
    queries = sum(len(dataset.queries) for dataset in planned.datasets.values())
    by_query = queries * (2000 + 250 * len(planned.evaluation.measures) * 2)
    return most + by_query + (500 << 20)


def durations(plan: Plan) -> Sequence[tuple[str, float | None]]:
    """(what, seconds) of every stage, for people."""
    return [(", ".join(filter(None, (stage.name, stage.of))), stage.seconds) for stage in plan.stages]

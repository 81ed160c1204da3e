"""`crossfade compare` of many queries against many documents, as a process: wall time by stage, memory, and how right
the estimate was after a minute.

100,000 documents and a tenth as many queries; with CROSSFADE_BENCH_ROWS=1000000 the size that the project promises for
two cores, which takes a quarter of an hour and 5 GB of disk in TMPDIR. Data and models are made up (`scale_data`):
static embeddings of 384 dimensions, so that the scan is what takes the time. `--quick` takes 20,000 documents.

The scan's rate is held against NumPy (matmul and argpartition) and faiss IndexFlatIP on the same vectors. These are
timed on a sample of 512 queries and at most 200,000 rows, after the run, and extrapolated: both do the same work for
every query and row. faiss and NumPy give inner products in single precision; ours are rounded once, from double.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.scale_data import DIMENSION, write_data, write_models
from bench.harness import OURS, installed, interleaved, report_values, session
from crossfade.evaluation.vector_file import HEAD_BYTES

ROWS, QUICK_ROWS = 100_000, 20_000
MOST_MEMORY = 6.0  # GB
LEAST_RIGHT = 0.7  # the lesser of estimate and truth over the greater
SAMPLED_QUERIES, SAMPLED_ROWS = 512, 200_000
DEPTH = 100


def compared(place: Path) -> tuple[dict[str, Any], float, float]:
    """The record, seconds in all, and the most memory that the process held, in GB."""
    command = [
        sys.executable, "-m", "crossfade.cli.main", "compare", "--dataset", place / "data", "--base", place / "base",
        "--candidate", place / "candidate", "--cache", place / "cache", "--price-cpu-hour", "0.05",
        "--json", place / "out.json", "--decision", place / "decision.json", "--report", place / "report.html",
    ]  # fmt: skip
    begin = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"crossfade compare ended with {process.returncode}")
    record = json.loads((place / "out.json").read_text())
    return record, time.perf_counter() - begin, used.ru_maxrss / 1e6


def verified(place: Path) -> float:
    """Seconds that `crossfade decision verify` takes."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "crossfade.cli.main", "decision", "verify", str(place / "decision.json")]
    subprocess.run([*command, "--dataset", str(place / "data")], stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - begin


def rivals(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> Mapping[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {"numpy matmul + argpartition": lambda: by_numpy(vectors, queries)}
    if installed("faiss-cpu")["faiss-cpu"] is not None:
        faiss: Any = importlib.import_module("faiss")
        index = faiss.IndexFlatIP(DIMENSION)
        index.add(vectors)
        found["faiss IndexFlatIP"] = lambda: index.search(queries, DEPTH)
    return found


def by_numpy(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.intp]:
    scores = queries @ vectors.T
    return np.argpartition(-scores, DEPTH, axis=1)[:, :DEPTH]


def rates(place: Path, rows: int) -> dict[str, float]:
    """Queries a second against all rows, from the sample."""
    path = next((place / "cache").glob("*.vectors"))
    some = min(rows, SAMPLED_ROWS)
    held = np.fromfile(path, dtype="<f4", count=some * DIMENSION, offset=HEAD_BYTES).reshape(some, DIMENSION)
    # Near rows that are there, as queries are: a scan that drops rows early is as fast as on the data.
    queries = held[:: max(some // SAMPLED_QUERIES, 1)][:SAMPLED_QUERIES].copy()
    queries += np.random.default_rng(4).standard_normal(queries.shape, dtype=np.float32) / DIMENSION**0.5
    seconds = interleaved(rivals(held, queries), rounds=3, budget=60.0)
    return {name: len(queries) / taken * some / rows for name, taken in seconds.items()}


def main() -> int:
    rows = session().rows(ROWS, quick=QUICK_ROWS)
    queries = rows // 10
    title = f"compare {queries:,} queries x {rows:,} documents, {DIMENSION} dimensions, two models"
    if not session().wants(title):
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        write_data(place / "data", rows, queries)
        write_models(place / "base", place / "candidate")
        record, wall, memory = compared(place)
        plan = record["settings"].get("plan", {})
        stages = plan.get("stages", [])
        details = {
            "seconds": wall,
            "load": os.getloadavg()[0],
            "verify, s": verified(place),
            "record, MB": (place / "out.json").stat().st_size / 1e6,
            "decision, MB": (place / "decision.json").stat().st_size / 1e6,
            "planned, s": plan.get("seconds"),
            "stages": {f"{each['stage']} {each['of']}".strip(): each["seconds"] for each in stages},
        }
        print(f"  {wall:.0f} s, {memory:.2f} GB at most; " + json.dumps(details, indent=1))
        report_values(f"{title}: memory", "GB below 6", {OURS: MOST_MEMORY / memory}, {OURS: 1.0}, details=details)
        if (seen := plan.get("seconds_seen_after_a_minute")) is not None:
            taken = plan["seconds_taken"]
            right = min(seen, taken) / max(seen, taken)
            more = {"seen after a minute, s": seen, "taken, s": taken, "planned, s": plan["seconds"]}
            report_values(f"{title}: estimate", "part right", {OURS: right}, {OURS: LEAST_RIGHT}, details=more)
        searching = sum(each["seconds"] or 0.0 for each in stages if each["stage"] == "searching")
        if searching:
            found = {OURS: 2 * queries / searching, **rates(place, rows)}
            least = {OURS: max(rate for name, rate in found.items() if name != OURS)}
            report_values(f"{title}: scan", "queries a second, rivals extrapolated", found, least)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The front end alone, over a model that gives constants: calls a second and the time of a call, one text a call.

One core for the server, one for the load. Beside it gRPC's asyncio server with a servicer that reads the request and
answers as many bytes, and does nothing else: what a front end in Python would have at best.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.harness import installed, report_values, session, skip
from bench.serving import models
from bench.serving.servers import example, running

CONCURRENCIES = (1, 64)
ROUNDS = 5
SERVER_CORE, LOAD_CORE = 0, 1
# Calls a second at 64; microseconds at 1, as their inverse, since more is better here.
LEAST_RATE = 15_000.0
MOST_P50_US = 200.0


def load(command: Path, address: str, concurrency: int, calls: int) -> dict[str, float]:
    pinned = ["taskset", "-c", str(LOAD_CORE), str(command), address, "constant", str(concurrency), str(calls)]
    done = subprocess.run(pinned, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    installed("grpcio")
    title = "front end alone, one core"
    if shutil.which("taskset") is None:
        skip(title, "taskset is not on PATH")
        return 0
    constant, loader = example("constant"), example("load")
    if constant is None or loader is None:
        skip(title, "cargo is not on PATH")
        return 0
    quick = session().quick
    peer: Sequence[str | Path] = [sys.executable, "-m", "bench.serving.peer_grpc_aio"]
    with (
        running([constant, models.minilm().tokenizer_path], core=SERVER_CORE) as ours,
        running(peer, core=SERVER_CORE) as theirs,
    ):
        for concurrency in CONCURRENCIES:
            found: dict[str, list[dict[str, float]]] = {"crossfade": [], "grpc.aio": []}
            for _ in range(1 if quick else ROUNDS):
                for name, server, calls in (("crossfade", ours, 60_000), ("grpc.aio", theirs, 6_000)):
                    some = calls // (10 if quick else 1) // (2 if concurrency == 1 else 1)
                    found[name].append(load(loader, server.address, concurrency, some))
            rates = {name: statistics.median(one["calls_per_second"] for one in all_) for name, all_ in found.items()}
            p50 = {name: statistics.median(one["p50_us"] for one in all_) for name, all_ in found.items()}
            p99 = {name: statistics.median(one["p99_us"] for one in all_) for name, all_ in found.items()}
            least = {"crossfade": LEAST_RATE} if concurrency > 1 else {}
            details = {"p50_us": p50, "p99_us": p99}
            report_values(f"{title}, {concurrency} at once", "calls/s", rates, least, details=details)
            least = {"crossfade": 1e6 / MOST_P50_US} if concurrency == 1 else {}
            inverse = {name: 1e6 / taken for name, taken in p50.items()}
            report_values(f"{title}, {concurrency} at once, 1 / p50", "1/s", inverse, least, details=details)
    return 0


if __name__ == "__main__":
    sys.exit(main())

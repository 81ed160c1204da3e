"""Runs the crates' benches with criterion and keeps its medians: the code by itself, on one thread, out of the cache.

Their place is beside a profiler; the comparison with the peers is in the other benches. Needs cargo and what
`make bench` has fetched, and no network.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.criterion import estimates
from bench.harness import report_values, session, skip
from bench.machine import ROOT

CRATES = ("crossfade-kernels", "crossfade-metrics")


def main() -> int:
    cargo = shutil.which("cargo")
    if cargo is None:
        skip("criterion", "cargo is not on PATH")
        return 0
    crates = [word for crate in CRATES for word in ("-p", crate)]
    settings = ["--quick"] if session().quick else ["--warm-up-time", "1", "--measurement-time", "3"]
    since = time.time()
    command = [cargo, "bench", "--locked", "--offline", *crates, "--", "--noplot", *settings]
    # Criterion's lines are talk here: the table below has the figures.
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
    if done.returncode:
        return done.returncode
    found = sorted(estimates(target(cargo) / "criterion", since), key=lambda one: (one.group, one.elements, one.name))
    for group, members in itertools.groupby(found, key=lambda one: one.group):
        of_group = list(members)
        rates = {one.name: one.elements / one.seconds / 1e6 for one in of_group}
        seconds = {one.name: {"median": one.seconds, "low": one.low, "high": one.high} for one in of_group}
        report_values(f"criterion: {group}", "million/s", rates, {}, details=seconds)
    return 0


def target(cargo: str) -> Path:
    """Where cargo builds."""
    command = [cargo, "metadata", "--no-deps", "--offline", "--format-version", "1"]
    described = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return Path(json.loads(described.stdout)["target_directory"])


if __name__ == "__main__":
    sys.exit(main())

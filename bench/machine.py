"""What a figure was measured on: processor, memory, commit, and the kernels that the BLAS libraries chose."""

from __future__ import annotations

import importlib
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ("OMP_", "OPENBLAS_", "MKL_", "GOMP_", "RAYON_")

# Set on some machines for the sake of old OpenBLAS builds; they keep NumPy's current one from the processor's best
# kernels. What faiss's old one needs is set while it is loaded: see bench.kernels.peers.
PEERS_SLOWED_BY = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

_VECTOR_FLAGS = re.compile(r"(ssse3|sse4_\d|avx\w*|fma|f16c|bmi2|amx\w*|gfni|asimd\w*|fp16|bf16|sve\w*|i8mm)")


def machine() -> dict[str, Any]:
    """Processor, cores, vector instructions, caches, memory and system."""
    info = _cpuinfo()
    flags = info.get("flags", info.get("Features", "")).split()
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "family": info.get("cpu family"),
        "model": info.get("model"),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "flags": sorted(flag for flag in flags if _VECTOR_FLAGS.fullmatch(flag)),
        "virtual": "hypervisor" in flags,
        "caches": _caches(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def label(described: dict[str, Any]) -> str:
    """A machine in a file's name: processor, family, model and cores, such as amd-epyc-25-1-2-cores."""
    parts = (described["cpu"], described["family"], described["model"], described["cores"], "cores")
    text = "-".join(str(part) for part in parts if part is not None)
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", text.lower())).strip("-")


def commit() -> dict[str, Any]:
    """The commit that is checked out and whether files of the project differ from it; None outside a repository."""
    head, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", ".", ":!bench/record")
    return {"commit": head, "dirty": None if status is None else bool(status)}


def settings() -> dict[str, str]:
    """Environment variables that move the peers' speed."""
    return {key: value for key, value in sorted(os.environ.items()) if key.startswith(SETTINGS)}


def blas() -> list[dict[str, Any]]:
    """The BLAS and OpenMP libraries in this process, with the kernels and threads that each has chosen."""
    try:
        pools = importlib.import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return []
    kept = ("internal_api", "version", "architecture", "num_threads")
    found = [
        {"library": Path(pool["filepath"]).name, **{key: pool[key] for key in kept if pool.get(key) is not None}}
        for pool in pools
    ]
    return sorted(found, key=lambda pool: str(pool["library"]))


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _caches() -> dict[str, str]:
    found: dict[str, str] = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()

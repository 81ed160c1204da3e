"""How many CPU cores this process may use, which in a container is not how many the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """The cores this process may run on, cut to the CPU time that its container (cgroup v2) is granted; at least 1."""
    allowed = len(os.sched_getaffinity(0))
    granted = [cores for directory in _own_directories() if (cores := _quota(directory / "cpu.max")) is not None]
    return max(1, min([allowed, *granted]))


def _own_directories() -> list[Path]:
    """The process's cgroup and those around it: each may set a limit."""
    try:
        lines = _OWN_CGROUP.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if own is None:
        return []
    directory = _CGROUPS / own
    return [directory, *(parent for parent in directory.parents if parent.is_relative_to(_CGROUPS))]


def _quota(path: Path) -> int | None:
    """Whole cores of a cpu.max ("200000 100000": microseconds granted in each period); None when it sets no limit."""
    try:
        granted, period = path.read_text(encoding="ascii").split()
        return int(granted) // int(period)
    except (OSError, ValueError):  # no such file, or "max 100000"
        return None

"""A folder of benches that are small and do as they are told, for the tests of the runner."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

HARNESS = Path(__file__).parents[2] / "bench"


def bench_tree(root: Path, **sources: str) -> Path:
    """A copy of the harness with benches of group `fake` only: name to source. Returns the directory `bench`."""
    tree = root / "bench"
    tree.mkdir()
    for path in HARNESS.glob("*.py"):
        shutil.copy(path, tree / path.name)
    (tree / "fake").mkdir()
    (tree / "fake" / "__init__.py").touch()
    for name, source in sources.items():
        (tree / "fake" / f"bench_{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    return tree

"""The house's arrows: who may import whom. An import that runs back up fails here, by file and line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "crossfade"
STATISTICS = {"intervals", "significance", "equivalence", "power", "correlation", "fusion"}
BASE = {"chunking", "errors", "config", "files", "kernels", "lexical", "mapping", "measures", "niceness", "tables"}
BASE |= {"json_kinds", "lookalikes", "overlap", "versions", "wording"}
BASE |= STATISTICS
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "config": {"errors"},
    "files": {"errors"},
    "mapping": {"errors", "files"},
    "kernels": {"errors", "files", "mapping", "_native"},
    "lexical": {"errors", "arguments", "_native"},
    "measures": {"errors", "tables", "_native"},
    "tables": {"errors", "files", "arguments", "_native"},
    "overlap": {"errors", "arguments", "_native"},
    "lookalikes": {"overlap"},
    "arguments": {"errors"},
    "chunking": {"errors", "arguments"},
    "json_kinds": set(),
    "versions": set(),
    "wording": set(),
    "niceness": set(),
    **{room: {"errors", "arguments", "_native"} for room in STATISTICS},
    "models": BASE,
    "store": BASE,
    "ingest": BASE | {"models", "store"},
    "retrieval": BASE | {"models", "store"},
    "evaluation": BASE | {"arguments", "models", "store", "retrieval"},
    "training": BASE | {"models", "store", "retrieval"},
    "report": BASE | {"evaluation.results"},
    "protocol": {"errors", "chunking", "lexical", "store", "_pb"},
    "serving": BASE | {"models", "store", "retrieval", "protocol", "_pb", "_native"},
    "client": BASE | {"store", "protocol", "_pb"},
    "cli": BASE | {"models", "store", "ingest", "retrieval", "evaluation", "training", "report", "serving", "_native"},
    "_pb": set(),
    "__init__": set(),
}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every `crossfade.x.y` that the file imports, at module level or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "relative import"
            elif node.module == "crossfade":
                for alias in node.names:
                    yield node.lineno, f"crossfade.{alias.name}"
            elif node.module:
                yield node.lineno, node.module


def violations(path: Path) -> list[str]:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    found = []
    for line, name in imported(path):
        if name == "relative import":
            found.append(f"{path.name}:{line}: relative import; write it in full")
            continue
        if not name.startswith("crossfade."):
            continue
        target = name.removeprefix("crossfade.")
        if target.split(".")[0] == room or target == "_version":
            continue
        if not any(target == allowed or target.startswith(f"{allowed}.") for allowed in ALLOWED[room]):
            found.append(f"{path.relative_to(PACKAGE)}:{line}: {room} may not import {target}")
    return found


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "_pb")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path: Path) -> None:
    assert violations(path) == []


def test_an_upward_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    (tmp_path / "store").mkdir()
    bad = tmp_path / "store" / "memory.py"
    bad.write_text("def f():\n    from crossfade.serving import server\n    from crossfade import errors\n")
    assert violations(bad) == ["store/memory.py:2: store may not import serving"]


def test_no_assert_in_the_package() -> None:
    """`python -O` removes asserts: user input is checked by errors, invariants by tests."""
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found == []

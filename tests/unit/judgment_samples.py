"""Judgments for tests: rows as files, and a data set to put them into."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossfade.evaluation.beir import write_beir
from crossfade.evaluation.judgments.read import read_judgments
from crossfade.evaluation.judgments.types import Judgments
from crossfade.store.types import Document

DOCUMENTS = [
    Document("d1", "Bread", "Flour, water and yeast."),
    Document("d2", "Bicycle", "Two wheels."),
    Document("d3", "Volcano", "Lava.\nAsh."),
    Document("d4", "=Piano", 'Keys, "black" and white.'),
]
QUERIES = {"q1": "bake a loaf", "q2": "pedals"}


def write_notes(directory: Path) -> Path:
    """A BEIR directory without splits."""
    write_beir(directory, DOCUMENTS, QUERIES, {})
    return directory


def row(query_id: str, document_id: str, judge: str, grade: int | None, **more: str) -> dict[str, Any]:
    return {"query_id": query_id, "document_id": document_id, "judge": judge, "grade": grade, **more}


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return path


def judged(tmp_path: Path, grades: Mapping[str, Mapping[str, int]], models: tuple[str, ...] = ()) -> Judgments:
    """Judge to "query/document" to grade, through a file."""
    rows = [row(*pair.split("/"), judge, grade) for judge, given in grades.items() for pair, grade in given.items()]
    return read_judgments([write_rows(tmp_path / "judged.jsonl", rows)], models=models)

"""What a leakage report, as `crossfade leakage --json` writes it, says against the data of a decision."""

from __future__ import annotations

import hashlib
from pathlib import Path

from crossfade.errors import DataError
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision.evidence import Leakage
from crossfade.evaluation.decision.record import read_json


def read_leakage(path: Path, dataset: Dataset) -> Leakage:
    """A report's reasons against the data set, none where its verdict is clean.

    A report of other queries or judgments is a reason too: it says nothing about these. Raises DataError when the file
    is no such report.
    """
    report = read_json(path)
    if not isinstance(report, dict) or report.get("verdict") not in ("leak", "clean", "unclear"):
        raise DataError(path, 'no leakage report: expected an object whose verdict is "leak", "clean" or "unclear"')
    reasons = report.get("reasons")
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise DataError(path, "no leakage report: reasons must be a list of texts")
    settings = report.get("settings")
    hashes = settings if isinstance(settings, dict) else {}
    blocked = [
        f"The report is of other {what}: look for overlap with these."
        for name, what, there in (
            ("queries_hash", "queries", dataset.queries_hash),
            ("qrels_hash", "judgments", dataset.qrels_hash),
        )
        if hashes.get(name) != there
    ]
    if report["verdict"] != "clean":
        blocked += reasons or [f"The report's verdict is {report['verdict']}."]
    return Leakage(hashlib.sha256(path.read_bytes()).hexdigest(), blocked)

"""Reads a leakage report, as `crossfade leakage --json` writes it, into the evidence of a decision."""

from __future__ import annotations

import hashlib
from pathlib import Path

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.decision.evidence import Leakage, TrainingFile
from crossfade.evaluation.decision.record import read_json
from crossfade.evaluation.leakage import PAIRS, LeakageReport
from crossfade.evaluation.record import decode
from crossfade.overlap import OverlapSettings


def read_leakage(path: Path) -> Leakage:
    """What the report counted, and by which settings. Its own verdict is not looked at: the gate concludes again.

    Raises DataError when the file is no such report, or its counts contradict each other.
    """
    data = read_json(path)
    try:
        report = LeakageReport.from_json(data)
        overlap = decode(OverlapSettings, report.settings.get("overlap"), path="settings.overlap")
    except (InvalidInput, TypeError, AttributeError) as error:
        raise DataError(path, f"no leakage report: {error}") from None
    _check(report, path)
    settings = report.settings
    model = settings.get("model")
    return Leakage(
        report_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        corpus_sha256=str(settings.get("corpus_hash", "")),
        queries_sha256=str(settings.get("queries_hash", "")),
        qrels_sha256=str(settings.get("qrels_hash", "")),
        queries=report.queries,
        queries_touched=report.queries_touched,
        rows=report.rows,
        skipped=report.skipped,
        leaking_rows={pair: counts.total for pair, counts in report.pairs.items()},
        limit=float(settings.get("limit", 0.0)),
        counted=[str(pair) for pair in settings["counted"]],
        overlap=overlap,
        cosine=None if model is None else float(model["cosine"]),
        files=[TrainingFile(each.path, each.sha256, each.rows, each.skipped, each.ignored) for each in report.files],
    )


def _check(report: LeakageReport, path: Path) -> None:
    settings = report.settings
    lacking = [pair for pair in PAIRS if pair not in report.pairs]
    counted = settings.get("counted")
    model = settings.get("model")
    limit = settings.get("limit", 0.0)
    if lacking:
        raise DataError(path, f"no leakage report: pairs lacks {', '.join(lacking)}")
    if not isinstance(counted, list) or any(pair not in PAIRS for pair in counted):
        raise DataError(path, f"no leakage report: settings.counted must be a list of pairs out of {', '.join(PAIRS)}")
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise DataError(path, "no leakage report: settings.limit must be a number")
    if model is not None and not (isinstance(model, dict) and isinstance(model.get("cosine"), int | float)):
        raise DataError(path, "no leakage report: settings.model must have a cosine")
    numbers = {
        "queries": report.queries, "queries_touched": report.queries_touched, "rows": report.rows,
        "skipped": report.skipped,
    }  # fmt: skip
    for name, value in numbers.items():
        if value < 0:
            raise DataError(path, f"no leakage report: {name} is {value}")
    own = [report.pairs[pair] for pair in counted]
    most = max((counts.evaluation_queries for counts in own), default=0)
    unlike = {
        f"queries_touched is {report.queries_touched:,}, and touched names {len(set(report.touched)):,}": len(
            set(report.touched)
        )
        != report.queries_touched,
        f"queries_touched is {report.queries_touched:,}, and one counted pair concerns {most:,}": most
        > report.queries_touched,
        f"{report.queries_touched:,} of {report.queries:,} queries are touched": report.queries_touched
        > report.queries,
        "rows leak, and no query is touched": any(counts.total for counts in own) and not report.queries_touched,
        f"skipped is {report.skipped:,}, and its files say otherwise": sum(each.skipped for each in report.files)
        != report.skipped,
        f"rows is {report.rows:,}, and its files say otherwise": sum(each.rows for each in report.files) != report.rows,
    }
    for contradiction, there in unlike.items():
        if there:
            raise DataError(path, f"the report contradicts itself: {contradiction}; write it again")

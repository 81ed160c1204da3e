"""Reads a diagnosis of the base, as `crossfade diagnose --json` writes it, into the evidence of a decision."""

from __future__ import annotations

import hashlib
from pathlib import Path

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.decision.evidence import DiagnosisRef
from crossfade.evaluation.decision.record import read_json
from crossfade.evaluation.diagnosis.types import Diagnosis
from crossfade.evaluation.record import encode


def read_diagnosis(path: Path) -> DiagnosisRef:
    """What `crossfade diagnose --json` wrote. Raises DataError when it cannot be read, is no diagnosis, or says a query
    twice."""
    data = read_json(path)
    try:
        found = Diagnosis.from_json(data)
    except InvalidInput as error:
        raise DataError(path, f"no diagnosis that can be read: {error}") from None
    causes: dict[str, str] = {}
    for failure in found.failures:
        if failure.query_id in causes:
            raise DataError(path, f"query {failure.query_id!r} failed twice")
        causes[failure.query_id] = failure.cause
    hashes = [found.settings.get(name) for name in ("corpus_hash", "queries_hash", "qrels_hash")]
    if not all(isinstance(each, str) and each for each in hashes):
        raise DataError(path, "settings: it does not say the hashes of its data: diagnose again")
    corpus, queries, qrels = map(str, hashes)
    base = found.baseline
    return DiagnosisRef(
        report_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        corpus_sha256=corpus,
        queries_sha256=queries,
        qrels_sha256=qrels,
        base=base.model.name,
        fingerprint=base.model.fingerprint,
        document_fingerprint=base.model.document_fingerprint,
        retrieval=encode(base.retrieval),
        k=found.k,
        causes=causes,
    )

"""The order in which trec_eval reads a ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from crossfade.errors import InvalidInput

Ties = Literal["float32", "float64"]


def trec_order(ranking: Mapping[str, float], ties: Ties = "float32") -> list[tuple[str, float]]:
    """(document id, score) by score descending, then by document id descending (UTF-8 bytes).

    `ties` says at which precision two scores are equal: float32 as trec_eval 9.0.8, or float64 as newer ones.
    Raises InvalidInput when a score is NaN or infinite.
    """
    scores = np.fromiter(ranking.values(), dtype=np.float64, count=len(ranking))
    if not np.isfinite(scores).all():
        raise InvalidInput("a ranking holds a score that is NaN or infinite: it cannot be ordered")
    with np.errstate(over="ignore"):  # beyond float32 all are equal, as in trec_eval
        compared = scores.astype(np.float32 if ties == "float32" else np.float64).tolist()
    rows = zip(compared, ranking, scores.tolist(), strict=True)
    # Python compares strings by code point, and UTF-8 bytes keep that order.
    return [(document_id, score) for _, document_id, score in sorted(rows, key=lambda row: row[:2], reverse=True)]

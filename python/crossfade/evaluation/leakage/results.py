"""Result types of the search for leaks: what the JSON, the terminal and a decision are drawn from.

The `to_json` forms are public: their keys are the fields' names, plus `schema`. Fields are added with defaults; none is
renamed or removed within a schema version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crossfade.evaluation.leakage.settings import Pair
from crossfade.evaluation.record import LATER, check_schema, decode, encode

LEAKAGE_SCHEMA = 1

Kind = Literal["exact", "normalised", "near", "semantic"]
"""Bytes; the same after Unicode NFKC, case, punctuation and white space; by words; by vectors."""

KINDS: tuple[Kind, ...] = ("exact", "normalised", "near", "semantic")

Measure = Literal["identity", "characters", "phrases", "containment", "cosine"]


@dataclass(frozen=True, slots=True)
class Example:
    """A training text, and the evaluation text that it is a copy of. `line`: of the file, from 1.

    `measure` says what `similarity` is of: for a contradiction, the weaker of its two resemblances. `evaluation_id`: of
    a query or a document. `query_ids`: the evaluation queries that it touches; the first of them.
    """

    pair: Pair
    kind: Kind
    measure: Measure
    similarity: float
    file: str
    line: int
    training_text: str
    evaluation_id: str
    evaluation_text: str
    query_ids: list[str]


@dataclass(frozen=True, slots=True)
class PairCounts:
    """`rows`: training rows by their strongest kind. `evaluation_texts`: queries or documents that have a copy.
    `evaluation_queries`: those that are copied, or have a copied relevant document."""

    rows: dict[str, int]
    evaluation_texts: int
    evaluation_queries: int

    @property
    def total(self) -> int:
        return sum(self.rows.values())


@dataclass(frozen=True, slots=True)
class FileSummary:
    """A training file. `fields`: role to the names of the fields taken as that, "unknown" for those compared as query
    and as positive; `ignored`: names that were passed over.
    `sha256`: of its content, unpacked. `leaking_rows`: of the counted pairs. `first_fault`: of the skipped lines."""

    path: str
    sha256: str
    rows: int
    skipped: int
    leaking_rows: int
    fields: dict[str, list[str]]
    ignored: list[str]
    first_fault: str = ""


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """Training data held against one split.

    `pairs`: every pair of sides that was looked at. `leaking_rows` and `queries_touched` are of the counted ones;
    `touched` names those queries. `verdict`: "unclear" where no leak was found and lines were skipped. `settings`:
    thresholds, limit, hashes, versions, date. `suspects`: where a model looked, the nearest texts below its threshold:
    paraphrases may be among them, and none of them counts.
    """

    dataset: str
    split: str
    queries: int
    relevant_documents: int
    rows: int
    skipped: int
    leaking_rows: int
    queries_touched: int
    share_touched: float
    verdict: Literal["leak", "clean", "unclear"]
    reasons: list[str]
    pairs: dict[str, PairCounts]
    files: list[FileSummary]
    touched: list[str]
    examples: list[Example]
    settings: dict[str, Any] = field(default_factory=dict)
    suspects: list[Example] = field(default_factory=list, metadata=LATER)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values. Raises InvalidInput when a figure is NaN or infinite."""
        return {"schema": LEAKAGE_SCHEMA, **encode(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LeakageReport:
        """Read `to_json`'s form. Raises InvalidInput naming the field that is missing or wrong."""
        check_schema(data, LEAKAGE_SCHEMA)
        return decode(cls, data)

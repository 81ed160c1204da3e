"""Result types of judgments: the record of a merge, and what agreement there is.

The `to_json` forms are public: their keys are the fields' names, plus `schema`. Fields are added with defaults; none is
renamed or removed within a schema version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossfade.evaluation.judgments.types import JudgeKind, JudgmentFile
from crossfade.evaluation.record import check_schema, decode, encode

SCHEMA = 1
"""Version of these records, as in `evaluation/record.py`."""


@dataclass(frozen=True, slots=True)
class Judge:
    """One judge: how many pairs they judged, and whether that went into what was made of it."""

    name: str
    kind: JudgeKind
    judgments: int
    used: bool


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A pair on which those who were merged gave different grades. `merged`: None where it was left out.

    `by`: what decided: the rule, "tie" where the rule left it open, or "adjudicated".
    """

    query_id: str
    document_id: str
    grades: dict[str, int]
    merged: int | None
    by: str
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """How a split came about.

    `pairs` were written, of `queries` queries; `grades` counts them by grade. `undecided` were left out because of a
    tie, `too_few` because fewer than `min_judges` judged them. `absent`: pairs whose document the corpus lacks.
    `qrels_hash` is that of a data set (`Dataset.qrels_hash`), so that a change of the split can be told.
    """

    dataset: str
    split: str
    rule: str
    ties: str
    judges: list[Judge]
    files: list[JudgmentFile]
    pairs: int
    queries: int
    grades: dict[str, int]
    unanimous: int
    single: int
    disagreements: list[Disagreement]
    qrels_hash: str
    adjudicator: str | None = None
    otherwise: str | None = None
    min_judges: int = 1
    included_models: list[str] = field(default_factory=list)
    undecided: int = 0
    too_few: int = 0
    absent: int = 0
    replaced: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {"schema": SCHEMA, **encode(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MergeRecord:
        """Read `to_json`'s form. Raises InvalidInput naming the field that is missing or wrong."""
        check_schema(data, SCHEMA)
        return decode(cls, data)


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A figure over `units` pairs with its bootstrap interval. Where it is None, `undefined` says why; where only the
    interval is, `undefined` says why that is."""

    value: float | None
    ci: tuple[float, float] | None
    units: int
    undefined: str = ""


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two judges on what both judged. `second` may stand for several people: their majority."""

    first: str
    second: str
    percent: Coefficient
    kappa: Coefficient
    kappa_linear: Coefficient
    kappa_quadratic: Coefficient


@dataclass(frozen=True, slots=True)
class GroupAgreement:
    """All people together. `fleiss_judgments`: how many judgments each pair has over which `fleiss` is."""

    percent: Coefficient
    fleiss: Coefficient
    fleiss_judgments: int
    alpha_nominal: Coefficient
    alpha_ordinal: Coefficient
    alpha_interval: Coefficient


@dataclass(frozen=True, slots=True)
class ModelAgreement:
    """A model that judges, against people: their majority (without the pairs on which it is tied), and each."""

    judge: str
    majority: PairAgreement
    pairs: list[PairAgreement]


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """How far judges agree: people among themselves, and each model with them, apart."""

    judges: list[Judge]
    files: list[JudgmentFile]
    grades: list[int]
    units: int
    humans: GroupAgreement
    pairs: list[PairAgreement]
    models: list[ModelAgreement]
    settings: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {"schema": SCHEMA, **encode(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AgreementReport:
        """Read `to_json`'s form. Raises InvalidInput naming the field that is missing or wrong."""
        check_schema(data, SCHEMA)
        return decode(cls, data)

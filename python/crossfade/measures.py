"""Retrieval measures: the door to the Rust metrics.

Measures are spelled as ir-measures spells them and defined as trec_eval defines them:

- `nDCG`, `nDCG@k`: linear gain, discount log2(rank + 1), ideal ranking cut at k too; negative grades gain nothing.
- `AP`, `AP@k`: precision at each relevant document retrieved (within k), over all relevant documents.
- `RR`, `RR@k`: 1 / rank of the first relevant document (within k), else 0.
- `R@k`: relevant documents within k, over all relevant documents. `P@k`: the same, over k.
- `Success@k`: 1 if a relevant document is within k, else 0.
- `Judged`, `Judged@k`: judged documents among those retrieved (within k), over those retrieved (within k).

A document is relevant from grade 1, or from grade N in the form `P(rel=N)@10`, which AP, RR, R, P and Success take.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from crossfade import _native
from crossfade.errors import InvalidInput

Ties = Literal["float32", "float64"]
Missing = Literal["skip", "zero"]

# A comma that no parenthesis still has open.
_COMMA = re.compile(r",(?![^()]*\))")


@dataclass(frozen=True, slots=True)
class MeasureTable:
    """Every measure of every query.

    `values`: float64, shape (queries, measures), read-only. `missing`: judged queries that the run lacks; they are
    rows of zeros under `missing="zero"` and no rows under `missing="skip"`.
    """

    measures: tuple[str, ...]
    query_ids: tuple[str, ...]
    values: NDArray[np.float64]
    missing: tuple[str, ...]

    def mean(self, measure: str) -> float:
        """The mean over queries. Raises InvalidInput when the table lacks the measure."""
        return float(self.values[:, self._column(measure)].mean())

    def means(self) -> dict[str, float]:
        """The mean of every measure."""
        return dict(zip(self.measures, self.values.mean(axis=0).tolist(), strict=True))

    def per_query(self, measure: str) -> dict[str, float]:
        """Query id to value. Raises InvalidInput when the table lacks the measure."""
        return dict(zip(self.query_ids, self.values[:, self._column(measure)].tolist(), strict=True))

    def _column(self, measure: str) -> int:
        name = canonical(measure)
        if name not in self.measures:
            raise InvalidInput(f"measure {name} was not evaluated: this table holds {', '.join(self.measures)}")
        return self.measures.index(name)


def canonical(name: str) -> str:
    """The one spelling of a measure: `canonical("MRR(rel=1)@010") == "RR@10"`.

    NDCG, MAP, MRR, Recall and Precision are read as nDCG, AP, RR, R and P, as ir-measures does. Raises InvalidInput,
    naming the measures there are.
    """
    if not isinstance(name, str):
        raise InvalidInput(f"a measure's name must be a str, not {name!r}")
    return _native.canonical_measure(name)


def parse_list(text: str) -> list[str]:
    """Canonical names from a list with commas, in order, each once: `"nDCG@10, R@100"` to `["nDCG@10", "R@100"]`.

    Raises InvalidInput for a name that cannot be read and for a list without names.
    """
    names = [name for name in _COMMA.split(text) if name.strip()]
    if not names:
        raise InvalidInput(f'{text!r} names no measure: name some with commas between, as in "nDCG@10,R@100"')
    return _unique(names)


def evaluate(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
    measures: Iterable[str],
    *,
    ties: Ties = "float32",
    missing: Missing = "skip",
) -> MeasureTable:
    """Measure `run` (query id to document id to score) against `qrels` (query id to document id to grade).

    Documents are ordered as trec_eval orders them: score descending, then document id descending by UTF-8 bytes.
    `ties="float32"` rounds scores to single precision first, as trec_eval 9.0.8 does; "float64" takes them as they are.

    Queries come in the order of `qrels`. A query without judgments is not evaluated; one whose judgments hold no
    relevant document counts, as 0. `missing` says what becomes of judged queries that the run lacks: "skip" leaves
    them out as trec_eval does, "zero" counts them as 0 as `trec_eval -c` does.

    Raises InvalidInput for a measure that does not exist, a score that is NaN or infinite, a grade that is no whole
    number, no measure at all, and when no query can be evaluated.
    """
    if isinstance(measures, str):
        raise InvalidInput(f"measures must be a list of names, not the str {measures!r}: use parse_list")
    names = _unique(measures)
    if not names:
        raise InvalidInput('no measure was asked for: name at least one, as in ["nDCG@10"]')
    if ties not in get_args(Ties):
        raise InvalidInput(f'ties {ties!r} is not known: use "float32" or "float64"')
    if missing not in get_args(Missing):
        raise InvalidInput(f'missing {missing!r} is not known: use "skip" or "zero"')
    query_ids, values, absent = _native.evaluate(qrels, run, names, ties, missing)
    if not query_ids:
        raise InvalidInput(_nothing_evaluated(qrels, run))
    values.flags.writeable = False
    return MeasureTable(tuple(names), tuple(query_ids), values, tuple(absent))


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(canonical(name) for name in names))


def _nothing_evaluated(qrels: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]) -> str:
    judged = next((query for query, documents in qrels.items() if documents), None)
    if judged is None:
        return "no query can be evaluated: the qrels hold no judgment"
    if not run:
        return 'no query can be evaluated: the run is empty (missing="zero" counts its queries as 0)'
    return (
        f"no query can be evaluated: run and qrels have no query in common (a judged one is {judged!r}, one of the "
        f"run's is {next(iter(run))!r}): check that both name queries alike"
    )

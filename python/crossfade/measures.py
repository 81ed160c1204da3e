"""Retrieval measures: the door to the Rust metrics.

Measures are spelled as ir-measures spells them and defined as trec_eval defines them. R is the number of relevant
documents of a query; docs/measures.md gives each formula, its source and its name in trec_eval.

- `nDCG`, `nDCG@k`: linear gain, discount log2(rank + 1), ideal ranking cut at k too; negative grades gain nothing.
- `AP`, `AP@k`: precision at each relevant document retrieved (within k), over R.
- `RR`, `RR@k`: 1 / rank of the first relevant document (within k), else 0.
- `R@k`: relevant documents within k, over R. `P@k`: the same, over k. `Rprec`: the same for k = R.
- `Success@k`: 1 if a relevant document is within k, else 0.
- `Judged`, `Judged@k`: judged documents among those retrieved (within k), over those retrieved (within k).
- `ERR`, `ERR@k`: expected reciprocal rank, grades 0 to 4. `RBP(p=0.8)`, `RBP(p=0.8)@k`: rank-biased precision.
- `Bpref`, `infAP`: for judgments that are a sample.
- `IPrec@recall`: the greatest precision from the rank that reaches the recall on.
- `SetP`, `SetR`, `SetF(beta=1.0)`, `SetAP`: of the documents retrieved as a set.

A document is relevant from grade 1, or from grade N in the form `P(rel=N)@10`, which all take but nDCG, ERR and Judged.
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
from crossfade.tables import Qrels, Run

Ties = Literal["float32", "float64"]
Missing = Literal["skip", "zero"]

# A comma that no parenthesis still has open.
_COMMA = re.compile(r",(?![^()]*\))")


@dataclass(frozen=True, slots=True)
class Mode:
    """Which trec_eval the values are those of.

    `ties`: the precision at which scores are compared. `missing`: what became of judged queries that the run lacks.
    The least relevant grade is part of a measure's name: 1 unless that says (rel=N).
    """

    ties: Ties
    missing: Missing

    @property
    def trec_eval(self) -> str:
        """The version and options of trec_eval that give these values."""
        version = {"float32": "9.0.8", "float64": "10"}[self.ties]
        return f"trec_eval {version}" + (" -c" if self.missing == "zero" else "")


@dataclass(frozen=True, slots=True)
class MeasureTable:
    """Every measure of every query, and how it was measured.

    `values`: float64, shape (queries, measures), read-only. `missing`: judged queries that the run lacks; they are
    rows of zeros under `missing="zero"` and no rows under `missing="skip"`, which `mode` tells.
    """

    measures: tuple[str, ...]
    query_ids: tuple[str, ...]
    values: NDArray[np.float64]
    missing: tuple[str, ...]
    mode: Mode

    def mean(self, measure: str) -> float:
        """The mean over queries. Raises InvalidInput when the table lacks the measure."""
        return float(self.values[:, self._column(measure)].mean())

    def means(self) -> dict[str, float]:
        """The mean of every measure."""
        return dict(zip(self.measures, self.values.mean(axis=0).tolist(), strict=True))

    def per_query(self, measure: str) -> dict[str, float]:
        """Query id to value. Raises InvalidInput when the table lacks the measure."""
        return dict(zip(self.query_ids, self.column(measure).tolist(), strict=True))

    def column(self, measure: str) -> NDArray[np.float64]:
        """The value of each query, shape (queries,), in the order of `query_ids`. Raises InvalidInput when the table
        lacks the measure.
        """
        return self.values[:, self._column(measure)]

    def _column(self, measure: str) -> int:
        name = canonical(measure)
        if name not in self.measures:
            raise InvalidInput(f"measure {name} was not evaluated: this table holds {', '.join(self.measures)}")
        return self.measures.index(name)


@dataclass(frozen=True, slots=True)
class TieSensitivity:
    """How far the order of tied documents could move each measure.

    `table` holds the values in trec_eval's order, `worst` and `best` the least and greatest values over all orders of
    tied documents, float64, each shaped as the table's values, read-only.
    """

    table: MeasureTable
    worst: NDArray[np.float64]
    best: NDArray[np.float64]

    def means(self) -> dict[str, tuple[float, float, float]]:
        """For every measure the mean over queries: worst, in trec_eval's order, best. Queries are independent, so the
        outer two are the ends of what the mean can be.
        """
        columns = [values.mean(axis=0).tolist() for values in (self.worst, self.table.values, self.best)]
        return dict(zip(self.table.measures, zip(*columns, strict=True), strict=True))


def canonical(name: str) -> str:
    """The one spelling of a measure: `canonical("MRR(rel=1)@010") == "RR@10"`.

    NDCG, MAP, MRR, Recall and Precision are read as nDCG, AP, RR, R and P, as ir-measures does. Raises InvalidInput,
    naming the measures there are.
    """
    if not isinstance(name, str):
        raise InvalidInput(f"a measure's name must be a str, not {name!r}")
    try:
        return _native.canonical_measure(name)
    except UnicodeEncodeError:
        raise InvalidInput(f"a measure's name must be valid Unicode, not {name!r}") from None


def parse_list(text: str) -> list[str]:
    """Canonical names from a list with commas, in order, each once: `"nDCG@10, R@100"` to `["nDCG@10", "R@100"]`.

    Raises InvalidInput for a name that cannot be read and for a list without names.
    """
    names = [name for name in _COMMA.split(text) if name.strip()]
    if not names:
        raise InvalidInput(f'{text!r} names no measure: name some with commas between, as in "nDCG@10,R@100"')
    return _unique(names)


def evaluate(
    qrels: Qrels | Mapping[str, Mapping[str, int]],
    run: Run | Mapping[str, Mapping[str, float]],
    measures: Iterable[str],
    *,
    ties: Ties = "float32",
    missing: Missing = "skip",
) -> MeasureTable:
    """Measure `run` (query id to document id to score) against `qrels` (query id to document id to grade).

    Qrels and Run (`crossfade.tables`) are read as they are; mappings are turned into them first, which takes longer
    than the measuring: build them once when you evaluate more than once.

    Documents are ordered as trec_eval orders them: score descending, then document id descending by UTF-8 bytes.
    `ties="float32"` rounds scores to single precision first, as trec_eval 9.0.8 does; "float64" takes them as they are,
    as trec_eval 10 does. The two versions also differ in how `IPrec` turns a recall into a number of documents.

    Queries come in the order of `qrels`. A query without judgments is not evaluated; one whose judgments hold no
    relevant document counts, as 0. `missing` says what becomes of judged queries that the run lacks: "skip" leaves
    them out as trec_eval does, "zero" counts them as 0 as `trec_eval -c` does.

    Raises InvalidInput for a measure that does not exist, a score that is NaN or infinite, a grade that is no whole
    number, no measure at all, and when no query can be evaluated.
    """
    names, mode = _request(measures, ties, missing)
    qrels, run = _tables(qrels, run)
    query_ids, values, absent = _native.evaluate(qrels.native, run.native, names, ties, missing)
    return _table(names, query_ids, values, absent, mode, qrels, run)


def tie_sensitivity(
    qrels: Qrels | Mapping[str, Mapping[str, int]],
    run: Run | Mapping[str, Mapping[str, float]],
    measures: Iterable[str],
    *,
    ties: Ties = "float32",
    missing: Missing = "skip",
) -> TieSensitivity:
    """Measure as `evaluate` does, and find the best and the worst that other orders of tied documents would give.

    The bounds are exact for every measure, except that those of infAP assume rankings of at most 100,000 documents.
    Takes up to about twice as long as `evaluate`, and raises the same.
    """
    names, mode = _request(measures, ties, missing)
    qrels, run = _tables(qrels, run)
    found, worst, best = _native.tie_bounds(qrels.native, run.native, names, ties, missing)
    worst.flags.writeable = best.flags.writeable = False
    return TieSensitivity(_table(names, *found, mode, qrels, run), worst, best)


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(canonical(name) for name in names))


def _request(measures: Iterable[str], ties: Ties, missing: Missing) -> tuple[list[str], Mode]:
    if isinstance(measures, str):
        raise InvalidInput(f"measures must be a list of names, not the str {measures!r}: use parse_list")
    names = _unique(measures)
    if not names:
        raise InvalidInput('no measure was asked for: name at least one, as in ["nDCG@10"]')
    if ties not in get_args(Ties):
        raise InvalidInput(f'ties {ties!r} is not known: use "float32" or "float64"')
    if missing not in get_args(Missing):
        raise InvalidInput(f'missing {missing!r} is not known: use "skip" or "zero"')
    return names, Mode(ties, missing)


def _tables(
    qrels: Qrels | Mapping[str, Mapping[str, int]], run: Run | Mapping[str, Mapping[str, float]]
) -> tuple[Qrels, Run]:
    return (
        qrels if isinstance(qrels, Qrels) else Qrels.from_dict(qrels),
        run if isinstance(run, Run) else Run.from_dict(run),
    )


def _table(
    names: list[str],
    query_ids: tuple[str, ...],
    values: NDArray[np.float64],
    absent: tuple[str, ...],
    mode: Mode,
    qrels: Qrels,
    run: Run,
) -> MeasureTable:
    if not query_ids:
        raise InvalidInput(_nothing_evaluated(absent, qrels, run))
    values.flags.writeable = False
    return MeasureTable(tuple(names), query_ids, values, absent, mode)


def _nothing_evaluated(absent: tuple[str, ...], qrels: Qrels, run: Run) -> str:
    if not qrels.rows:
        return "no query can be evaluated: the qrels hold no judgment"
    if not len(run):
        return 'no query can be evaluated: the run is empty (missing="zero" counts its queries as 0)'
    return (
        f"no query can be evaluated: run and qrels have no query in common (a judged one is {absent[0]!r}, one of the "
        f"run's is {run.query_ids[0]!r}): check that both name queries alike"
    )

"""The measures against the programs that defined them: trec_eval through pytrec_eval, and ir_measures."""

from __future__ import annotations

import itertools
import math
import re
import shutil
from typing import Any

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import InvalidInput
from crossfade.measures import canonical, evaluate, tie_sensitivity

Qrels = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]

CUTOFFS = [1, 2, 3, 5, 10, 100]
WHOLE = {
    "ndcg": "nDCG",
    "map": "AP",
    "recip_rank": "RR",
    "bpref": "Bpref",
    "infAP": "infAP",
    "Rprec": "Rprec",
    "set_P": "SetP",
    "set_recall": "SetR",
    "set_F": "SetF",
    "set_map": "SetAP",
    "iprec_at_recall": "IPrec",
}
"""Measures of a whole ranking: trec_eval's names and ours."""
# Few documents and few scores, so that nearly every run is full of ties; some scores differ beyond float32 only.
DOCUMENTS = st.text("abAZ09é雪", min_size=1, max_size=2)
SCORES = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 1.0 + 1e-9, 1.0 - 1e-9, -2.0, 1e-30]),
    st.floats(-100, 100, allow_subnormal=False),
)
QUERIES = st.sampled_from([f"q{i}" for i in range(6)])
IDS = st.text("ab09", min_size=1, max_size=2)
# pytrec_eval's nDCG now and then never returns on a query whose grades are all negative, depending on what the process
# evaluated before; tests/unit/test_measures.py has that case.
GRADES = st.dictionaries(DOCUMENTS, st.integers(-1, 4), min_size=1, max_size=12).filter(lambda g: max(g.values()) >= 0)
QRELS = st.dictionaries(QUERIES, GRADES, min_size=1)
RUNS = st.dictionaries(QUERIES, st.dictionaries(DOCUMENTS, SCORES, max_size=15), min_size=1)


# pytrec_eval crashes when the first ranking that a process evaluates is empty; later ones are fine.
pytrec_eval.RelevanceEvaluator({"q": {"d": 1}}, {"map"}).evaluate({"q": {"d": 1.0}})


def trec_eval(qrels: Qrels, run: Run, rel: int) -> dict[str, dict[str, float]]:
    """What pytrec_eval says, by query and by our names."""
    cuts = ",".join(map(str, CUTOFFS))
    wanted = {f"{m}.{cuts}" for m in ("ndcg_cut", "map_cut", "recall", "P", "success")}
    found = pytrec_eval.RelevanceEvaluator(qrels, wanted | WHOLE.keys(), relevance_level=rel).evaluate(run)
    form = "" if rel == 1 else f"(rel={rel})"
    names = {name: ours if name == "ndcg" else f"{ours}{form}" for name, ours in WHOLE.items()}
    del names["iprec_at_recall"]
    names |= {f"iprec_at_recall_{level / 10:.2f}": f"IPrec{form}@{level / 10}" for level in range(11)}
    for k in CUTOFFS:
        names |= {f"map_cut_{k}": f"AP{form}@{k}", f"recall_{k}": f"R{form}@{k}", f"P_{k}": f"P{form}@{k}"}
        names |= {f"success_{k}": f"Success{form}@{k}", f"ndcg_cut_{k}": f"nDCG@{k}"}
    table = {query: {names[name]: values[name] for name in names} for query, values in found.items()}
    for query in table.keys() & {query for query, documents in run.items() if not documents}:
        # It divides 0 by 0 for the interpolated precision of a ranking without documents; we say 0.
        table[query] |= {name: 0.0 for name, value in table[query].items() if math.isnan(value) and "IPrec" in name}
    return table


def cut(documents: dict[str, float], k: int) -> dict[str, float]:
    """The first k of a ranking in trec_eval's order: float32 score, then id, both descending."""
    order = sorted(documents, key=lambda d: (np.float32(documents[d]) + np.float32(0), d.encode()), reverse=True)
    return {document: documents[document] for document in order[:k]}


@settings(max_examples=300, deadline=None)
@given(qrels=QRELS, run=RUNS, rel=st.integers(1, 4))
def test_like_trec_eval(qrels: Qrels, run: Run, rel: int) -> None:
    wanted = trec_eval(qrels, run, rel)
    if not wanted:
        with pytest.raises(InvalidInput, match="no query can be evaluated"):
            evaluate(qrels, run, ["AP"])
        return
    measures = list(next(iter(wanted.values())))
    table = evaluate(qrels, run, measures)
    assert set(table.query_ids) == wanted.keys()
    assert set(table.missing) == qrels.keys() - run.keys()
    for measure in measures:
        found = table.per_query(measure)
        assert found == pytest.approx({query: values[measure] for query, values in wanted.items()}, abs=1e-6), measure
        mean = pytrec_eval.compute_aggregated_measure("map", [values[measure] for values in wanted.values()])
        assert table.mean(measure) == pytest.approx(mean, abs=1e-6), measure
    # -c: queries that the run lacks count as 0.
    everything = evaluate(qrels, run, measures, missing="zero")
    for measure in measures:
        total = sum(values[measure] for values in wanted.values())
        assert everything.mean(measure) == pytest.approx(total / len(qrels), abs=1e-6), measure


def placed(documents: list[str]) -> dict[str, float]:
    """A ranking in this order, without ties."""
    return {document: -float(rank) for rank, document in enumerate(documents)}


@settings(max_examples=150, deadline=None)
@given(qrels=QRELS, run=RUNS, rel=st.integers(1, 4))
def test_double_ties_are_those_of_the_order_by_double_scores(qrels: Qrels, run: Run, rel: int) -> None:
    """trec_eval 10 compares scores as doubles; given that order without ties, 9.0.8 must agree with it."""
    order = {
        query: sorted(documents, key=lambda d: (documents[d] + 0.0, d.encode()), reverse=True)
        for query, documents in run.items()
    }
    wanted = trec_eval(qrels, {query: placed(documents) for query, documents in order.items()}, rel)
    if not wanted:
        return
    # The two versions round the recall of IPrec differently: tests of the Rust crate have that.
    measures = [name for name in next(iter(wanted.values())) if not name.startswith("IPrec")]
    table = evaluate(qrels, run, measures, ties="float64")
    assert table.mode.trec_eval == "trec_eval 10"
    for measure in measures:
        found = {query: values[measure] for query, values in wanted.items()}
        assert table.per_query(measure) == pytest.approx(found, abs=1e-6), measure


@settings(max_examples=60, deadline=None)
@given(
    grades=st.dictionaries(st.sampled_from("abcdefg"), st.integers(-1, 2), min_size=1),
    scores=st.lists(st.sampled_from([1.0, 1.0 + 1e-12, 0.5]), min_size=1, max_size=5),
    rel=st.integers(1, 2),
)
def test_tie_bounds_like_trec_eval_on_every_order(grades: dict[str, int], scores: list[float], rel: int) -> None:
    """Every order of the tied documents, each measured by trec_eval."""
    if max(grades.values()) < 0:
        return
    run = dict(zip("abcdefg", scores, strict=False))
    orders = [
        order
        for order in map(list, itertools.permutations(run))
        if all(np.float32(run[a]) >= np.float32(run[b]) for a, b in itertools.pairwise(order))
    ]
    wanted = [trec_eval({"q": grades}, {"q": placed(order)}, rel)["q"] for order in orders]
    measures = list(wanted[0])
    found = tie_sensitivity({"q": grades}, {"q": run}, measures)
    for column, measure in enumerate(measures):
        values = [value[measure] for value in wanted]
        assert found.worst[0, column] == pytest.approx(min(values), abs=1e-6), measure
        assert found.best[0, column] == pytest.approx(max(values), abs=1e-6), measure
        worst, here, best = found.means()[measure]
        assert worst <= here <= best
        assert here == found.table.mean(measure)


@settings(max_examples=100, deadline=None)
@given(qrels=QRELS, run=RUNS, rel=st.integers(1, 4), beta=st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_weighted_set_f_like_ir_measures(qrels: Qrels, run: Run, rel: int, beta: float) -> None:
    measure = f"SetF(rel={rel},beta={beta})"
    if not qrels.keys() & run.keys():
        return
    evaluator = ir_measures.pytrec_eval.evaluator([ir_measures.parse_measure(measure)], qrels)
    wanted = {metric.query_id: metric.value for metric in evaluator.iter_calc(run)}
    found = evaluate(qrels, run, [measure]).per_query(measure)
    assert found == pytest.approx({query: wanted[query] for query in found}, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    qrels=st.dictionaries(st.sampled_from("1234"), st.dictionaries(IDS, st.integers(-1, 4), min_size=1), min_size=1),
    run=st.dictionaries(st.sampled_from("1234"), st.dictionaries(IDS, SCORES, min_size=1), min_size=1),
)
def test_expected_reciprocal_rank_like_gdeval(qrels: Qrels, run: Run) -> None:
    """TREC's own script, which ir_measures carries; it prints five digits and wants numbered queries."""
    if not shutil.which("perl"):
        pytest.skip("gdeval is a perl script, and there is no perl")
    # It compares scores as doubles; and it says nothing of a query without a relevant document.
    relevant = {query for query, grades in qrels.items() if max(grades.values()) > 0}
    if not relevant & run.keys():
        return
    measures = [f"ERR@{k}" for k in (1, 3, 20)]
    evaluator = ir_measures.gdeval.evaluator([ir_measures.parse_measure(measure) for measure in measures], qrels)
    wanted = {(str(metric.measure), metric.query_id): metric.value for metric in evaluator.iter_calc(run)}
    table = evaluate(qrels, run, measures, ties="float64")
    for measure in measures:
        for query, value in table.per_query(measure).items():
            assert value == pytest.approx(wanted[measure, query] if query in relevant else 0.0, abs=6e-6), measure


@settings(max_examples=100, deadline=None)
@given(qrels=QRELS, run=RUNS, rel=st.integers(1, 4), p=st.sampled_from([0.05, 0.5, 0.8, 0.95]), k=st.integers(1, 9))
def test_rank_biased_precision_like_its_paper(qrels: Qrels, run: Run, rel: int, p: float, k: int) -> None:
    """Moffat and Zobel 2008, equation 4, with binary gains. No program at hand computes it so."""
    shared = [query for query in qrels if query in run]
    if not shared:
        return
    found = evaluate(qrels, run, [f"RBP(rel={rel},p={p})", f"RBP(rel={rel},p={p})@{k}"])
    for column, depth in ((0, 99), (1, k)):
        for row, query in enumerate(shared):
            gains = [qrels[query].get(document, 0) >= rel for document in cut(run[query], depth)]
            assert found.values[row, column] == pytest.approx(
                sum((1 - p) * p**i for i, gain in enumerate(gains) if gain)
            )


@settings(max_examples=150, deadline=None)
@given(qrels=QRELS, run=RUNS, rel=st.integers(1, 4), k=st.sampled_from(CUTOFFS))
def test_reciprocal_rank_at_k_is_that_of_the_ranking_cut_at_k(qrels: Qrels, run: Run, rel: int, k: int) -> None:
    wanted = trec_eval(qrels, {query: cut(documents, k) for query, documents in run.items()}, rel)
    form = "" if rel == 1 else f"(rel={rel})"
    if wanted:
        found = evaluate(qrels, run, [f"RR{form}@{k}"]).per_query(f"RR{form}@{k}")
        assert found == pytest.approx({query: values[f"RR{form}"] for query, values in wanted.items()}, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(qrels=QRELS, run=RUNS)
def test_judged_like_ir_measures(qrels: Qrels, run: Run) -> None:
    """Its provider breaks ties by ascending id and fails on an empty ranking, so the runs have neither here."""
    run = {query: {d: float(i) for i, d in enumerate(documents)} for query, documents in run.items() if documents}
    if not qrels.keys() & run.keys():
        return
    names = ["Judged", *(f"Judged@{k}" for k in CUTOFFS)]
    table = evaluate(qrels, run, names)
    evaluator = ir_measures.providers.JudgedProvider().evaluator([ir_measures.parse_measure(n) for n in names], qrels)
    wanted: dict[tuple[str, str], float] = {(str(m.measure), m.query_id): m.value for m in evaluator.iter_calc(run)}
    for name in names:
        for query, value in table.per_query(name).items():
            assert value == pytest.approx(wanted[name, query], abs=1e-12)


HEADS = [
    *("nDCG", "NDCG", "AP", "MAP", "RR", "MRR", "R", "Recall", "P", "Precision", "Success", "Judged", "ERR", "RBP"),
    *("Bpref", "BPref", "infAP", "Rprec", "RPrec", "SetP", "SetR", "SetF", "SetAP"),
]
NAMES = st.builds(
    lambda head, form, cutoff: f"{head}{form}{cutoff}",
    st.sampled_from(HEADS),
    st.sampled_from(["", "(rel=1)", "(rel=2)", "( rel = 3 )", "(p=0.8)", "(p=0.5)", "(rel=2,p=0.5)", "(beta=2.0)"]),
    st.sampled_from(["", "@1", "@10", "@100"]),
) | st.builds(
    lambda form, level: f"IPrec{form}@{level}",
    st.sampled_from(["", "(rel=1)", "(rel=2)"]),
    st.sampled_from(["0.0", "0.1", "0.25", "0.50", "1.0"]),
)


def read_by_ir_measures(name: str) -> str | None:
    """Its spelling, or None when it does not take the name."""
    try:
        measure: Any = ir_measures.parse_measure(name)
        measure.validate_params()
    except (NameError, AssertionError):
        return None
    return str(measure)


@settings(max_examples=300)
@given(name=NAMES)
def test_names_like_ir_measures(name: str) -> None:
    """A name that both read is spelled alike, but for parameters at their default, which ir_measures keeps."""
    theirs = read_by_ir_measures(name)
    try:
        found = canonical(name)
    except InvalidInput:
        # What it takes and we do not: what trec_eval does not define.
        needs_cutoff = re.match("(R|Recall|P|Precision|Success)(?![a-zA-Z])", name) and "@" not in name
        has_no_rel = re.match("nDCG|NDCG|Judged", name) and "rel" in name
        assert theirs is None or needs_cutoff or has_no_rel
        return
    assert theirs is not None
    # Binary gains are RBP's default here and a parameter there.
    assert found == re.sub(r"\(rel=1\)", "", theirs)
    assert canonical(found) == found

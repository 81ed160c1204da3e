"""The measures against the programs that defined them: trec_eval through pytrec_eval, and ir_measures."""

from __future__ import annotations

from typing import Any

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import InvalidInput
from crossfade.measures import canonical, evaluate

Qrels = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]

CUTOFFS = [1, 2, 3, 5, 10, 100]
# Few documents and few scores, so that nearly every run is full of ties; some scores differ beyond float32 only.
DOCUMENTS = st.text("abAZ09é雪", min_size=1, max_size=2)
SCORES = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 1.0 + 1e-9, 1.0 - 1e-9, -2.0, 1e-30]),
    st.floats(-100, 100, allow_subnormal=False),
)
QUERIES = st.sampled_from([f"q{i}" for i in range(6)])
# pytrec_eval's nDCG now and then never returns on a query whose grades are all negative, depending on what the process
# evaluated before; tests/unit/test_measures.py has that case.
GRADES = st.dictionaries(DOCUMENTS, st.integers(-1, 4), min_size=1, max_size=12).filter(lambda g: max(g.values()) >= 0)
QRELS = st.dictionaries(QUERIES, GRADES, min_size=1)
RUNS = st.dictionaries(QUERIES, st.dictionaries(DOCUMENTS, SCORES, max_size=15), min_size=1)


def trec_eval(qrels: Qrels, run: Run, rel: int) -> dict[str, dict[str, float]]:
    """What pytrec_eval says, by query and by our names."""
    cuts = ",".join(map(str, CUTOFFS))
    wanted = {"ndcg", "map", "recip_rank", *(f"{m}.{cuts}" for m in ("ndcg_cut", "map_cut", "recall", "P", "success"))}
    found = pytrec_eval.RelevanceEvaluator(qrels, wanted, relevance_level=rel).evaluate(run)
    form = "" if rel == 1 else f"(rel={rel})"
    names = {"ndcg": "nDCG", "map": f"AP{form}", "recip_rank": f"RR{form}"}
    for k in CUTOFFS:
        names |= {f"map_cut_{k}": f"AP{form}@{k}", f"recall_{k}": f"R{form}@{k}", f"P_{k}": f"P{form}@{k}"}
        names |= {f"success_{k}": f"Success{form}@{k}", f"ndcg_cut_{k}": f"nDCG@{k}"}
    return {query: {names[name]: values[name] for name in names} for query, values in found.items()}


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


NAMES = st.builds(
    lambda head, form, cutoff: f"{head}{form}{cutoff}",
    st.sampled_from(["nDCG", "NDCG", "AP", "MAP", "RR", "MRR", "R", "Recall", "P", "Precision", "Success", "Judged"]),
    st.sampled_from(["", "(rel=1)", "(rel=2)", "( rel = 3 )"]),
    st.sampled_from(["", "@1", "@10", "@100"]),
)


@given(name=NAMES)
def test_names_like_ir_measures(name: str) -> None:
    """A name that both read is spelled alike, but for parameters at their default, which ir_measures keeps."""
    try:
        found = canonical(name)
    except InvalidInput:
        head = ir_measures.parse_measure(name.split("(")[0].split("@")[0])
        needs_cutoff = head.NAME in ("R", "P", "Success") and "@" not in name
        has_no_rel = head.NAME in ("nDCG", "Judged") and "rel" in name
        assert needs_cutoff or has_no_rel
        return
    theirs: Any = ir_measures.parse_measure(name)
    assert found == str(theirs).replace("(rel=1)", "")
    assert canonical(found) == found

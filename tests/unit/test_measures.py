"""The door to the measures."""

from __future__ import annotations

import math
from collections import UserDict
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from crossfade.errors import InvalidInput
from crossfade.measures import (
    MeasureTable,
    Mode,
    canonical,
    evaluate,
    parse_list,
    tie_sensitivity,
)

QRELS = {"q1": {"a": 2, "b": 0, "c": 1}, "q2": {"a": 1}, "q3": {}, "q4": {"x": 0}, "q5": {"a": 1}}
RUN = {"q2": {"b": 2.0, "a": 1.0}, "q1": {"a": 0.5, "c": 0.25, "z": 0.75}, "q4": {"a": 1.0}, "other": {"a": 1.0}}


def test_values_by_hand() -> None:
    table = evaluate(QRELS, RUN, ["nDCG@2", "AP", "RR", "R@2", "P@2", "P(rel=2)@1", "Success@1", "Judged@3"])
    assert isinstance(table, MeasureTable)
    assert table.query_ids == ("q1", "q2", "q4")
    assert table.missing == ("q5",)
    ideal = 2 + 1 / math.log2(3)
    wanted = [
        [2 / math.log2(3) / ideal, (1 / 2 + 2 / 3) / 2, 1 / 2, 1 / 2, 1 / 2, 0, 0, 2 / 3],
        [1 / math.log2(3), 1 / 2, 1 / 2, 1, 1 / 2, 0, 0, 1 / 2],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(table.values, wanted, atol=1e-15)


def test_values_of_cascades_samples_and_sets_by_hand() -> None:
    qrels = {"q": {"a": 2, "b": 0, "c": 1, "d": -1, "e": 1, "f": 0}}
    run = {"q": {"b": 9.0, "x": 8.0, "a": 7.0, "d": 6.0, "c": 5.0}}
    e = 1e-5
    wanted = {
        "ERR": 3 / 16 / 3 + 13 / 16 * 1 / 16 / 5,
        "ERR@3": 3 / 16 / 3,
        "RBP(p=0.5)": 0.5 * (0.5**2 + 0.5**4),
        "RBP(rel=2,p=0.5)": 0.5 * 0.5**2,
        "RBP@4": 0.2 * 0.8**2,
        "Bpref": (1 - 1 / 2 + 1 - 1 / 2) / 3,
        "infAP": (1 / 3 + 2 / 3 * 1 / 2 * e / (1 + 2 * e) + 1 / 5 + 4 / 5 * 3 / 4 * (1 + e) / (2 + 2 * e)) / 3,
        "Rprec": 1 / 3,
        "IPrec@0.0": 2 / 5,
        "IPrec@0.1": 2 / 5,
        "IPrec(rel=2)@1.0": 1 / 3,
        "IPrec@1.0": 0,
        "SetP": 2 / 5,
        "SetR": 2 / 3,
        "SetF": 2 * 2 / 5 * 2 / 3 / (2 / 5 + 2 / 3),
        "SetF(beta=2.0)": 3 * 2 / 5 * 2 / 3 / (2 * 2 / 5 + 2 / 3),
        "SetAP": 2 / 5 * 2 / 3,
    }
    assert evaluate(qrels, run, wanted).means() == pytest.approx(wanted, abs=1e-15)


def test_a_table_says_how_it_was_measured() -> None:
    assert evaluate(QRELS, RUN, ["AP"]).mode == Mode("float32", "skip")
    assert evaluate(QRELS, RUN, ["AP"]).mode.trec_eval == "trec_eval 9.0.8"
    assert evaluate(QRELS, RUN, ["AP"], ties="float64", missing="zero").mode.trec_eval == "trec_eval 10 -c"


def test_recall_levels_are_rounded_as_the_mode_says() -> None:
    qrels = {"q": {f"r{i}": 1 for i in range(10)}}
    run = {"q": {"r0": 9.0, "x": 8.0, "r1": 7.0}}
    assert evaluate(qrels, run, ["IPrec@0.11"]).mean("IPrec@0.11") == 2 / 3
    assert evaluate(qrels, run, ["IPrec@0.11"], ties="float64").mean("IPrec@0.11") == 1.0


def test_tie_sensitivity() -> None:
    run = {"q1": {"a": 1.0, "b": 1.0 + 1e-9, "z": 1.0, "c": 0.5}, "q2": {"a": 2.0, "b": 1.0}}
    found = tie_sensitivity(QRELS, run, ["RR", "P@1", "SetP"], missing="zero")
    assert found.table.query_ids == ("q1", "q2", "q4", "q5")
    np.testing.assert_array_equal(found.table.values, [[1 / 3, 0, 1 / 2], [1, 1, 1 / 2], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(found.worst, [[1 / 3, 0, 1 / 2], [1, 1, 1 / 2], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(found.best, [[1, 1, 1 / 2], [1, 1, 1 / 2], [0, 0, 0], [0, 0, 0]])
    assert found.means()["P@1"] == (0.25, 0.25, 0.5)
    assert not found.worst.flags.writeable
    assert not found.best.flags.writeable
    # As doubles, b comes first and only a and z tie.
    found = tie_sensitivity(QRELS, run, ["RR"], ties="float64")
    assert (found.worst[0, 0], found.best[0, 0]) == (1 / 3, 1 / 2)
    with pytest.raises(InvalidInput, match="no query in common"):
        tie_sensitivity(QRELS, {"1": {}}, ["RR"])


def test_a_query_with_negative_grades_alone_counts_as_zero() -> None:
    table = evaluate({"q": {"a": -1, "b": -2}}, {"q": {"a": 1.0, "z": 0.5}}, ["nDCG", "nDCG@1", "AP", "R@5", "Judged"])
    assert table.values.tolist() == [[0, 0, 0, 0, 0.5]]


def test_table_by_name() -> None:
    table = evaluate(QRELS, RUN, ["RR", "MAP", "AP"])
    assert table.measures == ("RR", "AP")
    assert table.per_query("MRR") == {"q1": 0.5, "q2": 0.5, "q4": 0.0}
    assert table.column("MRR").tolist() == [0.5, 0.5, 0.0]
    assert table.mean("RR") == pytest.approx(1 / 3)
    assert table.means() == {"RR": table.mean("RR"), "AP": table.mean("AP")}
    assert not table.values.flags.writeable
    with pytest.raises(InvalidInput, match="measure P@5 was not evaluated: this table holds RR, AP"):
        table.mean("P@5")
    with pytest.raises(InvalidInput, match="no measure"):
        table.per_query("F1")


def test_missing_queries_count_only_when_asked() -> None:
    table = evaluate(QRELS, RUN, ["RR"], missing="zero")
    assert table.query_ids == ("q1", "q2", "q4", "q5")
    assert table.missing == ("q5",)
    assert table.mean("RR") == 0.25
    assert evaluate(QRELS, {}, ["RR"], missing="zero").mean("RR") == 0.0
    assert evaluate(QRELS, {"q5": {}}, ["RR", "Judged"]).means() == {"RR": 0.0, "Judged": 0.0}


def test_ties_are_those_of_the_precision_asked_for() -> None:
    run = {"q": {"a": 1.0 + 1e-9, "b": 1.0}}
    assert evaluate({"q": {"a": 1}}, run, ["RR"]).mean("RR") == 0.5
    assert evaluate({"q": {"a": 1}}, run, ["RR"], ties="float64").mean("RR") == 1.0


def test_any_mapping_and_any_number() -> None:
    qrels: Any = UserDict({"q": MappingProxyType({"a": np.int64(1), "b": True})})
    run: Any = MappingProxyType({"q": UserDict({"a": np.float32(0.5), "b": 1})})
    assert evaluate(qrels, run, ("P@2",)).mean("P@2") == 1.0


def test_surprising_ids_are_ids() -> None:
    run = {"": {"": 1.0, "\0": 2.0, "𝄞": 3.0}}
    assert evaluate({"": {"": 1}}, run, ["RR"]).per_query("RR") == {"": 1 / 3}


@pytest.mark.parametrize(
    ("qrels", "run", "part"),
    [
        ({"q": {"a": 1.5}}, RUN, r"qrels\[\"q\"\]\[\"a\"\] must be a whole number that fits 32 bits, not 1.5"),
        ({"q": {"a": 2**31}}, RUN, r"must be a whole number that fits 32 bits, not 2147483648"),
        ({"q": {"a": None}}, RUN, r"must be a whole number"),
        ({"q": {1: 1}}, RUN, r"a document id of qrels\[\"q\"\] must be a str, not 1"),
        ({1: {"a": 1}}, RUN, r"a query id of qrels must be a str, not 1"),
        ({"q": ["a"]}, RUN, r"qrels\[\"q\"\] must be a dict, not list"),
        ([("q", "a", 1)], RUN, r"qrels must be a dict, not list"),
        ({"q\ud800": {"a": 1}}, RUN, r"a query id of qrels is not valid Unicode"),
        (QRELS, {"q1": {"a": "1"}}, r"run\[\"q1\"\]\[\"a\"\] must be a number, not '1'"),
        (QRELS, {"q1": {"a": math.nan}}, r"score of document \"a\" for query \"q1\" is NaN: scores must be finite"),
        (QRELS, {"q1": {"a": -math.inf}}, r"score of document \"a\" for query \"q1\" is -inf"),
        (QRELS, {"q1": {"a\udc00": 1.0}}, r"a document id of run\[\"q1\"\] is not valid Unicode"),
        (QRELS, None, r"run must be a dict, not NoneType"),
        ({}, RUN, r"the qrels hold no judgment"),
        ({"q": {}}, RUN, r"the qrels hold no judgment"),
        (QRELS, {}, r"the run is empty \(missing=\"zero\""),
        (QRELS, {"1": {}}, r"run and qrels have no query in common \(a judged one is 'q1', one of the run's is '1'\)"),
    ],
)
def test_bad_data_is_named(qrels: Any, run: Any, part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        evaluate(qrels, run, ["AP"])


def test_bad_settings_are_named() -> None:
    with pytest.raises(InvalidInput, match="use parse_list"):
        evaluate(QRELS, RUN, "AP")
    with pytest.raises(InvalidInput, match="no measure was asked for"):
        evaluate(QRELS, RUN, [])
    with pytest.raises(InvalidInput, match="the cutoff must be a whole number"):
        evaluate(QRELS, RUN, ["AP@0x"])
    with pytest.raises(InvalidInput, match="ties None is not known"):
        evaluate(QRELS, RUN, ["AP"], ties=None)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InvalidInput, match="missing 'drop' is not known"):
        evaluate(QRELS, RUN, ["AP"], missing="drop")  # type: ignore[arg-type]  # wrong on purpose


def test_canonical_names() -> None:
    assert canonical("MRR(rel=1)@010") == "RR@10"
    with pytest.raises(InvalidInput, match=r"there is no measure \"ndcg\" \(capitals count\)\. There are: nDCG"):
        canonical("ndcg@10")
    with pytest.raises(InvalidInput, match="must be a str, not 10"):
        canonical(10)  # type: ignore[arg-type]  # wrong on purpose


def test_lists_of_names() -> None:
    assert parse_list("nDCG@10, R@100 ,MAP,AP,") == ["nDCG@10", "R@100", "AP"]
    assert parse_list("P(rel=2,rel=3)@5,RR") == ["P(rel=3)@5", "RR"]
    for text in ("", " , ,"):
        with pytest.raises(InvalidInput, match="names no measure"):
            parse_list(text)
    assert parse_list("RBP(rel=2,p=0.5)@5,IPrec@0.1") == ["RBP(rel=2,p=0.5)@5", "IPrec@0.1"]
    with pytest.raises(InvalidInput, match="R needs a cutoff"):
        parse_list("nDCG@10,R")

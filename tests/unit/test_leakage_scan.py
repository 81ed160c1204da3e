"""Training files held against a data set: what is found, counted, shown, left out and refused."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from leakage_samples import clean_rows, planted_dataset, write_rows

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.leakage import COUNTED, PAIRS, LeakageReport, LeakageSettings, find_leakage, gate
from crossfade.store.types import Document

DATA = planted_dataset()
QUERY = DATA.queries["q0"]
RELEVANT = DATA.documents_by_id["d0"]
CLEAN = clean_rows(50)


def scan(path: Path, rows: list[Any], **settings: Any) -> LeakageReport:
    return find_leakage(DATA, [write_rows(path / "train.jsonl", rows)], LeakageSettings(**settings))


def found(report: LeakageReport) -> dict[str, int]:
    return {pair: counts.total for pair, counts in report.pairs.items() if counts.total}


def test_clean_rows_are_clean(tmp_path: Path) -> None:
    report = scan(tmp_path, CLEAN)
    assert (report.verdict, report.rows, report.leaking_rows, report.share_touched) == ("clean", 50, 0, 0.0)
    assert found(report) == {}
    assert gate(report) == []
    assert list(report.pairs) == list(PAIRS)


@pytest.mark.parametrize(
    ("row", "pairs"),
    [
        ({"anchor": QUERY, "positive": "something else altogether"}, {"query-query"}),
        ({"anchor": "who knows", "positive": RELEVANT.content}, {"positive-relevant"}),
        ({"anchor": "who knows", "positive": RELEVANT.text}, {"positive-relevant"}),
        ({"anchor": RELEVANT.text, "positive": "something else"}, {"query-relevant"}),
        ({"anchor": "who knows", "positive": QUERY.upper()}, {"positive-query"}),
        ({"anchor": "who knows", "positive": "this", "negative": RELEVANT.text}, {"negative-relevant"}),
        ({"anchor": QUERY, "negative": RELEVANT.text}, {"query-query", "negative-relevant", "contradiction"}),
        # Document 1 was judged not relevant to query 0, but is relevant to query 1.
        ({"anchor": QUERY, "negative": DATA.documents_by_id["d1"].text}, {"query-query", "negative-relevant"}),
        ({"anchor": "who knows", "text": RELEVANT.text, "title": "T"}, {"positive-relevant"}),
        ({"anchor": "who knows", "output": RELEVANT.text}, {"positive-relevant"}),
        ({"anchor": "who knows", "meta": [{"input": QUERY}]}, {"query-query"}),
        ({"anchor": "who knows", "positive": RELEVANT.text, "score": -0.7}, {"positive-relevant"}),
        ({"anchor": QUERY.replace("e", "é").replace("a", "а"), "positive": "x"}, {"query-query"}),
        # Not relevant to any query.
        ({"anchor": "who knows", "positive": DATA.documents_by_id["d70"].content}, set()),
    ],
)  # fmt: skip
def test_each_pair_of_sides(tmp_path: Path, row: dict[str, str], pairs: set[str]) -> None:
    report = scan(tmp_path, [*CLEAN[:5], row])
    assert found(report) == dict.fromkeys(pairs, 1)
    assert {example.pair for example in report.examples} == pairs
    assert all((example.line, example.file) == (6, str(tmp_path / "train.jsonl")) for example in report.examples)
    leaks = bool(pairs & set(COUNTED))
    assert (report.verdict == "leak", report.leaking_rows) == (leaks, int(leaks))
    assert bool(gate(report)) == leaks


def test_a_row_counts_once_by_its_strongest_kind(tmp_path: Path) -> None:
    rows = [{"query": "x", "pos": [RELEVANT.text.upper(), RELEVANT.text]}, {"query": QUERY.upper()}, {"query": QUERY}]
    report = scan(tmp_path, rows)
    assert report.pairs["positive-relevant"].rows == {"exact": 1, "normalised": 0, "near": 0, "semantic": 0}
    assert report.pairs["query-query"].rows == {"exact": 1, "normalised": 1, "near": 0, "semantic": 0}
    assert report.pairs["query-query"].evaluation_texts == 1
    assert (report.queries_touched, report.touched, report.leaking_rows) == (1, ["q0"], 3)


def test_a_contradiction_is_as_sure_as_its_weaker_half(tmp_path: Path) -> None:
    swapped = " ".join([*QUERY.split()[1:], QUERY.split()[0]])
    report = scan(tmp_path, [{"query": swapped, "neg": [RELEVANT.text]}])
    assert report.pairs["contradiction"].rows["near"] == 1
    (example,) = (each for each in report.examples if each.pair == "contradiction")
    assert (example.kind, example.measure, example.evaluation_id, example.query_ids) == (
        "near", "characters", "d0", ["q0"],
    )  # fmt: skip


def test_a_document_touches_every_query_that_it_is_relevant_to(tmp_path: Path) -> None:
    qrels = {"a": {"d": 1}, "b": {"d": 2}, "c": {"d": 0, "e": 1}}
    texts = {"a": "first question asked", "b": "another thing wanted", "c": "third of them all"}
    documents = [Document("d", "", "a text about mountains and rivers"), Document("e", "", "cakes")]
    data = Dataset("shared", "test", documents, texts, qrels)
    path = write_rows(tmp_path / "t.jsonl", [{"query": "x", "positive": documents[0].text}])
    report = find_leakage(data, [path])
    assert (report.touched, report.share_touched) == (["a", "b"], 2 / 3)
    assert find_leakage(data, [path], LeakageSettings(limit=0.7)).verdict == "clean"
    assert find_leakage(data, [path], LeakageSettings(limit=0.6)).verdict == "leak"
    assert find_leakage(data, [path], LeakageSettings(counted=("query-query",))).verdict == "clean"


def test_the_clean_file_is_the_file_without_the_leaking_lines(tmp_path: Path) -> None:
    lines = [
        b"\xef\xbb\xbf" + json.dumps(CLEAN[0]).encode() + b"\r\n",
        b"\n",
        json.dumps({"query": QUERY}).encode() + b"\n",
        b'  {"query":   "spaced",\t"pos": ["p\\u00e9"]}  \n',
        b"not json\n",
        json.dumps({"query": "a", "neg": [RELEVANT.text]}).encode() + b"\n",
        b'{"query": "the last, without a line end"}',
    ]
    path, out = tmp_path / "train.jsonl", tmp_path / "clean.jsonl"
    path.write_bytes(b"".join(lines))
    report = find_leakage(DATA, [path], LeakageSettings(skip_bad=True), clean_out=[out])
    assert out.read_bytes() == b"".join([lines[0], lines[1], lines[3], lines[5], lines[6]])
    assert (report.rows, report.skipped, report.leaking_rows, report.verdict) == (5, 1, 1, "leak")
    assert f"{path}:5: not JSON" in report.files[0].first_fault
    assert find_leakage(DATA, [out]).verdict == "clean"


def test_where_lines_are_skipped_nothing_is_clean(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "train.jsonl", [*CLEAN, {"query": QUERY, "negative": 3}])
    report = find_leakage(DATA, [path], LeakageSettings(skip_bad=True))
    assert (report.verdict, report.skipped, report.leaking_rows) == ("unclear", 1, 0)
    assert gate(report) == [
        "0 of 60 evaluation queries are touched by the training data (0.00%); none may be.",
        "1 line was skipped, and held against nothing.",
    ]
    assert LeakageReport.from_json(report.to_json()).verdict == "unclear"


@pytest.mark.parametrize(
    "line",
    [
        '{"query": "a", "query": "b"}',
        '{"query": "a", "qu\\u0065ry": "b"}',
        '{"fräge": "a", "query": "a", "fr\\u00e4ge": "b"}',
        '{"query": "a", "pos": [{"text": "p", "text": "r"}]}',
        '{"query": "a", "a/b": "p", "a\\/b": "r"}',
    ],
)
def test_a_name_that_stands_twice_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r":1: '.*' stands twice in one object"):
        find_leakage(DATA, [path])


def test_a_name_may_be_a_text_too(tmp_path: Path) -> None:
    rows = [{"query": "query", "pos": [{"text": "text", "title": "query"}, {"text": "pos"}], "type": "pos"}]
    assert scan(tmp_path, rows).verdict == "clean"


def test_files_may_be_packed(tmp_path: Path) -> None:
    plain = write_rows(tmp_path / "train.jsonl", [*CLEAN, {"query": QUERY}])
    packed = tmp_path / "train.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    out = [tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"]
    report = find_leakage(DATA, [plain, packed], clean_out=out)
    assert (
        gzip.decompress(out[1].read_bytes())
        == out[0].read_bytes()
        == b"".join(plain.read_bytes().splitlines(True)[:-1])
    )
    assert [file.leaking_rows for file in report.files] == [1, 1]
    assert report.files[0].sha256 == report.files[1].sha256
    assert report.rows == 102


def test_nothing_is_written_when_a_line_is_refused(tmp_path: Path) -> None:
    good = write_rows(tmp_path / "good.jsonl", CLEAN)
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b'{"query": "a"}\n{"query": \n')
    outs = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    with pytest.raises(DataError, match=r"bad\.jsonl:2: not JSON"):
        find_leakage(DATA, [good, bad], clean_out=outs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "good.jsonl"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no row that can be used"),
        (b"\n\n", "no row that can be used"),
        (b'{"query": "\xff"}\n', r":1: invalid UTF-8: byte 0xff at column 12"),
        (b'{"query": "\\ud800"}\n', ":1: it holds half a surrogate pair"),
        (b'{"query": "a"}\n{"prompt": "b"}\n', ":2: no field of it is known"),
        (b"\x1f\x8b\x08\x00garbage", "damaged gzip"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        find_leakage(DATA, [path])


def test_only_bad_lines_are_too_few(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"{]\n" * 3)
    with pytest.raises(DataError, match=r"no row that can be used.*the first of 3: .*:1: not JSON"):
        find_leakage(DATA, [path], LeakageSettings(skip_bad=True))
    with pytest.raises(DataError, match="no such file"):
        find_leakage(DATA, [tmp_path / "absent.jsonl"])


def test_places_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "train.jsonl", CLEAN)
    with pytest.raises(InvalidInput, match="no training file"):
        find_leakage(DATA, [])
    with pytest.raises(InvalidInput, match="judges no query"):
        find_leakage(replace(DATA, queries={}, qrels={}), [path])
    with pytest.raises(InvalidInput, match="one for each"):
        find_leakage(DATA, [path], clean_out=[tmp_path / "a", tmp_path / "b"])
    with pytest.raises(InvalidInput, match="is a training file"):
        find_leakage(DATA, [path], clean_out=[path])
    with pytest.raises(InvalidInput, match="named twice"):
        find_leakage(DATA, [path, path], clean_out=[tmp_path / "a", tmp_path / "a"])


def test_the_record_reads_back(tmp_path: Path) -> None:
    report = scan(tmp_path, [*CLEAN, {"query": QUERY, "neg": [RELEVANT.text]}])
    record = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert record["schema"] == 1
    assert LeakageReport.from_json(record) == report
    assert record["settings"]["overlap"]["characters"] == 0.85
    with pytest.raises(InvalidInput, match="version 2, this crossfade reads 1"):
        LeakageReport.from_json({**record, "schema": 2})
    with pytest.raises(InvalidInput, match="verdict"):
        LeakageReport.from_json({**record, "verdict": "perhaps"})
    with pytest.raises(InvalidInput, match="touched: missing"):
        LeakageReport.from_json({key: value for key, value in record.items() if key != "touched"})


def test_a_record_of_version_1_is_read() -> None:
    """The committed sample: whoever changes the format sees here what was promised."""
    sample = json.loads((Path(__file__).parent / "data" / "leakage_1.json").read_text("utf-8"))
    report = LeakageReport.from_json(sample)
    assert (report.verdict, report.touched, report.pairs["contradiction"].rows["near"]) == ("leak", ["q0"], 1)
    assert report.to_json() == sample


def test_the_result_does_not_depend_on_batches_and_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        *CLEAN,
        *({"query": text, "pos": [DATA.documents[row].content]} for row, text in enumerate(DATA.queries.values())),
    ]
    whole = scan(tmp_path, rows, threads=2)
    monkeypatch.setattr("crossfade.evaluation.leakage.scan._BATCH_ROWS", 3)
    parts = scan(tmp_path, rows, threads=1)
    assert replace(parts, settings={}) == replace(whole, settings={})


@pytest.mark.parametrize(
    "change", [{"cosine": 0.0}, {"limit": 1.5}, {"limit": -0.1}, {"examples": -1}, {"counted": ("query-document",)}]
)
def test_settings_that_cannot_be_used_are_refused(change: dict[str, Any]) -> None:
    (name,) = change
    with pytest.raises(InvalidInput, match="no such pair" if name == "counted" else name):
        LeakageSettings(**change)

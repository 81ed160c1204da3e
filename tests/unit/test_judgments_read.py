"""Judgment files: every form reads alike, every fault is named by file and line."""

from __future__ import annotations

import csv
import gzip
import hashlib
from pathlib import Path

import pytest
from judgment_samples import row, write_rows

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.judgments.read import JudgmentSource, read_judgments

ROWS = [
    row("q1", "d1", "anna", 2, note="clear", time="2026-01-31T12:00:00+00:00"),
    row("q1", "d2", "anna", 0),
    row("q1", "d1", "ben", 1),
]
PLAIN = [(("q1", "d1"), "anna", 2), (("q1", "d2"), "anna", 0), (("q1", "d1"), "ben", 1)]


def plain(path: Path, **options: object) -> list[tuple[tuple[str, str], str, int]]:
    return [(each.pair, each.judge, each.grade) for each in read_judgments([path], **options).rows]  # type: ignore[arg-type]


def table(path: Path, delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(
            stream, ["text", "judge", "grade", "query_id", "note", "document_id"], delimiter=delimiter
        )
        writer.writeheader()
        for each in ROWS:
            kept = {key: value for key, value in each.items() if key != "time"}
            writer.writerow({**kept, "text": 'two\nlines, and a "quote"'})
    return path


def test_every_form_reads_alike(tmp_path: Path) -> None:
    lines = write_rows(tmp_path / "a.jsonl", ROWS)
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    for path in (lines, packed, table(tmp_path / "c.csv"), table(tmp_path / "d.tsv", "\t")):
        assert plain(path) == PLAIN
    first = read_judgments([lines]).rows[0]
    assert (first.note, first.time, first.line, first.path) == ("clear", "2026-01-31T12:00:00+00:00", 1, lines)
    assert [each.line for each in read_judgments([tmp_path / "c.csv"]).rows] == [2, 4, 6]


def test_a_beir_file_is_one_judge(tmp_path: Path) -> None:
    for name, header in (("anna.tsv", "query-id\tcorpus-id\tscore\n"), ("ben.tsv", "")):
        (tmp_path / name).write_text(f"{header}q1\td1\t2\nq1\td2\t0\n", encoding="utf-8")
    found = read_judgments([tmp_path / "anna.tsv", JudgmentSource(tmp_path / "ben.tsv", "benjamin")])
    assert found.judges == {"anna": "human", "benjamin": "human"}
    assert [(each.pair, each.judge, each.grade, each.line) for each in found.rows] == [
        (("q1", "d1"), "anna", 2, 2),
        (("q1", "d2"), "anna", 0, 3),
        (("q1", "d1"), "benjamin", 2, 1),
        (("q1", "d2"), "benjamin", 0, 2),
    ]


def test_what_has_no_grade_yet_is_counted(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [*ROWS, row("q2", "d1", "", None), {"query_id": "q", "document_id": "d"}])
    (file,) = read_judgments([path]).files
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (file.name, file.judgments, file.blank, file.sha256) == ("a.jsonl", 3, 2, digest)
    (tmp_path / "b.csv").write_text("query_id,document_id,judge,grade\nq1,d1,anna,\nq1,d2,anna,1\n", encoding="utf-8")
    assert read_judgments([tmp_path / "b.csv"]).files[0].blank == 1


def test_a_judge_for_rows_that_name_none(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [row("q1", "d1", "", 1), row("q1", "d1", "ben", 2)])
    found = read_judgments([JudgmentSource(path, "anna")])
    assert found.grades(["anna", "ben"]) == {("q1", "d1"): {"anna": 1, "ben": 2}}


def test_kinds(tmp_path: Path) -> None:
    rows = [row("q1", "d1", "anna", 1), row("q1", "d1", "m", 1, judge_kind="model"), row("q1", "d2", "m", 1)]
    path = write_rows(tmp_path / "a.jsonl", rows)
    assert read_judgments([path]).judges == {"anna": "human", "m": "model"}
    found = read_judgments([path], models=["anna"])
    assert found.of_kind("model") == ["anna", "m"]
    assert found.of_kind("human") == []
    with pytest.raises(InvalidInput, match="no judge 'x': there are 'anna', 'm'"):
        read_judgments([path], models=["x"])


def test_the_later_one_counts_where_that_is_said(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "a.jsonl", ROWS)
    second = write_rows(tmp_path / "b.jsonl", [row("q1", "d1", "anna", 0)])
    with pytest.raises(DataError, match=r"b\.jsonl:1: judge 'anna' judged document 'd1' .* at .*a\.jsonl:1: keep one"):
        read_judgments([first, second])
    found = read_judgments([first, second], last=True)
    assert found.replaced == 1
    assert found.grades(["anna"]) == {("q1", "d1"): {"anna": 0}, ("q1", "d2"): {"anna": 0}}


def test_progress_is_told_by_lines(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    read_judgments([write_rows(tmp_path / "a.jsonl", ROWS)], progress=lambda *now: told.append(now))
    assert told == [("reading judgments", 1, 3), ("reading judgments", 3, 3)]


def test_a_long_text_beside_a_judgment(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    (tmp_path / "a.csv").write_text(f"query_id,document_id,judge,grade,text\nq,d,anna,1,{'x' * 200_000}\n")
    assert plain(tmp_path / "a.csv") == [(("q", "d"), "anna", 1)]
    assert csv.field_size_limit() == before


HEAD = "query_id,document_id,judge,grade\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"query_id": "q"}\n', ":1: no \"document_id\"; found 'query_id'"),
        ("a.jsonl", '{"query_id": "q", "document_id": 1}\n', ':1: "document_id" is a number; expected a string'),
        ("a.jsonl", '{"query_id": "", "document_id": "d"}\n', ':1: "query_id" is empty'),
        (
            "a.jsonl",
            '{@, "grade": 1.0}\n',
            ':1: "grade" is 1.0; expected',
        ),
        ("a.jsonl", '{@, "grade": true}\n', '"grade" is a boolean'),
        ("a.jsonl", '{@, "grade": "1"}\n', '"grade" is a string'),
        (
            "a.jsonl",
            '{@, "grade": -1}\n',
            ":1: grade -1: expected a whole",
        ),
        ("a.jsonl", '{@, "grade": 3000000000}\n', "grade 3000000000"),
        ("a.jsonl", '{#, "grade": 1}\n', ":1: no judge: fill in the column"),
        ("a.jsonl", '{"query_id": "q", "document_id": "d", "judge": "a\\nb", "grade": 1}\n', "cannot be printed"),
        ("a.jsonl", '{"query_id": "q\\ud800", "document_id": "d", "judge": "a", "grade": 1}\n', "surrogate"),
        (
            "a.jsonl",
            '{@, "grade": 1, "time": "noon"}\n',
            "not ISO 8601",
        ),
        (
            "a.jsonl",
            '{@, "grade": 1, "judge_kind": "cat"}\n',
            "judge_kind 'cat' is not known",
        ),
        ("a.jsonl", "[]\n", ":1: an array; expected a JSON object"),
        ("a.jsonl", "{\n", ":1: not JSON"),
        ("a.csv", "query_id,grade\n", ":1: no column 'document_id' in the first line; found 'query_id', 'grade'"),
        ("a.csv", "", ":1: no column 'query_id' in the first line; found nothing"),
        ("a.csv", f"{HEAD}q,d,a\n", ":2: 3 columns; the first line names 4"),
        ("a.csv", f"{HEAD}q,d,a,good\n", ":2: grade 'good' is not a whole number"),
        ("a.csv", f"{HEAD}q,d,a,1.5\n", ":2: grade '1.5' is not a whole number"),
        ("a.csv", f'{HEAD}q,d,a,"1\n', ":2: not a table of columns"),
        ("a.csv", "query_id,document_id,grade,grade\n", ":1: the column 'grade' is there twice"),
        ("a.csv", b"query_id,document_id,judge,grade\nq,d\xff,a,1\n", ":2: invalid UTF-8"),
        ("a.tsv", "q1\td1\n", "a.tsv:1: "),
        ("a.tsv", "q1\td1\t-1\n", ":1: grade -1"),
        ("a.txt", "q d 1\n", "what the ending '.txt' stands for is not known"),
    ],
)
def test_faults_are_named(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    """In a line, @ stands for a pair with a judge, # for a pair alone."""
    path = tmp_path / name
    if isinstance(content, str):
        pair = '"query_id": "q", "document_id": "d"'
        content = content.replace("@", f'{pair}, "judge": "a"').replace("#", pair)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read_judgments([path])
    assert message in str(caught.value)


def test_kinds_that_differ_are_named(tmp_path: Path) -> None:
    rows = [row("q1", "d1", "m", 1, judge_kind="model"), row("q1", "d2", "m", 1, judge_kind="human")]
    path = write_rows(tmp_path / "a.jsonl", rows)
    with pytest.raises(DataError, match=r"a\.jsonl:2: judge 'm' is a human here and a model at .*a\.jsonl:1: say one"):
        read_judgments([path])
    path = write_rows(tmp_path / "b.jsonl", rows[1:])
    with pytest.raises(DataError, match="is a human here and was named as a model"):
        read_judgments([path], models=["m"])


def test_nothing_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no file of judgments was given"):
        read_judgments([])
    path = write_rows(tmp_path / "a.jsonl", [row("q", "d", "", None)])
    with pytest.raises(InvalidInput, match=r"no judgment in a\.jsonl: none of the 1 rows has a grade yet"):
        read_judgments([path])
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(DataError, match="not a plain file"):
        read_judgments([tmp_path / "folder.jsonl"], progress=print)
    with pytest.raises(DataError, match="no such file"):
        read_judgments([tmp_path / "absent.jsonl"])

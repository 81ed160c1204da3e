"""Merged judgments as a split: what is written, what is refused, and the record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from judgment_samples import QUERIES, judged, row, write_notes, write_rows

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.beir import read_beir
from crossfade.evaluation.judgments.import_split import import_split, record_path
from crossfade.evaluation.judgments.merge import MergeSettings
from crossfade.evaluation.judgments.read import read_judgments
from crossfade.evaluation.judgments.results import MergeRecord

GRADES = {"anna": {"q1/d1": 2, "q1/d2": 0}, "ben": {"q1/d1": 1, "q2/d2": 1}}


def test_a_split_and_its_record(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes")
    record = import_split(judged(tmp_path, GRADES), notes, "pool", MergeSettings(ties="higher"))
    dataset = read_beir(notes, "pool")
    assert dataset.qrels == {"q1": {"d1": 2, "d2": 0}, "q2": {"d2": 1}}
    assert dataset.qrels_hash == record.qrels_hash
    written = json.loads(record_path(notes, "pool").read_text(encoding="utf-8"))
    assert written["schema"] == 1
    assert MergeRecord.from_json(written) == record
    assert (record.dataset, record.split, record.rule, record.ties) == ("notes", "pool", "majority", "higher")
    assert (record.pairs, record.queries, record.single, record.unanimous) == (3, 2, 2, 0)
    assert record.grades == {"0": 1, "1": 1, "2": 1}
    assert [each.name for each in record.files] == ["judged.jsonl"]
    with pytest.raises(InvalidInput, match=r"schema: this record has version 2, this crossfade reads 1"):
        MergeRecord.from_json({**written, "schema": 2})


def test_a_split_that_is_there_stays(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes")
    import_split(judged(tmp_path, GRADES), notes, "pool")
    other = judged(tmp_path, {"anna": {"q2/d1": 1}})
    with pytest.raises(InvalidInput, match="split 'pool' is there already: give another name, or --replace it"):
        import_split(other, notes, "pool")
    assert read_beir(notes, "pool").qrels.keys() == QUERIES.keys()
    import_split(other, notes, "pool", replace=True)
    assert read_beir(notes, "pool").qrels == {"q2": {"d1": 1}}


def test_what_the_data_set_lacks_is_named_by_line(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes")
    rows = [row("q1", "d1", "anna", 1), row("q1", "d9", "anna", 1), row("q1", "d8", "anna", 1)]
    judgments = read_judgments([write_rows(tmp_path / "a.jsonl", rows)])
    with pytest.raises(DataError, match=r"a\.jsonl:2: judged document 'd9' is not in the corpus.*; 1 more such"):
        import_split(judgments, notes, "pool")
    assert not (notes / "qrels" / "pool.tsv").exists()
    assert not record_path(notes, "pool").exists()
    assert import_split(judgments, notes, "pool", allow_absent=True).absent == 2
    strange = read_judgments([write_rows(tmp_path / "b.jsonl", [row("q7", "d1", "anna", 1)])])
    with pytest.raises(DataError, match=r"b\.jsonl:1: query 'q7' is not in queries\.jsonl"):
        import_split(strange, notes, "other", allow_absent=True)


def test_no_data_set_and_no_name(tmp_path: Path) -> None:
    judgments = judged(tmp_path, GRADES)
    with pytest.raises(DataError, match="no such directory"):
        import_split(judgments, tmp_path / "nowhere", "pool")
    notes = write_notes(tmp_path / "notes")
    for name in ("a/b", "", ".", "..", "a\n"):
        with pytest.raises(InvalidInput, match=r"split '.*' cannot be a file's name"):
            import_split(judgments, notes, name)

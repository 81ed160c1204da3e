"""A report is written as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_samples import comparison

from crossfade.errors import InvalidInput
from crossfade.report import render, write

RECORD = comparison("ship", count=4)


def test_it_writes_what_render_gives(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    write(RECORD, path)
    assert path.read_bytes().decode() == render(RECORD)
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_report_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write(RECORD, str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_bad_record_leaves_the_old_report(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(InvalidInput):
        write({**RECORD, "verdict": "maybe"}, path)
    assert path.read_text(encoding="utf-8") == "old"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot write .*report\.html: No such file or directory"):
        write(RECORD, tmp_path / "absent" / "report.html")

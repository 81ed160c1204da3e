"""A report is written as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from report_samples import comparison

from crossfade.errors import InvalidInput
from crossfade.report import output, render, write

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


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_a_failure_leaves_the_old_report_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(RECORD, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "latest.html").symlink_to(tmp_path / "real" / "report.html")
    write(RECORD, tmp_path / "latest.html")
    assert (tmp_path / "latest.html").is_symlink()
    assert (tmp_path / "real" / "report.html").is_file()


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        output.write_atomically(pipe, "small")
        assert os.read(reader, 100) == b"small"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_directory_or_a_missing_folder_is_the_systems_own_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write(RECORD, tmp_path)
    with pytest.raises(FileNotFoundError):
        write(RECORD, tmp_path / "absent" / "report.html")

"""Outputs appear whole or not at all, and a place that cannot be written is found out first."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from crossfade.errors import InvalidInput
from crossfade.files import check_writable, remove_tree, write_atomically


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"before")

    def fail() -> None:
        with write_atomically(target) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with write_atomically(target) as stream:
        stream.write(b"half")
        stream.flush()
        assert not target.exists()
        stream.write(b" and half")
    assert target.read_bytes() == b"half and half"


def test_permissions_are_the_umasks(tmp_path: Path) -> None:
    with write_atomically(tmp_path / "out") as stream:
        stream.write(b"x")
    (tmp_path / "plain").write_bytes(b"x")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with write_atomically(tmp_path / "link") as stream:
        stream.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    check_writable(pipe)
    with write_atomically(pipe) as stream:
        stream.write(b"through")
    reader.join(timeout=30)
    assert read == [b"through"]
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("", "it is a directory"),
        ("missing/out", "there is no directory"),
        ("file/out", "there is no directory"),
    ],
)
def test_what_cannot_be_written_is_known_beforehand(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=reason):
        check_writable(tmp_path / place)


def test_a_folder_that_takes_no_file_is_known_beforehand() -> None:
    """/proc takes no file from anybody, not even from root."""
    with pytest.raises(InvalidInput, match=r"cannot write /proc/out: .+; choose another place"):
        check_writable(Path("/proc/out"))
    with pytest.raises(InvalidInput, match="cannot write /proc/out"), write_atomically(Path("/proc/out")):
        pass


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_and_nothing_is_left() -> None:
    with pytest.raises(InvalidInput, match="cannot write /dev/full: No space left on device"):
        write_to_full_device()


def write_to_full_device() -> None:
    with write_atomically(Path("/dev/full")) as stream:
        stream.write(b"x" * 100_000)


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_a_late_failure_leaves_the_old_file_and_nothing_else(
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
    with pytest.raises(InvalidInput, match="No space left"), write_atomically(path) as stream:
        stream.write(b"new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_tree_goes_with_all_that_is_in_it_and_links_lead_nowhere(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept", encoding="utf-8")
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "empty").mkdir()
    for name in ("x", "a/x", "a/b/x"):
        (tree / name).write_text(name, encoding="utf-8")
    (tree / "link").symlink_to(kept)
    (tree / "a" / "file").symlink_to(kept / "file")
    (tree / "a" / "nowhere").symlink_to(tmp_path / "nothing")
    other = tmp_path / "other"
    other.symlink_to(kept)
    for path in (tree, tmp_path / "never there", other):
        remove_tree(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "other"]
    assert (kept / "file").read_text(encoding="utf-8") == "kept"


def test_a_tree_that_cannot_go_stays_without_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").touch()
    (tmp_path / "a" / "y").touch()

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        remove_tree(tmp_path / "a")
    assert (tmp_path / "a" / "b" / "x").exists()
    assert (tmp_path / "a" / "y").exists()

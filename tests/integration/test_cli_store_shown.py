"""What `crossfade store` shows of a store: what was not searched, nothing that a terminal obeys, and nothing broken."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ingest_samples import FINGERPRINT, lines, with_vectors
from rich.cells import cell_len

from crossfade.cli.main import run
from crossfade.cli.output import table_console
from crossfade.cli.store_hits import show_hits
from crossfade.store.database import FILE

Capture = pytest.CaptureFixture[str]
LONG = "cf1-" + "0123456789abcdef" * 2


@pytest.fixture
def store(tmp_path: Path, capsys: Capture) -> Path:
    path = tmp_path / "store"
    done(capsys, "create", path, "c", "--dimension", 2, "--fingerprint", FINGERPRINT, "--metric", "ip")
    done(capsys, "ingest", path, "c", lines(tmp_path / "a", with_vectors(2)), "--fingerprint", FINGERPRINT)
    return path


def done(capsys: Capture, *arguments: object) -> tuple[str, str]:
    """What a command that succeeds says on stdout, and on stderr."""
    assert run(["store", *(str(argument) for argument in arguments)]) == 0, capsys.readouterr().err
    found = capsys.readouterr()
    return found.out, found.err


def searched(capsys: Capture, store: Path, text: str = "text") -> tuple[dict[str, Any], str, str]:
    """A search by words: what it says as JSON, as text, and beside that."""
    arguments = ("search", store, "c", text, "--mode", "lexical")
    return json.loads(done(capsys, *arguments, "--json")[0]), *done(capsys, *arguments)


def refused(capsys: Capture, *arguments: object) -> str:
    assert run(["store", *(str(argument) for argument in arguments)]) == 2
    return capsys.readouterr().err


def test_pending_is_said(store: Path, capsys: Capture) -> None:
    assert searched(capsys, store)[0].keys() == {"collection", "pending", "incomplete", "hits"}
    done(capsys, "version", "create", store, "c", "--dimension", 2, "--fingerprint", "other")
    done(capsys, "version", "switch", store, "c", 2, "--force")
    found, text, talk = searched(capsys, store)
    assert (found["pending"], found["incomplete"], text) == (2, False, "")
    assert "crossfade: no hits\n" in talk
    assert "crossfade: pending: the index version that was searched lacks 2 documents" in talk


def test_incomplete_is_said(store: Path, capsys: Capture) -> None:
    with sqlite3.connect(store / FILE) as connection:
        (table,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'documents%' AND type = 'table'"
        ).fetchone()
        changed = connection.execute(f"UPDATE {table} SET text = 'text X' WHERE id = 'd1'")
        assert changed.rowcount == 1
    connection.close()
    found, text, talk = searched(capsys, store)
    assert found["incomplete"]
    assert [hit["id"] for hit in found["hits"]] == ["d0"]
    assert "d1" not in text
    assert "crossfade: incomplete: something of the collection is damaged" in talk


def test_a_hit_that_was_damaged_since_is_shown_without_its_document(capsys: Capture) -> None:
    show_hits([{"id": "d1", "title": None, "text": None, "span": None, "score": 1.0}], 80)
    assert capsys.readouterr().out == "  1  1.0000  d1  (its document is damaged)\n"


def test_no_hits_are_said_on_stderr(store: Path, capsys: Capture) -> None:
    found, text, talk = searched(capsys, store, "nonesuch")
    assert (found["hits"], text, talk) == ([], "", "crossfade: no hits\n")


def test_a_document_commands_no_terminal(store: Path, tmp_path: Path, capsys: Capture) -> None:
    evil = {"_id": "e\x1b[2J", "title": "a\x9b31m\u202e", "text": "zebra \x1b]0;x\x07", "vector": [1, 2]}
    done(capsys, "ingest", store, "c", lines(tmp_path / "b", [evil]), "--fingerprint", FINGERPRINT)
    found, text, _ = searched(capsys, store, "zebra")
    assert [hit["id"] for hit in found["hits"]] == [evil["_id"]]
    assert text.rstrip("\n").isprintable()
    assert r"e\x1b[2J  a\x9b31m\u202e  zebra \x1b]0;x\x07" in text


def test_tables_obey_no_cell(capsys: Capture) -> None:
    from rich.table import Table

    table = Table("a\x1b[2J")
    table.add_row("b\x1b[31m")
    table_console().print(table)
    table_console().print("one\ntwo\x1b[2J")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"b\x1b[31m" in out
    assert "one\ntwo\\x1b[2J\n" in out


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_hits_keep_to_the_width_and_ids_are_whole(capsys: Capture, width: int) -> None:
    def hit(name: str, title: str, text: str) -> dict[str, Any]:
        return {"id": name, "title": title, "text": text, "span": None, "score": 0.5}

    names = ["a", "文書一", "x" * 30, "y" * 300]
    hits = [hit(name, title, "wörter 文字 " * 99) for name, title in zip(names, ["", "T", "t" * 99, "x"], strict=True)]
    show_hits(hits, width)
    out = capsys.readouterr().out.splitlines()
    assert all(any(name in line for line in out) for name in names)
    texts = [line for line in out if not any(name in line for name in names[2:])]
    assert all(cell_len(line) <= max(width, 5 + 24) for line in texts if "..." in line)
    assert sum(line.endswith("...") for line in out) == 4
    if width >= 80:
        first, second = (cell_len(line[: line.index(sign)]) for line, sign in zip(out, ["wö", "T"], strict=False))
        assert first == second  # texts stand below each other


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_fingerprints_are_never_broken(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    store = tmp_path / "store"
    done(capsys, "create", store, "a-collection-of-some-length", "--dimension", 384, "--fingerprint", LONG)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    for arguments in (("list", store), ("version", "list", store, "a-collection-of-some-length")):
        out, _ = done(capsys, *arguments)
        assert sum(LONG in line for line in out.splitlines()) == 1
        if columns == "80":
            assert max(map(len, out.splitlines())) <= 80


def test_drop_names_the_aliases_that_go(store: Path, capsys: Capture) -> None:
    done(capsys, "create", store, "d", "--dimension", 2, "--fingerprint", FINGERPRINT)
    for alias, name in (("now", "c"), ("next", "c"), ("other", "d")):
        done(capsys, "alias", "set", store, alias, name)
    out, talk = done(capsys, "drop", store, "c")
    assert out == "dropped c: 2 documents, and aliases next, now\n"
    assert talk == "crossfade: c goes, and aliases next, now\n"
    assert json.loads(done(capsys, "drop", store, "d", "--json")[0]) == {
        "dropped": "d",
        "documents": 0,
        "aliases": ["other"],
    }


def test_a_version_of_the_same_vectors_is_told(store: Path, capsys: Capture) -> None:
    words = ("version", "create", store, "c", "--dimension", 2, "--fingerprint")
    assert done(capsys, *words, "other")[1] == ""
    told = done(capsys, *words, FINGERPRINT)[1]
    assert told.startswith("crossfade: version 1 holds these vectors already: a query adapter needs no new version (")
    assert f"crossfade store version drop {store} c 3 takes this one back" in told


@pytest.mark.parametrize(
    ("arguments", "path"),
    [(("ingest", "s", "c"), "store ingest"), (("version", "create"), "store version create"), (("nope",), "store")],
)
def test_usage_errors_name_their_own_help(capsys: Capture, arguments: tuple[str, ...], path: str) -> None:
    assert refused(capsys, *arguments).endswith(f"(see crossfade {path} --help)\n")


def test_a_single_document_is_one(store: Path, tmp_path: Path, capsys: Capture) -> None:
    path = lines(tmp_path / "b", with_vectors(1, 7))
    out, _ = done(capsys, "ingest", store, "c", path, "--fingerprint", FINGERPRINT)
    assert out.startswith("1 document: 1 added, 0 replaced; 1 row\n")
    out, _ = done(capsys, "ingest", store, "c", path, "--fingerprint", FINGERPRINT)
    assert out == "nothing to do: the 1 document is in (--restart takes them again)\n"


def test_a_job_run_again_names_its_rejects(store: Path, tmp_path: Path, capsys: Capture) -> None:
    path, rejects = lines(tmp_path / "b", [*with_vectors(2, 7), "{"]), tmp_path / "rejects"
    ingest: Callable[..., tuple[str, str]] = lambda *more: done(  # noqa: E731
        capsys, "ingest", store, "c", path, "--fingerprint", FINGERPRINT, *more
    )
    ingest("--skip-bad", rejects)
    assert ingest()[0] == (
        "nothing to do: all 2 documents are in (--restart takes them again); "
        f"of the sources 1 left out: see {rejects}\n"
    )

"""docs/store.md: every command line is run, in its order; every limit is the one in force."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ingest_samples import lines
from tiny_models import Tiny, write_model

from crossfade.cli.main import run
from crossfade.config import Settings
from crossfade.errors import InvalidInput
from crossfade.ingest import job
from crossfade.models.importing import import_model
from crossfade.store import CollectionSettings, HnswSettings, checks, writes
from crossfade.store.database import FILE, LOCK_FILE

TEXT = (Path(__file__).parents[2] / "docs" / "store.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]

NOTES = [
    {"_id": "n1", "title": "Bread", "text": "The dough rests by the file. Read a line. Open it.", "lang": "en"},
    {"_id": "n2", "text": "Der Teig ruht.", "lang": "de", "published": "2026-01-31"},
]


def vectors(names: list[str]) -> list[dict[str, object]]:
    return [
        {"id": name, "text": f"text {name}", "vector": [1.0, 0.5, -1.0, float(at)]} for at, name in enumerate(names)
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page's commands find."""
    import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "models" / "base")
    lines(tmp_path / "notes.jsonl", NOTES)
    rows = vectors(["a", "b"])
    columns = {key: [row[key] for row in rows] for key in ("id", "text", "vector")}
    pq.write_table(pa.table(columns), tmp_path / "vectors.parquet")
    packed = lines(tmp_path / "more.jsonl", vectors(["c"])).read_bytes()
    (tmp_path / "more.jsonl.gz").write_bytes(gzip.compress(packed))
    others = [{"key": row["id"], "body": row["text"], "vector": row["vector"]} for row in vectors(["d", "e"])]
    lines(tmp_path / "others.jsonl", [*others, "{"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_does_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) >= 14
    assert all(line.startswith("crossfade store ") for line in COMMANDS)
    told: dict[str, str] = {}
    for line in COMMANDS:
        code = run(shlex.split(line)[1:])
        captured = capsys.readouterr()
        assert code == 0, (line, captured.err)
        told[line] = captured.out
    hits = json.loads(next(out for line, out in told.items() if "--mode lexical" in line))["hits"]
    assert [hit["id"] for hit in hits] == ["n1"]
    assert len(json.loads((folder / "rejects.jsonl").read_text())) == 4
    assert "1 left out: see rejects.jsonl" in next(out for line, out in told.items() if "--skip-bad" in line)
    assert "sound" in told["crossfade store check data"]
    assert run(["store", "list", "data", "--json"]) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    documents = {name: each["documents"] for name, each in found.items()}
    assert documents == {"notes": 2, "chunks": 2, "shared": 2, "halves": 0, "chosen": 0, "given": 5}
    assert found["chunks"]["rows"] > 2
    assert "n1" in next(out for line, out in told.items() if "search" in line and "--tenant acme" in line)
    there = {path.name for path in (folder / "data").iterdir()}
    assert {FILE, LOCK_FILE, "ingest"} <= there
    assert all(f"`{name}" in TEXT for name in (FILE, LOCK_FILE, "ingest/", "segments/"))


def test_the_code_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for kind, block in BLOCKS if kind == "python")
    exec(compile(block, "docs/store.md", "exec"), {})
    added, rows, unread = map(int, capsys.readouterr().out.split())
    assert (added, unread) == (2, 0)
    assert rows > 2


def test_every_command_of_the_store_is_on_the_page() -> None:
    from crossfade.cli.store import app

    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names == {line.split()[2] for line in COMMANDS}


def test_limits_are_those_in_force() -> None:
    limits = TEXT.split("\n## Limits\n")[1]
    assert [int(number) for number in re.findall(r"^\| [^|]+ \| (\d+) \|$", limits, flags=re.MULTILINE)] == [
        checks.MAX_ID_BYTES,
        int(checks._NAME.pattern.rpartition(",")[2].rstrip("}")) + 1,
        checks.MAX_DIMENSION,
        writes.MOST_ROWS,
        job.MOST_BATCH_ROWS,
    ]


UNITS = {"": 1, " KiB": 1 << 10, " MiB": 1 << 20, " GiB": 1 << 30}


def number(text: str) -> int:
    digits, unit = re.fullmatch(r"([\d,]+)( [KMG]iB)?(?: \(.*\))?", text).groups("")  # type: ignore[union-attr]
    return int(digits.replace(",", "")) * UNITS[unit]


def test_settings_of_the_process_are_those_in_force() -> None:
    told = re.findall(r"^\| `(STORE_[A-Z_]+)` \| ([^|]+) \| ([^|]*) ?\| .+ \|$", TEXT, flags=re.MULTILINE)
    expected = {name: each for name, each in Settings.model_fields.items() if name.startswith("store_")}
    assert [name.lower() for name, _, _ in told] == list(expected)
    for name, default, bounds in told:
        kept = expected[name.lower()]
        if isinstance(kept.default, bool):
            assert (default, bounds.strip()) == (str(kept.default).lower(), "")
            continue
        least, most = (next(getattr(each, key) for each in kept.metadata if hasattr(each, key)) for key in ("ge", "le"))
        assert [number(text) for text in (default, *bounds.strip().split(", "))] == [kept.default, least, most]


def test_settings_of_a_collection_are_those_in_force() -> None:
    usual = CollectionSettings()
    told = dict(re.findall(r"^\| `--([a-z-]+)`[^|]* \| `(?:analyser|hnsw)` \| `?([a-z0-9.]+)`? \|", TEXT, flags=re.M))
    assert told == {
        "analyser": usual.analyser.analyser,
        "stop-words": usual.analyser.stop_words,
        **{name.replace("_", "-"): str(value) for name, value in usual.hnsw.to_json().items()},
    }
    for name, taken, refused in (("m", (2, 256), (1, 257)), ("ef_construction", (1, 65_536), (0, 65_537))):
        assert f"{taken[0]} to {taken[1]:,}" in TEXT
        for value in taken:
            HnswSettings(**{name: value})
        for value in refused:
            with pytest.raises(InvalidInput):
                HnswSettings(**{name: value})


def test_every_metric_is_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from crossfade.store import Metric

    for metric in get_args(Metric):
        words = ["--dimension", "3", "--fingerprint", "f", "--metric", metric]
        assert run(["store", "create", "s", f"c-{metric}", *words]) == 0
    assert run(["store", "create", "--help"]) == 0
    assert ", ".join(get_args(Metric)[:2]) in capsys.readouterr().out

"""docs/versions.md: its commands and its code are run, in their order, on a store and on a server."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from ingest_samples import lines
from tiny_models import Tiny, write_model

from crossfade.cli.main import run
from crossfade.models.importing import import_model

sys.path.append(str(Path(__file__).parents[1] / "integration"))
from serving_harness import serve_process

TEXT = (Path(__file__).parents[2] / "docs" / "versions.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
SERVE = next(line for line in COMMANDS if line.startswith("crossfade serve "))
NOTES = {
    "notes": [{"_id": "n1", "text": "The dough rests by the file."}, {"_id": "n2", "text": "Read a line. Open it."}],
    "more": [{"_id": "n3", "text": "A lazy dog."}],
    "late": [{"_id": "n4", "text": "The quick brown fox."}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page's commands find."""
    for name, tiny in {"base": Tiny(), "tuned": Tiny(seed=8)}.items():
        import_model(str(write_model(tmp_path / f"{name}-source", tiny)), tmp_path / "models" / name)
    for name, notes in NOTES.items():
        lines(tmp_path / f"{name}.jsonl", notes)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_does_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: dict[str, str] = {}
    for line in COMMANDS:
        if line == SERVE:
            continue
        assert line.startswith("crossfade store ")
        code = run(shlex.split(line)[1:])
        captured = capsys.readouterr()
        assert code == 0, (line, captured.err)
        told[line] = captured.out
    created = next(out for line, out in told.items() if "version create" in line)
    assert "lacks 2 documents" in created
    filled = next(out for line, out in told.items() if "version fill" in line)
    assert filled.startswith("2 documents, 2 rows")  # the third was written to both
    last = json.loads(told[COMMANDS[COMMANDS.index(SERVE) - 1]])
    assert [(each["version"], each["current"], each["rows"], each["pending"]) for each in last] == [(2, True, 4, 0)]


def test_the_code_runs_on_the_server_that_the_page_starts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = (block for kind, block in BLOCKS if kind == "python")
    words = shlex.split(SERVE)[2:]
    at = words.index("--listen")
    address = words[at + 1]
    assert address in code
    del words[at : at + 2]  # the harness asks for a free port
    with serve_process(folder / "log", *words) as server:
        exec(compile(code.replace(address, server.address), "docs/versions.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "written to (1, 2)",
        *(line for line in said if line.startswith(("base [", "tuned ["))),
        "was 1",
        "was 2",
        "[(1, 3, 0), (2, 3, 0)]",
    ]
    assert len(said) == 6


def test_every_command_of_versions_and_aliases_is_on_the_page() -> None:
    from crossfade.cli import store_alias, store_version

    for group in (store_version, store_alias):
        commands = group.app.registered_commands
        names = {each.name or each.callback.__name__ for each in commands if each.callback}
        assert names == {
            words[3] for words in map(str.split, COMMANDS) if words[2] == group.app.info.name and len(words) > 3
        }


def test_the_setting_is_one() -> None:
    from crossfade.config import Settings

    (name,) = set(re.findall(r"CROSSFADE_([A-Z_]+)", TEXT))
    assert name.lower() in Settings.model_fields

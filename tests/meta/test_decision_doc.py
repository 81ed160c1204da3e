"""docs/decision.md: its protocol is read, its commands and its code are run in their order, its tables are whole."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from tiny_models import Tiny, write_model

from crossfade.cli.main import run
from crossfade.evaluation.decision.protocol import Expected, Gates, GuardSet, Prices, Protocol, SliceRule, Waiver
from crossfade.models.importing import import_model

sys.path.append(str(Path(__file__).parents[1] / "integration"))
from evaluation_data import write_topics

TEXT = (Path(__file__).parents[2] / "docs" / "decision.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page's commands find."""
    for name, tiny in {"base": Tiny(), "tuned": Tiny(seed=8)}.items():
        import_model(str(write_model(tmp_path / f"{name}-source", tiny)), tmp_path / "models" / name)
    (tmp_path / "data").mkdir()
    for name, asked in {"docs": None, "general": 28}.items():
        queries = write_topics(tmp_path / "data" / name, asked=asked) / "queries.jsonl"
        rows = [json.loads(line) for line in queries.read_text(encoding="utf-8").splitlines()]
        rows = [{**row, "team": ["legal", "sales"][number % 2]} for number, row in enumerate(rows)]
        queries.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    (protocol,) = (block for kind, block in BLOCKS if kind == "toml")
    (tmp_path / "protocol.toml").write_text(protocol, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_and_the_code_do_what_they_say(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cryptography", reason="an extra, which the page's signatures need")
    assert len(COMMANDS) == 14
    told = {}
    for line in COMMANDS:
        code = run(shlex.split(line)[1:])
        captured = capsys.readouterr()
        assert (code, captured.err) == (0, ""), line
        told[line] = captured.out
    record = json.loads((folder / "decision.json").read_text(encoding="utf-8"))
    slices = {each["name"] for each in record["evidence"]["slices"]}
    assert {each for each in slices if not each.startswith("why=")} == {"team=legal", "team=sales", "short", "codes"}
    assert "why=answered" in slices
    assert "chosen by the base's failures: a gain here is expected by chance" in " ".join(told[COMMANDS[5]].split())
    assert record["signature"]["algorithm"] == "Ed25519"
    assert [gate["name"] for gate in record["outcome"]["gates"]] == [
        "match", "queries", "baseline", "judged", "latency", "cost_queries", "guard:general",
    ]  # fmt: skip
    held = told[COMMANDS[7]]
    unseen = re.findall(r"^(.+?) +not checked: ", held, flags=re.MULTILINE)
    assert unseen == [
        "guard general values", "throughput", "latency", "dates", "models", "environment", "signature",
    ]  # fmt: skip
    assert held.endswith("all that can be checked holds\n")
    assert "signature        holds" in told[COMMANDS[-2]]
    (code,) = (block for kind, block in BLOCKS if kind == "python")
    exec(compile(code, "docs/decision.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert said[0] == record["outcome"]["verdict"]
    assert said[-1] == "True"


@pytest.mark.parametrize(
    ("row", "kind", "more"),
    [
        ("`[[guards]]`", GuardSet, set()),
        ("`[[slices]]`", SliceRule, {"words"}),
        ("`[gates]`", Gates, set()),
        ("`[expected]`", Expected, set()),
        ("`[prices]`", Prices, set()),
        ("`[[waivers]]`", Waiver, {"slice:NAME", "guard:NAME"}),
        ("at the top", Protocol, set()),
    ],
)
def test_every_key_is_on_the_page(row: str, kind: type, more: set[str]) -> None:
    (cells,) = re.findall(rf"^\| {re.escape(row)} \| (.*) \|$", TEXT, flags=re.MULTILINE)
    tables = {"guards", "slices", "gates", "expected", "prices", "waivers"} if kind is Protocol else set()
    assert set(re.findall(r"`([^`]+)`", cells)) == {field.name for field in fields(kind)} - tables | more

"""docs/leakage.md: its commands and its code are run, in their order; names and thresholds are those of the code."""

from __future__ import annotations

import gzip
import re
import shlex
from pathlib import Path

import pytest
from leakage_samples import clean_rows, planted_dataset, write_rows
from tiny_models import Tiny, write_model

from crossfade.cli.main import run
from crossfade.evaluation.beir import write_beir
from crossfade.evaluation.leakage import PAIRS, LeakageSettings
from crossfade.evaluation.leakage.fields import NEGATIVE_NAMES, POSITIVE_NAMES, QUERY_NAMES
from crossfade.models.importing import import_model

TEXT = (Path(__file__).parents[2] / "docs" / "leakage.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page's commands find: a training file that leaks."""
    data = planted_dataset()
    half = dict(list(data.qrels.items())[:30])
    write_beir(tmp_path / "data", data.documents, data.queries, {"all": data.qrels, "test": half})
    rows = clean_rows(20)
    write_rows(tmp_path / "train.jsonl", [*rows, {"query": data.queries["q1"], "pos": ["x"]}])
    more = write_rows(tmp_path / "more.jsonl", rows)
    (tmp_path / "more.jsonl.gz").write_bytes(gzip.compress(more.read_bytes()))
    import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "models" / "base")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_does_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes = {}
    for line in COMMANDS:
        # The sample has its own test split: the page's data set has none yet.
        if line.startswith("crossfade dataset split") and "--out data" in line:
            line += " --overwrite"
        codes[line] = run(shlex.split(line)[1:])
        assert capsys.readouterr().err == ""
    assert [code for code in codes.values() if code] == [1]
    assert codes[COMMANDS[1]] == 1
    assert (folder / "clean.jsonl").read_bytes() == (folder / "more.jsonl").read_bytes()
    assert (folder / "by-query" / "qrels" / "dev.tsv").is_file()


def test_the_code_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = (block for kind, block in BLOCKS if kind == "python")
    exec(compile(code, "docs/leakage.md", "exec"), {})
    said = capsys.readouterr().out
    assert said.startswith("leak\n1 of 30 evaluation queries are touched by the training data (3.33%)")


def test_the_tables_are_those_of_the_code() -> None:
    for names in (QUERY_NAMES, POSITIVE_NAMES, NEGATIVE_NAMES, PAIRS):
        assert [name for name in names if f"`{name}`" not in TEXT] == []
    overlap = LeakageSettings().overlap
    for name in ("characters", "phrases", "containment"):
        assert f"`--{name} {getattr(overlap, name):g}`" in TEXT
    assert f"at most {overlap.short_words} words" in TEXT
    assert overlap.least_words == 5
    assert "of 5 words and more" in TEXT
    assert f"| {LeakageSettings().cosine}, the default |" in TEXT

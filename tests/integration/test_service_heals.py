"""A segment that is damaged under a running server: callers are told that answers are incomplete, the rest is found,
and before long all is again, without anybody's doing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving_harness import PATIENCE, serve_process
from tiny_models import Tiny, write_model

from crossfade.client import Client, Document
from crossfade.models.importing import import_model

ROWS, CALLS = 256, 3
NAMES = {f"d{number}" for number in range(ROWS * CALLS)}


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_damage_is_healed_while_the_rest_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSFADE_STORE_SEAL_ROWS", str(ROWS))
    monkeypatch.setenv("CROSSFADE_STORE_SCRUB_SECONDS", "0.1")
    import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "base")
    segments, log = tmp_path / "store" / "segments" / "1", tmp_path / "log"
    arguments = ("--model", f"base={tmp_path / 'base'}", "--store", str(tmp_path / "store"))
    with serve_process(log, *arguments) as process, Client(process.address) as client:
        client.create_collection("docs", model="base")
        for first in range(0, ROWS * CALLS, ROWS):
            client.upsert(
                "docs", [Document(f"d{number}", text="the fox") for number in range(first, first + ROWS)], model="base"
            )
        eventually(lambda: len(list(segments.glob("[0-9]*"))) == CALLS)
        incomplete = 0

        def all_found() -> bool:
            nonlocal incomplete
            found = client.search("docs", ROWS * CALLS, texts=["the fox"], model="base")
            incomplete += found.incomplete
            there = {hit.id for hit in found.hits[0]}
            # Nothing is missing of which nobody was told, and never more than one segment.
            assert found.incomplete or there == NAMES
            assert len(there) in (ROWS * CALLS, ROWS * (CALLS - 1))
            return not found.incomplete

        assert all_found()
        victim = min(segments.glob("[0-9]*")) / "keys.i64"
        before = victim.stat().st_ino
        with victim.open("r+b") as file:
            first_byte = file.read(1)[0]
            file.seek(0)
            file.write(bytes([first_byte ^ 1]))
        eventually(lambda: all_found() and victim.exists() and victim.stat().st_ino != before)
    assert "a segment does not hold what was written" in log.read_text()

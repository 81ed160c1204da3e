"""`crossfade store version` and `crossfade store alias`, through the door that users take and as killed processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ingest_samples import lines
from tiny_models import Tiny, write_model

from crossfade.chunking import ChunkingSettings
from crossfade.cli.main import run
from crossfade.ingest import EmbeddingCutter, fill
from crossfade.models import Bundle, Encoder
from crossfade.models.importing import import_model
from crossfade.store import CollectionSettings, DurableStore
from crossfade.store.readonly import versions

PATIENCE = 120
NOTES = [{"_id": f"n{at}", "text": f"the quick brown fox {at} " * (1 + at % 3)} for at in range(60)]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("bundles")
    return {
        name: import_model(str(write_model(place / f"{name}-source", tiny)), place / name).path
        for name, tiny in {"old": Tiny(), "new": Tiny(seed=8, hidden=64)}.items()
    }


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "crossfade.cli.main", "store", *(str(argument) for argument in arguments)]


class Shell:
    """A store with a collection of sixty notes, and what its commands say."""

    def __init__(self, directory: Path, bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
        self.store = directory / "store"
        self.old, self.new = (("--model", bundles[name]) for name in ("old", "new"))
        self.fingerprints = {name: Bundle.load(path).document_fingerprint for name, path in bundles.items()}
        self._capsys = capsys
        self.notes = lines(directory / "notes.jsonl", NOTES)

    def make(self, *more: object) -> None:
        self.done("create", self.store, "c", *self.old, *more)
        self.done("ingest", self.store, "c", self.notes, *self.old)

    def done(self, *arguments: object) -> str:
        assert run(["store", *map(str, arguments)]) == 0, self._capsys.readouterr().err
        return self._capsys.readouterr().out

    def told(self, *arguments: object) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments: object) -> str:
        assert run(["store", *map(str, arguments)]) == 2
        captured = self._capsys.readouterr()
        assert captured.err.count("\n") == 1, captured.err
        assert captured.out == ""
        return captured.err.removeprefix("crossfade: error: ").rstrip()

    def listed(self) -> list[tuple[int, bool, int, int]]:
        found = self.told("version", "list", self.store, "c")
        return [(each["version"], each["current"], each["rows"], each["pending"]) for each in found]


@pytest.fixture
def shell(tmp_path: Path, bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, bundles, capsys)


def test_from_one_model_to_another_and_back(shell: Shell) -> None:
    shell.make()
    store = shell.store
    assert shell.told("version", "create", store, "c", *shell.new) == {
        "collection": "c",
        "version": 2,
        "dimension": 64,
        "document_fingerprint": shell.fingerprints["new"],
        "pending": 60,
    }
    assert shell.listed() == [(1, True, 60, 0), (2, False, 0, 60)]
    assert "lacks 60 documents: fill it first, or force it" in shell.refused("version", "switch", store, "c", 2)
    filled = shell.told("version", "fill", store, "c", 2, *shell.new, "--batch-rows", 7)
    assert [filled[key] for key in ("collection", "version", "filled", "pending", "rows")] == ["c", 2, 60, 0, 60]
    assert filled["chunking"]["input_tokens"] > 60
    assert "nothing to do: version 2 of c lacks no document" in shell.done("version", "fill", store, "c", 2, *shell.new)
    assert "and 3 was expected" in shell.refused("version", "switch", store, "c", 2, "--expected", 3)
    told = shell.told("version", "switch", store, "c", 2, "--expected", 1)
    assert told == {"collection": "c", "current": 2, "previous": 1, "pending": 0}
    assert shell.told("search", store, "c", "brown fox 7", *shell.new, "-k", 1)["hits"]
    assert "use the model the collection was made for" in shell.refused("search", store, "c", "fox", *shell.old)
    assert "the current one already" in shell.done("version", "switch", store, "c", 2)
    assert "version 1 is the current one, after 2" in shell.done("version", "switch", store, "c", 1, "--expected", 2)
    assert shell.refused("version", "drop", store, "c", 1).startswith(
        "index version 1 of collection 'c' is the current"
    )
    assert shell.told("version", "drop", store, "c", 2) == {"collection": "c", "dropped": 2, "rows": 60}
    assert shell.told("version", "create", store, "c", "--dimension", 3, "--fingerprint", "far")["version"] == 3
    forced = shell.done("version", "switch", store, "c", 3, "--force")
    assert "version 3 is the current one, after 1; it lacks 60 documents" in forced


def test_aliases(shell: Shell) -> None:
    shell.make()
    store = shell.store
    assert shell.done("alias", "list", store) == "no aliases\n"
    live = shell.told("alias", "set", store, "live", "c", "--expected-revision", 0)
    assert live == {"name": "live", "collection": "c", "version": None, "revision": live["revision"]}
    assert "alias 'live' has revision" in shell.refused(
        "alias", "set", store, "live", "c", "--version", 1, "--expected-revision", 0
    )
    shell.done("version", "create", store, "c", *shell.new)
    moved = shell.told("alias", "set", store, "live", "c", "--version", 2, "--expected-revision", live["revision"])
    assert moved["revision"] > live["revision"]
    assert shell.told("alias", "list", store) == [moved]
    found = shell.told("version", "list", store, "c")
    assert [each["aliases"] for each in found] == [[], ["live"]]
    assert "aliases point to (live)" in shell.refused("version", "drop", store, "c", 2)
    assert "it is an alias of" in shell.refused("version", "create", store, "live", *shell.new)
    assert "it is an alias of collection 'c'; name that one" in shell.refused("version", "list", store, "live")
    assert "no index version 9: it has 1, 2" in shell.refused("alias", "set", store, "live", "c", "--version", 9)
    assert "version 2 of collection 'c'" in shell.refused("alias", "drop", store, "live", "--expected-revision", 1)
    assert shell.told("alias", "drop", store, "live", "--expected-revision", moved["revision"]) == {"dropped": "live"}
    assert "no alias 'live'" in shell.refused("alias", "drop", store, "live")
    assert "live" in shell.done("alias", "set", store, "live", "c")
    text = shell.done("alias", "list", store)
    assert "live" in text
    assert "current" in text
    assert "live" in shell.done("version", "list", store, "c")


def test_what_cannot_be(shell: Shell, bundles: dict[str, Path], tmp_path: Path) -> None:
    for words in (("version", "list", shell.store, "c"), ("alias", "list", shell.store)):
        assert shell.refused(*words).startswith("there is no store in")
    shell.make()
    store = shell.store
    assert shell.refused("version", "list", store, "d") == "no collection 'd': there are c"
    assert "give --model, or both" in shell.refused("version", "create", store, "c")
    assert "no collection 'd'" in shell.refused("version", "create", store, "d", *shell.new)
    assert "no index version 2: it has 1" in shell.refused("version", "fill", store, "c", 2, *shell.new)
    shell.done("version", "create", store, "c", *shell.new)
    error = shell.refused("version", "fill", store, "c", 2, *shell.old)
    assert f"and index version 2 of collection 'c' holds {shell.fingerprints['new']}" in error
    assert "at least 1 row" in shell.refused("version", "fill", store, "c", 2, *shell.new, "--batch-rows", 0)
    also = ("--also", bundles["new"])
    shell.done("version", "drop", store, "c", 2)
    error = shell.refused("ingest", store, "c", shell.notes, *shell.old, *also)
    assert f"no index version of collection 'c' holds vectors of {shell.fingerprints['new']}: it has 1 (" in error


def test_looking_needs_no_lock_and_changing_does(shell: Shell) -> None:
    shell.make()
    with DurableStore(shell.store) as opened:
        opened.set_alias("live", "c")
        opened.collection("c").create_index(2, "far")
        assert shell.listed() == [(1, True, 60, 0), (2, False, 0, 60)]
        assert [each["name"] for each in shell.told("alias", "list", shell.store)] == ["live"]
        for words in (
            ("version", "switch", shell.store, "c", 2),
            ("version", "drop", shell.store, "c", 2),
            ("version", "create", shell.store, "c", *shell.new),
            ("version", "fill", shell.store, "c", 2, *shell.new),
            ("alias", "set", shell.store, "live", "c"),
            ("alias", "drop", shell.store, "live"),
        ):
            finished = subprocess.run(command(*words), capture_output=True, text=True, timeout=PATIENCE)
            assert finished.returncode == 2
            assert "is open in another process" in finished.stderr


def vectors(store: Path, version: int) -> dict[tuple[str, int], list[float]]:
    """By id and place in the document."""
    with DurableStore(store, upkeep=False) as opened:
        collection = opened.collection("c")
        collection.seal()
        found: dict[tuple[str, int], list[float]] = {}
        for part in collection.snapshot(version).parts:
            spans = np.zeros((len(part.ids), 2)) if part.spans is None else part.spans
            found |= {
                (name, int(span[0])): vector.tolist()
                for name, span, vector in zip(part.ids, spans, part.vectors, strict=True)
            }
        return found


@pytest.mark.parametrize("more", [(), ("--chunking", "tokens", "--chunk-size", 6)], ids=["whole", "chunks"])
def test_dual_ingest_gives_what_filling_gives(shell: Shell, bundles: dict[str, Path], more: tuple[object, ...]) -> None:
    store = shell.store
    shell.done("create", store, "c", *shell.old, *more)
    shell.done("version", "create", store, "c", *shell.new)
    words = ("ingest", store, "c", shell.notes, *shell.old, "--also", bundles["new"], "--batch-rows", 16)
    assert shell.told(*words)["added"] == 60
    (_, _, rows, pending), further = shell.listed()
    assert (pending, further) == (0, (2, False, rows, 0))
    assert rows == 60 or more
    assert "nothing to do" in shell.done(*words)
    assert "had --also for version 2, and now it is not given" in shell.refused(*words[:-4])
    both = vectors(store, 2)
    shell.done("version", "create", store, "c", *shell.new)
    shell.done("version", "fill", store, "c", 3, *shell.new)
    filled = vectors(store, 3)
    assert both.keys() == filled.keys()
    assert all(np.allclose(both[key], filled[key], atol=1e-5) for key in both)


def test_interrupted_or_killed_it_goes_on(shell: Shell) -> None:
    shell.make()
    shell.done("version", "create", shell.store, "c", *shell.new)
    words = command("version", "fill", shell.store, "c", 2, *shell.new, "--batch-rows", 1, "--json")

    def filled() -> int:
        return versions(shell.store, "c")[1].rows

    for end in (signal.SIGINT, signal.SIGKILL):
        before = filled()
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + PATIENCE
            while filled() < before + 3:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
            process.send_signal(end)
            out, err = process.communicate(timeout=PATIENCE)
        if end is signal.SIGINT:
            assert (process.returncode, out) == (130, "")
            first, last = err.splitlines()
            assert first.endswith("documents are in; the same command goes on from there")
            assert int(first.split()[1]) == filled() - before
            assert last == "crossfade: interrupted"
    left = 60 - filled()
    finished = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert json.loads(finished.stdout)["filled"] == left
    assert shell.listed()[1] == (2, False, 60, 0)


def test_filled_from_python_while_others_write(shell: Shell, bundles: dict[str, Path]) -> None:
    shell.make()
    cutter = EmbeddingCutter.of(Encoder(Bundle.load(bundles["new"])))
    with DurableStore(shell.store) as store:
        collection = store.collection("c")
        collection.create_index(64, shell.fingerprints["new"])
        told: list[tuple[int, float | None]] = []

        def progress(now: Any) -> None:
            if not told:  # one goes, and one is written again without a vector of this version
                collection.delete(["n59"])
                (document,) = collection.documents(["n1"])
                assert document is not None
                collection.upsert([document], np.ones((1, 32), np.float32))
            told.append(tuple(now))

        report = fill(collection, 2, cutter, rows=20, progress=progress)
        assert (report.filled, report.pending) == (60, 0)  # the one that was written again is counted twice
        assert [fraction for _, fraction in told] == sorted(fraction for _, fraction in told)
        assert told[-1] == (60, 1.0)
        assert collection.index_versions()[1].rows == 59
        assert collection.settings == CollectionSettings(chunking=ChunkingSettings(), fields=collection.fields)

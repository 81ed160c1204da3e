"""What users choose of a store on the command line: how a collection is built, and what bounds the process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ingest_samples import FINGERPRINT, lines, with_vectors
from serving_harness import serve_process

from crossfade.cli.main import run
from crossfade.client import Client
from crossfade.config import load_settings
from crossfade.retrieval import Retriever, SearchOptions
from crossfade.retrieval.ranking import Walking
from crossfade.store import DurableStore, HnswSettings, StoreSettings

SPACE = ("--dimension", 2, "--fingerprint", FINGERPRINT, "--metric", "ip")
GIVEN = ("--fingerprint", FINGERPRINT)


def done(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that succeeds prints."""
    assert run(["store", *(str(argument) for argument in arguments)]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    return json.loads(done(capsys, *arguments, "--json"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a command that fails."""
    assert run(["store", *(str(argument) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("crossfade: error: "), error
    assert error.count("\n") == 1, error
    return error.removeprefix("crossfade: error: ").rstrip()


class TestOfACollection:
    def test_words(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store, own = tmp_path / "store", tmp_path / "words.txt"
        own.write_bytes("\ufeffBoat\r\n\n  the  \nboat\n".encode())
        texts = ["The boats are here", "A boat is here"]
        rows = [{"_id": f"d{n}", "text": text, "vector": [n, 1]} for n, text in enumerate(texts)]
        path = lines(tmp_path / "a.jsonl", rows)
        analysers: dict[str, Any] = {}
        found: dict[str, list[set[str]]] = {}
        for name, options in (
            ("usual", ()),
            ("plain", ("--analyser", "plain")),
            ("all", ("--analyser", "plain", "--stop-words", "none")),
            ("own", ("--stop-words-file", own)),
        ):
            analysers[name] = told(capsys, "create", store, name, *SPACE, *options)["analyser"]
            done(capsys, "ingest", store, name, path, *GIVEN)
            answers = [told(capsys, "search", store, name, word, "--mode", "lexical") for word in ("boat", "the", "a")]
            found[name] = [{hit["id"] for hit in answer["hits"]} for answer in answers]
        assert analysers["own"] == {"analyser": "english", "stop_words": ["boat", "the"], "version": 1}
        assert {each["name"]: each["analyser"] for each in told(capsys, "list", store)} == analysers
        assert found == {
            "usual": [{"d0", "d1"}, set(), set()],
            "plain": [{"d1"}, set(), set()],
            "all": [{"d1"}, {"d0"}, {"d1"}],
            "own": [set(), set(), {"d1"}],
        }

    def test_graphs(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        store, path = tmp_path / "store", lines(tmp_path / "a.jsonl", with_vectors(1000))
        options = ("--m", 5, "--ef-construction", 33, "--recall", 0.75)
        made = told(capsys, "create", store, "c", *SPACE, *options)
        assert made["hnsw"] == {"m": 5, "ef_construction": 33, "recall": 0.75}
        assert told(capsys, "list", store) == [{**made, "documents": 0, "rows": 0}]
        monkeypatch.setenv("CROSSFADE_STORE_GRAPH_ROWS", "256")
        done(capsys, "ingest", store, "c", path, *GIVEN)
        monkeypatch.setenv("CROSSFADE_STORE_UNSEALED_ROWS", "256")
        done(capsys, "search", store, "c", "text", "--mode", "lexical")  # makes a segment of what may not wait
        settings = StoreSettings.of(load_settings())
        with DurableStore(store, settings, upkeep=False) as opened:
            collection = opened.collection("c")
            while collection.keep_up():
                pass
            (part,) = collection.snapshot().parts
            assert part.graph is not None
            assert (part.graph.facts.m, part.graph.facts.ef_construction) == (5, 33)

    def test_are_shown_where_they_are_not_the_usual_ones(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = tmp_path / "store"
        assert done(capsys, "create", store, "c", *SPACE) == f"c: 2 dimensions, ip, {FINGERPRINT}\n"
        assert "settings" not in done(capsys, "list", store)
        more = ("--analyser", "plain", "--stop-words", "none", "--m", 32, "--recall", 0.9, "--precision", "f16")
        said = "f16, analyser plain, stop words none, m 32, recall 0.9"
        assert done(capsys, "create", store, "d", *SPACE, *more) == f"d: 2 dimensions, ip, {FINGERPRINT}; {said}\n"
        listed = done(capsys, "list", store)
        assert all(word in listed for word in ("settings", "analyser plain", "m 32"))

    def test_what_cannot_be(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store, own = tmp_path / "store", tmp_path / "words.txt"
        for options, message in (
            (("--m", 1), "m of the graph must be at least 2 and at most 256, not 1"),
            (("--ef-construction", 0), "ef_construction of the graph must be at least 1 and at most 65536, not 0"),
            (("--recall", 1.5), "must be a number greater than 0 and at most 1, not 1.5: 0.98 is the default"),
            (("--stop-words-file", own), f"stop words cannot be read from {own}: No such file or directory"),
        ):
            assert message in refused(capsys, "create", store, "c", *SPACE, *options)
        for content, message in (
            (b"\n \n", f"{own} holds no stop words: write one a line, or give --stop-words none"),
            (b"\xff\n", f"stop words cannot be read from {own}: it is not UTF-8"),
            (b"the\nof course\n", 'the stop word "of course" is not one word'),
        ):
            own.write_bytes(content)
            assert message in refused(capsys, "create", store, "c", *SPACE, "--stop-words-file", own)
        own.write_text("the\n")
        both = ("--stop-words-file", own, "--stop-words", "english")
        assert "give one of them" in refused(capsys, "create", store, "c", *SPACE, *both)
        assert not store.exists()  # nothing was made for nothing


def test_a_search_says_how_far_to_walk(
    minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    path = lines(tmp_path / "a.jsonl", [{"_id": "a", "text": "Bread and butter."}])
    done(capsys, "create", store, "c", "--model", minilm_bundle)
    done(capsys, "ingest", store, "c", path, "--model", minilm_bundle)
    asked: list[Walking] = []
    search = Retriever.search_texts

    def watched(self: Retriever, texts: list[str], k: int, options: SearchOptions) -> Any:
        asked.append(options.walking)
        return search(self, texts, k, options)

    monkeypatch.setattr(Retriever, "search_texts", watched)
    words = ("search", store, "c", "toast", "--model", minilm_bundle)
    for options in ((), ("--ef", 200), ("--exact",)):
        assert [hit["id"] for hit in told(capsys, *words, *options)["hits"]] == ["a"]
    assert asked == [Walking(), Walking(ef=200), Walking(exact=True)]
    assert "ef" in refused(capsys, *words, "--ef", 0)
    assert "no graphs to walk" in refused(capsys, "search", store, "c", "toast", "--mode", "lexical", "--ef", 9)


class TestOfTheProcess:
    def test_whoever_opens_a_store_seals_as_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, path = tmp_path / "store", lines(tmp_path / "a.jsonl", with_vectors(600))
        done(capsys, "create", store, "c", *SPACE)
        done(capsys, "ingest", store, "c", path, *GIVEN)
        monkeypatch.setenv("CROSSFADE_STORE_UNSEALED_ROWS", "300")
        done(capsys, "search", store, "c", "text", "--mode", "lexical")
        assert not list(store.glob("segments/*/*/vectors.f32"))
        monkeypatch.setenv("CROSSFADE_STORE_UNSEALED_ROWS", "299")
        done(capsys, "search", store, "c", "text", "--mode", "lexical")
        assert len(list(store.glob("segments/*/*/vectors.f32"))) == 1

    def test_what_cannot_be_used_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, path = tmp_path / "store", lines(tmp_path / "a.jsonl", with_vectors(3))
        done(capsys, "create", store, "c", *SPACE)
        monkeypatch.setenv("CROSSFADE_STORE_SEAL_ROWS", "10")
        message = "setting store_seal_rows: Input should be greater than or equal to 256 (given: '10')"
        for words in (("create", store, "d", *SPACE), ("ingest", store, "c", path, *GIVEN), ("drop", store, "c")):
            assert refused(capsys, *words) == message
        assert run(["serve", "--model", "base=nowhere", "--store", str(store)]) == 2
        assert capsys.readouterr().err == f"crossfade: error: {message}\n"
        monkeypatch.delenv("CROSSFADE_STORE_SEAL_ROWS")
        assert [each["name"] for each in told(capsys, "list", store)] == ["c"]

    def test_segments_are_opened_unchecked_where_that_is_said(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, path = tmp_path / "store", lines(tmp_path / "a.jsonl", with_vectors(600))
        done(capsys, "create", store, "c", *SPACE)
        done(capsys, "ingest", store, "c", path, *GIVEN)
        monkeypatch.setenv("CROSSFADE_STORE_UNSEALED_ROWS", "256")
        done(capsys, "search", store, "c", "text", "--mode", "lexical")
        (file,) = store.glob("segments/*/*/vectors.f32")
        file.write_bytes(bytes(file.stat().st_size))
        monkeypatch.setenv("CROSSFADE_STORE_CHECK_ON_OPEN", "false")
        done(capsys, "search", store, "c", "text", "--mode", "lexical")
        assert not any(file.read_bytes())
        monkeypatch.setenv("CROSSFADE_STORE_CHECK_ON_OPEN", "true")
        done(capsys, "search", store, "c", "text", "--mode", "lexical")
        assert any(file.read_bytes())  # built again

    def test_a_server_has_them(
        self, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, path = tmp_path / "store", lines(tmp_path / "a.jsonl", with_vectors(600))
        done(capsys, "create", store, "c", *SPACE, "--m", 7, "--analyser", "plain")
        done(capsys, "ingest", store, "c", path, *GIVEN)
        monkeypatch.setenv("CROSSFADE_STORE_UNSEALED_ROWS", "256")
        words = ("--model", f"base={minilm_bundle}", "--store", str(store))
        with serve_process(tmp_path / "log", *words) as server, Client(server.address) as client:
            (listed,) = client.list_collections()
            assert listed.settings is not None
            assert listed.settings.hnsw == HnswSettings(m=7)
            assert listed.settings.analyser.analyser == "plain"
            assert [index.segments for index in listed.indexes] == [1]

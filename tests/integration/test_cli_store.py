"""`crossfade store` through the door that users take, and as real processes that are killed and interrupted."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluation_data import TOPICS, write_topics
from ingest_samples import FINGERPRINT, contents, lines, with_vectors

from crossfade.chunking import ChunkingSettings
from crossfade.cli.main import run
from crossfade.models import Bundle
from crossfade.models.tokenizer import TextTokenizer
from crossfade.store import Document, DurableStore, StoreSettings

PATIENCE = 120
REAL_DATA = Path(__file__).parents[3] / "shared" / "data"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "crossfade.cli.main", "store", *(str(argument) for argument in arguments)]


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


def create(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    done(capsys, "create", store, "c", "--dimension", 2, "--fingerprint", FINGERPRINT, "--metric", "ip")


def held(store: Path) -> dict[str, Any]:
    with DurableStore(store, upkeep=False) as opened:
        return contents(opened.get("c"))


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topics(tmp_path_factory.mktemp("topics"))


class TestCommands:
    def test_from_nothing_to_an_answer(
        self, minilm_bundle: Path, topics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store, bundle = tmp_path / "store", Bundle.load(minilm_bundle)
        made = told(capsys, "create", store, "topics", "--model", minilm_bundle)
        assert made == {
            "name": "topics",
            "dimension": 384,
            "metric": "cosine",
            "document_fingerprint": bundle.document_fingerprint,
            "fields": {},
            "chunking": ChunkingSettings().to_json(),
            "tenant_field": None,
            "precision": "f32",
            "analyser": {"analyser": "english", "stop_words": "english", "version": 1},
            "hnsw": {"m": 16, "ef_construction": 200, "recall": 0.98},
        }
        report = told(capsys, "ingest", store, "topics", topics, "--model", minilm_bundle)
        assert (report["documents"], report["added"], report["rows"]) == (len(TOPICS) + 1, len(TOPICS) + 1, 31)
        assert report["chunking"]["unread_documents"] == 0
        (listed,) = told(capsys, "list", store)
        assert listed == {**made, "documents": 31, "rows": 31}
        for number in (0, 7, 29):
            found = told(capsys, "search", store, "topics", TOPICS[number][2], "--model", minilm_bundle, "-k", 3)
            assert [len(found["hits"]), found["hits"][0]["id"]] == [3, f"d{number}"]
            assert found["hits"][0]["text"] == TOPICS[number][1]
        text = done(capsys, "search", store, "topics", TOPICS[7][2], "--model", minilm_bundle, "-k", 2)
        assert text.splitlines()[0].split()[0] == "1"
        assert "d7   Vaccine  A preparation that trains the immune system." in text.splitlines()[0]
        assert "nothing to do: all 31 documents are in" in done(
            capsys, "ingest", store, "topics", topics, "--model", minilm_bundle
        )

    def test_chunks_and_filters(self, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store = tmp_path / "store"
        done(capsys, "create", store, "c", "--model", minilm_bundle)
        long = " ".join(f"{text} {query}." for _, text, query in TOPICS * 3)
        records = [
            {"_id": "all", "title": "Everything", "text": long, "lang": "en"},
            {"_id": "bread", "text": TOPICS[0][1], "lang": "en"},
            {"_id": "brot", "text": "Aus Mehl, Wasser und Hefe.", "lang": "de"},
        ]
        path = lines(tmp_path / "a.jsonl", records)
        options = ("--model", minilm_bundle, "--keep-fields")
        unread = tmp_path / "unread.jsonl"
        text = done(capsys, "ingest", store, "c", path, *options, "--unread", unread)
        assert "of 1 document the model never read something" in text
        (told_of,) = map(json.loads, unread.read_text().splitlines())
        assert f"\n  {told_of['unread_characters']:,} characters of all\n" in text
        (only,) = told_of["chunks"]
        assert (told_of["id"], only["start"], only["stop"]) == ("all", 0, len(long))
        # What it read is as many tokens as it reads, and it reads no more of the next word.
        bundle = Bundle.load(minilm_bundle)
        tokenizer = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
        part = tokenizer.tokenise([f"Everything {long[: only['read_end']]}"])
        assert (part.token_counts.tolist(), part.truncated.tolist()) == ([bundle.max_tokens], [False])
        assert told_of["unread_characters"] == sum(map(len, long[only["read_end"] :].split()))
        cut = ("--chunking", "sentences", "--chunk-size", 60)
        done(capsys, "create", store, "cut", "--model", minilm_bundle, *cut)
        report = told(capsys, "ingest", store, "cut", path, *options)
        assert report["added"] == 3
        assert report["rows"] > 20
        assert report["chunking"]["unread_documents"] == 0
        found = told(capsys, "search", store, "cut", "beacon for sailors", "--model", minilm_bundle, "-k", 1)
        start, stop = found["hits"][0]["span"]
        assert "guides ships" in long[start:stop]
        model = ("--model", minilm_bundle)
        (one,) = told(capsys, "search", store, "cut", TOPICS[0][1], *model, "-k", 1)["hits"]
        means = told(capsys, "search", store, "cut", TOPICS[0][1], *model, "--best-chunks", 9)["hits"]
        score = {hit["id"]: hit["score"] for hit in means}
        assert one["id"] == "bread"
        assert score["bread"] == one["score"], "it has one chunk"
        assert score["all"] < told(capsys, "search", store, "cut", TOPICS[0][1], *model)["hits"][1]["score"]
        words = ("search", store, "cut", "beacon for sailors", *model, "--mode", "hybrid", "-k", 1, "--explain")
        explained = told(capsys, *words)
        assert [stage["stage"] for stage in explained["stages"]] == ["dense", "lexical", "fused"]
        dense, lexical, fused = (stage["candidates"] for stage in explained["stages"])
        assert {each["id"] for each in dense} == {"all", "bread", "brot"}
        assert [each["id"] for each in lexical] == ["all"] == [each["id"] for each in fused]
        assert fused[0]["score"] == explained["hits"][0]["score"]
        assert "stages" not in found
        text = done(capsys, *words)
        assert "dense: 3 documents, " in text
        assert f"  1  {lexical[0]['score']:.4f}  all  {lexical[0]['span'][0]}-{lexical[0]['span'][1]}" in text
        kept = told(
            capsys, "search", store, "c", "dough", "--model", minilm_bundle, "--filter", '{"field": "lang", "eq": "de"}'
        )
        assert [hit["id"] for hit in kept["hits"]] == ["brot"]
        assert kept["hits"][0]["metadata"] == {"lang": "de"}
        wrong = ("--model", minilm_bundle, "--filter", '{"field": "land", "eq": "de"}')
        assert 'no document has the field "land"' in refused(capsys, "search", store, "c", "x", *wrong)

    def test_of_many_documents_the_first_are_named(
        self, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store, unread = tmp_path / "store", tmp_path / "unread.jsonl"
        done(capsys, "create", store, "c", "--model", minilm_bundle)
        records = [{"_id": f"d{n}\x1b" if n else "short", "text": "bread " * 300 * (n > 0)} for n in range(13)]
        path = lines(tmp_path / "a.jsonl", records)
        ingest = ("ingest", store, "c", path, "--model", minilm_bundle)
        text = done(capsys, *ingest)
        named = [line for line in text.splitlines() if line.startswith("  ")]
        assert named[0] == r"  230 characters of d1\x1b"
        assert (len(named), named[-1]) == (11, "  ... and of 2 more: --unread FILE names them all")
        assert f"\n  ... and of 2 more: {unread} names them all\n" in done(
            capsys, *ingest, "--restart", "--unread", unread
        )
        assert [json.loads(line)["id"] for line in unread.read_text().splitlines()] == [
            f"d{n}\x1b" for n in range(1, 13)
        ]
        assert told(capsys, *ingest)["first_unread"][9] == {"id": "d10\x1b", "unread_characters": 230}
        done(capsys, "create", store, "given", "--dimension", 2, "--fingerprint", FINGERPRINT)
        given = ("--fingerprint", FINGERPRINT, "--unread", unread)
        assert refused(capsys, "ingest", store, "given", lines(tmp_path / "v.jsonl", with_vectors(1)), *given) == (
            "the documents come with vectors, and no model reads them: leave the unread file out"
        )

    def test_declared_fields_and_searches_by_words(
        self, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = tmp_path / "store"
        done(capsys, "create", store, "c", "--model", minilm_bundle, "--field", "at=datetime")
        records = [
            {"_id": "old", "text": "The manual of the XJ-900 pump.", "at": "2020-01-01"},
            {"_id": "new", "text": "The manual of the XJ-901 pump.", "at": "2026-01-01T00:00:00Z"},
        ]
        path = lines(tmp_path / "a.jsonl", records)
        done(capsys, "ingest", store, "c", path, "--model", minilm_bundle, "--keep-fields")
        recent = ("--filter", '{"field": "at", "gte": "2025-01-01"}')
        for mode in ("dense", "lexical", "hybrid"):
            words = () if mode == "lexical" else ("--model", minilm_bundle)
            hits = told(capsys, "search", store, "c", "pump XJ-900", "--mode", mode, *words)["hits"]
            assert [hit["id"] for hit in hits] == ["old", "new"]
            hits = told(capsys, "search", store, "c", "pump XJ-900", "--mode", mode, *words, *recent)["hits"]
            assert [(hit["id"], hit["metadata"]) for hit in hits] == [("new", {"at": "2026-01-01T00:00:00Z"})]
        assert "give --model, or --mode lexical" in refused(capsys, "search", store, "c", "pump")
        for field, reason in (("at", "write NAME=TYPE"), ("at=moment", "use one of"), ("=int", 'field name "" cannot')):
            assert reason in refused(capsys, "create", store, "d", "--model", minilm_bundle, "--field", field)

    def test_precision(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store = tmp_path / "store"
        for precision in ("f16", "int8"):
            given = ("--dimension", 2, "--fingerprint", FINGERPRINT, "--precision", precision)
            assert told(capsys, "create", store, precision, *given)["precision"] == precision
        assert {each["name"]: each["precision"] for each in told(capsys, "list", store)} == {
            "f16": "f16",
            "int8": "int8",
        }

    def test_tenants(self, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store, model = tmp_path / "store", ("--model", minilm_bundle)
        done(capsys, "create", store, "c", *model, "--tenant-field", "whose")
        path = lines(tmp_path / "a.jsonl", [{"_id": "a", "text": "The dough rests."}])
        assert "the collection is of tenants" in refused(capsys, "ingest", store, "c", path, *model)
        done(capsys, "ingest", store, "c", path, *model, "--tenant", "acme")
        hits = told(capsys, "search", store, "c", "dough", *model, "--tenant", "acme")["hits"]
        assert [(hit["id"], hit["metadata"]) for hit in hits] == [("a", {"whose": "acme"})]
        assert told(capsys, "search", store, "c", "dough", *model, "--tenant", "other")["hits"] == []
        assert "say whose documents to search" in refused(capsys, "search", store, "c", "dough", *model)
        done(capsys, "create", store, "d", *model)
        assert "leave --tenant out" in refused(capsys, "search", store, "d", "dough", *model, "--tenant", "acme")

    def test_every_format_and_standard_input(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        records = with_vectors(30)
        plain = lines(tmp_path / "a.jsonl", records)
        (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
        columns: dict[str, Any] = {key: [row[key] for row in records] for key in ("_id", "title", "text", "metadata")}
        columns["vector"] = pa.array([[float(x) for x in row["vector"]] for row in records], pa.list_(pa.float32(), 2))
        content = pa.table(columns)
        pq.write_table(content, tmp_path / "a.parquet")
        with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as stream, pa.ipc.new_file(stream, content.schema) as writer:
            writer.write_table(content)
        expected = None
        for name in ("a.jsonl", "a.jsonl.gz", "a.parquet", "a.arrow", "-"):
            store = tmp_path / f"store-{name}"
            create(capsys, store)
            if name == "-":
                piped = subprocess.run(
                    command("ingest", store, "c", "-", "--fingerprint", FINGERPRINT, "--json"),
                    input=plain.read_bytes(), capture_output=True, timeout=PATIENCE, check=True,
                )  # fmt: skip
                assert json.loads(piped.stdout)["added"] == 30
                assert not (store / "ingest").exists()
            else:
                assert told(capsys, "ingest", store, "c", tmp_path / name, "--fingerprint", FINGERPRINT)["added"] == 30
            expected = expected or held(store)
            assert held(store) == expected

    def test_bad_lines(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store, rejects = tmp_path / "store", tmp_path / "rejects.jsonl"
        create(capsys, store)
        path = lines(tmp_path / "a.jsonl", [*with_vectors(3), "{", *with_vectors(3, 3)])
        error = refused(capsys, "ingest", store, "c", path, "--fingerprint", FINGERPRINT)
        assert error == f"{path}:4: not JSON: Expecting property name enclosed in double quotes at column 2"
        text = done(capsys, "ingest", store, "c", path, "--fingerprint", FINGERPRINT, "--skip-bad", rejects)
        assert f"1 left out: see {rejects}" in text
        assert json.loads(rejects.read_text())["line"] == 4

    def test_what_cannot_be(self, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store, path = tmp_path / "store", lines(tmp_path / "a.jsonl", with_vectors(3))
        for name in ("list", "check"):
            assert refused(capsys, name, store).startswith("there is no store in")
        for words in (("search", store, "c", "x", "--model", minilm_bundle), ("drop", store, "c")):
            assert refused(capsys, *words).startswith("there is no store in")
        assert not store.exists()
        assert refused(capsys, "create", store, "c") == "give --model, or both --dimension and --fingerprint"
        both = ("--model", minilm_bundle, "--dimension", 3)
        assert "--model says dimension and fingerprint itself" in refused(capsys, "create", store, "c", *both)
        bad = ("--dimension", 3, "--fingerprint", "f", "--metric", "dot")
        assert "metric 'dot' does not exist" in refused(capsys, "create", store, "c", *bad)
        assert not store.exists()
        create(capsys, store)
        again = ("--dimension", 2, "--fingerprint", "f")
        assert "exists already" in refused(capsys, "create", store, "c", *again)
        assert "give either --model" in refused(capsys, "ingest", store, "c", path)
        assert "no collection 'd'" in refused(capsys, "ingest", store, "d", path, "--fingerprint", FINGERPRINT)
        both = ("--fingerprint", FINGERPRINT, "--model", minilm_bundle)
        assert "give either --model" in refused(capsys, "ingest", store, "c", path, *both)
        assert "holds cf1-given" in refused(capsys, "ingest", store, "c", path, "--model", minilm_bundle)
        assert "collection 'c' holds cf1-given" in refused(capsys, "search", store, "c", "x", "--model", minilm_bundle)
        assert "no such file" in refused(capsys, "ingest", store, "c", tmp_path / "b", "--fingerprint", FINGERPRINT)

    def test_backup_restore_drop_and_list(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store, path = tmp_path / "store", lines(tmp_path / "a.jsonl", with_vectors(30))
        create(capsys, store)
        done(capsys, "ingest", store, "c", path, "--fingerprint", FINGERPRINT)
        before = held(store)
        copied = told(capsys, "backup", store, tmp_path / "backup")
        assert [each["documents"] for each in copied["collections"]] == [30]
        assert told(capsys, "drop", store, "c") == {"dropped": "c", "documents": 30, "aliases": []}
        assert list((store / "ingest").iterdir()) == []
        assert done(capsys, "list", store) == "no collections\n"
        assert "no collection 'c'" in refused(capsys, "drop", store, "c")
        assert "store" in done(capsys, "restore", tmp_path / "backup", tmp_path / "again")
        assert held(tmp_path / "again") == before
        assert "is there already" in refused(capsys, "restore", tmp_path / "backup", store)
        assert FINGERPRINT in done(capsys, "list", tmp_path / "again")
        # What the backup holds goes on; the job that filled it is unknown there, and takes all again.
        report = told(capsys, "ingest", tmp_path / "again", "c", path, "--fingerprint", FINGERPRINT)
        assert (report["added"], report["replaced"]) == (0, 30)

    def test_check_and_heal(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store = tmp_path / "store"
        create(capsys, store)
        with DurableStore(store, StoreSettings(seal_rows=10), upkeep=False) as opened:
            opened.get("c").upsert([Document(f"d{n}") for n in range(30)], np.ones((30, 2), np.float32))
            opened.get("c").seal()
        before = held(store)
        assert told(capsys, "check", store)["sound"]
        assert "sound: the database, and 1 segments" in done(capsys, "check", store)
        path = next((store / "segments").rglob("vectors*"))
        path.write_bytes(bytes(path.stat().st_size))
        assert run(["store", "check", str(store)]) == 2
        captured = capsys.readouterr()
        assert captured.out == f"{path}: its checksum is not the one that it was written with\n"
        assert captured.err == f"crossfade: error: 1 segments in {store} are damaged: --heal builds them again\n"
        assert path.read_bytes() == bytes(path.stat().st_size)
        facts = told(capsys, "check", store, "--heal")
        assert (facts["sound"], facts["healed"], facts["segments"]) == (True, 1, 1)
        assert held(store) == before
        for name in ("text/*.term", "ids.utf8", "segment.json"):
            path = next((store / "segments").rglob(name))
            path.write_bytes(bytes(path.stat().st_size))
            facts = told(capsys, "check", store, "--heal")
            assert (facts["sound"], facts["healed"], facts["segments"]) == (True, 1, 1), name
            assert held(store) == before


class TestBesideAServer:
    def test_looking_and_backing_up_need_no_lock(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store = tmp_path / "store"
        create(capsys, store)
        with DurableStore(store) as opened:
            opened.get("c").upsert([Document("a")], np.ones((1, 2), np.float32))
            single = ("backup", store, tmp_path / "single", "--collection", "c")
            for words in (("list", store), ("check", store), ("backup", store, tmp_path / "backup"), single):
                finished = subprocess.run(command(*words), capture_output=True, text=True, timeout=PATIENCE)
                assert (finished.returncode, finished.stderr) == (0, "")
            dropping = subprocess.run(command("drop", store, "c"), capture_output=True, text=True, timeout=PATIENCE)
            assert dropping.returncode == 2
            assert "is open in another process" in dropping.stderr
            again = command("restore", tmp_path / "single", store, "--collection", "c", "--as", "d")
            restoring = subprocess.run(again, capture_output=True, text=True, timeout=PATIENCE)
            assert restoring.returncode == 2
            assert "is open in another process: stop that one, or name another directory" in restoring.stderr
            opened.get("c").upsert([Document("b")], np.ones((1, 2), np.float32))
        assert sorted(held(store)) == ["a", "b"]
        assert sorted(held(tmp_path / "backup")) == sorted(held(tmp_path / "single")) == ["a"]


def wait_for_journal(store: Path, process: subprocess.Popen[str]) -> None:
    """Until some batch is in."""
    deadline = time.monotonic() + PATIENCE
    while not any((store / "ingest").glob("*.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


class TestProcesses:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        return lines(tmp_path / "a.jsonl", with_vectors(20_000))

    @pytest.fixture
    def words(self, tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
        create(capsys, tmp_path / "store")
        options = ("--fingerprint", FINGERPRINT, "--batch-rows", 100, "--json")
        return command("ingest", tmp_path / "store", "c", source, *options)

    def test_killed_at_any_moment_it_goes_on_to_the_same_end(
        self, tmp_path: Path, source: Path, words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = tmp_path / "store"
        for point in ("ingest.written:7", "ingest.committed:9"):
            ended = subprocess.run(words, env={**os.environ, "CROSSFADE_FAULT": point}, timeout=PATIENCE)
            assert ended.returncode == -signal.SIGKILL
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(0.1)  # whatever it is at
            process.kill()
        finished = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
        report = json.loads(finished.stdout)
        # 6 batches were recorded by the first run, and 8 by the second; the batch after was taken, and is taken again.
        assert report["resumed"] >= 1400
        assert report["documents"] == 20_000
        assert report["replaced"] <= 300
        assert "crossfade: going on after" in finished.stderr

        whole = tmp_path / "whole"
        create(capsys, whole)
        done(capsys, "ingest", whole, "c", source, "--fingerprint", FINGERPRINT)
        assert held(store) == held(whole)

    def test_an_interrupt_is_clean_and_it_goes_on(self, tmp_path: Path, words: list[str]) -> None:
        store = tmp_path / "store"
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_for_journal(store, process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (130, "")
        first, last = err.splitlines()
        assert first.endswith("documents are in; the same command goes on from there")
        assert last == "crossfade: interrupted"
        taken = int(first.split()[1].replace(",", ""))
        assert len(held(store)) == taken  # an interrupt loses nothing, and repeats nothing
        finished = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
        report = json.loads(finished.stdout)
        assert (report["resumed"], report["added"], report["replaced"]) == (taken, 20_000, 0)


@pytest.mark.parametrize("name", ["cranfield", "cisi", "abt-buy"])
def test_real_collections(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their lines, with vectors that need no model: the corpora hold empty documents, and texts of all lengths."""
    if not (REAL_DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not here")
    with (REAL_DATA / name / "corpus.jsonl").open(encoding="utf-8") as stream:
        given = [json.loads(line) for line in stream]
    path = lines(tmp_path / "a.jsonl", [{**record, "vector": [n, 1]} for n, record in enumerate(given)])
    store = tmp_path / "store"
    create(capsys, store)
    assert told(capsys, "ingest", store, "c", path, "--fingerprint", FINGERPRINT)["added"] == len(given)
    found = held(store)
    assert {name: (document.title, document.text) for name, (document, _) in found.items()} == {
        record["_id"]: (record.get("title") or "", record["text"]) for record in given
    }

"""The demo data set as built from this interpreter: what it holds, and that it appears whole or not at all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import demo.build_dataset
from crossfade.errors import CrossfadeError, InvalidInput
from crossfade.evaluation.beir import read_beir
from demo import corpus as corpus_module
from demo.build_dataset import build, main, select
from demo.corpus import Corpus, read_corpus
from demo.queries import SPLITS, Query, read_queries


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    directory = tmp_path_factory.mktemp("demo") / "python-stdlib"
    return directory, build(directory)


@pytest.fixture(scope="module")
def corpus(built: tuple[Path, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    lines = (built[0] / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["_id"]: record for record in map(json.loads, lines)}


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


class TestContent:
    def test_both_halves_can_be_read(self, built: tuple[Path, dict[str, Any]]) -> None:
        directory, summary = built
        for split in SPLITS:
            dataset = read_beir(directory, split)
            assert dataset.absent_judgments == 0
            assert len(dataset.documents) == summary["documents"]
            assert len(dataset.queries) == summary["queries"][split]
            grades = [grade for judged in dataset.qrels.values() for grade in judged.values()]
            assert sum(grade > 0 for grade in grades) == summary["judgments"][split]
            assert 0 in grades

    def test_nothing_is_lost_without_being_counted(self, built: tuple[Path, dict[str, Any]]) -> None:
        counts = built[1]["queries"]
        assert counts["written"] == len(read_queries())
        assert counts["train"] + counts["test"] + len(counts["left_out"]) == counts["written"]
        assert counts["train"] + counts["test"] >= 240
        judged = sum(built[1]["judgments"][name] for name in ("train", "test", "absent"))
        left = sum(len(query.relevant) for query in read_queries() if query.id in counts["left_out"])
        assert judged + left == sum(len(query.relevant) for query in read_queries())

    def test_queries_left_out_are_those_this_interpreter_cannot_answer(
        self, built: tuple[Path, dict[str, Any]], corpus: dict[str, dict[str, Any]]
    ) -> None:
        expected = [query.id for query in read_queries() if not any(target in corpus for target in query.targets)]
        assert built[1]["queries"]["left_out"] == expected

    def test_no_document_of_one_half_has_the_text_of_a_document_of_the_other(
        self, built: tuple[Path, dict[str, Any]], corpus: dict[str, dict[str, Any]]
    ) -> None:
        texts = [
            {corpus[name]["text"] for query in read_queries() if query.split == split for name in query.relevant
             if name in corpus}
            for split in SPLITS
        ]  # fmt: skip
        assert texts[0] & texts[1] == set()

    def test_only_exact_queries_repeat_a_target(self, corpus: dict[str, dict[str, Any]]) -> None:
        for query in read_queries():
            for target in query.targets:
                if query.kind == "exact" or target not in corpus:
                    continue
                document = corpus[target]
                asked, summary = words(query.text), words(document["text"].split("\n\n")[0])
                assert asked not in (summary, words(document["text"])), query.id
                if query.kind != "short":  # a short one is a term, and a term may occur
                    assert f" {asked} " not in f" {words(document['title'] + ' ' + document['text'])} ", query.id

    @pytest.mark.parametrize(
        ("name", "title"),
        [
            ("json.loads", "json.loads(s, *, cls, object_hook, parse_float"),
            ("shutil.which", "shutil.which(cmd, mode=1, path=None)"),
            ("str.removeprefix", "str.removeprefix(prefix, /)"),
            ("itertools.chain.from_iterable", "itertools.chain.from_iterable(iterable, /)"),
            ("pathlib.Path.glob", "pathlib.Path.glob(pattern"),
            ("os.path.join", "os.path.join(a"),
            ("random.choice", "random.choice(seq)"),
            ("threading.Thread.join", "threading.Thread.join(timeout=None)"),
            ("FileNotFoundError", "FileNotFoundError"),
            ("errno", "errno"),
            ("socket.socket.connect", "socket.socket.connect"),
            ("time.perf_counter", "time.perf_counter"),
            ("functools.partial.args", "functools.partial.args"),
            ("staticmethod", "staticmethod"),
            ("open", "open(file, mode, buffering"),
            ("typing.Optional", "typing.Optional"),
        ],
    )
    def test_things_go_by_their_public_names(self, corpus: dict[str, dict[str, Any]], name: str, title: str) -> None:
        assert corpus[name]["title"].startswith(title)

    @pytest.mark.parametrize(
        "name",
        [
            "posixpath.join",  # os.path.join
            "json.decoder.JSONDecoder",  # json.JSONDecoder
            "random.Random.choice",  # random.choice
            "builtins.str",  # str
            "IOError",  # OSError
            "timeit.default_timer",  # time.perf_counter
            "this",
            "antigravity",
            "json.codecs",  # imported there for its own use
        ],
    )
    def test_aliases_and_private_names_are_no_documents(self, corpus: dict[str, dict[str, Any]], name: str) -> None:
        assert name not in corpus

    def test_documents_say_something_and_nothing_about_this_machine(self, corpus: dict[str, dict[str, Any]]) -> None:
        assert list(corpus) == sorted(corpus)
        for name, document in corpus.items():
            assert document["text"].strip() == document["text"]
            assert len(document["text"].split()) >= 2, name
            assert len(document["title"]) <= 160, name
            assert document["title"].startswith(name)
            assert " at 0x" not in document["title"] + document["text"], name
            assert sys.base_prefix not in document["title"] + document["text"], name


class TestBuild:
    def test_same_interpreter_gives_the_same_documents(
        self, corpus: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTHONHASHSEED", "7")
        monkeypatch.setenv("PYTHONOPTIMIZE", "2")
        monkeypatch.setenv("LC_ALL", "C")
        assert read_corpus().documents == list(corpus.values())

    def test_second_build_reads_nothing(
        self, built: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(demo.build_dataset, "read_corpus", lambda _: pytest.fail("read again"))
        assert build(built[0]) == built[1]

    def test_changed_inputs_and_damaged_files_are_built_again(
        self, tmp_path: Path, built: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lines = (built[0] / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
        known = Corpus([json.loads(line) for line in lines], 1, {})
        reads = []

        def read(progress: object) -> Corpus:
            reads.append(progress)
            return known

        monkeypatch.setattr(demo.build_dataset, "read_corpus", read)
        directory = tmp_path / "set"
        build(directory)
        build(directory)
        assert len(reads) == 1
        (directory / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n", encoding="utf-8")
        build(directory)
        assert len(reads) == 2
        (directory / "queries.jsonl").unlink()
        build(directory)
        assert len(reads) == 3
        monkeypatch.setattr(demo.build_dataset, "inputs_hash", lambda: "other")
        assert build(directory)["inputs"] == "other"
        assert len(reads) == 4
        assert [entry.name for entry in tmp_path.iterdir()] == ["set"]

    def test_failure_leaves_the_old_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        known = Corpus([{"_id": "open", "title": "open", "text": "opens", "metadata": {"kind": "function"}}], 1, {})
        monkeypatch.setattr(demo.build_dataset, "read_corpus", lambda _: known)
        directory = tmp_path / "set"
        before = build(directory)

        def fail(path: Path) -> str:
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr(demo.build_dataset, "inputs_hash", lambda: "other")
        monkeypatch.setattr(demo.build_dataset, "_sha256", fail)
        with pytest.raises(InvalidInput, match="No space left"):
            build(directory)
        assert json.loads((directory / "dataset.json").read_text(encoding="utf-8")) == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["set"]

    @pytest.mark.parametrize("found", ["file", "directory", "other dataset.json"])
    def test_what_is_not_ours_is_left_alone(self, tmp_path: Path, found: str) -> None:
        target = tmp_path / "precious"
        if found == "file":
            target.write_text("mine", encoding="utf-8")
        else:
            target.mkdir()
            (target / ("dataset.json" if "json" in found else "notes.txt")).write_text("{}", encoding="utf-8")
        with pytest.raises(InvalidInput, match="not a demo data set"):
            build(target)
        assert target.exists()

    def test_progress_counts_up_to_the_end(self) -> None:
        seen: list[tuple[str, int, int]] = []
        found = read_corpus(lambda stage, done, total: seen.append((stage, done, total)))
        assert [done for _, done, _ in seen] == list(range(1, len(seen) + 1))
        assert seen[-1][1] == seen[-1][2] == found.modules + len(found.skipped)

    def test_command_line_prints_the_summary(
        self, built: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([str(built[0])]) == 0
        assert json.loads(capsys.readouterr().out) == built[1]

    def test_command_line_tells_a_fault_in_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        assert main([str(tmp_path / "file")]) == 2
        assert re.fullmatch(r"demo: error: .*\n", capsys.readouterr().err)


class TestChild:
    def test_failure_is_told_with_its_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(corpus_module, "ROOT", Path("/nonexistent"))
        with pytest.raises(CrossfadeError, match=r"cannot be read: .*demo"):
            read_corpus()

    def test_interpreter_without_docstrings_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(corpus_module, "FEWEST_DOCUMENTS", 10**6)
        with pytest.raises(CrossfadeError, match="documents only"):
            read_corpus()

    def test_hanging_child_is_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(corpus_module, "TIMEOUT_SECONDS", 0.05)
        with pytest.raises(CrossfadeError, match=r"limit: 0\.05 s"):
            read_corpus()

    def test_hook_refuses_what_no_import_has_business_doing(self, tmp_path: Path) -> None:
        program = f"""
import os, socket, subprocess, sys
from demo.harvest import RefusedError, import_quietly, refuse
sys.addaudithook(refuse)
for act in (
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: subprocess.run(["true"]),
    lambda: os.system("true"),
    lambda: os.fork(),
    lambda: open({str(tmp_path / "made")!r}, "w"),
    lambda: os.mkdir({str(tmp_path / "made")!r}),
):
    try:
        act()
    except RefusedError:
        continue
    sys.exit("not refused")
open(os.devnull, "w").close()
assert import_quietly("json").__name__ == "json"
assert import_quietly("no_such_module") == "ModuleNotFoundError"
"""
        root = str(Path(demo.build_dataset.__file__).resolve().parents[1])
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": root},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert list(tmp_path.iterdir()) == []


def test_select_keeps_what_can_be_answered() -> None:
    queries = [
        Query("a", "howto", "train", "a", {"x": 3, "y": 2}),
        Query("b", "howto", "train", "b", {"y": 3, "x": 1}),
        Query("c", "howto", "test", "c", {"x": 3, "z": 3, "y": 1, "w": 1}),
    ]
    kept, left_out, dropped = select(queries, frozenset({"x"}))
    assert [(query.id, query.relevant) for query in kept] == [("a", {"x": 3}), ("c", {"x": 3})]
    assert left_out == ["b"]
    assert dropped == 4

"""What is done for large collections changes no figure: arrays for dictionaries, a file for a list, pieces for all."""

from __future__ import annotations

import errno
import gzip
import itertools
import json
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_fakes import FakeBundle, FakeEncoder, toy_dataset

from crossfade import measures as ir
from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation import array_run, beir, rank_overlap, trec
from crossfade.evaluation.aligned import align
from crossfade.evaluation.array_run import ArrayRun
from crossfade.evaluation.beir import open_corpus, read_beir, write_beir
from crossfade.evaluation.changes import changes
from crossfade.evaluation.compare import ComparisonSettings, compare, compare_runs
from crossfade.evaluation.corpus_file import CorpusFile, CorpusIndex
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.decision import gather, judged
from crossfade.evaluation.decision.decide import decide_runs
from crossfade.evaluation.decision.gather import run_sha256
from crossfade.evaluation.decision.judged import judged_shares, pool_to_judge
from crossfade.evaluation.decision.protocol import Protocol, SliceRule
from crossfade.evaluation.evaluate import Evaluated, EvaluationSettings, build_evaluation, evaluate_all
from crossfade.evaluation.run_measures import measure_run
from crossfade.evaluation.showcase import chosen_queries
from crossfade.evaluation.trec import write_run
from crossfade.store.types import Document


def tied_dataset() -> Dataset:
    """Every text stands in three documents, so that scores tie, also at the cut; ids run against the rows."""
    corpus = [Document(f"d{90 - row}", f"title {row % 30}", f"text {row % 30}") for row in range(90)]
    queries = {f"q{place}": corpus[place].content for place in range(30)}
    qrels = {f"q{place}": {corpus[place].id: 2, corpus[place + 30].id: 1, "d1": -1} for place in range(30)}
    return Dataset("tied", "test", corpus, queries, qrels)


def both(dataset: Dataset, depth: int = 20) -> list[Evaluated]:
    tuned = FakeEncoder(FakeBundle("tuned", query_fingerprint="cf1-tuned"), noise=1.0)
    settings = EvaluationSettings(["nDCG@10", "AP", "R@10"], depth=depth)
    return evaluate_all(dataset, [FakeEncoder(noise=0.5), tuned], settings)


def plain(evaluated: Evaluated, dataset: Dataset, depth: int = 20) -> Evaluated:
    """The same by dictionaries alone."""
    run = {query: dict(ranking) for query, ranking in evaluated.run.items()}
    found = evaluated.evaluation
    again = build_evaluation(dataset, run, found.model, [1.0], list(found.measures), depth=depth)
    return Evaluated(replace(again, latency_ms=found.latency_ms, settings=found.settings), run)


@pytest.fixture(params=["whole", "pieces"])
def _size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pieces":
        monkeypatch.setattr(array_run, "PIECE", 7)
        for module in ("run_measures", "aligned"):
            monkeypatch.setattr(f"crossfade.evaluation.{module}.PIECE", 7)
        monkeypatch.setattr(judged, "_PIECE", 7)
        monkeypatch.setattr(rank_overlap, "_ROWS", 7)


@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize("dataset", [toy_dataset(), tied_dataset()], ids=["toy", "tied"])
def test_arrays_and_dictionaries_give_one_comparison(dataset: Dataset) -> None:
    first, second = both(dataset)
    assert isinstance(first.run, ArrayRun)
    ours = compare_runs(dataset, first.evaluation, first.run, second.evaluation, second.run)
    one, other = plain(first, dataset), plain(second, dataset)
    theirs = compare_runs(dataset, one.evaluation, one.run, other.evaluation, other.run)
    assert json.dumps(ours.to_json()) == json.dumps(theirs.to_json())


@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize("measure", ["nDCG@10", "AP", "R@10"])
def test_arrays_and_dictionaries_give_one_decision(measure: str) -> None:
    dataset = tied_dataset()
    first, second = both(dataset)
    one, other = plain(first, dataset), plain(second, dataset)
    protocol = Protocol(primary=measure, seed=3)
    records: list[dict[str, Any]] = []
    for base, candidate in ((first, second), (one, other)):
        record = decide_runs(dataset, base, candidate, protocol).record.to_json()
        for name in ("content_sha256", "environment"):
            record.pop(name)
        record["evidence"].pop("decided")
        record["outcome"].pop("gates")  # one says how old the base is
        records.append(record)
    assert json.dumps(records[0]) == json.dumps(records[1])
    assert json.dumps(judged_shares(dataset, first.run, second.run, measure, 10).pool) != "0"


def test_arrays_and_dictionaries_give_one_file(tmp_path: Path) -> None:
    dataset = tied_dataset()
    first, second = both(dataset)
    write_run(tmp_path / "arrays", first.run)
    write_run(tmp_path / "dictionaries", plain(first, dataset).run)
    assert (tmp_path / "arrays").read_bytes() == (tmp_path / "dictionaries").read_bytes()
    assert run_sha256(first.run) == run_sha256(plain(first, dataset).run)
    pools = [
        pool_to_judge(dataset, base.run, candidate.run, 10)
        for base, candidate in ((first, second), (plain(first, dataset), plain(second, dataset)))
    ]
    assert pools[0] == pools[1]


def test_an_array_run_reads_like_a_mapping() -> None:
    ids = np.array(["b", "a", "c"], dtype=object)
    rows = np.array([[0, 1], [2, 0]], dtype=np.int32)
    run = ArrayRun(["q1", "q2"], ids, rows, np.array([[2.0, 1.0], [0.5, 0.5]], dtype=np.float32))
    expected = {"q1": {"b": 2.0, "a": 1.0}, "q2": {"c": 0.5, "b": 0.5}}
    assert run == expected
    assert run.to_dict() == expected
    assert list(run["q1"]) == ["b", "a"]
    assert "q3" not in run
    assert run.get("q3") is None
    assert run.of(["q2", "q9"]) == {"q2": expected["q2"]}
    assert run.trec_ranking("q2") == [("c", 0.5), ("b", 0.5)]
    assert run.table().to_dict() == expected
    with pytest.raises(InvalidInput, match="for 1 queries"):
        ArrayRun(["q1"], ids, rows, rows.astype(np.float32))


def test_pieces_are_measured_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = tied_dataset()
    run = both(dataset)[0].run
    qrels = {**dataset.qrels, "q-none": {"d1": 1}, "q-unjudged": {}}
    names = ["nDCG@10", "AP", "Judged@10"]
    whole = ir.evaluate(qrels, dict(run), names, missing="zero")
    monkeypatch.setattr("crossfade.evaluation.run_measures.PIECE", 4)
    monkeypatch.setattr(array_run, "PIECE", 4)
    found = measure_run(qrels, run, names)
    assert (found.query_ids, found.missing, found.mode) == (whole.query_ids, whole.missing, whole.mode)
    np.testing.assert_array_equal(found.values, whole.values)


def test_pieces_are_aligned_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (evaluated.run for evaluated in both(tied_dataset()))
    assert isinstance(first, ArrayRun)
    less = first.of([query for query in first if query != "q3"])
    whole = changes(dict(less), dict(second))
    monkeypatch.setattr("crossfade.evaluation.aligned.PIECE", 4)
    monkeypatch.setattr(array_run, "PIECE", 4)
    monkeypatch.setattr(rank_overlap, "_ROWS", 5)
    pieces = changes(less, second)
    assert pieces.rank_overlap.mean == whole.rank_overlap.mean
    assert pieces.rank_overlap.per_query == whole.rank_overlap.per_query
    assert pieces.churn == whole.churn
    assert align(less, second).only_candidate == 1


def test_a_record_shows_the_queries_that_changed_most() -> None:
    values = {"base": {f"q{n:02}": n / 100 for n in range(30)}, "candidate": {f"q{n:02}": 0.15 for n in range(30)}}
    assert chosen_queries(values, 30) == sorted(values["base"])  # type: ignore[arg-type]
    chosen = chosen_queries(values, 9)  # type: ignore[arg-type]
    assert chosen[:3] == ["q00", "q01", "q02"]
    assert chosen[-3:] == ["q27", "q28", "q29"]
    assert len(set(chosen)) == 9
    dataset = tied_dataset()
    first, second = both(dataset)
    found = compare_runs(
        dataset, first.evaluation, first.run, second.evaluation, second.run, ComparisonSettings(queries_shown=9)
    )
    assert len(found.queries) == 9
    assert found.settings["queries_left_out"] == 21
    assert len(found.base.per_query["nDCG@10"]) == 30
    deltas = [query.delta for query in found.queries]
    assert deltas == sorted(deltas, reverse=True)
    with pytest.raises(InvalidInput, match="queries_shown"):
        ComparisonSettings(queries_shown=0)


def test_a_decision_shows_the_greatest_losses_whatever_the_record_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are shown of all queries, not of those that the comparison's record holds."""
    dataset = tied_dataset()
    first, second = both(dataset)
    protocol = Protocol(primary="nDCG@10", seed=3)
    whole = decide_runs(dataset, first, second, protocol).record.regressions
    monkeypatch.setattr("crossfade.evaluation.compare.chosen_queries", lambda values, most: ["q0"])
    assert decide_runs(dataset, first, second, protocol).record.regressions == whole
    assert whole


def test_deciding_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "TOLD_AFTER", 7)
    monkeypatch.setattr(judged, "_PIECE", 7)
    dataset = tied_dataset()
    first, second = both(dataset)
    told: list[tuple[int, int]] = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "deciding":
            told.append((done, total))

    protocol = Protocol(primary="nDCG@10", seed=3, slices=[SliceRule("short", most_words=3)])
    decide_runs(dataset, first, second, protocol, progress=progress)
    (total,) = {total for _, total in told}
    done = [each for each, _ in told]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, total)
    assert all(each < total for each in done[:-1])
    # Queries are hashed twice and counted once in pieces of seven; and what they take weighs most.
    assert len(set(done)) > 3 * math.ceil(len(dataset.queries) / 7)
    assert max(after - before for before, after in itertools.pairwise(done)) <= 0.25 * total


def test_deciding_can_be_interrupted_wherever_it_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "TOLD_AFTER", 7)
    monkeypatch.setattr(judged, "_PIECE", 7)
    dataset = tied_dataset()
    first, second = both(dataset)
    seen = 0

    def interrupt(stage: str, done: int, total: int) -> None:
        nonlocal seen
        if stage == "deciding" and 2 * done >= total:
            seen += 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decide_runs(dataset, first, second, Protocol(primary="nDCG@10", seed=3), progress=interrupt)
    assert seen == 1


def test_rankings_and_pools_say_how_far_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trec, "TOLD_AFTER", 7)
    monkeypatch.setattr(judged, "TOLD_AFTER", 7)
    dataset = tied_dataset()
    first, second = both(dataset)
    told: list[int] = []
    write_run(tmp_path / "run", first.run, tell=told.append)
    assert told == [7] * (len(dataset.queries) // 7)
    told.clear()
    pool_to_judge(dataset, first.run, second.run, 10, tell=told.append)
    assert told == [7] * (len(dataset.queries) // 7)


@pytest.fixture
def _no_room_in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(beir, "HELD_BYTES", 0)
    return


def write_odd(directory: Path, *, packed: bool = False) -> Path:
    """A byte order mark, CRLF, blank lines, escapes, an empty document, other keys."""
    lines = [
        '\ufeff{"_id": "a", "title": "Ein Titel", "text": "schön \\u00e9"}\r\n',
        "\n",
        '{"_id": "b", "text": "kein Titel", "metadata": {"x": [1]}}\r\n',
        '{"_id": "ç", "title": null, "text": ""}\n',
        '{"_id": "d", "title": "", "text": "' + "w " * 5000 + '"}',
    ]
    directory.mkdir(exist_ok=True)
    data = "".join(lines).encode()
    path = directory / ("corpus.jsonl.gz" if packed else "corpus.jsonl")
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_a_corpus_in_its_file_is_the_corpus(tmp_path: Path, *, packed: bool) -> None:
    path = write_odd(tmp_path / "c", packed=packed)
    held, filed = open_corpus(path), open_corpus(path, held_bytes=10)
    assert isinstance(held, list)
    assert isinstance(filed, CorpusFile)
    assert list(filed) == held
    assert filed[1:3] == held[1:3]
    assert filed[::-1] == held[::-1]
    assert [filed[-1], filed[0]] == [held[-1], held[0]]
    assert filed.read([2, 0]) == [held[2], held[0]]
    with pytest.raises(IndexError):
        filed[4]
    sets = [Dataset("c", "test", documents, {"q": "x"}, {"q": {"a": 1}}) for documents in (held, filed)]
    assert sets[0].corpus_hash == sets[1].corpus_hash
    assert dict(sets[1].documents_by_id) == sets[0].documents_by_id
    assert sets[0].document_places == sets[1].document_places
    assert sets[0].document_lengths.tolist() == sets[1].document_lengths.tolist()
    assert sets[0].contents([3, 1]) == sets[1].contents([3, 1])
    assert sets[0].document_ids.tolist() == sets[1].document_ids.tolist()


@pytest.mark.usefixtures("_no_room_in_memory")
def test_a_corpus_in_its_file_gives_the_same_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tied_dataset()
    write_beir(tmp_path / "tied", data.documents, data.queries, {"test": data.qrels})
    filed = read_beir(tmp_path / "tied")
    monkeypatch.setattr(beir, "HELD_BYTES", 1 << 20)
    held = read_beir(tmp_path / "tied")
    assert isinstance(filed.documents, CorpusFile)
    assert isinstance(held.documents, list)
    records = []
    for dataset in (filed, held):
        record = compare(dataset, FakeEncoder(), FakeEncoder(noise=1.0, bundle=FakeBundle("n"))).to_json()
        records.append({key: record[key] for key in ("primary", "difference", "verdict", "queries")})
        assert record["base"]["settings"]["corpus_hash"] == data.corpus_hash
    assert records[0] == records[1]


@pytest.mark.usefixtures("_no_room_in_memory")
def test_every_fault_is_still_named_by_its_line(tmp_path: Path) -> None:
    path = write_odd(tmp_path / "c")
    path.write_bytes(path.read_bytes() + b'\n{"_id": "a", "text": ""}')
    with pytest.raises(DataError, match=r"corpus\.jsonl:6: duplicate id 'a', first on line 1"):
        open_corpus(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        open_corpus(path)


@pytest.mark.parametrize("change", ["cut", "other text", "other id", "no JSON"])
def test_a_file_that_changes_meanwhile_is_told_of(tmp_path: Path, change: str) -> None:
    path = write_odd(tmp_path / "c")
    corpus = open_corpus(path, held_bytes=0)
    content = path.read_bytes()
    changed = {
        "cut": content[:40],
        "other text": content.replace(b"kein Titel", b"ein T\xc3\xaftel"),
        "other id": content.replace(b'"b"', b'"x"'),
        "no JSON": content.replace(b'{"_id": "b"', b'["_id": "b"'),
    }[change]
    with path.open("r+b") as stream:
        stream.write(changed)
        stream.truncate()
    with pytest.raises(DataError, match="was changed while it was in use"):
        list(corpus)


def rewritten(path: Path) -> None:
    """Other words of the same lengths, in place: the same ids, the same characters."""
    content = path.read_bytes()
    assert b"kein Titel" in content
    with path.open("r+b") as stream:
        stream.write(content.replace(b"kein Titel", b"dein Titel"))
    then = path.stat().st_mtime_ns + 10**9  # whatever the clock of the file system tells apart
    os.utime(path, ns=(then, then))


def test_other_words_of_the_same_length_are_told_of(tmp_path: Path) -> None:
    """Else vectors of one text would be kept under the digest of another."""
    path = write_odd(tmp_path / "c")
    corpus = open_corpus(path, held_bytes=0)
    rewritten(path)
    with pytest.raises(DataError, match="was changed while it was in use"):
        list(corpus)


@pytest.mark.parametrize("how", ["in place", "another file"])
def test_a_file_that_changes_while_it_is_read_is_told_of(tmp_path: Path, how: str) -> None:
    path = write_odd(tmp_path / "c")
    index = CorpusIndex(path, packed=False, held_bytes=0)
    for document in beir.read_corpus(path, seen=index.saw):
        index.add(document)
    if how == "another file":
        write_odd(tmp_path / "other").replace(path)
    else:
        rewritten(path)
    with pytest.raises(DataError, match="was changed while it was in use"):
        index.finish()


def test_a_small_packed_corpus_needs_no_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_odd(tmp_path / "c", packed=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert isinstance(open_corpus(path), list)
    with pytest.raises(DataError, match=r"corpus\.jsonl\.gz.*cannot be unpacked into .*none: No such file"):
        open_corpus(path, held_bytes=10)


def test_a_disk_that_is_full_when_a_packed_corpus_is_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is buffered is written at the end, and again when the file is closed."""

    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        close = fileno = flush = lambda self: self.write(b"")
        closed = True  # it is, once it was tried

    path = write_odd(tmp_path / "c", packed=True)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *_, **__: Full())
    with pytest.raises(DataError, match=r"cannot be unpacked into .*No space left on device; make room there"):
        open_corpus(path, held_bytes=10)

"""The door to graphs: what it takes, what it refuses, what it promises around the work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossfade.errors import DataError, InvalidInput
from crossfade.kernels import PLANS, Graph, Metric, build_graph, open_graph, quantise, top_k

RANDOM = np.random.default_rng(11)
ROWS = RANDOM.standard_normal((600, 12), dtype=np.float32)
QUERIES = RANDOM.standard_normal((9, 12), dtype=np.float32)
METRICS: tuple[Metric, ...] = ("cosine", "ip", "l2")
SAMPLE = Path(__file__).parent / "data" / "graph-format-1"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build_graph(ROWS, m=8, ef_construction=50)


def scored(graph: Graph, found: Any, vectors: NDArray[Any], metric: Metric) -> None:
    """Each score is that of `top_k` for its row, to the bit, and the order is its order."""
    exact = top_k(QUERIES, vectors, len(vectors), metric=metric)
    for query in range(len(QUERIES)):
        of = dict(zip(exact.indices[query].tolist(), exact.scores[query].tolist(), strict=True))
        pairs = list(zip(found.scores[query].tolist(), found.indices[query].tolist(), strict=True))
        assert [of[row] for _, row in pairs] == [score for score, _ in pairs]
        assert pairs == sorted(pairs, key=lambda pair: (-pair[0], pair[1]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("form", ["measured", "codes", "vectors"])
def test_scores_are_exact(metric: Metric, form: Any) -> None:
    graph = build_graph(ROWS, metric=metric, form=form, m=8, ef_construction=50)
    found = graph.search(QUERIES, 10, plan="walk")
    assert found.scores.dtype == np.float32
    assert found.indices.dtype == np.int64
    assert found.scores.shape == found.indices.shape == (9, 10)
    assert [PLANS[plan] for plan in found.plans] == ["walk"] * 9
    scored(graph, found, ROWS, metric)
    assert graph.facts.metric == metric
    assert (graph.facts.rows, graph.facts.dimension, graph.facts.m) == (600, 12, 8)


def test_any_type_of_rows() -> None:
    for vectors in (ROWS.astype(np.float16), ROWS.astype(np.float64), quantise(ROWS, "int8"), quantise(ROWS, "bf16")):
        found = build_graph(vectors).search(QUERIES, 10, ef=300, plan="walk")
        wanted = top_k(QUERIES, vectors, 10)
        # Of 600 rows a walk that keeps 300 leaves out none of the best ten.
        np.testing.assert_array_equal(found.indices, wanted.indices)
        np.testing.assert_array_equal(found.scores, wanted.scores)


def test_rows_that_lie_apart_are_not_copied() -> None:
    wide = np.zeros((600, 30), np.float32)
    wide[:, 5:17] = ROWS
    graph = build_graph(wide[:, 5:17], m=8, ef_construction=50, threads=1)
    packed = build_graph(ROWS, m=8, ef_construction=50, threads=1)
    np.testing.assert_array_equal(graph.search(QUERIES, 5).indices, packed.search(QUERIES, 5).indices)


def test_one_thread_builds_the_same_graph() -> None:
    one, two = (build_graph(ROWS, threads=1, seed=3)._file for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_few_rows_and_fewer_than_asked_for(graph: Graph) -> None:
    for rows in (0, 1, 2):
        found = build_graph(ROWS[:rows]).search(QUERIES, 7)
        assert found.indices.shape == (9, rows)
    assert graph.search(QUERIES, 10_000).indices.shape == (9, 600)
    assert graph.search(QUERIES[:0], 3).indices.shape == (0, 3)
    assert build_graph(np.zeros((50, 4), np.float32)).search(np.ones((1, 4)), 3).scores.tolist() == [[0.0] * 3]


@pytest.mark.parametrize("plan", ["planned", "walk", "exact", "scan", "cells", "codes"])
def test_masks(graph: Graph, plan: Any) -> None:
    for mask in (np.zeros(600, bool), np.ones(600, bool), np.arange(600) == 77, np.arange(600) % 5 == 0):
        found = graph.search(QUERIES, 10, mask=mask, plan=plan)
        assert found.indices.shape == (9, min(10, int(mask.sum())))
        assert mask[found.indices].all()
        packed = graph.search(QUERIES, 10, mask=np.packbits(mask, bitorder="little"), plan=plan)
        np.testing.assert_array_equal(found.indices, packed.indices)


def test_a_scan_finds_what_a_walk_finds_and_scores_it_as_exactly() -> None:
    vectors = RANDOM.standard_normal((20, 256), dtype=np.float32).repeat(60, axis=0)
    vectors += 0.6 * RANDOM.standard_normal(vectors.shape, dtype=np.float32)
    queries = vectors[::100] + 0.1 * RANDOM.standard_normal((12, 256), dtype=np.float32)
    graph = build_graph(vectors, metric="l2", form="codes", m=8, ef_construction=50)
    mask = np.arange(len(vectors)) % 3 > 0
    found = graph.search(queries, 10, mask=mask, plan="scan")
    assert [PLANS[plan] for plan in found.plans] == ["scan"] * len(queries)
    exact = top_k(queries, vectors, 10, metric="l2", mask=mask)
    np.testing.assert_array_equal(found.indices, exact.indices)
    np.testing.assert_array_equal(found.scores, exact.scores)
    # One at a time, by what was laid side by side for all.
    for query, rows in zip(queries, found.indices, strict=True):
        np.testing.assert_array_equal(graph.search(query[None], 10, mask=mask, plan="scan").indices[0], rows)


def test_near_cells_find_most_and_score_exactly() -> None:
    # So many rows that there are cells, of two hundred topics.
    topics = RANDOM.standard_normal((200, 192), dtype=np.float32)
    vectors = (topics[RANDOM.integers(0, 200, 16_500)] + RANDOM.standard_normal((16_500, 192))).astype(np.float32)
    queries = (topics[:40] + RANDOM.standard_normal((40, 192))).astype(np.float32)
    graph = build_graph(vectors, metric="cosine", form="codes", m=8, ef_construction=40)
    half = np.arange(len(vectors)) % 2 == 0
    for mask in (None, half):
        found = graph.search(queries, 10, ef=64, mask=mask, plan="cells")
        assert [PLANS[plan] for plan in found.plans] == ["cells"] * len(queries)
        exact = top_k(queries, vectors, len(vectors), metric="cosine", mask=mask)
        for query in range(len(queries)):
            scores = dict(zip(exact.indices[query].tolist(), exact.scores[query].tolist(), strict=True))
            assert [scores[row] for row in found.indices[query].tolist()] == found.scores[query].tolist()
        recall = np.mean([np.isin(found.indices[q], exact.indices[q, :10]).mean() for q in range(len(queries))])
        assert recall >= 0.95
    # Of fewer rows there are none.
    few = build_graph(vectors[:500], metric="cosine", form="codes", m=8, ef_construction=40)
    assert {PLANS[plan] for plan in few.search(queries, 10, plan="cells").plans} == {"scan"}


def test_a_saved_graph_is_the_same(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "segment.graph"
    graph.save(path)
    assert path.stat().st_size == graph.nbytes
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["segment.graph"]
    for verify in (True, False):
        opened = open_graph(path, ROWS, verify=verify)
        assert opened.facts == graph.facts
        np.testing.assert_array_equal(opened.search(QUERIES, 10).indices, graph.search(QUERIES, 10).indices)
    graph.save(path)  # over a file that is mapped


def test_what_a_search_would_wait_for_can_be_made_before(tmp_path: Path) -> None:
    rows = RANDOM.standard_normal((600, 128), dtype=np.float32)
    path = tmp_path / "segment.graph"
    build_graph(rows, form="codes").save(path)
    assert open_graph(path, rows, verify=True).is_prepared
    by_itself, before = (open_graph(path, rows, verify=False) for _ in range(2))
    assert not before.is_prepared
    before.prepare()
    assert before.is_prepared
    assert not by_itself.is_prepared
    before.prepare(threads=1)  # nothing is left to do
    found = [opened.search(rows[:9], 10).indices for opened in (by_itself, before)]
    np.testing.assert_array_equal(*found)
    assert by_itself.is_prepared
    assert build_graph(rows, form="vectors").is_prepared, "nothing is made of vectors"


def test_a_file_that_cannot_be_opened_is_refused_by_name(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "segment.graph"
    with pytest.raises(DataError, match="no such file"):
        open_graph(path, ROWS)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"segment\.graph: it is empty"):
        open_graph(path, ROWS)
    with pytest.raises(DataError, match="cannot be read"):
        open_graph(tmp_path, ROWS)
    graph.save(path)
    whole = path.read_bytes()
    for damaged, reason in (
        (whole[:-1], "cut off"),
        (whole + b"\0", "something was appended"),
        (b"x" + whole[1:], "no crossfade graph"),
        (whole[:300] + bytes([whole[300] ^ 1]) + whole[301:], "damaged"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=reason) as caught:
            open_graph(path, ROWS)
        assert caught.value.path == str(path)
    path.write_bytes(whole)
    with pytest.raises(InvalidInput, match="is that of 600 vectors of dimension 12, and these are 599"):
        open_graph(path, ROWS[:599])
    with pytest.raises(InvalidInput, match="built for other vectors"):
        open_graph(path, ROWS[::-1])


def test_the_format_is_frozen() -> None:
    vectors = np.load(SAMPLE / "vectors.npy")
    graph = open_graph(SAMPLE / "sample.graph", vectors)
    facts = graph.facts
    assert (facts.rows, facts.dimension, facts.metric, facts.m) == (120, 8, "cosine", 4)
    assert (facts.ef_construction, facts.seed, facts.form, facts.unreachable) == (20, 5, "codes", 0)
    assert facts.levels > 0
    found = graph.search(vectors[:10], 5, ef=60, plan="walk")
    np.testing.assert_array_equal(found.indices, top_k(vectors[:10], vectors, 5).indices)


def test_how_far_to_walk(graph: Graph) -> None:
    found = graph.ef_for_recall(0.9, 10, sample=200)
    assert found.reached
    assert found.recall >= 0.9
    assert 0 <= found.standard_error < 0.1
    assert found.queries == 200
    assert graph.ef_for_recall(1, 5, queries=QUERIES).queries == 9
    assert graph.ef_for_recall(0.9, 10, sample=200) == found


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"m": 1}, "m must be at least 2 and at most 256, not 1"),
        ({"ef_construction": 0}, "ef_construction must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"metric": "dot"}, "metric 'dot' is not known"),
        ({"form": "bits"}, "form 'bits' is not known"),
        ({"threads": -1}, "threads must be at least 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        build_graph(ROWS, **arguments)


def test_what_cannot_be_built_or_searched_is_refused(graph: Graph) -> None:
    bad = ROWS.copy()
    bad[41, 3] = np.nan
    with pytest.raises(InvalidInput, match="row 41 holds NaN or infinity"):
        build_graph(bad)
    with pytest.raises(InvalidInput, match="two axes"):
        build_graph(ROWS[0])
    with pytest.raises(InvalidInput, match="binary"):
        build_graph(quantise(ROWS, "binary"))
    for arguments, reason in (
        ((QUERIES, 0), "k must be at least 1"),
        ((QUERIES[:, :5], 3), "queries have dimension 5 and the corpus 12"),
        ((QUERIES * np.nan, 3), "query 0 holds NaN"),
    ):
        with pytest.raises(InvalidInput, match=reason):
            graph.search(*arguments)
    with pytest.raises(InvalidInput, match="ef must be at least 1"):
        graph.search(QUERIES, 3, ef=0)
    with pytest.raises(InvalidInput, match="plan 'fast' is not known"):
        graph.search(QUERIES, 3, plan="fast")  # type: ignore[arg-type]  # refused at run time too
    with pytest.raises(InvalidInput, match="mask must have one entry for each of the 600 rows"):
        graph.search(QUERIES, 3, mask=np.ones(5, bool))
    for target in (0, 1.5, float("nan"), True, "all"):
        with pytest.raises(InvalidInput, match="target must be"):
            graph.ef_for_recall(target, 3)  # type: ignore[arg-type]  # refused at run time too
    with pytest.raises(InvalidInput, match="no query to measure with"):
        graph.ef_for_recall(0.9, 3, queries=QUERIES[:0])


def test_progress_is_told_and_may_stop_the_build() -> None:
    vectors = RANDOM.standard_normal((20_000, 32), dtype=np.float32)
    told: list[int] = []
    build_graph(vectors, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 20_000

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_graph(vectors, progress=stop)


def test_ctrl_c_stops_a_build() -> None:
    script = (
        "import numpy as np, os, signal, threading, time\n"
        "from crossfade.kernels import build_graph\n"
        "vectors = np.random.default_rng(0).standard_normal((200_000, 64), dtype=np.float32)\n"
        "started = []\n"
        "def tell(done):\n"
        "    if done and not started:\n"
        "        started.append(done)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "try:\n"
        "    build_graph(vectors, progress=tell)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )
    assert done.stdout == "stopped\n", done.stderr


def test_many_threads_may_search_one_graph(graph: Graph) -> None:
    wanted = graph.search(QUERIES, 10, plan="walk").indices
    faults: list[BaseException] = []

    def search() -> None:
        try:
            for _ in range(20):
                np.testing.assert_array_equal(graph.search(QUERIES, 10, plan="walk").indices, wanted)
        except BaseException as error:  # noqa: BLE001  # told to the thread that waits
            faults.append(error)

    threads = [threading.Thread(target=search) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []

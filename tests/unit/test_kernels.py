"""The door to the kernels: what it takes, what it refuses, what it promises around the work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from crossfade.errors import InvalidInput
from crossfade.kernels import TopK, top_k

RANDOM = np.random.default_rng(7)
CORPUS = RANDOM.standard_normal((50, 12), dtype=np.float32)
QUERIES = RANDOM.standard_normal((5, 12), dtype=np.float32)


def test_result_is_named_typed_and_shaped() -> None:
    found = top_k(QUERIES, CORPUS, 7)
    assert isinstance(found, TopK)
    assert found.scores.dtype == np.float32
    assert found.indices.dtype == np.int64
    assert found.scores.shape == found.indices.shape == (5, 7)
    assert found.scores.flags.c_contiguous
    assert found.scores.flags.writeable


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.astype(np.float64),
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.astype(">f4"),
        lambda a: a.tolist(),
    ],
    ids=["float64", "fortran", "strided", "reversed", "big-endian", "list"],
)
def test_any_real_array_gives_the_same(view: object, metric: str) -> None:
    wanted = top_k(QUERIES, CORPUS, 9, metric=metric)  # type: ignore[arg-type]  # parametrized by str
    found = top_k(view(QUERIES), view(CORPUS), 9, metric=metric)  # type: ignore[operator, arg-type]  # as above
    np.testing.assert_array_equal(found.scores, wanted.scores)
    np.testing.assert_array_equal(found.indices, wanted.indices)


def test_whole_numbers_and_half_precision_are_real_numbers() -> None:
    corpus = np.array([[1, 2], [3, 4]], dtype=np.uint8)
    assert top_k([[1, 1]], corpus, 2, metric="ip").scores.tolist() == [[7.0, 3.0]]
    assert top_k(np.ones((1, 2), np.float16), corpus, 2, metric="ip").indices.tolist() == [[1, 0]]


def test_a_result_that_no_memory_can_hold_is_refused_at_once() -> None:
    # One row lies under all of them, and costs nothing; the result would take petabytes.
    queries = np.broadcast_to(np.ones((1, 4), dtype=np.float32), (1 << 20, 4))
    corpus = np.broadcast_to(np.ones((1, 4), dtype=np.float32), (1 << 31, 4))
    with pytest.raises(MemoryError, match=r"the best 2147483648 rows of each of 1048576 queries take .* cannot be had"):
        top_k(queries, corpus, 1 << 31, metric="ip")


def test_fewer_rows_than_asked_for_and_none_at_all() -> None:
    assert top_k(QUERIES, CORPUS, 1_000_000).scores.shape == (5, 50)
    assert top_k(QUERIES, CORPUS[:0], 3).indices.shape == (5, 0)
    assert top_k(QUERIES[:0], CORPUS, 3).scores.shape == (0, 3)


def test_threads_do_not_move_the_result() -> None:
    corpus = RANDOM.standard_normal((20_000, 64), dtype=np.float32).round(1)
    queries = RANDOM.standard_normal((9, 64), dtype=np.float32).round(1)
    one = top_k(queries, corpus, 300, threads=1)
    for threads in (0, 2, 3, 16):
        many = top_k(queries, corpus, 300, threads=threads)
        np.testing.assert_array_equal(many.indices, one.indices)
        np.testing.assert_array_equal(many.scores, one.scores)


@pytest.mark.parametrize(
    ("queries", "corpus", "part"),
    [
        (QUERIES[0], CORPUS, r"queries must have two axes .* shape \(12,\): use queries\[None, :\]"),
        (QUERIES, CORPUS[None], r"corpus must have two axes"),
        (np.float32(1), CORPUS, r"queries must have two axes"),
        (QUERIES, CORPUS[:, :11], r"queries have dimension 12 and the corpus 11"),
        (QUERIES[:, :0], CORPUS[:, :0], r"queries have no elements"),
        (QUERIES, CORPUS.astype(complex), r"corpus must hold real numbers, not complex128"),
        (QUERIES > 0, CORPUS, r"queries must hold real numbers, not bool"),
        ([["a", "b"]], CORPUS, r"queries must hold real numbers"),
        (QUERIES, None, r"corpus must have two axes"),
        ([[1.0], [1.0, 2.0]], CORPUS, r"queries cannot be read as an array"),
        (QUERIES, np.ma.masked_greater(CORPUS, 0.5), r"corpus: some elements are masked"),
    ],
)
def test_wrong_shapes_and_types(queries: object, corpus: object, part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        top_k(queries, corpus, 3)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_named(bad: float) -> None:
    queries, corpus = QUERIES.copy(), CORPUS.copy()
    queries[3, 11] = corpus[42, 0] = bad
    with pytest.raises(InvalidInput, match="query 3 holds NaN or infinity"):
        top_k(queries, CORPUS, 3)
    with pytest.raises(InvalidInput, match="corpus row 42 holds NaN or infinity"):
        top_k(QUERIES, corpus, 3)
    with pytest.raises(InvalidInput, match="corpus row 42 holds NaN or infinity"):
        top_k(QUERIES, corpus.astype(np.float64), 3)


def test_what_float32_cannot_hold_is_named() -> None:
    corpus = CORPUS.astype(np.float64)
    corpus[17, 2] = -1e39
    with pytest.raises(InvalidInput, match="corpus row 17 holds a number beyond float32's range"):
        top_k(QUERIES, corpus, 3)


@pytest.mark.parametrize("k", [0, -1, 2**63, 1.5, "3", None])
def test_k_must_be_a_whole_number_from_one(k: object) -> None:
    with pytest.raises(InvalidInput, match="k must be"):
        top_k(QUERIES, CORPUS, k)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("threads", [-1, 1025, 0.5])
def test_threads_must_be_sensible(threads: object) -> None:
    with pytest.raises(InvalidInput, match="threads must be"):
        top_k(QUERIES, CORPUS, 3, threads=threads)  # type: ignore[arg-type]  # wrong on purpose


def test_the_metrics_are_named() -> None:
    with pytest.raises(InvalidInput, match='metric \'dot\' is not known: use "cosine", "ip" or "l2"'):
        top_k(QUERIES, CORPUS, 3, metric="dot")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InvalidInput, match="metric None is not known"):
        top_k(QUERIES, CORPUS, 3, metric=None)  # type: ignore[arg-type]  # wrong on purpose


def test_the_gil_is_free_meanwhile() -> None:
    """Another thread runs Python while a search is at work: it sees the search both unfinished and finished."""
    corpus = np.zeros((200_000, 64), dtype=np.float32)
    queries = np.zeros((64, 64), dtype=np.float32)
    started, finished = threading.Event(), threading.Event()

    def search() -> None:
        started.set()
        top_k(queries, corpus, 10, threads=1)
        finished.set()

    worker = threading.Thread(target=search)
    worker.start()
    started.wait()
    steps = 0
    while not finished.is_set():
        steps += 1
    worker.join()
    # Were the GIL held, this thread would have run for at most one switch interval on either side of the search.
    assert steps > 1000


INTERRUPTED = """
import signal, threading, time
import numpy as np
from crossfade.kernels import top_k
corpus = np.ones((50_000, 256), dtype=np.float32)
queries = np.ones((50_000, 256), dtype=np.float32)
threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
try:
    top_k(queries, corpus, 10)
except KeyboardInterrupt:
    print("interrupted")
else:
    print("finished")
# A search that ran to its end would raise the pending interrupt too: the processor time tells them apart.
spent = time.process_time()
top_k(queries[:2_000], corpus, 10)
print((time.process_time() - spent) * 25 > spent)
"""


def test_ctrl_c_stops_a_search_that_would_take_a_minute() -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "interrupted\nTrue\n", done.stdout + done.stderr + str(time.monotonic() - began)


FORKED = """
import os, threading
import numpy as np
from crossfade.kernels import top_k
draw = np.random.default_rng(0)
corpus, queries = draw.random((20_000, 64), dtype=np.float32), draw.random((40, 64), dtype=np.float32)
expected = top_k(queries, corpus, 10, threads=1)
# Threads of the parent are at work, and hold what they hold, while it forks.
stop = threading.Event()
def search():
    while not stop.is_set():
        top_k(queries, corpus, 10, threads=3)
busy = [threading.Thread(target=search) for _ in range(2)]
for thread in busy:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        for attempt in range(200):
            # The child has one thread, until helpers come: they may come late, and then stay for a while.
            found = top_k(queries, corpus, 10, threads=3)
            if not np.array_equal(found.indices, expected.indices):
                os._exit(1)
            if not os.path.isdir("/proc/self/task") or len(os.listdir("/proc/self/task")) > 1:
                os._exit(0)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
for thread in busy:
    thread.join()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    """multiprocessing and pre-forking servers do this; a lock or a thread of the parent's would block the child."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr

"""Smaller forms of vectors, searches in two stages, masks: the doors, and what they promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crossfade import kernels
from crossfade.errors import InvalidInput
from crossfade.kernels import Quantised, QuantisedType, quantise, rescore, top_k, top_k_rescored

RANDOM = np.random.default_rng(11)
CORPUS = RANDOM.standard_normal((400, 37), dtype=np.float32)
QUERIES = RANDOM.standard_normal((6, 37), dtype=np.float32)


def decoded(quantised: Quantised) -> np.ndarray:
    """The vectors that the codes stand for, the obvious way."""
    if quantised.dtype == "bf16":
        return (quantised.codes.astype(np.uint32) << 16).view(np.float32)
    if quantised.scales is not None:
        return quantised.codes.astype(np.float32) * quantised.scales[:, None]
    return quantised.codes.astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "int8"])
@pytest.mark.parametrize("queries", [1, 6, 80])
def test_a_quantised_corpus_gives_what_its_vectors_give(dtype: QuantisedType, metric: str, queries: int) -> None:
    many = RANDOM.standard_normal((queries, 37), dtype=np.float32)
    quantised = quantise(CORPUS, dtype)
    found = top_k(many, quantised, 9, metric=metric)  # type: ignore[arg-type]  # parametrized by str
    wanted = top_k(many, decoded(quantised), 9, metric=metric)  # type: ignore[arg-type]  # as above
    np.testing.assert_array_equal(found.indices, wanted.indices)
    np.testing.assert_array_equal(found.scores, wanted.scores)


def test_the_forms_are_those_of_numpy() -> None:
    np.testing.assert_array_equal(quantise(CORPUS, "f16").codes, CORPUS.astype(np.float16))
    np.testing.assert_array_equal(quantise(CORPUS, "binary").codes, np.packbits(CORPUS > 0, axis=1))
    codes = quantise(CORPUS, "int8")
    assert codes.scales is not None
    np.testing.assert_array_equal(codes.scales, np.abs(CORPUS).max(axis=1) / np.float32(127))
    np.testing.assert_array_equal(codes.codes, np.rint(CORPUS / codes.scales[:, None]))
    assert codes.nbytes == 400 * 37 + 400 * 4
    assert (codes.rows, codes.dimension) == (400, 37)
    np.testing.assert_allclose(decoded(quantise(CORPUS, "bf16")), CORPUS, rtol=2**-8)


def test_arrays_of_small_types_are_searched_as_they_lie() -> None:
    half = CORPUS.astype(np.float16)
    np.testing.assert_array_equal(top_k(QUERIES, half, 5).scores, top_k(QUERIES, quantise(CORPUS, "f16"), 5).scores)
    codes = RANDOM.integers(-128, 128, (50, 37), dtype=np.int8)
    wanted = top_k(QUERIES, codes.astype(np.float32), 5, metric="ip")
    np.testing.assert_array_equal(top_k(QUERIES, codes, 5, metric="ip").scores, wanted.scores)


def test_bfloat16_of_an_extension_is_known_by_its_name() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed").bfloat16
    found = top_k(QUERIES, CORPUS.astype(bfloat16), 5)
    np.testing.assert_array_equal(found.scores, top_k(QUERIES, quantise(CORPUS, "bf16"), 5).scores)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "int8", "binary"])
def test_two_stages_score_as_one(dtype: QuantisedType) -> None:
    found = top_k_rescored(QUERIES, quantise(CORPUS, dtype), CORPUS, 8, candidates=400)
    wanted = top_k(QUERIES, CORPUS, 8)
    np.testing.assert_array_equal(found.indices, wanted.indices)
    np.testing.assert_array_equal(found.scores, wanted.scores)
    few = top_k_rescored(QUERIES, quantise(CORPUS, dtype), CORPUS, 8, mask=np.arange(400) < 20)
    assert few.indices.shape == (6, 8)
    assert few.indices.max() < 20


def test_rescoring_takes_any_order_and_whole_number() -> None:
    candidates = np.array([[5, 3, 250], [399, 0, 7]], dtype=np.uint16)
    found = rescore(QUERIES[:2], CORPUS, candidates, 2, metric="ip")
    for query, rows, best in zip(QUERIES, candidates, found.indices, strict=False):
        order = sorted(rows.tolist(), key=lambda row: -float(query.astype(np.float64) @ CORPUS[row]))
        assert best.tolist() == order[:2]
    assert rescore(QUERIES[:2], CORPUS, candidates, 99).scores.shape == (2, 3)
    assert rescore(QUERIES[:0], CORPUS, candidates[:0], 5).scores.shape == (0, 3)


def test_bits_are_compared_by_their_distance() -> None:
    bits = np.packbits(CORPUS > 0, axis=1)
    distances = np.unpackbits(np.packbits(QUERIES > 0, axis=1)[:, None] ^ bits[None], axis=2).sum(axis=2)
    order = np.argsort(distances, axis=1, kind="stable")[:, :10]
    for queries, corpus in [
        (np.packbits(QUERIES > 0, axis=1), bits),
        (quantise(QUERIES, "binary"), quantise(CORPUS, "binary")),
        (QUERIES, quantise(CORPUS, "binary")),
    ]:
        found = top_k(queries, corpus, 10, metric="hamming")
        np.testing.assert_array_equal(found.indices, order)
        np.testing.assert_array_equal(found.scores, -np.take_along_axis(distances, order, axis=1).astype(np.float32))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("packed", [False, True])
def test_a_mask_is_a_search_among_what_it_lets_through(share: float, packed: bool) -> None:
    allowed = RANDOM.random(400) < share
    mask = np.packbits(allowed, bitorder="little") if packed else allowed
    rows = np.flatnonzero(allowed)
    for corpus in (CORPUS, quantise(CORPUS, "int8")):
        found = top_k(QUERIES, corpus, 30, mask=mask)
        among = CORPUS[rows] if corpus is CORPUS else decoded(quantise(CORPUS, "int8"))[rows]
        wanted = top_k(QUERIES, among, 30)
        np.testing.assert_array_equal(found.indices, rows[wanted.indices])
        np.testing.assert_array_equal(found.scores, wanted.scores)
    bits = quantise(CORPUS, "binary")
    assert np.isin(top_k(QUERIES, bits, 30, metric="hamming", mask=mask).indices, rows).all()


def test_what_a_mask_rules_out_is_not_looked_at() -> None:
    corpus = CORPUS.copy()
    corpus[13] = np.nan
    found = top_k(QUERIES, corpus, 400, mask=np.arange(400) != 13)
    assert found.indices.shape == (6, 399)


@pytest.mark.parametrize("offset", [0, 4, 1])
def test_slices_and_mapped_files_are_used_where_they_lie(tmp_path: Path, offset: int) -> None:
    wide = np.zeros((400, 50), dtype=np.float32)
    wide[:, 5:42] = CORPUS
    wanted = top_k(QUERIES, CORPUS, 9)
    (tmp_path / "vectors").write_bytes(bytes(offset) + wide.tobytes())
    mapped = np.memmap(tmp_path / "vectors", np.float32, "r", offset, (400, 50))
    for corpus in (wide[:, 5:42], mapped[:, 5:42], np.repeat(CORPUS, 2, axis=0)[::2]):
        found = top_k(QUERIES, corpus, 9)
        np.testing.assert_array_equal(found.indices, wanted.indices)
        np.testing.assert_array_equal(found.scores, wanted.scores)
        found = rescore(QUERIES, corpus, np.tile(np.arange(400)[::-1], (6, 1)), 9)
        np.testing.assert_array_equal(found.indices, wanted.indices)
        np.testing.assert_array_equal(found.scores, wanted.scores)
    np.testing.assert_array_equal(top_k(QUERIES[:, ::-1], CORPUS[:, ::-1], 9).indices, wanted.indices)


OWN_MEMORY = """
import sys
import numpy as np
from crossfade.kernels import top_k
corpus = np.memmap(sys.argv[1], np.float32, "r", shape=(2_000_000, 64))[:, :60]
top_k(corpus[:3], corpus[:1000], 5)
def own():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData")))
before = own()
found = top_k(corpus[:40], corpus, 5)
print(found.indices.shape, own() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/status is Linux's")
def test_a_mapped_corpus_is_not_copied(tmp_path: Path) -> None:
    """Half a gigabyte is searched; the process's own memory stays what it was, give or take its threads' stacks."""
    with (tmp_path / "vectors").open("wb") as file:
        file.truncate(2_000_000 * 64 * 4)
    command = [sys.executable, "-c", OWN_MEMORY, str(tmp_path / "vectors")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    match = re.fullmatch(r"\(40, 5\) (-?\d+)\n", done.stdout)
    assert match is not None, done.stdout + done.stderr
    assert int(match[1]) < 64 << 10


def test_max_sim_adds_up_the_best_of_each_token() -> None:
    query = RANDOM.standard_normal((5, 37), dtype=np.float32)
    offsets = np.array([0, 3, 4, 200, 400])
    found = kernels.max_sim(query, CORPUS, offsets)
    assert found.dtype == np.float32
    for score, start, end in zip(found, offsets, offsets[1:], strict=False):
        products = query.astype(np.float64) @ CORPUS[start:end].astype(np.float64).T
        assert score == pytest.approx(products.max(axis=1).sum(), rel=1e-6)
    half = quantise(CORPUS, "f16")
    np.testing.assert_array_equal(kernels.max_sim(query, half, offsets), kernels.max_sim(query, decoded(half), offsets))
    assert kernels.max_sim(query, CORPUS[:0], [0]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: quantise(CORPUS, "int4"), r"dtype 'int4' is not known: use \"f16\", \"bf16\", \"int8\" or \"binary\""),
        (lambda: quantise(CORPUS * 1e6, "f16"), r"row 0 holds a number beyond f16's range \(65504\)"),
        (lambda: quantise(np.full((3, 2), np.inf), "int8"), r"^row 0 holds NaN or infinity"),
        (lambda: quantise(CORPUS[:2] * 0 + 3.4e38, "bf16"), r"^row 0 holds a number beyond bf16's range"),
        (lambda: quantise(CORPUS[0], "int8"), r"vectors must have two axes"),
        (lambda: top_k(QUERIES, quantise(CORPUS, "binary"), 3), r"corpus is binary: use metric=\"hamming\""),
        (lambda: top_k(quantise(QUERIES, "f16"), CORPUS, 3), r"queries must be an array"),
        (lambda: top_k(QUERIES, CORPUS, 3, metric="hamming"), r"queries must be packed bits \(uint8"),
        (lambda: top_k(QUERIES[:, 1:], quantise(CORPUS, "binary"), 3, metric="hamming"), r"dimension 36 and the"),
        (
            lambda: top_k(quantise(QUERIES[:, 1:], "binary"), quantise(CORPUS, "binary"), 3, metric="hamming"),
            r"queries have dimension 36 and the corpus 37",
        ),
        (lambda: top_k(QUERIES, quantise(CORPUS, "f16"), 3, metric="hamming"), r"corpus must be binary"),
        (lambda: top_k(QUERIES, CORPUS, 3, mask=np.ones(399, bool)), r"one entry for each of the 400 rows"),
        (lambda: top_k(QUERIES, CORPUS, 3, mask=np.ones(400, np.uint8)), r"has shape \(50,\), not \(400,\)"),
        (lambda: top_k(QUERIES, CORPUS, 3, mask=np.arange(400)), r"mask must be bool"),
        (lambda: rescore(QUERIES, CORPUS, np.zeros((5, 2), int), 3), r"candidates must be whole numbers of shape \(6"),
        (lambda: rescore(QUERIES[:1], CORPUS, np.array([[3, 400]]), 3), r"candidate 1 of query 0 is 400"),
        (lambda: rescore(QUERIES[:1], CORPUS, np.array([[-1]]), 3), r"candidate 0 of query 0 is -1"),
        (lambda: top_k_rescored(QUERIES, CORPUS, CORPUS, 3), r"quantised must be what quantise\(\) gives"),
        (lambda: top_k_rescored(QUERIES, quantise(CORPUS, "f16"), CORPUS[1:], 3), r"quantise the same vectors"),
        (
            lambda: top_k_rescored(QUERIES, quantise(CORPUS, "f16"), CORPUS, 5, candidates=4),
            r"candidates must be at least 5",
        ),
        (lambda: kernels.max_sim(QUERIES, CORPUS, [0, 400, 400]), r"document 1 has no tokens"),
        (lambda: kernels.max_sim(QUERIES, CORPUS, [0, 300]), r"offset 1 is out of order"),
        (lambda: kernels.max_sim(QUERIES, CORPUS, [0.0, 400.0]), r"offsets must be whole numbers"),
        (lambda: Quantised("f16", CORPUS, 37), r"codes of f16 vectors of dimension 37 are float16"),
        (lambda: Quantised("int8", np.zeros((2, 3), np.int8), 3), r"int8 codes, and only they, have scales"),
        (
            lambda: Quantised("int8", np.zeros((2, 3), np.int8), 3, np.ones(3, np.float32)),
            r"scales are float32, one for each of the 2 rows",
        ),
        (
            lambda: top_k(QUERIES[:, :3], Quantised("int8", np.ones((2, 3), np.int8), 3, np.zeros(2, np.float32)), 1),
            r"row 0 .* its scale is not a positive number",
        ),
    ],
)
def test_what_cannot_be_used_is_said(call: object, part: str) -> None:
    with pytest.raises(InvalidInput, match=part):
        call()  # type: ignore[operator]  # each is a function


def test_the_instruction_set_has_a_name() -> None:
    assert kernels.instruction_set() in {"avx512", "avx2", "neon", "portable"}

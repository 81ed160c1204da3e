"""Exact top-K: in one stage, and in two."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native
from crossfade.errors import InvalidInput
from crossfade.kernels import arrays
from crossfade.kernels.corpus import corpus_of
from crossfade.kernels.quantised import Quantised, quantise
from crossfade.mapping import is_mapped

Metric = Literal["cosine", "ip", "l2"]

_MOST = 2**63 - 1

# Candidates of the first stage for each result asked for, by the form that it searches: what docs/kernels.md measures.
_CANDIDATES = {"f16": 2, "bf16": 2, "int8": 2, "binary": 20}


class TopK(NamedTuple):
    """The best rows of every query, best first; k' = min(k, rows that may be found).

    `scores`: float32, shape (queries, k'); higher is better in every metric. `indices`: int64, shape (queries, k'),
    rows of the corpus.
    """

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]


def top_k(
    queries: ArrayLike | Quantised,
    corpus: ArrayLike | Quantised,
    k: SupportsIndex,
    *,
    metric: Metric | Literal["hamming"] = "cosine",
    mask: ArrayLike | None = None,
    threads: SupportsIndex | None = None,
) -> TopK:
    """The `k` rows of `corpus` that score highest for each query, exactly: score descending, then row ascending.

    `queries`: shape (n, dimension). `corpus`: shape (m, dimension), or Quantised. Float32, float16, bfloat16 (of
    ml_dtypes) and int8 are read as they lie, if the elements of each row lie in one piece: slices of rows and of
    columns, and mapped files, are not copied. Other real numbers are converted to float32 first. A mapped file larger
    than memory is read ahead of the scan, once for each call.

    `metric`: "cosine" (0 with a zero vector), "ip" (inner product) or "l2" (the squared distance, negated), of the
    vectors that the corpus holds: of Quantised rows, what their codes stand for. A score whose size passes float32's
    range is given as the greatest float32 of its sign. "hamming", for bits alone: the number of bits that differ,
    negated; `queries` and `corpus` are then Quantised to "binary", or uint8, shape (rows, bytes), as numpy.packbits
    gives them; queries that are real numbers are reduced to their signs for a corpus that is Quantised.

    `mask`: which rows may be found: bool, shape (m,), or the same as packed bits, shape (ceil(m / 8),), in little bit
    order. What it rules out is not read, nor checked.

    `threads`: None or 0 uses every core. A score is computed in float64 in a fixed order and rounded once: it depends
    on its query and its row alone, not on the processor, threads, batch or the rest of the corpus.

    Time O(n m dimension), less what the mask rules out; memory O(n k) and a few megabytes a thread. The GIL is released
    meanwhile, and Ctrl-C stops the work. The arrays must not be written to until it returns.

    Raises InvalidInput for a wrong shape or type, NaN or infinity, `k` < 1, or an unknown metric.
    """
    depth = arrays.whole(k, "k", 1, _MOST)
    if metric == "hamming":
        return _hamming(queries, corpus, depth, mask, threads)
    _check_metric(metric)
    if isinstance(queries, Quantised):
        raise InvalidInput(f'queries must be an array for metric "{metric}": only "hamming" takes Quantised ones')
    query_rows, against = arrays.float_matrix(queries, "queries"), corpus_of(corpus, "corpus")
    way = arrays.way(threads, len(against.array), mask, mapped=against.mapped)
    return TopK(*_native.top_k(arrays.matrix(query_rows), against.elements, depth, metric, way))


def rescore(
    queries: ArrayLike,
    corpus: ArrayLike | Quantised,
    candidates: NDArray[np.integer[Any]],
    k: SupportsIndex,
    *,
    metric: Metric = "cosine",
    threads: SupportsIndex | None = None,
) -> TopK:
    """The `k` best of each query's candidates, scored and ordered as `top_k` does: a search's second stage.

    `candidates`: whole numbers, shape (queries, c), rows of `corpus`, each at most once for a query. k' = min(k, c).
    Otherwise as `top_k`; of the corpus, only the candidates are read and checked. Time O(queries c dimension).
    """
    depth = arrays.whole(k, "k", 1, _MOST)
    _check_metric(metric)
    query_rows, against = arrays.float_matrix(queries, "queries"), corpus_of(corpus, "corpus")
    chosen = np.asarray(candidates)
    if chosen.dtype.kind not in "iu" or chosen.ndim != 2 or len(chosen) != len(query_rows):
        raise InvalidInput(
            f"candidates must be whole numbers of shape ({len(query_rows)}, c), not {chosen.dtype} of shape "
            f"{chosen.shape}"
        )
    outside = (chosen < 0) | (chosen >= len(against.array))
    if outside.any():
        query, place = np.argwhere(outside)[0].tolist()
        raise InvalidInput(
            f"candidate {place} of query {query} is {chosen[query, place]}: the corpus has {len(against.array)} rows"
        )
    found = _native.rescore(
        arrays.matrix(query_rows),
        against.elements,
        np.ascontiguousarray(chosen, np.int64),
        depth,
        metric,
        arrays.way(threads, len(against.array), mapped=against.mapped),
    )
    return TopK(*found)


def top_k_rescored(
    queries: ArrayLike,
    quantised: Quantised,
    vectors: ArrayLike,
    k: SupportsIndex,
    *,
    candidates: SupportsIndex | None = None,
    metric: Metric = "cosine",
    mask: ArrayLike | None = None,
    threads: SupportsIndex | None = None,
) -> TopK:
    """`top_k` in two stages: the best `candidates` among the `quantised` rows, and of those the best among `vectors`.

    `quantised` is `quantise(vectors, ...)`: small enough for memory, or for its bandwidth. `vectors`, shape
    (m, dimension), may be a mapped file: of the types that `top_k` reads as they lie, only the candidates' rows are
    read. "binary" rows are searched by their Hamming distance to the signs of the query, which stands for the angle
    between them.

    `candidates`: how many the second stage gets for each query; None is 2 k, and 20 k for "binary". The scores are
    those of `top_k` among `vectors`. What the first stage missed is not found: docs/kernels.md says how much that was
    where it was measured, and `top_k` tells for your vectors.
    """
    depth = arrays.whole(k, "k", 1, _MOST)
    _check_metric(metric)
    if not isinstance(quantised, Quantised):
        raise InvalidInput(f"quantised must be what quantise() gives, not {type(quantised).__name__}")
    shape = arrays.real_matrix(vectors, "vectors").shape
    if shape != (quantised.rows, quantised.dimension):
        raise InvalidInput(
            f"quantised holds {quantised.rows} vectors of dimension {quantised.dimension} and vectors has shape "
            f"{shape}: quantise the same vectors"
        )
    if candidates is None:
        wanted = min(depth * _CANDIDATES[quantised.dtype], _MOST)
    else:
        wanted = arrays.whole(candidates, "candidates", depth, _MOST)
    first = metric if quantised.dtype != "binary" else "hamming"
    found = top_k(queries, quantised, wanted, metric=first, mask=mask, threads=threads)
    return rescore(queries, vectors, found.indices, depth, metric=metric, threads=threads)


def _hamming(
    queries: ArrayLike | Quantised,
    corpus: ArrayLike | Quantised,
    k: int,
    mask: ArrayLike | None,
    threads: SupportsIndex | None,
) -> TopK:
    if isinstance(corpus, Quantised):
        if not isinstance(queries, Quantised):
            queries = quantise(arrays.float_matrix(queries, "queries"), "binary", threads=threads)
        if queries.dimension != corpus.dimension:
            raise InvalidInput(
                f"queries have dimension {queries.dimension} and the corpus {corpus.dimension}: both must come from "
                "one model"
            )
    query_rows, rows = _bits(queries, "queries"), _bits(corpus, "corpus")
    way = arrays.way(threads, len(rows), mask, mapped=is_mapped(rows))
    return TopK(*_native.top_k_binary(arrays.matrix(query_rows), arrays.matrix(rows), k, way))


def _bits(values: ArrayLike | Quantised, name: str) -> NDArray[np.uint8]:
    if not isinstance(values, Quantised):
        return arrays.byte_matrix(values, name)
    if values.dtype != "binary":
        raise InvalidInput(f'{name} must be binary for "hamming", not {values.dtype}: use quantise(vectors, "binary")')
    return values.codes


def _check_metric(metric: object) -> None:
    if metric not in ("cosine", "ip", "l2"):
        raise InvalidInput(f'metric {metric!r} is not known: use "cosine", "ip" or "l2"')

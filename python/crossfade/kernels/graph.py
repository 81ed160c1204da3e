"""Approximate top-K: an HNSW graph over rows that never change, in memory or mapped from a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, SupportsIndex, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native
from crossfade.errors import DataError, InvalidInput
from crossfade.files import write_atomically
from crossfade.kernels import arrays
from crossfade.kernels.corpus import Corpus, corpus_of
from crossfade.kernels.quantised import Quantised
from crossfade.kernels.search import Metric
from crossfade.mapping import map_file

GraphForm = Literal["measured", "codes", "vectors"]
GraphPlan = Literal["planned", "walk", "exact", "scan", "cells", "codes"]

PLANS = ("walk", "filtered walk", "exact", "scan", "cells", "codes")
_ASKED_FOR = get_args(GraphPlan)

_MOST = 2**63 - 1
_MOST_SEED = 2**64 - 1
_LINE = 64
_MIN_EF = 64


class GraphTopK(NamedTuple):
    """The best rows that were found for every query, best first; k' = min(k, rows that may be found), always.

    `scores`: float32, shape (queries, k'). `indices`: int64, shape (queries, k'). Both as `top_k` gives and orders
    them. `plans`: uint8, shape (queries,): how each query was answered, a place in `PLANS`.
    """

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]
    plans: NDArray[np.uint8]


class Effort(NamedTuple):
    """How far to walk, and what that was worth on a sample of `queries`.

    `recall`: the share of the k best scores that were found. `standard_error`: of that; the recall of all queries like
    these is within two of it in 19 of 20 samples. `reached`: whether the target was; if not, `ef` is the greatest
    tried.
    """

    ef: int
    recall: float
    standard_error: float
    queries: int
    reached: bool


@dataclass(frozen=True)
class GraphFacts:
    """What a graph's file says of it.

    `form`: whether rows are compared in "codes" of eight bits or as "vectors". `levels`: layers above the lowest.
    `unreachable`: rows that no walk reaches; only exact search finds them.
    """

    rows: int
    dimension: int
    metric: Metric
    m: int
    ef_construction: int
    seed: int
    form: Literal["codes", "vectors"]
    levels: int
    unreachable: int


class Graph:
    """An HNSW graph and the rows that it leads to. Use `build_graph` or `open_graph`.

    Any number of threads may search at the same time.

    A walk through codes needs sketches of them. They are made when all of a file is verified, by `prepare`, or else by
    the first search, which then takes a second for a million rows; they take a bit an element and 16 bytes a row, in
    whole lines of 64, where that is a quarter of a code's bytes or less, and stay in memory; the file is as it was. By
    a sketch most rows are seen to be too far before their codes are read; half a per cent of what a walk would have
    kept is lost, which `ef_for_recall` counts.

    Where a filter leaves some thousands of rows, the signs of their sketches are scanned instead of walking. They are
    laid side by side, a bit an element and 4 bytes a row that the filter leaves, when a batch pays for that or the
    filter has come with as many queries as do, and kept for the filters used last: about as many bytes as the sketches
    themselves at most. Of 16,384 rows and more the graph's file also says which cell each is in, and a query need only
    look at the cells that are near.
    """

    def __init__(self, file: NDArray[np.uint8], vectors: Corpus, *, name: str, verify: bool) -> None:
        self._file = file
        self._vectors = vectors
        self._native = _native.Graph(file, name, verify)
        (rows, dimension, metric), (m, ef_construction, seed, form), (levels, unreachable) = self._native.facts(file)
        self.facts = GraphFacts(rows, dimension, metric, m, ef_construction, seed, form, levels, unreachable)
        self._native.check(file, vectors.elements)

    @property
    def nbytes(self) -> int:
        """Bytes of its file."""
        return self._file.nbytes

    @property
    def is_prepared(self) -> bool:
        """Whether no search has to wait for what `prepare` makes."""
        return self._native.is_prepared()

    def save(self, path: str | Path) -> None:
        """Write its file: whole or not at all, and on the disk when this returns. Raises InvalidInput."""
        with write_atomically(Path(path)) as stream:
            stream.write(self._file.data)

    def prepare(self, *, threads: SupportsIndex | None = None) -> None:
        """Make the sketches that walks need, if they are not made, so that no search has to wait for them.

        `threads`: None or 0 uses every core. The GIL is released, and Ctrl-C stops the work; the next who needs them
        begins anew.
        """
        self._native.prepare(self._file, arrays.way(threads, self.facts.rows, mapped=self._vectors.mapped))

    def search(
        self,
        queries: ArrayLike,
        k: SupportsIndex,
        *,
        ef: SupportsIndex | None = None,
        mask: ArrayLike | None = None,
        plan: GraphPlan = "planned",
        threads: SupportsIndex | None = None,
    ) -> GraphTopK:
        """The `k` rows that score highest for each query, as far as a walk finds them; scores are exactly `top_k`'s.

        `queries`: real numbers, shape (n, dimension). `mask`: as `top_k` has it. Never fewer than min(k, rows that the
        mask leaves): a query whose walk ends with fewer is searched exactly.

        `ef`: how many of the nearest a walk keeps; more find more and take longer. At least `k`; None is max(64, 2 k).
        `ef_for_recall` measures what a recall takes. `plan`: "planned" is whatever costs less, "walk" is a walk,
        "scan" compares the signs of all rows that may be found and then, of each `ef` (32 at least), about the nearest
        4 (or more, where signs say less of these rows; and up to 4 times as many from an `ef` of 32 on) as a walk does;
        it is "exact" where rows have no sketches. "cells" is a scan of the rows in the cells whose centres are nearest
        to the query, of more cells and of more rows the greater `ef` is; it is "scan" where there are no cells, as of
        less than 16,384 rows. "codes" compares the codes of all rows that may be found, which costs less than a walk
        with an `ef` of some hundredths of them; it is "exact" where rows have none. "exact" is `top_k`. After a
        planned scan, queries of which signs turn out to say too little are answered otherwise. `plans` of the result
        says what was done of each query.

        `threads`: None or 0 uses every core; queries are shared out. The GIL is released, and Ctrl-C stops the work.

        Raises InvalidInput for a wrong shape or type, NaN or infinity, `k` or `ef` < 1, or an unknown plan.
        """
        depth = arrays.whole(k, "k", 1, _MOST)
        effort = max(_MIN_EF, min(2 * depth, _MOST)) if ef is None else arrays.whole(ef, "ef", 1, _MOST)
        if plan not in _ASKED_FOR:
            known = ", ".join(f'"{each}"' for each in _ASKED_FOR)
            raise InvalidInput(f"plan {plan!r} is not known: use one of {known}")
        rows = arrays.float_matrix(queries, "queries")
        way = arrays.way(threads, self.facts.rows, mask, mapped=self._vectors.mapped)
        queried = arrays.matrix(rows)
        return GraphTopK(*self._native.search(self._file, self._vectors.elements, queried, depth, effort, plan, way))

    def ef_for_recall(
        self,
        target: float,
        k: SupportsIndex,
        *,
        queries: ArrayLike | None = None,
        sample: SupportsIndex = 512,
        seed: SupportsIndex = 0,
        threads: SupportsIndex | None = None,
    ) -> Effort:
        """The least `ef`, but for a sixteenth, with which walks reach a recall of `target` at `k`, measured.

        `queries`: a sample of those that will come, shape (n, dimension). None draws `sample` rows by `seed`, each left
        out of its own results; they lie among other rows, which real queries may not: those are often harder.

        With n queries a recall is known to about two `standard_error`s; 512 give 0.005 or so at 0.95.

        Raises InvalidInput for a target that is not in (0, 1], no queries, and as `search`.
        """
        depth = arrays.whole(k, "k", 1, _MOST - 1)
        if isinstance(target, bool) or not isinstance(target, int | float | np.floating | np.integer):
            raise InvalidInput(f"target must be a share greater than 0 and at most 1, not {target!r}")
        given = None if queries is None else arrays.matrix(arrays.float_matrix(queries, "queries"))
        drawn = (arrays.whole(sample, "sample", 1, _MOST), arrays.whole(seed, "seed", 0, _MOST_SEED))
        way = arrays.way(threads, self.facts.rows, mapped=self._vectors.mapped)
        found = self._native.ef_for_recall(
            self._file, self._vectors.elements, given, (float(target), depth), drawn, way
        )
        return Effort(*found)


def build_graph(
    vectors: ArrayLike | Quantised,
    *,
    metric: Metric = "cosine",
    m: SupportsIndex = 16,
    ef_construction: SupportsIndex = 200,
    seed: SupportsIndex = 0,
    form: GraphForm = "measured",
    threads: SupportsIndex | None = None,
    progress: Callable[[int], object] | None = None,
) -> Graph:
    """Build the graph of `vectors`, shape (rows, dimension), of any type that `top_k` reads (Malkov and Yashunin 2018).

    The graph keeps `vectors`, as they lie where `top_k` would read them so; they must not be written to any more.

    `m`: links of a new row in each layer, 2 to 256; twice as many in the lowest. `ef_construction`: candidates for
    them, 1 to 65,536. `seed`: of the draw of layers; with `threads=1` the graph depends on rows and settings alone.

    `form`: walks compare rows in "codes" of eight bits, a quarter of the bytes, or as "vectors"; "measured" takes codes
    where, on a sample, they find what exact scores find.

    `progress`: called from this thread every 50 ms or so with the number of rows that are in.

    Time about O(rows log(rows)); memory 8 m bytes a row, and the dimension and 8 more, in whole lines of 64, in codes.
    The GIL is released, and Ctrl-C stops it. Raises InvalidInput for NaN, infinity, or a setting out of its range.
    """
    if metric not in get_args(Metric):
        raise InvalidInput(f'metric {metric!r} is not known: use "cosine", "ip" or "l2"')
    if form not in get_args(GraphForm):
        raise InvalidInput(f'form {form!r} is not known: use "measured", "codes" or "vectors"')
    corpus = corpus_of(vectors, "vectors")
    settings = (
        arrays.whole(m, "m", 2, 256),
        arrays.whole(ef_construction, "ef_construction", 1, 65_536),
        arrays.whole(seed, "seed", 0, _MOST_SEED),
        form,
    )
    way = arrays.way(threads, len(corpus.array), mapped=corpus.mapped)
    parts, _, _ = _native.graph_build(corpus.elements, metric, settings, progress, way)
    return Graph(_joined(parts), corpus, name="the graph", verify=False)


def open_graph(path: str | Path, vectors: ArrayLike | Quantised, *, verify: bool = True) -> Graph:
    """Map the graph that was saved at `path`, and search `vectors`, those that it was built for, by it.

    `verify`: read all of it, and check checksums and links. Without, only header and sizes are checked: a damaged file
    may then give wrong rows, and nothing worse. Whether the vectors are those of the graph is checked on 64 rows either
    way, where the graph holds codes.

    Raises DataError for a file that is missing, no graph, damaged, or of another version; InvalidInput for vectors of
    another shape, or others than the graph was built for; StoreError where the process has no descriptors left.
    """
    path = Path(path)
    corpus = corpus_of(vectors, "vectors")
    mapped = map_file(path)
    if not len(mapped):
        raise DataError(path, "it is empty: build it again")
    return Graph(mapped, corpus, name=str(path), verify=verify)


def _joined(parts: list[NDArray[Any]]) -> NDArray[np.uint8]:
    """The parts, one after the other, from a cache line on: a record then lies in as few as it can."""
    size = sum(part.nbytes for part in parts)
    room = np.empty(size + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    joined = room[start : start + size]
    at = 0
    while parts:
        part = parts.pop(0).view(np.uint8)  # each is let go as soon as it is copied
        joined[at : at + part.nbytes] = part
        at += part.nbytes
    return joined

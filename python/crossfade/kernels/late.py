"""Late interaction: a document is many vectors."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossfade import _native
from crossfade.errors import InvalidInput
from crossfade.kernels import arrays
from crossfade.kernels.corpus import corpus_of
from crossfade.kernels.quantised import Quantised


def max_sim(
    query_tokens: ArrayLike,
    document_tokens: ArrayLike | Quantised,
    offsets: ArrayLike,
    *,
    threads: SupportsIndex | None = None,
) -> NDArray[np.float32]:
    """Each document's score: for each token of the query the greatest inner product with a token of the document, added
    up (MaxSim; Khattab and Zaharia 2020, "ColBERT").

    `query_tokens`: shape (tokens, dimension). `document_tokens`: those of all documents, shape (all tokens, dimension),
    or Quantised, of the types that `top_k` takes. `offsets`: whole numbers, shape (documents + 1,): document i has the
    rows from offsets[i] to before offsets[i + 1].

    Returns float32, shape (documents,). Products and sums are computed in float64 and rounded once; with unit vectors
    the products are cosines. Time O(tokens x all tokens x dimension) on every core, or `threads`; memory O(documents).
    The GIL is released, and Ctrl-C stops it.

    Raises InvalidInput for a wrong shape or type, NaN or infinity, offsets out of order, or a document without tokens.
    """
    query, tokens = arrays.float_matrix(query_tokens, "query_tokens"), corpus_of(document_tokens, "document_tokens")
    bounds: NDArray[Any] = np.asarray(offsets)
    if bounds.dtype.kind not in "iu" or bounds.ndim != 1:
        raise InvalidInput(f"offsets must be whole numbers of one axis, not {bounds.dtype} of shape {bounds.shape}")
    way = arrays.way(threads, len(tokens.array), mapped=tokens.mapped)
    return _native.max_sim(arrays.matrix(query), tokens.elements, np.ascontiguousarray(bounds, np.int64), way)

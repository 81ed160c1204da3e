"""The object that answers queries. Serving and evaluation use the same one: what is measured is what is served."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import FingerprintMismatch, InvalidInput
from crossfade.models.types import InputType
from crossfade.retrieval.options import SearchOptions
from crossfade.retrieval.pipeline import Pipeline, Query
from crossfade.retrieval.rows import RankedRows, rank_rows
from crossfade.retrieval.shares import share
from crossfade.retrieval.types import SearchResult, TextEncoder, VectorMaker
from crossfade.store.checks import finite_matrix
from crossfade.store.metadata import bind
from crossfade.store.types import Collection


class Retriever:
    """Search of one collection, by texts (with an encoder) or by vectors. Safe to use from many threads.

    A collection's name may come to mean another model's index: this searches the one that it means now, for good.

    `check` is called between stages, and between queries that a reranker reads: it raises to give up. `maker`, in place
    of an encoder: what made the vectors that this retriever is given. Raises FingerprintMismatch when
    the document fingerprint of either is not the collection's.
    """

    def __init__(
        self,
        collection: Collection,
        encoder: TextEncoder | None = None,
        threads: int = 0,
        *,
        maker: VectorMaker | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        collection = collection.pinned()
        maker = encoder or maker
        if maker is not None:
            check_encoder(collection, maker)
        self._collection = collection
        self._encoder = encoder
        self._maker = maker
        self._threads = threads
        self._check = check

    @property
    def collection(self) -> Collection:
        return self._collection

    def search_texts(self, texts: Sequence[str], k: int, options: SearchOptions | None = None) -> SearchResult:
        """The best `k` documents for each text, fewer when there are fewer.

        Raises InvalidInput when k < 1, this retriever has no encoder and the search is not by words alone, or the
        options cannot be followed.
        """
        _check_k(k)
        options = options or SearchOptions()
        if options.mode == "lexical":
            return self._search(Query(None, texts), k, options, fingerprint="")
        if self._encoder is None:
            raise InvalidInput("this retriever has no encoder: give it one, or search with vectors")
        encoded = self._encoder.encode(texts, InputType.QUERY)
        found = self._search(
            Query(encoded.vectors, texts), k, options, fingerprint=self._encoder.bundle.query_fingerprint
        )
        return replace(
            found,
            token_counts=encoded.token_counts,
            truncated=encoded.truncated,
            tokenise_ns=encoded.tokenise_ns,
            infer_ns=encoded.infer_ns,
        )

    def search_rows(self, texts: Sequence[str], k: int, places: Mapping[str, int]) -> RankedRows:
        """What `search_texts` answers when every vector is looked at, bit for bit, as rows: for many queries at once.

        `places`: document id to row of the collection. Raises InvalidInput as `search_texts` and `rank_rows` do.
        """
        _check_k(k)
        if self._encoder is None:
            raise InvalidInput("this retriever has no encoder: give it one, or search with vectors")
        encoded = self._encoder.encode(texts, InputType.QUERY)
        snapshot, metric = self._collection.snapshot(), self._collection.spec.metric
        with share(self._threads, len(texts)) as threads:
            return rank_rows(encoded.vectors, snapshot, k, metric, threads, places)

    def search_vectors(
        self,
        vectors: NDArray[np.float32],
        k: int,
        *,
        fingerprint: str,
        options: SearchOptions | None = None,
        texts: Sequence[str] | None = None,
    ) -> SearchResult:
        """The best `k` documents for each row of `vectors`, float, shape (n, the collection's dimension).

        `fingerprint` is of the encoder that made them: the collection's document fingerprint, or the query
        fingerprint of this retriever's encoder. `texts`: what the vectors were made of, one each, which some options
        need. Raises FingerprintMismatch on any other fingerprint, InvalidInput on k < 1, a wrong shape, NaN or
        infinity.
        """
        _check_k(k)
        spec = self._collection.spec
        known = {spec.document_fingerprint}
        if self._maker is not None:
            known.add(self._maker.bundle.query_fingerprint)
        if not fingerprint:
            raise InvalidInput("query vectors came without a fingerprint: give the fingerprint that Embed returned")
        if fingerprint not in known:
            raise FingerprintMismatch(
                f"the query vectors have fingerprint {fingerprint}, collection {spec.name!r} holds "
                f"{spec.document_fingerprint}, and no query encoder in use here joins them: embed the queries with the "
                "model the collection was made for, or search a collection made for theirs"
            )
        queries = finite_matrix(
            vectors,
            rows=None,
            dimension=spec.dimension,
            what="query vector",
            why=f"collection {spec.name!r} holds {spec.dimension} dimensions",
        )
        return self._search(Query(queries, texts), k, options or SearchOptions(), fingerprint=fingerprint)

    def _search(self, query: Query, k: int, options: SearchOptions, *, fingerprint: str) -> SearchResult:
        start = time.perf_counter_ns()
        collection = self._collection
        snapshot = collection.snapshot()
        condition = None if options.filter is None else bind(options.filter, collection.fields)
        pipeline = Pipeline(
            snapshot, collection.spec.metric, condition, collection.documents, self._threads, self._check
        )
        found = pipeline.run(query, k, options)
        return SearchResult(
            hits=found.hits,
            query_fingerprint=fingerprint,
            token_counts=None,
            truncated=None,
            tokenise_ns=0,
            infer_ns=0,
            search_ns=time.perf_counter_ns() - start,
            stages=found.stages,
            explanations=found.explanations,
            candidates=found.candidates,
            incomplete=snapshot.incomplete,
            pending=snapshot.pending,
        )


def check_encoder(collection: Collection, encoder: VectorMaker) -> None:
    """Raises FingerprintMismatch, or InvalidInput, unless the encoder's documents live in the collection's space."""
    spec, bundle = collection.spec, encoder.bundle
    if bundle.document_fingerprint != spec.document_fingerprint:
        raise FingerprintMismatch(
            f"the model's document fingerprint is {bundle.document_fingerprint}, collection {spec.name!r} holds "
            f"{spec.document_fingerprint}: use the model the collection was made for, or embed its documents again "
            "into a new collection for this model"
        )
    if bundle.dimension != spec.dimension:
        raise InvalidInput(
            f"collection {spec.name!r} was made with dimension {spec.dimension}, but the model of its fingerprint "
            f"makes {bundle.dimension}: delete the collection and create it from the model"
        )


def _check_k(k: int) -> None:
    if k < 1:
        raise InvalidInput(f"k is {k}: ask for at least 1 result a query")

"""Everything the service does that the front end does not do itself, without a word of gRPC.

The front end receives Embed, Search and Score, checks them, and embeds their texts; what reaches this object of them is
whole batches of token ids, and searches by vectors. The other calls come one by one, by way of `services`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crossfade import measures
from crossfade._native import Call, SearchCall
from crossfade.chunking import ChunkingSettings
from crossfade.config import Settings
from crossfade.errors import FingerprintMismatch, InvalidInput, NotFound
from crossfade.retrieval import Hit, Reranker, Retriever, SearchOptions, SearchResult
from crossfade.serving import wire
from crossfade.serving.batches import (
    CollectionState,
    EmbedDocuments,
    FoundHits,
    MeasureBatch,
    Measured,
    ServedModel,
    Space,
    UpsertBatch,
    Upserted,
)
from crossfade.serving.dual_writes import Planner
from crossfade.serving.limits import Limits
from crossfade.serving.models import ServedEncoder, ServedModels
from crossfade.serving.passages import Cutter, Passages
from crossfade.serving.versions import Versions
from crossfade.serving.writing import Writing
from crossfade.store import Collection, CollectionSettings, CollectionSpec, Document, Metric, Store
from crossfade.store.tenancy import TenantCollection

Value = TypeVar("Value", int, float)

_DOCUMENTS_AT_ONCE = 64


class Executor:
    """Models by the name they are served under, and the collections. Safe to use from many threads."""

    def __init__(
        self,
        models: ServedModels,
        store: Store,
        settings: Settings,
        embed: EmbedDocuments,
        rerankers: Mapping[str, Reranker] | None = None,
    ) -> None:
        """`embed`: documents to vectors, by way of the front end's queue."""
        self._models = models
        self._rerankers = dict(rerankers or {})
        self._store = store
        self._limits = Limits(settings)
        self._threads = settings.threads
        self._cutters: dict[str, Cutter] = {}
        self._planner = Planner(models.encoders, all_served=settings.write_all_versions)
        self._writing = Writing(self._planner, self._limits, self._cutter, embed)
        self.versions = Versions(store, self._encoder, self._cut, embed, settings.max_texts_per_call)

    @property
    def settings(self) -> Settings:
        return self._limits.settings

    def infer(self, lane: int, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Run a lane over a batch: int64, shape (batch, sequence), right-padded; float32, shape (batch, dimension).

        Raises BundleError.
        """
        return self._models.lanes[lane].infer(ids, mask)

    def search(self, calls: Sequence[SearchCall]) -> list[FoundHits | Exception]:
        """An answer a call, or the exception in its place, in their order.

        Queries of one collection go through it together.
        """
        answers: list[FoundHits | Exception | None] = [None] * len(calls)
        groups: dict[tuple[str | bytes | bool | int | None, ...], list[int]] = defaultdict(list)
        for number, call in enumerate(calls):
            # With options, k moves what the stages give on; and a model that reranks should wait for one caller alone.
            alike = (call.collection, call.model, call.fingerprint, call.with_documents, call.call.tenant)
            groups[(*alike, number) if call.options else alike].append(number)
        for numbers in groups.values():
            together = [calls[number] for number in numbers]
            # Of unequal dimension, or refused as a whole: each on its own, so that one does not spoil the others.
            alone = len(together) == 1 or len({call.vectors.shape[1] for call in together}) > 1
            found = None if alone else self._search_together(together)
            for place, number in enumerate(numbers):
                answers[number] = found[place] if found else self._search_alone(calls[number])
        return [answer for answer in answers if answer is not None]

    def reader(self, collection: str, call: Call) -> str:
        """The served model that reads queries for a collection, or for what an alias points to, as it is now: by the
        document fingerprint of its index. Of several whose queries are the same, the first.

        Raises NotFound, InvalidInput for a call of nobody's to a tenants' collection and where models would read the
        queries differently, FingerprintMismatch when none is served.
        """
        fingerprint = self._collection(collection, call).spec.document_fingerprint
        encoders = self._models.encoders
        found = [name for name, each in encoders.items() if each.bundle.document_fingerprint == fingerprint]
        if not found:
            raise FingerprintMismatch(
                f"no model is served here for the documents of collection {collection[:160]!r} ({fingerprint}): "
                f"served are {', '.join(encoders) or 'none'}; serve its model, or send vectors"
            )
        if len({encoders[name].bundle.query_fingerprint for name in found}) > 1:
            raise InvalidInput(
                f"texts came without a model, and collection {collection[:160]!r} is read by {', '.join(found)}: name "
                "one of them"
            )
        return found[0]

    def _search_together(self, calls: Sequence[SearchCall]) -> list[FoundHits] | None:
        """One pass for all of them; None when they cannot go together."""
        try:
            collection = self._collection(calls[0].collection, calls[0].call)
            most = max(call.k for call in calls)
            queries = 0
            for call in calls:
                self._limits.results(_queries(call), min(call.k, len(collection)))
                queries += _queries(call)
            # Each may ask for little, and all of them for as much as the one that asks for most.
            self._limits.results(queries, min(most, len(collection)))
            vectors = np.concatenate([call.vectors for call in calls])
            result = self._searched(
                collection, calls[0], vectors, [text for call in calls for text in call.texts], most
            )
            found: list[FoundHits] = []
            start = 0
            for call in calls:
                end = start + _queries(call)
                found.append(self._found(collection, call, result, slice(start, end)))
                start = end
        except Exception:  # noqa: BLE001 - whoever is to blame is told when each is searched alone
            return None
        return found

    def _search_alone(self, call: SearchCall) -> FoundHits | Exception:
        try:
            call.call.check()
            collection = self._collection(call.collection, call.call)
            self._limits.results(_queries(call), min(call.k, len(collection)))
            result = self._searched(collection, call, call.vectors, call.texts, call.k)
            return self._found(collection, call, result, slice(0, _queries(call)))
        except Exception as error:  # noqa: BLE001 - the boundary: the front end makes a status of it
            return error

    def _searched(
        self, collection: Collection, call: SearchCall, vectors: NDArray[np.float32], texts: Sequence[str], k: int
    ) -> SearchResult:
        options = wire.search_options(call.options, self._reranker) if call.options else SearchOptions()
        if isinstance(collection, TenantCollection):
            options = replace(options, filter=collection.imposed(options.filter))
        self._limits.candidates(_queries(call), options.depth(k))
        if options.reranker is not None:
            self._limits.reranked(_queries(call), min(options.depth(k), options.reranker.depth))
        retriever = self._retriever(collection, call)
        if options.mode == "lexical":
            return retriever.search_texts(texts, k, options)
        return retriever.search_vectors(vectors, k, fingerprint=call.fingerprint, options=options, texts=texts or None)

    def _collection(self, name: str, call: Call) -> Collection:
        """As the call's tenant has it. Raises NotFound, and InvalidInput for a call of nobody's to a tenants' one."""
        # Pinned: by the time that a model has run, another one's index may be the current one.
        try:
            collection = self._store.get(name).pinned()
        except NotFound:
            if call.tenant is None:
                raise
            # Which others there are is not a tenant's to know.
            raise NotFound(f"no collection {name!r}") from None
        field = collection.settings.tenant_field
        if field is None:
            return collection
        if call.tenant is None:
            raise InvalidInput(
                f"collection {name!r} is of tenants: say whose call it is in the metadata key crossfade-tenant"
            )
        return TenantCollection(collection, field, call.tenant)

    def _reranker(self, name: str) -> Reranker:
        """Raises NotFound."""
        reranker = self._rerankers.get(name)
        if reranker is None:
            served = ", ".join(sorted(self._rerankers)) or "none"
            raise NotFound(f"no reranker {name[:80]!r} is served here: use one of {served}")
        return reranker

    def _retriever(self, collection: Collection, call: SearchCall) -> Retriever:
        """Of the model that made the queries, or of one that is served and joins them to the collection."""
        if call.model is not None:
            return Retriever(collection, threads=self._threads, maker=self._encoder(call.model), check=call.call.check)
        spec = collection.spec
        encoder = next(
            (
                encoder
                for encoder in self._models.encoders.values()
                if encoder.bundle.query_fingerprint == call.fingerprint
                and encoder.bundle.document_fingerprint == spec.document_fingerprint
            ),
            None,
        )
        return Retriever(collection, threads=self._threads, maker=encoder, check=call.call.check)

    def _found(self, collection: Collection, call: SearchCall, result: SearchResult, part: slice) -> FoundHits:
        """A call's part of the result."""
        hits = [some[: call.k] for some in result.hits[part]]
        shown = collection.shown if isinstance(collection, TenantCollection) else str
        explanations = None if result.explanations is None else result.explanations[part]
        stages = [] if explanations is None else [(stage.name, stage.candidates, stage.ns) for stage in result.stages]
        encoded = None
        if call.with_documents or explanations is not None:
            there = self._documents(collection, hits, shown) if call.with_documents else {}
            if explanations is not None and isinstance(collection, TenantCollection):
                # What a word gives tells how many documents have it, other tenants' among them.
                explanations = [[[replace(told, terms=()) for told in hit] for hit in some] for some in explanations]
            read_ends = {} if explanations is None else self._read_ends(collection, there)
            candidates = [replace(each, hits=each.hits[part]) for each in result.candidates]
            # An id, and a score of eight bytes.
            self._limits.listed(sum(len(hit.id) + 8 for each in candidates for some in each.hits for hit in some))
            told = wire.Told(explanations, candidates, read_ends)
            encoded = wire.hits_messages(hits, shown, there, told, collection.fields)
        plain = [] if encoded is not None else [[(shown(hit.id), hit.score) for hit in some] for some in hits]
        # A document that was found and is damaged is known when it has been read, and not before.
        incomplete = result.incomplete or (call.with_documents and collection.snapshot().incomplete)
        return FoundHits(plain, encoded, result.query_fingerprint, result.search_ns, stages, incomplete, result.pending)

    def _documents(
        self, collection: Collection, hits: Sequence[Sequence[Hit]], shown: Callable[[str], str]
    ) -> dict[str, Document]:
        """Of all hits, by id. Raises LimitExceeded as soon as they are more than an answer holds."""
        times = Counter(hit.id for some in hits for hit in some)
        keys = {hit.id: hit.key for some in hits for hit in some}
        names = list(keys)
        there: dict[str, Document] = {}
        size = 0
        for start in range(0, len(names), _DOCUMENTS_AT_ONCE):
            part = names[start : start + _DOCUMENTS_AT_ONCE]
            found = collection.documents(part, [keys[name] for name in part])
            for name, document in zip(part, found, strict=True):
                if document is not None:
                    there[name] = replace(document, id=shown(name))
                    size += times[name] * document_size(document)
            self._limits.answer(size)
        return there

    def _read_ends(
        self, collection: Collection, there: Mapping[str, Document]
    ) -> dict[tuple[str, tuple[int, int]], int]:
        """Of documents by id, and of their passages' places, the character before which the model of the index stops
        reading; nothing where that is not served. The store does not keep it: documents are cut once more to tell."""
        fingerprint = collection.spec.document_fingerprint
        encoders = self._models.encoders
        model = next((name for name, each in encoders.items() if each.bundle.document_fingerprint == fingerprint), None)
        if model is None or not there:
            return {}
        read = self._cutter(model).read_ends(list(there.values()), collection.settings.chunking)
        return {(name, span): end for name, ends in zip(there, read, strict=True) for span, end in ends.items()}

    def list_models(self) -> list[ServedModel]:
        """Sorted by name."""
        return [ServedModel(name, encoder.bundle) for name, encoder in self._models.encoders.items()]

    def create_collection(
        self, name: str, metric: Metric, space: str | Space, settings: CollectionSettings | None = None
    ) -> CollectionState:
        """`space`: a served model's name, or a space named outright. Raises NotFound, AlreadyExists, InvalidInput."""
        if isinstance(space, str):
            bundle = self._encoder(space).bundle
            space = Space(bundle.dimension, bundle.document_fingerprint)
        spec = CollectionSpec(name, space.dimension, metric, space.document_fingerprint)
        return _state(self._store.create(spec, settings))

    def list_collections(self) -> list[CollectionState]:
        """Sorted by name."""
        return [_state(collection) for collection in self._store.list()]

    def delete_collection(self, name: str) -> None:
        """Raises NotFound."""
        self._store.drop(name)

    def upsert(self, batch: UpsertBatch, call: Call) -> Upserted:
        """All of the batch is taken, or none. Raises NotFound, InvalidInput, LimitExceeded, FingerprintMismatch."""
        return self._writing.upsert(self._collection(batch.collection, call), batch, call)

    def _cut(self, model: str, documents: Sequence[Document], chunking: ChunkingSettings) -> Passages:
        return self._cutter(model).cut(documents, chunking)

    def _cutter(self, model: str) -> Cutter:
        cutter = self._cutters.get(model)
        if cutter is None:
            cutter = self._cutters[model] = Cutter(self._encoder(model).bundle)
        return cutter

    def delete(self, collection: str, ids: Sequence[str], call: Call) -> int:
        """How many of the ids were there. Raises NotFound for the collection, InvalidInput, LimitExceeded."""
        found = self._collection(collection, call)
        self._limits.batch(len(ids), "ids")
        return found.delete(ids)

    def measure(self, batch: MeasureBatch, call: Call) -> Measured:
        """Measures of a run, ties as trec_eval orders them. Raises InvalidInput."""
        if not batch.measures:
            raise InvalidInput("no measures in the call: name at least one, such as nDCG@10")
        self._limits.measures(len(batch.measures), len(batch.qrels))
        if not batch.qrels:
            raise InvalidInput("no judgments in the call: send the qrels of at least one query")
        qrels = _by_query(batch.qrels, "qrels")
        run = _by_query(batch.run, "run")
        missing = sum(query not in run for query in qrels)
        if missing == len(qrels) and not batch.count_missing_queries:
            raise InvalidInput(
                "the run answers none of the judged queries: check that both use the same query ids, or set "
                "count_missing_queries to count them as 0"
            )
        call.check()
        table = measures.evaluate(
            qrels, run, list(batch.measures), missing="zero" if batch.count_missing_queries else "skip"
        )
        return Measured(table.measures, table.query_ids, table.means(), table.values, len(table.missing))

    def _encoder(self, name: str) -> ServedEncoder:
        return self._planner.encoder(name)


def _queries(call: SearchCall) -> int:
    return max(len(call.vectors), len(call.texts))


def document_size(document: Document) -> int:
    """Roughly, in an answer."""
    return len(document.id) + len(document.title) + len(document.text) + len(repr(document.metadata))


def _by_query(queries: Sequence[tuple[str, Sequence[tuple[str, Value]]]], what: str) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for query, pairs in queries:
        if query in found:
            raise InvalidInput(f"{what} name query {query[:80]!r} twice: send each query once")
        values = found[query] = dict(pairs)
        if len(values) != len(pairs):
            twice = Counter(document for document, _ in pairs).most_common(1)[0][0]
            raise InvalidInput(f"{what} name document {twice[:80]!r} twice for query {query[:80]!r}: send it once")
    return found


def _state(collection: Collection) -> CollectionState:
    collection = collection.pinned()
    indexes = collection.index_versions()
    return CollectionState(collection.spec, len(collection), collection.current, indexes, collection.settings)

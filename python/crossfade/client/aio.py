"""The client for asyncio: `Client` with `await`. What both do is in `plans.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from numpy.typing import NDArray

from crossfade._pb import embedding_pb2
from crossfade.client import index_plans, plans, stream_aio
from crossfade.client.channel import DEFAULT_TIMEOUT, OPTIONS, check_target, tenant_metadata
from crossfade.client.failures import CLOSED, failure
from crossfade.client.options import Embedder, EmbedOptions, SearchOptions
from crossfade.client.plans import Answer, Method, Plan, Progress
from crossfade.client.retries import Patience, check_retries
from crossfade.client.streams import DEFAULT_BATCH_SIZE, STREAM, AsyncSource, EmbedStream, Source, check_stream, ended
from crossfade.client.types import (
    AlsoVersions,
    CollectionInfo,
    Embedding,
    Encoding,
    Filled,
    InputType,
    Limits,
    LongTexts,
    Measured,
    ModelInfo,
    Priority,
    Scored,
    SearchResults,
    Upserted,
    Vectors,
)
from crossfade.errors import CrossfadeError, InvalidInput, NotFound, Overloaded
from crossfade.store.aliases import Alias
from crossfade.store.types import CollectionSettings, Document, IndexVersion, Metric


class AsyncClient:
    """A connection to a crossfade server, used within one event loop; close it, or use it in an `async with` block.

    Everything else is as `Client` has it.
    """

    def __init__(
        self, target: str, *, timeout: float = DEFAULT_TIMEOUT, retry_overloaded: int = 0, tenant: str | None = None
    ) -> None:
        """`target`: "host:port" or "unix:/path". Nothing is sent yet.

        `retry_overloaded`: how often a call that changes nothing is sent again when the server has too much to do. It
        waits for as long as the server asks, within the call's `timeout`; without it, Overloaded is raised at once.
        """
        self._metadata = tenant_metadata(tenant)
        self._retries = check_retries(retry_overloaded)
        self._target = check_target(target)
        self._timeout = timeout
        self._channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        self._calls: dict[str, Callable[..., Awaitable[Message]]] = {}
        self._limits: Limits | None = None
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Calls in progress are cancelled. Closing twice is harmless."""
        self._closed = True
        await self._channel.close(grace=None)

    async def health(self, service: str = "", *, timeout: float | None = None) -> bool:
        """Whether the server (or one service, such as "crossfade.v1.EmbeddingService") takes calls.

        False while it drains, and for a service it does not have. Raises Unavailable when nothing answers.
        """
        return await self._health(service, timeout)

    async def list_models(self, *, timeout: float | None = None) -> list[ModelInfo]:
        """The served models, sorted by name."""
        return await self._run(plans.list_models(), timeout)

    async def limits(self, *, timeout: float | None = None) -> Limits:
        """What the server takes in one call; asked once and remembered."""
        if self._limits is None:
            self._limits = await self._run(plans.limits(), timeout)
        return self._limits

    async def embed(
        self,
        model: str,
        texts: Sequence[str],
        input_type: InputType,
        *,
        dimensions: int | None = None,
        encoding: Encoding = "float32",
        long_texts: LongTexts = "truncate",
        prompt_name: str | None = None,
        priority: Priority | None = None,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Embedding:
        """Embed any number of texts as "query" or "document"; one row a text, as `Embedding` has them.

        `dimensions`: keep so many elements of each vector, at unit length again where the model's have it; None keeps
        all. `encoding`: how the values travel and come back. `long_texts`: "truncate" leaves the end of a text over the
        model's token limit unread and says so, "refuse" raises LimitExceeded. `prompt_name`: one of the model's named
        prompts (`ModelInfo.prompt_names`), put before each text in place of the input type's own. `priority`: whose
        turn it is when there is much to do; None lets the server tell by the number of texts.
        """
        options = EmbedOptions(dimensions, encoding, long_texts, prompt_name, priority)
        embedder = Embedder(model, input_type, options)
        limits = await self.limits(timeout=timeout)
        return await self._run(plans.embed(embedder, texts, limits), timeout, progress)

    def embed_stream(
        self,
        model: str,
        batches: Source | AsyncSource,
        input_type: InputType,
        *,
        dimensions: int | None = None,
        encoding: Encoding = "float32",
        long_texts: LongTexts = "truncate",
        prompt_name: str | None = None,
        priority: Priority | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        timeout: float | None = None,
    ) -> AsyncGenerator[Embedding, None]:
        """Embed texts without end: an iterator of one Embedding a batch, in their order. Options as `embed` has them.

        `batches` gives sequences of strings, each of them a batch, or single strings, of which up to `batch_size` make
        one. A message holds `batch_size` texts at most and no more than the server takes; a longer sequence travels in
        several. The input is read where the answers are iterated, at most 8 messages ahead of them, so memory is
        bounded however long it is. Where a call would be refused because the server has too much to do, a stream waits.
        `timeout`: seconds that one answer may take, the client's own unless given; the stream may take any time.

        A batch that cannot be embedded raises what `embed` would have raised, saying which one it was, after all
        answers before it; so does what the input raises. That ends the stream. Closing the iterator (`close` or
        `aclose`), leaving its loop or Ctrl-C cancels the call. A stream is not sent again by `retry_overloaded`.
        """
        options = EmbedOptions(dimensions, encoding, long_texts, prompt_name, priority)
        check_stream(batches, batch_size)
        return self._stream(Embedder(model, input_type, options), batches, batch_size, timeout)

    async def create_collection(
        self,
        name: str,
        *,
        model: str | None = None,
        dimension: int | None = None,
        fingerprint: str | None = None,
        metric: Metric = "cosine",
        settings: CollectionSettings | None = None,
        timeout: float | None = None,
    ) -> CollectionInfo:
        """Make a collection for a served model, or for a `dimension` and the document `fingerprint` of another one.

        `settings`: fields of metadata, how texts become words, how documents are cut, whether they are tenants',
        how vectors are held, how graphs are built.
        """
        plan = plans.create_collection(name, metric, plans.space(model, dimension, fingerprint), settings)
        return await self._run(plan, timeout)

    async def list_collections(self, *, timeout: float | None = None) -> list[CollectionInfo]:
        """Sorted by name."""
        return await self._run(plans.list_collections(), timeout)

    async def delete_collection(self, name: str, *, timeout: float | None = None) -> None:
        """Raises NotFound when there is none of this name."""
        await self._run(plans.delete_collection(name), timeout)

    async def create_index(
        self,
        collection: str,
        *,
        model: str | None = None,
        dimension: int | None = None,
        fingerprint: str | None = None,
        timeout: float | None = None,
    ) -> IndexVersion:
        """Another version of a collection's index, for a served model, or for another one's `dimension` and document
        `fingerprint`. It lacks every document until it is filled; meanwhile searches and writes go to the current one.
        """
        space = plans.space(model, dimension, fingerprint)
        return await self._run(index_plans.create_index(collection, space), timeout)

    async def drop_index(self, collection: str, version: int, *, timeout: float | None = None) -> None:
        """Raises InvalidInput when it is the current one, or an alias points to it."""
        await self._run(index_plans.drop_index(collection, version), timeout)

    async def fill_index(
        self, collection: str, version: int, *, model: str, limit: int | None = None, timeout: float | None = None
    ) -> Filled:
        """Have a served model embed documents that the version lacks, `limit` at most; call it until none are pending.

        `limit` None: as many as the server takes in one call.
        """
        return await self._run(index_plans.fill_index(collection, version, model, limit), timeout)

    async def set_current_index(
        self,
        collection: str,
        version: int,
        *,
        expected_version: int | None = None,
        force: bool = False,
        timeout: float | None = None,
    ) -> int:
        """Have searches and writes go to that version from now on; return which one it was before.

        Raises Conflict when that was not `expected_version`; InvalidInput when the version lacks documents, unless
        `force`: they are not found then until they are filled in.
        """
        plan = index_plans.set_current_index(collection, version, expected_version, force=force)
        return await self._run(plan, timeout)

    async def set_alias(
        self,
        name: str,
        collection: str,
        version: int | None = None,
        *,
        expected_revision: int | None = None,
        timeout: float | None = None,
    ) -> Alias:
        """Point an alias to an index version (None: to whichever is current), or make it, in one step. An alias may be
        named wherever documents are written, deleted or searched.

        Raises Conflict when it had another revision than expected (0: it must not be there).
        """
        return await self._run(index_plans.set_alias(name, collection, version, expected_revision), timeout)

    async def drop_alias(
        self, name: str, *, expected_revision: int | None = None, timeout: float | None = None
    ) -> None:
        """What it pointed to stays. Raises NotFound, and Conflict when it has another revision."""
        await self._run(index_plans.drop_alias(name, expected_revision), timeout)

    async def list_aliases(self, *, timeout: float | None = None) -> list[Alias]:
        """Sorted by name."""
        return await self._run(index_plans.list_aliases(), timeout)

    async def upsert(
        self,
        collection: str,
        documents: Sequence[Document],
        *,
        model: str | None = None,
        vectors: Vectors | None = None,
        expected_versions: Sequence[int | None] | None = None,
        also: AlsoVersions | None = None,
        with_chunks: bool = False,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Upserted:
        """Add or replace any number of documents, embedded by a served `model` or with `vectors`, one a document.

        `expected_versions`: the version that each document must have (`Document.version` of a search with documents),
        0: it must not be there, None: any; else Conflict is raised.
        `also`: further versions of the index that take the documents in the same transaction; where neither `model` nor
        `vectors` are given, the version that is written to anyway gets what it says too. `with_chunks`: answer with the
        chunks of each document that a model embedded: where they begin and end, and how far the model read them.
        Each call of a batch is taken whole or not at all; an error after the first call says how many documents are in.
        """
        source = plans.source(model, vectors, also)
        limits = await self.limits(timeout=timeout)
        plan = plans.upsert(collection, documents, source, limits, expected_versions, also, with_chunks=with_chunks)
        return await self._run(plan, timeout, progress)

    async def delete(self, collection: str, ids: Sequence[str], *, timeout: float | None = None) -> int:
        """Remove documents; returns how many of the ids were there."""
        limits = await self.limits(timeout=timeout)
        return await self._run(plans.delete(collection, ids, limits), timeout)

    async def search(
        self,
        collection: str,
        k: int,
        *,
        model: str | None = None,
        texts: Sequence[str] | None = None,
        vectors: Vectors | None = None,
        with_documents: bool = False,
        priority: Priority | None = None,
        options: SearchOptions | None = None,
        timeout: float | None = None,
    ) -> SearchResults:
        """The best `k` documents for each query: either `texts`, encoded by a served `model`, or float32 `vectors`.

        Without a `model` the server finds the one that the collection's current index, or the one that an alias points
        to, is of; `query_fingerprint` of the answer tells which it was. InvalidInput when several would do.

        `priority` as `embed` has it. `options`: a filter, exact or approximate, by vectors, by words or both, a
        reranker, an explanation. A search by words alone takes `texts`, and no model.
        """
        options = plans.search_options(options, with_documents, priority)
        queries = plans.queries(model, texts, vectors, options.mode)
        limits = await self.limits(timeout=timeout)
        return await self._run(plans.search(collection, k, queries, options, limits), timeout)

    async def score(
        self,
        queries: NDArray[np.float32],
        corpus: NDArray[np.float32],
        k: int,
        *,
        metric: Metric = "cosine",
        timeout: float | None = None,
    ) -> Scored:
        """Exact top-k of the rows of `corpus` for each row of `queries`; nothing is stored."""
        return await self._run(plans.score(queries, corpus, k, metric), timeout)

    async def measure(
        self,
        qrels: Mapping[str, Mapping[str, int]],
        run: Mapping[str, Mapping[str, float]],
        measures: Sequence[str],
        *,
        count_missing_queries: bool = False,
        per_query: bool = False,
        timeout: float | None = None,
    ) -> Measured:
        """Retrieval measures of a run, such as ["nDCG@10", "R@100"]; ties as trec_eval orders them."""
        plan = plans.measure(qrels, run, measures, count_missing_queries=count_missing_queries, per_query=per_query)
        return await self._run(plan, timeout)

    async def _run(self, plan: Plan[Answer], timeout: float | None, progress: Progress | None = None) -> Answer:
        answers: list[Message] = []
        done = 0
        for step in plan.steps:
            try:
                answers.append(await self._patient(plan.method, step.request(), timeout))
            except CrossfadeError as error:
                raise plan.explain(error, done) from error.__cause__
            done += step.items
            if progress is not None:
                progress(done, plan.items)
        return plan.combine(answers)

    async def _health(self, service: str, timeout: float | None) -> bool:
        try:
            answer: Any = await self._call(
                plans.HEALTH, health_pb2.HealthCheckRequest(service=service), self._seconds(timeout)
            )
        except NotFound:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def _patient(self, method: Method, request: Message, timeout: float | None) -> Message:
        """A call, and again if the server is overloaded and that was asked for."""
        seconds = self._seconds(timeout)
        patience = Patience(self._retries if method.repeatable else 0, seconds)
        while True:
            try:
                return await self._call(method, request, seconds)
            except Overloaded as refused:
                pause = patience.pause(refused)
            await asyncio.sleep(pause)
            seconds = patience.left

    async def _stream(
        self, embedder: Embedder, batches: Source | AsyncSource, batch_size: int, timeout: float | None
    ) -> AsyncGenerator[Embedding, None]:
        stream = EmbedStream(embedder, await self.limits(timeout=timeout), batch_size, self._seconds(timeout))
        untyped: Any = STREAM.response

        def start(requests: AsyncIterator[Any]) -> Any:
            try:
                call: Any = self._channel.stream_stream(
                    STREAM.path,
                    request_serializer=embedding_pb2.EmbedStreamRequest.SerializeToString,
                    response_deserializer=untyped.FromString,
                )
                return call(requests)
            except grpc.aio.UsageError as error:
                raise InvalidInput(CLOSED if self._closed else f"the stream cannot be begun: {error}") from None

        def fail(error: Exception | None) -> CrossfadeError:
            if self._closed:
                return InvalidInput(CLOSED)
            if isinstance(error, grpc.RpcError):
                return failure(error, self._target)
            return ended(self._target)

        running = stream_aio.run(stream, batches, start, fail)
        try:
            async for embedding in running:
                yield embedding
        finally:  # closing this generator does not close the other by itself
            await running.aclose()

    def _seconds(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout

    async def _call(self, method: Method, request: Message, timeout: float) -> Message:
        untyped: Any = method.response  # protobuf's own classes carry no types
        call = self._calls.get(method.path)
        if call is None:
            call = self._channel.unary_unary(
                method.path,
                request_serializer=type(request).SerializeToString,
                response_deserializer=untyped.FromString,
            )
            self._calls[method.path] = call
        try:
            answer: Message = await call(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise InvalidInput(CLOSED) if self._closed else failure(error, self._target) from None
        except grpc.aio.UsageError as error:
            if self._closed:
                raise InvalidInput(CLOSED) from None
            raise InvalidInput(f"the call cannot be sent: {error}") from error
        return answer

"""The client for asyncio: `Client` with `await`. What both do is in `plans.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from numpy.typing import NDArray

from crossfade.client import plans
from crossfade.client.channel import DEFAULT_TIMEOUT, OPTIONS, check_target
from crossfade.client.failures import CLOSED, failure
from crossfade.client.plans import Answer, Method, Plan, Progress
from crossfade.client.types import (
    CollectionInfo,
    Embedding,
    InputType,
    Limits,
    Measured,
    ModelInfo,
    Scored,
    SearchResults,
    Upserted,
    Vectors,
)
from crossfade.errors import CrossfadeError, InvalidInput, NotFound
from crossfade.store.types import Document, Metric


class AsyncClient:
    """A connection to a crossfade server, used within one event loop; close it, or use it in an `async with` block.

    Everything else is as `Client` has it.
    """

    def __init__(self, target: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """`target`: "host:port" or "unix:/path". Nothing is sent yet."""
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
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Embedding:
        """Embed any number of texts as "query" or "document"; `values` is float32, shape (len(texts), dimension)."""
        limits = await self.limits(timeout=timeout)
        return await self._run(plans.embed(model, texts, input_type, limits), timeout, progress)

    async def create_collection(
        self,
        name: str,
        *,
        model: str | None = None,
        dimension: int | None = None,
        fingerprint: str | None = None,
        metric: Metric = "cosine",
        timeout: float | None = None,
    ) -> CollectionInfo:
        """Make a collection for a served model, or for a `dimension` and the document `fingerprint` of another one."""
        plan = plans.create_collection(name, metric, plans.space(model, dimension, fingerprint))
        return await self._run(plan, timeout)

    async def list_collections(self, *, timeout: float | None = None) -> list[CollectionInfo]:
        """Sorted by name."""
        return await self._run(plans.list_collections(), timeout)

    async def delete_collection(self, name: str, *, timeout: float | None = None) -> None:
        """Raises NotFound when there is none of this name."""
        await self._run(plans.delete_collection(name), timeout)

    async def upsert(
        self,
        collection: str,
        documents: Sequence[Document],
        *,
        model: str | None = None,
        vectors: Vectors | None = None,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Upserted:
        """Add or replace any number of documents, embedded by a served `model` or with `vectors`, one a document.

        Each call of a batch is taken whole or not at all; an error after the first call says how many documents are in.
        """
        source = plans.source(model, vectors)
        limits = await self.limits(timeout=timeout)
        return await self._run(plans.upsert(collection, documents, source, limits), timeout, progress)

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
        timeout: float | None = None,
    ) -> SearchResults:
        """The best `k` documents for each query: either `texts`, encoded by a served `model`, or `vectors`."""
        queries = plans.queries(model, texts, vectors)
        limits = await self.limits(timeout=timeout)
        return await self._run(plans.search(collection, k, queries, with_documents, limits), timeout)

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
                answers.append(await self._call(plan.method, step.request(), timeout))
            except CrossfadeError as error:
                raise plan.explain(error, done) from error.__cause__
            done += step.items
            if progress is not None:
                progress(done, plan.items)
        return plan.combine(answers)

    async def _health(self, service: str, timeout: float | None) -> bool:
        try:
            answer: Any = await self._call(plans.HEALTH, health_pb2.HealthCheckRequest(service=service), timeout)
        except NotFound:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def _call(self, method: Method, request: Message, timeout: float | None) -> Message:
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
            answer: Message = await call(request, timeout=self._timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise InvalidInput(CLOSED) if self._closed else failure(error, self._target) from None
        except grpc.aio.UsageError as error:
            if self._closed:
                raise InvalidInput(CLOSED) from None
            raise InvalidInput(f"the call cannot be sent: {error}") from error
        return answer

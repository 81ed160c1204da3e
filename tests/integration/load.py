"""Callers that go on until a server is gone, and what became of their calls."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc
from serving_harness import PATIENCE, until

from crossfade._pb import (
    collections_pb2,
    collections_pb2_grpc,
    embedding_pb2,
    embedding_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    vectors_pb2,
)

CODE = grpc.StatusCode


class Load:
    """Callers of every kind, each on a connection of its own, until their first call that is not answered."""

    def __init__(self, address: str, model: str, *, unary: int = 3, streams: int = 2) -> None:
        self.endings: Counter[tuple[grpc.StatusCode, str]] = Counter()
        self.answered: Counter[str] = Counter()
        self._address = address
        self._model = model
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        kinds = [self._embed] * unary + [self._stream] * streams + [self._search, self._upsert, self._list]
        self._kinds = len(set(kinds))
        self._pool = ThreadPoolExecutor(len(kinds))
        self._futures: list[Future[None]] = [self._pool.submit(self._until_the_end, kind) for kind in kinds]

    def __enter__(self) -> Load:
        """Once every kind of call has been answered a few times."""
        until(lambda: self._done() or (len(self.answered) == self._kinds and min(self.answered.values()) >= 3))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown()

    def _done(self) -> bool:
        return any(future.done() for future in self._futures)

    def wait(self) -> Counter[tuple[grpc.StatusCode, str]]:
        """The statuses with which the callers ended, each with its words, once all have."""
        for future in self._futures:
            future.result(PATIENCE)
        return self.endings

    def _until_the_end(self, kind: Callable[[grpc.Channel], None]) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        with grpc.insecure_channel(self._address, options=options) as channel:
            try:
                kind(channel)
            except grpc.RpcError as error:
                call: Any = error
                with self._lock:
                    self.endings[call.code(), call.details()] += 1

    def _answer(self, kind: str) -> None:
        with self._lock:
            self.answered[kind] += 1

    def _request(self) -> embedding_pb2.EmbedRequest:
        number = next(self._numbers)
        texts = [f"text {number}.{part} " + "word " * (number % 30) for part in range(1 + number % 4)]
        return embedding_pb2.EmbedRequest(model=self._model, input_type=vectors_pb2.INPUT_TYPE_QUERY, texts=texts)

    def _embed(self, channel: grpc.Channel) -> None:
        stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        while not self._stop.is_set():
            stub.Embed(self._request(), timeout=PATIENCE)
            self._answer("embed")

    def _stream(self, channel: grpc.Channel) -> None:
        def requests() -> Iterator[embedding_pb2.EmbedStreamRequest]:
            number = 0
            while not self._stop.is_set():
                yield embedding_pb2.EmbedStreamRequest(id=number, request=self._request())
                number += 1

        stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        for number, answer in enumerate(stub.EmbedStream(requests(), timeout=2 * PATIENCE)):
            assert (answer.id, answer.WhichOneof("result")) == (number, "response")
            self._answer("stream")

    def _search(self, channel: grpc.Channel) -> None:
        stub = collections_pb2_grpc.CollectionServiceStub(channel)
        self._collection(stub, "searched")
        while not self._stop.is_set():
            texts = self._request().texts
            request = collections_pb2.SearchRequest(collection="searched", model=self._model, texts=texts, k=1)
            stub.Search(request, timeout=PATIENCE)
            self._answer("search")

    def _upsert(self, channel: grpc.Channel) -> None:
        stub = collections_pb2_grpc.CollectionServiceStub(channel)
        self._collection(stub, "written")
        while not self._stop.is_set():
            documents = [collections_pb2.Document(id=text, text=text) for text in self._request().texts]
            request = collections_pb2.UpsertRequest(collection="written", documents=documents, model=self._model)
            stub.Upsert(request, timeout=PATIENCE)
            self._answer("upsert")

    def _collection(self, stub: Any, name: str) -> None:
        stub.CreateCollection(collections_pb2.CreateCollectionRequest(name=name, model=self._model), timeout=PATIENCE)

    def _list(self, channel: grpc.Channel) -> None:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        while not self._stop.is_set():
            stub.ListModels(models_pb2.ListModelsRequest(), timeout=PATIENCE)
            self._answer("list")

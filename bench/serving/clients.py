"""Ways to send texts to the service, over gRPC's own Python client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import grpc

from crossfade._pb import embedding_pb2, embedding_pb2_grpc, vectors_pb2

MODEL = "model"
STREAM_TEXTS = 256


def request(texts: Sequence[str]) -> embedding_pb2.EmbedRequest:
    return embedding_pb2.EmbedRequest(model=MODEL, input_type=vectors_pb2.INPUT_TYPE_DOCUMENT, texts=texts)


class Caller:
    """One connection."""

    def __init__(self, address: str) -> None:
        channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
        stub: Any = embedding_pb2_grpc.EmbeddingServiceStub  # untyped
        self.stub = stub(channel)

    def bulk(self, texts: Sequence[str]) -> None:
        """All of them as one stream."""

        def requests() -> Iterator[embedding_pb2.EmbedStreamRequest]:
            for start in range(0, len(texts), STREAM_TEXTS):
                part = texts[start : start + STREAM_TEXTS]
                yield embedding_pb2.EmbedStreamRequest(id=start, request=request(part))

        done = sum(answer.response.vectors.count for answer in self.stub.EmbedStream(requests()))
        if done != len(texts):
            raise SystemExit(f"{done} of {len(texts)} texts were embedded")

    def one(self, text: str) -> None:
        self.stub.Embed(request([text]))

"""What a client's tests make by hand: limits, answers, and the details of a refusal as they travel."""

from __future__ import annotations

import numpy as np
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration

from crossfade._pb import embedding_pb2, vectors_pb2
from crossfade.client import Limits

LIMITS = Limits(texts_per_call=10, text_bytes=500, message_bytes=1600, k=100, results_per_call=50, score_vectors=9)


def field(number: int, data: bytes) -> bytes:
    """A short length-delimited field, as protobuf writes it."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def retry_details(seconds: float) -> bytes:
    """A google.rpc.Status that holds a google.rpc.RetryInfo behind a detail of another kind."""
    delay = Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9)).SerializeToString()
    other = Any(type_url="type.googleapis.com/google.rpc.RequestInfo", value=b"\x0a\x01x")
    info = Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=field(1, delay))
    details = b"".join(field(3, detail.SerializeToString()) for detail in (other, info))
    return b"\x08\x08" + field(2, b"full") + details


def embed_response(lengths: list[int], fingerprint: str = "f") -> embedding_pb2.EmbedResponse:
    """One vector a text, of one element: its length."""
    data = np.array(lengths, "<f4").tobytes()
    return embedding_pb2.EmbedResponse(
        vectors=vectors_pb2.Vectors(count=len(lengths), dimension=1, data=data),
        fingerprint=fingerprint,
        token_counts=lengths,
        truncated=[False] * len(lengths),
    )

"""gRPC's asyncio server: reads an EmbedRequest and answers a vector that was made before."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import grpc

from crossfade._pb import embedding_pb2, vectors_pb2

DIMENSION = 384
VECTOR = bytes(4 * DIMENSION)


class Embedding:
    async def embed(self, data: bytes, _context: Any) -> bytes:
        message: Any = embedding_pb2.EmbedRequest
        count = len(message.FromString(data).texts)
        answer: Any = embedding_pb2.EmbedResponse(
            vectors=vectors_pb2.Vectors(count=count, dimension=DIMENSION, data=VECTOR * count),
            fingerprint="constant",
            token_counts=[13] * count,
            truncated=[False] * count,
        )
        written: bytes = answer.SerializeToString()
        return written


async def serve() -> None:
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(Embedding().embed)
    service = grpc.method_handlers_generic_handler("crossfade.v1.EmbeddingService", {"Embed": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(serve())

"""Embeds with infinity-emb's engine (torch, CPU), as `bench.serving.peers` asks. Runs in infinity's own environment."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path


async def serve(out: int) -> None:
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    texts = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    arguments = EngineArgs(
        model_name_or_path=sys.argv[1],
        engine="torch",
        device="cpu",
        dtype="float32",
        bettertransformer=False,
        batch_size=32,
        model_warmup=False,
    )
    engine = AsyncEmbeddingEngine.from_args(arguments)
    async with engine:
        os.write(out, b"ready\n")
        while await asyncio.to_thread(sys.stdin.readline):
            vectors, _ = await engine.embed(sentences=texts)
            os.write(out, b"done\n" if len(vectors) == len(texts) else b"lost\n")


def main() -> None:
    # Its log goes to stdout, which is ours.
    out = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(serve(out))


if __name__ == "__main__":
    main()

"""Embeds with sentence-transformers (torch, CPU), as `bench.serving.peers` asks."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(sys.argv[1], device="cpu")
    texts = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    print("ready", flush=True)
    for _ in sys.stdin:
        vectors = model.encode(texts, batch_size=32, show_progress_bar=False)
        print("done" if len(vectors) == len(texts) else "lost", flush=True)


if __name__ == "__main__":
    main()

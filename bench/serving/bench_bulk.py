"""Texts through the service, against the best that this process can do with the same model, and against the peers.

In process: `Encoder`, which sorts by length, at two sizes of a batch. The service: one stream, and 64 callers with a
text a call. The peers get all texts in one call of their own interface, with no network between.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

from bench.harness import OURS, installed, measure, session, skip
from bench.serving import models, peers, texts
from bench.serving.clients import Caller
from bench.serving.servers import Running, crossfade, example
from crossfade.models import Bundle, Encoder, InputType

BATCH_TOKENS = (512, 1024)
CALLERS = 64
PEERS = {"sentence-transformers": peers.sentence_transformers, "infinity-emb": peers.infinity}
# By precision and length: sentence-transformers, then infinity.
REACH = {
    ("fp32", "13 tokens"): {"sentence-transformers": 1.5, "infinity-emb": 1.3},
    ("fp32", "92 tokens"): {"sentence-transformers": 1.2, "infinity-emb": 1.3},
    ("int8", "13 tokens"): {"sentence-transformers": 2.0, "infinity-emb": 1.3},
    ("int8", "92 tokens"): {"sentence-transformers": 1.6, "infinity-emb": 1.3},
}


def kinds() -> dict[str, list[str]]:
    scale = 10 if session().quick else 1
    return {
        "13 tokens": texts.of_length(13, 1600 // scale),
        "92 tokens": texts.of_length(92, 240 // scale),
        "mixed": texts.mixed(640 // scale),
    }


def case(bundle: Bundle, kind: str, some: list[str], caller: Caller) -> None:
    precision = str(bundle.precision)
    title = f"bulk, {precision}, {kind}, {len(some):,} texts"
    if not session().wants(title):
        return
    with ExitStack() as stack:
        rivals: dict[str, Callable[[], object]] = {OURS: lambda: caller.bulk(some)}
        for tokens in BATCH_TOKENS:
            rivals[f"in process, {tokens} tokens"] = in_process(bundle, tokens, some)
        for name, peer in PEERS.items():
            if name == "infinity-emb" and not peers.INFINITY_PYTHON.exists():
                continue
            rivals[name] = stack.enter_context(peer(some))
        reach = {f"in process, {tokens} tokens": 0.95 for tokens in BATCH_TOKENS} if kind == "mixed" else {}
        reach |= REACH.get((precision, kind), {})
        rounds, budget = (2, 5.0) if session().quick else (7, 45.0)
        measure(title, rivals, unit="texts", amount=len(some), rounds=rounds, budget=budget, reach=reach)


def singles(bundle: Bundle, kind: str, some: list[str], server: Running, caller: Caller) -> None:
    """A text a call, by a caller that costs little: gRPC's Python client would take half a core from the model."""
    title = f"{CALLERS} callers, a text a call, {bundle.precision}, {kind}, {len(some):,} texts"
    if not session().wants(title):
        return
    load = example("load")
    if load is None:
        skip(title, "cargo is not on PATH")
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(some))
        file.flush()
        command = [str(load), server.address, "model", str(CALLERS), str(len(some)), file.name]
        rivals: dict[str, Callable[[], object]] = {
            OURS: lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL),
            "one stream": lambda: caller.bulk(some),
        }
        rounds, budget = (2, 5.0) if session().quick else (7, 30.0)
        measure(title, rivals, unit="texts", amount=len(some), rounds=rounds, budget=budget, reach={"one stream": 0.9})


def in_process(bundle: Bundle, tokens: int, some: list[str]) -> Callable[[], object]:
    encoder = Encoder(bundle, batch_tokens=tokens)
    return lambda: encoder.encode(some, InputType.DOCUMENT)


def main() -> int:
    installed("sentence-transformers", "torch", "onnxruntime", "grpcio")
    if not peers.INFINITY_PYTHON.exists():
        skip("infinity-emb", "its environment .venv-infinity is not there: `make bench` makes it")
    for bundle in (models.minilm(), models.minilm_int8()):
        with crossfade(bundle.path) as server:
            caller = Caller(server.address)
            for kind, some in kinds().items():
                case(bundle, kind, some, caller)
                singles(bundle, kind, some, server, caller)
    return 0


if __name__ == "__main__":
    sys.exit(main())

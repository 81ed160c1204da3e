"""A model of BERT base's size in float16 on a GPU, batch by batch, against the same in sentence-transformers (torch).

Weights are drawn at random: what is computed takes as long. Texts of 50 and 512 tokens, and of mixed lengths, which a
batch pads. Both sides get texts and give float32 vectors in host memory, tokenising and copies included; beside it both
get token ids. The limit is what torch's product of two large float16 matrices reaches on the card, over the operations
that a token takes. In the end all texts go through the service, from a client on the same machine.

Needs a GPU, onnxruntime-gpu, torch with CUDA and sentence-transformers; skipped where one is missing. About four
minutes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from bench.harness import OURS, Limit, installed, measure, report_values, session, skip
from bench.serving import models, texts
from bench.serving.clients import MODEL, Caller
from bench.serving.peers import minilm
from bench.serving.servers import running
from crossfade.models import Bundle, Encoder, InputType, Precision
from crossfade.models.devices import Device
from crossfade.models.encoder import pad
from crossfade.models.importing import import_model
from crossfade.models.quantising import quantise
from crossfade.models.tokenizer import TextTokenizer

ST, TORCH, IDS, RECTANGLE = "sentence-transformers", "torch, token ids", "crossfade, token ids", "attention as on a CPU"
BATCHES = {50: (1, 8, 32, 128, 512), 512: (1, 8, 32, 128)}
MIXED, SERVED = 1024, 16384
LAYERS, HEADS, HIDDEN, INNER = 12, 12, 768, 3072
MATRIX = 8192
CARD = Device.CUDA
# Of float16 carried through twelve layers, over how far texts lie from each other.
MOST_ERROR = 0.05


def make(torch: Any) -> tuple[Path, Bundle, Bundle]:
    """The model as sentence-transformers keeps it, and its bundles in float32 and float16."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    source, bundle, half = (models.WORK / f"bert-base{end}" for end in ("-source", "", "-fp16"))
    if not half.exists():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=30522, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            intermediate_size=INNER, initializer_range=0.05,
        )  # fmt: skip
        BertModel(config).save_pretrained(source)
        AutoTokenizer.from_pretrained(minilm()).save_pretrained(source)
        kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
        written = {
            "modules.json": [
                {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for number, (path, kind) in enumerate(kinds)
            ],
            "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
            "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True},
        }
        for name, content in written.items():
            (source / name).parent.mkdir(exist_ok=True)
            (source / name).write_text(json.dumps(content), encoding="utf-8")
        import_model(str(source), bundle, overwrite=True)
        quantise(Bundle.load(bundle), half, Precision.FP16, overwrite=True)
    return source, Bundle.load(bundle), Bundle.load(half)


class Rival:
    """sentence-transformers in float16 on the card."""

    def __init__(self, torch: Any, source: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self._torch = torch
        self.model = SentenceTransformer(str(source), device=str(CARD), model_kwargs={"torch_dtype": torch.float16})

    def encode(self, some: list[str], batch: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.model.encode(some, batch_size=batch, show_progress_bar=False)
        return found

    def forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        with self._torch.inference_mode():
            features = {
                "input_ids": self._torch.from_numpy(ids).to(str(CARD)),
                "attention_mask": self._torch.from_numpy(mask).to(str(CARD)),
            }
            found: NDArray[np.float32] = self.model(features)["sentence_embedding"].float().cpu().numpy()
        return found


def product(torch: Any) -> tuple[Callable[[], None], float]:
    """A product of two matrices on the card, and its operations."""
    left, right = (torch.randn(MATRIX, MATRIX, device=str(CARD), dtype=torch.float16) for _ in range(2))

    def call() -> None:
        left @ right
        torch.cuda.synchronize()

    return call, 2.0 * MATRIX**3


def operations(tokens: float, length: float) -> float:
    """Of so many tokens in texts of that length: the products with weights, and attention's two."""
    return tokens * LAYERS * (2 * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER) + 4 * length * HIDDEN)


def agree(bundle: Bundle, encoder: Encoder, rival: Rival) -> None:
    """Hold the card's vectors against float32 on the CPU; raises SystemExit where they are too far."""
    some = [*texts.of_length(50, 6, seed=3), *texts.of_length(512, 2, seed=4), *texts.mixed(8, seed=5)]
    exact = Encoder(bundle).encode(some, InputType.DOCUMENT).vectors
    spread = float(np.linalg.norm(exact - exact.mean(axis=0), axis=1).mean())
    ours = encoder.encode(some, InputType.DOCUMENT).vectors
    alone = np.concatenate([encoder.encode([text], InputType.DOCUMENT).vectors for text in some])
    values = {
        f"{OURS}, error over spread": float(np.linalg.norm(ours - exact, axis=1).max()) / spread,
        f"{ST}, error over spread": float(np.linalg.norm(rival.encode(some, 16) - exact, axis=1).max()) / spread,
        f"{OURS}, alone against in a batch": float(np.linalg.norm(ours - alone, axis=1).max()) / spread,
        f"{OURS}, least cosine": float((ours * exact).sum(axis=1).min()),
    }
    report_values("vectors against float32 on the CPU", "ratio", values, {})
    if not values[f"{OURS}, error over spread"] < MOST_ERROR:
        raise SystemExit("the card's vectors are not the model's")


def case(
    title: str, some: list[str], batch: int, encoder: Encoder, plain: Encoder, rival: Rival, limit: tuple[Any, float]
) -> None:
    if not session().wants(title):
        return
    tokenizer = TextTokenizer(encoder.bundle.tokenizer_path, encoder.bundle.max_tokens)
    found = tokenizer.tokenise(some)
    tokens = int(found.token_counts.sum())
    ids, mask = pad(found.ids, tokenizer.pad_id)
    needed = float(sum(operations(count, count) for count in found.token_counts.tolist()))
    rivals: dict[str, Callable[[], object]] = {
        OURS: lambda: encoder.encode(some, InputType.DOCUMENT),
        ST: lambda: rival.encode(some, batch),
        RECTANGLE: lambda: plain.encode(some, InputType.DOCUMENT),
    }
    if batch == len(some):
        rivals[IDS] = lambda: encoder.graph.run(ids, mask)
        rivals[TORCH] = lambda: rival.forward(ids, mask)
    call, done = limit
    limits = {"matrix products": Limit(call, done, needed, "GFLOP/s")}
    rounds, budget = (3, 2.0) if session().quick else (15, 6.0)
    measure(title, rivals, unit="tokens", amount=tokens, rounds=rounds, budget=budget, limits=limits, reach={ST: 1.0})


def padding(encoder: Encoder) -> None:
    """What a token of padding costs, as a part of one of a text: half the texts are a tenth as long as the others."""
    graph, random = encoder.graph, np.random.default_rng(0)

    def seconds(lengths: list[int]) -> float:
        mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
        ids = random.integers(1000, 30000, mask.shape) * mask
        return float(len(lengths)) / rate(lambda: graph.run(ids, mask), len(lengths))

    unequal, equal = [20, 200] * 80, [200] * 88
    tokens, wasted = sum(unequal), 200 * len(unequal) - sum(unequal)
    seconds(unequal)
    ratio = seconds(unequal) / seconds(equal) * sum(equal)
    report_values("a token of padding", "tokens", {OURS: (ratio - tokens) / wasted}, {})


def served(bundle: Bundle, rival: Rival) -> None:
    """All the way from a client: streams of texts, against torch in its own process on as many texts at once."""
    for length, count in ((50, SERVED), (512, SERVED // 8)):
        some = texts.of_length(length, count, seed=9)
        title = f"through the service, {count:,} texts of {length} tokens"
        if not session().wants(title):
            continue
        rivals: dict[str, Callable[[], object]] = {ST: lambda some=some: rival.encode(some, 128)}  # type: ignore[misc]
        rates: dict[str, float] = {}
        for number in (1, 2):
            command = [sys.executable, "-m", "crossfade.cli.main", "serve", "--model", f"{MODEL}={bundle.path}"]
            command += ["--device", str(CARD), "--replicas", str(number), "--listen", "127.0.0.1:0"]
            with running(command) as server:
                caller = Caller(server.address)
                caller.bulk(some)
                rates[f"{OURS}, {number} replica{'s' * (number > 1)}"] = rate(lambda: caller.bulk(some), count * length)  # noqa: B023
        rates[ST] = rate(rivals[ST], count * length)
        report_values(title, "tokens/s", rates, {})


def rate(call: Callable[[], object], amount: int) -> float:
    """The median of five."""
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return amount / float(np.median(taken))


def main() -> int:
    title = "a GPU"
    try:
        import torch
    except ModuleNotFoundError:
        skip(title, "torch is not installed")
        return 0
    if not torch.cuda.is_available():
        skip(title, "torch finds no GPU")
        return 0
    installed("sentence-transformers", "torch", "onnxruntime-gpu", "transformers")
    print(f"on {torch.cuda.get_device_name(0)}")
    source, bundle, half = make(torch)
    encoder = Encoder(half, device=CARD, batch_tokens=1 << 16)
    with mock.patch("crossfade.models.replicas.pack_attention", return_value=False):
        plain = Encoder(half, device=CARD, batch_tokens=1 << 16)
    rival, limit = Rival(torch, source), product(torch)
    agree(bundle, encoder, rival)
    for length, batches in BATCHES.items():
        for batch in batches:
            some = texts.of_length(length, batch)
            case(f"{length} tokens, batch {batch}", some, batch, encoder, plain, rival, limit)
    mixed = texts.mixed(MIXED)
    case(f"{MIXED:,} texts of mixed lengths", mixed, 128, encoder, plain, rival, limit)
    padding(encoder)
    served(half, rival)
    return 0


if __name__ == "__main__":
    sys.exit(main())

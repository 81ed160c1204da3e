"""A data set of any size and two models of it, for `bench_scale`: written as anybody's would be.

Documents are 10 to 20 words out of 30,000, drawn by Zipf's law within one of 2,000 topics of 300 words. A query is four
to seven words of the document that is relevant to it, one in four replaced by another of the topic. The models are
static embeddings: a row of 384 numbers for each word, their mean, normalised, in an ONNX graph that is loaded and run
as any bundle is. The candidate's rows are the base's and as much noise again.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from crossfade.models.manifest import GRAPH_FILE, TOKENIZER_FILE, Manifest
from crossfade.models.session import graph_properties
from crossfade.models.staging import seal
from crossfade.models.types import Pooling, Precision

WORDS, TOPICS, TOPIC_WORDS = 30_000, 2_000, 300
DIMENSION = 384
_PIECE = 50_000


def write_data(directory: Path, documents: int, queries: int) -> None:
    """A BEIR directory with one relevant document a query, the split "test"."""
    (directory / "qrels").mkdir(parents=True)
    chance = np.random.default_rng(1)
    names = [f"w{word}" for word in range(WORDS)]
    topics = chance.integers(0, WORDS, (TOPICS, TOPIC_WORDS))
    weights = 1.0 / np.arange(1, TOPIC_WORDS + 1) ** 0.7
    edges = np.cumsum(weights / weights.sum())
    asked = np.sort(chance.choice(documents, queries, replace=False))
    place = 0
    with (
        (directory / "corpus.jsonl").open("w") as corpus,
        (directory / "queries.jsonl").open("w") as asking,
        (directory / "qrels" / "test.tsv").open("w") as judging,
    ):
        judging.write("query-id\tcorpus-id\tscore\n")
        for start in range(0, documents, _PIECE):
            count = min(_PIECE, documents - start)
            of = chance.integers(0, TOPICS, count)
            drawn = np.minimum(np.searchsorted(edges, chance.random((count, 20))), TOPIC_WORDS - 1)
            words = topics[of[:, None], drawn]
            for row, (line, length) in enumerate(
                zip(words.tolist(), chance.integers(10, 21, count).tolist(), strict=True)
            ):
                text = " ".join([names[word] for word in line[:length]])
                corpus.write(json.dumps({"_id": f"d{start + row}", "title": "", "text": text}) + "\n")
            while place < queries and asked[place] < start + count:
                row = int(asked[place]) - start
                picked = words[row, chance.permutation(10)[: chance.integers(4, 8)]]
                other = topics[of[row], chance.integers(0, TOPIC_WORDS, len(picked))]
                query = np.where(chance.random(len(picked)) < 0.25, other, picked)
                said = " ".join([names[word] for word in query.tolist()])
                asking.write(json.dumps({"_id": f"q{place}", "text": said}) + "\n")
                judging.write(f"q{place}\td{asked[place]}\t1\n")
                place += 1


def write_models(base: Path, candidate: Path) -> None:
    """Two bundles."""
    chance = np.random.default_rng(2)
    rows = chance.standard_normal((WORDS + 2, DIMENSION), dtype=np.float32)
    _write_bundle(base, rows)
    _write_bundle(candidate, rows + chance.standard_normal(rows.shape, dtype=np.float32))


def _write_bundle(directory: Path, rows: NDArray[np.float32]) -> None:
    directory.mkdir(parents=True)
    nodes = [
        helper.make_node("Gather", ["rows", "input_ids"], ["tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["seen", "last"], ["mask"]),
        helper.make_node("Mul", ["tokens", "mask"], ["read"]),
        helper.make_node("ReduceSum", ["read", "middle"], ["sum"], keepdims=0),
        # The mean is the sum by another length, and the length is taken away.
        helper.make_node("ReduceL2", ["sum"], ["length"], axes=[1], keepdims=1),
        helper.make_node("Max", ["length", "least"], ["divisor"]),
        helper.make_node("Div", ["sum", "divisor"], ["embedding"]),
    ]
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        nodes,
        "static",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSION])],
        initializer=[
            numpy_helper.from_array(rows, "rows"),
            numpy_helper.from_array(np.array([2], dtype=np.int64), "last"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "middle"),
            numpy_helper.from_array(np.array(1e-12, dtype=np.float32), "least"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, graph_properties(Pooling.MEAN, DIMENSION, normalise=True))
    onnx.save(model, directory / GRAPH_FILE)
    vocabulary = {"[PAD]": 0, "[UNK]": 1} | {f"w{word}": word + 2 for word in range(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    tokenizer.save(str(directory / TOKENIZER_FILE))
    seal(
        directory,
        Manifest(directory.name, DIMENSION, 64, Pooling.MEAN, normalise=True, precision=Precision.FP32),
    )

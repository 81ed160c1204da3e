"""A query and texts in, one score a text out: a model that reads both together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.cross_bundle import CrossEncoderBundle
from crossfade.models.devices import Device
from crossfade.models.encoder import BATCH_TOKENS, batches_by_length, pad
from crossfade.models.pair_tokenizer import PairTokenizer
from crossfade.models.replicas import Replicas
from crossfade.models.session import ATTENTION_MASK, INPUT_IDS

TOKEN_TYPE_IDS = "token_type_ids"  # noqa: S105 - an input's name, not a secret
SCORE_OUTPUTS = ("score", "logits")


@dataclass(frozen=True, slots=True)
class PairScores:
    """Scores of one query with n texts, in their order. Higher is better; they are comparable within a query.

    `scores`: float32, shape (n,), finite. `token_counts`: int32, shape (n,), of each pair, special tokens included,
    after the cut. `truncated`: bool, shape (n,), true where a text's end was not read. `tokenise_ns`, `infer_ns`: wall
    time of the two stages, in nanoseconds.
    """

    scores: NDArray[np.float32]
    token_counts: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    tokenise_ns: int
    infer_ns: int


class PairGraph:
    """`model.onnx` of a cross-encoder: token ids of pairs in, one score a pair out. Safe to run from many threads."""

    def __init__(self, path: Path, *, threads: int = 0, device: Device = Device.CPU, replicas: int = 1) -> None:
        """`threads`, `replicas`: as `Replicas` takes them.

        Raises BundleError when the graph cannot be run or is not a cross-encoder's, InvalidInput for the device and
        replicas.
        """
        self._replicas = Replicas(path, threads=threads, device=device, replicas=replicas)
        self._path = path
        session = self._replicas.first
        inputs = {item.name for item in session.get_inputs()}
        outputs = {item.name: item.type for item in session.get_outputs()}
        output = next((name for name in SCORE_OUTPUTS if name in outputs), None)
        if not {INPUT_IDS, ATTENTION_MASK} <= inputs <= {INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS} or output is None:
            raise BundleError(
                f"{path} has the inputs {sorted(inputs)} and outputs {sorted(outputs)}; a cross-encoder's has "
                f"{INPUT_IDS}, {ATTENTION_MASK} and perhaps {TOKEN_TYPE_IDS}, and {' or '.join(SCORE_OUTPUTS)}: import "
                "the model again"
            )
        if outputs[output] != "tensor(float)":
            raise BundleError(f"{path}: {output} is of type {outputs[output]}, not float32: import the model again")
        self._output = output
        self._typed = TOKEN_TYPE_IDS in inputs
        self.device = device

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64], types: NDArray[np.int64]) -> NDArray[np.float32]:
        """All int64, shape (batch, sequence), right-padded, mask 1 on a token. Result: float32, shape (batch,).

        Raises BundleError when the graph fails, gives another shape, or NaN or infinity.
        """
        inputs = {INPUT_IDS: ids, ATTENTION_MASK: mask}
        if self._typed:
            inputs[TOKEN_TYPE_IDS] = types
        found = self._replicas.run(self._output, inputs)
        if found.shape != (len(ids), 1):
            raise BundleError(
                f"{self._path} gives scores of shape {found.shape} for {len(ids)} pairs, not ({len(ids)}, 1): a "
                "reranker has one score a pair; export a model with one label"
            )
        if not np.isfinite(found).all():
            raise BundleError(f"{self._path} gives NaN or infinity: its weights are broken, or too large for fp16")
        return found[:, 0]


class CrossEncoder:
    """A loaded cross-encoder. Safe to use from many threads."""

    def __init__(
        self,
        bundle: CrossEncoderBundle,
        *,
        threads: int = 0,
        batch_tokens: int = 0,
        device: Device = Device.CPU,
        replicas: int = 1,
    ) -> None:
        """As `Encoder` takes them; `batch_tokens`: padded tokens of one inference at most, 0 = what suits the device.

        Raises BundleError when the bundle's graph or tokenizer cannot be used, InvalidInput for the other arguments.
        """
        for name, value in (("threads", threads), ("batch_tokens", batch_tokens)):
            if value < 0:
                raise InvalidInput(f"{name} must be 0 or more, not {value}")
        self._bundle = bundle
        self._tokenizer = PairTokenizer(bundle.tokenizer_path, bundle.max_tokens)
        self._graph = PairGraph(bundle.graph_path, threads=threads, device=device, replicas=replicas)
        self._batch_tokens = batch_tokens or BATCH_TOKENS[device]

    @property
    def bundle(self) -> CrossEncoderBundle:
        return self._bundle

    def score(self, query: str, texts: Sequence[str]) -> PairScores:
        """How well each text answers the query, in any number. Only texts are cut, at the model's limit.

        Scores are what the graph gives (of most models, logits): they order texts, and are no probabilities. Raises
        InvalidInput for a text that is not a string or holds a lone surrogate, naming the position, and for a query
        that leaves no room for a text; BundleError when the graph fails or gives NaN.
        """
        pairs = self._tokenizer.tokenise(query, texts)
        started = time.perf_counter_ns()
        scores = np.empty(len(pairs.ids), dtype=np.float32)
        for rows in batches_by_length(pairs.token_counts, self._batch_tokens):
            ids, mask = pad([pairs.ids[row] for row in rows], self._tokenizer.pad_id)
            types, _ = pad([pairs.types[row] for row in rows], 0)
            scores[rows] = self._graph.run(ids, mask, types)
        elapsed = time.perf_counter_ns() - started
        return PairScores(scores, pairs.token_counts, pairs.truncated, pairs.elapsed_ns, elapsed)

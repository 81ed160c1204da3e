"""Texts in, vectors out: the one place where a model is run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.bundle import Bundle
from crossfade.models.devices import Device
from crossfade.models.manifest import MANIFEST_FILE
from crossfade.models.session import graph_properties
from crossfade.models.text_graph import QueryAdapter, TextGraph
from crossfade.models.tokenizer import TextTokenizer
from crossfade.models.types import Embeddings, InputType, Precision

__all__ = ["Device", "Embeddings", "Encoder", "InputType", "load_encoders"]


# On a CPU, larger batches fall out of the cache: MiniLM on a Zen 5 takes a seventh more CPU time at 4,096 tokens than
# at 512, and no less at 256 (docs/models.md has the table). A GPU wants its thousands of lanes filled.
BATCH_TOKENS = {Device.CPU: 512, Device.CUDA: 32768, Device.TENSORRT: 32768}


class Encoder:
    """A loaded bundle. Safe to use from many threads."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 0,
        batch_tokens: int = 0,
        device: Device = Device.CPU,
        replicas: int = 1,
    ) -> None:
        """`threads`: CPU threads of one inference; 0 = all cores. `batch_tokens`: padded tokens in one inference, at
        most (one text may be longer); 0 = what suits the device. `replicas`: copies of the model, for as many calls at
        once; on GPUs they are dealt out to all there are.

        Raises BundleError when the bundle's graph or tokenizer cannot be used, InvalidInput for the other arguments.
        """
        graph = _open_graph(bundle, threads=threads, device=device, replicas=replicas)
        self._set_up(bundle, graph, TextTokenizer(bundle.tokenizer_path, bundle.max_tokens), batch_tokens)

    @classmethod
    def from_parts(cls, bundle: Bundle, graph: TextGraph, tokenizer: TextTokenizer, batch_tokens: int) -> Encoder:
        """An encoder over parts that are loaded already, and may serve other encoders too."""
        encoder = cls.__new__(cls)
        encoder._set_up(bundle, graph, tokenizer, batch_tokens)
        return encoder

    def _set_up(self, bundle: Bundle, graph: TextGraph, tokenizer: TextTokenizer, batch_tokens: int) -> None:
        if batch_tokens < 0:
            raise InvalidInput(f"batch_tokens must be 0 (what suits the device) or more, not {batch_tokens}")
        _check_properties(bundle, graph)
        self._bundle = bundle
        self._graph = graph
        self._tokenizer = tokenizer
        self._batch_tokens = batch_tokens or BATCH_TOKENS[graph.device]
        self._adapter = None if bundle.adapter_path is None else QueryAdapter(bundle.adapter_path)

    @property
    def bundle(self) -> Bundle:
        return self._bundle

    @property
    def dimension(self) -> int:
        return self._bundle.dimension

    def fingerprint(self, input_type: InputType, prompt_name: str | None = None) -> str:
        """The fingerprint of the vectors of this input type, as `encode` makes them. Raises NotFound as it does."""
        if prompt_name is None:
            return self._bundle.fingerprint(input_type)
        return self._bundle.prompt_fingerprint(prompt_name, input_type)

    def encode(self, texts: Sequence[str], input_type: InputType, prompt_name: str | None = None) -> Embeddings:
        """Embed texts, in any number; rows come back in their order. No text gives shape (0, dimension).

        `prompt_name`: one of the bundle's named prompts, put before each text in place of the input type's own.
        Raises InvalidInput, naming the position, for a value that is not a string or holds a lone surrogate, and
        NotFound when no prompt has the name.
        """
        tokens = self._tokenizer.tokenise(texts, self._bundle.prompts.of(input_type, prompt_name))
        started = time.perf_counter_ns()
        vectors = np.empty((len(tokens.ids), self._bundle.dimension), dtype=np.float32)
        for rows in batches_by_length(tokens.token_counts, self._batch_tokens):
            ids, mask = pad([tokens.ids[row] for row in rows], self._tokenizer.pad_id)
            vectors[rows] = self.infer(ids, mask, input_type)
        elapsed = time.perf_counter_ns() - started
        return Embeddings(vectors, tokens.token_counts, tokens.truncated, tokens.elapsed_ns, elapsed)

    @property
    def graph(self) -> TextGraph:
        """The session, which encoders of one graph share."""
        return self._graph

    @property
    def adapter(self) -> QueryAdapter | None:
        """What queries pass through after the graph."""
        return self._adapter

    @property
    def batch_tokens(self) -> int:
        """Padded tokens in one inference."""
        return self._batch_tokens

    @property
    def padding_cost(self) -> float:
        """What a token of padding costs, as a part of what one of a text does."""
        return self._graph.padding_cost

    @property
    def replicas(self) -> int:
        """How many batches the model can run at once."""
        return self._graph.replicas

    def infer(self, ids: NDArray[np.int64], mask: NDArray[np.int64], input_type: InputType) -> NDArray[np.float32]:
        """The vectors of one batch: int64 ids and mask, shape (batch, sequence); float32, shape (batch, dimension).

        Raises BundleError when the graph fails or gives another dimension.
        """
        result = self._graph.run(ids, mask)
        if self._adapter is not None and input_type is InputType.QUERY:
            result = self._adapter.run(result)
        if result.shape != (len(ids), self._bundle.dimension):
            raise BundleError(
                f"{self._bundle.path} gives vectors of shape {result.shape} and its bundle.toml promises dimension "
                f"{self._bundle.dimension}: import the model again"
            )
        return result


def load_encoders(
    bundles: Mapping[str, Bundle | str | PathLike[str]],
    *,
    threads: int = 0,
    batch_tokens: int = 0,
    device: Device = Device.CPU,
    replicas: int = 1,
) -> dict[str, Encoder]:
    """Encoders by the names given. Bundles whose graphs are the same bytes share one session and so its memory."""
    graphs: dict[tuple[str, ...], TextGraph] = {}
    tokenizers: dict[tuple[str, int], TextTokenizer] = {}
    encoders: dict[str, Encoder] = {}
    for name, given in bundles.items():
        bundle = given if isinstance(given, Bundle) else Bundle.load(given)
        graph = graphs.get(bundle.graph_key)
        if graph is None:
            graph = _open_graph(bundle, threads=threads, device=device, replicas=replicas)
            graphs[bundle.graph_key] = graph
        key = (bundle.tokenizer_key, bundle.max_tokens)
        tokenizer = tokenizers.get(key)
        if tokenizer is None:
            tokenizer = tokenizers[key] = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
        encoders[name] = Encoder.from_parts(bundle, graph, tokenizer, batch_tokens)
    return encoders


def pad(rows: Sequence[NDArray[np.int64]], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and mask, int64, shape (len(rows), longest row), padded on the right."""
    counts = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    mask = np.arange(counts.max())[np.newaxis, :] < counts[:, np.newaxis]
    ids = np.full(mask.shape, pad_id, dtype=np.int64)
    ids[mask] = np.concatenate(rows)
    return ids, mask.astype(np.int64)


def batches_by_length(counts: NDArray[np.int32], budget: int) -> Iterator[NDArray[np.intp]]:
    """Row numbers by length, in batches whose padded size keeps to `budget` tokens (or holds one row)."""
    order = np.argsort(counts, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * int(counts[order[end]]) > budget:
            yield order[start:end]
            start = end


def _open_graph(bundle: Bundle, *, threads: int, device: Device, replicas: int) -> TextGraph:
    if threads < 0:
        raise InvalidInput(f"threads must be 0 (all cores) or more, not {threads}")
    if device is not Device.CPU and bundle.precision is Precision.INT8:
        # CUDA has no kernel for these products: they would run on the CPU, with a copy there and back for each.
        raise InvalidInput(
            f"{bundle.name} is in int8, which runs on a CPU only: for the device {device} quantise its source with "
            "--precision fp16"
        )
    return TextGraph(bundle.graph_path, threads=threads, device=device, replicas=replicas)


def _check_properties(bundle: Bundle, graph: TextGraph) -> None:
    """Hold bundle.toml against what the graph says about itself; a graph not of crossfade's making says nothing."""
    promised = graph_properties(bundle.pooling, bundle.dimension, normalise=bundle.normalise)
    for key, value in promised.items():
        actual = graph.properties.get(key, value)
        if actual != value:
            raise BundleError(
                f"{bundle.path / MANIFEST_FILE} says {key.rpartition('.')[2]} = {value} and {bundle.graph_path.name} "
                f"was built with {actual}: the graph decides; correct bundle.toml, or import the model again"
            )

"""Texts in, a vector for each of their tokens out: what late interaction compares."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.bundle import Bundle
from crossfade.models.devices import Device
from crossfade.models.encoder import BATCH_TOKENS, batches_by_length, pad
from crossfade.models.tokenizer import TextTokenizer
from crossfade.models.types import InputType


@dataclass(frozen=True, slots=True)
class TokenEmbeddings:
    """The token vectors of n texts, one after another.

    `vectors`: float32, shape (all tokens, dimension), of unit length, C-contiguous. `offsets`: int64, shape (n + 1,):
    text i has the rows from offsets[i] to before offsets[i + 1]; special tokens and prompt are among them. `truncated`:
    bool, shape (n,), true where a text's end was not read. `tokenise_ns`, `infer_ns`: wall time of the two stages, in
    nanoseconds.
    """

    vectors: NDArray[np.float32]
    offsets: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    tokenise_ns: int
    infer_ns: int

    def of(self, text: int) -> NDArray[np.float32]:
        """The vectors of one text, shape (its tokens, dimension)."""
        return self.vectors[self.offsets[text] : self.offsets[text + 1]]


class TokenRow(NamedTuple):
    """One text. `vectors`: shape (its tokens, dimension)."""

    vectors: NDArray[np.float32]
    truncated: bool


def joined(rows: Sequence[TokenRow], dimension: int, tokenise_ns: int, infer_ns: int) -> TokenEmbeddings:
    """Texts that were kept one by one, in this order."""
    counts = np.fromiter((len(row.vectors) for row in rows), dtype=np.int64, count=len(rows))
    empty: NDArray[np.float32] = np.empty((0, dimension), dtype=np.float32)
    return TokenEmbeddings(
        vectors=np.concatenate([empty, *(row.vectors for row in rows)]),
        offsets=np.concatenate(([0], np.cumsum(counts))),
        truncated=np.array([row.truncated for row in rows], dtype=np.bool_),
        tokenise_ns=tokenise_ns,
        infer_ns=infer_ns,
    )


class TokenSource(Protocol):
    """Gives token vectors: a `TokenEncoder`, or one that remembers."""

    @property
    def bundle(self) -> Bundle: ...

    @property
    def dimension(self) -> int: ...

    def encode(self, texts: Sequence[str], input_type: InputType) -> TokenEmbeddings: ...


class TokenEncoder:
    """A loaded embedding bundle that gives token vectors. Safe to use from many threads.

    They are the transformer's last hidden states: neither the bundle's dense layers nor its query adapter, which are
    made for pooled vectors, are applied.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 0,
        batch_tokens: int = 0,
        device: Device = Device.CPU,
        replicas: int = 1,
    ) -> None:
        """As `Encoder` takes them. Raises BundleError when the bundle's graph or tokenizer cannot be used, InvalidInput
        when the graph has no token vectors to give, and for the other arguments.
        """
        # It reads the graph with the onnx package, which whoever only searches need not load.
        from crossfade.models.token_graph import TokenGraph

        for name, value in (("threads", threads), ("batch_tokens", batch_tokens)):
            if value < 0:
                raise InvalidInput(f"{name} must be 0 or more, not {value}")
        self._bundle = bundle
        self._tokenizer = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
        self._graph = TokenGraph(bundle.graph_path, threads=threads, device=device, replicas=replicas)
        self._batch_tokens = batch_tokens or BATCH_TOKENS[device]

    @property
    def bundle(self) -> Bundle:
        return self._bundle

    @property
    def dimension(self) -> int:
        """Of a token's vector, which may differ from the bundle's."""
        return self._graph.dimension

    def encode(self, texts: Sequence[str], input_type: InputType) -> TokenEmbeddings:
        """The token vectors of texts, in any number and in their order.

        Raises InvalidInput, naming the position, for a value that is not a string or holds a lone surrogate;
        BundleError when the graph fails or gives NaN.
        """
        tokens = self._tokenizer.tokenise(texts, self._bundle.prompts.of(input_type))
        started = time.perf_counter_ns()
        offsets = np.concatenate(([0], np.cumsum(tokens.token_counts, dtype=np.int64)))
        vectors = np.empty((int(offsets[-1]), self.dimension), dtype=np.float32)
        for rows in batches_by_length(tokens.token_counts, self._batch_tokens):
            ids, mask = pad([tokens.ids[row] for row in rows], self._tokenizer.pad_id)
            found = self._graph.run(ids, mask)
            for place, row in enumerate(rows.tolist()):
                vectors[offsets[row] : offsets[row + 1]] = found[place, : tokens.token_counts[row]]
        if not np.isfinite(vectors).all():
            raise BundleError(f"{self._bundle.path} gives NaN or infinity: its weights are broken")
        elapsed = time.perf_counter_ns() - started
        return TokenEmbeddings(vectors, offsets, tokens.truncated, tokens.elapsed_ns, elapsed)

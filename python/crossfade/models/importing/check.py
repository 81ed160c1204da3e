"""Runs a bundle that was just made, before anyone relies on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError
from crossfade.models.bundle import Bundle
from crossfade.models.encoder import Encoder, pad
from crossfade.models.text_graph import TextGraph
from crossfade.models.tokenizer import TextTokenizer
from crossfade.models.types import InputType, Precision

# Of no word, of one, of some, and of scripts that a vocabulary may lack.
_TEXTS = (
    "",
    "crossfade",
    "How do I open a file and read it line by line?",
    "naïve café, 日本語, ERR_0x80070005",
)
# A text up to the limit, where positions end; attention over more than this many tokens would take minutes.
_LONGEST = 1024
_EXTRA_PADDING = 7
# Batches of another shape add up in another order. In fp32 that costs about 1e-6 of a cosine; a graph that lets
# padding in loses far more. Reduced precisions round to about 1e-3, and dynamic
# quantisation scales by the largest value of the whole batch.
_LEAST_COSINE = {
    Precision.FP32: 0.9999,
    Precision.FP16: 0.999,
    Precision.BF16: 0.99,
    Precision.INT8: 0.95,
    Precision.INT4: 0.95,
}


def check_bundle(bundle: Bundle, *, threads: int = 0) -> None:
    """Raises BundleError when graph and tokenizer do not fit, or a text's vector depends on the texts beside it."""
    tokenizer = TextTokenizer(bundle.tokenizer_path, bundle.max_tokens)
    graph = TextGraph(bundle.graph_path, threads=threads)
    check_tokenizer(tokenizer, graph, bundle)
    check_prompts(tokenizer, bundle)
    encoder = Encoder.from_parts(bundle, graph, tokenizer, batch_tokens=1 << 20)
    texts = [*_TEXTS, "dog " * min(bundle.max_tokens, _LONGEST)]
    batch = encoder.encode(texts, InputType.DOCUMENT).vectors
    _check_rows(batch, bundle)
    for row, text in zip(batch, texts, strict=True):
        alone = encoder.encode([text], InputType.DOCUMENT).vectors[0]
        _check_same(row, alone, bundle, "in a batch")
    ids = tokenizer.tokenise([_TEXTS[1]], bundle.prompts.document).ids[0]
    longer = min(len(ids) + _EXTRA_PADDING, bundle.max_tokens)
    filler = np.full(longer, tokenizer.pad_id, dtype=np.int64)
    padded_ids, mask = pad([ids, filler], tokenizer.pad_id)
    _check_same(graph.run(padded_ids[:1], mask[:1])[0], batch[1], bundle, "with more padding")


def check_tokenizer(tokenizer: TextTokenizer, graph: TextGraph, bundle: Bundle) -> None:
    """The largest id that the tokenizer can give must be a row of the graph's embedding table."""
    if not tokenizer.tokenise([""]).token_counts[0]:
        raise BundleError(
            f"{bundle.name}: the tokenizer gives an empty text no token at all (no [CLS], no end of text): save the "
            "tokenizer with the post-processor that the model was trained with"
        )
    largest = max(tokenizer.largest_id, tokenizer.pad_id)
    one = np.ones((1, 1), dtype=np.int64)
    try:
        graph.run(one * largest, one)
    except BundleError:
        raise BundleError(
            f"{bundle.name}: the tokenizer does not match the model: it gives ids up to {largest}, and the model has "
            "fewer token embeddings; use the tokenizer.json that the model came with"
        ) from None


def check_prompts(tokenizer: TextTokenizer, bundle: Bundle) -> None:
    """A prompt that fills the token limit would give every text the same vector."""
    for input_type in InputType:
        prompt = bundle.prompts.of(input_type)
        if prompt and int(tokenizer.tokenise([prompt]).token_counts[0]) >= bundle.max_tokens:
            raise BundleError(
                f"{bundle.name}: the {input_type} prompt fills the limit of {bundle.max_tokens} tokens and leaves no "
                "room for a text: use a shorter prompt or a higher --max-tokens"
            )


def _check_rows(vectors: NDArray[np.float32], bundle: Bundle) -> None:
    if not np.isfinite(vectors).all():
        raise BundleError(f"{bundle.name}: the model gives NaN or infinity: its weights are broken")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if bundle.normalise and np.abs(lengths - 1).max() > 1e-3:
        raise BundleError(
            f"{bundle.name}: vectors that should be of unit length have lengths from {lengths.min():.3g} to "
            f"{lengths.max():.3g}: the weights or the graph's head are broken"
        )


def _check_same(one: NDArray[np.float32], other: NDArray[np.float32], bundle: Bundle, where: str) -> None:
    a, b = one.astype(np.float64), other.astype(np.float64)
    cosine = float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30)
    if not cosine >= _LEAST_COSINE[bundle.precision]:
        raise BundleError(
            f"{bundle.name}: a text's vector {where} differs from its vector alone (cosine {cosine:.6f}): the graph "
            "does not respect attention_mask; export it again with the mask as an input"
        )

"""Pairs of texts to token ids, as a cross-encoder was trained to read them: the second text's end cut at the limit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.tokenizer import bad_text, load_tokenizer, slices


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Token ids of n pairs, in their order.

    `ids[i]`, `types[i]`: int64, shape (token_counts[i],), special tokens included; a type tells the first text (0) from
    the second (1), where the tokenizer says so. `truncated[i]`: the end of the second text was cut. `elapsed_ns`: wall
    time in nanoseconds.
    """

    ids: list[NDArray[np.int64]]
    types: list[NDArray[np.int64]]
    token_counts: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    elapsed_ns: int


class PairTokenizer:
    """A tokenizer.json with a token limit for pairs. Immutable, and so safe to share between threads."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        """Raises BundleError when the file is not a tokenizer, does not mark where the second text begins, or leaves no
        room for texts.
        """
        self._tokenizer = load_tokenizer(path)
        self.max_tokens = max_tokens
        padding = self._tokenizer.padding
        self.pad_id: int = 0 if padding is None else padding["pad_id"]
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.special_tokens = int(self._tokenizer.num_special_tokens_to_add(is_pair=True))
        if not self.special_tokens:
            raise BundleError(
                f"{path} puts nothing between the two texts of a pair: save the tokenizer with the post-processor that "
                "the cross-encoder was trained with ([CLS] query [SEP] text [SEP])"
            )
        if self.special_tokens + 2 > max_tokens:
            raise BundleError(
                f"{path} adds {self.special_tokens} special tokens to a pair, which leaves too few of the {max_tokens} "
                "tokens that the model may read for two texts: raise max_tokens"
            )
        # The cut is a state of the library's tokenizer, and with this one it refuses a text alone.
        self._uncut = type(self._tokenizer).from_str(self._tokenizer.to_str())
        self._tokenizer.enable_truncation(max_tokens, strategy="only_second")

    @property
    def largest_id(self) -> int:
        """The largest token id that a text can turn into."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=0)

    def tokenise(self, query: str, texts: Sequence[str]) -> PairBatch:
        """The pairs of one query with each text. Only the texts are cut.

        Raises InvalidInput, naming the position, for a text that is not a string or holds a lone surrogate, and when
        the query leaves none of the limit to a text.
        """
        started = time.perf_counter_ns()
        self._check_query(query)
        ids: list[NDArray[np.int64]] = []
        types: list[NDArray[np.int64]] = []
        truncated: list[bool] = []
        for start, part in slices(texts):
            try:
                encodings = self._tokenizer.encode_batch_fast([(query, text) for text in part])
            except TypeError:
                raise bad_text(part, start) from None
            for encoding in encodings:
                ids.append(np.array(encoding.ids, dtype=np.int64))
                types.append(np.array(encoding.type_ids, dtype=np.int64))
                truncated.append(bool(encoding.overflowing))
        counts = np.fromiter((len(row) for row in ids), dtype=np.int32, count=len(ids))
        elapsed = time.perf_counter_ns() - started
        return PairBatch(ids, types, counts, np.array(truncated, dtype=np.bool_), elapsed)

    def _check_query(self, query: str) -> None:
        if not isinstance(query, str):
            raise InvalidInput(f"the query is of type {type(query).__name__}: give a string")
        room = self.max_tokens - self.special_tokens
        try:
            tokens = len(self._uncut.encode_batch_fast([query], add_special_tokens=False)[0])
        except TypeError:
            raise InvalidInput(str(bad_text([query], 0)).replace("text 0", "the query")) from None
        if tokens >= room:
            raise InvalidInput(
                f"the query is {tokens} tokens long and the model reads {room} of a query and a text together: shorten "
                "the query, or search without this reranker"
            )

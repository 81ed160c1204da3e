"""Texts to token ids: the prompt put before, the end cut at the model's limit. Padding is the encoder's business."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError, InvalidInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Encodings are large Python objects; only their ids outlive one slice of this many texts.
_SLICE = 1024


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Token ids of n texts, in their order.

    `ids[i]`: int64, shape (token_counts[i],), special tokens included. `truncated[i]`: the text's end was cut.
    `elapsed_ns`: wall time in nanoseconds.
    """

    ids: list[NDArray[np.int64]]
    token_counts: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    elapsed_ns: int


class TextTokenizer:
    """A tokenizer.json with a token limit. Immutable, and so safe to share between threads."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        """Raises BundleError when the file is not a tokenizer or its special tokens leave no room for text."""
        self._tokenizer = load_tokenizer(path)
        self.max_tokens = max_tokens
        padding = self._tokenizer.padding
        self.pad_id: int = 0 if padding is None else padding["pad_id"]
        self._tokenizer.no_padding()
        special = self.special_tokens = int(self._tokenizer.num_special_tokens_to_add(is_pair=False))
        if special >= max_tokens:
            raise BundleError(
                f"{path} adds {special} special tokens to a text, which leaves none of the {max_tokens} tokens that "
                "the model may read for the text itself: raise max_tokens"
            )
        # tokenizers 0.23 before 0.23.3 stops when it has as many tokens as the limit: whether there were more, it knows
        # only from the special tokens that it still has to make room for. Without any, it reads one more.
        self._tokenizer.enable_truncation(max_tokens if special else max_tokens + 1)
        self._uncut: Tokenizer | None = None
        self._lock = threading.Lock()

    @property
    def largest_id(self) -> int:
        """The largest token id that a text can turn into."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=0)

    def tokenise(self, texts: Sequence[str], prompt: str = "") -> TokenBatch:
        """Token ids of the texts, `prompt` put before each.

        Raises InvalidInput, naming the position, for a value that is not a string or holds a lone surrogate.
        """
        started = time.perf_counter_ns()
        ids: list[NDArray[np.int64]] = []
        truncated: list[bool] = []
        for start, part in slices(texts):
            prompted = [prompt + text for text in part] if prompt else part
            try:
                encodings = self._tokenizer.encode_batch_fast(prompted)
            except TypeError:
                raise bad_text(part, start) from None
            for encoding in encodings:
                row = encoding.ids
                ids.append(np.array(row[: self.max_tokens], dtype=np.int64))
                truncated.append(len(row) > self.max_tokens or bool(encoding.overflowing))
        counts = np.fromiter((len(row) for row in ids), dtype=np.int32, count=len(ids))
        elapsed = time.perf_counter_ns() - started
        return TokenBatch(ids, counts, np.array(truncated, dtype=np.bool_), elapsed)

    def offsets(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Where the tokens of each text begin and end, the text's end not cut and special tokens left out.

        One array a text, int64, shape (tokens, 2), in characters (code points) of the text. Tokens of one character may
        share its place. Raises InvalidInput as `tokenise` does.
        """
        tokenizer, found = self._whole_tokenizer(), []
        for start, part in slices(texts):
            try:
                encodings = tokenizer.encode_batch(part, add_special_tokens=False)
            except TypeError:
                raise bad_text(part, start) from None
            for encoding in encodings:
                pairs = encoding.offsets
                flat = np.fromiter(chain.from_iterable(pairs), dtype=np.int64, count=2 * len(pairs))
                found.append(flat.reshape(-1, 2))
        return found

    def counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """How many tokens each text has, its end not cut and special tokens left out: int64, shape (n,).

        Raises InvalidInput as `tokenise` does.
        """
        tokenizer = self._whole_tokenizer()
        found: list[int] = []
        for start, part in slices(texts):
            try:
                encodings = tokenizer.encode_batch_fast(part, add_special_tokens=False)
            except TypeError:
                raise bad_text(part, start) from None
            found += [len(encoding) for encoding in encodings]
        return np.array(found, dtype=np.int64)

    def _whole_tokenizer(self) -> Tokenizer:
        """The tokenizer that cuts nothing: a second one, made when it is asked for, since the limit is a state."""
        with self._lock:
            if self._uncut is None:
                uncut = type(self._tokenizer).from_str(self._tokenizer.to_str())
                uncut.no_truncation()
                self._uncut = uncut
            return self._uncut


def slices(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Parts of the texts, each with the position of its first. Raises InvalidInput for what is not a string."""
    if isinstance(texts, str):
        raise InvalidInput("texts must be a sequence of strings, not one string: put it in a list")
    for start in range(0, len(texts), _SLICE):
        part = list(texts[start : start + _SLICE])
        # Of tuples, the library would make pairs.
        if not all(isinstance(text, str) for text in part):
            raise bad_text(part, start)
        yield start, part


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.json. Raises BundleError when it is missing or is not one."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_buffer(path.read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{path} is missing: a bundle needs the model's tokenizer.json") from None
    except Exception as error:  # noqa: BLE001 - the library raises bare Exception for whatever it cannot read
        raise BundleError(f"{path} cannot be read as a tokenizer: {error}") from None


def bad_text(texts: Sequence[object], offset: int) -> InvalidInput:
    for position, text in enumerate(texts, start=offset):
        if not isinstance(text, str):
            return InvalidInput(f"text {position} is of type {type(text).__name__}: give a string")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return InvalidInput(
                f"text {position} holds the lone surrogate {text[error.start]!a} at character {error.start}, which is "
                'not Unicode text: decode its source as UTF-8 with errors="replace", or drop the character'
            )
    return InvalidInput("a text cannot be tokenised: give a sequence of strings")

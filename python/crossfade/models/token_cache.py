"""Token vectors that are made once: most candidates of a reranker were candidates before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from crossfade.errors import InvalidInput
from crossfade.models.bundle import Bundle
from crossfade.models.token_encoder import TokenEmbeddings, TokenRow, TokenSource, joined
from crossfade.models.types import InputType

_Key = tuple[InputType, str]


class CachedTokenEncoder:
    """A `TokenEncoder` that remembers what it was asked last. Safe to use from many threads.

    It is asked by text, not by id: a document that changes is another text. A text's vectors may differ in their last
    bits from those of another batch, so two runs agree to rounding, and to the bit once a text is remembered.
    """

    def __init__(self, encoder: TokenSource, max_bytes: int = 1 << 28) -> None:
        """`max_bytes`: of vectors and texts that are kept, by default 256 MiB: 2,000 texts of 80 tokens of 384
        dimensions. The least recently asked for go first. Raises InvalidInput for less than 0.
        """
        if max_bytes < 0:
            raise InvalidInput(f"max_bytes must be 0 or more, not {max_bytes}")
        self._encoder = encoder
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[_Key, TokenRow] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bundle(self) -> Bundle:
        return self._encoder.bundle

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    @property
    def bytes_kept(self) -> int:
        """Of vectors and texts, at the moment."""
        return self._bytes

    def encode(self, texts: Sequence[str], input_type: InputType) -> TokenEmbeddings:
        """As `TokenEncoder.encode`; the times are those of what had to be made."""
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            return self._encoder.encode(texts, input_type)  # which refuses it, naming its place
        found: dict[str, TokenRow] = {}
        with self._lock:
            for text in texts:
                key = (input_type, text)
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[text] = self._kept[key]
        missing = list(dict.fromkeys(text for text in texts if text not in found))
        try:
            made = self._encoder.encode(missing, input_type)
        except InvalidInput:
            self._encoder.encode(texts, input_type)  # the same error, which names the place among all
            raise
        for row, text in enumerate(missing):
            # A copy, for a view would keep the whole batch.
            found[text] = TokenRow(made.of(row).copy(), bool(made.truncated[row]))
        with self._lock:
            for text in missing:
                self._keep((input_type, text), found[text])
        rows = [found[text] for text in texts]
        return joined(rows, self.dimension, made.tokenise_ns, made.infer_ns)

    def _keep(self, key: _Key, value: TokenRow) -> None:
        before = self._kept.pop(key, None)
        if before is not None:
            self._bytes -= _size(key, before)
        self._kept[key] = value
        self._bytes += _size(key, value)
        while self._bytes > self._max_bytes:
            oldest, dropped = self._kept.popitem(last=False)
            self._bytes -= _size(oldest, dropped)


def _size(key: _Key, value: TokenRow) -> int:
    return value.vectors.nbytes + 4 * len(key[1])

"""Token vectors of documents in a file: a ladder asks for the same documents again and again, and memory holds few.

A document of 200 tokens of 384 dimensions takes 300 kB. Reading that takes a fraction of a millisecond, making it tens.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.models.bundle import Bundle
from crossfade.models.token_encoder import TokenEmbeddings, TokenRow, TokenSource, joined
from crossfade.models.types import InputType

_FLOAT = 4  # bytes


class _Place(NamedTuple):
    start: int
    tokens: int
    truncated: bool


class SpilledTokenEncoder:
    """A `TokenEncoder` that keeps what it makes of documents in a file without a name, which goes with the encoder.
    Safe to use from many threads.

    In float32, so that scores are those that a server computes. When the file is as large as it may be, or the disk is
    full, what comes is made each time. Memory: 100 bytes a text.
    """

    def __init__(self, encoder: TokenSource, directory: Path, max_bytes: int = 1 << 32) -> None:
        """`directory`: on whose disk. `max_bytes`: of the file, by default 4 GiB. Raises InvalidInput for less than 0,
        or when no file can be made there.
        """
        if max_bytes < 0:
            raise InvalidInput(f"max_bytes must be 0 or more, not {max_bytes}")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file, name = tempfile.mkstemp(dir=directory, prefix="crossfade-tokens-")
            Path(name).unlink()
        except OSError as error:
            raise InvalidInput(f"cannot make a file in {directory}: {error.strerror or error}") from None
        weakref.finalize(self, os.close, self._file)
        self._encoder = encoder
        self._room = max_bytes
        self._end = 0
        self._places: dict[bytes, _Place] = {}
        self._lock = threading.Lock()

    @property
    def bundle(self) -> Bundle:
        return self._encoder.bundle

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    @property
    def bytes_kept(self) -> int:
        """In the file, at the moment."""
        return self._end

    def encode(self, texts: Sequence[str], input_type: InputType) -> TokenEmbeddings:
        """As `TokenEncoder.encode`; the times are those of what had to be made."""
        unreadable = isinstance(texts, str) or not all(isinstance(text, str) for text in texts)
        if unreadable or input_type is not InputType.DOCUMENT:
            return self._encoder.encode(texts, input_type)
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        found = {key: row for key in dict.fromkeys(keys) if (row := self._read(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        try:
            made = self._encoder.encode(list(missing.values()), input_type)
        except InvalidInput:
            self._encoder.encode(texts, input_type)  # the same error, which names the place among all
            raise
        for place, key in enumerate(missing):
            found[key] = TokenRow(made.of(place), bool(made.truncated[place]))
            self._write(key, found[key])
        return joined([found[key] for key in keys], self.dimension, made.tokenise_ns, made.infer_ns)

    def _read(self, key: bytes) -> TokenRow | None:
        place = self._places.get(key)
        if place is None:
            return None
        content = bytearray(place.tokens * self.dimension * _FLOAT)
        if os.preadv(self._file, [content], place.start) != len(content):
            return None
        vectors: NDArray[np.float32] = np.frombuffer(content, dtype=np.float32).reshape(place.tokens, self.dimension)
        return TokenRow(vectors, place.truncated)

    def _write(self, key: bytes, row: TokenRow) -> None:
        content = np.ascontiguousarray(row.vectors, dtype=np.float32).data.cast("B")
        with self._lock:
            if key in self._places or self._end + len(content) > self._room:
                return
            try:
                written = os.pwrite(self._file, content, self._end)
            except OSError:
                written = 0
            if written != len(content):
                self._room = 0  # the disk is full: what is there can be read on
                return
            self._places[key] = _Place(self._end, len(row.vectors), row.truncated)
            self._end += written

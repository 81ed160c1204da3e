"""Document vectors kept on disk between runs: a cache that may be deleted at any time and mends itself.

One file a (document fingerprint, corpus hash) pair. Layout: one line of JSON (format, fingerprint, corpus, rows,
dimension, tokens, truncated, sha256), then rows * dimension little-endian float32. The checksum covers every vector
byte. A file that is damaged, cut short or of another format is computed anew and written over.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.files import check_writable, write_atomically

_FORMAT = 1
_MAX_HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class CorpusVectors:
    """A whole corpus embedded.

    `vectors`: float32, shape (documents, dimension), in corpus order. `tokens`: read by the model in all. `truncated`:
    documents whose end was not read.
    """

    vectors: NDArray[np.float32]
    tokens: int
    truncated: int


class VectorCache:
    """A directory of cached corpora. Raises InvalidInput when the directory cannot be made or written."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"cannot make the cache directory {directory}: {error.strerror or error}") from None
        self._directory = directory
        check_writable(directory / "probe")

    def path(self, fingerprint: str, corpus_hash: str) -> Path:
        key = hashlib.sha256(f"{fingerprint}\n{corpus_hash}".encode()).hexdigest()
        return self._directory / f"{key[:40]}.vectors"

    def load(self, fingerprint: str, corpus_hash: str, *, rows: int, dimension: int) -> CorpusVectors | None:
        """The cached vectors, or None when there are none or the file fails any check."""
        expected = {
            "format": _FORMAT,
            "fingerprint": fingerprint,
            "corpus": corpus_hash,
            "rows": rows,
            "dimension": dimension,
        }
        try:
            with self.path(fingerprint, corpus_hash).open("rb") as stream:
                header = json.loads(stream.readline(_MAX_HEADER_BYTES))
                if not _fits(header, expected):
                    return None
                # One byte more than promised: a file with something after its vectors is not what was written.
                data = bytearray(rows * dimension * 4 + 1)
                if stream.readinto(data) != len(data) - 1:
                    return None
        except (OSError, ValueError, RecursionError):
            return None
        content = memoryview(data)[:-1]
        if hashlib.sha256(content).hexdigest() != header["sha256"]:
            return None
        vectors = np.frombuffer(content, dtype="<f4").reshape(rows, dimension)
        return CorpusVectors(vectors.astype(np.float32, copy=False), header["tokens"], header["truncated"])

    def save(self, fingerprint: str, corpus_hash: str, corpus: CorpusVectors) -> None:
        """Write the vectors; the file appears whole or not at all. Raises InvalidInput when it cannot be written."""
        content = np.ascontiguousarray(corpus.vectors, dtype="<f4").data.cast("B")
        rows, dimension = corpus.vectors.shape
        header = {
            "format": _FORMAT,
            "fingerprint": fingerprint,
            "corpus": corpus_hash,
            "rows": rows,
            "dimension": dimension,
            "tokens": corpus.tokens,
            "truncated": corpus.truncated,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        with write_atomically(self.path(fingerprint, corpus_hash)) as stream:
            stream.write(json.dumps(header).encode() + b"\n")
            stream.write(content)


def _fits(header: Any, expected: dict[str, Any]) -> bool:
    return (
        isinstance(header, dict)
        and all(header.get(key) == value for key, value in expected.items())
        and all(isinstance(header.get(key), int) for key in ("tokens", "truncated"))
        and isinstance(header.get("sha256"), str)
    )

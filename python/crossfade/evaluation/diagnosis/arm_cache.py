"""Measured arms kept on disk: a second diagnosis measures only what has changed, and one that was stopped goes on.

One file an arm, written whole when the arm is finished. Its name is a hash of everything that moves its figures: data,
filters, how queries are answered, fingerprints of all models, depth, and the versions of what computes. A file that is
damaged, or of another format, is measured anew and written over. The directory may be deleted at any time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.evaluation.diagnosis.measuring import Measured
from crossfade.evaluation.evaluate import package_versions
from crossfade.evaluation.record import decode, encode
from crossfade.files import check_writable, write_atomically

_FORMAT = 1


class ArmCache:
    """A directory of measured arms; None: nothing is kept. Raises InvalidInput when it cannot be made or written."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        if directory is not None:
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InvalidInput(f"cannot make the cache directory {directory}: {error.strerror or error}") from None
            check_writable(directory / "probe")

    def load(self, content: Mapping[str, Any]) -> Measured | None:
        """The arm that `content` describes, or None when it is not there or fails any check."""
        if self._directory is None:
            return None
        try:
            packed = json.loads(gzip.decompress(self._path(content).read_bytes()))
            body = json.dumps(packed["arm"], sort_keys=True)
            if packed["format"] != _FORMAT or packed["sha256"] != hashlib.sha256(body.encode()).hexdigest():
                return None
            return decode(Measured, packed["arm"])
        except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, RecursionError, InvalidInput):
            return None

    def save(self, content: Mapping[str, Any], arm: Measured) -> None:
        """The file appears whole or not at all. Raises InvalidInput when it cannot be written."""
        if self._directory is None:
            return
        record = encode(arm)
        body = json.dumps(record, sort_keys=True)
        packed = {"format": _FORMAT, "sha256": hashlib.sha256(body.encode()).hexdigest(), "arm": record}
        with write_atomically(self._path(content)) as stream:
            stream.write(gzip.compress(json.dumps(packed).encode(), 6, mtime=0))

    def _path(self, content: Mapping[str, Any]) -> Path:
        described = json.dumps(encode({**content, "versions": package_versions()}), sort_keys=True)
        key = hashlib.sha256(described.encode()).hexdigest()
        return (self._directory or Path()) / f"{key[:40]}.arm"

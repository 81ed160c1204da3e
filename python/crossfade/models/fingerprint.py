"""What identifies vectors: a hash over everything that moves them, and over nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

VERSION = "cf1"
_HEX_DIGITS = 40


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(
    *,
    graph: Mapping[str, str],
    tokenizer: str,
    adapter: str | None,
    prompt: str,
    settings: Mapping[str, str | int | bool],
) -> str:
    """The fingerprint of the vectors of one input type, "cf1-" and 40 hexadecimal digits (160 bits of SHA-256).

    `graph` maps the names of the graph's files (external data included: the graph names it) to their SHA-256,
    `tokenizer` and `adapter` are such hashes too, `prompt` is what is put before a text of this input type, `settings`
    the rest: pooling, normalise, max_tokens, dimension, precision. The input type itself is not in it, so two input
    types that are encoded alike share one.
    """
    parts = {
        "graph": dict(graph),
        "tokenizer": tokenizer,
        "adapter": adapter,
        "prompt": prompt,
        "settings": dict(settings),
    }
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.sha256(f"crossfade fingerprint {VERSION}\n{canonical}".encode()).hexdigest()
    return f"{VERSION}-{digest[:_HEX_DIGITS]}"

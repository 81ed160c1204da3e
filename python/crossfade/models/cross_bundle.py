"""A cross-encoder's bundle: a directory that is a model of pairs of texts.

    bundle.toml (kind = "cross-encoder")  model.onnx  tokenizer.json  [model.onnx.data]

`model.onnx`: inputs `input_ids`, `attention_mask`, perhaps `token_type_ids` (int64, [batch, sequence], right-padded);
output `score` or `logits` (float32, [batch, 1]).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomli_w

from crossfade.models.bundle import check_directory, check_file
from crossfade.models.fingerprint import fingerprint
from crossfade.models.manifest import (
    CROSS_ENCODER_KIND,
    EMBEDDING_KIND,
    GRAPH_DATA_FILE,
    GRAPH_FILE,
    MANIFEST_FILE,
    TOKENIZER_FILE,
)
from crossfade.models.toml_table import FORMAT, TableReader
from crossfade.models.types import Precision

FILES = (GRAPH_FILE, GRAPH_DATA_FILE, TOKENIZER_FILE)


@dataclass(frozen=True, slots=True)
class CrossManifest:
    """The content of a cross-encoder's bundle.toml. `max_tokens`: of a pair, special tokens included."""

    name: str
    max_tokens: int
    precision: Precision
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class CrossEncoderBundle:
    """A cross-encoder on disk. Get one from `CrossEncoderBundle.load` or `import_cross_encoder`.

    `fingerprint`: of everything that moves a score.
    """

    path: Path
    manifest: CrossManifest
    fingerprint: str

    @classmethod
    def load(cls, path: str | PathLike[str], *, verify: bool = True) -> CrossEncoderBundle:
        """Read a bundle directory, as `Bundle.load` does. Raises BundleError, also for an embedding model's."""
        directory = check_directory(path)
        manifest = read_cross_manifest(directory / MANIFEST_FILE)
        for name, recorded in manifest.files.items():
            check_file(directory / name, recorded, verify=verify)
        files = manifest.files
        found = fingerprint(
            graph={name: files[name] for name in (GRAPH_FILE, GRAPH_DATA_FILE) if name in files},
            tokenizer=files[TOKENIZER_FILE],
            adapter=None,
            prompt="",
            settings={
                "kind": CROSS_ENCODER_KIND,
                "max_tokens": manifest.max_tokens,
                "precision": manifest.precision.value,
            },
        )
        return cls(directory, manifest, found)

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def max_tokens(self) -> int:
        """The token limit of a pair, special tokens included."""
        return self.manifest.max_tokens

    @property
    def precision(self) -> Precision:
        return self.manifest.precision

    @property
    def graph_path(self) -> Path:
        return self.path / GRAPH_FILE

    @property
    def tokenizer_path(self) -> Path:
        return self.path / TOKENIZER_FILE


def is_cross_encoder(directory: Path | str) -> bool:
    """Whether a bundle says that it is one. A file that cannot be read says nothing: loading it tells why."""
    try:
        kind = tomllib.loads((Path(directory) / MANIFEST_FILE).read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError):
        return False
    return bool(kind == CROSS_ENCODER_KIND)


def dump_cross_manifest(manifest: CrossManifest) -> bytes:
    """The manifest as TOML."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "kind": CROSS_ENCODER_KIND,
        "name": manifest.name,
        "max_tokens": manifest.max_tokens,
        "precision": manifest.precision.value,
        "files": {name: manifest.files[name] for name in FILES if name in manifest.files},
    }
    return tomli_w.dumps(content).encode()


def read_cross_manifest(path: Path) -> CrossManifest:
    """Read a bundle.toml. Raises BundleError that names the file, the key and what it may hold."""
    table = TableReader.open(path)
    table.format()
    kind = table.take("kind", str, default=EMBEDDING_KIND)
    if kind != CROSS_ENCODER_KIND:
        raise table.error(
            f"is of the kind {kind!r}, not {CROSS_ENCODER_KIND!r}: load it with crossfade.models.Bundle, and give a "
            "cross-encoder here"
        )
    result = CrossManifest(
        name=table.name(),
        max_tokens=table.positive("max_tokens"),
        precision=table.choice("precision", Precision),
        files=table.files(FILES),
    )
    table.end()
    for name in (GRAPH_FILE, TOKENIZER_FILE):
        if name not in result.files:
            raise table.error(f"[files] does not record {name}")
    return result

"""bundle.toml: what a bundle says about itself. Read strictly: an unknown key is an error, not a setting ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomli_w

from crossfade.errors import InvalidInput, NotFound
from crossfade.models.toml_table import FORMAT, TableReader, is_name
from crossfade.models.types import InputType, Pooling, Precision

MANIFEST_FILE = "bundle.toml"
GRAPH_FILE = "model.onnx"
GRAPH_DATA_FILE = "model.onnx.data"
TOKENIZER_FILE = "tokenizer.json"
ADAPTER_FILE = "query_adapter.onnx"
FILES = (GRAPH_FILE, GRAPH_DATA_FILE, TOKENIZER_FILE, ADAPTER_FILE)

EMBEDDING_KIND = "embedding"
CROSS_ENCODER_KIND = "cross-encoder"

OWN_PROMPTS = ("query", "document")
"""Names of the prompts that an input type has of its own; no named prompt bears one."""

_FINGERPRINT = re.compile(r"cf[0-9]+-[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is put before a text, by input type; empty for nothing. `named`: others, which a call asks for by name."""

    query: str = ""
    document: str = ""
    named: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, input_type: InputType, name: str | None = None) -> str:
        """The text put before one of this type: the type's own, or with `name` that named prompt.

        Raises NotFound when no prompt has the name.
        """
        if name is None:
            return self.query if input_type is InputType.QUERY else self.document
        if name not in self.named:
            there = f"use one of {', '.join(sorted(self.named))}, or none" if self.named else "this model has none"
            raise NotFound(f"there is no prompt {name!r}: {there}")
        return self.named[name]


@dataclass(frozen=True, slots=True)
class Parent:
    """The bundle that this one was made from, and how."""

    name: str
    document_fingerprint: str
    query_fingerprint: str
    relation: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of bundle.toml. `files` maps each file's name to its SHA-256; `adapter` names the query adapter."""

    name: str
    dimension: int
    max_tokens: int
    pooling: Pooling
    normalise: bool
    precision: Precision
    prompts: Prompts = Prompts()
    parent: Parent | None = None
    adapter: str | None = None
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def check_name(name: str) -> str:
    """The name, if a bundle can bear it; InvalidInput otherwise."""
    if not is_name(name):
        raise InvalidInput(
            f"{name!r} cannot name a bundle: use 1 to 128 letters, digits, dots, hyphens and underscores, "
            "beginning with a letter or digit"
        )
    return name


def dump_manifest(manifest: Manifest) -> bytes:
    """The manifest as TOML."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "name": manifest.name,
        "dimension": manifest.dimension,
        "max_tokens": manifest.max_tokens,
        "pooling": manifest.pooling.value,
        "normalise": manifest.normalise,
        "precision": manifest.precision.value,
        "prompts": {"query": manifest.prompts.query, "document": manifest.prompts.document},
    }
    if manifest.prompts.named:  # else the table is as it was before there were any: older versions read it
        content["prompts"]["named"] = dict(sorted(manifest.prompts.named.items()))
    if manifest.adapter is not None:
        content["query"] = {"adapter": manifest.adapter}
    if manifest.parent is not None:
        content["parent"] = {
            "name": manifest.parent.name,
            "document_fingerprint": manifest.parent.document_fingerprint,
            "query_fingerprint": manifest.parent.query_fingerprint,
            "relation": manifest.parent.relation,
        }
    content["files"] = {name: manifest.files[name] for name in FILES if name in manifest.files}
    return tomli_w.dumps(content).encode()


def read_manifest(path: Path) -> Manifest:
    """Read a bundle.toml. Raises BundleError that names the file, the key and what it may hold."""
    return _Reader.open(path).manifest()


class _Reader(TableReader):
    """Takes the keys of a bundle.toml."""

    def manifest(self) -> Manifest:
        self.format()
        self._kind()
        result = Manifest(
            name=self.name(),
            dimension=self.positive("dimension"),
            max_tokens=self.positive("max_tokens"),
            pooling=self.choice("pooling", Pooling),
            normalise=self.take("normalise", bool),
            precision=self.choice("precision", Precision),
            prompts=self._prompts(),
            parent=self._parent(),
            adapter=self._adapter(),
            files=self.files(FILES),
        )
        self.end()
        for name in (GRAPH_FILE, TOKENIZER_FILE, result.adapter):
            if name is not None and name not in result.files:
                raise self.error(f"[files] does not record {name}")
        if result.adapter is None and ADAPTER_FILE in result.files:
            raise self.error(f"[files] records {ADAPTER_FILE} but [query] does not name it as the adapter")
        return result

    def _kind(self) -> None:
        """Embedding models do not say what they are: they came first."""
        kind = self.take("kind", str, default=EMBEDDING_KIND)
        if kind == CROSS_ENCODER_KIND:
            raise self.error(
                "is a cross-encoder, which scores pairs of texts and embeds none: use it for reranking "
                "(crossfade.models.cross_encoder), and an embedding model here"
            )
        if kind != EMBEDDING_KIND:
            raise self.error(f"kind must be {EMBEDDING_KIND} or {CROSS_ENCODER_KIND}, not {kind!r}")

    def _prompts(self) -> Prompts:
        table = self.sub("prompts")
        if table is None:
            return Prompts()
        result = Prompts(
            query=table.take("query", str, default=""),
            document=table.take("document", str, default=""),
            named=table._named(),
        )
        table.end()
        return result

    def _named(self) -> Mapping[str, str]:
        table = self.sub("named")
        if table is None:
            return MappingProxyType({})
        for name in table.keys():  # noqa: SIM118 - a method of its own
            if not name or name in OWN_PROMPTS:
                raise self.error(
                    f"{self._prefix}named holds a prompt of the name {name!r}: those of queries and documents are "
                    f"{self._prefix}query and {self._prefix}document, and every other one needs a name"
                )
        return MappingProxyType({name: table.take(name, str) for name in sorted(table.keys())})

    def _parent(self) -> Parent | None:
        table = self.sub("parent")
        if table is None:
            return None
        result = Parent(
            name=table.take("name", str),
            document_fingerprint=table._fingerprint("document_fingerprint"),
            query_fingerprint=table._fingerprint("query_fingerprint"),
            relation=table.take("relation", str),
        )
        table.end()
        return result

    def _adapter(self) -> str | None:
        table = self.sub("query")
        if table is None:
            return None
        adapter = table.take("adapter", str)
        table.end()
        if adapter != ADAPTER_FILE:
            raise self.error(f"query.adapter must be {ADAPTER_FILE!r}, not {adapter!r}")
        return adapter

    def _fingerprint(self, key: str) -> str:
        return self.checked(self.take(key, str), _FINGERPRINT, f"a fingerprint in {self._prefix}{key}")

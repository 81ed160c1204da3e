"""bundle.toml: what a bundle says about itself. Read strictly: an unknown key is an error, not a setting ignored."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import tomli_w

from crossfade.errors import BundleError, InvalidInput, NotFound
from crossfade.models.types import InputType, Pooling, Precision

FORMAT = 1
MANIFEST_FILE = "bundle.toml"
GRAPH_FILE = "model.onnx"
GRAPH_DATA_FILE = "model.onnx.data"
TOKENIZER_FILE = "tokenizer.json"
ADAPTER_FILE = "query_adapter.onnx"
FILES = (GRAPH_FILE, GRAPH_DATA_FILE, TOKENIZER_FILE, ADAPTER_FILE)

OWN_PROMPTS = ("query", "document")
"""Names of the prompts that an input type has of its own; no named prompt bears one."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(r"cf[0-9]+-[0-9a-f]{40}")

_E = TypeVar("_E", bound=StrEnum)
_T = TypeVar("_T", str, int, bool)


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
    if not _NAME.fullmatch(name):
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
    try:
        content = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise BundleError(
            f"{path.parent} is not a model bundle: it has no {MANIFEST_FILE}. "
            f"Make one with `crossfade model import {path.parent} -o DIR`"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BundleError(f"{path} cannot be read as TOML: {error}") from None
    return _Reader(path, content).manifest()


class _Reader:
    """Takes the keys of one table; what is left at the end is unknown."""

    def __init__(self, path: Path, table: dict[str, Any], prefix: str = "") -> None:
        self._path, self._table, self._prefix = path, dict(table), prefix

    def manifest(self) -> Manifest:
        self._check_format()
        result = Manifest(
            name=self._checked(self._take("name", str), _NAME, "a name of letters, digits, dots, hyphens, underscores"),
            dimension=self._positive("dimension"),
            max_tokens=self._positive("max_tokens"),
            pooling=self._choice("pooling", Pooling),
            normalise=self._take("normalise", bool),
            precision=self._choice("precision", Precision),
            prompts=self._prompts(),
            parent=self._parent(),
            adapter=self._adapter(),
            files=self._files(),
        )
        self._end()
        for name in (GRAPH_FILE, TOKENIZER_FILE, result.adapter):
            if name is not None and name not in result.files:
                raise self._error(f"[files] does not record {name}")
        if result.adapter is None and ADAPTER_FILE in result.files:
            raise self._error(f"[files] records {ADAPTER_FILE} but [query] does not name it as the adapter")
        return result

    def _check_format(self) -> None:
        found = self._take("format", int)
        if found > FORMAT:
            raise self._error(
                f"is format {found} and this crossfade reads format {FORMAT}: it was written by a newer crossfade; "
                "upgrade, or import the model again with this one"
            )
        if found != FORMAT:
            raise self._error(f"format must be {FORMAT}, not {found}: import the model again")

    def _prompts(self) -> Prompts:
        table = self._sub("prompts")
        if table is None:
            return Prompts()
        result = Prompts(
            query=table._take("query", str, default=""),
            document=table._take("document", str, default=""),
            named=table._named(),
        )
        table._end()
        return result

    def _named(self) -> Mapping[str, str]:
        table = self._sub("named")
        if table is None:
            return MappingProxyType({})
        for name in table._table:
            if not name or name in OWN_PROMPTS:
                raise self._error(
                    f"{self._prefix}named holds a prompt of the name {name!r}: those of queries and documents are "
                    f"{self._prefix}query and {self._prefix}document, and every other one needs a name"
                )
        return MappingProxyType({name: table._take(name, str) for name in sorted(table._table)})

    def _parent(self) -> Parent | None:
        table = self._sub("parent")
        if table is None:
            return None
        result = Parent(
            name=table._take("name", str),
            document_fingerprint=table._fingerprint("document_fingerprint"),
            query_fingerprint=table._fingerprint("query_fingerprint"),
            relation=table._take("relation", str),
        )
        table._end()
        return result

    def _adapter(self) -> str | None:
        table = self._sub("query")
        if table is None:
            return None
        adapter = table._take("adapter", str)
        table._end()
        if adapter != ADAPTER_FILE:
            raise self._error(f"query.adapter must be {ADAPTER_FILE!r}, not {adapter!r}")
        return adapter

    def _files(self) -> Mapping[str, str]:
        table = self._sub("files")
        if table is None:
            raise self._error("the table [files] is missing")
        found = {
            name: table._checked(table._take(name, str), _SHA256, "the SHA-256 of the file, 64 hexadecimal digits")
            for name in FILES
            if name in table._table
        }
        table._end()
        return MappingProxyType(found)

    def _sub(self, key: str) -> _Reader | None:
        table = self._table.pop(key, None)
        if table is None:
            return None
        if not isinstance(table, dict):
            raise self._error(f"{key} must be a table, not {table!r}")
        return _Reader(self._path, table, f"{self._prefix}{key}.")

    def _take(self, key: str, kind: type[_T], *, default: _T | None = None) -> _T:
        value = self._table.pop(key, default)
        if value is None:
            raise self._error(f"{self._prefix}{key} is missing")
        # bool is an int in Python and is not one here.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._error(f"{self._prefix}{key} must be of type {kind.__name__}, not {value!r}")
        return value

    def _positive(self, key: str) -> int:
        value = self._take(key, int)
        if value < 1:
            raise self._error(f"{self._prefix}{key} must be at least 1, not {value}")
        return value

    def _choice(self, key: str, kind: type[_E]) -> _E:
        value = self._take(key, str)
        try:
            return kind(value)
        except ValueError:
            choices = ", ".join(member.value for member in kind)
            raise self._error(f"{self._prefix}{key} must be one of {choices}, not {value!r}") from None

    def _fingerprint(self, key: str) -> str:
        return self._checked(self._take(key, str), _FINGERPRINT, f"a fingerprint in {self._prefix}{key}")

    def _checked(self, value: str, pattern: re.Pattern[str], expected: str) -> str:
        if not pattern.fullmatch(value):
            raise self._error(f"{value!r} is not {expected}")
        return value

    def _end(self) -> None:
        if self._table:
            unknown = ", ".join(sorted(f"{self._prefix}{key}" for key in self._table))
            raise self._error(f"unknown key {unknown}: remove it, or upgrade crossfade if a newer one wrote it")

    def _error(self, reason: str) -> BundleError:
        return BundleError(f"{self._path}: {reason}")

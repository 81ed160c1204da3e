"""Reads a bundle.toml strictly: an unknown key is an error, not a setting ignored."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

from crossfade.errors import BundleError

FORMAT = 1

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_E = TypeVar("_E", bound=StrEnum)
_T = TypeVar("_T", str, int, bool)


def is_name(name: str) -> bool:
    """Whether a bundle can bear the name."""
    return _NAME.fullmatch(name) is not None


class TableReader:
    """Takes the keys of one table; what is left at the end is unknown."""

    def __init__(self, path: Path, table: dict[str, Any], prefix: str = "") -> None:
        self._path, self._table, self._prefix = path, dict(table), prefix

    @classmethod
    def open(cls, path: Path) -> Self:
        """The outermost table of a bundle.toml. Raises BundleError when there is none or it is not TOML."""
        try:
            content = tomllib.loads(path.read_bytes().decode())
        except FileNotFoundError:
            raise BundleError(
                f"{path.parent} is not a model bundle: it has no {path.name}. "
                f"Make one with `crossfade model import {path.parent} -o DIR`"
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BundleError(f"{path} cannot be read as TOML: {error}") from None
        return cls(path, content)

    def keys(self) -> list[str]:
        """What has not been taken yet."""
        return list(self._table)

    def format(self) -> None:
        """Take the number of the format, which must be today's."""
        found = self.take("format", int)
        if found > FORMAT:
            raise self.error(
                f"is format {found} and this crossfade reads format {FORMAT}: it was written by a newer crossfade; "
                "upgrade, or import the model again with this one"
            )
        if found != FORMAT:
            raise self.error(f"format must be {FORMAT}, not {found}: import the model again")

    def name(self) -> str:
        """Take the bundle's name."""
        return self.checked(self.take("name", str), _NAME, "a name of letters, digits, dots, hyphens, underscores")

    def files(self, names: Iterable[str]) -> Mapping[str, str]:
        """Take the table of the files' SHA-256; it may hold these names."""
        table = self.sub("files")
        if table is None:
            raise self.error("the table [files] is missing")
        found = {
            name: table.checked(table.take(name, str), _SHA256, "the SHA-256 of the file, 64 hexadecimal digits")
            for name in names
            if name in table.keys()  # noqa: SIM118 - a method of this class
        }
        table.end()
        return MappingProxyType(found)

    def sub(self, key: str) -> Self | None:
        """Take a table inside this one; None when there is none."""
        table = self._table.pop(key, None)
        if table is None:
            return None
        if not isinstance(table, dict):
            raise self.error(f"{key} must be a table, not {table!r}")
        return type(self)(self._path, table, f"{self._prefix}{key}.")

    def take(self, key: str, kind: type[_T], *, default: _T | None = None) -> _T:
        """Take a value of the type; one that is missing and has no default is an error."""
        value = self._table.pop(key, default)
        if value is None:
            raise self.error(f"{self._prefix}{key} is missing")
        # bool is an int in Python and is not one here.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(f"{self._prefix}{key} must be of type {kind.__name__}, not {value!r}")
        return value

    def positive(self, key: str) -> int:
        """Take a whole number of 1 or more."""
        value = self.take(key, int)
        if value < 1:
            raise self.error(f"{self._prefix}{key} must be at least 1, not {value}")
        return value

    def choice(self, key: str, kind: type[_E]) -> _E:
        """Take one of the values of an enumeration."""
        value = self.take(key, str)
        try:
            return kind(value)
        except ValueError:
            choices = ", ".join(member.value for member in kind)
            raise self.error(f"{self._prefix}{key} must be one of {choices}, not {value!r}") from None

    def checked(self, value: str, pattern: re.Pattern[str], expected: str) -> str:
        """The value, if it is of the pattern."""
        if not pattern.fullmatch(value):
            raise self.error(f"{value!r} is not {expected}")
        return value

    def end(self) -> None:
        """Nothing may be left."""
        if self._table:
            unknown = ", ".join(sorted(f"{self._prefix}{key}" for key in self._table))
            raise self.error(f"unknown key {unknown}: remove it, or upgrade crossfade if a newer one wrote it")

    def error(self, reason: str) -> BundleError:
        """To be raised: it names the file."""
        return BundleError(f"{self._path}: {reason}")

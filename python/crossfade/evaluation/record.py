"""Dataclasses to JSON values and back: one strict reader, so that a damaged record is refused by the field's name."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from crossfade.errors import InvalidInput

SCHEMA = 2
"""Version of the records. It rises when a reader of the old one would misread the new; new keys do not raise it.

2: an evaluation may be of another way to answer queries than exact search by vectors of whole documents (`retrieval`).
A record that is of none is written as version 1, which it is.
"""

LATER = {"later": True}
"""Metadata of a field that came after records of its kind were hashed: it is written only where it says something, so
that an older record is read, hashed and concluded again as it stands."""

T = TypeVar("T")


def encode(value: Any, *, path: str = "") -> Any:
    """Turn dataclasses, mappings, sequences and scalars into what `json.dumps(..., allow_nan=False)` takes.

    Raises InvalidInput, naming the place, on NaN, infinity or a value that JSON has no form for.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(getattr(value, field.name), path=_join(path, field.name))
            for field in fields(value)
            if not (field.metadata.get("later") and getattr(value, field.name) in (field.default, []))
        }
    if isinstance(value, Mapping):
        return {str(key): encode(item, path=_join(path, str(key))) for key, item in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput(f"{path}: {value} cannot be recorded; expected a finite number")
        return float(value)
    if isinstance(value, Sequence):
        return [encode(item, path=f"{path}[{index}]") for index, item in enumerate(value)]
    raise InvalidInput(f"{path}: {type(value).__name__} cannot be recorded as JSON")


def check_schema(data: Any, newest: int = SCHEMA) -> None:
    """Raises InvalidInput when the record is newer than this reader, which reads up to version `newest`."""
    version = data.get("schema", newest) if isinstance(data, Mapping) else newest
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidInput(f"schema: {version!r} is no version; expected an integer from 1 to {newest}")
    if version > newest:
        raise InvalidInput(
            f"schema: this record has version {version}, this crossfade reads {newest}: upgrade crossfade"
        )


def decode(kind: type[T], value: Any, *, path: str = "") -> T:
    """Build a dataclass from parsed JSON. Unknown keys are ignored, absent ones take the field's default.

    Raises InvalidInput naming the field that is missing or of the wrong type.
    """
    decoded: T = _decode(kind, value, path)
    return decoded


def _decode(kind: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind) and isinstance(kind, type):
        return _decode_dataclass(kind, value, path)
    if kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    elif kind is bool:
        if isinstance(value, bool):
            return value
    elif kind is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif kind is str:
        if isinstance(value, str):
            return value
    elif kind is type(None):
        if value is None:
            return None
    elif origin is Literal:
        if isinstance(value, str) and value in arguments:
            return value
    elif origin is dict:
        if isinstance(value, Mapping):
            return {str(key): _decode(arguments[1], item, _join(path, str(key))) for key, item in value.items()}
    elif origin is list:
        if isinstance(value, list | tuple):
            return [_decode(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(value)]
    elif origin is tuple:
        if isinstance(value, list | tuple) and len(value) == len(arguments):
            pairs = enumerate(zip(arguments, value, strict=True))
            return tuple(_decode(argument, item, f"{path}[{index}]") for index, (argument, item) in pairs)
    elif origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _decode(next(argument for argument in arguments if argument is not type(None)), value, path)
    raise InvalidInput(f"{path or 'record'}: {_shorten(value)} is not {_describe(kind)}")


def _decode_dataclass(kind: type, value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{path or 'record'}: {_shorten(value)} is not an object ({kind.__name__})")
    hints = get_type_hints(kind)
    given = {}
    for field in fields(kind):
        if field.name in value:
            given[field.name] = _decode(hints[field.name], value[field.name], _join(path, field.name))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise InvalidInput(f"{_join(path, field.name)}: missing (a field of {kind.__name__})")
    return kind(**given)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _describe(kind: Any) -> str:
    names = {float: "a finite number", int: "an integer", bool: "true or false", str: "a string", type(None): "null"}
    if kind in names:
        return names[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    return {dict: "an object", list: "an array", tuple: f"an array of {len(arguments)}"}.get(origin, str(kind))


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

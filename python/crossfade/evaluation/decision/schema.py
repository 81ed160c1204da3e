"""The published JSON Schema of a record (2020-12), made from the types that write it."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from crossfade.evaluation.decision.record import SCHEMA, DecisionRecord

_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    Any: {},
}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def decision_schema() -> dict[str, Any]:
    """What `docs/schemas/decision-1.json` holds. Keys may be added within a version, so none is forbidden."""
    definitions: dict[str, Any] = {}
    _define(DecisionRecord, definitions)
    record = definitions.pop(DecisionRecord.__name__)
    record["properties"]["schema"] = {"const": SCHEMA}
    record["required"] = sorted({*record["required"], "content_sha256"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"crossfade decision record, version {SCHEMA}",
        "description": "content_sha256 is the SHA-256 of the record's canonical form (RFC 8785) without content_sha256 "
        "and signature. docs/decision.md says what the fields mean.",
        **record,
        "$defs": dict(sorted(definitions.items())),
    }


def _define(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # a type that holds itself is named, not followed
        hints = get_type_hints(kind)
        definitions[kind.__name__] = {
            "type": "object",
            "properties": {
                field.name: dict(_SHA256) if _is_hash(field.name) else _schema(hints[field.name], definitions)
                for field in fields(kind)
            },
            "required": [
                field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING
            ],
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _is_hash(name: str) -> bool:
    return name == "sha256" or name.endswith("_sha256")


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _define(kind, definitions)
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(each, definitions) for each in arguments]}
    raise TypeError(f"no schema for {kind}")

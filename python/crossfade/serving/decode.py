"""Bytes to messages and back. What cannot be read is refused by the field that is wrong, not as "internal error"."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from crossfade.errors import InvalidInput

Request = TypeVar("Request", bound=Message)

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
# The search is Python, a microsecond or two a field: a hostile message of millions must not hold the server up.
_FIELDS_SEARCHED = 200_000
_FIXED_SIZE = {_FIXED64: 8, _FIXED32: 4}


def decode(kind: type[Request], data: bytes) -> Request:
    """Raises InvalidInput, naming the field where it can be told, when `data` is no such message."""
    message: Any = kind  # protobuf's own classes are made at run time and carry no types
    try:
        request: Request = message.FromString(data)
    except DecodeError:
        descriptor: Descriptor = message.DESCRIPTOR
        name = descriptor.full_name
        bad = bad_string(data, descriptor)
        if bad is None:
            raise InvalidInput(
                f"the request is not a readable {name}: its {len(data)} bytes are cut short or are not "
                "protobuf, or hold text that is not UTF-8; send it with stubs made from crossfade's own .proto files"
            ) from None
        path, offset = bad
        raise InvalidInput(
            f"{path} of the {name} is not valid UTF-8 (at its byte {offset}): send text as UTF-8"
        ) from None
    return request


def encode(message: Message) -> bytes:
    untyped: Any = message
    data: bytes = untyped.SerializeToString()
    return data


def has(message: Message, field: str) -> bool:
    """Whether a field that tells "absent" from "empty" was sent."""
    untyped: Any = message
    return bool(untyped.HasField(field))


def bad_string(
    data: bytes, kind: Descriptor, prefix: str = "", budget: list[int] | None = None
) -> tuple[str, int] | None:
    """The first string field that is not UTF-8, as a path like "documents[3].text", and the offending byte in it.

    None when the wire format itself breaks first, or when all strings are well. Groups, which no message of crossfade
    has, count as broken. Looks at `_FIELDS_SEARCHED` fields at most, nested ones included: `budget` is what is left.
    """
    budget = [_FIELDS_SEARCHED] if budget is None else budget
    position = 0
    seen: dict[int, int] = {}
    while position < len(data):
        tag, position = _varint(data, position)
        budget[0] -= 1
        if tag is None or budget[0] < 0:
            return None
        number, wire_type = tag >> 3, tag & 7
        index = seen.get(number, 0)
        seen[number] = index + 1
        if wire_type == _VARINT:
            value, position = _varint(data, position)
            if value is None:
                return None
            continue
        if wire_type == _LENGTH:
            size, position = _varint(data, position)
            if size is None:
                return None
        elif wire_type in _FIXED_SIZE:
            size = _FIXED_SIZE[wire_type]
        else:
            return None
        end = position + size
        if end > len(data):
            return None
        field = kind.fields_by_number.get(number)
        if wire_type == _LENGTH and field is not None:
            path = f"{prefix}{field.name}" + (f"[{index}]" if field.is_repeated else "")
            bad = _bad_in(data[position:end], field, path, budget)
            if bad is not None:
                return bad
        position = end
    return None


def _bad_in(value: bytes, field: FieldDescriptor, path: str, budget: list[int]) -> tuple[str, int] | None:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return bad_string(value, field.message_type, f"{path}.", budget)
    if field.type == FieldDescriptor.TYPE_STRING:
        try:
            value.decode()
        except UnicodeDecodeError as error:
            return path, error.start
    return None


def _varint(data: bytes, position: int) -> tuple[int | None, int]:
    """The number at `position` and the position behind it; None when it does not end within ten bytes."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            return None, position
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    return None, position

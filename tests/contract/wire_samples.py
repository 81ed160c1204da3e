"""Frozen samples of every message on the wire, in `wire_samples.json`: its bytes and what they say.

`python tests/contract/wire_samples.py` adds the messages that have no sample yet. It never changes one: bytes that an
older client or server may still send must be read as they always were.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from crossfade._pb import collections_pb2, embedding_pb2, evaluation_pb2, models_pb2, scoring_pb2, vectors_pb2

PATH = Path(__file__).with_suffix(".json")
FILES = (collections_pb2, embedding_pb2, evaluation_pb2, models_pb2, scoring_pb2, vectors_pb2)


def descriptors() -> Iterator[Descriptor]:
    for module in FILES:
        yield from module.DESCRIPTOR.message_types_by_name.values()


def wanted() -> dict[str, Message]:
    """A sample for every message; where a message has a oneof, one for each of its members, named "message/member"."""
    found: dict[str, Message] = {}
    for kind in descriptors():
        members = [member for oneof in kind.oneofs for member in oneof.fields]
        for member in members:
            message = filled(kind)
            set_field(message, member)
            found[f"{kind.full_name}/{member.name}"] = message
        if not members:
            found[kind.full_name] = filled(kind)
    return found


def message_class(name: str) -> type[Message]:
    kinds = {kind.full_name: kind for kind in descriptors()}
    return message_factory.GetMessageClass(kinds[name.partition("/")[0]])


def filled(kind: Descriptor) -> Message:
    """A message with every field set; of a oneof, the last one."""
    message = message_factory.GetMessageClass(kind)()
    for field in kind.fields:
        set_field(message, field)
    return message


def set_field(message: Message, field: FieldDescriptor) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, held = field.message_type.fields
        entries = getattr(message, field.name)
        for position in range(2):
            if held.message_type is not None:
                entries[value(key, position)].CopyFrom(value(held, position))
            else:
                entries[value(key, position)] = value(held, position)
    elif field.is_repeated:
        getattr(message, field.name).extend(value(field, position) for position in range(2))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value(field, 0))
    else:
        setattr(message, field.name, value(field, 0))


def value(field: FieldDescriptor, position: int) -> Any:
    if field.message_type is not None:
        return filled(field.message_type)
    if field.enum_type is not None:
        return 1 + position
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"{field.name} {position} é"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes(range(250, 256))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return position == 0
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return -0.25 * field.number + position
    if field.type == FieldDescriptor.TYPE_INT32:
        return -300 * field.number - position
    return 300 * field.number + position


def plain(message: Message) -> Any:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def main() -> None:
    samples = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    for name, message in wanted().items():
        if name not in samples:
            samples[name] = {"bytes": message.SerializeToString(deterministic=True).hex(), "says": plain(message)}
    PATH.write_text(json.dumps(samples, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

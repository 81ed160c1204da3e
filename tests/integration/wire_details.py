"""What a failed call says beside its status: google.rpc's details, from the messages' own description."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto


def _messages() -> tuple[type[Any], type[Any]]:
    """google.rpc.Status and google.rpc.RetryInfo, whose package is not a dependency."""
    file = descriptor_pb2.FileDescriptorProto(name="status.proto", package="google.rpc", syntax="proto3")
    file.dependency.extend(["google/protobuf/any.proto", "google/protobuf/duration.proto"])
    status = file.message_type.add(name="Status")
    status.field.add(name="code", number=1, type=_FIELD.TYPE_INT32, label=_FIELD.LABEL_OPTIONAL)
    status.field.add(name="message", number=2, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    many, one = _FIELD.LABEL_REPEATED, _FIELD.LABEL_OPTIONAL
    status.field.add(name="details", number=3, type=_FIELD.TYPE_MESSAGE, label=many, type_name=".google.protobuf.Any")
    retry = file.message_type.add(name="RetryInfo")
    duration = ".google.protobuf.Duration"
    retry.field.add(name="retry_delay", number=1, type=_FIELD.TYPE_MESSAGE, label=one, type_name=duration)
    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2, duration_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    kinds = [pool.FindMessageTypeByName(f"google.rpc.{name}") for name in ("Status", "RetryInfo")]
    return message_factory.GetMessageClass(kinds[0]), message_factory.GetMessageClass(kinds[1])


_STATUS, _RETRY_INFO = _messages()


def retry_delay(error: grpc.RpcError) -> float:
    """Seconds after which the server says that the call may be tried again. Fails where it does not say so."""
    call: Any = error
    trailers = dict(call.trailing_metadata() or ())
    status = _STATUS.FromString(trailers["grpc-status-details-bin"])
    assert (status.code, status.message) == (call.code().value[0], call.details())
    (detail,) = status.details
    assert detail.type_url == "type.googleapis.com/google.rpc.RetryInfo"
    delay = _RETRY_INFO.FromString(detail.value).retry_delay
    return float(delay.seconds) + float(delay.nanos) / 1e9

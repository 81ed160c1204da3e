"""A failed call becomes the error that the server raised."""

from __future__ import annotations

import re
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2, empty_pb2
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from crossfade import errors
from crossfade._pb import embedding_pb2
from crossfade.errors import CrossfadeError

CLOSED = "this client is closed: make a new one, or keep it open for as long as you call it"

# The trailer that names the exact class.
ERROR_TRAILER = "crossfade-error"
# A google.rpc.Status, as gRPC has it for every language.
_DETAILS_TRAILER = "grpc-status-details-bin"
# Protobuf's own modules carry no types.
_Any: Any = any_pb2
_Duration: Any = duration_pb2
_Empty: Any = empty_pb2
# In asyncio, a write that fails because the server has ended the call overwrites what the server said
# (https://github.com/grpc/grpc/issues/36066).
_LOST = "Internal error from Core"
_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")

# For a status that came without crossfade's trailer: from gRPC itself or something between.
_BY_CODE: dict[grpc.StatusCode, type[CrossfadeError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidInput,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
}


def failure(error: grpc.RpcError, target: str) -> CrossfadeError:
    """The CrossfadeError that `error` stands for."""
    call: Any = error  # RpcErrors of a call are its Call as well; the type does not say so
    code: grpc.StatusCode = call.code()
    message: str = call.details() or ""
    trailers = dict(call.trailing_metadata() or ())
    delay = retry_after(trailers.get(_DETAILS_TRAILER, b""))
    named = _named(str(trailers.get(ERROR_TRAILER, "")), message, delay)
    if named is not None:
        return named
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and (size := _TOO_LARGE.search(message)):
        return errors.LimitExceeded(
            f"a message of {size[1]} bytes was sent, {target} takes at most {size[2]}: send less in one call, or raise "
            "CROSSFADE_MAX_MESSAGE_BYTES on the server"
        )
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.Unavailable(
            f"no answer from {target} ({message}): check the address, and that `crossfade serve` runs there"
        )
    if code is grpc.StatusCode.CANCELLED:  # not by us: gRPC ends so what reaches a server in its last moment
        return errors.Unavailable(f"{target} ended the call, as a server does that stops: try again")
    if code is grpc.StatusCode.INTERNAL and message == _LOST:
        return errors.Unavailable(
            f"{target} ended the call while more was being sent, and gRPC did not keep the reason: try again; Client "
            "(not AsyncClient) is told it"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{target} did not answer in time: give the call a longer timeout, or less work")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return CrossfadeError(
            f"{target} does not know this call ({message}): is it a crossfade server of this version?"
        )
    text = f"{target}: {message or code.name}"
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return errors.Overloaded(text, retry_after=delay)
    return _BY_CODE.get(code, CrossfadeError)(text)


def batch_failure(told: embedding_pb2.Failure) -> CrossfadeError:
    """The error that ended one batch of a stream, as a call of its own would have raised it."""
    by_code = {code.value[0]: kind for code, kind in _BY_CODE.items()}
    return _named(told.error, told.message, None) or by_code.get(told.code, CrossfadeError)(told.message)


def with_note(error: CrossfadeError, note: str) -> CrossfadeError:
    """The same error, its message followed by the note."""
    message = f"{error} ({note})"
    if isinstance(error, errors.Overloaded):
        return errors.Overloaded(message, retry_after=error.retry_after)
    return type(error)(message)


def retry_after(details: bytes | str) -> float | None:
    """The seconds that a google.rpc.Status asks to wait for in its google.rpc.RetryInfo; None when it asks for none.

    Both messages are read by their field numbers (details = 3, retry_delay = 1), which saves a dependency.
    """
    try:
        for packed in _fields(bytes(details) if isinstance(details, bytes) else b"", 3):
            info = _Any.Any.FromString(packed)
            if info.type_url.rpartition("/")[2] == "google.rpc.RetryInfo":
                for delay in _fields(info.value, 1):
                    seconds = _Duration.Duration.FromString(delay)
                    return max(0.0, float(seconds.seconds + seconds.nanos / 1e9))
    except DecodeError:  # something between wrote it: the error itself is known without
        return None
    return None


def _fields(message: bytes, number: int) -> list[bytes]:
    """The submessages of an encoded message under a field number."""
    found: Any = UnknownFieldSet(_Empty.Empty.FromString(message))  # of Empty every field is unknown
    length_delimited = 2
    return [field.data for field in found if (field.field_number, field.wire_type) == (number, length_delimited)]


def _named(name: str, message: str, delay: float | None) -> CrossfadeError | None:
    """An error of this class name; None when there is no such class."""
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, CrossfadeError)):
        return None
    if kind is errors.Overloaded:
        return errors.Overloaded(message, retry_after=delay)
    # DataError is made from a path, which is the server's: here it is an InvalidInput with the same words.
    return errors.InvalidInput(message) if issubclass(kind, errors.DataError) else kind(message)

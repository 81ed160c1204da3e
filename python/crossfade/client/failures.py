"""A failed call becomes the error that the server raised."""

from __future__ import annotations

import re
from typing import Any

import grpc

from crossfade import errors
from crossfade.errors import CrossfadeError

CLOSED = "this client is closed: make a new one, or keep it open for as long as you call it"

# The trailer that names the exact class.
ERROR_TRAILER = "crossfade-error"
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
    named = dict(call.trailing_metadata() or ()).get(ERROR_TRAILER, "")
    kind = getattr(errors, named, None)
    if isinstance(kind, type) and issubclass(kind, CrossfadeError):
        # DataError is made from a path, which is the server's: here it is an InvalidInput with the same words.
        return errors.InvalidInput(message) if issubclass(kind, errors.DataError) else kind(message)
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
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{target} did not answer in time: give the call a longer timeout, or less work")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return CrossfadeError(
            f"{target} does not know this call ({message}): is it a crossfade server of this version?"
        )
    return _BY_CODE.get(code, CrossfadeError)(f"{target}: {message or code.name}")

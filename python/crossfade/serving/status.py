"""The one table of this boundary: which gRPC status an error becomes, and what of it crosses the wire."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass

import grpc

from crossfade import errors
from crossfade.errors import CrossfadeError

log = logging.getLogger(__name__)

# The trailer that names the exact class, for clients that want to raise it again.
ERROR_TRAILER = "crossfade-error"

# Trailers larger than 8 KiB end a call with another status; half of that is left to the other trailers.
_MESSAGE_LIMIT = 4096

CODES: dict[type[CrossfadeError], grpc.StatusCode] = {
    errors.CrossfadeError: grpc.StatusCode.INTERNAL,
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    # Sending the same call again cannot help, so not RESOURCE_EXHAUSTED, which clients may retry.
    errors.LimitExceeded: grpc.StatusCode.INVALID_ARGUMENT,
    errors.DataError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.BundleError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FingerprintMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
}


@dataclass(frozen=True, slots=True)
class Status:
    """How a failed call ends."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, str], ...] = ()


def status_of(error: BaseException) -> Status:
    """An expected error says what it says; any other is logged with a reference that the caller is given instead."""
    if not isinstance(error, CrossfadeError):
        reference = uuid.uuid4().hex[:12]
        log.error("internal error %s", reference, exc_info=error)
        return Status(
            grpc.StatusCode.INTERNAL,
            f"internal error {reference}: this is a fault of the server; its log says more under this reference",
        )
    kind = next(base for base in type(error).__mro__ if base in CODES)
    return Status(CODES[kind], _fitting(str(error)), ((ERROR_TRAILER, kind.__name__),))


def _fitting(message: str) -> str:
    """The message, cut where its form on the wire, percent-encoded, would pass the limit."""
    size = 0
    for position, character in enumerate(message):
        plain = " " <= character <= "~" and character != "%"
        size += 1 if plain else 3 * len(character.encode(errors="surrogatepass"))
        if size > _MESSAGE_LIMIT:
            return message[:position] + "..."
    return message

"""The status table: every error is in it, and comes back as itself."""

import inspect

import grpc
import pytest

from crossfade import errors
from crossfade._native import status_code
from crossfade.client.failures import ERROR_TRAILER, failure
from crossfade.errors import CrossfadeError

EVERY_ERROR = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CrossfadeError)]


def make(kind: type[CrossfadeError]) -> CrossfadeError:
    return kind("corpus.jsonl", "no such line") if kind is errors.DataError else kind("what is wrong: do this")


def test_every_error_is_in_the_front_ends_table() -> None:
    assert len(EVERY_ERROR) > 8
    assert {kind for kind in EVERY_ERROR if status_code(kind.__name__) is None} == set()
    assert status_code("KeyError") is None


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_an_error_crosses_the_wire_and_comes_back_as_itself(kind: type[CrossfadeError]) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == status_code(kind.__name__))
    raised = make(kind)
    back = failure(FakeRpcError(code, str(raised), ((ERROR_TRAILER, kind.__name__),)), "there:1")
    assert type(back) is (errors.InvalidInput if kind is errors.DataError else kind)
    assert str(back) == str(raised)


class FakeRpcError(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str, trailers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(details)
        self._parts = code, details, trailers

    def code(self) -> grpc.StatusCode:
        return self._parts[0]

    def details(self) -> str:
        return self._parts[1]

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._parts[2]


@pytest.mark.parametrize(
    ("code", "details", "kind", "message"),
    [
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "SERVER: Received message larger than max (41943053 vs. 33554432)",
            errors.LimitExceeded,
            "a message of 41943053 bytes was sent, there:1 takes at most 33554432: send less",
        ),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams", errors.Overloaded, "there:1: too many streams"),
        (grpc.StatusCode.INTERNAL, "Internal error from Core", errors.Unavailable, "gRPC did not keep the reason"),
        (grpc.StatusCode.UNAVAILABLE, "refused", errors.Unavailable, "no answer from there:1 (refused): check"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", errors.DeadlineExceeded, "there:1 did not answer in time: give"),
        (grpc.StatusCode.UNIMPLEMENTED, "no method", CrossfadeError, "does not know this call (no method)"),
        (grpc.StatusCode.CANCELLED, "", errors.Unavailable, "there:1 ended the call"),
        (grpc.StatusCode.NOT_FOUND, "", errors.NotFound, "there:1: NOT_FOUND"),
        (grpc.StatusCode.INTERNAL, "oh", CrossfadeError, "there:1: oh"),
    ],
)
def test_statuses_that_are_not_crossfades_are_explained(code, details, kind, message) -> None:
    found = failure(FakeRpcError(code, details), "there:1")
    assert type(found) is kind
    assert message in str(found)


def test_a_strange_trailer_is_ignored() -> None:
    found = failure(FakeRpcError(grpc.StatusCode.NOT_FOUND, "x", ((ERROR_TRAILER, "fspath"),)), "there:1")
    assert type(found) is errors.NotFound

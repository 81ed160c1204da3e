"""The status table: every error is in it, and nothing but what an error says crosses the wire."""

import inspect
import logging
from urllib.parse import quote

import grpc
import pytest

from crossfade import errors
from crossfade.client.failures import failure
from crossfade.errors import CrossfadeError
from crossfade.serving.logs import calm
from crossfade.serving.status import CODES, ERROR_TRAILER, status_of

EVERY_ERROR = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CrossfadeError)]


def make(kind: type[CrossfadeError]) -> CrossfadeError:
    return kind("corpus.jsonl", "no such line") if kind is errors.DataError else kind("what is wrong: do this")


def test_every_error_is_in_the_table_and_nothing_else() -> None:
    assert len(EVERY_ERROR) > 8
    assert set(CODES) == set(EVERY_ERROR)


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_an_error_crosses_the_wire_and_comes_back_as_itself(kind: type[CrossfadeError]) -> None:
    raised = make(kind)
    status = status_of(raised)
    assert status.message == str(raised)
    assert status.code is CODES[kind]
    back = failure(FakeRpcError(status.code, status.message, status.trailers), "there:1")
    assert type(back) is (errors.InvalidInput if kind is errors.DataError else kind)
    assert str(back) == str(raised)


def test_a_subclass_that_the_table_lacks_is_answered_as_its_base() -> None:
    class Special(errors.LimitExceeded):
        pass

    status = status_of(Special("x"))
    assert (status.code, dict(status.trailers)[ERROR_TRAILER]) == (grpc.StatusCode.INVALID_ARGUMENT, "LimitExceeded")


def test_the_unexpected_is_logged_by_reference_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "crossfade.serving.status"):
        try:
            {}["secret detail"]
        except KeyError as error:
            status = status_of(error)
    assert status.code is grpc.StatusCode.INTERNAL
    assert "secret" not in status.message
    reference = status.message.split()[2].rstrip(":")
    (record,) = caplog.records
    assert reference in record.getMessage()
    assert record.exc_info is not None
    assert "secret detail" in str(record.exc_info[1])


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


def test_an_answer_to_a_client_that_is_gone_is_one_calm_line() -> None:
    class ExecuteBatchError(Exception):
        pass

    record = logging.LogRecord(
        "grpc", logging.ERROR, "x", 1, "raised in %s", ("Score",), (ExecuteBatchError, None, None)
    )
    assert calm(record)
    assert record.getMessage() == "a client went away before its answer was sent (raised in Score)"
    assert (record.levelno, record.exc_info) == (logging.INFO, None)


def test_other_records_are_left_alone() -> None:
    record = logging.LogRecord("grpc", logging.ERROR, "x", 1, "bad", (), (KeyError, KeyError("k"), None))
    assert calm(record)
    assert (record.getMessage(), record.levelno) == ("bad", logging.ERROR)
    assert record.exc_info is not None


@pytest.mark.parametrize("character", ["a", "é", "💥", "%"])
def test_a_long_message_fits_a_trailer(character: str) -> None:
    """gRPC percent-encodes a message; what passes 8 KiB would end the call with another status."""
    status = status_of(errors.InvalidInput(character * 5000))
    assert status.message.endswith("...")
    assert len(quote(status.message, safe="")) < 4200

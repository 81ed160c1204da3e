"""Requests that cannot be decoded are refused by field."""

import pytest
from google.protobuf.message import Message

from crossfade._pb import collections_pb2, embedding_pb2, evaluation_pb2
from crossfade.errors import InvalidInput
from crossfade.serving.decode import _FIELDS_SEARCHED, bad_string, decode

MARK = b"MARK"
BAD = b"M\xffRK"


def refused(kind: type[Message], data: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        decode(kind, data)
    return str(caught.value)


def test_a_good_request_is_read() -> None:
    request = embedding_pb2.EmbedRequest(model="base", texts=["ä", ""])
    assert decode(embedding_pb2.EmbedRequest, request.SerializeToString()) == request


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (embedding_pb2.EmbedRequest(model="base", input_type=1, texts=["ok", "MARK"]), "texts[1]"),
        (embedding_pb2.EmbedRequest(model="MARK"), "model"),
        (
            collections_pb2.UpsertRequest(
                documents=[collections_pb2.Document(id="a"), collections_pb2.Document(id="b", text="MARK")]
            ),
            "documents[1].text",
        ),
        (
            evaluation_pb2.MeasureRequest(
                run=[
                    evaluation_pb2.RunQuery(
                        query_id="q", documents=[evaluation_pb2.ScoredDocument(score=1.5, document_id="MARK")]
                    )
                ]
            ),
            "run[0].documents[0].document_id",
        ),
    ],
)
def test_invalid_utf8_is_named_by_path_and_byte(request_: Message, path: str) -> None:
    message = refused(type(request_), request_.SerializeToString().replace(MARK, BAD))
    assert message.startswith(f"{path} of the {request_.DESCRIPTOR.full_name} is not valid UTF-8 (at its byte 1)")


@pytest.mark.parametrize(
    "data",
    [
        b"\x1a\x05ab",  # a length that runs past the end
        b"\x1a",  # a tag and nothing behind it
        b"\x1a\xff",  # a length that does not end
        b"\xff" * 11,  # a tag that does not end
        b"\x0b",  # a group
        b"\x0d\x00",  # a fixed32 of one byte
        b"\x09\x00",  # a fixed64 of one byte
        b"\x10\xff",  # a varint that does not end
        b"garbage, not protobuf",
    ],
)
def test_what_is_not_protobuf_is_said_to_be_so(data: bytes) -> None:
    message = refused(embedding_pb2.EmbedRequest, data)
    assert f"not a readable crossfade.v1.EmbedRequest: its {len(data)} bytes" in message


def test_fields_before_the_bad_one_are_stepped_over() -> None:
    # Unknown fields of every wire type, then texts = "\xff".
    data = b"\xa0\x06\x01" + b"\xa1\x06" + bytes(8) + b"\xa5\x06" + bytes(4) + b"\xa2\x06\x02\xff\xff" + b"\x1a\x01\xff"
    assert refused(embedding_pb2.EmbedRequest, data).startswith("texts[0] of the crossfade.v1.EmbedRequest")


def test_a_hostile_message_of_many_fields_is_given_up_on() -> None:
    """The search for the bad field stops at its budget; the bad string behind it is not reached."""
    fields = b"\x50\x01" * (_FIELDS_SEARCHED + 1)
    assert bad_string(fields + b"\x0a\x01\xff", embedding_pb2.EmbedRequest.DESCRIPTOR) is None
    assert bad_string(fields[:200] + b"\x0a\x01\xff", embedding_pb2.EmbedRequest.DESCRIPTOR) == ("model", 0)

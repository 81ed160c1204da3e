"""How the client cuts batches, and that its two forms are the same."""

import inspect
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade._pb import collections_pb2
from crossfade.client import AlsoVersions, AsyncClient, Client, Document, Limits, StageTimes, Vectors, messages, plans
from crossfade.client.batching import matrix, slices, text_sizes
from crossfade.client.options import Embedder, SearchOptions
from crossfade.errors import CrossfadeError, FingerprintMismatch, InvalidInput, NotFound

LIMITS = Limits(texts_per_call=10, text_bytes=500, message_bytes=1600, k=100, results_per_call=50, score_vectors=9)
OVERHEAD = 64


@given(st.lists(st.integers(0, 2000), max_size=60), st.none() | st.integers(1, 20))
def test_slices_cover_a_batch_in_order_and_keep_to_the_limits(sizes: list[int], per_call: int | None) -> None:
    parts = slices(sizes, LIMITS, per_call)
    assert [size for part in parts for size in sizes[part]] == sizes
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        count = part.stop - part.start
        used = sum(size + OVERHEAD for size in sizes[part])
        assert count <= min(10, per_call or 10)
        assert used <= 1500 or count == 1
        if following is not None:  # no slice ends before it must
            full = count == min(10, per_call or 10)
            assert full or used + sizes[following.start] + OVERHEAD > 1500


def test_an_empty_batch_is_one_call_that_the_server_refuses() -> None:
    assert slices([], LIMITS) == [slice(0, 0)]


def test_sizes_are_utf8_bytes() -> None:
    assert text_sizes(["", "a", "é", "😀"], "text") == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one string", "texts is one string: give a list of strings"),
        (["a", 7], "text 1 is int, expected str"),
        (["a", b"b"], "text 1 is bytes"),
        (["a", "b\ud800"], "text 1 holds a lone surrogate at position 1"),
    ],
)
def test_what_cannot_be_sent_as_text(texts, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        text_sizes(texts, "text")


@pytest.mark.parametrize(
    ("values", "count", "message"),
    [
        (np.zeros(3, np.float32), None, r"shape \(3,\)"),
        (np.zeros((1, 3), np.int64), None, "dtype int64"),
        (np.zeros((2, 3), np.float32), 3, "2 vectors are given for 3 documents: give one row a document"),
    ],
)
def test_what_cannot_be_sent_as_vectors(values: np.ndarray, count: int | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        matrix(values, "vectors", count)


def test_vectors_are_sent_as_little_endian_float32() -> None:
    sent = matrix(np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), "vectors")
    assert sent.tobytes() == np.array([1, 2, 3, 4], "<f4").tobytes()


class TestPlans:
    def test_an_upsert_is_cut_and_each_document_keeps_its_vector(self) -> None:
        documents = [Document(str(number), text="x" * 100) for number in range(25)]
        vectors = Vectors(np.arange(50, dtype=np.float32).reshape(25, 2), "cf1-x")
        plan = plans.upsert("docs", documents, vectors, LIMITS)
        requests = [step.request() for step in plan.steps]
        assert [step.items for step in plan.steps] == [8, 8, 8, 1]
        assert [document.id for request in requests for document in request.documents] == [d.id for d in documents]
        data = b"".join(request.vectors.data for request in requests)
        assert data == np.arange(50, dtype="<f4").tobytes()
        assert [request.vectors.count for request in requests] == [8, 8, 8, 1]
        assert {request.fingerprint for request in requests} == {"cf1-x"}

    def test_an_id_twice_in_different_calls_is_refused_before_the_first(self) -> None:
        documents = [Document(str(number % 24)) for number in range(25)]
        with pytest.raises(InvalidInput, match=r"'0' is given twice in one call \(documents 0 and 24\)"):
            plans.upsert("docs", documents, "base", LIMITS)

    def test_a_search_is_cut_by_its_results_too(self) -> None:
        plan = plans.search("docs", 20, ("base", ["q"] * 5), SearchOptions(), LIMITS)
        assert [step.items for step in plan.steps] == [2, 2, 1]

    def test_a_failure_after_the_first_call_says_what_is_stored(self) -> None:
        plan = plans.upsert("docs", [Document(str(number)) for number in range(25)], "base", LIMITS)
        explained = plan.explain(FingerprintMismatch("wrong"), 10)
        assert str(explained) == "wrong (the first 10 of 25 documents of this batch are done)"
        assert type(explained) is FingerprintMismatch
        first = NotFound("x")
        assert plan.explain(first, 0) is first

    @pytest.mark.parametrize(
        "build",
        [
            lambda: plans.create_collection("\ud800", "ip", "base"),
            lambda: plans.create_collection("a", "dot", "base"),
            lambda: plans.create_collection("a", "ip", (-1, "f")),
            lambda: Embedder("base", "passage"),
            lambda: plans.search("docs", -1, ("base", ["a"]), SearchOptions(), LIMITS),
            lambda: plans.search("docs", "ten", ("base", ["a"]), SearchOptions(), LIMITS).steps[0].request(),
            lambda: plans.embed(Embedder(3, "query"), ["a"], LIMITS).steps[0].request(),
            lambda: plans.measure({"q": {"d": "high"}}, {}, ["RR"], count_missing_queries=False, per_query=False),
            lambda: plans.measure({"q": {"d": 1}}, {}, "RR", count_missing_queries=False, per_query=False),
            lambda: plans.score(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 2**40, "ip"),
            lambda: plans.space(None, None, None),
            lambda: plans.space("base", 3, "f"),
            lambda: plans.source(None, None),
            lambda: plans.queries("base", None, None),
            lambda: plans.upsert("docs", ["not a document"], "base", LIMITS),
        ],
    )
    def test_what_cannot_be_sent_is_invalid_input(self, build) -> None:
        with pytest.raises(InvalidInput):
            build()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="address is empty"):
        Client("")


def test_stage_times_add_up() -> None:
    assert StageTimes.sum([StageTimes(1, 2, 3, 4, 5), StageTimes(10, 20, 30, 40, 50)]) == StageTimes(11, 22, 33, 44, 55)


def public(kind: type) -> dict[str, object]:
    return {name: member for name, member in vars(kind).items() if not name.startswith("_")}


def test_both_clients_have_the_same_methods_with_the_same_arguments_and_words() -> None:
    ordinary, asyncio_ = public(Client), public(AsyncClient)
    assert list(ordinary) == list(asyncio_)
    for name, member in ordinary.items():
        if name == "embed_stream":
            continue
        twin = asyncio_[name]
        assert inspect.signature(member) == inspect.signature(twin), name
        assert member.__doc__ == twin.__doc__, name
        assert inspect.iscoroutinefunction(twin), name


def test_embed_stream_differs_in_its_kinds_of_iterators_only() -> None:
    ordinary, asyncio_ = Client.embed_stream, AsyncClient.embed_stream
    assert ordinary.__doc__ == asyncio_.__doc__
    parameters, twins = (inspect.signature(method).parameters for method in (ordinary, asyncio_))
    assert {**parameters, "batches": None} == {**twins, "batches": None}
    assert list(parameters) == list(twins)


class TestFurtherVersions:
    ALSO = AlsoVersions([2], vectors={3: Vectors(np.ones((3, 100), np.float32), "cf1-far")})

    def test_their_vectors_count_and_are_cut_with_the_documents(self) -> None:
        documents = [Document(str(at), text="x" * 50) for at in range(3)]
        plan = plans.upsert("c", documents, "m", LIMITS, also=self.ALSO)
        requests = [step.request() for step in plan.steps]
        assert [len(request.documents) for request in requests] == [2, 1]  # (50 + 400 + 64) * 3 is over 1500
        assert [[each.vectors.count for each in request.also_vectors] for request in requests] == [[2], [1]]
        assert {tuple(request.also_versions) for request in requests} == {(2,)}

    def test_a_batch_is_in_those_that_have_all_of_it(self) -> None:
        plan = plans.upsert("c", [Document("a")], "m", LIMITS, also=AlsoVersions(served=True))
        answers = [collections_pb2.UpsertResponse(written_versions=versions) for versions in ([1, 2, 3], [1, 3])]
        assert plan.combine(answers).versions == (1, 3)

    def test_a_server_that_knows_nothing_of_them_is_told_of(self) -> None:
        answers = [collections_pb2.UpsertResponse(added=1)]
        with pytest.raises(CrossfadeError, match="this server is older than writes to several"):
            plans.upsert("c", [Document("a")], "m", LIMITS, also=AlsoVersions([2])).combine(answers)
        assert plans.upsert("c", [Document("a")], "m", LIMITS).combine(answers).versions == ()


def test_date_times_travel_in_utc_and_only_with_a_zone() -> None:
    def sent(value: object) -> str:
        message = messages.document_message(Document("a", metadata={"at": value}))
        return message.metadata["at"].datetime

    odd = timezone(
        timedelta(hours=1, minutes=2, seconds=3)
    )  # as old local times have it; RFC 3339 has no seconds there
    assert sent(datetime(1890, 1, 1, 1, 2, 3, tzinfo=odd)) == "1890-01-01T00:00:00Z"
    assert sent(date(2020, 2, 29)) == "2020-02-29T00:00:00Z"
    with pytest.raises(InvalidInput, match=r"document 'a': field 'at' has datetime.* it has no zone"):
        sent(datetime(2020, 1, 1))

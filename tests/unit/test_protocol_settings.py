"""A collection's settings as a message and back: nothing is lost on the way, and what does not exist is refused."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade._pb import collections_pb2, vectors_pb2
from crossfade.chunking import ChunkingSettings, Method
from crossfade.client import messages
from crossfade.errors import InvalidInput
from crossfade.lexical import AnalyserSettings
from crossfade.protocol.settings import collection_settings, metric, metric_number, settings_message
from crossfade.store import CollectionSettings, HnswSettings, Metric, Precision
from crossfade.store.metadata import FieldType, MetadataSchema

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
STOP_WORDS: Any = st.sampled_from(["english", "none"]) | st.lists(NAMES, min_size=1, max_size=4, unique=True).map(tuple)
CHUNKING = st.sampled_from(
    [
        ChunkingSettings(),
        ChunkingSettings(Method.TOKENS, size=40, overlap=8),
        ChunkingSettings(Method.SENTENCES, overlap=2),
        ChunkingSettings(Method.HEADINGS, size=12, heading_prefix=True),
    ]
)
SETTINGS = st.builds(
    CollectionSettings,
    fields=st.dictionaries(NAMES, st.sampled_from(list(FieldType)), max_size=6).map(MetadataSchema),
    analyser=st.builds(AnalyserSettings, st.sampled_from(["english", "plain"]), STOP_WORDS),
    chunking=CHUNKING,
    tenant_field=st.none() | st.just("Tenant"),
    precision=st.sampled_from(get_args(Precision)),
    hnsw=st.builds(
        HnswSettings,
        st.integers(2, 256),
        st.integers(1, 65_536),
        st.floats(0, 1, exclude_min=True),
    ),
)


@given(SETTINGS)
def test_there_and_back(settings: CollectionSettings) -> None:
    kind: Any = collections_pb2.CollectionSettings
    message: Any = settings_message(settings)
    assert collection_settings(kind.FromString(message.SerializeToString())) == settings


def test_nothing_said_is_the_default() -> None:
    assert collection_settings(collections_pb2.CollectionSettings()) == CollectionSettings()


@pytest.mark.parametrize("name", get_args(Metric))
def test_metrics_there_and_back(name: Metric) -> None:
    assert metric(metric_number(name)) == name


def test_what_does_not_exist() -> None:
    assert metric(vectors_pb2.METRIC_UNSPECIFIED) == "cosine"
    with pytest.raises(InvalidInput, match="metric 99 is unknown: use METRIC_COSINE"):
        metric(99)
    unknown: Any = "dot"
    with pytest.raises(InvalidInput, match="metric 'dot' does not exist: use one of cosine, ip, l2"):
        metric_number(unknown)
    chunking, analyser, hnsw = collections_pb2.Chunking, collections_pb2.Analyser, collections_pb2.Hnsw
    for more, message in (
        ({"fields": {"a": 99}}, "field type 99 is unknown"),
        ({"chunking": chunking(method="lines")}, "chunking method 'lines' is unknown"),
        ({"hnsw": hnsw(m=1)}, "m of the graph must be at least 2 and at most 256, not 1"),
        ({"hnsw": hnsw(m=257)}, "m of the graph must be at least 2 and at most 256, not 257"),
        ({"hnsw": hnsw(ef_construction=65_537)}, "ef_construction of the graph must be at least 1 and at most 65536"),
        ({"hnsw": hnsw(recall=1.5)}, "recall that searches aim at must be a number greater than 0 and at most 1"),
        ({"hnsw": hnsw(recall=-0.5)}, "recall that searches aim at must be a number greater than 0 and at most 1"),
        ({"hnsw": hnsw(recall=float("nan"))}, "greater than 0 and at most 1, not nan"),
        ({"analyser": analyser(name="german")}, "analyser 'german' with stop words 'english' does not exist"),
        ({"analyser": analyser(stop_words="own")}, "own stop words go with stop_words"),
        ({"analyser": analyser(own_stop_words=["a"])}, "own stop words go with stop_words"),
    ):
        with pytest.raises(InvalidInput, match=message):
            collection_settings(collections_pb2.CollectionSettings(**more))


def test_a_client_lists_collections_of_a_newer_server_too() -> None:
    newer = collections_pb2.CollectionSettings(chunking=collections_pb2.Chunking(method="by moon phase"))
    told = messages.collection(collections_pb2.Collection(name="c", documents=3, settings=newer))
    assert (told.name, told.documents, told.settings) == ("c", 3, None)
    older = messages.collection(collections_pb2.Collection(name="c"))
    assert older.settings == CollectionSettings()

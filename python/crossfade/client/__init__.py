"""The client: `Client` for ordinary code, `AsyncClient` for asyncio; both answer with plain types and NumPy arrays.

with Client("127.0.0.1:50051") as client:
    client.create_collection("docs", model="base")
    client.upsert("docs", [Document("a", text="How to bake bread")], model="base")
    for hit in client.search("docs", 10, model="base", texts=["sourdough"]).hits[0]:
        print(hit.id, hit.score)
"""

from crossfade.client.aio import AsyncClient
from crossfade.client.options import Fusion, SearchOptions
from crossfade.client.sync import Client
from crossfade.client.types import (
    AlsoVersions,
    Candidate,
    Chunk,
    CollectionInfo,
    Embedding,
    Filled,
    Hit,
    HitStage,
    Limits,
    Measured,
    ModelInfo,
    Scored,
    SearchResults,
    SearchStage,
    StageTimes,
    Upserted,
    Vectors,
)
from crossfade.store import Alias, Document, IndexVersion

__all__ = [
    "Alias",
    "AlsoVersions",
    "AsyncClient",
    "Candidate",
    "Chunk",
    "Client",
    "CollectionInfo",
    "Document",
    "Embedding",
    "Filled",
    "Fusion",
    "Hit",
    "HitStage",
    "IndexVersion",
    "Limits",
    "Measured",
    "ModelInfo",
    "Scored",
    "SearchOptions",
    "SearchResults",
    "SearchStage",
    "StageTimes",
    "Upserted",
    "Vectors",
]

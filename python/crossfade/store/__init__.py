"""Documents and their vectors: the interface (`types`) and the embedded back end (`memory`)."""

from crossfade.store.memory import MemoryCollection, MemoryStore
from crossfade.store.types import Collection, CollectionSpec, Document, Metric, Snapshot, Store, UpsertCounts

__all__ = [
    "Collection",
    "CollectionSpec",
    "Document",
    "MemoryCollection",
    "MemoryStore",
    "Metric",
    "Snapshot",
    "Store",
    "UpsertCounts",
]

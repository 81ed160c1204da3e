"""Documents and their vectors: the interface (`types`), one back end on disk (`durable`), one in memory (`memory`)."""

from crossfade.store.collection import DurableCollection
from crossfade.store.durable import DurableStore
from crossfade.store.memory import MemoryCollection, MemoryStore
from crossfade.store.settings import StoreSettings
from crossfade.store.types import (
    Collection,
    CollectionSettings,
    CollectionSpec,
    Document,
    Metric,
    Part,
    Snapshot,
    Store,
    UpsertCounts,
)

__all__ = [
    "Collection",
    "CollectionSettings",
    "CollectionSpec",
    "Document",
    "DurableCollection",
    "DurableStore",
    "MemoryCollection",
    "MemoryStore",
    "Metric",
    "Part",
    "Snapshot",
    "Store",
    "StoreSettings",
    "UpsertCounts",
]

"""Documents and their vectors: the interface (`types`), one back end on disk (`durable`), one in memory (`memory`)."""

from crossfade.store.aliases import Alias
from crossfade.store.collection import DurableCollection
from crossfade.store.durable import DurableStore
from crossfade.store.memory import MemoryCollection, MemoryStore
from crossfade.store.settings import HnswSettings, StoreSettings
from crossfade.store.types import (
    Collection,
    CollectionSettings,
    CollectionSpec,
    Document,
    IndexVersion,
    Metric,
    Part,
    Precision,
    Snapshot,
    Store,
    UpsertCounts,
)
from crossfade.store.view import VersionView
from crossfade.store.writes import IndexVectors

__all__ = [
    "Alias",
    "Collection",
    "CollectionSettings",
    "CollectionSpec",
    "Document",
    "DurableCollection",
    "DurableStore",
    "HnswSettings",
    "IndexVectors",
    "IndexVersion",
    "MemoryCollection",
    "MemoryStore",
    "Metric",
    "Part",
    "Precision",
    "Snapshot",
    "Store",
    "StoreSettings",
    "UpsertCounts",
    "VersionView",
]

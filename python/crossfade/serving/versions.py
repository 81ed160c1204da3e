"""Index versions of collections, and aliases that point to them: the part of the executor that moves a collection to
another model while it is searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossfade._native import Call
from crossfade.chunking import ChunkingSettings
from crossfade.errors import InvalidInput
from crossfade.retrieval import check_encoder
from crossfade.serving.batches import EmbedDocuments, Filled, Space
from crossfade.serving.models import ServedEncoder
from crossfade.serving.passages import Passages
from crossfade.store import Alias, Document, DurableStore, IndexVersion, Store


class Versions:
    """Raises InvalidInput throughout when collections are kept in memory: they have one index each for life."""

    def __init__(
        self,
        store: Store,
        encoder: Callable[[str], ServedEncoder],
        cut: Callable[[str, Sequence[Document], ChunkingSettings], Passages],
        embed: EmbedDocuments,
        most_documents: int,
    ) -> None:
        """`encoder`: a served model by its name, raises NotFound; `cut`: documents into what it reads of them; `embed`:
        that to vectors, by way of the front end's queue; `most_documents`: that one call may fill in."""
        self._store = store
        self._encoder = encoder
        self._cut = cut
        self._embed = embed
        self._most_documents = most_documents

    def create(self, collection: str, space: str | Space) -> IndexVersion:
        """`space`: a served model's name, or a space named outright. Raises NotFound, InvalidInput."""
        found = self._durable().collection(collection)
        if isinstance(space, str):
            bundle = self._encoder(space).bundle
            space = Space(bundle.dimension, bundle.document_fingerprint)
        version = found.create_index(space.dimension, space.document_fingerprint)
        return next(each for each in found.index_versions() if each.version == version)

    def drop(self, collection: str, version: int) -> None:
        """Raises NotFound; InvalidInput when it is in use."""
        self._durable().collection(collection).drop_index(version)

    def fill(self, collection: str, version: int, model: str, limit: int, call: Call) -> Filled:
        """Embed up to `limit` documents (0: as many as a call may have) that the version lacks.

        Raises NotFound; FingerprintMismatch when the model is not the version's.
        """
        found = self._durable().collection(collection)
        view = found.at(version)
        check_encoder(view, self._encoder(model))
        pending = found.pending(version, min(limit or self._most_documents, self._most_documents))
        if not pending:
            return Filled(0, view.snapshot().pending)
        passages = self._cut(model, [document for _, document in pending], found.settings.chunking)
        embeddings, queue_ns = self._embed(model, passages.texts, call)
        filled = found.fill(version, [key for key, _ in pending], embeddings.vectors, spans=passages.spans)
        return Filled(filled, view.snapshot().pending, [embeddings], queue_ns)

    def set_current(self, collection: str, version: int, expected: int | None, *, force: bool) -> int:
        """Return which one it was before. Raises NotFound, Conflict; InvalidInput when it lacks documents."""
        return self._durable().collection(collection).set_current(version, expected=expected, force=force)

    def set_alias(self, name: str, collection: str, version: int | None, expected_revision: int | None) -> Alias:
        """Raises NotFound, Conflict, AlreadyExists, InvalidInput."""
        return self._durable().set_alias(name, collection, version, expected_revision=expected_revision)

    def drop_alias(self, name: str, expected_revision: int | None) -> None:
        """Raises NotFound, Conflict."""
        self._durable().drop_alias(name, expected_revision=expected_revision)

    def aliases(self) -> Sequence[Alias]:
        """Sorted by name; none where collections are kept in memory."""
        return self._store.aliases() if isinstance(self._store, DurableStore) else []

    def _durable(self) -> DurableStore:
        if not isinstance(self._store, DurableStore):
            raise InvalidInput(
                "collections are kept in memory here, where each has one index for life and no alias: start the server "
                "with a store (--store DIR)"
            )
        return self._store

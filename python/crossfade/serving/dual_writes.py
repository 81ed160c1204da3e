"""Which versions of a collection's index a call's documents go to, and where the vectors of each come from.

The version that is written to is the current one, or the one that an alias points to. Further ones are asked for by the
call, or by the server's settings, and take the documents in the same transaction: while a collection moves to another
model, both of its indexes stay complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from crossfade.errors import FingerprintMismatch, InvalidInput, NotFound
from crossfade.retrieval import check_encoder
from crossfade.serving.batches import AlsoVersions, GivenVectors, UpsertBatch
from crossfade.serving.models import ServedEncoder
from crossfade.store import Collection, IndexVersion
from crossfade.store.checks import finite_matrix

Source = str | GivenVectors
"""A served model's name, or vectors."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`target`: the version that is written to anyway; `sources`: of it, and of all others, by version. `unnamed`:
    those that the call takes because their model is served; one that is dropped meanwhile is no reason to refuse it.
    """

    target: int
    sources: Mapping[int, Source]
    unnamed: frozenset[int]


class Planner:
    """Decides before anything is embedded: that may take seconds."""

    def __init__(self, encoders: Mapping[str, ServedEncoder], *, all_served: bool) -> None:
        """`all_served`: every call takes all versions whose model is served, whether it asks for them or not."""
        self._encoders = encoders
        self._all_served = all_served

    def plan(self, collection: Collection, batch: UpsertBatch) -> Plan:
        """`collection`: pinned. Raises InvalidInput for what contradicts itself or has another shape; NotFound for a
        version that is not there and for a model that is not served; FingerprintMismatch."""
        if batch.given is not None and batch.model:
            raise InvalidInput("model and vectors are both given: send one of them")
        asked = batch.also or AlsoVersions()
        served = asked.served or self._all_served
        target = collection.current
        if not (asked.versions or asked.given or served):
            return Plan(target, {target: self._of_target(collection, batch)}, frozenset())
        indexes = {each.version: each for each in collection.index_versions()}
        given = _given(asked, indexes, collection, len(batch.documents))
        sources: dict[int, Source] = {}
        if batch.model or batch.given is not None:
            if target in given:
                raise InvalidInput(
                    f"index version {target} is the one that is written to, and has vectors in also_vectors beside the "
                    "call's own model or vectors: send one of them"
                )
            sources[target] = self._of_target(collection, batch)
        elif target in given:
            sources[target] = given[target]
        elif target in asked.versions or served:
            sources[target] = self._model(collection, indexes[target], batch.model)
        else:
            _nothing()
        sources |= given
        for version in asked.versions:
            _check_there(version, indexes, collection)
            if version in given:
                raise InvalidInput(f"index version {version} is in also_versions and in also_vectors: leave one out")
            if version != target:
                sources[version] = self._model(collection, indexes[version], batch.model)
        unnamed: set[int] = set()
        for version, index in indexes.items() if served else ():
            if version not in sources and (name := self._serving(index, batch.model)) is not None:
                sources[version] = name
                unnamed.add(version)
        return Plan(target, sources, frozenset(unnamed))

    def _of_target(self, collection: Collection, batch: UpsertBatch) -> Source:
        if batch.given is not None:
            spec = collection.spec
            _check_fingerprint(f"collection {spec.name!r}", spec.document_fingerprint, batch.given)
            return batch.given
        if not batch.model:
            _nothing()
        check_encoder(collection, self.encoder(batch.model))
        return batch.model

    def _model(self, collection: Collection, index: IndexVersion, preferred: str | None) -> str:
        name = self._serving(index, preferred)
        if name is None:
            served = ", ".join(f"{name} ({each.bundle.document_fingerprint})" for name, each in self._encoders.items())
            raise NotFound(
                f"index version {index.version} of collection {collection.spec.name!r} holds vectors of "
                f"{index.document_fingerprint}, and no model is served here that makes them (served: "
                f"{served or 'none'}): serve that model, send its vectors in also_vectors, or leave the version out"
            )
        return name

    def _serving(self, index: IndexVersion, preferred: str | None) -> str | None:
        """A served model of the version's documents; the call's own if it is one."""
        fitting = [
            name
            for name, encoder in self._encoders.items()
            if encoder.bundle.document_fingerprint == index.document_fingerprint
            and encoder.bundle.dimension == index.dimension
        ]
        return preferred if preferred in fitting else next(iter(fitting), None)

    def encoder(self, name: str) -> ServedEncoder:
        """Raises NotFound."""
        encoder = self._encoders.get(name)
        if encoder is None:
            served = ", ".join(self._encoders) or "none"
            raise NotFound(f"no model {name[:80]!r} is served here: use one of {served}")
        return encoder


def _given(
    asked: AlsoVersions, indexes: Mapping[int, IndexVersion], collection: Collection, documents: int
) -> dict[int, GivenVectors]:
    found: dict[int, GivenVectors] = {}
    for version, vectors in asked.given:
        _check_there(version, indexes, collection)
        if version in found:
            raise InvalidInput(f"also_vectors has index version {version} twice: send its vectors once")
        index, holder = indexes[version], f"index version {version} of collection {collection.spec.name!r}"
        _check_fingerprint(holder, index.document_fingerprint, vectors)
        # Here, since other versions' models may run before the store looks at these.
        why = f"one row a document, and {holder} holds {index.dimension} dimensions"
        finite_matrix(vectors.vectors, rows=documents, dimension=index.dimension, what="vector", why=why)
        found[version] = vectors
    return found


def _check_there(version: int, indexes: Mapping[int, IndexVersion], collection: Collection) -> None:
    if version not in indexes:
        raise NotFound(
            f"collection {collection.spec.name!r} has no index version {version}: it has "
            f"{', '.join(map(str, sorted(indexes)))}"
        )


def _check_fingerprint(holder: str, fingerprint: str, given: GivenVectors) -> None:
    if not given.fingerprint:
        raise InvalidInput("vectors came without a fingerprint: give the fingerprint that Embed returned with them")
    if given.fingerprint != fingerprint:
        raise FingerprintMismatch(
            f"the vectors have fingerprint {given.fingerprint[:80]}, {holder} holds {fingerprint}: embed the "
            "documents, as documents, with the model it was made for, or create a collection for their own"
        )


def _nothing() -> NoReturn:
    raise InvalidInput(
        "neither model nor vectors are given: name a served model to embed the documents, or send one vector a "
        "document with the fingerprint of the encoder that made them"
    )


def still_there(plan: Plan, collection: Collection) -> Sequence[int]:
    """The plan's versions without those that have been dropped since and that nobody had named."""
    there = {each.version for each in collection.index_versions()}
    return [version for version in plan.sources if version in there or version not in plan.unnamed]

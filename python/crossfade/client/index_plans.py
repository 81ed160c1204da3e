"""As `plans`, for index versions and aliases."""

from __future__ import annotations

from crossfade._pb import collections_pb2
from crossfade.client import messages
from crossfade.client.plans import Method, Plan, explained, one
from crossfade.client.types import Filled
from crossfade.errors import InvalidInput
from crossfade.store import Alias, IndexVersion

_COLLECTIONS = "/crossfade.v1.CollectionService/"
CREATE = Method(f"{_COLLECTIONS}CreateIndex", collections_pb2.CreateIndexResponse, repeatable=False)
DROP = Method(f"{_COLLECTIONS}DropIndex", collections_pb2.DropIndexResponse, repeatable=False)
FILL = Method(f"{_COLLECTIONS}FillIndex", collections_pb2.FillIndexResponse, repeatable=False)
SET_CURRENT = Method(f"{_COLLECTIONS}SetCurrentIndex", collections_pb2.SetCurrentIndexResponse, repeatable=False)
SET_ALIAS = Method(f"{_COLLECTIONS}SetAlias", collections_pb2.SetAliasResponse, repeatable=False)
DROP_ALIAS = Method(f"{_COLLECTIONS}DropAlias", collections_pb2.DropAliasResponse, repeatable=False)
LIST_ALIASES = Method(f"{_COLLECTIONS}ListAliases", collections_pb2.ListAliasesResponse)


@explained
def create_index(collection: str, space: str | tuple[int, str]) -> Plan[IndexVersion]:
    request = collections_pb2.CreateIndexRequest(collection=collection)
    if isinstance(space, str):
        request.model = space
    else:
        request.vector_space.dimension, request.vector_space.document_fingerprint = space
    return one(CREATE, request, lambda answers: messages.index(answers[0].index))


@explained
def drop_index(collection: str, version: int) -> Plan[None]:
    return one(DROP, collections_pb2.DropIndexRequest(collection=collection, version=version), lambda _: None)


@explained
def fill_index(collection: str, version: int, model: str, limit: int | None) -> Plan[Filled]:
    if limit is not None and limit < 1:
        raise InvalidInput(f"limit is {limit}: ask for at least 1 document")
    request = collections_pb2.FillIndexRequest(
        collection=collection, version=version, model=model, limit=min(limit or 0, 2**32 - 1)
    )
    return one(
        FILL,
        request,
        lambda answers: Filled(answers[0].filled, answers[0].pending, messages.times(answers[0].times)),
    )


@explained
def set_current_index(collection: str, version: int, expected: int | None, *, force: bool) -> Plan[int]:
    if expected is not None and expected < 1:
        raise InvalidInput(f"expected_version is {expected}: versions begin with 1; leave it out for any")
    request = collections_pb2.SetCurrentIndexRequest(
        collection=collection, version=version, expected_version=expected or 0, force=force
    )
    return one(SET_CURRENT, request, lambda answers: int(answers[0].previous_version))


@explained
def set_alias(name: str, collection: str, version: int | None, expected_revision: int | None) -> Plan[Alias]:
    if version is not None and version < 1:
        raise InvalidInput(f"version is {version}: versions begin with 1; leave it out for the current one")
    request = collections_pb2.SetAliasRequest(
        name=name, collection=collection, version=version or 0, expected_revision=expected_revision
    )
    return one(SET_ALIAS, request, lambda answers: messages.alias(answers[0].alias))


@explained
def drop_alias(name: str, expected_revision: int | None) -> Plan[None]:
    request = collections_pb2.DropAliasRequest(name=name, expected_revision=expected_revision)
    return one(DROP_ALIAS, request, lambda _: None)


def list_aliases() -> Plan[list[Alias]]:
    return one(
        LIST_ALIASES,
        collections_pb2.ListAliasesRequest(),
        lambda answers: [messages.alias(found) for found in answers[0].aliases],
    )

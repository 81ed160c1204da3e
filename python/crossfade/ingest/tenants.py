"""Documents of a collection that tenants share, as it keeps them: behind their tenant's name."""

from __future__ import annotations

from collections.abc import Callable

from crossfade.errors import InvalidInput
from crossfade.store.checks import MAX_ID_BYTES
from crossfade.store.tenancy import TenantCollection
from crossfade.store.types import Collection, Document


def keeper(collection: Collection, tenant: str | None) -> Callable[[Document], Document]:
    """Makes of a document what the collection keeps of it. `tenant`: of all; None: each document names its own in the
    tenants' field. What it makes raises InvalidInput for a document of no tenant, or of another than `tenant`.

    Raises InvalidInput when the collection is not of tenants, and `tenant` is given.
    """
    field = collection.settings.tenant_field
    if field is None:
        if tenant is not None:
            raise InvalidInput(f"collection {collection.spec.name!r} is not of tenants: leave the tenant out")
        return lambda document: document
    shared = field
    views: dict[str, TenantCollection] = {}
    if tenant is not None:
        views[tenant] = TenantCollection(collection, shared, tenant)

    def kept(document: Document) -> Document:
        whose = tenant or document.metadata.get(shared)
        if not isinstance(whose, str):
            raise InvalidInput(
                f'no tenant in the metadata field "{shared}", and the collection is of tenants: name it there, or one '
                "for all documents (--tenant)"
            )
        view = views.get(whose) or views.setdefault(whose, TenantCollection(collection, shared, whose))
        made = view.kept(document)
        if (size := len(made.id.encode(errors="replace"))) > MAX_ID_BYTES:
            raise InvalidInput(
                f"its id and its tenant are {size:,} bytes long, the limit is {MAX_ID_BYTES:,}: use a shorter id"
            )
        return made

    return kept

"""What the commands of `crossfade store` share: arguments, the store opened, collections as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crossfade.store import CollectionSettings, CollectionSpec, DurableStore
    from crossfade.store.readonly import CollectionSummary

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The store's directory.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The collection.", show_default=False)]
Model = Annotated[
    Path | None, typer.Option("--model", help="A bundle: its dimension and fingerprint.", show_default=False)
]
Dimension = Annotated[int | None, typer.Option("--dimension", help="Of the vectors.", show_default=False)]
Fingerprint = Annotated[
    str | None, typer.Option("--fingerprint", help="Of the encoder that makes the vectors.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def opened(directory: Path, *, upkeep: bool = True, check_on_open: bool = True) -> DurableStore:
    """A store that is there. Raises NotFound when it is not, StoreError when another process has it open."""
    from crossfade.errors import NotFound
    from crossfade.store import DurableStore, StoreSettings
    from crossfade.store.database import FILE

    if not (directory / FILE).is_file():
        raise NotFound(f"there is no store in {directory}: `crossfade store create` makes one")
    return DurableStore(directory, StoreSettings(check_on_open=check_on_open), upkeep=upkeep)


@contextmanager
def searchable(directory: Path) -> Iterator[DurableStore]:
    """A store that is there, to be searched and not to be written: on a read-only disk a copy of it. Raises as `opened`
    and `working_copy`."""
    from crossfade.store.database import FILE
    from crossfade.store.read_only_disk import is_read_only
    from crossfade.store.working_copy import working_copy

    if (directory / FILE).is_file() and is_read_only(directory / FILE):
        print(f"{directory} is on a read-only disk: a temporary copy is searched", file=sys.stderr)
        with working_copy(directory) as copy, opened(copy, upkeep=False) as store:
            yield store
    else:
        with opened(directory, upkeep=False) as store:
            yield store


def space(model: Path | None, dimension: int | None, fingerprint: str | None) -> tuple[int, str]:
    """Dimension and document fingerprint, from a bundle or as they are said. Raises InvalidInput, BundleError."""
    from crossfade.errors import InvalidInput
    from crossfade.models import Bundle

    if model is not None:
        if dimension is not None or fingerprint is not None:
            raise InvalidInput("--model says dimension and fingerprint itself: leave --dimension and --fingerprint out")
        bundle = Bundle.load(model)
        return bundle.dimension, bundle.document_fingerprint
    if dimension is None or fingerprint is None:
        raise InvalidInput("give --model, or both --dimension and --fingerprint")
    return dimension, fingerprint


def summary_json(summary: CollectionSummary) -> dict[str, Any]:
    return {**spec_json(summary.spec, summary.settings), "documents": summary.documents, "rows": summary.rows}


def spec_json(spec: CollectionSpec, settings: CollectionSettings) -> dict[str, Any]:
    return {
        "name": spec.name,
        "dimension": spec.dimension,
        "metric": spec.metric,
        "document_fingerprint": spec.document_fingerprint,
        "fields": settings.fields.to_json(),
        "chunking": settings.chunking.to_json(),
        "tenant_field": settings.tenant_field,
        "precision": settings.precision,
    }

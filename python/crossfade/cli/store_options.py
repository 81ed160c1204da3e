"""What the commands of `crossfade store` share: arguments, the store opened, collections as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from crossfade.lexical import AnalyserSettings
    from crossfade.store import CollectionSettings, CollectionSpec, DurableStore, StoreSettings
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
# What enums hold, as literals, so that every other command starts sooner (a test holds them together).
AnalyserName = Literal["english", "plain"]
StopWordsName = Literal["english", "none"]
_STOP_WORDS_HELP = "Words that searches by words leave out; english if nothing is said."
_STOP_WORDS_FILE_HELP = "Words of your own to leave out, one a line, in UTF-8; in place of --stop-words."
_M_HELP = "Links of a row in the graphs, 2 to 256: more find more, and take memory."
_EF_CONSTRUCTION_HELP = "Candidates for links, 1 to 65536: more make better graphs, and take longer to build."
_RECALL_HELP = "The share of the ten nearest that searches by graphs aim at, above 0 and at most 1."

Analyser = Annotated[AnalyserName, typer.Option("--analyser", help="How words are found: stemmed, or as they are.")]
StopWords = Annotated[StopWordsName | None, typer.Option("--stop-words", help=_STOP_WORDS_HELP, show_default=False)]
StopWordsFile = Annotated[
    Path | None, typer.Option("--stop-words-file", metavar="FILE", help=_STOP_WORDS_FILE_HELP, show_default=False)
]
M = Annotated[int, typer.Option("--m", help=_M_HELP)]
EfConstruction = Annotated[int, typer.Option("--ef-construction", help=_EF_CONSTRUCTION_HELP)]
Recall = Annotated[float, typer.Option("--recall", help=_RECALL_HELP)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def opened(directory: Path, *, upkeep: bool = True, check_on_open: bool = True) -> DurableStore:
    """A store that is there. Raises NotFound when it is not, StoreError when another process has it open,
    InvalidInput when a setting (`CROSSFADE_STORE_*`) cannot be used."""
    from crossfade.errors import NotFound
    from crossfade.store import DurableStore
    from crossfade.store.database import FILE

    if not (directory / FILE).is_file():
        raise NotFound(f"there is no store in {directory}: `crossfade store create` makes one")
    return DurableStore(directory, store_settings(check_on_open=check_on_open), upkeep=upkeep)


def store_settings(*, check_on_open: bool = True) -> StoreSettings:
    """As `CROSSFADE_STORE_*` say. `check_on_open`: False for what looks at no segment. Raises InvalidInput."""
    from crossfade.config import load_settings
    from crossfade.store import StoreSettings

    found = StoreSettings.of(load_settings())
    return found if check_on_open else replace(found, check_on_open=False)


def analyser_settings(name: AnalyserName, stop_words: StopWordsName | None, file: Path | None) -> AnalyserSettings:
    """Raises InvalidInput for both kinds of stop words at once, and for a file that holds none that can be used."""
    from crossfade.errors import InvalidInput
    from crossfade.lexical import AnalyserSettings

    if file is None:
        return AnalyserSettings(name, stop_words or "english")
    if stop_words is not None:
        raise InvalidInput("--stop-words and --stop-words-file are two ways to say the same: give one of them")
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidInput(f"stop words cannot be read from {file}: {reason}") from None
    words = tuple(line.strip() for line in lines if line.strip())
    if not words:
        raise InvalidInput(f"{file} holds no stop words: write one a line, or give --stop-words none")
    try:
        return AnalyserSettings(name, words)
    except InvalidInput as error:
        raise InvalidInput(f"{file}: {error}") from None


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
        "analyser": json.loads(settings.analyser.to_json()),
        "hnsw": settings.hnsw.to_json(),
    }

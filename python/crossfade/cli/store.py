"""`crossfade store`: collections on disk, made, filled, searched, checked, backed up and put back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crossfade.cli import store_alias, store_version
from crossfade.cli.arm_options import BestChunks, Chunking, ChunkOverlap, ChunkSize, HeadingPrefix, ModeName
from crossfade.cli.evaluation_options import DeviceOption, ThreadsOption
from crossfade.cli.printable import printable
from crossfade.cli.store_compact import compact
from crossfade.cli.store_copies import backup, restore
from crossfade.cli.store_ingest import ingest
from crossfade.cli.store_options import (
    Analyser,
    Dimension,
    Directory,
    EfConstruction,
    Fingerprint,
    Json,
    M,
    Model,
    Name,
    Recall,
    StopWords,
    StopWordsFile,
    analyser_settings,
    opened,
    searchable,
    space,
    spec_json,
    store_settings,
    summary_json,
)
from crossfade.wording import counted

if TYPE_CHECKING:
    from crossfade.retrieval import Hit, SearchResult
    from crossfade.store import Collection, CollectionSettings, Document
    from crossfade.store.metadata import MetadataSchema

app = typer.Typer(name="store", help="Collections on disk: make, fill, search, check, back up.", rich_markup_mode=None)
app.command("ingest")(ingest)
app.command("compact")(compact)
app.command("backup")(backup)
app.command("restore")(restore)
app.add_typer(store_version.app)
app.add_typer(store_alias.app)

# What enums hold, as literals, so that every other command starts sooner (a test holds them together).
PrecisionName = Literal["f32", "f16", "int8"]


@app.command("list")
def list_(directory: Directory, as_json: Json = False) -> None:
    """Say which collections a store has. A server may have it open."""
    from crossfade.store.readonly import summaries

    found = summaries(directory)
    if as_json:
        print(json.dumps([summary_json(each) for each in found], indent=2))
        return
    if not found:
        print("no collections")
        return
    from crossfade.cli.output import print_named

    rows = []
    # Where nothing was chosen there is nothing to show.
    settings = ("settings",) if any(_chosen(each.settings) for each in found) else ()
    for each in found:
        spec = each.spec
        numbers = (f"{each.documents:,}", f"{each.rows:,}", str(spec.dimension))
        chosen = (_chosen(each.settings),) if settings else ()
        rows.append(((spec.name, *numbers, spec.metric, *chosen), spec.document_fingerprint))
    columns = ("collection", "documents", "rows", "dimension", "metric", *settings)
    print_named(columns, "fingerprint", rows, {"documents", "rows", "dimension"})


@app.command()
def create(
    directory: Directory,
    name: Name,
    model: Model = None,
    dimension: Dimension = None,
    fingerprint: Fingerprint = None,
    metric: Annotated[str, typer.Option("--metric", help="cosine, ip or l2.")] = "cosine",
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="NAME=TYPE",
            help="A field of metadata and its type; repeatable. Others than datetime come by themselves.",
            show_default=False,
        ),
    ] = None,
    chunking: Chunking = "whole",
    chunk_size: ChunkSize = 0,
    chunk_overlap: ChunkOverlap = 0,
    heading_prefix: HeadingPrefix = False,
    tenant_field: Annotated[
        str | None,
        typer.Option("--tenant-field", help="The field that says whose a document is.", show_default=False),
    ] = None,
    precision: Annotated[
        PrecisionName,
        typer.Option(
            "--precision", help="How vectors are held: f16 rounds them to half the bytes; int8 scans a quarter of them."
        ),
    ] = "f32",
    analyser: Analyser = "english",
    stop_words: StopWords = None,
    stop_words_file: StopWordsFile = None,
    m: M = 16,
    ef_construction: EfConstruction = 200,
    recall: Recall = 0.98,
    as_json: Json = False,
) -> None:
    """Make a collection, and the store if there is none. Its first index version is of that model."""
    from crossfade.chunking import ChunkingSettings, Method
    from crossfade.store import CollectionSpec, DurableStore, HnswSettings
    from crossfade.store.checks import check_spec
    from crossfade.store.types import CollectionSettings

    kind: Any = metric  # check_spec says whether it is one
    width, document_fingerprint = space(model, dimension, fingerprint)
    spec = CollectionSpec(name, width, kind, document_fingerprint)
    cut = ChunkingSettings(Method(chunking), chunk_size, chunk_overlap, heading_prefix)
    settings = CollectionSettings(
        _fields(field or []),
        analyser_settings(analyser, stop_words, stop_words_file),
        cut,
        tenant_field,
        precision,
        HnswSettings(m, ef_construction, recall),
    )
    check_spec(spec)  # before a directory is made for nothing
    with DurableStore(directory, store_settings(), upkeep=False) as store:
        store.create(spec, settings)
    if as_json:
        print(json.dumps(spec_json(spec, settings), indent=2))
    else:
        chosen = _chosen(settings)
        more = f"; {chosen}" if chosen else ""
        print(f"{name}: {spec.dimension} dimensions, {spec.metric}, {spec.document_fingerprint}{more}")


def _fields(given: list[str]) -> MetadataSchema:
    from crossfade.errors import InvalidInput
    from crossfade.store.metadata import MetadataSchema

    fields: dict[str, str] = {}
    for pair in given:
        name, equals, kind = pair.partition("=")
        if not equals or name in fields:
            raise InvalidInput(
                f"--field {pair!r} cannot be read: write NAME=TYPE, each name once, as published=datetime"
            )
        fields[name] = kind
    return MetadataSchema(fields)


@app.command()
def search(
    directory: Directory,
    name: Name,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for.", show_default=False)],
    model: Annotated[
        Path | None,
        typer.Option("--model", help="The collection's model; needed but for --mode lexical.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Documents to find.", min=1)] = 10,
    mode: Annotated[ModeName, typer.Option("--mode", help="By vectors, by words (BM25), or by both.")] = "dense",
    filter_: Annotated[
        str | None,
        typer.Option("--filter", help="A condition on metadata, as JSON (docs/filters.md).", show_default=False),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose documents, in a collection of tenants.", show_default=False)
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Look at every vector; graphs may miss a few.")] = False,
    ef: Annotated[
        int | None,
        typer.Option("--ef", help="How far graphs are walked; by default as measured.", min=1, show_default=False),
    ] = None,
    best_chunks: BestChunks = 1,
    explain: Annotated[
        bool, typer.Option("--explain", help="List what each stage found, with scores and times.")
    ] = False,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    as_json: Json = False,
) -> None:
    """Find the documents nearest to a text, without a server: the same search that a server answers."""
    from crossfade.cli.evaluation_options import load_models
    from crossfade.cli.output import table_console
    from crossfade.cli.store_hits import show_hits, show_stages, tell_missing
    from crossfade.config import load_settings
    from crossfade.errors import InvalidInput
    from crossfade.retrieval import Retriever, SearchOptions
    from crossfade.retrieval.ranking import Walking
    from crossfade.store.metadata import Filter
    from crossfade.store.tenancy import TenantCollection

    condition = None if filter_ is None else Filter.parse(filter_)
    if mode == "lexical" and (exact or ef is not None):
        raise InvalidInput("a search by words has no graphs to walk: leave --exact and --ef out")
    if model is None and mode != "lexical":
        raise InvalidInput(f"a search of mode {mode} needs the collection's model: give --model, or --mode lexical")
    with searchable(directory) as store:
        collection = store.get(name).pinned()
        view = _view(collection, tenant)
        if isinstance(view, TenantCollection):
            condition = view.imposed(condition)
        encoder = None if model is None else load_models({"model": model}, threads, device)["model"]
        retriever = Retriever(view, encoder, load_settings(threads=threads).threads)
        options = SearchOptions(
            filter=condition,
            walking=Walking(exact, ef),
            mode=mode,
            best_chunks=best_chunks,
            explain_candidates=explain,
        )
        result = retriever.search_texts([text], k, options)
        hits = result.hits[0]
        # With keys a damaged document is None, and its hit is shown without it.
        found = view.documents([hit.id for hit in hits], [hit.key for hit in hits])
        shown = [_hit_json(view, hit, document) for hit, document in zip(hits, found, strict=True)]
        stages = _stages_json(view, result)
        incomplete = result.incomplete or view.snapshot().incomplete
    if as_json:
        facts = {"collection": name, "pending": result.pending, "incomplete": incomplete, "hits": shown}
        print(json.dumps(facts | ({"stages": stages} if explain else {}), indent=2))
        return
    show_hits(shown, table_console().width)
    show_stages(stages)
    tell_missing(result.pending, incomplete=incomplete)


def _view(collection: Collection, tenant: str | None) -> Collection:
    """The collection, or what of it is the tenant's. Raises InvalidInput when it has tenants and none is named, or one
    is and it has none."""
    from crossfade.errors import InvalidInput
    from crossfade.store.tenancy import TenantCollection

    field, name = collection.settings.tenant_field, collection.spec.name
    if field is not None and tenant is not None:
        return TenantCollection(collection, field, tenant)
    if field is not None:
        raise InvalidInput(f"collection {name!r} is of tenants: say whose documents to search, with --tenant")
    if tenant is not None:
        raise InvalidInput(f"collection {name!r} is not of tenants: leave --tenant out")
    return collection


def _shown(collection: Collection, name: str) -> str:
    """An id as whoever searches knows it."""
    from crossfade.store.tenancy import TenantCollection

    return collection.shown(name) if isinstance(collection, TenantCollection) else name


def _stages_json(collection: Collection, result: SearchResult) -> list[dict[str, Any]]:
    """What each stage took and gave on for the one query, where that was asked for."""
    took = {stage.name: stage.ns for stage in result.stages}
    return [
        {
            "stage": each.stage,
            "ns": took[each.stage],
            "candidates": [
                {"id": _shown(collection, hit.id), "score": hit.score, "span": hit.span} for hit in each.hits[0]
            ],
        }
        for each in result.candidates
    ]


def _hit_json(collection: Collection, hit: Hit, document: Document | None) -> dict[str, Any]:
    """Title, text and metadata are null where the document is damaged."""
    return {
        "id": _shown(collection, hit.id),
        "score": hit.score,
        "span": hit.span,
        "title": document and document.title,
        "text": document and document.text,
        "metadata": document and collection.fields.present(document.metadata),
    }


@app.command()
def check(
    directory: Directory,
    heal: Annotated[
        bool,
        typer.Option(
            "--heal",
            help="Mend vectors that segments have copies of, build segments again; no server may have the store open.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Hold every page and row of the database and every file of the segments against what was written.

    Without --heal nothing is changed, and a server may have the store open. The exit code is 2 when something is wrong.
    """
    from crossfade.errors import Damaged, StoreError
    from crossfade.store.checking import check_store

    found = check_store(directory)
    healed = mended = 0
    if heal and found.healable and not found.sound:
        healed = len(found.segment_faults)
        with opened(directory, upkeep=False, check_on_open=False) as store:
            for collection in store.all():
                # First, for a segment that is damaged may still have a copy: it is proven by the row's own checksum.
                mended += collection.heal_rows()
                collection.heal()
                if healed:
                    # One that could not be opened at all left its rows in memory.
                    collection.seal()
        found = check_store(directory)
    facts = {
        "sound": found.sound,
        "segments": found.segments,
        "segment_bytes": found.segment_bytes,
        "database_faults": found.database_faults,
        "row_faults": [
            {"collection": each.collection, "id": each.id, "index_version": each.index_version, "fault": str(each)}
            for each in found.row_faults
        ],
        "segment_faults": found.segment_faults,
        "healed": healed,
        "mended": mended,
    }
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        _show_check(facts)
    if found.database_faults:
        raise StoreError(f"the database in {directory} is damaged: restore the last backup (crossfade store restore)")
    if found.row_faults:
        raise Damaged(
            f"{len(found.row_faults)} documents or vectors in {directory} are damaged: --heal mends vectors that a "
            "segment has a copy of; upsert the documents again, or restore the last backup (crossfade store restore)"
        )
    if found.segment_faults:
        raise StoreError(f"{len(found.segment_faults)} segments in {directory} are damaged: --heal builds them again")


def _show_check(facts: dict[str, Any]) -> None:
    rows = (each["fault"] for each in facts["row_faults"])
    for line in (*facts["database_faults"], *rows, *facts["segment_faults"]):
        print(printable(line))
    if facts["mended"]:
        print(f"{facts['mended']} vectors mended")
    if facts["healed"]:
        print(f"{facts['healed']} built again")
    if facts["sound"]:
        print(f"sound: the database, and {facts['segments']} segments of {facts['segment_bytes'] / 1e6:,.1f} MB")


@app.command()
def drop(directory: Directory, name: Name, as_json: Json = False) -> None:
    """Remove a collection, all that is in it, and the aliases that point to it."""
    import sys

    from crossfade.ingest.journal import forget_gone

    with opened(directory, upkeep=False, check_on_open=False) as store:
        collection = store.get(name)
        documents = len(collection)
        aliases = [each.name for each in store.aliases() if each.collection == name]
        went = f", and {_named_aliases(aliases)}" if aliases else ""
        if aliases:  # before it happens: who watches a slow one can still stop it
            print(f"crossfade: {name} goes{went}", file=sys.stderr)
        store.drop(name)
        forget_gone(directory, {each.number for each in store.all()})
    if as_json:
        print(json.dumps({"dropped": name, "documents": documents, "aliases": aliases}))
    else:
        print(f"dropped {name}: {counted(documents, 'document')}{went}")


def _named_aliases(names: list[str]) -> str:
    return f"{'alias' if len(names) == 1 else 'aliases'} {', '.join(names)}"


def _chosen(settings: CollectionSettings) -> str:
    """What of them is not as by default, but for fields of metadata."""
    from crossfade.store.types import CollectionSettings

    usual, said = CollectionSettings(), list[str]()
    if settings.chunking != usual.chunking:
        said.append(f"chunking {settings.chunking.method}")
    if settings.tenant_field is not None:
        said.append(f"tenants in {settings.tenant_field}")
    if settings.precision != usual.precision:
        said.append(settings.precision)
    words = settings.analyser.stop_words
    if settings.analyser.analyser != usual.analyser.analyser:
        said.append(f"analyser {settings.analyser.analyser}")
    if words != usual.analyser.stop_words:
        said.append(f"stop words {words}" if isinstance(words, str) else f"{len(words)} stop words")
    graphs = usual.hnsw.to_json()
    said += [f"{name} {value}" for name, value in settings.hnsw.to_json().items() if value != graphs[name]]
    return ", ".join(said)

"""`crossfade store version`: a collection's index versions, made, filled, switched and dropped."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crossfade.cli.evaluation_options import DeviceOption, ThreadsOption
from crossfade.cli.store_options import Dimension, Directory, Fingerprint, Json, Model, Name, opened, space
from crossfade.wording import counted

app = typer.Typer(
    name="version", help="Versions of a collection's index, each of one model's vectors.", rich_markup_mode=None
)

_Version = Annotated[int, typer.Argument(metavar="VERSION", help="The index version.", show_default=False)]


@app.command("list")
def list_(directory: Directory, name: Name, as_json: Json = False) -> None:
    """Say which index versions a collection has, and what each lacks. A server may have the store open."""
    from crossfade.store.readonly import versions

    found = versions(directory, name)
    if as_json:
        shown: list[dict[str, Any]] = [
            {
                "version": each.version,
                "current": each.current,
                "rows": each.rows,
                "pending": each.pending,
                "dimension": each.dimension,
                "document_fingerprint": each.document_fingerprint,
                "aliases": list(each.aliases),
            }
            for each in found
        ]
        print(json.dumps(shown, indent=2))
        return
    from crossfade.cli.output import print_named

    rows = []
    for each in found:
        numbers = (f"{each.rows:,}", f"{each.pending:,}", str(each.dimension))
        version = f"{each.version} current" if each.current else str(each.version)
        rows.append(((version, *numbers, ", ".join(each.aliases)), each.document_fingerprint))
    numeric = {"version", "rows", "pending", "dimension"}
    print_named(("version", "rows", "pending", "dimension", "aliases"), "fingerprint", rows, numeric)


@app.command()
def create(
    directory: Directory,
    name: Name,
    model: Model = None,
    dimension: Dimension = None,
    fingerprint: Fingerprint = None,
    as_json: Json = False,
) -> None:
    """Make another index version, of another model's vectors. It lacks every document until it is filled."""
    width, document_fingerprint = space(model, dimension, fingerprint)
    with opened(directory, upkeep=False) as store:
        collection = store.collection(name)
        same = [
            each.version for each in collection.index_versions() if each.document_fingerprint == document_fingerprint
        ]
        version = collection.create_index(width, document_fingerprint)
        pending = collection.snapshot(version).pending
    if same:  # no error: a version may be made anew beside an old one
        print(
            f"crossfade: version {same[0]} holds these vectors already: a query adapter needs no new version "
            f"(crossfade store version drop {directory} {name} {version} takes this one back)",
            file=sys.stderr,
        )
    if as_json:
        facts = {
            "collection": name,
            "version": version,
            "dimension": width,
            "document_fingerprint": document_fingerprint,
            "pending": pending,
        }
        print(json.dumps(facts, indent=2))
    else:
        lacks = counted(pending, "document")
        print(f"{name}: version {version} of {document_fingerprint}, {width} dimensions; lacks {lacks}")


@app.command()
def fill(
    directory: Directory,
    name: Name,
    version: _Version,
    model: Annotated[Path, typer.Option("--model", help="The version's model, a bundle.", show_default=False)],
    batch_rows: Annotated[int, typer.Option("--batch-rows", help="Rows that are written at once.")] = 1000,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    as_json: Json = False,
) -> None:
    """Embed the documents that an index version lacks.

    Whatever ends it, the same command goes on after the last batch that was written.
    """
    from crossfade.cli.ingest_progress import IngestProgress
    from crossfade.cli.store_ingest import cutters
    from crossfade.ingest import fill as run

    with opened(directory) as store, IngestProgress() as progress:
        collection = store.collection(name)
        collection.at(version)  # before the model is loaded: that takes seconds
        (cutter,) = cutters([model], threads, device)
        report = run(collection, version, cutter, rows=batch_rows, progress=progress, say=progress.say)
    if as_json:
        print(json.dumps({"collection": name, "version": version, **report.to_json()}, indent=2))
        return
    if not report.filled:
        print(f"nothing to do: version {version} of {name} lacks no document")
        return
    speed = report.filled / max(report.seconds, 1e-9)
    made = f"{counted(report.filled, 'document')}, {counted(report.totals.rows, 'row')}"
    print(f"{made}; {report.seconds:.1f} s, {speed:,.0f} a second")


@app.command()
def switch(
    directory: Directory,
    name: Name,
    version: _Version,
    expected: Annotated[
        int | None,
        typer.Option("--expected", help="The version that must be the current one, or nothing changes.", min=1),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Even if documents are missing in it.")] = False,
    as_json: Json = False,
) -> None:
    """Have searches and writes go to that version from now on: one durable step, and back the same way."""
    with opened(directory, upkeep=False, check_on_open=False) as store:
        collection = store.collection(name)
        before = collection.set_current(version, expected=expected, force=force)
        pending = collection.snapshot(version).pending
    if as_json:
        print(json.dumps({"collection": name, "current": version, "previous": before, "pending": pending}, indent=2))
        return
    lacking = f"; it lacks {counted(pending, 'document')}" if pending else ""
    if before == version:
        print(f"{name}: version {version} is the current one already{lacking}")
    else:
        print(f"{name}: version {version} is the current one, after {before}{lacking}")


@app.command()
def drop(directory: Directory, name: Name, version: _Version, as_json: Json = False) -> None:
    """Remove an index version and its vectors. The current one, and one that an alias points to, are refused."""
    with opened(directory, upkeep=False, check_on_open=False) as store:
        collection = store.collection(name)
        rows = next((each.rows for each in collection.index_versions() if each.version == version), 0)
        collection.drop_index(version)
    if as_json:
        print(json.dumps({"collection": name, "dropped": version, "rows": rows}, indent=2))
    else:
        print(f"{name}: dropped version {version}, {counted(rows, 'row')}")

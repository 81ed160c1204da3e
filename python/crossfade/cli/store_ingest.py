"""`crossfade store ingest`: documents of files into a collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossfade.cli.evaluation_options import DeviceOption, ThreadsOption
from crossfade.cli.printable import printable
from crossfade.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossfade.cli.evaluation_options import DeviceName
    from crossfade.ingest import Cutter, EmbeddingCutter, IngestReport

# The enum's values; here as literals, so that every other command starts sooner (a test holds them together).
FormatName = Literal["auto", "jsonl", "parquet", "arrow", "beir"]


def ingest(
    directory: Annotated[Path, typer.Argument(help="The store's directory.", show_default=False)],
    name: Annotated[str, typer.Argument(help="The collection.", show_default=False)],
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="JSON lines (.gz too), Parquet, Arrow files or streams, BEIR directories; - for JSON lines on stdin.",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None, typer.Option("--model", help="Embed with this bundle, the collection's model.", show_default=False)
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", help="Documents come with vectors, of this fingerprint.", show_default=False),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            "--also",
            metavar="BUNDLE",
            help="The model of another index version that is to take the documents too; repeatable.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        FormatName, typer.Option("--format", help="What the sources are; auto: by their first bytes.")
    ] = "auto",
    id_field: Annotated[str, typer.Option("--id-field", help='The id; by default "_id", or else "id".')] = "",
    title_field: Annotated[str, typer.Option("--title-field", help="The title, which may be absent.")] = "title",
    text_field: Annotated[str, typer.Option("--text-field", help="The text.")] = "text",
    vector_field: Annotated[str, typer.Option("--vector-field", help="The vector, with --fingerprint.")] = "vector",
    metadata_field: Annotated[
        str, typer.Option("--metadata-field", help="The object of metadata; empty for none.")
    ] = "metadata",
    keep_fields: Annotated[bool, typer.Option("--keep-fields", help="All other fields become metadata too.")] = False,
    ignore_field: Annotated[
        list[str] | None,
        typer.Option("--ignore-field", help="But not this one; repeatable.", show_default=False),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            "--tenant",
            help="Whose all documents are, in a collection of tenants; by default each names its own.",
            show_default=False,
        ),
    ] = None,
    batch_rows: Annotated[int, typer.Option("--batch-rows", help="Rows that are written at once.")] = 1000,
    skip_bad: Annotated[
        Path | None,
        typer.Option("--skip-bad", help="Go on after bad lines or rows, and put them here.", show_default=False),
    ] = None,
    unread: Annotated[
        Path | None,
        typer.Option(
            "--unread",
            metavar="FILE",
            help="Name here the documents that the model did not read to their end, as JSON lines.",
            show_default=False,
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again, whatever an earlier run has taken.")] = False,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Add or replace the documents of files, embedded by a model or with vectors of their own.

    Whatever ends it, the same command goes on after the last batch that was written.
    """
    from crossfade.cli.ingest_progress import IngestProgress
    from crossfade.cli.store_options import opened
    from crossfade.ingest import FieldMapping, Format, IngestSettings
    from crossfade.ingest import ingest as run

    mapping = FieldMapping(
        id_field, title_field, text_field, vector_field, metadata_field, keep_fields, tuple(sorted(ignore_field or ()))
    )
    settings = IngestSettings(mapping, Format(kind), batch_rows, skip_bad, restart, tenant, unread)
    with opened(directory) as store, IngestProgress() as progress:
        store.get(name)  # before the model is loaded: that takes seconds
        cutter = _cutter(model, fingerprint, threads, device)
        further = cutters(also or [], threads, device)
        report = run(store, name, sources, cutter, settings, also=further, progress=progress, say=progress.say)
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        _show(report, skip_bad, unread)


def cutters(models: Sequence[Path], threads: int | None, device: DeviceName | None) -> list[EmbeddingCutter]:
    """Of bundles, in their order."""
    from crossfade.cli.evaluation_options import load_models
    from crossfade.ingest import EmbeddingCutter

    loaded = load_models({str(path): path for path in models}, threads, device)
    return [EmbeddingCutter.of(encoder) for encoder in loaded.values()]


def _cutter(model: Path | None, fingerprint: str | None, threads: int | None, device: DeviceName | None) -> Cutter:
    from crossfade.errors import InvalidInput
    from crossfade.ingest import GivenVectors

    if fingerprint is not None and model is None:
        return GivenVectors(fingerprint)
    if model is not None and fingerprint is None:
        return cutters([model], threads, device)[0]
    raise InvalidInput(
        "give either --model, to embed the documents, or --fingerprint, when they come with vectors of that encoder"
    )


def _show(report: IngestReport, skip_bad: Path | None, unread: Path | None) -> None:
    rejects = report.rejects_file if report.finished_before else skip_bad
    left_out = f"{report.rejected:,} left out: see {printable(str(rejects))}"
    documents = counted(report.documents, "document")
    if report.finished_before:
        all_in = "the 1 document is in" if report.documents == 1 else f"all {report.documents:,} documents are in"
        more = f"; of the sources {left_out}" if report.rejected else ""
        print(f"nothing to do: {all_in} (--restart takes them again){more}")
        return
    totals = report.totals
    rows = counted(totals.rows, "row")
    print(f"{documents}: {report.added:,} added, {report.replaced:,} replaced; {rows}")
    if report.rejected:
        print(left_out)
    if totals.input_tokens:
        print(f"{totals.input_tokens:,} tokens were given to the model")
    if totals.unread_documents:
        _show_unread(report, unread)
    if totals.titles_left_out:
        print(f"{totals.titles_left_out:,} titles were too long to be put before every chunk")
    taken = report.documents - report.resumed
    print(f"{report.seconds:.1f} s, {taken / max(report.seconds, 1e-9):,.0f} documents a second")


def _show_unread(report: IngestReport, unread: Path | None) -> None:
    from crossfade.cli.printable import printable

    totals = report.totals
    which = "1 document" if totals.unread_documents == 1 else f"{totals.unread_documents:,} documents"
    print(
        f"of {which} the model never read something, {totals.unread_characters:,} characters in all: a collection "
        "that cuts documents (crossfade store create --chunking sentences) reads them whole"
    )
    for each in report.first_unread:
        name = each.id if each.tenant is None else f"{each.id} of {each.tenant}"
        print(f"  {each.characters:,} characters of {printable(name)}")
    if rest := totals.unread_documents - len(report.first_unread):
        where = f"{unread} names them all" if unread else "--unread FILE names them all"
        print(f"  ... and of {rest:,} more: {where}")

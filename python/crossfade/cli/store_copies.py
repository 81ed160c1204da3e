"""`crossfade store backup` and `store restore`: stores, or single collections of them, copied and put back."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossfade.cli.store_options import Directory, Json, summary_json

if TYPE_CHECKING:
    from crossfade.store.collection_copy import Copied

_WithDamage = Annotated[
    bool, typer.Option("--with-damage", help="Copy damaged documents and vectors as they are, and do not refuse.")
]


def backup(
    directory: Directory,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A directory that is not.", show_default=False)],
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection", metavar="NAME", help="Only this one, and its aliases; repeatable.", show_default=False
        ),
    ] = None,
    with_damage: _WithDamage = False,
    as_json: Json = False,
) -> None:
    """Copy a store as it is now into a new directory. A server may have it open, and write."""
    from crossfade.store.backup import backup_of

    backup_of(directory, target, collections=_once(collection), with_damage=with_damage)
    _show_copy(target, "backup", as_json)


def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `backup` made.", show_default=False)],
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="A directory that is not; with --collection also a store.", show_default=False
        ),
    ],
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", metavar="NAME", help="Only this one; repeatable.", show_default=False),
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="What the one collection is called in DIR.", show_default=False),
    ] = None,
    with_damage: _WithDamage = False,
    as_json: Json = False,
) -> None:
    """Make a store of a backup, every page and row of it checked.

    With --collection, take collections out of it, into a new store or one that is there, which no server may have open
    meanwhile. A collection that is there is never written over.
    """
    from crossfade.errors import InvalidInput
    from crossfade.store.backup import restore as make
    from crossfade.store.restoring import restore_collections

    names = _once(collection)
    if as_ is not None and (names is None or len(names) != 1):
        raise InvalidInput("--as is for one collection: name it with one --collection")
    if names is None:
        make(source, directory, with_damage=with_damage)
        _show_copy(directory, "store", as_json)
        return
    made = restore_collections(source, directory, {name: as_ or name for name in names}, with_damage=with_damage)
    _show_restored(directory, made, as_json)


def _once(names: list[str] | None) -> list[str] | None:
    """Raises InvalidInput when one is named twice."""
    from crossfade.errors import InvalidInput

    twice = [name for name, count in Counter(names or []).items() if count > 1]
    if twice:
        raise InvalidInput(f"--collection names {twice[0]!r} twice: name each once")
    return names or None


def _show_copy(directory: Path, what: str, as_json: bool) -> None:
    from crossfade.store.database import FILE
    from crossfade.store.readonly import summaries

    found, size = summaries(directory), (directory / FILE).stat().st_size
    if as_json:
        collections = [summary_json(each) for each in found]
        print(json.dumps({"path": str(directory), "bytes": size, "collections": collections}, indent=2))
        return
    documents = sum(each.documents for each in found)
    print(f"{what} {directory}: {len(found)} collections, {documents:,} documents, {size / 1e6:,.1f} MB")


def _show_restored(directory: Path, made: list[Copied], as_json: bool) -> None:
    from crossfade.store.readonly import summaries

    found = {each.spec.name: each for each in summaries(directory)}
    if as_json:
        collections = [
            {**summary_json(found[each.name]), "aliases": list(each.aliases), "aliases_left": list(each.left)}
            for each in made
        ]
        print(json.dumps({"path": str(directory), "collections": collections}, indent=2))
        return
    for each in made:
        told = found[each.name]
        aliases = f", aliases {', '.join(each.aliases)}" if each.aliases else ""
        print(f"{each.name} in {directory}: {told.documents:,} documents, {told.rows:,} rows{aliases}")
        if each.left:
            print(f"not made: aliases {', '.join(each.left)} (`crossfade store alias set` points one to {each.name})")

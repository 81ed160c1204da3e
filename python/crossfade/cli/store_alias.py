"""`crossfade store alias`: names that point to a collection, or to one version of its index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossfade.cli.store_options import Directory, Json, Name, opened

if TYPE_CHECKING:
    from crossfade.store import Alias

app = typer.Typer(
    name="alias", help="Names that point to a collection, or to one version of its index.", rich_markup_mode=None
)

_Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The alias.", show_default=False)]
_Revision = Annotated[
    int | None,
    typer.Option("--expected-revision", help="The revision that the alias must have, or nothing changes.", min=0),
]


@app.command("list")
def list_(directory: Directory, as_json: Json = False) -> None:
    """Say which aliases a store has, and what each points to. A server may have the store open."""
    from crossfade.store.readonly import all_aliases

    found = all_aliases(directory)
    if as_json:
        print(json.dumps([_json(each) for each in found], indent=2))
        return
    if not found:
        print("no aliases")
        return
    from rich import box
    from rich.table import Table

    from crossfade.cli.output import table_console

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("alias", "collection", "version", "revision"):
        table.add_column(column, justify="right" if column == "revision" else "left", overflow="fold")
    for each in found:
        table.add_row(each.name, each.collection, _version(each), str(each.revision))
    table_console().print(table)


@app.command("set")
def set_(
    directory: Directory,
    alias: _Alias,
    name: Name,
    version: Annotated[
        int | None,
        typer.Option("--version", help="Of its index; by default whichever is the current one.", min=1),
    ] = None,
    expected_revision: _Revision = None,
    as_json: Json = False,
) -> None:
    """Make an alias, or point it elsewhere: one durable step. With --expected-revision 0 it must not be there yet."""
    with opened(directory, upkeep=False, check_on_open=False) as store:
        made = store.set_alias(alias, name, version, expected_revision=expected_revision)
    if as_json:
        print(json.dumps(_json(made), indent=2))
    else:
        print(f"{alias}: {made}, revision {made.revision}")


@app.command()
def drop(directory: Directory, alias: _Alias, expected_revision: _Revision = None, as_json: Json = False) -> None:
    """Remove an alias. What it points to stays."""
    with opened(directory, upkeep=False, check_on_open=False) as store:
        store.drop_alias(alias, expected_revision=expected_revision)
    if as_json:
        print(json.dumps({"dropped": alias}, indent=2))
    else:
        print(f"dropped {alias}")


def _json(alias: Alias) -> dict[str, Any]:
    """`version`: null for whichever is the current one."""
    return {
        "name": alias.name,
        "collection": alias.collection,
        "version": alias.version,
        "revision": alias.revision,
    }


def _version(alias: Alias) -> str:
    return "current" if alias.version is None else str(alias.version)

"""`crossfade store compact`: give the disk back what dropped collections and deleted documents took."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from crossfade.cli.store_options import Directory, Json


def compact(
    directory: Directory,
    with_damage: Annotated[
        bool, typer.Option("--with-damage", help="Copy damaged documents and vectors as they are, and do not refuse.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the database's file as small as what it holds. No server may have the store open.

    A copy takes its place: the disk needs room for both meanwhile. A kill at any moment leaves the one or the other.
    """
    from crossfade.cli.progress import StageBars
    from crossfade.store.compaction import compact as make

    with StageBars() as bars:
        made = make(directory, with_damage=with_damage, tell=bars)
    if as_json:
        print(json.dumps({"path": str(directory), "bytes_before": made.before, "bytes_after": made.after}))
    else:
        print(f"compacted {directory}: {made.before / 1e6:,.1f} MB before, {made.after / 1e6:,.1f} MB now")

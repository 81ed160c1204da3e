"""A store of two collections with all that one can have, and what a database says of one, but for what it numbers."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from store_model import SETTINGS, State, next_write, spec_of, write

from crossfade.store import DurableStore
from crossfade.store.lines import COLUMNS

NAMES = [f"d{number}" for number in range(20)]
_OF_THE_DATABASE = {"number", "collection", "name", "crc"}


def fill(directory: Path, *, writes: int = 25) -> dict[str, State]:
    """`a` has two index versions, the second of them filled in part, deleted documents, segments and a tail; aliases
    `live` (the current version of `a`), `next` (version 2 of `a`) and `other` (of `b`)."""
    states: dict[str, State] = {"a": {}, "b": {}}
    with DurableStore(directory, SETTINGS, upkeep=False) as store:
        for name, state in states.items():
            chance, collection = random.Random(name), store.create(spec_of(name))
            for number in range(writes):
                versions = next_write(state, NAMES, chance)
                write(collection, versions)
                state.update(versions)
                if number % 9 == 8:
                    collection.seal()
        a = store.collection("a")
        a.create_index(3, "cf1-of-another")
        keys = [key for key, _ in a.pending(2, 3)]
        a.fill(2, keys, np.arange(9, dtype=np.float32).reshape(3, 3))
        store.set_alias("live", "a")
        store.set_alias("next", "a", 2)
        store.set_alias("other", "b")
    return states


def said(directory: Path, name: str) -> dict[str, Any]:
    """Every line, document and row that a database has of a collection, checksums of documents and rows with them."""
    with closing(sqlite3.connect(directory / "crossfade.db")) as database:
        database.row_factory = sqlite3.Row

        def told(question: str, *given: object) -> list[dict[str, Any]]:
            return [dict(row) for row in database.execute(question, given)]

        (line,) = told("SELECT * FROM collections WHERE name = ?", name)
        indexes = told("SELECT * FROM indexes WHERE collection = ? ORDER BY version", line["number"])
        assert line.keys() - {"crc"} == set(COLUMNS["collections"])
        return {
            "collection": _kept(line),
            "documents": told(f"SELECT * FROM documents_{line['number']} ORDER BY key"),
            "indexes": [_kept(each) for each in indexes],
            "rows": [told(f"SELECT * FROM rows_{each['number']} ORDER BY key") for each in indexes],
        }


def _kept(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in _OF_THE_DATABASE}


def aliases(directory: Path) -> dict[str, tuple[str, int]]:
    """Collection and version, by name; version 0 for the current one."""
    with closing(sqlite3.connect(directory / "crossfade.db")) as database:
        found = database.execute(
            "SELECT a.name, c.name, a.version FROM aliases a JOIN collections c ON c.number = a.collection"
        )
        return {name: (collection, version) for name, collection, version in found}

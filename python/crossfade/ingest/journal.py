"""How far a job is, on the disk: so that the same command goes on after whatever ended it.

A job is a collection, the paths of its sources, and whose the documents are. Its file lies in the store's directory,
appears whole, and is written after every upsert: it is never ahead of the database, and at most one batch behind, which
is then taken again. It bears a mark of the database: should an older backup have taken its place, the file says more
than is true.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.files import write_atomically
from crossfade.ingest.records import Position
from crossfade.ingest.report import ChunkTotals, IngestReport, Unread
from crossfade.ingest.sources import Identity
from crossfade.store.marks import Mark

DIRECTORY = "ingest"
FORMAT = 1
_RESTART = "begin again with --restart (documents that are in already are replaced)"


@dataclass(slots=True)
class Entry:
    """What is known of a job. `settings`: what decides over documents and vectors. `rejects_bytes`, `unread_bytes`: of
    the files `rejects` and `unread` that belong to what is taken; empty names where there is none."""

    settings: dict[str, Any]
    sources: list[dict[str, Any]]
    position: Position
    mark: Mark
    report: IngestReport
    rejects: str
    rejects_bytes: int
    done: bool
    unread: str = ""
    unread_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        report = self.report
        return {
            "format": FORMAT,
            "settings": self.settings,
            "sources": self.sources,
            "position": list(self.position),
            "mark": asdict(self.mark),
            "added": report.added,
            "replaced": report.replaced,
            "rejected": report.rejected,
            "totals": asdict(report.totals),
            "rejects": self.rejects,
            "rejects_bytes": self.rejects_bytes,
            "done": self.done,
            "unread": self.unread,
            "unread_bytes": self.unread_bytes,
            "first_unread": [list(each) for each in report.first_unread],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Entry:
        """Raises KeyError, TypeError or ValueError for what `to_json` has not given."""
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        report = IngestReport(
            content["added"], content["replaced"], content["rejected"], ChunkTotals(**content["totals"])
        )
        report.resumed = report.documents
        # The rest is not in the file of a job that an older crossfade has begun.
        report.first_unread = [
            Unread(name, count, tenant=tenant) for name, count, _, tenant in content.get("first_unread", ())
        ]
        return cls(
            content["settings"],
            content["sources"],
            Position(*content["position"]),
            Mark(**content["mark"]),
            report,
            content["rejects"],
            content["rejects_bytes"],
            content["done"],
            content.get("unread", ""),
            content.get("unread_bytes", 0),
        )


class Journal:
    """The file of one job."""

    def __init__(self, store: Path, collection: int, sources: Sequence[Identity], tenant: str | None = None) -> None:
        """`store`: its directory; `collection`: its number, which no other ever gets."""
        paths = json.dumps([tenant, *(source.path for source in sources)])
        name = f"{collection}-{hashlib.sha256(paths.encode(errors='surrogateescape')).hexdigest()[:16]}.json"
        self.path = store / DIRECTORY / name

    def load(self) -> Entry | None:
        """None when nothing is known of the job. Raises InvalidInput when the file cannot be used."""
        try:
            return Entry.from_json(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"{self.path}, which says how far this job is, cannot be used: {error}; {_RESTART}"
            ) from None

    def save(self, entry: Entry) -> None:
        self.path.parent.mkdir(exist_ok=True)
        with write_atomically(self.path) as stream:
            stream.write(json.dumps(entry.to_json(), indent=1).encode())

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def check_same(entry: Entry, settings: dict[str, Any], sources: Sequence[Identity]) -> None:
    """Raises InvalidInput, naming what is another, when the job on the disk is not the one that is asked for."""
    for old, new in zip(entry.sources, sources, strict=True):
        if old != new.to_json():
            what = "size" if old["size"] != new.size else "time of change or content"
            raise InvalidInput(
                f"{new.path} has changed since an earlier run took part of it (its {what} is another): {_RESTART}"
            )
    changed = sorted(
        key for key in entry.settings.keys() | settings.keys() if entry.settings.get(key) != settings.get(key)
    )
    if changed:
        key = changed[0]
        raise InvalidInput(
            f"an earlier run of this job had another {key}: {json.dumps(entry.settings.get(key))}, and now it is "
            f"{json.dumps(settings.get(key))}; use the same, or {_RESTART}"
        )


def forget_gone(store: Path, collections: Set[int]) -> None:
    """Remove what is known of jobs of collections that are no more; `collections`: the numbers of those there are."""
    for path in (store / DIRECTORY).glob("*-*.json"):
        number = path.name.partition("-")[0]
        if number.isdecimal() and int(number) not in collections:
            path.unlink(missing_ok=True)

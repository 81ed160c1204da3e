"""How far a job is, on the disk: so that the same command goes on after whatever ended it.

A job is a collection, the paths of its sources, and whose the documents are. Its file lies in the store's directory,
appears whole, and is written after every upsert: it is never ahead of the database, and at most one batch behind, which
is then taken again. It bears a mark of the database: should an older backup have taken its place, the file says more
than is true. And a checksum: a job that went on from a place that is not its own would leave documents out, and nobody
would know. (Those of older releases have none, and are taken for what they say.)
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossfade.errors import InvalidInput
from crossfade.files import write_atomically
from crossfade.ingest.records import Position
from crossfade.ingest.report import ChunkTotals, IngestReport, Unread
from crossfade.ingest.side_files import NOTHING, Written
from crossfade.ingest.sources import Identity
from crossfade.store.marks import Mark

DIRECTORY = "ingest"
FORMAT = 1
_RESTART = "begin again with --restart (documents that are in already are replaced)"
# Not by itself: what was written to those documents since, by others, would be replaced without a word.
_UNKNOWN = (
    "how far it is, is not known: begin again with --restart, which reads all sources from their start (documents that "
    "are in already are replaced by what the sources say; none is lost)"
)


@dataclass(slots=True)
class Entry:
    """What is known of a job. `settings`: what decides over documents and vectors. `rejects`, `unread`: the files that
    grow with it."""

    settings: dict[str, Any]
    sources: list[dict[str, Any]]
    position: Position
    mark: Mark
    report: IngestReport
    rejects: Written
    done: bool
    unread: Written = NOTHING

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
            "rejects": self.rejects.path,
            "rejects_bytes": self.rejects.size,
            "rejects_crc32": self.rejects.crc32,
            "done": self.done,
            "unread": self.unread.path,
            "unread_bytes": self.unread.size,
            "unread_crc32": self.unread.crc32,
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
        position = Position(*content["position"])
        if not all(type(number) is int and number >= 0 for number in position):
            raise ValueError(f"position {list(position)}")
        rejects = Written(content["rejects"], content["rejects_bytes"], content.get("rejects_crc32"))
        unread = NOTHING
        if content.get("unread"):
            unread = Written(content["unread"], content["unread_bytes"], content["unread_crc32"])
        mark = Mark(**content["mark"])
        return cls(content["settings"], content["sources"], position, mark, report, rejects, content["done"], unread)


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
            return Entry.from_json(_unsigned(json.loads(self.path.read_bytes())))
        except FileNotFoundError:
            return None
        except KeyError as error:
            raise self.unusable(f"it has no {error}") from None
        except (OSError, ValueError, TypeError) as error:
            raise self.unusable(str(error)) from None

    def unusable(self, reason: str) -> InvalidInput:
        """What to raise when the file says what cannot be."""
        return InvalidInput(f"{self.path}, which says how far this job is, cannot be used: {reason}; {_UNKNOWN}")

    def save(self, entry: Entry) -> None:
        self.path.parent.mkdir(exist_ok=True)
        with write_atomically(self.path) as stream:
            content = json.dumps(entry.to_json())
            stream.write(json.dumps({"crc32": zlib.crc32(content.encode()), "job": content}).encode())

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def _unsigned(content: dict[str, Any]) -> dict[str, Any]:
    """Of a file, what `Entry.to_json` gave. Raises as `Entry.from_json` does, ValueError where the checksum differs."""
    if "format" in content:
        return content  # written by a release that knew no checksum
    job = content["job"]
    if zlib.crc32(job.encode()) != content["crc32"]:
        raise ValueError("it is not what was written (its checksum differs)")
    unpacked: dict[str, Any] = json.loads(job)
    return unpacked


def check_same(entry: Entry, settings: dict[str, Any], sources: Sequence[Identity]) -> None:
    """Raises InvalidInput, naming what is another, when the job on the disk is not the one that is asked for."""
    for before, now in zip(entry.sources, sources, strict=True):
        if before != now.to_json():
            what = "size" if before["size"] != now.size else "time of change or content"
            raise InvalidInput(
                f"{now.path} has changed since an earlier run took part of it (its {what} is another): {_RESTART}"
            )
    old, new = _by_option(entry.settings), _by_option(settings)
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if changed:
        name = changed[0]
        raise InvalidInput(
            f"an earlier run of this job had {name} {_shown(old.get(name))}, and now it is {_shown(new.get(name))}: "
            f"use the same, or {_RESTART}"
        )


_OPTIONS = {
    **{name: f"--{name}-field" for name in ("id", "title", "text", "vector", "metadata")},
    "rest": "--keep-fields",
    "ignored": "--ignore-field",
    "format": "--format",
    "vectors": "vectors by",
    "fingerprint": "vectors of the fingerprint",
    "chunking": "the chunking",
    "further versions": "--also for",
}


def _by_option(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by what the command line calls them."""
    flat = {**settings.get("fields", {}), **{key: value for key, value in settings.items() if key != "fields"}}
    if "vectors" in flat:
        flat["vectors"] = {"given": "--fingerprint", "model": "--model"}.get(flat["vectors"], flat["vectors"])
    if "further versions" in flat:
        flat["further versions"] = [f"version {version}" for version in flat["further versions"]]
    return {_OPTIONS.get(key, key): value for key, value in flat.items()}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "given" if value else "not given"
    if isinstance(value, dict):
        value = [f"{key} {each}" for key, each in value.items()]
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return str(value) if value else "not given"


def forget_gone(store: Path, collections: Set[int]) -> None:
    """Remove what is known of jobs of collections that are no more; `collections`: the numbers of those there are."""
    for path in (store / DIRECTORY).glob("*-*.json"):
        number = path.name.partition("-")[0]
        if number.isdecimal() and int(number) not in collections:
            path.unlink(missing_ok=True)

"""What a job has done, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from crossfade.chunking import ChunkingReport

MOST_NAMED = 10
"""Documents that a report names."""


class Progress(NamedTuple):
    """`documents`: taken so far, by this and by earlier runs. `fraction`: of the sources that is read, 0 to 1; None
    where nobody knows."""

    documents: int
    fraction: float | None


@dataclass(frozen=True, slots=True)
class ChunkTotals:
    """Sums of what `ChunkingReport` says, and `rows`: vectors. All but `rows` are 0 where vectors were given."""

    rows: int = 0
    tokens: int = 0
    overlap_tokens: int = 0
    input_tokens: int = 0
    truncated_chunks: int = 0
    titles_left_out: int = 0
    unread_characters: int = 0
    unread_documents: int = 0

    @classmethod
    def of(cls, report: ChunkingReport) -> ChunkTotals:
        names = [each.name for each in fields(cls) if each.name != "rows"]
        return cls(report.chunks, *(getattr(report, name) for name in names))

    def plus(self, more: ChunkTotals) -> ChunkTotals:
        return ChunkTotals(*(getattr(self, each.name) + getattr(more, each.name) for each in fields(self)))


class Unread(NamedTuple):
    """A document of which the model did not read all. `characters`: that it never reads, white space not counted.
    `chunks`: where each begins and ends in its text, and the character before which the model stopped; empty in a
    report. `tenant`: whose it is, in a collection of tenants."""

    id: str
    characters: int
    chunks: tuple[tuple[int, int, int], ...] = ()
    tenant: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The public form, without chunks."""
        owner = {} if self.tenant is None else {"tenant": self.tenant}
        return {"id": self.id, **owner, "unread_characters": self.characters}


@dataclass(slots=True)
class IngestReport:
    """Totals of a job, earlier runs of it included.

    `documents`: that were read and taken, each as `added` or `replaced` (what was there before, or what came earlier
    under the same id). `rejected`: lines or rows that were left out. `resumed`: documents that earlier runs had taken.
    `seconds`: of this run alone. `finished_before`: there was nothing left to do. `first_unread`: the first documents
    of which the model did not read all, ten at most. `rejects_file`: where what was left out lies, None when it was
    nowhere to go.
    """

    added: int = 0
    replaced: int = 0
    rejected: int = 0
    totals: ChunkTotals = field(default_factory=ChunkTotals)
    resumed: int = 0
    seconds: float = 0.0
    finished_before: bool = False
    rejects_file: str | None = None
    first_unread: list[Unread] = field(default_factory=list)

    def name(self, unread: Iterable[Unread]) -> None:
        """Take up documents of which the model did not read all, as far as there is room for their names."""
        room = MOST_NAMED - len(self.first_unread)
        self.first_unread += [each._replace(chunks=()) for each, _ in zip(unread, range(room), strict=False)]

    @property
    def documents(self) -> int:
        return self.added + self.replaced

    def to_json(self) -> dict[str, Any]:
        """The public form. `chunking` is null where vectors were given."""
        totals = asdict(self.totals)
        rows = totals.pop("rows")
        return {
            "documents": self.documents,
            "added": self.added,
            "replaced": self.replaced,
            "rejected": self.rejected,
            "rejects_file": self.rejects_file,
            "rows": rows,
            "resumed": self.resumed,
            "seconds": round(self.seconds, 3),
            "finished_before": self.finished_before,
            "chunking": totals if self.totals.input_tokens else None,
            "first_unread": [each.to_json() for each in self.first_unread],
        }

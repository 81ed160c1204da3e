"""What judges said: one judgment, and all of them with who said it and where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crossfade.errors import InvalidInput

JudgeKind = Literal["human", "model"]
"""Who judges. A model's judgments are kept apart and never merged with people's unless the model is named."""

Pair = tuple[str, str]
"""(query id, document id): what is judged; the unit of every statistic here."""

GREATEST_GRADE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Judgment:
    """One judge on one document for one query; `path` and `line` (from 1) say where it stands.

    `grade`: a whole number from 0, judged and not relevant. `time`: ISO 8601, empty when it was not said.
    """

    query_id: str
    document_id: str
    judge: str
    grade: int
    path: Path
    line: int
    note: str = ""
    time: str = ""

    @property
    def pair(self) -> Pair:
        return self.query_id, self.document_id


@dataclass(frozen=True, slots=True)
class JudgmentFile:
    """A file that was read. `blank` counts its rows without a grade: what a judge has not come to yet."""

    name: str
    sha256: str
    judgments: int
    blank: int


@dataclass(frozen=True, slots=True)
class Judgments:
    """All judgments of all files, at most one of each judge on a pair, in the order of files and lines.

    `judges`: name to kind, in the order first seen. `replaced` counts judgments that a later one of the same judge took
    the place of.
    """

    judges: dict[str, JudgeKind]
    rows: list[Judgment]
    files: list[JudgmentFile]
    replaced: int = 0

    def of_kind(self, kind: JudgeKind) -> list[str]:
        """The names of the judges of one kind."""
        return [name for name, found in self.judges.items() if found == kind]

    def grades(self, judges: Collection[str]) -> dict[Pair, dict[str, int]]:
        """Pair to judge to grade, of these judges alone, pairs in the order first seen.

        Raises InvalidInput for a judge that is not there.
        """
        self.check_judges(judges)
        wanted = set(judges)
        found: dict[Pair, dict[str, int]] = {}
        for row in self.rows:
            if row.judge in wanted:
                found.setdefault(row.pair, {})[row.judge] = row.grade
        return found

    def check_judges(self, names: Iterable[str]) -> None:
        """Raises InvalidInput for a judge that is not there, with those that are."""
        for name in names:
            if name not in self.judges:
                raise InvalidInput(f"no judge {name!r}: there are {', '.join(map(repr, self.judges)) or 'none'}")

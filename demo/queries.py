"""The queries of the demo and their judgments: `queries.jsonl`, read and checked.

One JSON object a line: `id`, `kind`, `split` ("train" or "test"), `text`, and `relevant`, which maps document ids to
grades: 3 is exactly what is asked for, 2 a very useful alternative, 1 related. Beside it, `not_relevant.tsv`: the
documents that were looked at for a query and found not to help, one `query id, tab, document id` a line. What stands in
neither was not looked at. docs/demo-dataset.md tells how the documents to judge were found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from crossfade.errors import DataError

QUERIES = Path(__file__).with_name("queries.jsonl")
NOT_RELEVANT = Path(__file__).with_name("not_relevant.tsv")
BEST = 3

Kind = Literal["howto", "paraphrase", "exact", "error", "short", "long"]
Split = Literal["train", "test"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class Query:
    """One query. `relevant` maps document id -> grade, 1 to 3; at least one document has grade 3."""

    id: str
    kind: Kind
    split: Split
    text: str
    relevant: dict[str, int]

    @property
    def targets(self) -> list[str]:
        """The documents of grade 3."""
        return [document for document, grade in self.relevant.items() if grade == BEST]

    def to_json(self) -> dict[str, Any]:
        ordered = dict(sorted(self.relevant.items(), key=lambda pair: (-pair[1], pair[0])))
        return {"id": self.id, "kind": self.kind, "split": self.split, "text": self.text, "relevant": ordered}


def read_queries(path: Path = QUERIES) -> list[Query]:
    """The queries in file order. Raises DataError, naming the line, on whatever the format does not promise."""
    queries: list[Query] = []
    ids: set[str] = set()
    texts: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            query = _query(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(path, f"not a query: {error or type(error).__name__}", line=number) from None
        if query.id in ids or query.text in texts:
            raise DataError(path, f"query {query.id!r} repeats the id or the text of an earlier one", line=number)
        ids.add(query.id)
        texts.add(query.text)
        queries.append(query)
    return queries


def read_not_relevant(queries: Iterable[Query], path: Path = NOT_RELEVANT) -> dict[str, list[str]]:
    """Query id -> documents judged not to help, in file order.

    Raises DataError, naming the line, when a query is unknown or a document is judged twice for it.
    """
    judged = {query.id: set(query.relevant) for query in queries}
    found: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        query, tab, document = line.partition("\t")
        if not tab or not document or query not in judged:
            raise DataError(path, f"expected a query id, a tab and a document id, not {line!r}", line=number)
        if document in judged[query]:
            raise DataError(path, f"{document!r} is judged twice for query {query!r}", line=number)
        judged[query].add(document)
        found.setdefault(query, []).append(document)
    return found


def write_queries(queries: list[Query], path: Path = QUERIES) -> None:
    lines = (json.dumps(query.to_json(), ensure_ascii=False) for query in queries)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _query(record: dict[str, Any]) -> Query:
    if record.keys() != {"id", "kind", "split", "text", "relevant"}:
        raise ValueError(f"expected id, kind, split, text and relevant, not {', '.join(record)}")
    query = Query(**record)
    if not query.id or not query.text.strip():
        raise ValueError("an empty id or text")
    if query.kind not in KINDS or query.split not in SPLITS:
        raise ValueError(f"kind {query.kind!r} or split {query.split!r} is unknown")
    if not query.targets or not set(query.relevant.values()) <= {1, 2, BEST}:
        raise ValueError("grades are 1, 2 and 3, and at least one document must have a 3")
    return query

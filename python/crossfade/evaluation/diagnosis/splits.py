"""What else of a data set is judged: what could be learnt from, and whether it is kept apart."""

from __future__ import annotations

from pathlib import Path

from crossfade.evaluation.beir import read_qrels_tsv, read_queries, splits
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.diagnosis.checklist import OtherSplit


def other_splits(directory: Path, dataset: Dataset) -> list[OtherSplit]:
    """The splits of a BEIR directory but the data set's own. Raises DataError for one that cannot be read."""
    names = [name for name in splits(directory) if name != dataset.split]
    if not names:
        return []
    path = directory / "queries.jsonl"
    texts = dict(read_queries(path if path.exists() else directory / "queries.jsonl.gz"))
    own = {_plain(text) for text in dataset.queries.values()}
    found = []
    for name in names:
        qrels = read_qrels_tsv(directory / "qrels" / f"{name}.tsv")
        pairs = sum(1 for grades in qrels.values() for grade in grades.values() if grade > 0)
        shared = sum(1 for query_id in qrels if query_id in dataset.queries or _plain(texts.get(query_id, "")) in own)
        found.append(OtherSplit(name, len(qrels), pairs, shared))
    return found


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()

"""Retrieval or generation: wrong answers told apart by whether a relevant context was there to use.

A file of JSON lines, one an answer: "query_id" (or "question", the query's text), "contexts" (document ids, or texts
that are a document's or a piece of one), "answer", and "correct" (true, false) or "score" (0 to 1, right from 0.5).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfade.errors import DataError
from crossfade.evaluation.dataset import Dataset, Run
from crossfade.evaluation.diagnosis.failures import misses, relevant
from crossfade.evaluation.diagnosis.types import AnswerReport, FailedAnswer
from crossfade.evaluation.lines import decode, read_lines
from crossfade.evaluation.showcase import snippet

RIGHT = 0.5
_LEAST_PIECE = 20  # characters: a shorter text is a piece of too many documents


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One line. `query_id`: None where the question is none of the data set's."""

    query_id: str | None
    question: str
    contexts: list[str]
    answer: str
    right: bool


def read_answers(path: Path, dataset: Dataset) -> list[GivenAnswer]:
    """Read the file; raises DataError, by line, for what is not of the form above, or a query id that the data set
    lacks."""
    by_text: dict[str, str] = {}
    for query_id, text in dataset.queries.items():
        by_text.setdefault(_plain(text), query_id)
    found = [_answer(path, line, decode(path, line, content), dataset, by_text) for line, content in read_lines(path)]
    if not found:
        raise DataError(path, "empty: expected one JSON object a line")
    return found


def judge_answers(answers: Sequence[GivenAnswer], dataset: Dataset, run: Run, k: int, most: int = 5) -> AnswerReport:
    """Count the answers by what was wrong. `run`: the baseline's rankings; `most`: examples of each kind."""
    places = _Places(dataset)
    missed = set(misses(dataset, run, k))
    not_retrieved: list[FailedAnswer] = []
    not_used: list[FailedAnswer] = []
    right = right_without = unknown = 0
    for each in answers:
        wanted = {} if each.query_id is None else relevant(dataset, each.query_id)
        used, unplaced = places.of(each.contexts)
        relevant_used = [document_id for document_id in wanted if document_id in used]
        if each.right:
            right += 1
            right_without += bool(wanted) and not relevant_used and not unplaced
            continue
        shown = FailedAnswer(
            each.query_id or "",
            each.question,
            snippet(each.answer),
            relevant_used,
            bool(wanted) and each.query_id not in missed,
        )
        if relevant_used:
            not_used.append(shown)
        elif not wanted or unplaced:
            unknown += 1
        else:
            not_retrieved.append(shown)
    return AnswerReport(
        answers=len(answers),
        right=right,
        right_without=right_without,
        not_retrieved=len(not_retrieved),
        not_used=len(not_used),
        unknown=unknown,
        not_retrieved_examples=not_retrieved[:most],
        not_used_examples=not_used[:most],
    )


class _Places:
    """Which document a context is, or is a piece of."""

    def __init__(self, dataset: Dataset) -> None:
        self._ids = dataset.documents_by_id
        self._texts = [(each.id, _plain(each.content)) for each in dataset.documents]
        self._known: dict[str, list[str]] = {}

    def of(self, contexts: Sequence[str]) -> tuple[set[str], int]:
        """The documents of all contexts, and how many contexts could not be told to be any's."""
        found: set[str] = set()
        unplaced = 0
        for context in contexts:
            if context in self._ids:
                found.add(context)
                continue
            places = self._known.get(context)
            if places is None:
                places = self._known[context] = self._search(_plain(context))
            found.update(places)
            unplaced += not places
        return found, unplaced

    def _search(self, text: str) -> list[str]:
        """Documents that hold the text, or that lie within it (it may have a heading of its own)."""
        if len(text) < _LEAST_PIECE:
            return [document_id for document_id, content in self._texts if content == text]
        return [
            document_id
            for document_id, content in self._texts
            if text in content or (len(content) >= _LEAST_PIECE and content in text)
        ]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _answer(path: Path, line: int, text: str, dataset: Dataset, by_text: Mapping[str, str]) -> GivenAnswer:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"not usable JSON: {error}", line=line) from None
    if not isinstance(record, dict):
        raise DataError(path, "expected a JSON object", line=line)
    query_id = record.get("query_id")
    question = record.get("question", "")
    if not isinstance(question, str):
        raise DataError(path, '"question" must be a string', line=line)
    if query_id is None:
        if not question:
            raise DataError(path, 'no "query_id" and no "question": one must say what was asked', line=line)
        query_id = by_text.get(_plain(question))
    elif not isinstance(query_id, str):
        raise DataError(path, '"query_id" must be a string', line=line)
    elif query_id not in dataset.queries:
        raise DataError(path, f"query {query_id!r} is not among those that {dataset.split} judges", line=line)
    else:
        question = dataset.queries[query_id]
    contexts = record.get("contexts")
    if not isinstance(contexts, list) or not all(isinstance(each, str) for each in contexts):
        raise DataError(path, '"contexts" must be a list of strings: document ids, or texts', line=line)
    answer = record.get("answer", "")
    if not isinstance(answer, str):
        raise DataError(path, '"answer" must be a string', line=line)
    return GivenAnswer(query_id, question, contexts, answer, _right(path, line, record))


def _right(path: Path, line: int, record: Mapping[str, Any]) -> bool:
    correct, score = record.get("correct"), record.get("score")
    if isinstance(correct, bool):
        return correct
    if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
        return score >= RIGHT
    raise DataError(path, 'expected "correct" (true or false), or "score" (a number from 0 to 1)', line=line)

"""Whether wrong answers are failures of retrieval or of generation, where a diagnosis looked at answers."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.limits import NAME, QUERY
from crossfade.report.reader import Fields

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    query: str
    text: str
    answer: str
    relevant_used: list[str]
    retrievable: bool


@dataclass(frozen=True, slots=True)
class Answers:
    answers: int
    right: int
    not_retrieved: int
    not_used: int
    unknown: int
    not_retrieved_examples: list[WrongAnswer]
    not_used_examples: list[WrongAnswer]

    @property
    def wrong(self) -> int:
        return self.not_retrieved + self.not_used + self.unknown


def read_answers(fields: Fields | None) -> Answers | None:
    """Raises InvalidInput, naming the field by path."""
    if fields is None:
        return None
    return Answers(
        answers=fields.whole("answers"),
        right=fields.whole("right"),
        not_retrieved=fields.whole("not_retrieved"),
        not_used=fields.whole("not_used"),
        unknown=fields.whole("unknown"),
        not_retrieved_examples=_examples(fields, "not_retrieved_examples"),
        not_used_examples=_examples(fields, "not_used_examples"),
    )


def _examples(fields: Fields, key: str) -> list[WrongAnswer]:
    return [
        WrongAnswer(
            query=each.text("query_id", NAME),
            text=each.text("text", QUERY),
            answer=each.text("answer", QUERY),
            relevant_used=each.texts("relevant_used", NAME, 10),
            retrievable=each.flag("retrievable"),
        )
        for each in fields.objects(key, _EXAMPLES)
    ]

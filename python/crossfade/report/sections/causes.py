"""Why queries fail: how many for which cause, with examples; and whether retrieval or generation is at fault."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.report.records.answers import Answers, WrongAnswer
from crossfade.report.records.diagnosis import Cluster, Diagnosis, Failure, Term
from crossfade.report.shapes import WORDS, Column, Table, table
from crossfade.report.text import count, sentence_list

_WORDS = {
    "missing_document": ("Missing document", "no relevant document is in the corpus"),
    "filter": ("Filter", "the query’s filter keeps out what is relevant, or would have helped"),
    "duplicate_or_stale": ("Duplicate or stale", "a near-copy stands where the relevant document should"),
    "unjudged": ("Unjudged", "nobody judged most of what was found"),
    "truncated": ("Truncated", "what matches lies beyond what the model reads"),
    "chunk_border": ("Chunk border", "what matches was cut in two"),
    "exact_match": ("Exact match", "a code, name or rare word that vectors blur and words find"),
    "ranked_low": ("Ranked low", "found, but too far down; another order brings it up"),
    "semantic_mismatch": ("Semantic mismatch", "the model does not see that the two mean the same"),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """`bar`: the share, in percent of the plot's width."""

    name: str
    gloss: str
    count: int
    share: str
    bar: float
    examples: list[Failure]


@dataclass(frozen=True, slots=True)
class Fault:
    """One part of the wrong answers, with examples. `share`: percent of them."""

    name: str
    gloss: str
    count: int
    share: float
    kind: str
    examples: list[WrongAnswer]


@dataclass(frozen=True, slots=True)
class Causes:
    lead: str
    causes: list[Cause]
    table: Table
    terms: list[Term]
    clusters: list[Cluster]
    answers: Answers | None
    faults: list[Fault]


def causes(diagnosis: Diagnosis) -> Causes:
    found = []
    for each in diagnosis.causes:
        name, gloss = _WORDS.get(each.cause, (each.cause, ""))
        found.append(Cause(name, gloss, each.count, f"{each.share:.0%}", round(100 * each.share, 2), each.examples))
    return Causes(
        lead=_lead(diagnosis),
        causes=found,
        table=table(
            "Causes in figures",
            ["Cause", "Queries", "Share", Column("What it means", WORDS)],
            [[each.name, f"{each.count:,}", each.share, each.gloss] for each in found],
        ),
        terms=diagnosis.terms,
        clusters=diagnosis.clusters,
        answers=diagnosis.answers,
        faults=_faults(diagnosis.answers) if diagnosis.answers else [],
    )


def _lead(diagnosis: Diagnosis) -> str:
    answerable = diagnosis.queries - diagnosis.unanswerable
    if not diagnosis.failed:
        return f"Each of {answerable:,} queries has a relevant document among the first {diagnosis.k}: none has failed."
    verb = "has" if diagnosis.failed == 1 else "have"
    said = (
        f"{diagnosis.failed:,} of {count(answerable, 'query', 'queries')} {verb} no relevant document among the first"
    )
    return f"{said} {diagnosis.k}. Each failure is counted once, under the first cause that fits."


def _faults(answers: Answers) -> list[Fault]:
    wrong = answers.wrong or 1
    parts: tuple[tuple[str, str, int, str, list[WrongAnswer]], ...] = (
        ("Retrieval", "no context was relevant", answers.not_retrieved, "retrieval", answers.not_retrieved_examples),
        ("Generation", "a relevant context was there", answers.not_used, "generation", answers.not_used_examples),
        ("Cannot be told", "nobody judged the question or the context", answers.unknown, "unknown", []),
    )
    return [
        Fault(name, gloss, number, round(100 * number / wrong, 2), kind, examples)
        for name, gloss, number, kind, examples in parts
    ]


def cause_names(found: dict[str, int]) -> str:
    """`ranked low 2, exact match 1`."""
    return sentence_list([f"{_WORDS.get(cause, (cause, ''))[0].lower()} {number:,}" for cause, number in found.items()])

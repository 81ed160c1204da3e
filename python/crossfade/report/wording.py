"""What the page says in words: verdicts, and what a measure measures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crossfade.evaluation.results import Verdict


@dataclass(frozen=True, slots=True)
class VerdictWords:
    """`tone` picks colour and sign; `advice` says what follows for the one who decides."""

    title: str
    tone: str
    advice: str


VERDICT_WORDS: dict[Verdict, VerdictWords] = {
    "ship": VerdictWords("Ship it", "good", "{candidate} is better than {base} on these queries."),
    "do_not_ship": VerdictWords("Do not ship it", "bad", "Stay with {base}."),
    "inconclusive": VerdictWords(
        "Inconclusive", "open", "These queries do not settle whether {candidate} is better than {base}."
    ),
    "blocked": VerdictWords("Blocked", "open", "Clear what holds the verdict up before shipping {candidate}."),
}

# Names as ir-measures spells them.
_MEASURES = {
    "nDCG": "how relevant the {first} are, and how well they are ordered",
    "AP": "precision, averaged over the places where relevant documents stand",
    "RR": "how near the top the first relevant document stands",
    "R": "share of all relevant documents found among the {first}",
    "P": "share of the {first} that is relevant",
    "Success": "share of queries with a relevant document among the {first}",
    "ERR": "how near the top a reader finds what satisfies, among the {first}",
    "RBP": "what a reader gains who goes on from each of the {first} with the same probability",
    "Bpref": "how seldom documents judged not relevant stand before relevant ones",
    "infAP": "average precision, estimated from a sample of judgments",
    "Rprec": "share of relevant documents among as many results as there are relevant documents",
    "IPrec": "precision once this share of the relevant documents is found",
    "SetP": "share of the results that is relevant",
    "SetR": "share of all relevant documents found",
    "SetF": "balance of SetP and SetR",
    "SetAP": "SetP times SetR",
    "Judged": "share of the {first} that somebody judged; coverage, not quality",
}
_MEASURE = re.compile(r"(?P<name>[A-Za-z]+)(?:\([^)]*\))?(?:@(?P<cut>\d+(?:\.\d+)?))?")


def gloss(measure: str) -> str:
    """A measure in plain words; empty for one that is not known here."""
    found = _MEASURE.fullmatch(measure)
    words = _MEASURES.get(found["name"]) if found else None
    if found is None or words is None:
        return ""
    cut = found["cut"]
    return words.format(first="results" if cut is None else "first result" if cut == "1" else f"first {cut} results")


def describes_judgments(measure: str) -> bool:
    """Whether a measure says how well a ranking was judged instead of how good it is."""
    return measure.startswith("Judged")


@dataclass(frozen=True, slots=True)
class ActionWords:
    """What a diagnosis recommends: in a heading, and in a sentence."""

    title: str
    advice: str
    tone: str = "open"


ACTION_WORDS = {
    "fix_data": ActionWords("Fix the data first", "Mend documents and judgments before anything is tuned."),
    "chunking": ActionWords("Cut documents first", "Cut documents into chunks before a model is tuned."),
    "filters": ActionWords("Filter first", "Apply metadata filters before a model is tuned."),
    "hybrid": ActionWords("Search words too", "Search by words beside vectors before a model is tuned."),
    "reranking": ActionWords("Rerank first", "Put the first results into a better order before a model is tuned."),
    "base_model": ActionWords("Try another base model", "Measure another base model before one is tuned."),
    "fine_tune": ActionWords("Fine-tune", "The simpler remedies were measured; tuning is what is left.", "good"),
    "nothing_is_wrong": ActionWords("Nothing is wrong", "Few queries fail, and no remedy is better.", "good"),
}


@dataclass(frozen=True, slots=True)
class LeakWords:
    """A verdict on training data: as the page's own, and within a sentence."""

    title: str
    short: str
    tone: str
    advice: str


LEAK_WORDS = {
    "leak": LeakWords("Training data leak", "a leak", "bad", "Do not believe a comparison on this split."),
    "unclear": LeakWords(
        "Unclear", "unclear", "open", "No leak was found, but some lines were skipped and nobody looked at them."
    ),
    "clean": LeakWords(
        "No leak found", "no leak found", "good", "No training row is a copy of what this split asks or answers."
    ),
}

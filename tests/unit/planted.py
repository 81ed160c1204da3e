"""Corpora whose failures are known by construction, and an encoder that fails as models do.

The encoder adds up a vector a word, reads a limit of words and not one further, makes nothing of codes (a word with a
digit), and knows no jargon: such a word has a vector that no document's words are near. So each planted query fails for
the one reason that it was made for. BM25 sees words as they are.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from evaluation_fakes import FakeBundle
from word_tokens import WordTokens

from crossfade.chunking import TokenBudget
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.diagnosis.filtering import QueryFilters
from crossfade.evaluation.diagnosis.inputs import Case, Cutter, Remedies
from crossfade.models.types import Embeddings, InputType
from crossfade.retrieval import Candidate, Hit, Reranked
from crossfade.store.metadata import Filter
from crossfade.store.types import Document

DIMENSION = 96
LIMIT = 32  # words
_SYLLABLES = ["ba", "ke", "mi", "do", "lu", "ra", "sen", "tor", "vil", "pan", "gu", "hos"]


@cache
def word_vector(word: str) -> np.ndarray:
    if any(letter.isdigit() for letter in word):
        return np.zeros(DIMENSION, dtype=np.float32)
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
    vector = np.random.default_rng(seed).standard_normal(DIMENSION)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass
class WordEncoder:
    """Adds up the vectors of the first `LIMIT` words."""

    bundle: FakeBundle = field(default_factory=lambda: FakeBundle("words", "cf1-words", "cf1-words", DIMENSION))
    encoded: int = 0

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        self.encoded += len(texts)
        rows = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        words = [[word.strip(".,").lower() for word in text.split()] for text in texts]
        for row, some in enumerate(words):
            for word in some[:LIMIT]:
                rows[row] += word_vector(word)
            if not rows[row].any():
                rows[row] = word_vector("nothing")
            rows[row] /= np.linalg.norm(rows[row])
        counts = np.array([min(len(some), LIMIT) for some in words], dtype=np.int32)
        cut = np.array([len(some) > LIMIT for some in words], dtype=np.bool_)
        return Embeddings(rows, counts, cut, 1, 1)


class Overlap:
    """A reranker: how many of the query's words a text has."""

    fingerprint = "cf1-overlap"
    depth = 50

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> Reranked:
        ordered = sorted(candidates, key=lambda each: (-each.score, each.id))
        best, rest = ordered[: self.depth], ordered[self.depth :]
        wanted = set(query.split())
        hits = [Hit(each.id, float(len(wanted & set(each.text.split())))) for each in best]
        hits.sort(key=lambda hit: (-hit.score, hit.id))
        return Reranked(hits + [Hit(each.id, -1.0 - at) for at, each in enumerate(rest)], len(hits), 0, 1, 1, 1)


class Words:
    """Words that no two topics share much of, each in so many documents that none is rare."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        found: set[str] = set()
        while len(found) < 400:
            found.add("".join(rng.choice(_SYLLABLES) for _ in range(4)))
        self.all = sorted(found)

    def some(self, count: int) -> list[str]:
        return self._rng.sample(self.all, count)


@dataclass
class Planted:
    """`kinds`: by query id, the cause it was made for; "" of a query that is answered."""

    documents: list[Document] = field(default_factory=list)
    queries: dict[str, str] = field(default_factory=dict)
    qrels: dict[str, dict[str, int]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    filters: dict[str, Filter] = field(default_factory=dict)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)

    def document(self, text: str, **metadata: Any) -> str:
        name = f"d{len(self.documents):05}"
        self.documents.append(Document(name, "", text))
        self.metadata[name] = metadata or {"tenant": "all"}
        return name

    def query(self, kind: str, text: str, relevant: str) -> str:
        name = f"{kind or 'answered'}-{len(self.queries):04}"
        self.queries[name] = text
        self.qrels[name] = {relevant: 1}
        self.kinds[name] = kind
        return name

    def case(self, **changes: Any) -> Case:
        dataset = Dataset("planted", "test", self.documents, self.queries, self.qrels)
        return Case(
            dataset,
            WordEncoder(),
            remedies=Remedies(rerankers={"overlap": Overlap()}),
            filters=QueryFilters(self.filters, self.metadata) if self.filters else QueryFilters(),
            cutter=Cutter(WordTokens(), TokenBudget(LIMIT)),
            **changes,
        )


def plant(seed: int, each: int = 12, kinds: Sequence[str] | None = None, answered: int = 60) -> Planted:
    """So many failures of each kind (all of them unless they are named), among queries that are answered."""
    rng = random.Random(seed)
    words, planted = Words(rng), Planted()
    for _ in range(answered):
        mine = words.some(12)
        planted.query("", " ".join(mine[:5]), planted.document(sentence(mine)))
    for _ in range(600):  # what everything lies among
        planted.document(sentence(words.some(12)))
    for kind in PLANTERS if kinds is None else kinds:
        for _ in range(each):
            PLANTERS[kind](planted, words, rng)
    if kinds is None or "unjudged" in kinds:
        pool(planted)
    return planted


def pool(planted: Planted) -> None:
    """Judge the first ten of every query as irrelevant, but of those that are to be unjudged."""
    encoder = WordEncoder()
    texts = encoder.encode([each.content for each in planted.documents], InputType.DOCUMENT).vectors
    asked = encoder.encode(list(planted.queries.values()), InputType.QUERY).vectors
    for query_id, scores in zip(planted.queries, asked @ texts.T, strict=True):
        if planted.kinds[query_id] in {"unjudged", "duplicate_or_stale"}:
            continue
        for row in np.argsort(-scores)[:10]:
            planted.qrels[query_id].setdefault(planted.documents[row].id, 0)


def sentence(words: Sequence[str]) -> str:
    return " ".join(words) + "."


def missing(planted: Planted, words: Words, rng: random.Random) -> None:
    planted.query("missing_document", " ".join(words.some(5)), f"gone-{len(planted.queries)}")


def wrong_tenant(planted: Planted, words: Words, rng: random.Random) -> None:
    """Other tenants have the same, in fewer words; or the filter names a tenant that has not the document."""
    mine = words.some(12)
    wanted = planted.document(sentence(mine), tenant="ours")
    for number in range(14):
        planted.document(sentence([*mine[:6], *words.some(2)]), tenant=f"other{number % 3}")
    query = planted.query("filter", " ".join(mine[:5]), wanted)
    tenant = "ours" if rng.random() < 0.7 else "other1"
    planted.filters[query] = Filter.parse({"field": "tenant", "eq": tenant})


def duplicates(planted: Planted, words: Words, rng: random.Random) -> None:
    """Eleven later editions, each with one word more of what is asked for."""
    mine = words.some(20)
    asked = [*mine[:4], *words.some(1)]
    wanted = planted.document(sentence(mine))
    for _ in range(11):
        planted.document(sentence([*mine[:-1], asked[4]]))
    planted.query("duplicate_or_stale", " ".join(asked), wanted)


def unjudged(planted: Planted, words: Words, rng: random.Random) -> None:
    """Twelve documents on the matter that nobody looked at."""
    mine = words.some(5)
    wanted = planted.document(sentence([*mine[:4], *words.some(10)]))
    for _ in range(12):
        body = [*mine, *words.some(3)]
        rng.shuffle(body)
        planted.document(sentence(body))
    planted.query("unjudged", " ".join(mine), wanted)


def truncated(planted: Planted, words: Words, rng: random.Random) -> None:
    """Four sentences on other matters, then the one that is asked for."""
    mine = words.some(10)
    before = [sentence(words.some(10)) for _ in range(4)]
    wanted = planted.document(" ".join([*before, sentence(mine)]))
    for _ in range(11):
        planted.document(sentence([*mine[:2], *words.some(8)]))
    planted.query("truncated", " ".join(mine[:5]), wanted)


def identifiers(planted: Planted, words: Words, rng: random.Random) -> None:
    """Fourteen products that differ by their number."""
    mine = words.some(10)
    prefix = "".join(rng.choice("abcdefghk") for _ in range(2))
    codes = [f"{prefix}{rng.randrange(1000, 9999)}{rng.choice('xyz')}" for _ in range(14)]
    names = [planted.document(sentence([*mine, code])) for code in codes]
    at = rng.randrange(3)  # equal scores: the higher id stands before the lower
    planted.query("exact_match", " ".join([*mine[:4], codes[at]]), names[at])


def low(planted: Planted, words: Words, rng: random.Random) -> None:
    """Fourteen documents that have three of the four words, and little else."""
    mine = words.some(4)
    wanted = planted.document(sentence([*mine, *words.some(9)]))
    for _ in range(14):
        planted.document(sentence([*mine[:3], *words.some(1)]))
    planted.query("ranked_low", " ".join(mine), wanted)


def jargon(planted: Planted, words: Words, rng: random.Random) -> None:
    """Other words than the document's, which only somebody of the trade would know to mean the same."""
    wanted = planted.document(sentence(words.some(12)))
    planted.query("semantic_mismatch", f"{rng.choice(JARGON)} {rng.choice(JARGON)} {rng.choice(JARGON)}", wanted)


JARGON = ["quxxification", "zwimmerei", "ottokraft", "yttrel", "wexford", "jubbling"]
PLANTERS = {
    "missing_document": missing,
    "filter": wrong_tenant,
    "duplicate_or_stale": duplicates,
    "unjudged": unjudged,
    "truncated": truncated,
    "exact_match": identifiers,
    "ranked_low": low,
    "semantic_mismatch": jargon,
}

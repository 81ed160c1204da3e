"""BM25 search of 100,000 short texts, or as many as `bench.size` says, top 10: tantivy called in process, and bm25s.

Words are drawn by Zipf's law, so that a query has frequent and rare ones. All rivals get words that their analysers
leave alone, and answers are compared before anything is timed: the same rows, but for those that tie. tantivy's own
scores have another constant factor and are of single precision. A batch is a loop for tantivy, which has no batches.
`--quick` takes a twentieth of the texts.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.harness import OURS, installed, measure, session
from crossfade.lexical import AnalyserSettings, Segment, build, search

K = 10
TEXTS = 100_000
WORDS = 50_000
TANTIVY = "tantivy, in process"
TANTIVY_HEAP = 500_000_000  # bytes
ONE_THREAD = "crossfade, one thread"
REACH = {TANTIVY: 1.0, "bm25s": 1.0}
TOLERANCE = 1e-4  # relative; of float32 sums of a few terms, with room

Answer = list[tuple[list[int], list[float]]]


def texts(count: int, words: int, seed: int, *, exponent: float = 1.1) -> list[str]:
    """Texts of about `words` words each."""
    random = np.random.default_rng(seed)
    # Up to 40 words, lengths are kept exactly: bm25s has no other.
    lengths = random.poisson(words, count).clip(1, 40)
    weights = 1.0 / np.arange(1, WORDS + 1) ** exponent
    drawn = random.choice(WORDS, int(lengths.sum()), p=weights / weights.sum())
    names = np.array([f"w{word}x" for word in range(WORDS)])
    return [" ".join(names[part]) for part in np.split(drawn, np.cumsum(lengths)[:-1])]


def ours(queries: list[str], segment: Segment, threads: int = 0) -> Callable[[], Answer]:
    def call() -> Answer:
        found = search(queries, [segment], K, threads=threads)
        return [(hits.rows.tolist(), hits.scores.tolist()) for hits in found]

    return call


def tantivy_searcher(corpus: list[str], folder: Path) -> Callable[[list[str]], Callable[[], Answer]]:
    """What searches the corpus for queries, one after the other."""
    library: Any = importlib.import_module("tantivy")
    builder = library.SchemaBuilder()
    builder.add_text_field("text", stored=False, tokenizer_name="whitespace", index_option="freq")
    folder.mkdir()
    index = library.Index(builder.build(), path=str(folder))
    writer = index.writer(heap_size=TANTIVY_HEAP, num_threads=1)
    for text in corpus:
        writer.add_document(library.Document(text=[text]))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    if searcher.num_segments != 1:
        raise SystemExit("tantivy made more than one segment, crossfade one: no fair match")

    def searching(queries: list[str]) -> Callable[[], Answer]:
        def call() -> Answer:
            answer = []
            for query in queries:
                hits = searcher.search(index.parse_query(query, ["text"]), K, count=False).hits
                answer.append(([address.doc for _, address in hits], [score for score, _ in hits]))
            return answer

        return call

    return searching


def bm25s_searcher(corpus: list[str]) -> Callable[[list[str]], Callable[[], Answer]]:
    """What searches the corpus for queries, all at once."""
    library: Any = importlib.import_module("bm25s")
    retriever = library.BM25(method="lucene", k1=1.2, b=0.75)
    retriever.index([text.split() for text in corpus], show_progress=False)

    def searching(queries: list[str]) -> Callable[[], Answer]:
        def call() -> Answer:
            rows, scores = retriever.retrieve([query.split() for query in queries], k=K, show_progress=False)
            return list(zip(rows.tolist(), scores.tolist(), strict=True))

        return call

    return searching


def check(name: str, theirs: Answer, answer: Answer, factor: float) -> None:
    """Equal scores but for a constant factor, and so the same rows but for ties. Raises SystemExit."""
    for query, ((_, left), (_, right)) in enumerate(zip(theirs, answer, strict=True)):
        a: NDArray[np.float64] = np.array(left[: len(right)], np.float64)
        b: NDArray[np.float64] = np.array(right, np.float64) * factor
        if a.shape != b.shape or (np.abs(a - b) > TOLERANCE * b).any():
            raise SystemExit(f"{name} and crossfade differ for query {query}: {a} {b}")


def searchers(corpus: list[str], folder: Path) -> dict[str, tuple[Callable[[list[str]], Callable[[], Answer]], float]]:
    """Of the peers that are installed, and how many times crossfade's scores theirs are."""
    versions = installed("tantivy", "bm25s")
    found = {}
    if versions["tantivy"] is not None:
        found[TANTIVY] = (tantivy_searcher(corpus, folder / "tantivy"), 2.2)
    if versions["bm25s"] is not None:
        found["bm25s"] = (bm25s_searcher(corpus), 1.0)
    return found


def main() -> int:
    count = session().rows(TEXTS, quick=TEXTS // 20)
    cases = {
        f"BM25, {count:,} texts, top {K}, queries of {words} words, batch of {batch}": (words, batch)
        for words, batch in ((3, 1), (3, 256), (8, 256))
    }
    cases = {title: case for title, case in cases.items() if session().wants(title)}
    if not cases:
        return 0
    corpus = texts(count, 30, seed=0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build(folder / "ours", [corpus], AnalyserSettings("plain", "none"))
        segment = Segment(folder / "ours")
        peers = searchers(corpus, folder)
        for title, (words, batch) in cases.items():
            # tantivy's query parser counts a word once, however often it comes.
            drawn = texts(256 if batch == 1 else batch, words, seed=1)
            queries = [" ".join(dict.fromkeys(query.split())) for query in drawn]
            one_by_one: Callable[[], object] = lambda queries=queries: [ours([q], segment)() for q in queries]  # type: ignore[misc]  # noqa: E731
            whole = ours(queries, segment)
            rivals: dict[str, Callable[[], object]] = {OURS: one_by_one if batch == 1 else whole}
            if batch > 1:
                rivals[ONE_THREAD] = ours(queries, segment, threads=1)
            for name, (searcher, factor) in peers.items():
                call = searcher(queries)
                check(name, call(), whole(), factor)
                rivals[name] = call
            rounds = 3 if session().quick else 9
            measure(title, rivals, unit="queries", amount=len(queries), rounds=rounds, budget=10.0, reach=REACH)
    return 0


if __name__ == "__main__":
    sys.exit(main())

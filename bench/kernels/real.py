"""Real vectors: all-MiniLM-L6-v2 over the demo's documents and, where they are, public collections.

The collections lie in the folder shared/data beside the checkout and are no part of the project. Bundle and vectors
are kept in bench/work/, which may be deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.harness import session
from bench.kernels.data import Floats
from bench.machine import ROOT
from crossfade.cli.progress import StageBars
from crossfade.errors import BundleError
from crossfade.evaluation.beir import read_corpus, read_queries
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.index import CorpusIndexes
from crossfade.models import Bundle, Encoder, InputType
from crossfade.models.importing import import_model
from demo.build_dataset import build

WORK = ROOT / "bench" / "work"
PUBLIC = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Collection:
    """`documents` and `queries`: float32 unit vectors, shape (count, dimension)."""

    name: str
    documents: Floats
    queries: Floats


def collections() -> Iterator[Collection]:
    """Each collection that is there, then all of them as one."""
    encoder = Encoder(_bundle())
    found = []
    with StageBars() as bars:
        for directory in _directories(bars):
            one = _embedded(directory, encoder, bars)
            found.append(one)
            yield one
    if len(found) > 1:
        yield Collection(
            "all of them",
            np.concatenate([one.documents for one in found]),
            np.concatenate([one.queries for one in found]),
        )


def _directories(bars: StageBars) -> Iterator[Path]:
    demo = WORK / "python-stdlib"
    build(demo, bars)
    yield demo
    if PUBLIC.is_dir() and not session().quick:
        yield from sorted(path.parent for path in PUBLIC.glob("*/corpus.jsonl"))


def _embedded(directory: Path, encoder: Encoder, bars: StageBars) -> Collection:
    queries = dict(read_queries(directory / "queries.jsonl"))
    documents = list(read_corpus(directory / "corpus.jsonl"))
    if session().quick:
        documents = documents[:200]
        queries = dict(list(queries.items())[:20])
    dataset = Dataset(directory.name, "all", documents, queries, {})
    vectors = CorpusIndexes(dataset, cache=WORK / "vectors", progress=bars).vectors(encoder).vectors
    return Collection(directory.name, vectors, encoder.encode(list(queries.values()), InputType.QUERY).vectors)


def _bundle() -> Bundle:
    path = WORK / "minilm"
    try:
        return Bundle.load(path)
    except BundleError:
        return import_model("minilm", path, overwrite=True)

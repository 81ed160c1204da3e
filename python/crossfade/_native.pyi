"""Typing of the Rust extension. Use the modules of the package that stand before it, which check and explain.

Every function raises crossfade.errors.InvalidInput for a value that cannot be used and releases the GIL at work.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Call",
    "Graph",
    "OverlapIndex",
    "Qrels",
    "Run",
    "SearchCall",
    "Server",
    "TextBuilder",
    "TextSegment",
    "TextTail",
    "TextView",
    "__version__",
    "align_runs",
    "ap_correlation",
    "benjamini_hochberg",
    "bootstrap_difference",
    "bootstrap_means",
    "bootstrap_test",
    "canonical_measure",
    "canonical_settings",
    "check_bindable",
    "detectable_effect",
    "equivalence_test",
    "evaluate",
    "explain_text",
    "fuse_arrays",
    "fuse_runs",
    "graph_build",
    "holm",
    "instruction_set",
    "kendall_tau",
    "max_sim",
    "normalise_texts",
    "power",
    "queries_needed",
    "randomisation_test",
    "rank_biased_overlap",
    "rescore",
    "search_text",
    "status_code",
    "t_test",
    "text_tokens",
    "tie_bounds",
    "to_binary",
    "to_int8",
    "to_words",
    "top_k",
    "top_k_binary",
    "wilcoxon_test",
]

__version__: str

# Whole numbers; code points of fixed-width text, shape (ids, width); or strings.
_Ids = NDArray[np.int64] | NDArray[np.uint32] | list[str]
# Rows: an array of two axes in one piece; or one flat array, the elements of a row, those from one row to the next, and
# the number of rows.
_Matrix = NDArray[Any] | tuple[NDArray[Any], int, int, int]
# Rows of float32, the bits of half precision or bfloat16, or int8; the scales of int8; whether the bits are bfloat16.
_Corpus = tuple[_Matrix, NDArray[np.float32] | None, bool]
# The mask (packed bits), threads, whether what is searched is a mapped file.
_Way = tuple[NDArray[np.uint8] | None, int, bool]

@final
class Call:
    """One call's right to run: its deadline, its tenant, and whether anybody still waits for the answer."""

    def __new__(cls, seconds: float | None = None, tenant: str | None = None) -> Call: ...
    @property
    def tenant(self) -> str | None:
        """Whose documents it may see, where documents are somebody's."""
    def cancel(self) -> None: ...
    def check(self) -> None: ...

@final
class SearchCall:
    """Queries against a collection, from the front end. `vectors`: float32, shape (queries, dimension)."""

    @property
    def collection(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def vectors(self) -> NDArray[np.float32]: ...
    @property
    def k(self) -> int: ...
    @property
    def with_documents(self) -> bool: ...
    @property
    def texts(self) -> list[str]:
        """Of the queries, where the options need them."""
    @property
    def options(self) -> bytes:
        """A `SearchOptions` message; empty for none."""
    @property
    def call(self) -> Call: ...

@final
class Server:
    """The gRPC server. Raises what crossfade.errors has for a failure."""

    def __new__(cls, executor: object) -> Server: ...
    def start(self, configuration: Mapping[str, Any]) -> str: ...
    def embed(
        self, model: str, query: bool, texts: list[str], priority: int, call: Call
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.bool_], tuple[int, int, int]]: ...
    @property
    def active_calls(self) -> int: ...
    @property
    def working_threads(self) -> int: ...
    def counts(self) -> dict[str, int]: ...
    def begin_drain(self) -> None: ...
    def wait_idle(self, seconds: float) -> bool: ...
    def finish(self) -> int: ...

def check_bindable(listen: str) -> None: ...
def status_code(name: str) -> int | None: ...
def instruction_set() -> str: ...
def top_k(
    queries: _Matrix,
    corpus: _Corpus,
    k: int,
    metric: str,
    way: _Way,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and rows, shape (queries, min(k, rows that may be found))."""

def top_k_binary(
    queries: _Matrix, corpus: _Matrix, k: int, way: _Way
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
def rescore(
    queries: _Matrix,
    corpus: _Corpus,
    candidates: NDArray[np.int64],
    k: int,
    metric: str,
    way: _Way,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
def max_sim(
    query: _Matrix,
    tokens: _Corpus,
    offsets: NDArray[np.int64],
    way: _Way,
) -> NDArray[np.float32]: ...
def to_words(vectors: _Matrix, to: NDArray[np.uint16], bfloat: bool, way: _Way) -> None: ...
def to_int8(vectors: _Matrix, codes: NDArray[np.int8], scales: NDArray[np.float32], way: _Way) -> None: ...
def to_binary(vectors: _Matrix, to: NDArray[np.uint8], way: _Way) -> None: ...

@final
class Graph:
    """A graph whose file was checked. The same file is handed over with each call. Raises DataError."""

    def __new__(cls, file: NDArray[np.uint8], name: str, verify: bool) -> Graph: ...
    def facts(
        self, file: NDArray[np.uint8]
    ) -> tuple[
        tuple[int, int, Literal["ip", "cosine", "l2"]],
        tuple[int, int, int, Literal["codes", "vectors"]],
        tuple[int, int],
    ]: ...
    def check(self, file: NDArray[np.uint8], vectors: _Corpus) -> None: ...
    def prepare(self, file: NDArray[np.uint8], way: _Way) -> None: ...
    def is_prepared(self) -> bool: ...
    def search(
        self,
        file: NDArray[np.uint8],
        vectors: _Corpus,
        queries: _Matrix,
        k: int,
        ef: int,
        plan: str,
        way: _Way,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.uint8]]: ...
    def ef_for_recall(
        self,
        file: NDArray[np.uint8],
        vectors: _Corpus,
        queries: _Matrix | None,
        aim: tuple[float, int],
        sample: tuple[int, int],
        way: _Way,
    ) -> tuple[int, float, float, int, bool]: ...

def graph_build(
    vectors: _Corpus,
    metric: str,
    settings: tuple[int, int, int, str],
    progress: Callable[[int], object] | None,
    way: _Way,
) -> tuple[list[NDArray[Any]], int, str]:
    """The parts of its file, uint8 and uint32; rows that no walk reaches; the form."""

@final
class OverlapIndex:
    """Known texts. `settings`: characters, phrases, containment, short_words, least_words, numbers."""

    def __new__(cls, texts: list[str], settings: Mapping[str, Any], threads: int) -> OverlapIndex: ...
    def __len__(self) -> int: ...
    def find(
        self, texts: list[str], containment: bool, threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.float64]]:
        """Places of the texts, places of the known ones, kinds, similarities; by text, then by known one."""

def normalise_texts(texts: list[str]) -> list[str]: ...
def canonical_measure(name: str) -> str: ...

@final
class Qrels:
    @staticmethod
    def from_dict(mapping: Mapping[str, Mapping[str, int]]) -> Qrels: ...
    @staticmethod
    def from_arrays(queries: _Ids, documents: _Ids, values: NDArray[np.int32], per_query: int) -> Qrels:
        """One query id for every `per_query` rows; lengths are the caller's business."""

    @staticmethod
    def from_arrow(table: object, columns: tuple[str, str, str]) -> Qrels:
        """The names of the columns of queries, documents and grades."""

    @staticmethod
    def parse(path: str | PathLike[str], format_name: Literal["trec", "beir"], content: bytes | None) -> Qrels:
        """Of the content given, or of the file. Raises DataError, and OSError when it cannot be opened."""

    @property
    def rows(self) -> int: ...
    @property
    def query_ids(self) -> tuple[str, ...]: ...
    def to_dict(self) -> dict[str, dict[str, int]]: ...
    def __len__(self) -> int: ...

@final
class Run:
    @staticmethod
    def from_dict(mapping: Mapping[str, Mapping[str, float]]) -> Run: ...
    @staticmethod
    def from_arrays(queries: _Ids, documents: _Ids, values: NDArray[np.float64], per_query: int) -> Run:
        """One query id for every `per_query` rows; lengths are the caller's business."""

    @staticmethod
    def from_arrow(table: object, columns: tuple[str, str, str]) -> Run:
        """The names of the columns of queries, documents and scores."""

    @staticmethod
    def parse(path: str | PathLike[str], content: bytes | None) -> Run:
        """Of the content given, or of the file. Raises DataError, and OSError when it cannot be opened."""

    @property
    def rows(self) -> int: ...
    @property
    def query_ids(self) -> tuple[str, ...]: ...
    def to_dict(self) -> dict[str, dict[str, float]]: ...
    def __len__(self) -> int: ...

def evaluate(
    qrels: Qrels, run: Run, measures: Sequence[str], ties: str, missing: str
) -> tuple[tuple[str, ...], NDArray[np.float64], tuple[str, ...]]:
    """Query ids, values of shape (queries, measures), and the judged queries that the run lacks."""

def tie_bounds(
    qrels: Qrels, run: Run, measures: Sequence[str], ties: str, missing: str
) -> tuple[tuple[tuple[str, ...], NDArray[np.float64], tuple[str, ...]], NDArray[np.float64], NDArray[np.float64]]:
    """What `evaluate` returns, then the worst and the best values, each of the shape of the values."""

def bootstrap_means(
    values: NDArray[np.float64], resamples: int, confidence: float, method: str, seed: int
) -> list[tuple[float, float, float]]:
    """Mean, lower end, upper end of every column; shape (queries, measures)."""

def bootstrap_difference(
    base: NDArray[np.float64], candidate: NDArray[np.float64], resamples: int, confidence: float, method: str, seed: int
) -> tuple[float, float, float]:
    """Mean difference, lower end, upper end."""

# The paired tests give statistic, p, effect, effect size, number of queries, whether p is exact.
def randomisation_test(
    base: NDArray[np.float64], candidate: NDArray[np.float64], permutations: int, seed: int
) -> tuple[float, float, float, float | None, int, bool]: ...
def bootstrap_test(
    base: NDArray[np.float64], candidate: NDArray[np.float64], resamples: int, seed: int
) -> tuple[float, float, float, float | None, int, bool]: ...
def t_test(
    base: NDArray[np.float64], candidate: NDArray[np.float64]
) -> tuple[float, float, float, float | None, int, bool]: ...
def wilcoxon_test(
    base: NDArray[np.float64], candidate: NDArray[np.float64], continuity: bool
) -> tuple[float, float, float, float | None, int, bool]: ...
def holm(p_values: Sequence[float]) -> list[float]: ...
def benjamini_hochberg(p_values: Sequence[float]) -> list[float]: ...
def equivalence_test(
    base: NDArray[np.float64], candidate: NDArray[np.float64], lower: float, upper: float, alpha: float
) -> tuple[float, float, float, float, float, int]:
    """Mean difference, its interval's ends, p against the lower and the upper margin, number of queries."""

def power(effect: float, deviation: float, n: int, alpha: float) -> float: ...
def detectable_effect(deviation: float, n: int, alpha: float, power: float) -> float: ...
def queries_needed(effect: float, deviation: float, alpha: float, power: float) -> int: ...
def kendall_tau(x: NDArray[np.float64], y: NDArray[np.float64]) -> float: ...
def ap_correlation(x: NDArray[np.float64], y: NDArray[np.float64], ties: str) -> float: ...
def align_runs(
    first: Run, second: Run, depth: int, ties: str
) -> tuple[tuple[str, ...], list[NDArray[np.uint32]], NDArray[np.int32], NDArray[np.bool_]]:
    """Ids of queries that only the second has, lengths of both, positions of shape (queries, ranks), ties."""

def rank_biased_overlap(first: list[Hashable], second: list[Hashable], persistence: float) -> float: ...
def fuse_runs(
    runs: list[Mapping[str, Mapping[str, float]]], settings: tuple[str, str, list[float], float, int]
) -> dict[str, dict[str, float]]:
    """Settings: rule, normalisation, weights (none for 1 each), k, depth."""

def fuse_arrays(
    runs: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]], settings: tuple[str, str, list[float], float, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ids and scores, shape (queries, width). All arrays in C order."""

@final
class TextBuilder:
    """A segment's directory in the making. `settings`: as JSON. `memory`: bytes."""

    def __new__(cls, directory: str | PathLike[str], settings: str, memory: int) -> TextBuilder: ...
    def add(self, texts: list[str]) -> int:
        """How many rows there are then. After an error it takes no more."""

    def finish(self) -> None: ...

@final
class TextSegment:
    """Raises DataError for files that are not what was written."""

    def __new__(cls, directory: str | PathLike[str], settings: str | None = None) -> TextSegment: ...
    @property
    def rows(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def settings(self) -> str: ...

@final
class TextTail:
    def __new__(cls, settings: str) -> TextTail: ...
    def append(self, texts: list[str]) -> int:
        """The number of the first."""

    def cut(self, rows: int) -> None: ...
    def view(self, rows: int | None = None) -> TextView: ...
    @property
    def rows(self) -> int: ...
    @property
    def settings(self) -> str: ...

@final
class TextView:
    def build(self, directory: str, memory: int) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def settings(self) -> str: ...

# Rows, and the packed bits of a mask. k1, b, threads.
_TextPart = tuple[TextSegment | TextView, NDArray[np.uint8] | None]
_Formula = tuple[float, float, int]

def search_text(
    queries: list[str], parts: Sequence[_TextPart], wanted: tuple[int, int], formula: _Formula
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    """`wanted`: k, and ties. Offsets of the queries, then parts, rows and scores."""

def explain_text(
    query: str, parts: Sequence[_TextPart], rows: Sequence[tuple[int, int]], formula: _Formula
) -> list[tuple[float, int, list[tuple[str, int, int, float, int, float]]]]:
    """Score, length, and of each term: text, count in the query, rows with it, idf, frequency, contribution."""

def text_tokens(texts: list[str], settings: str) -> list[list[str]]: ...
def canonical_settings(settings: str) -> str: ...

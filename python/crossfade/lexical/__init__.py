"""BM25 full-text search over immutable segments and a fresh tail: the door to the Rust crate."""

from crossfade.lexical.parts import Segment, Tail, View, build
from crossfade.lexical.search import Explanation, Hits, Part, TermScore, explain, search
from crossfade.lexical.settings import AnalyserName, AnalyserSettings, tokens

__all__ = [
    "AnalyserName",
    "AnalyserSettings",
    "Explanation",
    "Hits",
    "Part",
    "Segment",
    "Tail",
    "TermScore",
    "View",
    "build",
    "explain",
    "search",
    "tokens",
]

"""Cutting documents into chunks that a model reads whole, and folding chunks' scores back to documents.

A base module: it is given the tokenizer and knows no model.
"""

from crossfade.chunking.chunker import Chunked, chunk
from crossfade.chunking.folding import ChunkIndex, Fold, FoldedHits, fold
from crossfade.chunking.reading import visible, whole_read_ends
from crossfade.chunking.report import ChunkingReport
from crossfade.chunking.settings import ChunkingSettings, Method
from crossfade.chunking.types import Chunk, TitledText, TokenBudget, TokenCounter

__all__ = [
    "Chunk",
    "ChunkIndex",
    "Chunked",
    "ChunkingReport",
    "ChunkingSettings",
    "Fold",
    "FoldedHits",
    "Method",
    "TitledText",
    "TokenBudget",
    "TokenCounter",
    "chunk",
    "fold",
    "visible",
    "whole_read_ends",
]

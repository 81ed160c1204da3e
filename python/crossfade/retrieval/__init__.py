"""Answering queries: the Retriever, which serving and evaluation share, and rerankers."""

from crossfade.retrieval.reranking import Candidate, CrossEncoderReranker, MaxSimReranker, Reranked, Reranker
from crossfade.retrieval.retriever import Retriever, check_encoder
from crossfade.retrieval.types import EncoderBundle, Hit, SearchResult, TextEncoder

__all__ = [
    "Candidate",
    "CrossEncoderReranker",
    "EncoderBundle",
    "Hit",
    "MaxSimReranker",
    "Reranked",
    "Reranker",
    "Retriever",
    "SearchResult",
    "TextEncoder",
    "check_encoder",
]

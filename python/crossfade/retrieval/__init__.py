"""Answering queries: the Retriever, which serving and evaluation share, and rerankers."""

from crossfade.retrieval.options import SearchOptions
from crossfade.retrieval.ranking import Walking
from crossfade.retrieval.reranking import Candidate, CrossEncoderReranker, MaxSimReranker, Reranked, Reranker
from crossfade.retrieval.retriever import Retriever, check_encoder
from crossfade.retrieval.types import EncoderBundle, Hit, HitStage, SearchResult, Stage, StageCandidates, TextEncoder

__all__ = [
    "Candidate",
    "CrossEncoderReranker",
    "EncoderBundle",
    "Hit",
    "HitStage",
    "MaxSimReranker",
    "Reranked",
    "Reranker",
    "Retriever",
    "SearchOptions",
    "SearchResult",
    "Stage",
    "StageCandidates",
    "TextEncoder",
    "Walking",
    "check_encoder",
]

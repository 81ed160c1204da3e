"""Answering queries: the Retriever, which serving and evaluation share."""

from crossfade.retrieval.retriever import Retriever, check_encoder
from crossfade.retrieval.types import EncoderBundle, Hit, SearchResult, TextEncoder

__all__ = ["EncoderBundle", "Hit", "Retriever", "SearchResult", "TextEncoder", "check_encoder"]

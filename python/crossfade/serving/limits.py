"""Limits of a call that the front end does not look at, each with a message that says what to do."""

from __future__ import annotations

from collections.abc import Iterable

from crossfade.config import Settings
from crossfade.errors import InvalidInput, LimitExceeded

# Of the message that tells of one: three numbers below 2^21, as most are, and what is around them.
_BYTES_A_CHUNK = 14


class Limits:
    """Checks a call's size before anything is done for it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def batch(self, count: int, what: str) -> None:
        """`what`: "texts", "documents", ... Raises InvalidInput for an empty batch, LimitExceeded for a large one."""
        if count == 0:
            raise InvalidInput(f"no {what} in the call: send at least one")
        limit = self.settings.max_texts_per_call
        if count > limit:
            raise LimitExceeded(
                f"{count} {what} in one call, the limit is {limit}: split them over several calls, or raise "
                "CROSSFADE_MAX_TEXTS_PER_CALL on the server"
            )

    def texts(self, texts: Iterable[str], what: str) -> None:
        """Raises LimitExceeded, naming the position, when a text is too long."""
        limit = self.settings.max_text_bytes
        for position, text in enumerate(texts):
            if len(text) * 4 <= limit:  # no character takes more than four bytes
                continue
            size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
            if size > limit:
                raise LimitExceeded(
                    f"{what} {position} is {size} bytes long, the limit is {limit}: cut it into passages, or raise "
                    "CROSSFADE_MAX_TEXT_BYTES on the server"
                )

    def results(self, queries: int, k: int) -> None:
        """`k`: results that one query will really get."""
        limit = self.settings.max_results_per_call
        if queries * k > limit:
            raise LimitExceeded(
                f"{queries} queries of {k} results each make {queries * k} results in one answer, the limit is "
                f"{limit}: send fewer queries a call, lower k, or raise CROSSFADE_MAX_RESULTS_PER_CALL on the server"
            )

    def candidates(self, queries: int, depth: int) -> None:
        """`depth`: documents that the first stages find for each query, for others to choose from."""
        limit = self.settings.max_results_per_call
        if queries * depth > limit:
            raise LimitExceeded(
                f"{queries} queries of {depth} candidates each make {queries * depth}, the limit is {limit}: send "
                "fewer queries a call, lower candidates or k, or raise CROSSFADE_MAX_RESULTS_PER_CALL on the server"
            )

    def reranked(self, queries: int, depth: int) -> None:
        """`depth`: texts that a model reads for each query."""
        limit = self.settings.max_reranked_per_call
        if queries * depth > limit:
            raise LimitExceeded(
                f"{queries} queries with {depth} texts each to rerank make {queries * depth}, the limit is {limit}: "
                "send fewer queries a call, or raise CROSSFADE_MAX_RERANKED_PER_CALL on the server"
            )

    def measures(self, measures: int, queries: int) -> None:
        """Values in one answer: measures times judged queries."""
        limit = self.settings.max_results_per_call
        if measures * queries > limit:
            raise LimitExceeded(
                f"{measures} measures of {queries} queries make {measures * queries} values, the limit is {limit}: "
                "send fewer queries or measures a call, or raise CROSSFADE_MAX_RESULTS_PER_CALL on the server"
            )

    def chunks(self, count: int) -> None:
        """`count`: chunks whose places an answer would carry."""
        size, limit = count * _BYTES_A_CHUNK, self.settings.max_message_bytes
        if size > limit:
            raise LimitExceeded(
                f"the places of {count} chunks are about {size} bytes, the limit of an answer is {limit}: send fewer "
                "documents a call, leave with_chunks out, or raise CROSSFADE_MAX_MESSAGE_BYTES on the server"
            )

    def listed(self, size: int) -> None:
        """`size`: bytes, or fewer, of the candidates that an answer would list."""
        limit = self.settings.max_message_bytes
        if size > limit:
            raise LimitExceeded(
                f"the candidates of all stages are at least {size} bytes, the limit of an answer is {limit}: send "
                "fewer queries a call, lower candidates or k, explain without candidates, or raise "
                "CROSSFADE_MAX_MESSAGE_BYTES on the server"
            )

    def answer(self, size: int) -> None:
        """`size`: characters of the documents that an answer would carry, which are its bytes or fewer."""
        limit = self.settings.max_message_bytes
        if size > limit:
            raise LimitExceeded(
                f"the documents of the hits are at least {size} bytes, the limit of an answer is {limit}: "
                "send fewer queries a call, lower k, search without documents, or raise "
                "CROSSFADE_MAX_MESSAGE_BYTES on the server"
            )

"""What `embed_stream` sends and how it reads the answers: shared by both clients, which differ in how they wait."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from crossfade._pb import embedding_pb2
from crossfade.client import messages
from crossfade.client.batching import ITEM_OVERHEAD, budget, slices, text_sizes
from crossfade.client.failures import batch_failure, with_note
from crossfade.client.options import Embedder
from crossfade.client.plans import Method, explained
from crossfade.client.types import Embedding, Limits
from crossfade.errors import CrossfadeError, DeadlineExceeded, InvalidInput, Unavailable

STREAM = Method("/crossfade.v1.EmbeddingService/EmbedStream", embedding_pb2.EmbedStreamResponse)

# Messages sent and not answered. The server works on as many of one stream; more would only wait in buffers.
IN_FLIGHT = 8

DEFAULT_BATCH_SIZE = 256

Source = Iterable[Sequence[str]] | Iterable[str]
AsyncSource = AsyncIterable[Sequence[str]] | AsyncIterable[str]


@dataclass(frozen=True, slots=True)
class Part:
    """The texts of one message.

    `batch`: the number of its batch in the stream; `first`: that of its first text; `last`: whether it ends its batch.
    """

    texts: Sequence[str]
    batch: int
    first: int
    last: bool

    def explain(self, error: CrossfadeError) -> CrossfadeError:
        """`error`, saying where in the stream it was."""
        return with_note(
            error, f"in batch {self.batch} of the stream, texts counted from text {self.first} of the stream"
        )


class Cutter:
    """Cuts the input into messages as it comes: every sequence is a batch, single strings are gathered into batches."""

    def __init__(self, limits: Limits, batch_size: int) -> None:
        self._limits = limits
        self._most = max(1, min(batch_size, limits.texts_per_call))
        self._batches = 0
        self._texts = 0
        self._gathered: list[str] = []
        self._used = 0
        self._single: bool | None = None

    def take(self, item: object) -> Iterator[Part]:
        """The messages that are complete with this item. Raises InvalidInput, saying where, for what is no text."""
        single = isinstance(item, str)
        if self._single is None:
            self._single = single
        elif single is not self._single:
            was, now = ("a string", type(item).__name__) if self._single else ("a batch", "one string")
            raise InvalidInput(
                f"the stream began with {was}, and after {self._texts + len(self._gathered)} texts comes {now}: give "
                "either strings or sequences of strings"
            )
        return self._gather(str(item)) if single else self._cut(item)

    def end(self) -> Iterator[Part]:
        """What is gathered and not sent."""
        if self._gathered:
            yield self._batch()

    def _gather(self, text: str) -> Iterator[Part]:
        (cost,) = self._sizes([text], ahead=len(self._gathered))
        cost += ITEM_OVERHEAD
        if self._gathered and self._used + cost > budget(self._limits):
            yield self._batch()
        self._gathered.append(text)
        self._used += cost
        if len(self._gathered) == self._most:
            yield self._batch()

    def _batch(self) -> Part:
        part = Part(self._gathered, self._batches, self._texts, last=True)
        self._batches += 1
        self._texts += len(self._gathered)
        self._gathered, self._used = [], 0
        return part

    def _cut(self, item: Any) -> Iterator[Part]:
        if not isinstance(item, Sequence) or isinstance(item, bytes | bytearray):
            raise InvalidInput(
                f"batch {self._batches} of the stream is {type(item).__name__}: give strings or sequences of strings"
            )
        first = self._texts
        parts = slices(self._sizes(item), self._limits, self._most)
        for part in parts:
            yield Part(item[part], self._batches, first + part.start, last=part is parts[-1])
        self._batches += 1
        self._texts += len(item)

    def _sizes(self, texts: Sequence[str], ahead: int = 0) -> list[int]:
        try:
            return text_sizes(texts, "text")
        except InvalidInput as error:
            raise Part(texts, self._batches, self._texts + ahead, last=True).explain(error) from None


class EmbedStream:
    """The state of one stream: what was sent, and what the answers say.

    `patience`: seconds that one answer may take.
    """

    def __init__(self, embedder: Embedder, limits: Limits, batch_size: int, patience: float) -> None:
        self.patience = patience
        self._embedder = embedder
        self._cutter = Cutter(limits, batch_size)
        self._ids = count()
        self._sent: deque[tuple[int, Part]] = deque()
        self._answers: list[embedding_pb2.EmbedResponse] = []
        self._fingerprint: str | None = None
        self._done = 0

    @property
    def in_flight(self) -> int:
        """Messages sent and not answered."""
        return len(self._sent)

    def parts(self, source: Source) -> Iterator[Part]:
        """The messages of an input, which is read no further than each needs."""
        for item in source:
            yield from self._cutter.take(item)
        yield from self._cutter.end()

    async def parts_async(self, source: Source | AsyncSource) -> AsyncGenerator[Part, None]:
        """As `parts`, also of an asynchronous input."""
        if isinstance(source, AsyncIterable):
            async for item in source:
                for part in self._cutter.take(item):
                    yield part
            for part in self._cutter.end():
                yield part
        else:
            for part in self.parts(source):
                yield part

    def request(self, part: Part) -> embedding_pb2.EmbedStreamRequest:
        """The message to send now; its answer is waited for from here on."""
        request = explained(self._embedder.request)(part.texts)
        number = next(self._ids)
        self._sent.append((number, part))
        return embedding_pb2.EmbedStreamRequest(id=number, request=request)

    def answer(self, message: Any) -> Embedding | None:
        """The next batch, if it is whole with this message.

        Raises what the server says of a batch that it could not embed, and CrossfadeError when the answers are not of
        one model.
        """
        number, part = self._sent.popleft() if self._sent else (None, None)
        if part is None or message.id != number:
            raise CrossfadeError(
                f"the server answered message {message.id} of the stream, expected was {number}: is it a crossfade "
                "server of this version?"
            )
        if message.HasField("failure"):
            raise part.explain(batch_failure(message.failure))
        self._answers.append(message.response)
        if not part.last:
            return None
        embedding = messages.embedding(self._answers)
        self._answers = []
        if self._fingerprint is None:
            self._fingerprint = embedding.fingerprint
        messages.one_fingerprint([self._fingerprint, embedding.fingerprint])
        self._done += 1
        return embedding

    def late(self) -> CrossfadeError:
        """What an answer is that does not come."""
        return self.explain(
            DeadlineExceeded(
                f"the stream had no answer for {self.patience:g} s: give it a longer timeout, or smaller batches"
            )
        )

    def explain(self, error: CrossfadeError) -> CrossfadeError:
        """`error`, which ended the whole stream, saying how far it came."""
        return with_note(error, f"batches of the stream answered before: {self._done}")


def ended(target: str) -> Unavailable:
    """What an end before the last answer is."""
    return Unavailable(f"{target} ended the stream before it had answered everything: try again")


def check_stream(source: object, batch_size: int) -> None:
    """Raises InvalidInput for an input or a batch size that cannot be used."""
    if isinstance(source, str):
        raise InvalidInput("the stream is one string: give an iterable of strings, or of sequences of strings")
    if not isinstance(source, Iterable | AsyncIterable):
        raise InvalidInput(f"the stream is {type(source).__name__}: give an iterable of strings, or of their sequences")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise InvalidInput(f"batch_size is {batch_size!r}: give how many texts a message may hold, at least 1")

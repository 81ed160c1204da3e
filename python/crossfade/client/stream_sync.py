"""Runs an embed stream for ordinary code. Its twin for asyncio is `stream_aio.py`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from queue import Empty, SimpleQueue
from typing import Any

from crossfade.client.streams import IN_FLIGHT, EmbedStream, Part, Source
from crossfade.client.types import Embedding
from crossfade.errors import CrossfadeError

# A signal that comes just before a wait does not end it: Python looks at signals between waits.
_LOOK_SECONDS = 0.2

Start = Callable[[Iterator[Any]], Any]
"""Begins the call: from what is sent to what is answered, a grpc call."""


def run(
    stream: EmbedStream, source: Source, start: Start, fail: Callable[[Exception | None], CrossfadeError]
) -> Generator[Embedding, None, None]:
    """The batches of `source`, embedded, in order.

    `fail` says what an error of gRPC stands for, and None: an end before the last answer. The input is read here, in
    the caller's thread, so that what it raises reaches the caller, after the answers to all that came before it.
    """
    outgoing: SimpleQueue[Any] = SimpleQueue()
    incoming: SimpleQueue[Any] = SimpleQueue()  # no larger than what is in flight
    call = start(iter(outgoing.get, None))
    # gRPC knows no limit of time for one answer; a queue does.
    threading.Thread(target=_receive, args=(call, incoming), name="crossfade-embed-stream", daemon=True).start()
    parts: Iterator[Part] | None = stream.parts(source)
    raised: Exception | None = None
    try:
        while True:
            while parts is not None and stream.in_flight < IN_FLIGHT:
                try:
                    part = next(parts, None)
                except Exception as error:  # noqa: BLE001 - raised below, in its turn
                    raised, part = error, None
                if part is None:
                    parts = None
                    outgoing.put(None)
                else:
                    outgoing.put(stream.request(part))
                    if not incoming.empty():
                        break  # an answer does not wait for a slow input; the next round sends the next message
            if not stream.in_flight and raised is not None:
                raise raised
            try:
                message = _next(incoming, stream.patience)
            except Empty:
                raise stream.late() from None
            if message is None and not stream.in_flight:
                return
            if message is None or isinstance(message, Exception):
                raise stream.explain(fail(message)) from None
            if (embedding := stream.answer(message)) is not None:
                yield embedding
    finally:
        outgoing.put(None)
        call.cancel()


def _next(incoming: SimpleQueue[Any], seconds: float) -> Any:
    """What comes next. Raises Empty when nothing comes for so long."""
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        try:
            return incoming.get(timeout=max(0.0, min(left, _LOOK_SECONDS)))
        except Empty:
            if left <= _LOOK_SECONDS:
                raise


def _receive(call: Any, incoming: SimpleQueue[Any]) -> None:
    """Pass the answers on, then None or what ended the call."""
    try:
        for message in call:
            incoming.put(message)
    except Exception as error:  # noqa: BLE001 - the caller's thread raises it
        incoming.put(error)
    else:
        incoming.put(None)

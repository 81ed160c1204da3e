"""Runs an embed stream for asyncio. Its twin for ordinary code is `stream_sync.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from crossfade.client.streams import IN_FLIGHT, AsyncSource, EmbedStream, Part, Source
from crossfade.client.types import Embedding
from crossfade.errors import CrossfadeError

Start = Callable[[AsyncIterator[Any]], Any]
"""Begins the call: from what is sent to what is answered, a grpc.aio call."""


async def run(
    stream: EmbedStream,
    source: Source | AsyncSource,
    start: Start,
    fail: Callable[[Exception | None], CrossfadeError],
) -> AsyncGenerator[Embedding, None]:
    """The batches of `source`, embedded, in order; the arguments are those of `stream_sync.run`."""
    outgoing: asyncio.Queue[Any] = asyncio.Queue()
    incoming: asyncio.Queue[Any] = asyncio.Queue()  # no larger than what is in flight
    call = start(_requests(outgoing))
    receiving = asyncio.create_task(_receive(call, incoming))
    reading = stream.parts_async(source)
    parts: AsyncIterator[Part] | None = reading
    raised: Exception | None = None
    try:
        while True:
            while parts is not None and stream.in_flight < IN_FLIGHT:
                try:
                    part = await anext(parts, None)
                except Exception as error:  # noqa: BLE001 - raised below, in its turn
                    raised, part = error, None
                if part is None:
                    parts = None
                    outgoing.put_nowait(None)
                else:
                    outgoing.put_nowait(stream.request(part))
                    await asyncio.sleep(0)  # an input that never waits does not keep it from going out
                    if not incoming.empty():
                        break  # an answer does not wait for a slow input; the next round sends the next message
            if not stream.in_flight and raised is not None:
                raise raised
            try:
                async with asyncio.timeout(stream.patience):
                    message = await incoming.get()
            except TimeoutError:
                raise stream.late() from None
            if message is None and not stream.in_flight:
                return
            if message is None or isinstance(message, Exception):
                raise stream.explain(fail(message)) from None
            if (embedding := stream.answer(message)) is not None:
                yield embedding
    finally:
        outgoing.put_nowait(None)
        call.cancel()
        await asyncio.wait([receiving])
        await reading.aclose()


async def _requests(outgoing: asyncio.Queue[Any]) -> AsyncIterator[Any]:
    while (request := await outgoing.get()) is not None:
        yield request


async def _receive(call: Any, incoming: asyncio.Queue[Any]) -> None:
    """Pass the answers on, then None or what ended the call."""
    ended: Exception | None = None
    try:
        async for message in call:
            incoming.put_nowait(message)
    except Exception as error:  # noqa: BLE001 - whoever iterates raises it
        ended = error
    finally:  # also when the call was cancelled here, which asyncio tells by a CancelledError
        incoming.put_nowait(ended)

"""The gRPC server: methods, health, reflection, limits, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from crossfade.config import Settings
from crossfade.errors import InvalidInput
from crossfade.serving.call import Call
from crossfade.serving.decode import decode, encode
from crossfade.serving.executor import Executor
from crossfade.serving.lanes import Admission, Lanes
from crossfade.serving.servicers import Method, methods
from crossfade.serving.status import status_of
from crossfade.serving.wire import Clock

log = logging.getLogger(__name__)

# What answers on their way, and the streams of health watchers, get once no call is in progress.
_LINGER_SECONDS = 1.0

# How long, at the end of a drain, the server still answers new calls, with UNAVAILABLE.
_REFUSING_SECONDS = 0.2


class Server:
    """One listening server. Make, start, drain and close it within one running event loop."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._settings = executor.settings
        self._admission = Admission(self._settings.max_concurrent_calls)
        self._lanes = Lanes()
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # its stubs are older than it
        self._server = grpc.aio.server(options=_options(self._settings))
        self._services = self._register()

    @property
    def active_calls(self) -> int:
        return self._admission.active

    @property
    def working_threads(self) -> int:
        return self._lanes.working

    async def start(self, listen: str) -> str:
        """Bind `listen` ("host:port", port 0 for any free one, "[::1]:port", "unix:/path"); return the address.

        Raises InvalidInput when it cannot be bound.
        """
        host, port = split_address(listen)
        check_bindable(host, port)
        try:
            bound = self._server.add_insecure_port(listen)
        except RuntimeError as error:
            raise InvalidInput(f"cannot listen on {listen}: {error}") from None
        await self._server.start()
        for service in ("", *self._services):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return listen if port is None else f"{listen.rpartition(':')[0]}:{bound}"

    async def drain(self, seconds: float, hurry: asyncio.Event) -> int:
        """Refuse new calls, let those in progress finish for up to `seconds` or until `hurry`, stop.

        Returns how many calls were cut; those end as UNAVAILABLE, as new ones do. gRPC's own way to stop comes last: it
        would end a call that arrives meanwhile as CANCELLED, which no client takes for an invitation to try again.
        """
        await self._health.enter_graceful_shutdown()
        self._admission.close()
        waits = [asyncio.ensure_future(self._admission.wait_idle()), asyncio.ensure_future(hurry.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        cut = self._admission.cut()
        # Calls that were on their way when the door closed are told so, where an early stop would only drop them.
        await asyncio.wait(waits[1:], timeout=min(_REFUSING_SECONDS, seconds))
        for wait in waits:
            wait.cancel()
        await self._server.stop(_LINGER_SECONDS)
        self._lanes.close()
        return cut

    def _register(self) -> list[str]:
        """Raw bytes in and out: this layer decodes, so that what cannot be decoded gets a status that says why."""
        by_service: dict[str, dict[str, Any]] = {}
        for method in methods(self._executor):
            handler = grpc.unary_unary_rpc_method_handler(partial(self._answer, method))
            by_service.setdefault(method.service, {})[method.name] = handler
        for service, handlers in by_service.items():
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        add_health: Any = health_pb2_grpc.add_HealthServicer_to_server  # untyped
        add_health(self._health, self._server)
        names = [*by_service, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        return list(by_service)

    async def _answer(self, method: Method, data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        call = Call(context.time_remaining())
        clock = Clock()

        def work() -> bytes:
            clock.started()
            call.check()
            return encode(method.answer(decode(method.request, data), call, clock))

        try:
            return await self._admission.run(lambda: self._lanes.run(work, computes=method.computes))
        except asyncio.CancelledError:  # the caller went away, or its deadline passed
            call.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: every error becomes a status, in one table
            call.cancel()
            status = status_of(error)
            return await context.abort(status.code, status.message, status.trailers)


async def serve(executor: Executor, listen: str, ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the drain at once.

    `ready` is told the address once calls are taken. Returns how many threads still work, for calls that were cut or
    whose callers are gone. Raises InvalidInput when the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        server = Server(executor)
        address = await server.start(listen)
        try:
            ready(address)
        except BaseException:  # nobody can learn the address: end in order, then say so
            await server.drain(0, hurry)
            raise
        await stop.wait()
        seconds = executor.settings.drain_seconds
        log.info("draining: %d calls in progress get up to %g s", server.active_calls, seconds)
        cut = await server.drain(seconds, hurry)
        if cut:
            log.warning("%d calls were still in progress and are cut", cut)
        return server.working_threads
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def split_address(listen: str) -> tuple[str, int | None]:
    """Host and port; (path, None) for "unix:/path". Raises InvalidInput for anything else."""
    if listen.startswith("unix:") and len(listen) > len("unix:"):
        return listen.removeprefix("unix:"), None
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise InvalidInput(
            f"cannot listen on {listen!r}: give host:port, such as 127.0.0.1:50051; port 0 takes a free one"
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def check_bindable(host: str, port: int | None) -> None:
    """Find out why an address cannot be bound, which gRPC itself does not tell. Raises InvalidInput."""
    if port is None:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InvalidInput(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another address, or port 0 for any free"
        ) from None


def _options(settings: Settings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),  # answers are bounded by the limits on what is asked
        ("grpc.so_reuseport", 0),  # a second server on the port is a mistake, not a helper
        # Find dead peers within a minute and a half; let clients do the same.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]

"""Servers for tests: one in this process over an encoder that waits when told to, one as users start it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from crossfade.config import Settings
from crossfade.models import Embeddings, InputType
from crossfade.serving.executor import Executor
from crossfade.serving.server import Server
from crossfade.store import MemoryStore

PATIENCE = 60.0  # seconds; only a broken test waits that long


class GatedEncoder:
    """A text becomes (its length, 1). A text that begins with "wait" holds its thread until the gate opens."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.waiting = threading.Semaphore(0)
        self.gate = threading.Event()
        self.bundle = SimpleNamespace(
            name="gated",
            dimension=2,
            max_tokens=8,
            pooling="cls",
            normalise=False,
            precision="fp32",
            document_fingerprint="cf1-gated",
            query_fingerprint="cf1-gated",
            parent=SimpleNamespace(name="parent", document_fingerprint="cf1-parent"),
            fingerprint=lambda _: "cf1-gated",
        )

    def encode(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        self.texts.extend(texts)
        if any(text.startswith("wait") for text in texts):
            self.waiting.release()
            if not self.gate.wait(PATIENCE):
                raise TimeoutError("nobody opened the gate")
        if "burst" in texts:
            raise RuntimeError("secret of the inside")
        vectors = np.array([[len(text), 1] for text in texts], np.float32).reshape(-1, 2)
        counts = np.array([len(text.split()) for text in texts], np.int32)
        return Embeddings(vectors, counts, counts > 8, 10, 20)

    def wait_for(self, count: int) -> None:
        """Until `count` more calls are inside."""
        for _ in range(count):
            if not self.waiting.acquire(timeout=PATIENCE):
                raise TimeoutError("the encoder was not called")


class LocalServer:
    """A server on a thread of this process."""

    def __init__(self, **settings: float) -> None:
        self.encoder = GatedEncoder()
        executor = Executor({"gated": self.encoder}, MemoryStore(), Settings(**settings))
        started: SimpleNamespace = SimpleNamespace()
        ready = threading.Event()

        async def run() -> None:
            started.server = Server(executor)
            started.address = await started.server.start("127.0.0.1:0")
            started.stop, started.loop = asyncio.Event(), asyncio.get_running_loop()
            ready.set()
            await started.stop.wait()
            self.cut = await started.server.drain(executor.settings.drain_seconds, asyncio.Event())

        self.cut: int | None = None
        self._started = started
        self._thread = threading.Thread(target=lambda: asyncio.run(run()))
        self._thread.start()
        if not ready.wait(PATIENCE):
            raise TimeoutError("the server did not start")
        self.address: str = started.address

    @property
    def active_calls(self) -> int:
        return self._started.server.active_calls

    def begin_drain(self) -> None:
        self._started.loop.call_soon_threadsafe(self._started.stop.set)

    def close(self) -> None:
        self.encoder.gate.set()
        if self._thread.is_alive():
            self.begin_drain()
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise TimeoutError("the server did not stop")


@contextmanager
def local_server(**settings: float) -> Iterator[LocalServer]:
    server = LocalServer(**settings)
    try:
        yield server
    finally:
        server.close()


class ServeProcess:
    """`crossfade serve` as users start it, on a free port."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "crossfade.cli.main", "serve", "--listen", "127.0.0.1:0", *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **environment},
                text=True,
            )
        self.line = self.process.stdout.readline()
        if not self.line.startswith("listening on "):
            self.close()
            raise RuntimeError(f"no address: {self.line!r}; {log.read_text()}")
        self.address = self.line.removeprefix("listening on ").strip()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def serve_process(log: Path, *arguments: str, **environment: str) -> Iterator[ServeProcess]:
    process = ServeProcess(log, *arguments, **environment)
    try:
        yield process
    finally:
        process.close()

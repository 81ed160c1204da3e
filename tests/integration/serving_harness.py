"""Servers for tests: one in this process over an encoder that waits when told to, one as users start it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from crossfade.config import Settings
from crossfade.models import InputType
from crossfade.models.manifest import Prompts
from crossfade.serving.server import Server
from crossfade.store import MemoryStore

PATIENCE = 60.0  # seconds; only a broken test waits that long


# A token a byte, and its number one more than the byte's: token ids can be read as the text that they were.
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_REST = [byte for byte in range(256) if byte not in _PRINTABLE]
# The characters that a byte-level tokenizer writes bytes as.
_CHARACTERS = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(256 + n) for n, byte in enumerate(_REST)}
BYTE_TOKENIZER = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {"<pad>": 0} | {character: byte + 1 for byte, character in _CHARACTERS.items()},
        "merges": [],
    },
}


def until(condition: Callable[[], object]) -> None:
    """Poll; a state that comes for certain, at a time nobody can name."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        threading.Event().wait(0.005)


class GatedEncoder:
    """A text becomes (its bytes, 1). One that begins with "wait" holds its batch until the gate opens."""

    def __init__(self, directory: Path, batch_tokens: int = 4096, max_tokens: int = 2_000_000) -> None:
        self.texts: list[str] = []
        self.batches: list[list[str]] = []
        self.waiting = threading.Semaphore(0)
        self.gate = threading.Event()
        self.graph = self
        self.adapter = None
        self.batch_tokens = batch_tokens
        self.padding_cost = 1.0
        self.replicas = 1
        tokenizer = directory / "tokenizer.json"
        tokenizer.write_text(json.dumps(BYTE_TOKENIZER), encoding="utf-8")
        self.bundle = SimpleNamespace(
            name="gated",
            dimension=2,
            max_tokens=max_tokens,
            pooling="cls",
            normalise=False,
            precision="fp32",
            document_fingerprint="cf1-gated",
            query_fingerprint="cf1-gated",
            parent=SimpleNamespace(name="parent", document_fingerprint="cf1-parent"),
            fingerprint=lambda _: "cf1-gated",
            prompts=Prompts(named={"loud": "LOUD: ", "quiet": ""}),
            prompt_fingerprint=lambda name, _: f"cf1-{name}",
            tokenizer_path=tokenizer,
            tokenizer_key="bytes",
        )

    def infer(self, ids: np.ndarray, mask: np.ndarray, input_type: InputType) -> np.ndarray:
        rows = zip(ids, mask, strict=True)
        texts = [bytes((row[kept == 1] - 1).tolist()).decode() for row, kept in rows]
        if texts in (["a"], ["aaaaaaaa"], ["a" * 16], ["aa"], ["a" * 16] * 8):
            return self._vectors(texts)  # the server tries its models before it takes calls
        self.texts.extend(texts)
        self.batches.append(texts)
        if any(text.startswith("wait") for text in texts):
            self.waiting.release()
            if not self.gate.wait(PATIENCE):
                raise TimeoutError("nobody opened the gate")
        if "burst" in texts:
            raise RuntimeError("secret of the inside")
        return self._vectors(texts)

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(text.encode()), 1] for text in texts], np.float32)

    def wait_for(self, count: int) -> None:
        """Until `count` more batches are inside."""
        for _ in range(count):
            if not self.waiting.acquire(timeout=PATIENCE):
                raise TimeoutError("the encoder was not called")


class LocalServer:
    """A server of this process, over an encoder that waits when told to."""

    def __init__(
        self, encoder: type[GatedEncoder] = GatedEncoder, max_tokens: int | None = None, **settings: float
    ) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.encoder = encoder(Path(self._directory.name))
        if max_tokens is not None:
            self.encoder.bundle.max_tokens = max_tokens
        self.settings = Settings(**settings)
        self.server = Server({"gated": self.encoder}, MemoryStore(), self.settings)
        self.address = self.server.start("127.0.0.1:0")
        self.cut: int | None = None
        self._drain: threading.Thread | None = None

    @property
    def active_calls(self) -> int:
        return self.server.active_calls

    def begin_drain(self) -> None:
        if self._drain is None:
            self._drain = threading.Thread(target=self._run_drain)
            self._drain.start()

    def _run_drain(self) -> None:
        self.cut = self.server.drain(self.settings.drain_seconds)

    def close(self) -> None:
        self.encoder.gate.set()
        self.begin_drain()
        self._drain.join(PATIENCE)
        if self._drain.is_alive():
            raise TimeoutError("the server did not stop")
        self._directory.cleanup()


@contextmanager
def local_server(encoder: type[GatedEncoder] = GatedEncoder, **settings: float) -> Iterator[LocalServer]:
    server = LocalServer(encoder, **settings)
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


class HostedProcess:
    """`hosted_server.py` in a process of its own, which ends as `end` says when its stdin does."""

    def __init__(self, end: str, log: Path, **environment: str) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("hosted_server.py")), end, str(log.parent)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **environment},
                text=True,
            )
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            self.close()
            raise RuntimeError(f"no address: {log.read_text()}")

    def counts(self) -> dict[str, int]:
        """What the server has done and what it has to do, by name."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> int:
        """Have it end; its exit code."""
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def hosted_process(end: str, log: Path, **environment: str) -> Iterator[HostedProcess]:
    process = HostedProcess(end, log, **environment)
    try:
        yield process
    finally:
        process.close()


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) << 10

"""A program with a server in it, over a model that costs nothing and answers with much. It is run, not imported.

`hosted_server.py END DIRECTORY`: prints the address; then, for each line on stdin, what the server has done; and at the
end of stdin it ends as END says: "drain", "exit" with sys.exit, "raise" with an exception, both without a drain;
"fork-exit" and "fork-_exit" as "drain", after a child has ended so, whose exit code is printed too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from serving_harness import GatedEncoder

from crossfade.config import load_settings
from crossfade.models import InputType
from crossfade.serving.server import Server
from crossfade.store import MemoryStore

DIMENSION = 4096
CHILD_SECONDS = 5.0
BUSY_SECONDS = 2.0


BUSY = [byte + 1 for byte in b"busy"]


class WideEncoder(GatedEncoder):
    """16 KiB for every text: its number of tokens, over and over. For the text "busy", Python code that takes long."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.bundle.dimension = DIMENSION

    def infer(self, ids: NDArray[np.int64], mask: NDArray[np.int64], input_type: InputType) -> NDArray[np.float32]:
        if ids[0].tolist() == BUSY:
            end = time.monotonic() + BUSY_SECONDS
            while time.monotonic() < end:
                time.sleep(0.0005)
        return np.repeat(mask.sum(axis=1, dtype=np.float32)[:, np.newaxis], DIMENSION, axis=1)


def fork(how: str) -> int | str:
    """A child that ends at once; its exit code."""
    child = os.fork()
    if child == 0:
        if how == "fork-_exit":
            os._exit(3)
        sys.exit(3)
    for _ in range(int(CHILD_SECONDS / 0.01)):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "it hangs"


def main(how: str, directory: Path) -> None:
    settings = load_settings()
    server = Server({"wide": WideEncoder(directory)}, MemoryStore(), settings)
    print(server.start("127.0.0.1:0"), flush=True)
    for _ in sys.stdin:
        print(json.dumps({**server.counts(), "active_calls": server.active_calls}), flush=True)
    if how == "exit":
        sys.exit(7)
    if how == "raise":
        raise RuntimeError("an exception that nobody catches")
    if how.startswith("fork"):
        print(fork(how), flush=True)
    server.drain(settings.drain_seconds)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

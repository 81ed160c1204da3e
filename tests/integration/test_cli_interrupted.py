"""Ctrl-C while the program starts: one line and 130, whatever is being imported, and nothing goes on to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ingest_samples import FINGERPRINT, lines, with_vectors

from crossfade.cli.main import run

PATIENCE = 120

# A real SIGINT at an exact moment: when a module is looked for, or in a finaliser, which swallows what is raised there.
AT_IMPORT = """
import os, signal, sys

class Presser:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            {press}
        return None

def kill():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass

class Finalised:
    def __del__(self):
        kill()

sys.meta_path.insert(0, Presser())
"""


def started(tmp_path: Path, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command with the program as its `sitecustomize`."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(program)
    path = os.pathsep.join([str(tmp_path / "site"), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", "crossfade.cli.main", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("press", ["kill()", "Finalised()"])
@pytest.mark.parametrize(
    "name",
    ["crossfade.cli.commands", "typer", "rich.console", "crossfade.cli.train", "crossfade.ingest", "sqlite3", "numpy"],
)
def test_while_it_imports(tmp_path: Path, name: str, press: str) -> None:
    store = tmp_path / "store"
    run(["store", "create", str(store), "c", "--dimension", "2", "--fingerprint", FINGERPRINT])
    source = lines(tmp_path / "a.jsonl", with_vectors(50_000 if press == "Finalised()" else 50))
    arguments = ("store", "ingest", store, "c", source, "--fingerprint", FINGERPRINT)
    done = started(tmp_path, AT_IMPORT.format(name=name, press=press), *arguments)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "crossfade: interrupted"
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr


def test_in_a_finaliser_while_it_works(tmp_path: Path) -> None:
    """Not swallowed: the ingest ends, and does not go on to its end with 0."""
    store = tmp_path / "store"
    run(["store", "create", str(store), "c", "--dimension", "2", "--fingerprint", FINGERPRINT])
    source = lines(tmp_path / "a.jsonl", with_vectors(100_000))
    program = AT_IMPORT.format(name="none", press="pass") + (
        "import threading\n"
        "def press(frame, event, arg):\n"
        "    if event == 'call' and frame.f_code.co_name == '_take_all':\n"
        "        sys.setprofile(None)\n"
        "        Finalised()\n"
        "sys.setprofile(press)\n"
    )
    done = started(tmp_path, program, "store", "ingest", store, "c", source, "--fingerprint", FINGERPRINT)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "crossfade: interrupted"
    assert "ignored" not in done.stderr


def test_one_who_ignores_it_is_left_alone(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + AT_IMPORT.format(
        name="typer", press="kill()"
    )
    done = started(tmp_path, program, "--version")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_handler_is_the_command_s_alone() -> None:
    """Who imports the module, or calls `run`, keeps their own."""
    assert run(["--version"]) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

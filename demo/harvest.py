"""The child process of `demo.corpus`: import the standard library, write one JSON line a documented object.

`python -P -s -S -B -m demo.harvest OUTPUT`. It imports every public module there is, and whatever an import does stays
in this process: what it reads and prints leads nowhere, and an audit hook refuses what no import has business doing.
Neither `demo.harvest` nor what it imports may need anything beyond the standard library.

Standard output carries progress, one line a module: `DONE TOTAL`. The output file's first line says what was imported
and what was not; every further line is a document.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from demo.docstrings import Collector

EXCLUDED = {
    "opens a browser or prints on import": ("antigravity", "this"),
    "an application, with windows of its own": ("idlelib", "turtledemo"),
    "a binding to windows that half of all installations leave out": ("tkinter", "turtle"),
    "the interpreter's own tests, examples and data": (
        *("test", "xxlimited", "xxlimited_35", "xxsubtype", "pydoc_data"),
    ),
    "documented as os and os.path": ("genericpath", "nt", "posix", *({"ntpath", "posixpath"} - {os.path.__name__})),
    "deprecated in 3.11 and gone from 3.12 or 3.13: the data set stays nearly the same on all of them": (
        *("asynchat", "asyncore", "distutils", "imp", "lib2to3", "smtpd"),
        *("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "mailcap", "msilib", "nis", "nntplib"),
        *("ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
    ),
}
"""Public modules that give no documents, by reason. A name that starts with an underscore is private anyway."""

EXCLUDED_MODULES = frozenset(name for names in EXCLUDED.values() for name in names)

CLOSED_PACKAGES = frozenset({"encodings"})
"""Packages whose modules are tables, a hundred times the same docstring: the package alone is a document."""

REFUSED_EVENTS = frozenset(
    {
        *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "webbrowser.open"),
        *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"),
        *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"),
    }
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class RefusedError(ImportError):
    """A module tried to reach out of the process while it was imported."""


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: an import reads files and defines names, nothing else."""
    if event in REFUSED_EVENTS:
        raise RefusedError(f"tried {event} on import")
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING and arguments[0] != os.devnull:
        raise RefusedError(f"tried to write {arguments[0]!r} on import")


def import_quietly(name: str) -> ModuleType | str:
    """The module, or the kind of error that importing it raises here."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an import runs arbitrary code
        return type(error).__name__


def submodules(module: ModuleType) -> list[str]:
    """Public direct children of a package, sorted."""
    if module.__name__ in CLOSED_PACKAGES:
        return []
    found = pkgutil.iter_modules(getattr(module, "__path__", ()), f"{module.__name__}.")
    return sorted(info.name for info in found if is_public(info.name.rpartition(".")[2]))


def is_public(name: str) -> bool:
    return not name.startswith("_") and name not in ("test", "tests", "idle_test")


def walk(progress: Callable[[int, int], None]) -> Iterator[tuple[str, ModuleType | str]]:
    """Every public module of the standard library with its import's outcome, parents first."""
    waiting = sorted(name for name in sys.stdlib_module_names if is_public(name) and name not in EXCLUDED_MODULES)
    waiting.reverse()
    done = 0
    while waiting:
        name = waiting.pop()
        outcome = import_quietly(name)
        yield name, outcome
        if isinstance(outcome, ModuleType):
            waiting.extend(reversed(submodules(outcome)))
        done += 1
        progress(done, done + len(waiting))


def harvest(output: TextIO, progress: Callable[[int, int], None]) -> None:
    """Write the whole catalogue; order and content depend on the interpreter alone."""
    collector = Collector()
    imported, skipped = 0, {}
    for name, outcome in walk(progress):
        if isinstance(outcome, ModuleType):
            imported += 1
            collector.add_module(name, outcome)
        else:
            skipped[name] = outcome
    head = {"modules": imported, "modules_skipped": skipped}
    print(json.dumps(head), file=output)
    for document in collector.documents():
        print(json.dumps(document, ensure_ascii=False), file=output)


def main() -> None:
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(Path(sys.argv[1]).open("w", encoding="utf-8", errors="replace"))
        pipe = stack.enter_context(os.fdopen(os.dup(1), "w"))
        for stream in (sys.stdin, sys.stdout):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream.fileno())
        warnings.simplefilter("ignore")
        sys.addaudithook(refuse)
        harvest(output, lambda done, total: print(done, total, file=pipe, flush=True))


if __name__ == "__main__":
    main()

"""Where a command's results go: tables and JSON on stdout, files that appear whole, places checked beforehand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from crossfade.cli.printable import printable
from crossfade.errors import InvalidInput
from crossfade.files import check_writable, write_atomically

STDOUT = Path("-")
_PIPE_WIDTH = 120  # columns of a table that goes into a file or a pipe, where there is no window to fit


class _PipedConsole(Console):
    """A reader that goes away is the command line's own affair (`cli/commands.py`), not an exit from within. What a
    terminal would obey is shown escaped, in cells of tables too: ids, titles and texts are anybody's."""

    def render_str(self, text: str, **more: Any) -> Text:
        return super().render_str("\n".join(map(printable, text.split("\n"))), **more)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def table_console(*, soft_wrap: bool = False) -> Console:
    """Stdout for people. Text is printed as it is: no markup, no emoji codes, no guessed highlighting."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return _PipedConsole(width=width, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)


def print_named(
    columns: Sequence[str], last: str, rows: Sequence[tuple[Sequence[str], str]], numeric: Set[str]
) -> None:
    """A table whose last column is for copying: it is never broken, and where the window is too narrow each of it is on
    a line of its own, under its row."""
    from rich.cells import cell_len

    console = table_console()
    lines = [(list(columns), last), *(([printable(each) for each in cells], printable(end)) for cells, end in rows)]
    widths = [max(cell_len(cells[at]) for cells, _ in lines) for at in range(len(columns))]
    beside = sum(widths) + 2 * len(widths) + max(cell_len(end) for _, end in lines) <= console.width
    for number, (cells, end) in enumerate(lines):
        padded = []
        for name, cell, width in zip(columns, cells, widths, strict=True):
            space = " " * (width - cell_len(cell))
            padded.append(space + cell if name in numeric else cell + space)
        line = "  ".join([*padded, end] if beside else padded).rstrip()
        console.print(line, style=None if number else "bold", soft_wrap=True)
        if not beside:
            console.print(f"  {end}", style=None if number else "bold", soft_wrap=True)


def print_paragraph(console: Console, text: str, *, style: str | None = None) -> None:
    """A line of prose: wrapped to the window, left whole in a file or a pipe."""
    console.print(text, style=style, soft_wrap=not console.is_terminal)


Given = Iterable[tuple[str, Path | None]]
"""Option and path of what a command reads, None when not given; an option may be there more than once."""


def dataset_inputs(option: str, directory: Path) -> list[tuple[str, Path | None]]:
    """What is read of a BEIR directory. Results may lie beside it."""
    names = ("corpus.jsonl", "corpus.jsonl.gz", "queries.jsonl", "queries.jsonl.gz", "qrels")
    return [(option, directory / name) for name in names]


def check_outputs(outputs: Mapping[str, Path | None], *, stdout: str, inputs: Given = ()) -> None:
    """Check before long work that every output can be written. `outputs`: option -> its path, None when not given.

    The option named by `stdout` takes "-". Raises InvalidInput when a place cannot be written, two are the same, or one
    is an input, or lies within an input that is a directory (a bundle, a store): a result must not take the place of
    what it stands on.
    """
    read = [(option, path, path.resolve()) for option, path in inputs if path is not None and path.exists()]
    taken: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None or (option == stdout and path == STDOUT):
            continue
        if path == STDOUT:
            raise InvalidInput(f"{option} needs a file; only {stdout} takes - for stdout")
        check_writable(path)
        place = path.resolve()
        if place in taken and not place.is_char_device():
            raise InvalidInput(f"{taken[place]} and {option} name the same file {path}: give each its own")
        taken[place] = option
        for source, given, found in read:
            if place == found and not place.is_char_device():
                raise InvalidInput(f"{option} would overwrite {given}, which {source} reads: choose another place")
            if found.is_dir() and place.is_relative_to(found):
                raise InvalidInput(f"{option} would write into {given}, which {source} reads: choose another place")


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record to a file, or alone on stdout when the path is "-" (there as ASCII, whatever the locale)."""
    if path == STDOUT:
        print(json.dumps(record, indent=2, allow_nan=False))
        return
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    with write_atomically(path) as stream:
        stream.write(text.encode())


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """One dataclass a line, as an object."""
    write_text(path, "".join(f"{json.dumps(asdict(row), ensure_ascii=False, allow_nan=False)}\n" for row in rows))

"""The command line's boundary: one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import pytest
import typer

from crossfade.cli import commands
from crossfade.errors import DataError


def run_command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(commands, "app", app)
    return commands.run([])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("a.jsonl", "not JSON", line=3), 2, "crossfade: error: a.jsonl:3: not JSON\n"),
        (DataError("a.jsonl", "two\nlines"), 2, "crossfade: error: a.jsonl: two lines\n"),
        (KeyboardInterrupt(), 130, "crossfade: interrupted\n"),
        (OSError(28, "No space left on device", "/x/y"), 2, "crossfade: error: /x/y: No space left on device\n"),
        (PermissionError(13, "Permission denied", "/x"), 2, "crossfade: error: /x: Permission denied\n"),
    ],
)
def test_errors_become_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    assert run_command(monkeypatch, error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == line


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(monkeypatch, ZeroDivisionError())


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["--no-such-option"]])
def test_usage_errors_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("crossfade: error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""

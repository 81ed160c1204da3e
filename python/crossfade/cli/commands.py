"""The commands: registers them and turns every expected error into one line and an exit code.

Exit codes: 0 done · 1 a check does not hold (decision verify, leakage --fail-on-leak) · 2 the input cannot be used · 3
what was checked holds, and not all was (decision verify) · 130 interrupted. Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from crossfade.cli import (
    compare,
    dataset,
    decision,
    diagnose,
    evaluate,
    frontier,
    judgments,
    leakage,
    model,
    quantize,
    report,
    serve,
    store,
    train,
)
from crossfade.cli.main import INTERRUPTED
from crossfade.cli.printable import printable
from crossfade.errors import CrossfadeError
from crossfade.versions import own

app = typer.Typer(
    name="crossfade",
    help="Serve a base and a fine-tuned embedding model, measure both, and decide which one should ship.",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
model.app.command("quantize")(quantize.quantize)
app.add_typer(model.app)
app.add_typer(dataset.app)
app.add_typer(store.app)
app.add_typer(train.app)
app.add_typer(decision.app)
app.add_typer(judgments.app)
app.command("serve")(serve.command)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("diagnose")(diagnose.diagnose)
app.command("frontier")(frontier.frontier)
app.command("leakage")(leakage.leakage)
app.command("report")(report.report)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(own())
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of crossfade itself, before the command."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code instead of raising."""
    try:
        code = app(args=arguments, prog_name="crossfade", standalone_mode=False)
        sys.stdout.flush()  # what is still held back may meet a closed pipe or a full disk too
    except CrossfadeError as error:
        return _fail(str(error))
    except typer.Abort:
        return _interrupted()
    except typer.TyperException as error:
        path = getattr(getattr(error, "ctx", None), "command_path", "crossfade")
        return _fail(f"{error.format_message()} (see {path} --help)")
    except KeyboardInterrupt:
        return _interrupted()
    except (BrokenPipeError, SystemExit):
        # The reader went away (`crossfade ... | head`): not an error, and nothing may be written to it at exit. Typer
        # turns a broken pipe, and nothing else in this mode, into SystemExit.
        _give_up_stdout()
        return 0
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            _give_up_stdout()  # Python would try again at exit, and print a traceback of its own
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    # Typer turns Ctrl-C into this exit code itself.
    return _interrupted() if code == INTERRUPTED else code if isinstance(code, int) else 0


def _give_up_stdout() -> None:
    """What stdout still holds back goes nowhere, instead of failing once more when Python exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _fail(message: str) -> int:
    line = printable(" ".join(message.split()))
    print(f"crossfade: error: {line}", file=sys.stderr)
    return 2


def _interrupted() -> int:
    print("crossfade: interrupted", file=sys.stderr)
    return INTERRUPTED

"""The command line's door. From its first moment Ctrl-C ends it with one line and 130, not with a traceback.

All that takes time to import is imported behind it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from os import _exit, write
from types import FrameType, TracebackType
from typing import Protocol

INTERRUPTED = 128 + 2  # as a shell reports SIGINT
_SOON = 0.01  # seconds


class _Unraisable(Protocol):
    """What `sys.unraisablehook` is given."""

    @property
    def exc_type(self) -> type[BaseException]: ...
    @property
    def exc_value(self) -> BaseException | None: ...
    @property
    def exc_traceback(self) -> TracebackType | None: ...
    @property
    def err_msg(self) -> str | None: ...
    @property
    def object(self) -> object: ...


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code instead of raising."""
    from crossfade.cli.commands import run as run_command

    return run_command(arguments)


def main() -> None:
    """The `crossfade` command."""
    # Whoever starts it with SIGINT ignored, as `nohup` and scripts' background jobs are, wants it so.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, _end)
    from crossfade.cli.commands import run as run_command

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A name that the terminal's encoding lacks is shown escaped; it must not lose a result.
            stream.reconfigure(errors="backslashreplace")
    if interruptible:
        sys.unraisablehook = _not_swallowed
        signal.signal(signal.SIGALRM, _interrupt)
        signal.signal(signal.SIGINT, _interrupt)
    code = run_command()
    if interruptible:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, _end)  # Python's own end may take a moment
    sys.exit(code)


def _end(_number: int, _frame: FrameType | None) -> None:
    """While nothing is begun that would have to be ended in order."""
    write(2, b"crossfade: interrupted\n")
    _exit(INTERRUPTED)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """As Python does it; but an import ends first. Interrupted halfway, one may swallow it in a callback of its locks,
    or in C code that makes another error of it, and the command would go on to its end."""
    while frame is not None:
        if frame.f_globals.get("__name__") in ("importlib._bootstrap", "_frozen_importlib"):
            signal.setitimer(signal.ITIMER_REAL, _SOON)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _not_swallowed(raised: _Unraisable) -> None:
    """Where Python can raise nothing, in a finaliser say, an interrupt comes again a moment later."""
    if issubclass(raised.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, _SOON)
    else:
        sys.__unraisablehook__(raised)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()

"""Runs one bench module in this process: `python -m bench.child bench.kernels.bench_f32 [--quick]`.

Ends with the bench's own exit code; 130 when it is interrupted, 141 when nobody reads its output any more.
"""

from __future__ import annotations

import os
import runpy
import sys

INTERRUPTED = 130
UNREAD = 141


def main() -> int:
    module = sys.argv.pop(1)
    code: object
    try:
        # alter_sys: the bench sees its own name as the main module's.
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return unread()
    except SystemExit as done:
        code = done.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            return 1
        if code:
            return int(str(code))
    from bench.harness import session

    session().finish()
    return 0


def unread() -> int:
    """Give up what waits to be printed, so that Python does not try again at its end; the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD


if __name__ == "__main__":
    sys.exit(main())

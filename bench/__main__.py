"""`python -m bench`: run the benches, print each case beside its peers and limits, keep a dated record.

python -m bench                       all of them, kept in bench/record/
python -m bench kernels -k f32        a group, and of it the benches whose name holds "f32"
python -m bench kernels/f32 --case "8 queries"
python -m bench --quick               a smoke run over small shapes: shows that it works, judges nothing, keeps nothing

CROSSFADE_BENCH_ROWS=1000000          so many rows in graph, store, lexical and evaluation; kept in sections of its own

Exit code: 0 all ran, whatever they measured; 1 a bench failed; 2 no such bench or size, or no place for the record;
130 interrupted; 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import record, size, table
from bench.child import INTERRUPTED, unread
from bench.runner import Outcome, find, run, select
from crossfade.errors import CrossfadeError


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        chosen = select(find(), options.benches, options.k)
        rows = size.asked()
    except ValueError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(bench.name for bench in chosen))
        return 0
    if rows is not None and options.quick:
        print(f"bench: a quick run has sizes of its own: {size.ROWS} is not read", file=sys.stderr)
    keep = options.save or not (options.benches or options.k or options.quick or options.no_save or options.case)
    with tempfile.TemporaryDirectory() as scratch:
        path = record.path_of_today() if keep else Path(scratch) / "record.json"
        try:
            record.check(path)
        except (ValueError, CrossfadeError) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2
        began = record.now()
        outcome = run(chosen, path, quick=options.quick, case=options.case)
        if path.exists():
            try:
                print("\n".join(table.summary(record.cases(path, began), quick=options.quick)), flush=True)
            except BrokenPipeError:
                return unread()
    return _conclude(outcome, path if keep else None)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("benches", nargs="*", metavar="BENCH", help="a group (kernels) or a bench (kernels/f32)")
    parser.add_argument("-k", default="", metavar="TEXT", help="only benches whose name holds TEXT")
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases whose title holds TEXT; kept nowhere")
    parser.add_argument("--quick", action="store_true", help="small shapes, few rounds; kept nowhere")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument("--save", action="store_true", help="keep a selection too")
    keep.add_argument("--no-save", action="store_true", help="keep nothing")
    options = parser.parse_args(arguments)
    if options.save and (options.quick or options.case):
        parser.error("--save keeps whole benches at their full shapes: leave out --quick and --case")
    return options


def _conclude(outcome: Outcome, kept: Path | None) -> int:
    if outcome.failed:
        print(f"bench: failed: {', '.join(outcome.failed)}", file=sys.stderr)
    if kept is not None and kept.exists():
        print(f"bench: kept in bench/record/{kept.name}", file=sys.stderr)
    if outcome.stopped == INTERRUPTED:
        print("bench: interrupted", file=sys.stderr)
    return outcome.stopped or (1 if outcome.failed else 0)


if __name__ == "__main__":
    sys.exit(main())

"""`crossfade decision`: check a decision's record, sign it, make a key to sign with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossfade.evaluation.decision.checks import Check

app = typer.Typer(name="decision", help="Check and sign the records of decisions.", rich_markup_mode=None)

DOES_NOT_HOLD = 1
NOT_ALL_CHECKED = 3
_WORDS = {True: "holds", False: "DOES NOT HOLD", None: "not checked"}

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The record, as compare --decision wrote it.")]


@app.command()
def verify(
    file: _File,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="The data set, to hold hashes and slices.", show_default=False)
    ] = None,
    protocol: Annotated[
        Path | None,
        typer.Option("--protocol", help="The protocol that was declared: it must be the record's.", show_default=False),
    ] = None,
    base_run: Annotated[
        Path | None, typer.Option("--base-run", help="The base's rankings, to measure again.", show_default=False)
    ] = None,
    candidate_run: Annotated[
        Path | None,
        typer.Option("--candidate-run", help="The candidate's rankings, to measure again.", show_default=False),
    ] = None,
    leakage: Annotated[
        Path | None, typer.Option("--leakage", help="The leakage report, to read again.", show_default=False)
    ] = None,
    diagnosis: Annotated[
        Path | None,
        typer.Option("--diagnosis", help="The diagnosis of the base, to read its causes again.", show_default=False),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", help="The record of the base that stood in for it, to hash it.", show_default=False),
    ] = None,
    guard: Annotated[
        list[str] | None,
        typer.Option(
            "--guard",
            metavar="NAME=DIR",
            help="A guard set's data, to hold its hashes; again for more.",
            show_default=False,
        ),
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The key that must have signed it (PEM).", show_default=False)
    ] = None,
    signature: Annotated[
        Path | None, typer.Option("--signature", help="A signature beside the record.", show_default=False)
    ] = None,
    allow_unchecked: Annotated[
        bool,
        typer.Option("--allow-unchecked", help="End with 0 though parts could not be checked for want of a file."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Compute a record's hashes and its verdict again, from the values by query, and name what does not agree.

    Exit codes: 0 all holds that can be checked; 1 something does not; 2 it cannot be read; 3 what was checked holds,
    and there are parts that were not checked for want of a file that was not given (--allow-unchecked: 0).
    """
    from dataclasses import asdict

    from crossfade.errors import DataError, InvalidInput
    from crossfade.evaluation.beir import read_beir
    from crossfade.evaluation.decision.checks import Sources
    from crossfade.evaluation.decision.declared import declared_as
    from crossfade.evaluation.decision.record import read_json
    from crossfade.evaluation.decision.verify import verify
    from crossfade.evaluation.trec import read_run

    data = read_json(file)
    try:
        split = data["evidence"]["data"]["split"] if dataset is not None else ""
        splits = {each["name"]: str(each["data"]["split"]) for each in data["evidence"]["guards"]} if guard else {}
    except (KeyError, TypeError):
        raise DataError(file, "no record of a decision: it does not say its splits") from None
    sources = Sources(
        dataset=None if dataset is None else read_beir(dataset, str(split), allow_absent=True),
        directory=dataset,
        folder=None if protocol is None else protocol.parent,
        base_run=None if base_run is None else read_run(base_run),
        candidate_run=None if candidate_run is None else read_run(candidate_run),
        leakage=leakage,
        diagnosis=diagnosis,
        guards={
            name: read_beir(place, splits.get(name, "test"), allow_absent=True)
            for name, place in map(_named_place, guard or [])
        },
        files={name: path for name, path in (("protocol", protocol), ("baseline", baseline)) if path is not None},
    )
    try:
        checks = verify(data, sources)
    except DataError:
        raise
    except InvalidInput as error:
        raise DataError(file, str(error)) from None
    if protocol is not None:
        checks.append(declared_as(data, protocol))
    checks.append(_signature(data, public_key, signature))
    holds = all(check.holds is not False for check in checks)
    complete = not any(check.lacking for check in checks)
    if as_json:
        import json

        verdict = data["outcome"]["verdict"]
        said = {"holds": holds, "complete": complete, "verdict": verdict, "checks": [asdict(each) for each in checks]}
        print(json.dumps(said, indent=2))
    else:
        _show(data, checks, holds=holds, allowed=allow_unchecked)
    if not holds:
        raise typer.Exit(DOES_NOT_HOLD)
    if not complete and not allow_unchecked:
        raise typer.Exit(NOT_ALL_CHECKED)


@app.command()
def sign(
    file: _File,
    key: Annotated[Path, typer.Option("--key", help="The private key (Ed25519, PEM).", show_default=False)],
    detached: Annotated[
        Path | None,
        typer.Option("--detached", help="Write the signature here, and leave the record.", show_default=False),
    ] = None,
) -> None:
    """Sign a record that holds; the signature goes into it, or beside it with --detached."""
    from crossfade.cli.output import check_outputs
    from crossfade.errors import InvalidInput
    from crossfade.evaluation.decision import signing
    from crossfade.evaluation.decision.record import read_json, write_record
    from crossfade.evaluation.decision.verify import verify as check
    from crossfade.evaluation.record import encode

    check_outputs({"--detached": detached}, stdout="", inputs=[("the record", file), ("--key", key)])
    data = read_json(file)
    fallen = [each.name for each in check(data) if each.holds is False]
    if fallen:
        raise InvalidInput(f"{file} does not hold ({', '.join(fallen)}): see crossfade decision verify")
    signature = encode(signing.sign(data, key))
    if detached is None:
        write_record(file, {**data, "signature": signature})
    else:
        write_record(detached, signature)
    print(f"signed by key {signature['public_key']}")


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The private key's file; the public one is FILE.pub.")],
) -> None:
    """Make a pair of Ed25519 keys. Keep FILE secret; give FILE.pub to whoever checks."""
    from crossfade.evaluation.decision import signing

    print(signing.make_keys(file))


def _named_place(text: str) -> tuple[str, Path]:
    from crossfade.errors import InvalidInput

    name, _, place = text.partition("=")  # no guard set's name holds "="
    if not name or not place:
        raise InvalidInput(f"--guard {text!r}: expected NAME=DIR, such as general=data/general")
    return name, Path(place)


def _signature(data: Any, public_key: Path | None, signature: Path | None) -> Check:
    from crossfade.evaluation.decision.record import read_json
    from crossfade.evaluation.decision.signing import check_signature

    detached = None if signature is None else read_json(signature)
    return check_signature(data, public_key=public_key, detached=detached)


def _show(data: Any, checks: Sequence[Check], *, holds: bool, allowed: bool) -> None:
    from crossfade.cli.output import print_paragraph, table_console
    from crossfade.cli.printable import printable

    # Whoever wrote the record may have written what a terminal obeys: a line erased, "holds" painted over another.
    console = table_console()
    evidence = data["evidence"]
    sides = " against ".join(
        f"{evidence[side]['name']} ({evidence[side]['fingerprint']})" for side in ("candidate", "base")
    )
    print_paragraph(console, printable(f"{sides}, decided {evidence['decided']}: {data['outcome']['verdict']}"))
    for check in checks:
        detail = f": {check.detail}" if check.detail else ""
        print_paragraph(console, printable(f"{check.name:<16} {_WORDS[check.holds]}{detail}"))
    for line in _summary(checks, holds=holds, allowed=allowed):
        print_paragraph(console, printable(line))


def _summary(checks: Sequence[Check], *, holds: bool, allowed: bool) -> list[str]:
    """What was not looked at, by name, so that nobody takes it for checked; and the whole in a line."""
    never = [check.name for check in checks if check.holds is None and not check.lacking]
    lacking = [check for check in checks if check.lacking]
    lines = [f"no record can show: {', '.join(never)}"] if never else []
    if lacking:
        options = ", ".join(dict.fromkeys(option for check in lacking for option in check.options))
        lines.append(f"NOT CHECKED, as nothing was given to check it by: {', '.join(check.name for check in lacking)}")
        lines.append(f"give {options}" + ("" if allowed else "; or --allow-unchecked, where the rest is enough"))
    if not holds:
        return [*lines, "the record does not hold"]
    if lacking:
        parts = f"{len(lacking):,} part{' was' if len(lacking) == 1 else 's were'}"
        return [*lines, f"what was checked holds; {parts} not checked, and could be"]
    return [*lines, "all that can be checked holds"]

"""Reads a protocol from TOML, strictly: an unknown key is an error, not a setting ignored."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.decision.causes import ALL
from crossfade.evaluation.decision.protocol import Protocol, SliceRule, Waiver
from crossfade.evaluation.record import decode

FORMAT = 1


def read_protocol(path: Path) -> Protocol:
    """A protocol file. `format = 1` comes first; the other keys are those of `Protocol`, a table or a list of tables
    where it holds another type. For a slice `words = [1, 3]` may stand for `least_words` and `most_words`, and one by
    `cause` requires nothing where it does not say.

    Raises DataError naming the file and the key that is missing, unknown or wrong.
    """
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(path, f"cannot be read as TOML: {error}") from None
    return protocol_of(table, path)


def protocol_of(table: Mapping[str, Any], path: Path) -> Protocol:
    """As `read_protocol`, of a table that was read already. `path`: for messages."""
    table = dict(table)
    version = table.pop("format", None)
    if version != FORMAT or isinstance(version, bool):
        said = "is missing" if version is None else f"is {version!r}"
        raise DataError(path, f"format {said}; this crossfade reads format = {FORMAT}")
    if isinstance(table.get("slices"), list):
        table["slices"] = [_shown_only(_words(rule, path)) for rule in table["slices"]]
    _check_keys(Protocol, table, "", path)
    try:
        return decode(Protocol, table)
    except InvalidInput as error:
        raise DataError(path, str(error)) from None


def with_waivers(protocol: Protocol, waivers: Iterable[str]) -> list[Waiver]:
    """The protocol's waivers and those of the command line, NAME=REASON; a reason may hold "=".

    The name ends at the first "=", but for a slice of the protocol that is one a value ("slice:team=legal=REASON"):
    there at the second. (A value that holds "=" itself is waived in a protocol file.) Raises InvalidInput.
    """
    by_value = {f"slice:{rule.name}" for rule in protocol.slices if _by_value(rule)}
    found = list(protocol.waivers)
    for text in waivers:
        name, _, reason = text.partition("=")
        expected = "NAME=REASON, such as slice:short=agreed with search team"
        if name in by_value:
            value, _, reason = reason.partition("=")
            expected = f"{name}=VALUE=REASON, for that slice is one a value"
            name = f"{name}={value}"
        if not name or not reason.strip():
            raise InvalidInput(f"--waive {text!r}: expected {expected}")
        found.append(Waiver(name, reason.strip()))
    return found


def _by_value(rule: SliceRule) -> bool:
    return bool(rule.file or (rule.field and rule.equals is None) or rule.cause == ALL)


def _shown_only(rule: Any) -> Any:
    """A slice by cause requires nothing, unless it says what."""
    if not isinstance(rule, Mapping) or "cause" not in rule:
        return rule
    return {"require": "nothing", **rule}


def _words(rule: Any, path: Path) -> Any:
    if not isinstance(rule, Mapping) or "words" not in rule:
        return rule
    band = rule["words"]
    ends = band if isinstance(band, list) and len(band) == 2 else [None]
    if not all(isinstance(end, int) and not isinstance(end, bool) and end >= 0 for end in ends):
        raise DataError(path, f"slices: words is {band!r}; expected [least, most], such as [1, 3]; 0: no end there")
    if "least_words" in rule or "most_words" in rule:
        raise DataError(path, "slices: words and least_words or most_words say the same: give one")
    return {
        **{key: value for key, value in rule.items() if key != "words"},
        "least_words": ends[0],
        "most_words": ends[1],
    }


def _check_keys(kind: type, table: Any, prefix: str, path: Path) -> None:
    """Raises DataError for a key that the type lacks, or a required one that is not there."""
    if not isinstance(table, Mapping):
        raise DataError(path, f"{prefix.rstrip('.')} must be a table")
    known = {field.name: field for field in fields(kind)}
    for key in table:
        if key not in known:
            raise DataError(path, f"unknown key {prefix}{key}: remove it, or use one of {', '.join(known)}")
    hints = get_type_hints(kind)
    for name, field in known.items():
        if name not in table:
            if field.default is MISSING and field.default_factory is MISSING:
                raise DataError(path, f"{prefix}{name} is missing")
            continue
        inner = next((each for each in (hints[name], *get_args(hints[name])) if is_dataclass(each)), None)
        if isinstance(inner, type):
            value = table[name]
            if inner is not hints[name] and isinstance(value, list):
                for place, item in enumerate(value):
                    _check_keys(inner, item, f"{prefix}{name}[{place}].", path)
            else:
                _check_keys(inner, value, f"{prefix}{name}.", path)

"""One check of a record, what it may be held against, and how two JSON values are told apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossfade.evaluation.dataset import Dataset, Run

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""How far figures that are computed again may lie apart: sums of at most millions of doubles on another machine."""

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """`holds`: None where it was not looked at. `detail`: what does not agree, or what it would take to look.
    `options`: those of `crossfade decision verify` that it would take; none where no record can show it, whatever is
    given.
    """

    name: str
    holds: bool | None
    detail: str = ""
    options: tuple[str, ...] = ()

    @property
    def lacking(self) -> bool:
        """Whether it would have been looked at, had something been given."""
        return self.holds is None and bool(self.options)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a record may be held against. `directory`: of the data set, for the fields of queries; `folder`: what files
    that the protocol names are relative to; `leakage`: the report; `diagnosis`: of the base; `guards`: guard sets by
    name; `files`: those read beside the data, by the name they are recorded under.
    """

    dataset: Dataset | None = None
    directory: Path | None = None
    folder: Path | None = None
    base_run: Run | None = None
    candidate_run: Run | None = None
    leakage: Path | None = None
    diagnosis: Path | None = None
    guards: Mapping[str, Dataset] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


def lacking(given: Mapping[str, object]) -> tuple[str, ...]:
    """The options of which nothing was given."""
    return tuple(option for option, value in given.items() if value is None)


def differences(stored: Any, found: Any, path: str) -> Iterator[str]:
    """Where two JSON values differ, numbers by more than `RELATIVE` and `ABSOLUTE`."""
    if isinstance(stored, Mapping) and isinstance(found, Mapping):
        for key in dict.fromkeys([*stored, *found]):
            if key in stored and key in found:
                yield from differences(stored[key], found[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is {'missing' if key in found else 'unknown'}"
    elif isinstance(stored, list) and isinstance(found, list) and len(stored) == len(found):
        for place, (one, other) in enumerate(zip(stored, found, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif not equal(stored, found):
        yield f"{path} is {_short(stored)}, and {_short(found)} follows"


def equal(stored: Any, found: Any) -> bool:
    """Of two scalars, numbers within `RELATIVE` and `ABSOLUTE`."""
    if isinstance(stored, float | int) and isinstance(found, float | int):
        if isinstance(stored, bool) or isinstance(found, bool):
            return stored is found
        return math.isclose(stored, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(stored) is type(found) and bool(stored == found)


def named(unlike: list[str]) -> str:
    """The first few, and how many more there are."""
    more = f"; and {len(unlike) - MOST_NAMED:,} more" if len(unlike) > MOST_NAMED else ""
    return "; ".join(unlike[:MOST_NAMED]) + more


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

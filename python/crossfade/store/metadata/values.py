"""Types of fields, and single values: what they are, whether they may be stored, how messages show them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from enum import StrEnum

import numpy as np

from crossfade.errors import InvalidInput, LimitExceeded
from crossfade.store.metadata import dates
from crossfade.store.metadata.limits import INT64_MAX, INT64_MIN, MAX_FIELD_NAME_BYTES, MAX_STRING_BYTES

Scalar = str | int | float | bool
"""A single value in normal form: Python's own types; a date-time is an int of microseconds, see `dates`."""

Value = str | int | float | bool | list[str]
"""A value in normal form."""

_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_.-]{{0,{MAX_FIELD_NAME_BYTES - 1}}}")
_SHOWN = 60


class FieldType(StrEnum):
    """The one type that a field has in a collection."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATETIME = "datetime"
    STRINGS = "strings"


PYTHON_TYPES: dict[FieldType, type] = {
    FieldType.STRING: str,
    FieldType.INT: int,
    FieldType.FLOAT: float,
    FieldType.BOOL: bool,
    FieldType.DATETIME: int,
    FieldType.STRINGS: list,
}
"""Of values in normal form."""

NUMBER_BYTES = 8
"""Of an int, a float or a date-time, however it is kept."""

EXPECTED = {
    FieldType.STRING: "a string",
    FieldType.INT: "an int of 64 bits",
    FieldType.FLOAT: "a finite number",
    FieldType.BOOL: "true or false",
    FieldType.DATETIME: dates.EXPECTED,
    FieldType.STRINGS: "a list of strings",
}


def check_name(name: object) -> str:
    """The name of a field. Raises InvalidInput for what cannot be one."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return str.__str__(name)
    raise InvalidInput(
        f"field name {shown(name)} cannot be used: use 1 to {MAX_FIELD_NAME_BYTES} letters, digits, '_', '.' or '-', "
        "beginning with a letter or '_'"
    )


def scalar(value: object) -> Scalar | None:
    """`value` as Python's own str, bool, int or float, NumPy's scalars too; None for anything else.

    Raises InvalidInput for a string that is too long or no Unicode, an int beyond 64 bits, NaN and infinity. The
    message begins with what was found. Minus zero becomes zero: they are equal, and must be one key in a cache.
    """
    if isinstance(value, str):
        check_string(value)
        return str.__str__(value)  # of a subclass, an enum say, the text itself
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        number = int(value)
        if not INT64_MIN <= number <= INT64_MAX:
            raise InvalidInput(f"found {shown(number)}, beyond 64 bits: use a float, or a string if it is a name")
        return number
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            raise InvalidInput(
                f"found {float(value)}: a number must be finite; leave the field out where it is unknown"
            )
        if not math.isfinite(wide := float(value)):  # a long double beyond float64
            raise InvalidInput(f"found a number beyond float64: the greatest is {np.finfo(np.float64).max}")
        return wide + 0.0
    return None


def check_string(value: str) -> int:
    """The size of a string as UTF-8, in bytes. Raises InvalidInput when it is too long or no Unicode text."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput(
            f"found {shown(value)}, which holds a lone surrogate and cannot be written as UTF-8: mend the text"
        ) from None
    if size > MAX_STRING_BYTES:
        raise LimitExceeded(
            f"found a string of {size} bytes, the limit is {MAX_STRING_BYTES}: keep long text out of metadata"
        )
    return size


def moment(value: object) -> int | None:
    """A date-time's microseconds, of a str, `datetime` or `date`; None for anything else. Raises InvalidInput."""
    try:
        if isinstance(value, str):
            check_string(value)
            return dates.parse(value)
        return dates.of(value) if isinstance(value, date) else None
    except ValueError as error:
        raise InvalidInput(f"found {shown(value)}, expected {dates.EXPECTED}: {error}") from None


def shown(value: object) -> str:
    """`value` for a message: short, in one line, whatever it is."""
    if isinstance(value, str):
        text = value if len(value) <= _SHOWN else value[:_SHOWN] + "..."
        return json.dumps(text, ensure_ascii=not text.isprintable())  # no control, no change of direction, no surrogate
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        # Python refuses to write ints of thousands of digits.
        return str(int(value)) if value.bit_length() <= 128 else f"an int of {value.bit_length()} bits"
    if isinstance(value, float | date | np.generic):
        return str(value)[:_SHOWN]
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"a value of type {type(value).__name__}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """ "did you mean ...?" or the names there are, for the end of a message."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(shown(each) for each in near)}?"
    if not names:
        return "there are none yet"
    rest = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"there are {', '.join(shown(each) for each in names[:10])}{rest}"

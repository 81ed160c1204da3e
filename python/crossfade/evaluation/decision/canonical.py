"""One sequence of bytes for one JSON value, so that a hash or a signature means its content: RFC 8785 (JCS).

Keys are sorted by UTF-16 code units, there is no white space, text is UTF-8, and numbers are spelled as ECMAScript
spells them: the shortest digits that read back as the same double. Any language with a JCS library gives these bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crossfade.errors import InvalidInput

MOST_WHOLE = 2**53 - 1
"""The largest whole number that every reader of JSON takes exactly."""


def canonical_bytes(value: Any) -> bytes:
    """The one form of parsed JSON (dicts, lists, strings, numbers, booleans, None).

    Raises InvalidInput for NaN, an infinite number, a whole number that no double holds exactly, half a surrogate pair,
    or a value that JSON has no form for.
    """
    try:
        return "".join(_parts(value)).encode()
    except UnicodeEncodeError:
        raise InvalidInput("a text holds half a surrogate pair: it has no canonical form") from None


def _parts(value: Any) -> Iterator[str]:
    if value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, str):
        yield json.dumps(value, ensure_ascii=False)
    elif isinstance(value, int):
        yield str(value) if abs(value) <= MOST_WHOLE else _large(value)
    elif isinstance(value, float):
        yield _number(value)
    elif isinstance(value, Mapping):
        yield "{"
        # Surrogates sort before U+E000 to U+FFFF in UTF-16, and after them as code points.
        for place, key in enumerate(sorted(value, key=_utf16)):
            yield f"{',' if place else ''}{json.dumps(key, ensure_ascii=False)}:"
            yield from _parts(value[key])
        yield "}"
    elif isinstance(value, Sequence):
        yield "["
        for place, item in enumerate(value):
            if place:
                yield ","
            yield from _parts(item)
        yield "]"
    else:
        raise InvalidInput(f"{type(value).__name__} has no form in JSON")


def _large(value: int) -> str:
    """A double that was spelled without a point reads back as an int, and is one number still."""
    if abs(value) < 10**21 and (spelled := _number(float(value))) == str(value):
        return spelled
    raise InvalidInput(f"a whole number beyond {MOST_WHOLE} (2**53 - 1) has no canonical form: readers would round it")


def _utf16(key: object) -> bytes:
    if not isinstance(key, str):
        raise InvalidInput(f"{key!r} is no key of a JSON object: expected a text")
    return key.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """As ECMAScript's Number::toString has it (ECMA-262, section 6.1.6.1.20)."""
    if not math.isfinite(value):
        raise InvalidInput(f"{value} has no form in JSON: expected a finite number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    # Python's repr gives the same digits: the shortest that read back as the same double.
    mantissa, _, power = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    # The value is 0.DIGITS times 10 to `point`.
    point = int(power or 0) + (len(whole) if whole != "0" else len(digits) - len(fraction))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    exponent = point - 1
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if exponent > 0 else '-'}{abs(exponent)}"

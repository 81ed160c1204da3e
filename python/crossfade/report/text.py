"""Text and figures as the page shows them.

Document text is somebody else's: it may hold control characters, half a surrogate pair, direction overrides or a
megabyte without a space. `clean` makes it printable and bounded; escaping is the template engine's and happens after.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

# What no reader could see or no encoder writes: controls, half surrogate pairs, two non-characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# Embeddings, overrides and isolates: one would turn round what stands beside it in a tooltip, which has no fences.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_WINDOW = 4  # characters looked at for each byte shown: enough for a text that is mostly white space
MINUS = "\u2212"


def clean(text: str, limit: int) -> str:
    """`text` on one line, printable, at most `limit` bytes of escaped UTF-8; an ellipsis says that it was cut.

    Bytes and not characters, so that the size of a page is bounded in every script and whatever must be escaped.
    """
    window = _UNPRINTABLE.sub("\ufffd", _DIRECTION.sub("", text[: limit * _WINDOW]))
    line = " ".join(window.split())  # and with it tab, line feed, form feed, carriage return, next line
    if len(text) <= limit * _WINDOW and _cost(line) <= limit:
        return line
    return _cut(line, limit - len("…".encode())) + "…"


def _cost(text: str) -> int:
    return len(escape(text).encode())


def _cut(text: str, limit: int) -> str:
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if _cost(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    cut = text[:low]
    if low == len(text):
        return cut.rstrip()
    space = cut.rfind(" ", low // 2)
    return (cut[:space] if space > 0 else cut).rstrip()


def value(number: float) -> str:
    """A measure: three decimals; nothing has no sign."""
    shown = f"{number:.3f}"
    return "0.000" if shown == "-0.000" else shown.replace("-", MINUS)


def signed(number: float, decimals: int = 3) -> str:
    """A difference, its sign always there; one that rounds to nothing has none."""
    shown = f"{number:+.{decimals}f}"
    if float(shown) == 0:
        return shown[1:]
    return shown.replace("-", MINUS)


def interval(low: float, high: float) -> str:
    """An interval of a difference. Verdicts hang on which side of zero an end lies: where three decimals do not say,
    there are up to six.
    """
    return f"{_end(low)} to {_end(high)}"


def _end(number: float) -> str:
    decimals = next((most for most in range(3, 7) if float(f"{number:.{most}f}") != 0), 3)
    return signed(number, decimals)


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def score(number: float) -> str:
    """A similarity: cosine lies in [-1, 1], BM25 and squared distances anywhere."""
    return f"{number:.3f}" if abs(number) < 100 else f"{number:.4g}"


def milliseconds(number: float) -> str:
    """Three significant figures, never an exponent: 0.412, 3.81, 24.6, 1,240."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.{1 if number >= 10 else 2 if number >= 1 else 3}f}"


def percent_change(before: float, after: float) -> str | None:
    """How much `after` is more than `before`, in percent; None where there is nothing to compare with."""
    if before <= 0:
        return None
    change = 100 * (after - before) / before
    return f"{signed(change, 0 if abs(change) >= 9.95 else 1)}\u202f%"


def thousands(number: int) -> str:
    """`4,312`."""
    return f"{number:,}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 query`, `4,312 documents`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def sentence_list(items: list[str]) -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


FILTERS: dict[str, Callable[..., str | None]] = {
    "value": value,
    "thousands": thousands,
    "signed": signed,
    "interval": interval,
    "p_value": p_value,
    "score": score,
    "milliseconds": milliseconds,
}

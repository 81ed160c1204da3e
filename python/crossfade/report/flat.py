"""Settings of any depth as lines: `{"versions": {"numpy": "2.4"}}` is `versions numpy`, `2.4`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from crossfade.report.reader import Fields
from crossfade.report.text import clean

_MAX_SETTINGS, _MAX_DEPTH = 100, 4
_NAME, _LINE = 120, 300  # bytes


def flat(settings: Fields | None, name: str = "") -> dict[str, str]:
    """At most 100 lines; `name` stands before each."""
    return dict(islice(_lines(settings.values, name), _MAX_SETTINGS)) if settings else {}


def retrieval(found: Fields | None) -> dict[str, str]:
    """How queries were answered, as lines before the settings; what does not apply is left out. Older records are all
    of exact search by vectors."""
    said = {key: value for key, value in found.values.items() if value} if found else {"mode": "dense", "exact": True}
    return dict(islice(_lines(said, "retrieval"), _MAX_SETTINGS))


def _lines(value: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        for key, inner in value.items():
            yield from _lines(inner, f"{name} {str(key).replace('_', ' ')}".strip(), depth + 1)
        return
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value[:_MAX_SETTINGS]):
                yield clean(f"{name} {item.get('name', index + 1)}", _NAME), clean(_said(item), _LINE)
            return
        shown = ", ".join(_scalar(item) for item in value[:_LINE])
    else:
        shown = _scalar(value)
    yield clean(name, _NAME), clean(shown, _LINE)


def _said(item: Mapping[str, object]) -> str:
    """One object of a list on a line, without what says nothing."""
    return ", ".join(
        f"{str(key).replace('_', ' ')} {_scalar(value)}"
        for key, value in islice(item.items(), _MAX_SETTINGS)
        if key != "name" and value not in (None, "", 0, [], {})
    )


def _scalar(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

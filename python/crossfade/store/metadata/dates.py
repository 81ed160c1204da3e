"""Date-times as int64: microseconds since 1970-01-01T00:00:00Z, as POSIX counts them (no leap seconds)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)

EARLIEST = (date.min.toordinal() - _EPOCH_ORDINAL) * _DAY
LATEST = (date.max.toordinal() + 1 - _EPOCH_ORDINAL) * _DAY - 1

EXPECTED = 'a date ("2026-01-31") or an RFC 3339 date-time with its zone ("2026-01-31T09:30:00Z")'

# Not \d, which takes the digits of every script.
_PATTERN = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)


def parse(text: str) -> int:
    """The moment that an RFC 3339 date-time names, or midnight UTC of a date ("2026-01-31").

    Digits beyond the microsecond are cut off. A leap second (23:59:60 UTC at the end of a month) is the second that
    follows it, as in POSIX time. Raises ValueError, saying what is wrong, for all else: no zone, a day or a time that
    does not exist, a moment outside the years 0001 to 9999 of UTC.
    """
    found = _PATTERN.fullmatch(text)
    if not found:
        raise ValueError("it is not written so")
    day_text, hours, minutes, seconds, fraction, zone = found.groups()
    try:
        day = date.fromisoformat(day_text)
    except ValueError:
        raise ValueError("there is no such day") from None
    moment = (day.toordinal() - _EPOCH_ORDINAL) * _DAY
    if hours is None:
        return moment
    if zone is None:
        raise ValueError('it has no zone: add "Z" for UTC, or an offset such as "+02:00"')
    hour, minute, second = int(hours), int(minutes), int(seconds)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("there is no such time of day")
    moment += ((hour * 60 + minute) * 60 + second) * _SECOND - _offset(zone)
    if second == 60 and not _begins_a_month(moment):
        raise ValueError("a second 60 is only at 23:59 UTC on the last day of a month")
    return _checked(moment + int((fraction or "0")[:6].ljust(6, "0")))


def of(value: date) -> int:
    """The moment of a `datetime` with its zone, or midnight UTC of a `date`. Raises ValueError as `parse`."""
    if not isinstance(value, datetime):
        return (value.toordinal() - _EPOCH_ORDINAL) * _DAY
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("it has no zone: give it one, such as tzinfo=datetime.UTC")
    # Not astimezone, which overflows at either end of the calendar.
    return _checked((value.replace(tzinfo=None) - _EPOCH - offset) // timedelta(microseconds=1))


def when(moment: int) -> datetime:
    """As a `datetime` in UTC. The inverse of `of`."""
    return _EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=moment)


def text(moment: int) -> str:
    """RFC 3339 in UTC, with six digits of the second where it is not whole. The inverse of `parse`."""
    days, rest = divmod(moment, _DAY)
    seconds, microseconds = divmod(rest, _SECOND)
    minutes, second = divmod(seconds, 60)
    fraction = f".{microseconds:06}" if microseconds else ""
    day = date.fromordinal(days + _EPOCH_ORDINAL).isoformat()
    return f"{day}T{minutes // 60:02}:{minutes % 60:02}:{second:02}{fraction}Z"


def _offset(zone: str) -> int:
    if zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"there is no such offset as {zone}")
    return (hours * 60 + minutes) * 60 * _SECOND * (-1 if zone[0] == "-" else 1)


def _begins_a_month(moment: int) -> bool:
    days, rest = divmod(_checked(moment), _DAY)
    return rest == 0 and date.fromordinal(days + _EPOCH_ORDINAL).day == 1


def _checked(moment: int) -> int:
    if not EARLIEST <= moment <= LATEST:
        raise ValueError("it is outside the years 0001 to 9999 of UTC")
    return moment

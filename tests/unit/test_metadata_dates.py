"""Date-times: zones, leap seconds, both ends of the calendar, and what is none."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.store.metadata import dates

SECOND = 1_000_000
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("1970-01-02", 86_400 * SECOND),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T18:30:00-05:30", 0),
        ("1970-01-01t00:00:01z", SECOND),
        ("1970-01-01 00:00:01Z", SECOND),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T00:00:00.0000019Z", 1),  # cut off, not rounded
        ("1970-01-01T00:00:00." + "9" * 60 + "Z", 999_999),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * SECOND),
        ("2016-12-31T23:59:60.25Z", 1_483_228_800 * SECOND + 250_000),
        ("2017-01-01T05:29:60+05:30", 1_483_228_800 * SECOND),
        ("0001-01-01", dates.EARLIEST),
        ("0001-01-01T00:00:00Z", dates.EARLIEST),
        ("9999-12-31T23:59:59.999999Z", dates.LATEST),
        ("2024-02-29", 1_709_164_800 * SECOND),
    ],
)
def test_a_moment_is_read(text: str, expected: int) -> None:
    assert dates.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-01-01T00:00:00", "has no zone"),
        ("2026-02-29", "no such day"),
        ("0000-01-01", "no such day"),
        ("2026-13-01", "no such day"),
        ("2026-01-01T24:00:00Z", "no such time"),
        ("2026-01-01T00:60:00Z", "no such time"),
        ("2026-01-01T00:00:61Z", "no such time"),
        ("2026-01-01T00:00:60Z", "second 60"),
        ("2016-12-30T23:59:60Z", "second 60"),
        ("2016-12-31T23:59:60+01:00", "second 60"),
        ("9999-12-31T23:59:60Z", "outside the years"),
        ("0001-01-01T00:00:00+00:01", "outside the years"),
        ("9999-12-31T23:59:59-00:01", "outside the years"),
        ("2026-01-01T00:00:00+24:00", "no such offset"),
        ("2026-01-01T00:00:00+00:60", "no such offset"),
        ("2026-01-01T00:00:00+0100", "not written so"),
        ("2026-01-01T00:00Z", "not written so"),
        ("2026-01-01T", "not written so"),
        ("20260101", "not written so"),
        ("2026-W01-1", "not written so"),
        ("2026-01-01\n", "not written so"),
        ("٢٠٢٦-٠١-٠١", "not written so"),
        ("+2026-01-01", "not written so"),
        ("2026-01-01T00:00:00.Z", "not written so"),
        ("", "not written so"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        dates.parse(text)


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=ZONES))
@settings(deadline=None)
def test_python_agrees(value: datetime) -> None:
    expected = (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert dates.of(value) == expected
    assert dates.parse(value.isoformat()) == expected


@given(st.integers(dates.EARLIEST, dates.LATEST) | st.sampled_from([dates.EARLIEST, dates.LATEST, 0, -1]))
@settings(deadline=None)
def test_a_moment_is_written_and_read(moment: int) -> None:
    assert dates.parse(dates.text(moment)) == moment


@given(st.dates())
@settings(deadline=None)
def test_a_date_is_midnight(day: date) -> None:
    assert dates.of(day) == dates.parse(day.isoformat()) == dates.parse(f"{day.isoformat()}T00:00:00Z")


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{2}:[0-9]{2}|Z)"))
@settings(deadline=None)
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert dates.EARLIEST <= dates.parse(text) <= dates.LATEST


def test_a_datetime_at_the_calendars_ends() -> None:
    assert dates.of(datetime.min.replace(tzinfo=UTC)) == dates.EARLIEST
    assert dates.of(datetime.max.replace(tzinfo=UTC)) == dates.LATEST
    with pytest.raises(ValueError, match="outside the years"):
        dates.of(datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))
    with pytest.raises(ValueError, match="has no zone"):
        dates.of(datetime(2026, 1, 1))


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_a_moment_is_a_datetime_again(value: datetime) -> None:
    try:
        moment = dates.of(value)
    except ValueError:
        return  # outside the years that are kept
    assert dates.when(moment) == value.astimezone(UTC)
    assert dates.parse(dates.text(moment)) == moment


@pytest.mark.parametrize("moment", [dates.EARLIEST, dates.LATEST, 0, -1])
def test_the_ends_of_the_calendar_are_datetimes(moment: int) -> None:
    assert dates.of(dates.when(moment)) == moment

"""Moments: what the texts mean at one o'clock on Friday 20 November 2026 in a zone that puts its clocks back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.db.moment import show_ms, to_ms, when
from rhizomedb.errors import RequestError
from rhizomedb.facts.clock import MS_MAX

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 13, 25, 30, 250_000, tzinfo=BERLIN)
NOW_MS = int(NOW.timestamp() * 1000)

MEANT = [
    ("now", "2026-11-20 13:25:30.250"),
    ("  NOW ", "2026-11-20 13:25:30.250"),
    ("2 hours ago", "2026-11-20 11:25:30.250"),
    ("an hour ago", "2026-11-20 12:25:30.250"),
    ("a minute and 30 seconds ago", "2026-11-20 13:24:00.250"),
    ("1 hour, 25 minutes and 30 seconds ago", "2026-11-20 12:00:00.250"),
    ("2h 30m ago", "2026-11-20 10:55:30.250"),
    ("90s ago", "2026-11-20 13:24:00.250"),
    ("250 ms ago", "2026-11-20 13:25:30.000"),
    ("ten days ago", "2026-11-10 13:25:30.250"),
    ("3d ago", "2026-11-17 13:25:30.250"),
    ("a fortnight ago", "2026-11-06 13:25:30.250"),
    ("a month ago", "2026-10-20 13:25:30.250"),  # summer time: the clock says the same
    ("9 months ago", "2026-02-20 13:25:30.250"),
    ("2 years ago", "2024-11-20 13:25:30.250"),
    ("in 5 minutes", "2026-11-20 13:30:30.250"),
    ("today", "2026-11-20"),
    ("yesterday", "2026-11-19"),
    ("the day before yesterday", "2026-11-18"),
    ("tomorrow", "2026-11-21"),
    ("last tuesday", "2026-11-17"),
    ("Tuesday", "2026-11-17"),
    ("on tue", "2026-11-17"),
    ("last friday", "2026-11-13"),  # today is one
    ("thursday", "2026-11-19"),
    ("13:00", "2026-11-20 13:00"),
    ("9am", "2026-11-20 09:00"),
    ("12 am", "2026-11-20 00:00"),
    ("12:30pm", "2026-11-20 12:30"),
    ("yesterday 14:30", "2026-11-19 14:30"),
    ("yesterday at 14:30:05", "2026-11-19 14:30:05"),
    ("last tuesday at noon", "2026-11-17 12:00"),
    ("2026-11-01 at 9:00", "2026-11-01 09:00"),
    ("this week", "2026-11-16"),
    ("last week", "2026-11-09"),
    ("this month", "2026-11-01"),
    ("last month", "2026-10-01"),
    ("last year", "2025-01-01"),
    ("2026", "2026-01-01"),
    ("2026-03", "2026-03-01"),
    ("2026-11-01", "2026-11-01"),
    ("20261101", "2026-11-01"),
    ("2026-W45-7", "2026-11-08"),
    ("2026-11-01T12:00", "2026-11-01 12:00"),
    ("2026-11-01 12:00", "2026-11-01 12:00"),
    ("2026-11-01T12:00:05.250", "2026-11-01 12:00:05.250"),
    ("2026-07-01T12:00", "2026-07-01 12:00"),
    ("2026-11-01T12:00Z", "2026-11-01 13:00"),
    ("2026-11-01t12:00z", "2026-11-01 13:00"),
    ("2026-11-01T12:00-05:00", "2026-11-01 18:00"),
    (str(NOW_MS), "2026-11-20 13:25:30.250"),
]


@pytest.mark.parametrize(("text", "meant"), MEANT)
def test_meant(text: str, meant: str) -> None:
    moment = datetime.fromisoformat(meant).replace(tzinfo=BERLIN)
    assert when(text, NOW_MS, BERLIN) == round(moment.timestamp() * 1000)


ENDS = [
    ("yesterday", "2026-11-20"),
    ("last tuesday", "2026-11-18"),
    ("2026-11-01", "2026-11-02"),
    ("2026-10", "2026-11-01"),
    ("2026", "2027-01-01"),
    ("last week", "2026-11-16"),
    ("last month", "2026-11-01"),
    ("2026-10-25", "2026-10-26"),  # a day of 25 hours
]


@pytest.mark.parametrize(("text", "after"), ENDS)
def test_the_end_of_a_stretch(text: str, after: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=BERLIN)
    assert when(text, NOW_MS, BERLIN, edge="end") == int(moment.timestamp() * 1000) - 1
    assert when("now", NOW_MS, BERLIN, edge="end") == NOW_MS
    assert when("2026-11-01T12:00", NOW_MS, BERLIN, edge="end") == when("2026-11-01T12:00", NOW_MS, BERLIN)


def test_the_length_of_days() -> None:
    def hours(text: str) -> float:
        first, last = (when(text, NOW_MS, BERLIN, edge=edge) for edge in ("start", "end"))  # type: ignore[arg-type]
        return (last + 1 - first) / 3_600_000

    assert [hours(text) for text in ("2026-03-29", "2026-10-25", "2026-11-20")] == [23, 25, 24]


REFUSED = [
    "",
    " ",
    "soon",
    "ago",
    "hours ago",
    "2 parsecs ago",
    "last",
    "last decade",
    "25:00",
    "13pm",
    "0am",
    "12:60",
    "yesterday at 25:00",
    "someday at 9:00",
    "2026-13",
    "2026-00",
    "2026-02-30",
    "2026-11-01T25:00",
    "1793534400",  # seconds
    "99999999 years ago",
    "999999999999999 days ago",
    "9" * 15,
    "9" * 400,
    "1900-01-01",
    "0001-01-01",
    "0000",
    "9999",
    "१२३",
    "x" * 1000,
    "a\0b",
    "\ud800",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    for edge in ("start", "end"):
        if text == "9999" and edge == "start":
            continue
        with pytest.raises(RequestError) as refused:
            when(text, NOW_MS, BERLIN, edge=edge)  # type: ignore[arg-type]
        assert refused.value.code == "db.time"
        assert refused.value.fix
        assert len(refused.value.message) < 200


def test_seconds_are_told() -> None:
    with pytest.raises(RequestError) as refused:
        when("1793534400", NOW_MS)
    assert refused.value.fix == "1793534400000"


PYTHON = [
    (NOW_MS, NOW_MS),
    (NOW_MS / 1000, NOW_MS),
    (0, 0),
    (NOW, NOW_MS),
    (NOW.astimezone(UTC), NOW_MS),
    (NOW.replace(tzinfo=None), NOW_MS),
    (date(2026, 11, 20), NOW_MS - (13 * 3600 + 25 * 60 + 30) * 1000 - 250),
    ("now", NOW_MS),
]


@pytest.mark.parametrize(("moment", "ms"), PYTHON)
def test_moments_from_python(moment: Any, ms: int) -> None:
    assert to_ms(moment, NOW_MS, BERLIN) == ms


@pytest.mark.parametrize("moment", [-1, 2**48, float("nan"), float("inf"), None, [], b"now", 1e300, datetime(1, 1, 1)])
def test_moments_from_python_refused(moment: Any) -> None:
    with pytest.raises(RequestError) as refused:
        to_ms(moment, NOW_MS, BERLIN)
    assert refused.value.code == "db.time"


def test_shown() -> None:
    assert show_ms(NOW_MS, BERLIN) == "2026-11-20 13:25"
    assert show_ms(NOW_MS, UTC, zone=True) == "2026-11-20T12:25:30.250+00:00"
    assert show_ms(0, UTC) == "1970-01-01 00:00"
    assert show_ms(MS_MAX, UTC) == f"{MS_MAX} ms"  # the year 10889


zones = st.sampled_from([UTC, BERLIN, ZoneInfo("Australia/Lord_Howe"), timezone(timedelta(hours=-11))])


@given(st.integers(0, 253_000_000_000_000), zones)
def test_what_is_shown_is_read(ms: int, zone: Any) -> None:
    assert when(show_ms(ms, zone, zone=True), NOW_MS, zone) == ms


@given(st.integers(10**10, MS_MAX))
def test_milliseconds_are_read(ms: int) -> None:
    assert when(str(ms), NOW_MS, UTC) == ms


UNITS = ["days", "hours", "week", "month", "tuesday", "at", "9:00", "9am", "now", "2026-11-01"]
words = st.sampled_from(["last", "this", "on", "in", "ago", "a", "2", "12", ",", "and", *UNITS])


@given(
    st.one_of(st.text(), st.lists(words, max_size=6).map(" ".join), st.text("0123456789-:TZ+. W", max_size=30)), zones
)
def test_any_text(text: str, zone: Any) -> None:
    try:
        first = when(text, NOW_MS, zone)
        last = when(text, NOW_MS, zone, edge="end")
    except RequestError:
        return
    assert 0 <= first <= last <= MS_MAX

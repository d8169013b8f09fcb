"""Moments: the times that people write, as milliseconds since 1970.

    now                              2026-11-01                  2 hours ago
    today, yesterday, tomorrow       2026-11-01T12:00            an hour and 30 minutes ago
    tuesday, last tuesday            2026-11-01 12:00:05.250     3d ago, in 5 minutes
    yesterday at 14:30, 14:30        2026-11-01T12:00+02:00      last week, last month
    2026, 2026-11                    2026-11-01T12:00Z           1793534400000

A time without a zone is local. A weekday is the latest one before today. A day, a month or a year is a stretch of
time: its start, or with `edge="end"` its last millisecond, which is what "as of yesterday" asks for, since that should
know what was said yesterday. A number of hours or less counts elapsed time; days and more count on the calendar, so
"a month ago" is the same day at the same time of day, or the last day of a shorter month.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal, TypeAlias

from rhizomedb.errors import RequestError
from rhizomedb.facts.clock import MS_MAX

Edge: TypeAlias = Literal["start", "end"]

EXAMPLES: Final = 'now, "2 hours ago", yesterday, "last tuesday", 2026-11-01, 2026-11-01T12:00, 2026-11-01T12:00Z'

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_MS: Final = {"millisecond": 1, "second": 1_000, "minute": 60_000, "hour": 3_600_000}
_DAYS: Final = {"day": 1, "week": 7, "fortnight": 14}
_MONTHS: Final = {"month": 1, "year": 12}
_SHORT: Final = {
    "ms": "millisecond", "s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour",
    "d": "day", "w": "week", "wk": "week", "mo": "month", "mon": "month", "y": "year", "yr": "year",
}  # fmt: skip
_UNITS: Final = {unit: unit for unit in (*_MS, *_DAYS, *_MONTHS)} | _SHORT
_NUMBERS: Final = {
    word: number
    for number, word in enumerate(("a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1)
} | {"an": 1, "one": 1}

_AMOUNT: Final = re.compile(r"(\d{1,15}|[a-z]+)\s*([a-z]+)")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*(am|pm)?|(\d{1,2})\s*(am|pm)")
_DAY_AND_CLOCK: Final = re.compile(r"(.+?)\s+(?:at\s+)?(noon|\d{1,2}(?::\d{2}\S*)?\s*(?:am|pm)?)")


def when(text: str, now_ms: int, tz: tzinfo | None = None, *, edge: Edge = "start") -> int:
    """The moment that a text means, in milliseconds since 1970.

    `tz` is the zone of times that name none: the computer's own if it is not given. `edge` says which end of a day, a
    month or a year stands for it.
    """
    try:
        ms = _read(text.strip(), now_ms, tz, edge)
    except (OverflowError, ValueError, OSError):
        raise _refused(text, "is outside the years that can be counted") from None
    if ms is None:
        raise _refused(text, "is not a time")
    if not 0 <= ms <= MS_MAX:
        raise _refused(text, "is outside the times that a database can hold (1970 to 10889)")
    return ms


def to_ms(moment: int | float | str | date, now_ms: int, tz: tzinfo | None = None, *, edge: Edge = "start") -> int:
    """A moment given from Python: a text as in `when`, milliseconds, a float of seconds (`time.time()`), a datetime."""
    try:
        if isinstance(moment, datetime):
            ms = _Calendar(now_ms, tz, edge).ms(moment)
        elif isinstance(moment, str | date):
            return when(str(moment), now_ms, tz, edge=edge)
        else:
            ms = int(moment * 1000) if isinstance(moment, float) else int(moment)
    except (OverflowError, TypeError, ValueError):
        raise _refused(repr(moment), "is not a time") from None
    if not 0 <= ms <= MS_MAX:
        raise _refused(repr(moment), "is outside the times that a database can hold (1970 to 10889)")
    return ms


def show_ms(ms: int, tz: tzinfo | None = None, *, zone: bool = False) -> str:
    """A moment in local time: `2026-11-20 13:25`, or exactly, with its zone: `2026-11-20T13:25:07.250+00:00`."""
    try:
        moment = (_EPOCH + timedelta(milliseconds=ms)).astimezone(tz)
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"  # past the year 9999
    return moment.isoformat(timespec="milliseconds") if zone else moment.strftime("%Y-%m-%d %H:%M")


def _read(text: str, now_ms: int, tz: tzinfo | None, edge: Edge) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) not in (4, 8):
        return _milliseconds(text)
    calendar = _Calendar(now_ms, tz, edge)
    words = " ".join(text.lower().split())
    if words in ("now", "just now"):
        return now_ms
    for read in (calendar.iso, calendar.elapsed, calendar.day, calendar.stretch, calendar.day_and_clock):
        ms = read(text if read == calendar.iso else words)
        if ms is not None:
            return ms
    return None


def _milliseconds(digits: str) -> int:
    if len(digits) == 10:
        raise _refused(digits, "looks like seconds; times are milliseconds", f"{digits}000")
    return int(digits) if len(digits) <= 15 else MS_MAX + 1


def _refused(text: str, reason: str, fix: str = EXAMPLES) -> RequestError:
    shown = text if len(text) <= 60 else text[:59] + "…"
    return RequestError("db.time", f"{shown!r} {reason}", fix=fix)


class _Calendar:
    """The calendar as seen from a moment in a zone. Each reader gives `None` for a text that is not of its kind."""

    def __init__(self, now_ms: int, tz: tzinfo | None, edge: Edge) -> None:
        self._now_ms = now_ms
        self._tz = tz
        self._end = edge == "end"
        # naive where the zone is the computer's own: Python then reads its rules for each date
        self._now = (_EPOCH + timedelta(milliseconds=now_ms)).astimezone(tz)
        self._now = self._now.replace(tzinfo=None)
        self._today = self._now.date()

    def iso(self, text: str) -> int | None:
        """A date, or a date and a time, as ISO 8601 writes them; a year; a month."""
        if match := re.fullmatch(r"(\d{4})(?:-(\d{2}))?", text):
            year, month = int(match[1]), int(match[2] or 0)
            if not MINYEAR <= year < MAXYEAR or month > 12 or match[2] == "00":
                return None
            return self._span(date(year, month or 1, 1), _later(date(year, month or 1, 1), 1 if month else 12))
        try:
            if len(text) <= 10 and ":" not in text:
                return self._whole_day(date.fromisoformat(text))
            return self.ms(datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "zZ" else text))
        except ValueError:
            return None

    def elapsed(self, words: str) -> int | None:
        """`2 hours ago`, `an hour and 30 minutes ago`, `in 3 days`."""
        if words.endswith(" ago"):
            sign, amounts = -1, words.removesuffix(" ago")
        elif words.startswith("in "):
            sign, amounts = 1, words.removeprefix("in ")
        else:
            return None
        months = days = ms = 0
        for amount in re.split(r"\s*(?:,|\band\b)\s*|(?<=[a-z])\s+(?=\d)", amounts):
            match = _AMOUNT.fullmatch(amount)
            unit = _unit(match[2]) if match else None
            number = None if match is None else int(match[1]) if match[1].isdecimal() else _NUMBERS.get(match[1])
            if unit is None or number is None:
                return None
            months += number * _MONTHS.get(unit, 0)
            days += number * _DAYS.get(unit, 0)
            ms += number * _MS.get(unit, 0)
        if not months and not days:
            return self._now_ms + sign * ms
        there = datetime.combine(_later(self._today, sign * months), self._now.time()) + timedelta(days=sign * days)
        return self.ms(there) + sign * ms

    def day(self, words: str) -> int | None:
        """`today`, `yesterday`, `last tuesday`."""
        day = self._named_day(words)
        return None if day is None else self._whole_day(day)

    def stretch(self, words: str) -> int | None:
        """`last week`, `this month`, `last year`: calendar stretches; a week begins on Monday."""
        match = re.fullmatch(r"(this|last) (week|month|year)", words)
        if match is None:
            return None
        back = -1 if match[1] == "last" else 0
        if match[2] == "week":
            first = self._today + timedelta(days=7 * back - self._today.weekday())
            return self._span(first, first + timedelta(days=7))
        year = match[2] == "year"
        first = _later(self._today.replace(day=1, month=1 if year else self._today.month), back * (12 if year else 1))
        return self._span(first, _later(first, 12 if year else 1))

    def day_and_clock(self, words: str) -> int | None:
        """`14:30`, `yesterday 14:30`, `last tuesday at 9am`, `2026-11-01 at 9:00`."""
        clock = _clock(words)
        if clock is not None:
            return self.ms(datetime.combine(self._today, clock))
        match = _DAY_AND_CLOCK.fullmatch(words)
        clock = _clock(match[2]) if match else None
        if match is None or clock is None:
            return None
        day = self._named_day(match[1])
        if day is None:
            try:
                day = date.fromisoformat(match[1])
            except ValueError:
                return None
        return self.ms(datetime.combine(day, clock))

    def _named_day(self, words: str) -> date | None:
        offsets: dict[str, Callable[[], date]] = {
            "today": lambda: self._today,
            "yesterday": lambda: self._today - timedelta(days=1),
            "the day before yesterday": lambda: self._today - timedelta(days=2),
            "tomorrow": lambda: self._today + timedelta(days=1),
        }
        if words in offsets:
            return offsets[words]()
        name = re.sub(r"^(last|on) ", "", words)
        found = [number for number, day in enumerate(_WEEKDAYS) if name == day or (len(name) >= 3 and day[:3] == name)]
        if not found:
            return None
        return self._today - timedelta(days=(self._today.weekday() - found[0] - 1) % 7 + 1)

    def _whole_day(self, day: date) -> int:
        return self._span(day, day + timedelta(days=1))

    def _span(self, first: date, after: date) -> int:
        if self._end:
            return self.ms(datetime.combine(after, time())) - 1
        return self.ms(datetime.combine(first, time()))

    def ms(self, moment: datetime) -> int:
        """Milliseconds since 1970, rounded down; where clocks are put back, the first of the two."""
        if moment.tzinfo is None and self._tz is not None:
            moment = moment.replace(tzinfo=self._tz)
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def _unit(word: str) -> str | None:
    return _UNITS.get(word) or _UNITS.get(word.removesuffix("s"))


def _later(day: date, months: int) -> date:
    """The same day some months later or earlier, or the last day of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not MINYEAR <= year < MAXYEAR:
        raise OverflowError
    first = date(year, month + 1, 1)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return first.replace(day=min(day.day, last))


def _clock(words: str) -> time | None:
    """A time of day: `14:30`, `9:05:30`, `9am`."""
    if words == "noon":
        return time(12)
    match = _CLOCK.fullmatch(words)
    if match is None:
        return None
    hour, half = int(match[1] or match[6]), match[5] or match[7]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    minute, second = int(match[2] or 0), int(match[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return time(hour, minute, second, int((match[4] or "0").ljust(6, "0")))

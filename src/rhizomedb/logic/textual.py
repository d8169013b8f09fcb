"""What the built-in functions on text, bytes and times do. Each returns `None` where there is no result."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from rhizomedb.facts.value import VALUE_BYTES_MAX, Value
from rhizomedb.logic.syntax import show_value

PATTERN_CHARACTERS_MAX: Final = 1024
"""The longest pattern that `like` takes."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?\Z")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s?(Z|[+-]\d\d:\d\d)?)?\Z", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def number(text: str) -> Value | None:
    """The number that a text writes; with a fraction or an exponent it is a float."""
    text = text.strip()
    match = _NUMBER.match(text)
    if match is None:
        return None
    return float(text) if match[1] or match[2] else int(text)


def text(value: Value) -> str:
    """A value as a reader would write it, without quotes."""
    match value:
        case str():
            return value
        case bytes():
            return value.hex()
        case bool() | int() | float():
            return show_value(value)
        case _:
            return str(value)


def unhex(digits: str) -> bytes | None:
    """The bytes that hexadecimal digits write."""
    return bytes.fromhex(digits) if len(digits) % 2 == 0 and re.fullmatch(r"[0-9a-fA-F]*", digits) else None


def concat(*parts: str) -> str | None:
    """The texts joined, unless they are too long together."""
    return "".join(parts) if sum(map(len, parts)) <= VALUE_BYTES_MAX else None


def replace(whole: str, old: str, new: str) -> str | None:
    """Every `old` made `new`, unless that grows too long."""
    if not old:
        return whole
    size = len(whole) + whole.count(old) * (len(new) - len(old))
    return whole.replace(old, new) if size <= VALUE_BYTES_MAX else None


def slice_(whole: str | bytes, start: int, end: int | None = None) -> str | bytes:
    """From `start` to before `end`."""
    return whole[start:end]


def split_part(whole: str, separator: str, place: int) -> str | None:
    """One of the parts between separators."""
    if not separator or place == 0:
        return None
    parts = whole.split(separator)
    index = place - 1 if place > 0 else len(parts) + place
    return parts[index] if 0 <= index < len(parts) else None


def like(whole: str, pattern: str) -> bool | None:
    r"""Whether a pattern covers a text: `%` stands for any characters, `_` for one, `\` takes the next as it is.

    All positions in the pattern are followed at once as the bits of one integer, so the time is linear in the text
    whatever the pattern.
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        return None
    places = 0  # how many characters of the pattern must be matched one to one
    repeats = 0  # bit i: any characters may stand before place i
    anything = 0  # bit i: place i takes any one character
    wanted: dict[str, int] = {}  # bit i of a character: place i takes it
    escaped = False
    for character in pattern:
        if character == "\\" and not escaped:
            escaped = True
            continue
        if character == "%" and not escaped:
            repeats |= 1 << places
            continue
        if character == "_" and not escaped:
            anything |= 1 << places
        else:
            wanted[character] = wanted.get(character, 0) | 1 << places
        places += 1
        escaped = False
    reached = 1
    for character in whole:
        reached = (reached & (wanted.get(character, 0) | anything)) << 1 | (reached & repeats)
        if not reached:
            return False
    return bool(reached >> places & 1)


def time_ms(written: str) -> int | None:
    """Milliseconds since 1970 of an ISO 8601 date or time; UTC unless an offset is written."""
    match = _TIME.match(written.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    offset = match[8] or "Z"
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1) + int((match[7] or "0").ljust(3, "0")[:3])
    if offset == "Z":
        return milliseconds
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if hours > 23 or minutes > 59:
        return None
    shift = (hours * 60 + minutes) * 60_000
    return milliseconds - (shift if offset[0] == "+" else -shift)


def _moment(milliseconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def time_text(milliseconds: int) -> str | None:
    """A time as ISO 8601 in UTC, to the millisecond."""
    moment = _moment(milliseconds)
    return None if moment is None else moment.replace(tzinfo=None).isoformat("T", "milliseconds") + "Z"


def date(milliseconds: int) -> str | None:
    """The day of a time, in UTC."""
    moment = _moment(milliseconds)
    return None if moment is None else moment.date().isoformat()


def calendar(part: str) -> Callable[[int], int | None]:
    """A function that takes one part, such as the year, of a time in UTC."""

    def of(milliseconds: int) -> int | None:
        moment = _moment(milliseconds)
        return None if moment is None else int(getattr(moment, part))

    return of

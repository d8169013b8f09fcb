"""Primitive schemas: what a value must be to count as a property's, each a narrowing of a kind of value.

`integer.year` is a narrower `integer`. An interval narrows any kind of number, and of text its length in characters:
`integer[1888, 2100]`, `number(0, ]`, `string[1, 80]`; a round bracket leaves its end out, and an end that is not there is open.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid
from rhizomedb.hyper.pointer import Reference

YEAR_MIN, YEAR_MAX = 1800, 2100
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
EMAIL_CHARACTERS_MAX: Final = 320

END_MAX: Final = 2**63
"""How far an interval reaches."""

EXACT_MAX: Final = 2**53
"""Up to here whole numbers and floats are the same numbers."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From where to where a number, or the length of a text, may be. `None` is an open end."""

    low: int | float | None = None
    high: int | float | None = None
    takes_low: bool = True
    takes_high: bool = True

    def holds(self, number: Any) -> bool:
        """Whether a number is in it."""
        return (self.low is None or (number >= self.low if self.takes_low else number > self.low)) and (
            self.high is None or (number <= self.high if self.takes_high else number < self.high)
        )

    @property
    def is_empty(self) -> bool:
        """Whether no number at all can be in it."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and not (self.takes_low and self.takes_high))

    def __str__(self) -> str:
        low, high = ("" if end is None else f"{end!r}" for end in (self.low, self.high))
        return f"{'[' if self.takes_low else '('}{low}, {high}{']' if self.takes_high else ')'}"


@dataclass(frozen=True, slots=True)
class Primitive:
    """A kind of value under the name by which schemas call it. `holds` gets what a pointer points at."""

    name: str
    what: str
    holds: Callable[[Any], bool]

    def narrows(self, other: str) -> bool:
        """Whether every value of this is one of another, as far as the names say."""
        return self.name == other or self.name.startswith((f"{other}.", f"{other}[", f"{other}("))


def _is_integer(value: object) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _is_year(value: object) -> bool:
    return _is_integer(value) and YEAR_MIN <= value <= YEAR_MAX  # type: ignore[operator]  # an integer is a number


def _is_email(value: object) -> bool:
    return type(value) is str and len(value) <= EMAIL_CHARACTERS_MAX and bool(EMAIL.match(value))


def _is_time(value: object) -> bool:
    if type(value) is not str:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_date(value: object) -> bool:
    if type(value) is not str:
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_base64(value: object) -> bool:
    if type(value) is not str or not value.isascii():
        return False
    try:
        b64decode(value, validate=True)
    except NotBase64:
        return False
    return True


PRIMITIVES: Final[Mapping[str, Primitive]] = {
    each.name: each
    for each in (
        Primitive("string", "text", lambda value: type(value) is str),
        Primitive("string.email", "text that is an e-mail address", _is_email),
        Primitive("string.datetime", "text that is a date or time by ISO 8601", _is_time),
        Primitive("string.date", "text that is a date by ISO 8601", _is_date),
        Primitive("string.base64", "text that is bytes in base64", _is_base64),
        Primitive("integer", "a whole number", _is_integer),
        Primitive("integer.year", f"a year from {YEAR_MIN} to {YEAR_MAX}", _is_year),
        Primitive("number", "a number", _is_number),
        Primitive("boolean", "true or false", lambda value: type(value) is bool),
        Primitive("attachment", "the CID of an attachment", lambda value: type(value) is Cid),
        Primitive("thing", "a thing", lambda value: type(value) is Reference),
    )
}
"""Every primitive schema. Names that begin alike narrow: `integer.year` is an `integer`. Any but the last two may have an interval."""

_INTERVAL: Final = re.compile(
    r"(?P<kind>[a-z0-9.]+)(?P<low>[\[(])(?P<from>[^,]{0,40}),(?P<to>[^,]{0,40})(?P<high>[\])])\Z"
)
_WITHOUT: Final = frozenset({"boolean", "attachment", "thing"})


@lru_cache(maxsize=1_000)
def primitive(name: str) -> Primitive:
    """The primitive schema of a name, which may have an interval; `hyper.schema` if there is none."""
    found = PRIMITIVES.get(name)
    if found is not None:
        return found
    match = _INTERVAL.match(name) if isinstance(name, str) else None
    if match and match["kind"] in PRIMITIVES:
        low, high = (_end(name, match[end].strip()) for end in ("from", "to"))
        return within(PRIMITIVES[match["kind"]], Interval(low, high, match["low"] == "[", match["high"] == "]"))
    raise RequestError(
        "hyper.schema",
        f"there is no primitive schema {name!r:.60}",
        nearest=nearest_names(str(name), PRIMITIVES),
        fix=f"one of {', '.join(PRIMITIVES)}; with an interval: integer[1888, 2100]",
    )


def within(kind: Primitive, interval: Interval) -> Primitive:
    """A kind narrowed by an interval, under the one name that says so."""
    if interval == Interval():
        return kind
    interval = Interval(
        _checked(interval.low),
        _checked(interval.high),
        interval.takes_low or interval.low is None,
        interval.takes_high or interval.high is None,
    )
    root = kind.name.partition(".")[0]
    if kind.name in _WITHOUT or "," in kind.name:
        raise RequestError("hyper.schema", f"no interval narrows {kind.name}", fix="integer[1888, 2100]")
    if root in ("integer", "string"):  # of whole numbers there is one way to say each interval
        interval = _whole(interval)
    if interval.is_empty or (root == "string" and interval.high is not None and interval.high < 0):
        raise RequestError("hyper.schema", f"no value is in {kind.name}{interval}", fix=f"{kind.name}[1, 10]")
    if root == "string":
        what = f"{kind.what}, of {interval} characters"
        return Primitive(f"{kind.name}{interval}", what, lambda value: kind.holds(value) and interval.holds(len(value)))
    what = f"{kind.what} in {interval}"
    return Primitive(f"{kind.name}{interval}", what, lambda value: kind.holds(value) and interval.holds(value))


def _checked(end: Any) -> int | float | None:
    """An end that is a number, a whole one as an integer: there is one way to say each interval."""
    if end is None:
        return None
    if type(end) not in (int, float) or end - end != 0 or abs(end) > END_MAX:
        raise RequestError("hyper.schema", f"{end!r:.40} is no end of an interval", fix="integer[1888, 2100]")
    return int(end) if end == end // 1 and abs(end) <= EXACT_MAX else end


def _whole(interval: Interval) -> Interval:
    """The same interval of whole numbers, with both ends among them."""
    low, high = interval.low, interval.high
    if low is not None:
        low = -(-low // 1) if interval.takes_low else low // 1 + 1
    if high is not None:
        high = high // 1 if interval.takes_high else -(-high // 1) - 1
    return Interval(None if low is None else int(low), None if high is None else int(high))


def _end(name: str, text: str) -> int | float | None:
    if not text:
        return None
    try:
        number = int(text) if re.fullmatch(r"[+-]?\d{1,19}", text) else float(text)
    except ValueError:
        number = float("nan")
    if number - number != 0:
        raise RequestError("hyper.schema", f"{text!r:.40} in {name!r:.60} is no number", fix="integer[1888, 2100]")
    return number

"""Primitive schemas: what a value must be to count as a property's, each a narrowing of a kind of value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.cid import Cid

YEAR_MIN, YEAR_MAX = 1800, 2100
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
EMAIL_CHARACTERS_MAX: Final = 320


@dataclass(frozen=True, slots=True)
class Primitive:
    """A kind of value under the name by which schemas call it. `integer.year` is a narrower `integer`."""

    name: str
    what: str
    holds: Callable[[Any], bool]

    def narrows(self, other: str) -> bool:
        """Whether every value of this is one of another."""
        return self.name == other or self.name.startswith(f"{other}.")


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


PRIMITIVES: Final[Mapping[str, Primitive]] = {
    each.name: each
    for each in (
        Primitive("string", "text", lambda value: type(value) is str),
        Primitive("string.email", "text that is an e-mail address", _is_email),
        Primitive("string.datetime", "text that is a date or time by ISO 8601", _is_time),
        Primitive("integer", "a whole number", _is_integer),
        Primitive("integer.year", f"a year from {YEAR_MIN} to {YEAR_MAX}", _is_year),
        Primitive("number", "a number", _is_number),
        Primitive("boolean", "true or false", lambda value: type(value) is bool),
        Primitive("attachment", "the CID of an attachment", lambda value: type(value) is Cid),
    )
}
"""Every primitive schema. Names that begin alike narrow: `integer.year` is an `integer`."""


def primitive(name: str) -> Primitive:
    """The primitive schema of a name; `hyper.schema` if there is none."""
    found = PRIMITIVES.get(name)
    if found is None:
        raise RequestError(
            "hyper.schema",
            f"there is no primitive schema {name!r:.60}",
            nearest=nearest_names(str(name), PRIMITIVES),
            fix=f"one of {', '.join(PRIMITIVES)}",
        )
    return found

"""Kinds of cells: what a column of text holds, and the values that its cells stand for.

Every cell looks like one thing (an int, a float, a bool, text); a column's kind follows from the *set* of things its
cells look like, so neither the order of rows nor their number matters. `KINDS` is the whole rule. A number is written
as JSON writes it, a point may begin it or end it: `007` and `+1` are text, for they are names (zip codes, telephone
numbers) more often than numbers, and so are `NaN` and `inf`.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from rhizomedb.errors import ValueRefused
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, Value, check_value


class Seen(enum.Flag):
    """What the cells of a column look like."""

    NOTHING = 0
    BOOL = enum.auto()
    INT = enum.auto()
    """An integer that a float can hold exactly."""
    LONG = enum.auto()
    """An integer that fits in 64 bits, but not in a float."""
    HUGE = enum.auto()
    """A number that fits nowhere."""
    FLOAT = enum.auto()
    TEXT = enum.auto()


KINDS: Final = (
    (Seen.NOTHING, "text"),
    (Seen.BOOL, "bool"),
    (Seen.INT | Seen.LONG, "int"),
    (Seen.INT | Seen.FLOAT, "float"),
    (~Seen.NOTHING, "text"),
)
"""What a column may have been seen to hold, and the kind that it then is; the first line that covers it holds."""

EXACT_MAX: Final = 2**53

_INT: Final = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT: Final = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)

# Whole columns at once, each cell ended by NUL: a tenth of the time of looking at cells one by one. Possessive, so that
# a long column that does not match fails at once.
_ALL: Final = (
    (re.compile(r"(?:(?:-?(?:0|[1-9][0-9]{0,14}+))?+\0)*+"), Seen.INT),
    (re.compile(r"(?:(?:-?(?:0|[1-9][0-9]{0,14}+)\.[0-9]{1,15}+)?+\0)*+"), Seen.FLOAT),
    (re.compile(r"(?:(?:-?(?:0|[1-9][0-9]{0,14}+)(?:\.[0-9]{1,15}+)?+)?+\0)*+"), Seen.INT | Seen.FLOAT),
    (re.compile(r"(?:(?:true|false)?+\0)*+", re.IGNORECASE | re.ASCII), Seen.BOOL),
)

_COMMAS: Final = re.compile(r"(?:(?:-?[0-9]++(?:\.[0-9]{3})*+(?:,[0-9]++)?+)?+\0)*+")

_BOOLS: Final = {"true": True, "false": False}
_BOOLS_DECLARED: Final = {**_BOOLS, "yes": True, "no": False, "1": True, "0": False}


def look(cells: Sequence[str]) -> Seen:
    """What stripped cells, none of them with a NUL in it, look like; empty cells look like nothing."""
    joined = "\0".join(cells) + "\0"
    if len(joined) == len(cells):
        return Seen.NOTHING
    for pattern, seen in _ALL:
        if pattern.fullmatch(joined):
            return seen
    found = Seen.NOTHING
    for cell in set(cells):
        found |= look_at(cell)
        if Seen.TEXT in found:
            break
    return found


def are_numbers_with_commas(cells: Sequence[str]) -> bool:
    """Whether stripped cells are empty or numbers as many languages write them: `3,50`, `1.234,5`, `7`."""
    return _COMMAS.fullmatch("\0".join(cells) + "\0") is not None


def look_at(cell: str) -> Seen:
    """What one stripped cell looks like."""
    if not cell:
        return Seen.NOTHING
    if _INT.fullmatch(cell):
        if len(cell) > 20 or not INTEGER_MIN <= (number := int(cell)) <= INTEGER_MAX:
            return Seen.HUGE
        return Seen.INT if abs(number) <= EXACT_MAX else Seen.LONG
    if _FLOAT.fullmatch(cell):
        return Seen.FLOAT if math.isfinite(float(cell)) else Seen.HUGE
    return Seen.BOOL if cell.lower() in _BOOLS else Seen.TEXT


def kind_of(seen: Seen) -> str:
    """The kind of a column whose cells look like this."""
    return next(kind for covered, kind in KINDS if seen in covered)


def settle(seen: Seen, known: str | None, fits_known: bool) -> tuple[str, bool]:
    """The kind of a column, given what the database already holds under its name; and whether the two differ for good.

    `fits_known` says that every cell can be read as the known kind; it is asked only for bytes and CIDs.
    """
    kind = kind_of(seen)
    if known is None or known == kind:
        return kind, False
    if not seen or known == "text" or (known in ("bytes", "cid") and fits_known):
        return known, False
    if known == "float" and kind == "int" and Seen.LONG not in seen:
        return "float", False
    return kind, True


# Reading cells. The first table is for columns known to hold nothing else; the second refuses what does not fit.

CONVERT: Final[dict[str, Callable[[str], Value]]] = {
    "bool": lambda cell: _BOOLS[cell.lower()],
    "int": int,
    "float": lambda cell: float(cell) + 0.0,  # −0.0 + 0.0 is 0.0
    "text": str,
    "bytes": bytes.fromhex,
    "cid": Cid.parse,
}
"""Kind → the value of a stripped cell that is known to be of this kind."""


def parse_as(kind: str, cell: str) -> Value:
    """The value of a stripped cell of a declared kind; `ValueError` or `ValueRefused` if it is not of that kind.

    A declared kind is read more freely than a guessed one: `007` and `+7` are ints, `yes` and `0` are bools.
    """
    return check_value(_PARSERS[kind](cell))


def convert_as(kind: str, value: Value) -> Value:
    """A JSON value as a declared kind, if that loses nothing; `ValueError` or `ValueRefused` otherwise."""
    if type(value) is TYPES[kind]:
        return value
    if kind == "text" and not isinstance(value, bytes):
        return ("true" if value else "false") if isinstance(value, bool) else str(value)
    if kind == "float" and type(value) is int and abs(value) <= EXACT_MAX:
        return float(value)
    if kind == "int" and isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_MAX:
        return int(value)
    if isinstance(value, str):
        return parse_as(kind, value.strip())
    raise ValueError


def _number(pattern: re.Pattern[str], read: Callable[[str], Value]) -> Callable[[str], Value]:
    def parse(cell: str) -> Value:
        if not pattern.fullmatch(cell) or len(cell) > 400:
            raise ValueError
        return read(cell)

    return parse


def _hex(cell: str) -> bytes:
    if not cell.isalnum():  # fromhex allows blanks
        raise ValueError
    return bytes.fromhex(cell)


def _bool(cell: str) -> bool:
    if cell.lower() not in _BOOLS_DECLARED:
        raise ValueError
    return _BOOLS_DECLARED[cell.lower()]


_PARSERS: Final[dict[str, Callable[[str], Value]]] = {
    "bool": _bool,
    "int": _number(re.compile(r"[+-]?[0-9]+", re.ASCII), int),
    "float": _number(re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII), float),
    "text": str,
    "bytes": _hex,
    "cid": Cid.parse,
}

TYPES: Final[dict[str, type]] = {"bool": bool, "int": int, "float": float, "text": str, "bytes": bytes, "cid": Cid}
"""Kind → the Python type of its values."""

DECLARED_FORMS: Final = {
    "bool": "true or false",
    "int": "an int",
    "float": "a float",
    "text": "text",
    "bytes": "bytes in hexadecimal",
    "cid": "a CID",
}


def why_not(kind: str, column: str, shown: object, error: ValueError | ValueRefused) -> str:
    """A sentence for a cell that is not of the declared kind."""
    text = repr(shown) if len(repr(shown)) <= 60 else repr(shown)[:57] + "…"
    reason = f": {error.message}" if isinstance(error, ValueRefused) and error.code != "facts.cid-text" else ""
    return f"`{column}` is {text}, not {DECLARED_FORMS[kind]}{reason}"

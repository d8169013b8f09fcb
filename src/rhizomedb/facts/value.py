"""Values: what a fact can say, their limits, their total order, and what makes two of them the same.

A value is a bool, a signed 64-bit integer, a finite binary64 float, text, bytes or a CID (PomoDB 4.1.1). `1`,
`1.0`, `true` and `"1"` are four different values, although Python calls the first three equal. Inside the engine a
value therefore stands as its *exact* form, under which `==` and `hash` agree with the model; `plain` brings it back.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

from rhizomedb.errors import ValueRefused
from rhizomedb.facts.cid import Cid

Value: TypeAlias = bool | int | float | str | bytes | Cid
"""What the third part of a fact can be."""

Attribute: TypeAlias = int | float | str | bytes
"""What the second part of a fact can be."""

Entity: TypeAlias = bytes
"""What the first part of a fact is: 16 random bytes when minted, or derived from a key."""

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
VALUE_BYTES_MAX: Final = 256 * 1024
"""The longest text (as UTF-8) or bytes that a fact can hold."""

KIND_NAMES: Final = ("bool", "int", "float", "text", "bytes", "cid")
"""The kinds of value in the order in which values of different kinds sort."""


class Exact:
    """A bool or a float in its exact form: equal only to the same kind and value."""

    __slots__ = ("value",)

    def __init__(self, value: bool | float) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Exact and type(other.value) is type(self.value) and other.value == self.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def __repr__(self) -> str:
        return f"Exact({self.value!r})"


Cell: TypeAlias = int | str | bytes | Cid | Exact
"""A value as the engine holds it: `==` means the same kind and the same value."""

TRUE: Final = Exact(True)
FALSE: Final = Exact(False)


def exact(value: Value) -> Cell:
    """The form of a checked value under which Python's `==` is the model's."""
    kind = type(value)
    if kind is bool:
        return TRUE if value else FALSE
    if kind is float:
        return Exact(value)  # type: ignore[arg-type]  # kind says float
    return value  # type: ignore[return-value]  # neither a bool nor a float


def plain(cell: Cell) -> Value:
    """The value of a cell."""
    return cell.value if type(cell) is Exact else cell  # type: ignore[return-value]  # what is not Exact is a value


def kind_of(value: Value) -> int:
    """The place of a value's kind in `KIND_NAMES`."""
    return _KINDS[type(value)]


_KINDS: Final[dict[type, int]] = {bool: 0, int: 1, float: 2, str: 3, bytes: 4, Cid: 5}


def order(value: Value) -> tuple[int, Any]:
    """A sort key: by kind (in the order of `KIND_NAMES`), then value; text by code point, bytes and CIDs by byte."""
    kind = type(value)
    return (_KINDS[kind], bytes(value) if kind is Cid else value)  # type: ignore[arg-type]  # a Cid has __bytes__


def order_cell(cell: Cell) -> tuple[int, Any]:
    """The sort key of a cell: that of its value."""
    return order(plain(cell))


def check_value(value: object) -> Value:
    """The value to store for a Python object: −0.0 becomes 0.0, a subclass its plain kind; all else is refused."""
    kind = type(value)
    if kind is str:
        return check_text(value)  # type: ignore[arg-type]  # the test of `kind` above says so
    if kind is int:
        if not INTEGER_MIN <= value <= INTEGER_MAX:  # type: ignore[operator]  # the test of `kind` above says so
            bits = value.bit_length()  # type: ignore[attr-defined]  # the test of `kind` above says so
            shown = value if bits < 256 else f"an integer of {bits:,} bits"  # Python refuses to print very long ones
            raise ValueRefused(
                "facts.integer-range", f"{shown} does not fit in 64 bits", fix="store it as text, or as two values"
            )
        return value  # type: ignore[return-value]  # the test of `kind` above says so
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # the test of `kind` above says so
            raise ValueRefused(
                "facts.float-not-finite", f"{value} cannot be stored", fix="leave the fact out, or say it as text"
            )
        return value + 0.0  # type: ignore[operator]  # −0.0 + 0.0 is 0.0
    if kind is bool or kind is Cid:
        return value  # type: ignore[return-value]  # the test of `kind` above says so
    if kind is bytes:
        if len(value) > VALUE_BYTES_MAX:  # type: ignore[arg-type]  # the test of `kind` above says so
            raise _too_long("bytes", len(value))  # type: ignore[arg-type]  # the test of `kind` above says so
        return value  # type: ignore[return-value]  # the test of `kind` above says so
    if value is None:
        raise ValueRefused(
            "facts.null-value", "null is not a value", fix="leave the fact out, or retract what was said"
        )
    if isinstance(value, str):  # an enum or another subclass becomes its plain kind; str() would give the enum's name
        return check_value(str.__str__(value))
    for base in (int, float, bytes):
        if isinstance(value, base):
            return check_value(base(value))  # type: ignore[arg-type]  # each takes itself
    if isinstance(value, bytearray | memoryview):
        return check_value(bytes(value))
    name = type(value).__name__
    fixes = {
        **dict.fromkeys(("date", "datetime", "time"), "store its text: value.isoformat()"),
        "Decimal": "store float(value), or str(value) to keep every digit",
        **dict.fromkeys(("set", "frozenset"), "say several values as several facts"),
        **dict.fromkeys(("list", "tuple"), "say several values as several facts, or db.doc(entity)[attribute] = [...]"),
        "dict": "say each entry as a fact of its own, or db.doc(entity)[attribute] = {...}",
    }
    fix = fixes.get(name, "use bool, int, float, text, bytes or a Cid")
    raise ValueRefused("facts.value-type", f"{name} is not a kind of value", fix=fix)


def check_attribute(attribute: object) -> Attribute:
    """The attribute to store for a Python object: int, float, text or bytes."""
    if isinstance(attribute, bool | Cid) or attribute is None:
        raise ValueRefused(
            "facts.attribute-type",
            f"{type(attribute).__name__} cannot be an attribute",
            fix='use text such as "runtime"; int, float and bytes are allowed too',
        )
    try:
        return check_value(attribute)  # type: ignore[return-value]  # bool and Cid are refused above
    except ValueRefused as error:
        if error.code != "facts.value-type":
            raise
        raise ValueRefused(
            "facts.attribute-type",
            f"{type(attribute).__name__} cannot be an attribute",
            fix='use text such as "runtime"; int, float and bytes are allowed too',
        ) from None


def check_entity(entity: object) -> Entity:
    """The entity to store for a Python object: bytes of any length up to the limit (I2; 16 when minted)."""
    if isinstance(entity, bytes | bytearray | memoryview):
        entity = bytes(entity)
        if len(entity) > VALUE_BYTES_MAX:
            raise _too_long("entity", len(entity))
        return entity
    raise ValueRefused(
        "facts.entity-type",
        f"an entity is bytes, not {type(entity).__name__}",
        fix='rhizomedb.entity(title="The Matrix") derives one from a key, rhizomedb.new_entity() mints one',
    )


def check_text(text: str) -> str:
    """The text itself, if it can be written as UTF-8 within the limit."""
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueRefused(
            "facts.text-not-utf8",
            f"the text holds a lone surrogate at character {error.start}",
            fix="store it as bytes",
        ) from None
    if size > VALUE_BYTES_MAX:
        raise _too_long("text", size)
    return text


def _too_long(what: str, size: int) -> ValueRefused:
    return ValueRefused(
        "facts.value-size",
        f"{what} of {size:,} bytes is over the limit of {VALUE_BYTES_MAX:,}",
        fix="split it over several facts, or keep the file elsewhere and store its hash",
    )

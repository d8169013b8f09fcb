"""Keys: the form in which cells are numbered and sorted. The order of keys, byte by byte, is the order of values.

A key is one byte for the kind (its place in `KIND_NAMES`) and then: a byte for a bool; eight bytes, the sign turned,
for an int; the bits, turned so that they sort, for a float; the UTF-8 of a text; bytes and CIDs as they are.
"""

from __future__ import annotations

from operator import ge, gt, le, lt
from struct import Struct
from struct import error as StructError
from typing import Final

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import FALSE, TRUE, Cell, exact

BOOL, INT, FLOAT, TEXT, BYTES, LINK = range(6)
"""The first byte of a key; as in `facts.value.KIND_NAMES`."""

BYTES_HEAD: Final = bytes((BYTES,))
TEXT_HEAD: Final = bytes((TEXT,))
LINK_HEAD: Final = bytes((LINK,))

_ORDERINGS: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}
_INT: Final = Struct(">BQ")
_FLOAT: Final = Struct(">Bd")
_SIGN: Final = 1 << 63
_ALL: Final = (1 << 64) - 1


def key_of(cell: Cell) -> bytes:
    """The key of a cell."""
    kind = type(cell)
    if kind is str:
        return TEXT_HEAD + cell.encode()  # type: ignore[union-attr]  # the test of `kind` says so
    if kind is int:
        return _INT.pack(INT, cell + _SIGN)  # type: ignore[operator]  # the test of `kind` says so
    if kind is bytes:
        return BYTES_HEAD + cell  # type: ignore[operator]  # the test of `kind` says so
    if kind is Cid:
        return LINK_HEAD + bytes(cell)  # type: ignore[arg-type]  # the test of `kind` says so
    value = cell.value  # type: ignore[union-attr]  # what is left is Exact
    if type(value) is bool:
        return bytes((BOOL, value))
    bits = int.from_bytes(_FLOAT.pack(FLOAT, value)[1:], "big")
    return _INT.pack(FLOAT, bits ^ (_ALL if bits & _SIGN else _SIGN))


def are_ordered(comparison: str, left: bytes, right: bytes) -> bool:
    """Whether the values of two keys are of one kind, and the first `<`, `<=`, `>` or `>=` the second."""
    return left[0] == right[0] and _ORDERINGS[comparison](left, right)


def cell_of(key: bytes) -> Cell:
    """The cell of a key. What is no key is a `ValueError`."""
    try:
        kind = key[0]
        if kind == TEXT:
            return str(key[1:], "utf-8")
        if kind == BYTES:
            return key[1:]
        if kind == INT:
            number: int = _INT.unpack(key)[1]
            return number - _SIGN
        if kind == FLOAT:
            bits = _INT.unpack(key)[1]
            bits ^= _SIGN if bits & _SIGN else _ALL
            return exact(float(_FLOAT.unpack(bytes((FLOAT,)) + bits.to_bytes(8, "big"))[1]))
        if kind == LINK:
            return Cid(key[1:])
        if kind == BOOL:
            return (FALSE, TRUE)[key[1]]
    except (IndexError, StructError) as error:
        raise ValueError(f"no key of a value: {key[:16].hex()}") from error
    raise ValueError(f"no key of a value: {key[:16].hex()}")

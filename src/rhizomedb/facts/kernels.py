"""Many facts at once, as bytes and columns: the plain Python twins of `native/src/codec.rs`.

A batch ends before the first fact that is *unusual*: one that is wrong, that links to a block of another codec or hash, or
that is written from objects of other types than the plain ones. The caller handles that one by itself, through
`fact.py`, which decides and explains, and goes on behind it. So nothing here refuses anything, and both twins end at
the same fact.

The *spans* of facts are five numbers each, as 32 bits, little-endian: where the fact begins, its attribute, its value, its
causes, and where it ends. Their *digests* are the SHA2-256 of their blocks, 32 bytes each.
"""

from __future__ import annotations

from hashlib import sha256
from math import isfinite
from struct import Struct, pack
from typing import Any, Final

from rhizomedb.errors import ValueRefused
from rhizomedb.facts import codec
from rhizomedb.facts.cid import CID_BYTES, PREFIX, Cid
from rhizomedb.facts.codec import BYTES_HEADS, TEXT_HEADS
from rhizomedb.facts.fact import CAUSES_MAX, LINK, SMALL_INTS
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, VALUE_BYTES_MAX

DIGEST_BYTES: Final = 32
SPAN_BYTES: Final = 20
STRETCH_BYTES_MAX: Final = 2**32 - 1
"""What a number of 32 bits can point into."""


def has_repeats(digests: bytes) -> bool:
    """Whether one digest is there twice."""
    starts = range(0, len(digests), DIGEST_BYTES)
    return len({digests[start : start + DIGEST_BYTES] for start in starts}) != len(starts)


def shift_spans(spans: bytes, by: int) -> bytes:
    """The spans of the same facts so many bytes further on, or, below 0, back."""
    # As one long number, in which nothing is carried: each sum is an offset of 32 bits again.
    step = int.from_bytes(pack("<I", abs(by)) * (len(spans) // 4), "little")
    number = int.from_bytes(spans, "little")
    return (number + step if by >= 0 else number - step).to_bytes(len(spans), "little")


# -- reading -----------------------------------------------------------------------------------------------------------


def scan_facts(data: bytes, at: int, count: int) -> tuple[int, int, bytes, bytes]:
    """Read the facts that begin at an offset, at most `count`, up to the first that is unusual.

    Gives how many were read, where the next one begins, their spans and their digests.
    """
    spans: list[int] = []
    digests: list[bytes] = []
    if len(data) > STRETCH_BYTES_MAX:
        count = 0
    try:
        for _ in range(count):
            # A slice past the end is short; then the next `data[…]` raises IndexError. The causes check for themselves.
            first = data[at + 1]
            if data[at] != 0x84:
                break
            attribute = at + first - 0x3E if 0x40 <= first < 0x58 else _end_of_entity(data, at + 1)
            first = data[attribute]
            if 0x60 <= first < 0x78:
                value = attribute + first - 0x5F
                text = data[attribute + 1 : value]
                if not text.isascii():
                    text.decode()
            else:
                value = _end_of_scalar(data, attribute)
            first = data[value]
            if first < 0x18:
                causes = value + 1
            elif 0x60 <= first < 0x78:
                causes = value + first - 0x5F
                text = data[value + 1 : causes]
                if not text.isascii():
                    text.decode()
            elif first == 0x18 and data[value + 1] >= 24:
                causes = value + 2
            elif first == 0x19 and data[value + 1]:  # else the number would be less than 256
                causes = value + 3
            else:
                causes = _end_of_value(data, value)
            end = causes + 1 if data[causes] == 0x80 else _end_of_causes(data, causes)
            digests.append(sha256(data[at:end]).digest())
            spans += (at, attribute, value, causes, end)
            at = end
    except (_Unusual, IndexError, UnicodeDecodeError):
        pass
    return len(digests), at, pack(f"<{len(spans)}I", *spans), b"".join(digests)


class _Unusual(Exception):
    """The fact is left to the caller. It never leaves this module."""


def _end_of_entity(data: bytes, at: int) -> int:
    major, size, at = _read_head(data, at)
    if major != codec.BYTES:
        raise _Unusual
    return _end_of_string(data, at, size)


def _end_of_scalar(data: bytes, at: int) -> int:
    """Where an int, float, text or byte string ends that begins at an offset."""
    if data[at] == 0xFB:
        number = _FLOAT.unpack(data[at + 1 : at + 9])[0] if at + 9 <= len(data) else 0.0
        if not isfinite(number) or (number == 0.0 and data[at + 1]):  # the last is −0.0
            raise _Unusual
        return at + 9
    major, number, at = _read_head(data, at)
    if major in (codec.UNSIGNED, codec.NEGATIVE):
        if number > INTEGER_MAX:
            raise _Unusual
        return at
    if major not in (codec.BYTES, codec.TEXT):
        raise _Unusual
    end = _end_of_string(data, at, number)
    if major == codec.TEXT:
        data[at:end].decode()
    return end


def _end_of_value(data: bytes, at: int) -> int:
    first = data[at]
    if first in (0xF4, 0xF5):
        return at + 1
    if first == 0xD8:
        return _end_of_link(data, at)
    return _end_of_scalar(data, at)


def _end_of_causes(data: bytes, at: int) -> int:
    major, count, at = _read_head(data, at)
    if major != codec.LIST or count > CAUSES_MAX:
        raise _Unusual
    last = b""
    for _ in range(count):
        end = _end_of_link(data, at)
        link = data[at:end]
        if link <= last:
            raise _Unusual
        last, at = link, end
    return at


def _end_of_link(data: bytes, at: int) -> int:
    end = at + len(LINK) + DIGEST_BYTES
    if end > len(data) or not data.startswith(LINK, at):
        raise _Unusual
    return end


def _end_of_string(data: bytes, at: int, size: int) -> int:
    if size > VALUE_BYTES_MAX or size > len(data) - at:
        raise _Unusual
    return at + size


def _read_head(data: bytes, at: int) -> tuple[int, int, int]:
    try:
        return codec.read_head(data, at)
    except ValueRefused:
        raise _Unusual from None


_FLOAT: Final = Struct(">d")


# -- writing -----------------------------------------------------------------------------------------------------------


def encode_facts(
    entities: list[Any], attributes: list[Any], values: list[Any], causes: list[Any] | None, at: int
) -> tuple[bytes, bytes, bytes, int]:
    """Write the facts of columns from a row on, up to the first that is unusual.

    Gives their bytes, their spans in these, their digests, and how many they are.
    """
    blocks: list[bytes] = []
    digests: list[bytes] = []
    spans: list[int] = []
    known: dict[str, bytes] = {}  # columns have few attributes and many rows
    start = 0
    try:
        for row in range(at, len(entities)):
            entity, said = entities[row], values[row]
            if type(entity) is not bytes or (size := len(entity)) > VALUE_BYTES_MAX:
                break
            entity_head = BYTES_HEADS[size] if size < 256 else codec.head(codec.BYTES, size)

            attribute = attributes[row]
            attribute_bytes = known.get(attribute) if type(attribute) is str else None
            if attribute_bytes is None:
                attribute_bytes = _encode_scalar(attribute)
                if type(attribute) is str and len(known) < _KNOWN_MAX:
                    known[attribute] = attribute_bytes

            kind = type(said)
            if kind is str and len(said) < 256 and said.isascii():
                value_bytes = TEXT_HEADS[len(said)] + said.encode()
            elif kind is int and -24 <= said < 24:
                value_bytes = SMALL_INTS[said]
            elif kind is bool:
                value_bytes = b"\xf5" if said else b"\xf4"
            elif kind is Cid:
                value_bytes = _encode_link(said)
            else:
                value_bytes = _encode_scalar(said)

            causes_bytes = b"\x80" if causes is None else _encode_causes(causes[row])
            block = b"".join((b"\x84", entity_head, entity, attribute_bytes, value_bytes, causes_bytes))
            end = start + len(block)
            if end > STRETCH_BYTES_MAX:
                break
            value_at = end - len(causes_bytes) - len(value_bytes)
            blocks.append(block)
            digests.append(sha256(block).digest())
            spans += (start, value_at - len(attribute_bytes), value_at, end - len(causes_bytes), end)
            start = end
    except (_Unusual, UnicodeEncodeError):
        pass
    return b"".join(blocks), pack(f"<{len(spans)}I", *spans), b"".join(digests), len(blocks)


_KNOWN_MAX: Final = 4096


def _encode_scalar(value: Any) -> bytes:
    """What an attribute can be, if it is usual."""
    kind = type(value)
    if kind is str or kind is bytes:
        data: bytes = value.encode() if kind is str else value
        if len(data) > VALUE_BYTES_MAX:
            raise _Unusual
        return codec.head(codec.TEXT if kind is str else codec.BYTES, len(data)) + data
    if kind is int and INTEGER_MIN <= value <= INTEGER_MAX:
        return codec.encode_int(value)
    if kind is float and isfinite(value):
        return bytes(codec.pack_float(0xFB, value + 0.0))  # −0.0 + 0.0 is 0.0
    raise _Unusual


def _encode_causes(causes: Any) -> bytes:
    if type(causes) is not tuple and type(causes) is not list:
        raise _Unusual
    if not causes:
        return b"\x80"
    links = sorted({_encode_link(cause) for cause in causes})
    if len(links) > CAUSES_MAX:
        raise _Unusual
    return codec.head(codec.LIST, len(links)) + b"".join(links)


def _encode_link(cid: Any) -> bytes:
    if type(cid) is not Cid:
        raise _Unusual
    raw = bytes(cid)
    if len(raw) != CID_BYTES or not raw.startswith(PREFIX):
        raise _Unusual
    return codec.encode_link(cid)

"""DAG-CBOR, strictly: one encoding for each value, and nothing else is read (IPLD DAG-CBOR, RFC 8949 4.2).

The data model is None, bool, int, finite float, text, bytes, list, map with text keys, and link (tag 42). What is
*canonical*: heads as short as they can be, definite lengths, floats of 64 bits, map keys sorted by length and then by
bytes and never repeated. So whatever `decode` accepts, `encode` gives back byte for byte.

Nothing is allocated on the word of a declared length, and both directions keep their own stack: hostile bytes cost
at most `Limits`, and the only exceptions are ours. Facts have their own, faster reader in `fact.py`, which falls
back to `decode_at`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import ValueRefused
from rhizomedb.facts.cid import CID_BYTES, LINK_BYTES_MAX, Cid

Node: TypeAlias = Any
"""A value of the data model: None, bool, int, float, str, bytes, list, dict with text keys, Cid or ForeignLink."""

UNSIGNED, NEGATIVE, BYTES, TEXT, LIST, MAP, TAG, SIMPLE = range(8)
"""The major types of CBOR."""

LINK_TAG: Final = b"\xd8\x2a"
INTEGER_MIN: Final = -(2**64)
INTEGER_MAX: Final = 2**64 - 1
"""What a CBOR integer can hold; facts hold less (erratum E37)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest block that is read or written: its bytes, how deep it nests, and how many items it holds."""

    bytes: int = 1 << 20
    depth: int = 64
    items: int = 65_536


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class ForeignLink:
    """A well-formed CID of a codec or hash that facts refuse, kept as bytes: CIDv0, sha1, the identity hash and so on.

    Only a reader that asks for `any_link` gets one; other IPLD data may hold it, a fact may not (PomoDB 4.1.1).
    """

    raw: bytes


def any_link(raw: bytes) -> Cid | ForeignLink:
    """A `Cid` if facts allow it, else a `ForeignLink` if it is the binary form of any CID at all."""
    try:
        return Cid(raw)
    except ValueRefused:
        if not _is_cid(raw):
            raise
        return ForeignLink(bytes(raw))


def _is_cid(raw: bytes) -> bool:
    if len(raw) == 34 and raw[:2] == b"\x12\x20":
        return True  # CIDv0: a bare sha2-256 multihash
    numbers: list[int] = []
    number = shift = 0
    for index, byte in enumerate(raw[:LINK_BYTES_MAX]):
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if (byte == 0 and shift > 7) or shift > 63:
                return False  # not the shortest form of the number, or a number past 63 bits
            numbers.append(number)
            number = shift = 0
            if len(numbers) == 4:  # version, codec, hash, length of the digest
                return numbers[0] == 1 and len(raw) == index + 1 + numbers[3] <= LINK_BYTES_MAX
    return False


# -- writing -----------------------------------------------------------------------------------------------------------

_FLOAT: Final = Struct(">d")
_LINK_36: Final = LINK_TAG + b"\x58\x25\x00"
"""How a link of 36 bytes begins, which nearly every link is."""

_HEADS: Final = (Struct(">BB"), Struct(">BH"), Struct(">BI"), Struct(">BQ"))
pack_float: Final = Struct(">Bd").pack


def head(major: int, number: int) -> bytes:
    """The shortest head of a major type and a number of at most 64 bits."""
    first = major << 5
    if number < 24:
        return bytes((first | number,))
    if number < 0x100:
        return _HEADS[0].pack(first | 24, number)
    if number < 0x10000:
        return _HEADS[1].pack(first | 25, number)
    if number < 0x1_0000_0000:
        return _HEADS[2].pack(first | 26, number)
    return _HEADS[3].pack(first | 27, number)


# Nearly every text and byte string is short: their heads are looked up, not made.
TEXT_HEADS: Final = tuple(head(TEXT, size) for size in range(256))
BYTES_HEADS: Final = tuple(head(BYTES, size) for size in range(256))


def encode_bytes(data: bytes) -> bytes:
    """A byte string."""
    size = len(data)
    return (BYTES_HEADS[size] if size < 256 else head(BYTES, size)) + data


def encode_text(text: str) -> bytes:
    """A text string."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise ValueRefused(
            "facts.text-not-utf8",
            f"the text holds a lone surrogate at character {error.start}",
            fix="store it as bytes",
        ) from None
    size = len(data)
    return (TEXT_HEADS[size] if size < 256 else head(TEXT, size)) + data


def encode_int(number: int) -> bytes:
    """An integer."""
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        raise ValueRefused("facts.integer-range", "an integer of more than 64 bits has no encoding")
    return head(UNSIGNED, number) if number >= 0 else head(NEGATIVE, -1 - number)


def encode_float(number: float) -> bytes:
    """A float, always of 64 bits."""
    if not math.isfinite(number):
        raise ValueRefused("facts.float-not-finite", f"{number} has no encoding")
    return pack_float(0xFB, number)


def encode_link(link: Cid | ForeignLink) -> bytes:
    """A link: tag 42 over the bytes of the CID behind a zero byte."""
    raw = link.raw if type(link) is ForeignLink else bytes(link)  # type: ignore[arg-type]  # what is left is a Cid
    if len(raw) == CID_BYTES:
        return _LINK_36 + raw
    return LINK_TAG + encode_bytes(b"\x00" + raw)


SCALARS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: b"\xf6",
    bool: lambda value: b"\xf5" if value else b"\xf4",
    int: encode_int,
    float: encode_float,
    str: encode_text,
    bytes: encode_bytes,
    Cid: encode_link,
    ForeignLink: encode_link,
}
"""How each type without parts is written."""


def encode(value: Node, *, limits: Limits = LIMITS) -> bytes:
    """The one encoding of a value; anything outside the data model or over a limit is refused."""
    parts: list[bytes] = []
    items = size = 0
    waiting: list[tuple[Node, int]] = [(value, 0)]  # what is still to be written, the next last; with its depth
    while waiting:
        node, depth = waiting.pop()
        items += 1
        kind = type(node)
        scalar = SCALARS.get(kind)
        if scalar is not None:
            part = scalar(node)
        else:
            if depth >= limits.depth:
                raise ValueRefused("facts.too-deep", f"the value nests deeper than {limits.depth}")
            if kind is list or kind is tuple:
                part = head(LIST, len(node))
                children = [(child, depth + 1) for child in reversed(node)]
            elif kind is dict:
                part = head(MAP, len(node))
                children = []
                for key in sorted(node, key=_key_order, reverse=True):
                    children.append((node[key], depth + 1))
                    children.append((key, depth + 1))
            else:
                raise ValueRefused("facts.value-type", f"{kind.__name__} has no place in the IPLD data model")
            if items + len(waiting) + len(children) > limits.items:
                raise _too_many(limits)
            waiting += children
        parts.append(part)
        size += len(part)
        if size > limits.bytes:
            raise _too_big(limits)
    return b"".join(parts)


def _key_order(key: object) -> tuple[int, bytes]:
    if type(key) is not str:
        raise ValueRefused("facts.value-type", f"the key of a map is text, not {type(key).__name__}")
    data = encode_text(key)
    return len(data), data


# -- reading -----------------------------------------------------------------------------------------------------------

_SIMPLE: Final = {0xF4: False, 0xF5: True, 0xF6: None}
_SMALLEST: Final = (24, 0x100, 0x10000, 0x1_0000_0000)
"""The least number that needs a head of 1, 2, 4 or 8 further bytes."""


def decode(data: bytes, *, limits: Limits = LIMITS, links: Callable[[bytes], Node] = Cid) -> Node:
    """The value of exactly these bytes. `links` makes a link of its CID's bytes; `any_link` also takes foreign ones."""
    data = check_block(data, limits)
    value, end = decode_at(data, 0, limits=limits, links=links)
    if end != len(data):
        raise refused("facts.malformed", f"{len(data) - end} bytes follow the end of the value", end)
    return value


def check_block(data: bytes, limits: Limits = LIMITS) -> bytes:
    """The bytes of a block, if they are bytes and not too many."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ValueRefused("facts.malformed", f"a block is bytes, not {type(data).__name__}")
    if memoryview(data).nbytes > limits.bytes:
        raise _too_big(limits)
    return data if type(data) is bytes else bytes(data)


def decode_at(
    data: bytes, at: int, *, limits: Limits = LIMITS, links: Callable[[bytes], Node] = Cid
) -> tuple[Node, int]:
    """The value that begins at an offset, and where it ends."""
    items = 1  # the value itself, and what every list and map in it declares
    open_items: list[_Open] = []  # the lists and maps around the place that is read, outermost first
    while True:
        start = at
        major, number, at = read_head(data, at)
        node: Node
        if major == UNSIGNED:
            node = number
        elif major == NEGATIVE:
            node = -1 - number
        elif major == BYTES:
            node, at = _take(data, at, number, start), at + number
        elif major == TEXT:
            node, at = _text(_take(data, at, number, start), start), at + number
        elif major == TAG:
            node, at = _link(data, start, number, at, links)
        elif major == SIMPLE:
            node = number_of_simple(data, start, at)
        else:
            if len(open_items) >= limits.depth:
                raise refused("facts.too-deep", f"the block nests deeper than {limits.depth}", start)
            children = number if major == LIST else 2 * number
            if children > len(data) - at:  # each takes a byte at least; so a lie about the length ends here
                raise truncated(start)
            items += children
            if items > limits.items:
                raise _too_many(limits)
            open_items.append(_Open(major == MAP, children))
            node = open_items[-1].node
            if children:
                continue
            open_items.pop()
        # A value is complete: hand it to what is open around it, and close whatever that completes.
        while open_items:
            innermost = open_items[-1]
            innermost.add(node, start)
            if innermost.missing:
                break
            open_items.pop()
            node = innermost.node
        else:
            return node, at


class _Open:
    """A list or map of which `missing` keys and values are still to come."""

    __slots__ = ("is_map", "key", "key_order", "missing", "node")

    def __init__(self, is_map: bool, missing: int) -> None:
        self.is_map = is_map
        self.missing = missing
        self.node: Node = {} if is_map else []
        self.key: str | None = None
        self.key_order = (-1, b"")

    def add(self, node: Node, at: int) -> None:
        self.missing -= 1
        if not self.is_map:
            self.node.append(node)
        elif self.key is not None:
            self.node[self.key] = node
            self.key = None
        else:
            if type(node) is not str:
                raise refused("facts.malformed", "the key of a map is text", at)
            order = _key_order(node)
            if order <= self.key_order:
                fault = "twice" if order == self.key_order else "out of order"
                raise refused("facts.not-canonical", f"the key {node!r:.40} is there {fault}", at)
            self.key = node
            self.key_order = order


def read_head(data: bytes, at: int) -> tuple[int, int, int]:
    """The major type, the number and the end of the head at an offset. Of a float, the number is its bits."""
    if at >= len(data):
        raise truncated(len(data))
    first = data[at]
    major, info = first >> 5, first & 31
    if info < 24:
        return major, info, at + 1
    if info > 27:
        if info == 31 and BYTES <= major <= MAP:
            raise refused("facts.not-canonical", "a length must be given, not left open", at)
        raise refused("facts.malformed", f"0x{first:02x} begins no item", at)
    end = at + 1 + (1 << (info - 24))
    if end > len(data):
        raise truncated(at)
    number = int.from_bytes(data[at + 1 : end], "big")
    if number < _SMALLEST[info - 24] and major != SIMPLE:
        raise refused("facts.not-canonical", f"{number} is not written in its shortest form", at)
    return major, number, end


def number_of_simple(data: bytes, start: int, end: int) -> bool | float | None:
    """The constant or float whose head lies between two offsets."""
    first = data[start]
    if first == 0xFB:
        number: float = _FLOAT.unpack_from(data, start + 1)[0]
        if not math.isfinite(number):
            raise refused("facts.float-not-finite", f"{number} cannot be stored", start)
        return number
    if first in (0xF9, 0xFA):
        raise refused("facts.not-canonical", f"a float of {8 * (end - start - 1)} bits, not 64", start)
    if first not in _SIMPLE:
        raise refused("facts.malformed", "a simple value that is neither false, true nor null", start)
    return _SIMPLE[first]


def _take(data: bytes, at: int, size: int, start: int) -> bytes:
    if size > len(data) - at:
        raise truncated(start)
    return data[at : at + size]


def _text(raw: bytes, start: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise refused("facts.text-not-utf8", f"the text is not UTF-8 from its byte {error.start} on", start) from None


def _link(data: bytes, start: int, tag: int, at: int, links: Callable[[bytes], Node]) -> tuple[Node, int]:
    if tag != 42:
        raise refused("facts.malformed", f"tag {tag}; the only tag is 42, a link", start)
    major, size, at = read_head(data, at)
    if major != BYTES:
        raise refused("facts.malformed", "a link is bytes", start)
    raw = _take(data, at, size, start)
    if raw[:1] != b"\x00":
        raise refused("facts.cid-bytes", "the bytes of a link begin with a zero byte", start)
    try:
        return links(raw[1:]), at + size
    except ValueRefused as error:
        raise refused(error.code, error.message, start) from None


def refused(code: str, message: str, at: int) -> ValueRefused:
    """The error for bytes at an offset."""
    return ValueRefused(code, message, where=f"byte {at:,}")


def truncated(at: int) -> ValueRefused:
    """The error for bytes that end before the item that begins at an offset does."""
    return refused("facts.malformed", "the block ends too early", at)


def _too_big(limits: Limits) -> ValueRefused:
    return ValueRefused("facts.too-big", f"the block is over the limit of {limits.bytes:,} bytes")


def _too_many(limits: Limits) -> ValueRefused:
    return ValueRefused("facts.too-big", f"the block holds more than {limits.items:,} items")

"""CIDs: the name that a block's own bytes give it (CIDv1, DAG-CBOR, SHA2-256).

A CID is 36 raw bytes: version 1, codec dag-cbor (0x71), hash sha2-256 (0x12) of 32 bytes (0x20), the digest. The
text form is multibase base32, lower case, with the prefix `b`; base58btc (`z`) and upper-case base32 (`B`) are read
too. CIDs sort by their raw bytes, never by their text (PomoIPLD erratum E35).

A *link* (a CID as a value) may name a block of another codec or hash: it is kept as it came, within `LINK_BYTES_MAX`.
"""

from __future__ import annotations

import base64
import hashlib
from functools import total_ordering
from typing import Final

from rhizomedb.errors import ValueRefused

PREFIX: Final = bytes([0x01, 0x71, 0x12, 0x20])
"""What the CID of every block of ours begins with."""

CID_BYTES: Final = 36
LINK_BYTES_MAX: Final = 128

CODECS: Final = {0x71: "dag-cbor", 0x55: "raw", 0x70: "dag-pb", 0x0129: "dag-json"}
"""Codecs that a link may name."""

HASHES: Final = {0x12: 32, 0x13: 64, 0x1E: 32, 0xB220: 32, 0x16: 32, 0x14: 64}
"""Hashes that a link may use, with the length of their digest.

They are sha2-256, sha2-512, blake3, blake2b-256, sha3-256 and sha3-512. The identity hash, md5 and sha1 are left out on
purpose: they do not make a name secure (PomoDB 2.3, 4.1.1).
"""


@total_ordering
class Cid:
    """The name of a block: immutable, hashable, ordered by raw bytes, printed as multibase base32."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        if not (len(raw) == CID_BYTES and raw.startswith(PREFIX)):
            check_link(raw)
        self._raw = bytes(raw)

    @classmethod
    def of(cls, block: bytes) -> Cid:
        """The CID of a block's bytes."""
        return cls._trusted(PREFIX + hashlib.sha256(block).digest())

    @classmethod
    def _trusted(cls, raw: bytes) -> Cid:
        """A CID of bytes already checked, or just made."""
        cid = object.__new__(cls)
        cid._raw = raw
        return cid

    @classmethod
    def parse(cls, text: str) -> Cid:
        """The CID that a text names: multibase base32 (`b…`, `B…`) or base58btc (`z…`)."""
        if not isinstance(text, str):
            raise _bad_text(repr(text), f"it is a {type(text).__name__}, not a text")
        return cls(_multibase(text.strip()))

    @property
    def is_block(self) -> bool:
        """Whether this has the codec and hash that our own blocks have."""
        return self._raw.startswith(PREFIX) and len(self._raw) == CID_BYTES

    @property
    def short(self) -> str:
        """The last ten characters of the text, enough to tell CIDs apart on a screen."""
        return str(self)[-10:]

    def __bytes__(self) -> bytes:
        return self._raw

    def __eq__(self, other: object) -> bool:
        return type(other) is Cid and other._raw == self._raw

    def __lt__(self, other: Cid) -> bool:
        return self._raw < other._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __str__(self) -> str:
        return "b" + base64.b32encode(self._raw).decode("ascii").rstrip("=").lower()

    def __repr__(self) -> str:
        return f"Cid.parse({str(self)!r})"


def check_link(raw: bytes) -> None:
    """Refuse bytes that are not one CIDv1 of a codec and hash on the lists."""
    if len(raw) > LINK_BYTES_MAX:
        raise _bad_bytes(f"{len(raw)} bytes are too many")
    version, rest = _varint(raw)
    if version != 1:
        raise _bad_bytes("not version 1")
    codec, rest = _varint(rest)
    if codec not in CODECS:
        raise _bad_bytes(f"codec 0x{codec:x} is not one of {', '.join(CODECS.values())}")
    function, rest = _varint(rest)
    if function not in HASHES:
        raise _bad_bytes(f"hash 0x{function:x} is not on the list of secure ones")
    length, rest = _varint(rest)
    if length != HASHES[function] or len(rest) != length:
        raise _bad_bytes("the digest has the wrong length")


def _varint(data: bytes) -> tuple[int, bytes]:
    value = 0
    for index, byte in enumerate(data[:4]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if byte == 0 and index:
                raise _bad_bytes("a number in it is not written in its shortest form")
            return value, data[index + 1 :]
    raise _bad_bytes("it ends inside a number")


def _multibase(text: str) -> bytes:
    if len(text) > 4 * LINK_BYTES_MAX:
        raise _bad_text(text, "it is too long")
    prefix, digits = text[:1], text[1:]
    if prefix in ("b", "B"):
        digits = digits.upper() if prefix == "b" and digits == digits.lower() else digits
        if digits != digits.upper() or "=" in digits:
            raise _bad_text(text, "base32 is written in one case, without padding")
        try:
            raw = base64.b32decode(digits + "=" * (-len(digits) % 8))
        except ValueError:
            raise _bad_text(text, "it holds a character that is not base32") from None
        if base64.b32encode(raw).decode("ascii").rstrip("=") != digits:
            raise _bad_text(text, "its last character has bits left over")
        return raw
    if prefix == "z":
        return _base58(text, digits)
    raise _bad_text(text, "it must begin with b (base32) or z (base58btc)")


_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _base58(text: str, digits: str) -> bytes:
    number = 0
    for digit in digits:
        place = _BASE58.find(digit)
        if place < 0:
            raise _bad_text(text, f"{digit!r} is not a base58 character")
        number = number * 58 + place
    zeros = len(digits) - len(digits.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _bad_text(text: str, reason: str) -> ValueRefused:
    shown = text if len(text) <= 24 else text[:12] + "…" + text[-8:]
    return ValueRefused("facts.cid-text", f"{shown!r} is not a CID: {reason}", fix="copy it whole, e.g. bafyrei…")


def _bad_bytes(reason: str) -> ValueRefused:
    return ValueRefused("facts.cid-bytes", f"not a CID: {reason}")

"""Bundles: some deltas as one immutable object, called by its hash (docs/spec/remote.md).

    bundle := head body
    head   := "rhizomedb/bundle/1\\n" <sha256 of the body> <id>…      32 bytes for each id
    body   := zlib(<length, 4 bytes> <envelope> …)
    name   := <sha256 of the head, hexadecimal> "-" <how many ids>

The name fixes the head and the head fixes the body. The name also says how long the head is, so that what a bundle
holds can be read, and believed as far as its name is, without the rest of it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from rhizomedb.errors import BundleRefused
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import ENVELOPE_BYTES_MAX

MAGIC: Final = b"rhizomedb/bundle/1\n"

ID_BYTES: Final = 32

DELTAS_MAX: Final = 16_384
"""How many deltas a bundle holds at most."""

RAW_BYTES_MAX: Final = 4 << 20
"""How many bytes the envelopes of a bundle, with their lengths, come to at most."""

BODY_BYTES_MAX: Final = RAW_BYTES_MAX + (RAW_BYTES_MAX >> 10)
"""The longest body: zlib adds less than a thousandth to what it cannot compress."""

_LENGTH_BYTES: Final = 4
_IDS_AT: Final = len(MAGIC) + 32
_PAYLOAD_AT: Final = 67
"""Where the payload begins in an envelope (docs/spec/delta.md)."""

_NAME: Final = re.compile(r"([0-9a-f]{64})-([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class Name:
    """What a bundle is called: the hash of its head, and of how many ids the head consists."""

    digest: str
    count: int

    @classmethod
    def parse(cls, text: str) -> Name | None:
        """The name that a text is, or None: nothing else is ever asked of a place by name."""
        match = _NAME.fullmatch(text)
        if match is None or int(match[2]) > DELTAS_MAX:
            return None
        return cls(match[1], int(match[2]))

    @property
    def head_bytes(self) -> int:
        """How long the head is."""
        return _IDS_AT + ID_BYTES * self.count

    @property
    def bytes_max(self) -> int:
        """How long a bundle of this name can be."""
        return self.head_bytes + BODY_BYTES_MAX

    def __str__(self) -> str:
        return f"{self.digest}-{self.count}"


@dataclass(frozen=True, slots=True)
class Head:
    """What a bundle says it holds: the ids of its deltas, and the hash of its body."""

    name: Name
    ids: tuple[bytes, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A whole bundle, ready to be written."""

    name: Name
    data: bytes


def id_of(delta: Cid | bytes) -> bytes:
    """The id of a delta as bundles write it: the hash within its CID, or of the payload of its envelope."""
    return bytes(delta)[-ID_BYTES:] if isinstance(delta, Cid) else sha256(delta[_PAYLOAD_AT:]).digest()


def pack(envelopes: Iterable[bytes]) -> Iterator[Bundle]:
    """Envelopes in bundles, in their order, each bundle as full as the limits allow."""
    held: list[bytes] = []
    size = 0
    for envelope in envelopes:
        assert len(envelope) <= ENVELOPE_BYTES_MAX, "an envelope that was admitted is within its limit"
        if len(held) == DELTAS_MAX or size + _LENGTH_BYTES + len(envelope) > RAW_BYTES_MAX:
            yield bundle_of(held)
            held, size = [], 0
        held.append(envelope)
        size += _LENGTH_BYTES + len(envelope)
    if held:
        yield bundle_of(held)


def bundle_of(envelopes: Iterable[bytes]) -> Bundle:
    """One bundle of some envelopes."""
    envelopes = list(envelopes)
    body = zlib.compress(b"".join(len(each).to_bytes(_LENGTH_BYTES, "big") + each for each in envelopes))
    head = MAGIC + sha256(body).digest() + b"".join(map(id_of, envelopes))
    return Bundle(Name(sha256(head).hexdigest(), len(envelopes)), head + body)


def read_head(name: Name, data: bytes) -> Head:
    """The head of a bundle, if it is the one that its name is the hash of."""
    if sha256(data).hexdigest() != name.digest:
        raise _refused(name, "altered", "its head does not hash to its name")
    if not data.startswith(MAGIC):
        raise _refused(name, "malformed", "it does not begin as a bundle does")
    ids = tuple(data[at : at + ID_BYTES] for at in range(_IDS_AT, len(data), ID_BYTES))
    return Head(name, ids, data[len(MAGIC) : _IDS_AT])


def read_body(head: Head, data: bytes) -> list[bytes]:
    """The envelopes of a bundle, not yet verified, if its body is the one that its head is about."""
    if sha256(data).digest() != head.body:
        raise _refused(head.name, "altered", "its body does not have the hash that its head says")
    unpacking = zlib.decompressobj()
    try:
        raw = unpacking.decompress(data, RAW_BYTES_MAX + 1)
    except zlib.error:
        raise _refused(head.name, "malformed", "its body is not compressed as it should be") from None
    if len(raw) > RAW_BYTES_MAX:
        raise _refused(head.name, "too-big", f"it unpacks to more than {RAW_BYTES_MAX:,} bytes")
    if not unpacking.eof or unpacking.unused_data:
        raise _refused(head.name, "malformed", "its body ends too early or too late")
    envelopes = list(_split(head, raw))
    if tuple(map(id_of, envelopes)) != head.ids:
        raise _refused(head.name, "malformed", "it holds other deltas than its head says")
    return envelopes


def _split(head: Head, raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(raw[at:start], "big")
        if at > len(raw) or start > len(raw):
            raise _refused(head.name, "malformed", "its last delta is cut off")
        yield raw[start:at]


def _refused(name: Name, code: Literal["altered", "malformed", "too-big"], message: str) -> BundleRefused:
    return BundleRefused(f"remote.{code}", message, where=f"bundle {name}")

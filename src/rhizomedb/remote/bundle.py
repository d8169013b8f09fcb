"""Bundles: some deltas, or some blocks, as one immutable object that is called by its hash (docs/spec/remote.md).

    bundle := head body
    head   := <magic of the kind> <sha256 of the body> <id>…
    body   := zlib(<length, 4 bytes> <item> …)
    name   := <sha256 of the head, hexadecimal> "-" <how many ids>

The name fixes the head and the head fixes the body. The name also says how long the head is, so that what a bundle
holds can be read, and believed as far as its name is, without the rest of it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final, Literal

from rhizomedb._record import dataclass
from rhizomedb.errors import BundleRefused
from rhizomedb.remote.kind import DIGEST_BYTES, Kind

ITEMS_MAX: Final = 16_384
"""How many items a bundle holds at most."""

RAW_BYTES_MAX: Final = 4 << 20
"""How many bytes the items of a bundle, with their lengths, come to at most."""

BODY_BYTES_MAX: Final = RAW_BYTES_MAX + (RAW_BYTES_MAX >> 10)
"""The longest body: zlib adds less than a thousandth to what it cannot compress."""

_LENGTH_BYTES: Final = 4
_HASH_BYTES: Final = 32

_SAMPLES: Final = 16
_SAMPLE_BYTES: Final = 4096

_NAME: Final = re.compile(r"([0-9a-f]{64})-([1-9][0-9]{0,4})")

Item = tuple[bytes, bytes]
"""An id, and the bytes that it names."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a bundle is called: the hash of its head, and of how many ids the head consists."""

    kind: Kind
    digest: str
    count: int

    @classmethod
    def parse(cls, kind: Kind, text: str) -> Name | None:
        """The name that a text is, or None: nothing else is ever asked of a place by name."""
        match = _NAME.fullmatch(text)
        if match is None or int(match[2]) > ITEMS_MAX:
            return None
        return cls(kind, match[1], int(match[2]))

    @property
    def head_bytes(self) -> int:
        """How long the head is."""
        return len(self.kind.magic) + _HASH_BYTES + self.kind.id_bytes * self.count

    @property
    def bytes_max(self) -> int:
        """How long a bundle of this name can be."""
        return self.head_bytes + BODY_BYTES_MAX

    @property
    def where(self) -> str:
        """What it is called in messages."""
        return self.kind.where(self)

    def __str__(self) -> str:
        return f"{self.digest}-{self.count}"


@dataclass(frozen=True, slots=True)
class Head:
    """What a bundle says it holds: the ids of its items, one behind the other, and the hash of its body."""

    name: Name
    listed: bytes
    body: bytes

    @property
    def ids(self) -> tuple[bytes, ...]:
        """The ids, in the order of the items."""
        step = self.name.kind.id_bytes
        return tuple(self.listed[at : at + step] for at in range(0, len(self.listed), step))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A whole bundle, ready to be written."""

    name: Name
    data: bytes


def pack(kind: Kind, items: Iterable[Item]) -> Iterator[Bundle]:
    """Items in bundles, in their order, each bundle as full as the limits allow."""
    held: list[Item] = []
    size = 0
    for item in items:
        more = _LENGTH_BYTES + len(item[1])
        assert more <= RAW_BYTES_MAX, "an item that was admitted is within its limit"
        if len(held) == ITEMS_MAX or size + more > RAW_BYTES_MAX:
            yield bundle_of(kind, held)
            held, size = [], 0
        held.append(item)
        size += more
    if held:
        yield bundle_of(kind, held)


def bundle_of(kind: Kind, items: Iterable[Item]) -> Bundle:
    """One bundle of some items."""
    items = list(items)
    body = _compressed(b"".join(len(each).to_bytes(_LENGTH_BYTES, "big") + each for _, each in items))
    head = kind.magic + sha256(body).digest() + b"".join(each for each, _ in items)
    return Bundle(Name(kind, sha256(head).hexdigest(), len(items)), head + body)


def _compressed(raw: bytes) -> bytes:
    """A body. What is compressed already, as most files are, is only wrapped: that is ten times as fast."""
    sample = b"".join(raw[at : at + _SAMPLE_BYTES] for at in range(0, len(raw), len(raw) // _SAMPLES + 1))
    return zlib.compress(raw, -1 if len(zlib.compress(sample)) < 0.9 * len(sample) else 0)


def read_head(name: Name, data: bytes) -> Head:
    """The head of a bundle, if it is the one that its name is the hash of."""
    kind = name.kind
    if sha256(data).hexdigest() != name.digest:
        raise _refused(name, "altered", "its head does not hash to its name")
    if not data.startswith(kind.magic):
        raise _refused(name, "malformed", f"it does not begin as a {kind.noun} does")
    ids_at = len(kind.magic) + _HASH_BYTES
    head = Head(name, data[ids_at:], data[len(kind.magic) : ids_at])
    if not all(each.startswith(kind.id_prefixes) for each in head.ids):
        raise _refused(name, "malformed", f"its head lists what is no {kind.item}")
    if len(set(head.ids)) != name.count:
        raise _refused(name, "malformed", f"its head lists a {kind.item} twice")
    return head


def read_body(head: Head, data: bytes) -> list[bytes]:
    """The items of a bundle, not yet verified, if its body is the one that its head is about."""
    kind = head.name.kind
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
    items = list(_split(head, raw))
    if [kind.digest(item) for item in items] != [each[-DIGEST_BYTES:] for each in head.ids]:
        raise _refused(head.name, "malformed", f"it holds other {kind.item}s than its head says")
    return items


def _split(head: Head, raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(raw[at:start], "big")
        if at > len(raw) or start > len(raw):
            raise _refused(head.name, "malformed", f"its last {head.name.kind.item} is cut off")
        yield raw[start:at]


def _refused(name: Name, code: Literal["altered", "malformed", "too-big"], message: str) -> BundleRefused:
    return BundleRefused(f"remote.{code}", message, where=name.where)

"""Facts: quads ⟨entity, attribute, value, causes⟩ that never change and are named by their own bytes (PomoDB 4.1.2).

The block of a fact is the DAG-CBOR list of its four parts, the causes sorted by raw bytes and each there once
(PomoIPLD 2.1, errata E33 to E37); its CID is that of the block. As there is only one block for a fact, two facts are
the same exactly when their blocks are: `1`, `1.0`, `True` and `"1"` make four facts.

A fact that is made here is put in order: causes are sorted, −0.0 becomes 0.0. A block that is received is kept as it
came, or refused: unsorted or repeated causes and −0.0 are not canonical.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import copysign
from struct import Struct
from sys import intern
from typing import Any, Final, NoReturn, final

from rhizomedb.errors import ValueRefused
from rhizomedb.facts import codec
from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.codec import BYTES_HEADS, TEXT_HEADS, refused
from rhizomedb.facts.value import (
    Attribute,
    Entity,
    Value,
    check_attribute,
    check_entity,
    check_value,
)

CAUSES_MAX: Final = 1024
"""The most causes of one fact. PomoDB 4.2.2.4 asks that a fact may have 1,000 parents (D39); a fact that joins more
heads than that is several facts, each the cause of the next."""

CAPSULE_KEY: Final = "pomodb/v0.1/fact"
"""The one key of a capsule. It numbers the encoding, not the specification (PomoIPLD 2.1.6, erratum E39)."""

_CAPSULE: Final = b"\xa1" + codec.encode_text(CAPSULE_KEY)


@final
class Fact:
    """One quad: immutable, hashable, equal to what has the same bytes.

    >>> Fact(b"matrix", "runtime", 136).encode().hex()
    '84466d61747269786772756e74696d65188880'
    """

    __slots__ = ("_block", "_cid", "attribute", "causes", "entity", "value")

    entity: Entity
    attribute: Attribute
    value: Value
    causes: tuple[Cid, ...]
    _block: bytes
    _cid: Cid | bytes | None  # once it is known, or the digest in it is

    def __init__(self, entity: Entity, attribute: Attribute, value: Value, causes: Iterable[Cid] = ()) -> None:
        # Nearly every part is short and of a plain type; only what is not goes through a check of its own.
        said: Any = value
        if type(entity) is not bytes or len(entity) > 255:
            entity = check_entity(entity)
        size = len(entity)
        entity_head = BYTES_HEADS[size] if size < 256 else codec.head(codec.BYTES, size)

        attribute_bytes = _attribute_bytes.get(attribute) if type(attribute) is str else None
        if attribute_bytes is None:
            attribute = check_attribute(attribute)
            attribute_bytes = _encode_attribute(attribute)

        kind = type(said)
        if kind is str and len(said) < 256 and said.isascii():
            value_bytes = TEXT_HEADS[len(said)] + said.encode()
        elif kind is int and -24 <= said < 24:
            value_bytes = SMALL_INTS[said]
        else:
            said = check_value(said)
            value_bytes = codec.SCALARS[type(said)](said)

        if type(causes) is tuple and not causes:
            causes_bytes = b"\x80"
        else:
            causes = check_causes(causes)
            causes_bytes = _encode_causes(causes)

        _set_entity(self, entity)
        _set_attribute(self, attribute)
        _set_value(self, said)
        _set_causes(self, causes)
        _set_block(self, b"".join((b"\x84", entity_head, entity, attribute_bytes, value_bytes, causes_bytes)))
        _set_cid(self, None)

    @classmethod
    def decode(cls, data: bytes) -> Fact:
        """The fact of exactly this block, if it is the canonical block of one."""
        data = codec.check_block(data)
        fact, end = decode_at(data)
        if end != len(data):
            raise refused("facts.malformed", f"{len(data) - end} bytes follow the end of the fact", end)
        return fact

    def encode(self) -> bytes:
        """The block: the fact as received, or as it would be sent."""
        return self._block

    @classmethod
    def decode_capsule(cls, data: bytes) -> Fact:
        """The fact inside a capsule."""
        data = codec.check_block(data)
        if not data.startswith(_CAPSULE):
            codec.decode(data)  # if it is no DAG-CBOR at all, that is the better error
            raise ValueRefused("facts.shape", f"a capsule is a map with the one key {CAPSULE_KEY!r}")
        fact, end = decode_at(data, len(_CAPSULE))
        if end != len(data):
            raise refused("facts.malformed", f"{len(data) - end} bytes follow the end of the capsule", end)
        return fact

    def encode_capsule(self) -> bytes:
        """The fact in a map that says what it is (PomoIPLD 2.1.6). Its CID stays that of the bare fact."""
        return _CAPSULE + self._block

    @property
    def cid(self) -> Cid:
        """The name of this fact: the CID of its block."""
        cid = self._cid
        if not isinstance(cid, Cid):
            cid = Cid.of(self._block) if cid is None else Cid._trusted(PREFIX + cid)
            _set_cid(self, cid)
        return cid

    def node(self) -> list[codec.Node]:
        """The fact in the IPLD data model: the list of its four parts."""
        return [self.entity, self.attribute, self.value, list(self.causes)]

    def __eq__(self, other: object) -> bool:
        return type(other) is Fact and other._block == self._block

    def __hash__(self) -> int:
        return hash(self._block)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a fact does not change: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a fact does not change: {name} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return Fact.decode, (self._block,)

    def __repr__(self) -> str:
        causes = f", {list(self.causes)!r}" if self.causes else ""
        return f"Fact({show(self.entity)}, {show(self.attribute)}, {show(self.value)}{causes})"


# What sets the parts of a fact behind its `__setattr__`. `object.__setattr__` would look each name up again.
_set_entity, _set_attribute, _set_value, _set_causes, _set_block, _set_cid = (
    Fact.__dict__[name].__set__ for name in ("entity", "attribute", "value", "causes", "_block", "_cid")
)


def show(value: Value) -> str:
    """A value as Python source; bytes in hexadecimal."""
    return f"bytes.fromhex({value.hex()!r})" if type(value) is bytes else repr(value)


# -- writing -----------------------------------------------------------------------------------------------------------

SMALL_INTS: Final = {number: codec.encode_int(number) for number in range(-24, 24)}
"""Integers of one byte, which many values are."""

_ATTRIBUTES_KEPT: Final = 4096
_attribute_bytes: Final[dict[str, bytes]] = {}  # data has few attributes and many facts: encode each text once


def _encode_attribute(attribute: Attribute) -> bytes:
    encoded = codec.SCALARS[type(attribute)](attribute)
    if type(attribute) is str and len(encoded) <= 64:
        if len(_attribute_bytes) >= _ATTRIBUTES_KEPT:
            _attribute_bytes.clear()
        _attribute_bytes[attribute] = encoded
    return encoded


def check_causes(causes: object) -> tuple[Cid, ...]:
    """The causes to store: each once, sorted by raw bytes."""
    if type(causes) in (list, tuple) and len(causes) == 1 and type(causes[0]) is Cid:  # type: ignore[arg-type, index]  # the first two tests of the line say so
        return (causes[0],)  # type: ignore[index]  # the first two tests of the line say so
    distinct: set[Cid] = set()
    if isinstance(causes, Cid | str | bytes) or not isinstance(causes, Iterable):
        raise ValueRefused("facts.causes", f"causes are several CIDs, not a {type(causes).__name__}", fix="[fact.cid]")
    for cause in causes:
        if type(cause) is not Cid:
            raise ValueRefused("facts.causes", f"a cause is a CID, not {type(cause).__name__}", fix="[fact.cid]")
        distinct.add(cause)
        if len(distinct) > CAUSES_MAX:
            raise ValueRefused(
                "facts.causes", f"more than {CAUSES_MAX:,} causes", fix="say several facts, each the cause of the next"
            )
    return tuple(sorted(distinct, key=bytes))


def _encode_causes(causes: tuple[Cid, ...]) -> bytes:
    return codec.head(codec.LIST, len(causes)) + b"".join([codec.encode_link(cause) for cause in causes])


# -- reading -----------------------------------------------------------------------------------------------------------

_FLOAT: Final = Struct(">d")
LINK: Final = b"\xd8\x2a\x58\x25\x00\x01\x71\x12\x20"
"""How a link to a block of ours begins; 32 bytes follow."""

_CONSTANTS: Final = {0xF4: False, 0xF5: True}
_FACT_LIMITS: Final = codec.Limits(items=5 + CAUSES_MAX)
"""The list, its four parts, and as many causes as are allowed."""


def decode_at(data: bytes, offset: int = 0) -> tuple[Fact, int]:
    """The fact whose block begins at an offset, and where it ends.

    This reads the shape that nearly every fact has, and reads it only if it is canonical. Whatever is unusual or
    wrong goes to `decode_slowly_at`, which decides and explains; so a short cut here can refuse nothing.
    """
    try:
        # A slice past the end is short; then the next `data[at]` raises IndexError. The last part checks for itself.
        entity_head = data[offset + 1]
        if data[offset] != 0x84 or not 0x40 <= entity_head < 0x58:
            return decode_slowly_at(data, offset)
        at = offset + entity_head - 0x3E
        entity = data[offset + 2 : at]

        first = data[at]
        if not 0x60 <= first < 0x78:
            return decode_slowly_at(data, offset)
        end = at + first - 0x5F
        attribute = intern(str(data[at + 1 : end], "utf-8"))  # many facts share one text

        first = data[end]
        at = end + 1
        value: Value
        if first < 0x18:
            value = first
        elif 0x60 <= first < 0x78:
            at = end + first - 0x5F
            value = str(data[end + 1 : at], "utf-8")
        elif first == 0x78 and (size := data[at]) >= 24:
            at += 1 + size
            value = str(data[end + 2 : at], "utf-8")
        elif 0x40 <= first < 0x58:
            at = end + first - 0x3F
            value = data[end + 1 : at]
        elif first == 0xFB:
            at = end + 9
            value = _FLOAT.unpack_from(data, end + 1)[0] if at < len(data) else 0.0
            if value - value != 0.0 or (value == 0.0 and data[end + 1]):  # NaN, infinite, or −0.0
                return decode_slowly_at(data, offset)
        elif first == 0x18 and (size := data[at]) >= 24:
            at += 1
            value = size
        elif first == 0x19 and (size := data[at] << 8 | data[at + 1]) >= 256:
            at += 2
            value = size
        elif first in _CONSTANTS:
            value = _CONSTANTS[first]
        else:
            return decode_slowly_at(data, offset)

        count = data[at] - 0x80
        at += 1
        if count == 0:
            causes: tuple[Cid, ...] = ()
        elif 0 < count < 24 and len(data) - at >= 41 * count:
            raws: list[bytes] = []
            for _ in range(count):
                raw = data[at + 5 : at + 41]
                if not data.startswith(LINK, at) or (raws and raw <= raws[-1]):
                    return decode_slowly_at(data, offset)
                raws.append(raw)
                at += 41
            causes = tuple([Cid._trusted(raw) for raw in raws])
        else:
            return decode_slowly_at(data, offset)
    except (IndexError, UnicodeDecodeError):
        return decode_slowly_at(data, offset)
    return trusted(entity, attribute, value, causes, data[offset:at]), at


def trusted(
    entity: Entity,
    attribute: Attribute,
    value: Value,
    causes: tuple[Cid, ...],
    block: bytes,
    digest: bytes | None = None,
) -> Fact:
    """The fact of parts, a block and its digest that are known to belong together."""
    # Made open and then closed: six calls of the setters above would take three times as long.
    fact = _Open()
    fact.entity = entity
    fact.attribute = attribute
    fact.value = value
    fact.causes = causes
    fact._block = block
    fact._cid = digest
    fact.__class__ = Fact  # type: ignore[assignment]  # the slots are the same
    return fact  # type: ignore[return-value]  # its class was just set


class _Open:
    """A fact that can still be changed, for as long as it takes to make it."""

    __slots__ = Fact.__slots__

    entity: Entity
    attribute: Attribute
    value: Value
    causes: tuple[Cid, ...]
    _block: bytes
    _cid: bytes | None


def decode_slowly_at(data: bytes, offset: int = 0) -> tuple[Fact, int]:
    """What `decode_at` does, through the general codec, with an error for everything that is not a fact."""
    if offset < len(data) and data[offset] != 0x84:
        codec.decode_at(data, offset)
        raise refused("facts.shape", "a fact is a list of four: entity, attribute, value, causes", offset)
    node, end = codec.decode_at(data, offset, limits=_FACT_LIMITS)
    entity, attribute, value, causes = node
    if type(entity) is not bytes:
        raise refused("facts.entity-type", f"an entity is bytes, not {type(entity).__name__}", offset)
    if type(causes) is not list or any(type(cause) is not Cid for cause in causes):
        raise refused("facts.causes", "the causes are a list of links", offset)
    if any(not earlier < later for earlier, later in pairwise(causes)):
        raise refused("facts.not-canonical", "the causes are not sorted, or one is there twice", offset)
    for part in (attribute, value):
        if type(part) is float and part == 0.0 and copysign(1.0, part) < 0.0:
            raise refused("facts.not-canonical", "−0.0 is written as 0.0", offset)
    try:
        check_entity(entity), check_attribute(attribute), check_value(value)
    except ValueRefused as error:
        raise refused(error.code, error.message, offset) from None
    return trusted(entity, attribute, value, tuple(causes), data[offset:end]), end

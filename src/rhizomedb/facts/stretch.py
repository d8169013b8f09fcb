"""Stretches: several facts as one stretch of bytes, read when somebody looks at one.

What stands in a delta or in columns is checked and named at once, by the kernels; a `Fact` is made of a stretch only for
who asks for it. Where the parts of the facts stand, their *spans*, and their *digests* are laid out as `kernels.py` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from operator import index
from struct import Struct
from sys import intern
from typing import Any, Final, NoReturn, final, overload

from rhizomedb._native import kernel
from rhizomedb.errors import ValueRefused
from rhizomedb.facts import codec, kernels
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import LINK, Fact, decode_slowly_at, trusted
from rhizomedb.facts.kernels import DIGEST_BYTES, SPAN_BYTES, STRETCH_BYTES_MAX
from rhizomedb.facts.value import Attribute

scan_facts = kernel(kernels.scan_facts)
encode_facts = kernel(kernels.encode_facts)
has_repeats = kernel(kernels.has_repeats)
shift_spans = kernel(kernels.shift_spans)

FACTS_KEPT_MAX: Final = 65_536
"""Of a stretch of at most so many facts, which every delta is, the facts are made only once."""

DECODED_TOGETHER: Final = 1024


@final
class Stretch(Sequence[Fact]):
    """Facts in their order, as bytes that were checked: an immutable sequence, equal to the tuple of the same facts.

    >>> stretch = Stretch.from_columns([b"matrix", b"matrix"], ["runtime", "title"], [136, "The Matrix"])
    >>> stretch[0]
    Fact(bytes.fromhex('6d6174726978'), 'runtime', 136)
    """

    __slots__ = ("_at", "_count", "_digests", "_end", "_facts", "_spans", "data")

    data: bytes
    _at: int
    _end: int
    _count: int
    _spans: bytes | None
    _digests: bytes | None
    _facts: tuple[Fact, ...] | None

    def __init__(self) -> None:
        raise _refused("a stretch is not made from parts", "Stretch.of, Stretch.from_columns or Stretch.read")

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Stretch:
        """The stretch of facts."""
        facts = tuple(facts)
        for item, fact in enumerate(facts):
            if type(fact) is not Fact:
                raise _refused(f"item {item:,} is no fact but {type(fact).__name__}", "Fact(entity, attribute, value)")
        data = b"".join([fact._block for fact in facts])
        _check_size(len(data))
        return _stretch(data, 0, len(data), len(facts), None, None, facts)

    @classmethod
    def from_columns(
        cls,
        entities: Iterable[object],
        attributes: Iterable[object],
        values: Iterable[object],
        causes: Iterable[Iterable[Cid]] | None = None,
    ) -> Stretch:
        """The stretch of the facts that `Fact` would make row by row; its error for a row says which (from 0 on)."""
        entities, attributes, values = _column(entities), _column(attributes), _column(values)
        causes = None if causes is None else _column(causes)
        rows = len(entities)
        if not len(attributes) == len(values) == (rows if causes is None else len(causes)) == rows:
            raise _refused("the columns differ in length", "one entity, attribute and value for each fact")
        data, spans, digests, done = encode_facts(entities, attributes, values, causes, 0)
        if done == rows:
            _check_size(len(data))
            return _stretch(data, 0, len(data), rows, spans, digests, None)
        parts = _Parts()
        while (row := parts.count) < rows:
            if row:
                data, spans, digests, done = encode_facts(entities, attributes, values, causes, row)
            parts.add(data, spans, digests, done)
            row += done
            if row < rows:
                said_after = () if causes is None else causes[row]
                block = _fact_of_row(row, entities[row], attributes[row], values[row], said_after).encode()
                parts.add(block, _span_slowly(block, 0, len(block)), sha256(block).digest(), 1)
        return parts.stretch()

    @classmethod
    def read(cls, data: bytes, at: int, count: int) -> tuple[Stretch, int]:
        """The stretch of so many facts whose blocks begin at an offset, and where they end; as strict as `Fact.decode`."""
        _check_size(len(data))
        spans, digests, end = _read(data, at, count)
        return _stretch(data, at, end, count, spans, digests, None), end

    @property
    def spans(self) -> bytes:
        """Where in `data` each fact begins, its attribute, value and causes, and where it ends: five u32, little-endian."""
        return self._spans if self._spans is not None else self._scan()[0]

    @property
    def digests(self) -> bytes:
        """The SHA2-256 of each fact's block, 32 bytes each: its CID without the prefix."""
        return self._digests if self._digests is not None else self._scan()[1]

    def _scan(self) -> tuple[bytes, bytes]:
        spans, digests, _ = _read(self.data, self._at, self._count)
        _put(self, "_spans", spans)
        _put(self, "_digests", digests)
        return spans, digests

    def encode(self) -> bytes:
        """The blocks of the facts, one after the other."""
        return self.data[self._at : self._end]

    def has_repeats(self) -> bool:
        """Whether a fact is there twice."""
        if self._digests is None and self._facts is not None:
            return len({fact._block for fact in self._facts}) != self._count
        return has_repeats(self.digests)

    def within(self, data: bytes, at: int) -> Stretch:
        """The same stretch in a longer buffer that holds its bytes at an offset, so that one buffer is enough for both."""
        end = at + self._end - self._at
        assert data[at:end] == self.encode(), "the buffer holds the bytes of the facts"
        spans = None if self._spans is None else shift_spans(self._spans, at - self._at)
        return _stretch(data, at, end, self._count, spans, self._digests, self._facts)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Fact]:
        if self._facts is None:
            if self._count > FACTS_KEPT_MAX:
                return self._decode_in_turn()
            _put(self, "_facts", tuple(_decode(self.data, self.spans, self.digests)))
        assert self._facts is not None, "they were just made"
        return iter(self._facts)

    @overload
    def __getitem__(self, place: int) -> Fact: ...
    @overload
    def __getitem__(self, place: slice) -> Stretch: ...
    def __getitem__(self, place: int | slice) -> Fact | Stretch:
        if isinstance(place, slice):
            return self._slice(*place.indices(self._count))
        number = index(place)
        if number < 0:
            number += self._count
        if not 0 <= number < self._count:
            raise IndexError(f"there is no fact {place} in a stretch of {self._count:,}")
        if self._facts is not None:
            return self._facts[number]
        return _decode(self.data, *self._cut(number, number + 1))[0]

    def _decode_in_turn(self) -> Iterator[Fact]:
        for start in range(0, self._count, DECODED_TOGETHER):
            yield from _decode(self.data, *self._cut(start, start + DECODED_TOGETHER))

    def _slice(self, start: int, stop: int, step: int) -> Stretch:
        if step != 1:
            return Stretch.of([self[number] for number in range(start, stop, step)])
        if start >= stop:
            return Stretch.of(())
        spans, digests = self._cut(start, stop)
        facts = None if self._facts is None else self._facts[start:stop]
        at, end = _SPAN.unpack_from(spans)[0], _SPAN.unpack_from(spans, len(spans) - SPAN_BYTES)[-1]
        return _stretch(self.data, at, end, stop - start, spans, digests, facts)

    def _cut(self, start: int, stop: int) -> tuple[bytes, bytes]:
        spans, digests = self.spans, self.digests
        return (
            spans[SPAN_BYTES * start : SPAN_BYTES * stop],
            digests[DIGEST_BYTES * start : DIGEST_BYTES * stop],
        )

    def _blocks(self) -> tuple[bytes, ...]:
        if self._facts is not None:
            return tuple([fact._block for fact in self._facts])
        data = self.data
        return tuple([data[span[0] : span[4]] for span in _SPAN.iter_unpack(self.spans)])

    def __eq__(self, other: object) -> bool:
        if type(other) is Stretch:
            return self._count == other._count and self.encode() == other.encode()
        if type(other) is tuple:
            return len(other) == self._count and all(map(_is_fact_of, other, self._blocks()))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._blocks())  # a fact hashes as its block, so this is the hash of the tuple of facts

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a stretch does not change: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a stretch does not change: {name} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.encode(), self._count)  # so that what comes out of a pickle is checked as well

    def __repr__(self) -> str:
        return "<Stretch of 1 fact>" if self._count == 1 else f"<Stretch of {self._count:,} facts>"


_put: Final = object.__setattr__
_SPAN: Final = Struct("<5I")


def _stretch(
    data: bytes,
    at: int,
    end: int,
    count: int,
    spans: bytes | None,
    digests: bytes | None,
    facts: tuple[Fact, ...] | None,
) -> Stretch:
    stretch = object.__new__(Stretch)
    _put(stretch, "data", data)
    _put(stretch, "_at", at)
    _put(stretch, "_end", end)
    _put(stretch, "_count", count)
    _put(stretch, "_spans", spans)
    _put(stretch, "_digests", digests)
    _put(stretch, "_facts", facts)
    return stretch


def _again(data: bytes, count: int) -> Stretch:
    return Stretch.read(data, 0, count)[0]


def _is_fact_of(fact: object, block: bytes) -> bool:
    return type(fact) is Fact and fact._block == block


def _refused(message: str, fix: str) -> ValueRefused:
    return ValueRefused("facts.stretch", message, fix=fix)


def _check_size(size: int) -> None:
    if size > STRETCH_BYTES_MAX:
        raise _refused(f"a stretch is at most {STRETCH_BYTES_MAX:,} bytes", "make several")


# -- checked bytes and spans -------------------------------------------------------------------------------------------


def _read(data: bytes, at: int, count: int) -> tuple[bytes, bytes, int]:
    """The spans and digests of facts at an offset, and where they end."""
    spans: list[bytes] = []
    digests: list[bytes] = []
    while count:
        done, at, some_spans, some_digests = scan_facts(data, at, min(count, len(data)))
        spans.append(some_spans)
        digests.append(some_digests)
        count -= done
        if count:
            _, end = decode_slowly_at(data, at)
            spans.append(_span_slowly(data, at, end))
            digests.append(sha256(data[at:end]).digest())
            at = end
            count -= 1
    return b"".join(spans), b"".join(digests), at


def _span_slowly(data: bytes, at: int, end: int) -> bytes:
    """The span of one fact that was checked."""
    _, size, entity = codec.read_head(data, at + 1)
    attribute = entity + size
    _, value = codec.decode_at(data, attribute)
    _, causes = codec.decode_at(data, value)
    return _SPAN.pack(at, attribute, value, causes, end)


class _Parts:
    """What was written so far of the facts of columns, in several pieces."""

    def __init__(self) -> None:
        self.count = 0
        self._size = 0
        self._data: list[bytes] = []
        self._spans: list[bytes] = []
        self._digests: list[bytes] = []

    def add(self, data: bytes, spans: bytes, digests: bytes, count: int) -> None:
        _check_size(self._size + len(data))
        self._data.append(data)
        self._spans.append(shift_spans(spans, self._size) if self._size else spans)
        self._digests.append(digests)
        self._size += len(data)
        self.count += count

    def stretch(self) -> Stretch:
        data, spans, digests = b"".join(self._data), b"".join(self._spans), b"".join(self._digests)
        return _stretch(data, 0, len(data), self.count, spans, digests, None)


# -- columns -----------------------------------------------------------------------------------------------------------


def _column(values: Any) -> list[Any]:
    return values if type(values) is list else list(values)


def _fact_of_row(row: int, entity: Any, attribute: Any, value: Any, causes: Any) -> Fact:
    try:
        return Fact(entity, attribute, value, causes)
    except ValueRefused as error:
        raise ValueRefused(
            error.code, error.message, where=f"item {row:,}", nearest=error.nearest, fix=error.fix
        ) from None


# -- facts of checked bytes --------------------------------------------------------------------------------------------


def _decode(data: bytes, spans: bytes, digests: bytes) -> list[Fact]:
    """The facts of spans. Everything was checked before, so this only takes it apart."""
    facts: list[Fact] = []
    named = 0
    for at, attribute_at, value_at, causes_at, end in _SPAN.iter_unpack(spans):
        first = data[at + 1]
        entity = data[at + 2 if first < 0x58 else at + 1 + _HEAD_BYTES[first & 31] : attribute_at]
        encoded = data[attribute_at:value_at]
        attribute = _attributes.get(encoded)
        if attribute is None:
            attribute = _decode_attribute(encoded)
        first = data[value_at]
        if first < 0x18:
            value = first
        elif 0x60 <= first < 0x78:
            value = str(data[value_at + 1 : causes_at], "utf-8")
        elif first == 0x18:
            value = data[value_at + 1]
        elif first == 0x19:
            value = data[value_at + 1] << 8 | data[value_at + 2]
        elif first == 0x78:
            value = str(data[value_at + 2 : causes_at], "utf-8")
        else:
            value = codec.decode_at(data, value_at)[0]
        causes = () if end - causes_at == 1 else _decode_causes(data, causes_at, end)
        digest = digests[named : named + DIGEST_BYTES]
        named += DIGEST_BYTES
        facts.append(trusted(entity, attribute, value, causes, data[at:end], digest))
    return facts


_HEAD_BYTES: Final = bytes([1] * 24 + [2, 3, 5, 9])
"""How long a head is, by the last five bits of its first byte."""

_ATTRIBUTES_KEPT: Final = 4096
_attributes: Final[dict[bytes, Attribute]] = {}  # data has few attributes and many facts: decode each once


def _decode_attribute(encoded: bytes) -> Attribute:
    attribute: Attribute = codec.decode_at(encoded, 0)[0]
    if type(attribute) is str:
        attribute = intern(attribute)
    if len(encoded) <= 64:
        if len(_attributes) >= _ATTRIBUTES_KEPT:
            _attributes.clear()
        _attributes[encoded] = attribute
    return attribute


def _decode_causes(data: bytes, at: int, end: int) -> tuple[Cid, ...]:
    _, count, first = codec.read_head(data, at)
    step = len(LINK) + DIGEST_BYTES
    if end - first != count * step:  # no link is shorter than one of 36 bytes: some are longer
        return tuple(codec.decode_at(data, at)[0])
    return tuple([Cid._trusted(data[link + 5 : link + step]) for link in range(first, end, step)])

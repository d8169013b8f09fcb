"""Segments: the immutable, sorted index of one stretch of the log, in a file or in memory.

A segment covers the deltas `delta_after` < seq <= `delta_last`, the facts that they were the first to say (rows
`fact_after` < row <= `fact_last`) and the cells that came up first in them. A *cell* is any value, attribute, entity,
author, system, edge, group or foreign link, numbered once for the whole database by its *key* (`keys.py`); so equal
values have equal numbers wherever they stand. Numbers begin at 1; 0 is none.

All sections are arrays of little-endian numbers that can be used in place:

    cell.end       u32  where the key of each cell ends in cell.heap
    cell.heap      u8   the keys
    cell.by_hash   u64  (first 32 bits of the key's SHA-256, cell), sorted
    cell.in_order  u32  cells in the order of their keys, which is the order of values
    delta.id       32 bytes each: the digest of the delta's id
    delta.author, delta.system, delta.edge, delta.group   u32  cells; edge and group may be 0
    delta.ms       u64
    delta.counter, delta.scope, delta.epoch, delta.group_size, delta.fact_last   u32
    delta.by_id    u64  (first 32 bits of the digest, seq), sorted
    delta.grouped  u32  the deltas of groups, sorted by (group, author, size, seq)
    author.cell    u32  the authors, sorted
    fact.digest    32 bytes each, by row
    attribute.cell, attribute.end   u32  the attributes, sorted, and where the facts of each end
    fact.entity, fact.value, fact.row   u32  facts sorted by (attribute, entity, row): a *place* is an index into these
    fact.place     u32  by row
    fact.by_value  u32  places sorted by (attribute, value, entity, row)
    fact.by_entity u32  places sorted by (entity, attribute, row)
    entity.cell, entity.end   u32  the entities, sorted, and where the places of each end in fact.by_entity
    fact.by_id     u64  (first 32 bits of the digest, row), sorted
    cause.from     u32  rows, ascending
    cause.to       u32  the cause: a row with the bit `ROW` set if the fact was known by then, else a cell
    cause.by_to    u32  indexes into these, sorted by (to, from)
    repeat.delta, repeat.fact   u32  who said what again, sorted by (delta, fact)
    repeat.by_fact u32  indexes into these, sorted by (fact, delta)

Behind them stands a CRC-32 of each page. Whoever reads checks a page before its first use, so damage is found where
it is met and costs nothing where it is not.
"""

from __future__ import annotations

import hashlib
from struct import Struct
from typing import Final, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import StoreError

Buffer: TypeAlias = "bytes | memoryview"
"""The bytes of a segment; a `memoryview` of a mapped file."""

MAGIC: Final = b"RhizSeg\x01"
PAGE_BYTES: Final = 16 * 1024
ALIGN_BYTES: Final = 64
ROW: Final = 1 << 31
"""Set in `cause.to` where it is a row; so rows and cells stay below it."""
CELL: Final = 1 << 30
"""Cells stay below it: from here to `ROW` are the numbers of what a reader computes (`numbering.py`)."""

SECTIONS: Final = {
    "cell.end": 4, "cell.heap": 1, "cell.by_hash": 8, "cell.in_order": 4,
    "delta.id": 32, "delta.author": 4, "delta.system": 4, "delta.edge": 4, "delta.group": 4, "delta.ms": 8,
    "delta.counter": 4, "delta.scope": 4, "delta.epoch": 4, "delta.group_size": 4, "delta.fact_last": 4,
    "delta.by_id": 8, "delta.grouped": 4, "author.cell": 4,
    "fact.digest": 32, "attribute.cell": 4, "attribute.end": 4, "fact.entity": 4, "fact.value": 4, "fact.row": 4,
    "fact.place": 4, "fact.by_value": 4, "fact.by_entity": 4, "entity.cell": 4, "entity.end": 4, "fact.by_id": 8,
    "cause.from": 4, "cause.to": 4, "cause.by_to": 4,
    "repeat.delta": 4, "repeat.fact": 4, "repeat.by_fact": 4,
}  # fmt: skip
"""Every section in its order, and the bytes of one item."""

NAMES: Final = tuple(SECTIONS)
_HEAD: Final = Struct("<8s2I6IQ")
_PLACE: Final = Struct("<QQ")
HEADER_BYTES: Final = _HEAD.size + _PLACE.size * len(SECTIONS)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers that a segment begins behind and ends with."""

    delta_after: int = 0
    delta_last: int = 0
    fact_after: int = 0
    fact_last: int = 0
    cell_after: int = 0
    cell_last: int = 0

    @property
    def facts(self) -> int:
        """How many facts were first said here."""
        return self.fact_last - self.fact_after

    @property
    def deltas(self) -> int:
        """How many deltas it covers."""
        return self.delta_last - self.delta_after


@dataclass(frozen=True, slots=True)
class Header:
    """The first bytes of a segment: what it covers, where each section is, and where the page sums begin."""

    bounds: Bounds
    sums_at: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def bytes_total(self) -> int:
        """The length of the whole segment."""
        return self.sums_at + 4 * pages(self.sums_at)


def pages(size: int) -> int:
    """How many pages hold this many bytes."""
    return -(-size // PAGE_BYTES)


def align(at: int) -> int:
    """The next offset at which a section may begin."""
    return -(-at // ALIGN_BYTES) * ALIGN_BYTES


def write_header(header: Header) -> bytes:
    """The bytes of a header."""
    b = header.bounds
    numbers = (b.delta_after, b.delta_last, b.fact_after, b.fact_last, b.cell_after, b.cell_last)
    head = _HEAD.pack(MAGIC, PAGE_BYTES, len(SECTIONS), *numbers, header.sums_at)
    return head + b"".join(_PLACE.pack(*place) for place in zip(header.offsets, header.counts, strict=True))


def read_header(buffer: Buffer) -> Header:
    """The header of a segment, every number of it checked against its length; `store.index-damaged` if one is wrong."""
    if len(buffer) < HEADER_BYTES:
        raise damaged("a segment is shorter than its header")
    magic, page_bytes, sections, *numbers, sums_at = _HEAD.unpack_from(buffer)
    bounds = Bounds(*numbers)
    if magic != MAGIC or page_bytes != PAGE_BYTES or sections != len(SECTIONS):
        raise damaged("a segment does not begin as one")
    places = [_PLACE.unpack_from(buffer, _HEAD.size + number * _PLACE.size) for number in range(len(SECTIONS))]
    header = Header(bounds, sums_at, tuple(at for at, _ in places), tuple(count for _, count in places))
    at = HEADER_BYTES
    for (offset, count), size in zip(places, SECTIONS.values(), strict=True):
        if offset != align(at) or count > len(buffer):
            raise damaged("the sections of a segment do not follow one another")
        at = offset + count * size
    if at != sums_at or len(buffer) != header.bytes_total or not _agrees(bounds, header.counts):
        raise damaged("a segment is not as long as it says")
    return header


def _agrees(bounds: Bounds, counts: tuple[int, ...]) -> bool:
    """Whether each section has as many items as others say, so that no look-up leads outside."""
    of = dict(zip(NAMES, counts, strict=True))
    deltas, facts, cells = bounds.deltas, bounds.facts, bounds.cell_last - bounds.cell_after
    expected = {
        "cell.end": cells, "cell.by_hash": cells, "cell.in_order": cells,
        "delta.by_id": deltas, "attribute.end": of["attribute.cell"], "entity.end": of["entity.cell"],
        "cause.to": of["cause.from"], "cause.by_to": of["cause.from"],
        "repeat.fact": of["repeat.delta"], "repeat.by_fact": of["repeat.delta"],
        **{name: deltas for name in NAMES if name.startswith("delta.") and name != "delta.grouped"},
        **{name: facts for name in NAMES if name.startswith("fact.")},
    }  # fmt: skip
    return (
        min(deltas, facts, cells) >= 0
        and max(bounds.delta_last, bounds.fact_last, bounds.cell_last) < ROW
        and of["delta.grouped"] <= deltas
        and all(of[name] == count for name, count in expected.items())
    )


def seal(buffer: Buffer, sums_at: int) -> bytes:
    """What the file's catalogue keeps of a segment: its header and its page sums, hashed."""
    return hashlib.sha256(bytes(buffer[:HEADER_BYTES]) + bytes(buffer[sums_at:])).digest()[:16]


def damaged(what: str) -> StoreError:
    """The error for an index that does not hold together; the log is not touched by it."""
    return StoreError("store.index-damaged", f"the index is damaged: {what}", fix="rhizome doctor FILE --rebuild-index")


def full() -> StoreError:
    """The error for a write that needs more numbers than there are."""
    return StoreError(
        "store.full",
        f"a database numbers up to {ROW - 1:,} facts, as many deltas, and {CELL - 1:,} different values and names;"
        " nothing of this write was kept",
        fix="another database for what is said from now on",
    )

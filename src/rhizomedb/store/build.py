"""Making segments: from what deltas say, and from the segments of adjacent stretches. The twin of the kernels.

Numbers are given in log order, delta by delta: its author, system, edge and group, then of each fact that is new its
entity, attribute, value and those causes that no fact here has; so the same log gives the same numbers, however it
was cut into stretches, and a segment that was merged is the segment that would have been built (a law in the tests).
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rhizomedb.facts import codec
from rhizomedb.facts.cid import PREFIX
from rhizomedb.store import keys
from rhizomedb.store.said import Said
from rhizomedb.store.segment import (
    CELL,
    HEADER_BYTES,
    NAMES,
    PAGE_BYTES,
    ROW,
    SECTIONS,
    Bounds,
    Buffer,
    Header,
    align,
    damaged,
    full,
    write_header,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rhizomedb.store.lookup import Index, Segment

    Numbers = NDArray[Any]

TYPES: Final = {1: "u1", 4: "<u4", 8: "<u8", 32: "V32"}


class Columns(NamedTuple):
    """What a segment is made of, each by number: cells, deltas, facts by row, causes and repeats in log order."""

    bounds: Bounds
    heap: bytes
    ends: Sequence[int]
    hashes: Sequence[int]
    deltas: dict[str, Any]
    digests: bytes
    entity: Any
    attribute: Any
    value: Any
    cause_from: Any
    cause_to: Any
    repeat_delta: Any
    repeat_fact: Any


def build_segment(index: Index, delta_after: int, fact_after: int, cell_after: int, said: Sequence[Said]) -> bytes:
    """The segment of deltas that follow what an index covers. None of them is known to it, and no two are the same."""
    return assemble(_gather(index, delta_after, fact_after, cell_after, said))


def merge_segments(segments: Sequence[Segment]) -> bytes:
    """The segment that covers what adjacent segments cover, oldest first."""
    try:
        return assemble(_concatenate(segments))
    except (
        ValueError,
        IndexError,
        OverflowError,
    ) as error:  # numbers that lead outside, in a segment that nobody built
        raise damaged(f"its segments cannot be merged: {error}") from error


# -- numbering ---------------------------------------------------------------------------------------------------------


class _Numbers:
    """Cells by key: those of an index, and new ones in the order in which they come."""

    def __init__(self, index: Index, after: int) -> None:
        self._index = index
        self._known: dict[bytes, int] = {b"": 0}
        self.new: list[bytes] = []
        self._after = after

    def __call__(self, key: bytes) -> int:
        cell = self._known.get(key)
        if cell is None:
            cell = self._index.find_cell(key)
            if not cell:
                self.new.append(key)
                cell = self._after + len(self.new)
            self._known[key] = cell
        return cell


def _gather(index: Index, delta_after: int, fact_after: int, cell_after: int, said: Sequence[Said]) -> Columns:
    cell = _Numbers(index, cell_after)
    rows: dict[bytes, int] = {}
    deltas: dict[str, Any] = {name: array("Q") for name in _DELTA_COLUMNS}
    entity, attribute, value, cause_from, cause_to = (array("I") for _ in range(5))
    repeats: list[tuple[int, int]] = []
    new: list[bytes] = []
    for seq, delta in enumerate(said, delta_after + 1):
        numbers = (cell(delta.author), cell(delta.system), cell(delta.edge), cell(delta.group))
        fresh: list[int] = []
        known: list[tuple[int, int]] = []
        for place in range(len(delta.digests) // 32):
            digest = delta.digests[32 * place : 32 * place + 32]
            row = rows.get(digest) or index.find_fact(digest)
            if row:
                known.append((seq, row))
            else:
                new.append(digest)
                rows[digest] = fact_after + len(new)
                fresh.append(place)
        spans = array("I", delta.spans)
        first = fact_after + len(new) - len(fresh)
        for row, place in enumerate(fresh, first + 1):
            start, attribute_at, value_at, causes_at, _ = spans[5 * place : 5 * place + 5]
            entity.append(cell(key_at(delta.data, start + 1)))
            attribute.append(cell(key_at(delta.data, attribute_at)))
            value.append(cell(key_at(delta.data, value_at)))
            for key in _causes_at(delta.data, causes_at):
                target = 0
                if key.startswith(_OWN):
                    target = rows.get(key[5:]) or index.find_fact(key[5:])
                cause_from.append(row)
                cause_to.append(target | ROW if target else cell(key))
        repeats += sorted(known)
        last = fact_after + len(new)
        columns = (*numbers, delta.ms, delta.counter, delta.scope, delta.epoch, delta.group_size, last)
        for name, number in zip(_DELTA_COLUMNS, columns, strict=True):
            deltas[name].append(number)
    bounds = Bounds(
        delta_after, delta_after + len(said), fact_after, fact_after + len(new), cell_after, cell_after + len(cell.new)
    )
    if max(bounds.delta_last, bounds.fact_last) >= ROW or bounds.cell_last >= CELL:
        raise full()
    deltas["delta.id"] = b"".join(delta.id for delta in said)
    return Columns(
        bounds,
        b"".join(cell.new),
        array("I", accumulate(map(len, cell.new))),
        [hash_of(key) << 32 | number for number, key in enumerate(cell.new, cell_after + 1)],
        deltas,
        b"".join(new),
        entity,
        attribute,
        value,
        cause_from,
        cause_to,
        array("I", [delta for delta, _ in repeats]),
        array("I", [fact for _, fact in repeats]),
    )


_OWN: Final = keys.LINK_HEAD + PREFIX
_DELTA_COLUMNS: Final = (
    "delta.author", "delta.system", "delta.edge", "delta.group", "delta.ms", "delta.counter", "delta.scope",
    "delta.epoch", "delta.group_size", "delta.fact_last",
)  # fmt: skip


def hash_of(key: bytes) -> int:
    """What a cell is looked up by: the first 32 bits of its key's SHA-256."""
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big")


def key_at(data: bytes, at: int) -> bytes:
    """The key of the encoded value at an offset, which is known to be canonical."""
    major, number, end = codec.read_head(data, at)
    if major == codec.TEXT:
        return keys.TEXT_HEAD + data[end : end + number]
    if major == codec.BYTES:
        return keys.BYTES_HEAD + data[end : end + number]
    if major == codec.UNSIGNED:
        return keys.key_of(number)
    if major == codec.NEGATIVE:
        return keys.key_of(-1 - number)
    if major == codec.TAG:
        _, size, start = codec.read_head(data, end)
        return keys.LINK_HEAD + data[start + 1 : start + size]
    if data[at] == 0xFB:
        bits = number ^ (2**64 - 1 if number >> 63 else 1 << 63)
        return bytes((keys.FLOAT,)) + bits.to_bytes(8, "big")
    return bytes((keys.BOOL, data[at] == 0xF5))


def _causes_at(data: bytes, at: int) -> list[bytes]:
    """The keys of a list of links."""
    _, count, at = codec.read_head(data, at)
    found = []
    for _ in range(count):
        _, size, start = codec.read_head(data, at + 2)
        at = start + size
        found.append(keys.LINK_HEAD + data[start + 1 : at])
    return found


# -- from segments -----------------------------------------------------------------------------------------------------


def _concatenate(segments: Sequence[Segment]) -> Columns:
    import numpy as np

    for segment in segments:
        segment.check(0, segment.header.sums_at)
    parts = [(segment.header, segment.bytes) for segment in segments]

    def of(name: str) -> list[Numbers]:
        return [array_of(header, buffer, name) for header, buffer in parts]

    def joined(name: str) -> Numbers:
        return np.concatenate(of(name))

    ends, base = [], 0
    for part, heap in zip(of("cell.end"), of("cell.heap"), strict=True):
        ends.append(part.astype("<u8") + base)
        base += len(heap)
        if len(part) and int(part[-1]) != len(heap):
            raise damaged("its cells do not end where they should")
    by_row: dict[str, list[Numbers]] = {"entity": [], "attribute": [], "value": []}
    for header, buffer in parts:
        place = array_of(header, buffer, "fact.place")
        counts = np.diff(array_of(header, buffer, "attribute.end"), prepend=0)
        attributes = np.repeat(array_of(header, buffer, "attribute.cell"), counts)
        by_row["entity"].append(array_of(header, buffer, "fact.entity")[place])
        by_row["attribute"].append(attributes[place])
        by_row["value"].append(array_of(header, buffer, "fact.value")[place])
    first, last = parts[0][0].bounds, parts[-1][0].bounds
    bounds = Bounds(
        first.delta_after, last.delta_last, first.fact_after, last.fact_last, first.cell_after, last.cell_last
    )
    deltas: dict[str, Any] = {name: joined(name) for name in _DELTA_COLUMNS}
    deltas["delta.id"] = b"".join(part.tobytes() for part in of("delta.id"))
    return Columns(
        bounds,
        b"".join(part.tobytes() for part in of("cell.heap")),
        np.concatenate(ends),  # type: ignore[arg-type]  # an array of numbers is a sequence of them
        joined("cell.by_hash"),  # type: ignore[arg-type]  # an array of numbers is a sequence of them
        deltas,
        b"".join(part.tobytes() for part in of("fact.digest")),
        np.concatenate(by_row["entity"]),
        np.concatenate(by_row["attribute"]),
        np.concatenate(by_row["value"]),
        joined("cause.from"),
        joined("cause.to"),
        joined("repeat.delta"),
        joined("repeat.fact"),
    )


def array_of(header: Header, buffer: Buffer, name: str) -> Numbers:
    """A section as an array, in place."""
    import numpy as np

    number = NAMES.index(name)
    return np.frombuffer(buffer, TYPES[SECTIONS[name]], header.counts[number], header.offsets[number])


# -- sorting -----------------------------------------------------------------------------------------------------------


def assemble(columns: Columns) -> bytes:
    """The segment of columns: every order that it holds, its header and its page sums."""
    import numpy as np

    bounds = columns.bounds
    entity, attribute, value, cause_from, cause_to, repeat_delta, repeat_fact = (
        np.asarray(column, "<u4") for column in columns[6:]
    )
    rows = np.arange(bounds.fact_after + 1, bounds.fact_last + 1, dtype="<u4")
    order = np.lexsort((entity, attribute))
    place = np.empty(len(rows), "<u4")
    place[order] = np.arange(len(rows), dtype="<u4")
    entity, attribute, value = entity[order], attribute[order], value[order]
    attributes, attribute_counts = np.unique(attribute, return_counts=True)
    entities, entity_counts = np.unique(entity, return_counts=True)
    deltas = {name: np.asarray(columns.deltas[name], "<u8") for name in _DELTA_COLUMNS}
    seqs = np.arange(bounds.delta_after + 1, bounds.delta_last + 1, dtype="<u4")
    grouped = np.flatnonzero(deltas["delta.group"])
    by = [deltas[name][grouped] for name in ("delta.group_size", "delta.author", "delta.group")]
    sections: dict[str, Any] = {
        "cell.end": np.asarray(columns.ends, "<u4"),
        "cell.heap": columns.heap,
        "cell.by_hash": np.sort(np.asarray(columns.hashes, "<u8")),
        "cell.in_order": _in_order(columns),
        "delta.id": columns.deltas["delta.id"],
        **deltas,
        "delta.by_id": _by_id(columns.deltas["delta.id"], bounds.delta_after),
        "delta.grouped": seqs[grouped][np.lexsort(by)] if len(grouped) else seqs[:0],
        "author.cell": np.unique(deltas["delta.author"]),
        "fact.digest": columns.digests,
        "attribute.cell": attributes,
        "attribute.end": np.cumsum(attribute_counts),
        "fact.entity": entity,
        "fact.value": value,
        "fact.row": rows[order],
        "fact.place": place,
        "fact.by_value": np.lexsort((value, attribute)),
        "fact.by_entity": np.argsort(entity, kind="stable"),
        "entity.cell": entities,
        "entity.end": np.cumsum(entity_counts),
        "fact.by_id": _by_id(columns.digests, bounds.fact_after),
        "cause.from": cause_from,
        "cause.to": cause_to,
        "cause.by_to": np.argsort(cause_to, kind="stable"),
        "repeat.delta": repeat_delta,
        "repeat.fact": repeat_fact,
        "repeat.by_fact": np.argsort(repeat_fact, kind="stable"),
    }
    return _write(bounds, sections)


def _in_order(columns: Columns) -> Numbers:
    """The cells of a stretch in the order of their keys."""
    import numpy as np

    starts = [0, *columns.ends]
    heap = columns.heap
    found = sorted(range(len(starts) - 1), key=lambda place: heap[starts[place] : starts[place + 1]])
    return np.asarray(found, "<u4") + np.uint32(columns.bounds.cell_after + 1)


def _by_id(digests: bytes, after: int) -> Numbers:
    """Digests as numbers to look up: the first 32 bits of each, then its own number."""
    import numpy as np

    prefixes = np.frombuffer(digests, ">u4").reshape(-1, 8)[:, 0].astype("<u8")
    return np.sort(prefixes << np.uint64(32) | np.arange(after + 1, after + 1 + len(prefixes), dtype="<u8"))


def _write(bounds: Bounds, sections: dict[str, Any]) -> bytes:
    import numpy as np

    parts: list[bytes] = []
    offsets, counts = [], []
    at = HEADER_BYTES
    for name, size in SECTIONS.items():
        section = sections[name]
        data = section if isinstance(section, bytes) else np.asarray(section, TYPES[size]).tobytes()
        start = align(at)
        parts += (bytes(start - at), data)
        offsets.append(start)
        counts.append(len(data) // size)
        at = start + len(data)
    body = write_header(Header(bounds, at, tuple(offsets), tuple(counts))) + b"".join(parts)
    return body + b"".join(sums(body))


def sums(body: Buffer) -> Iterable[bytes]:
    """The CRC-32 of each page."""
    for at in range(0, len(body), PAGE_BYTES):
        yield zlib.crc32(body[at : at + PAGE_BYTES]).to_bytes(4, "little")

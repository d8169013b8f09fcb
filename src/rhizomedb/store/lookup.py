"""Looking things up in segments. The twin of the kernel of the same name.

An `Index` is some adjacent segments, oldest first, as one: it never changes. Every page is checked against its sum
before its first use, and every number read from it before it leads anywhere; so a damaged segment gives
`store.index-damaged` and never a wrong answer or a crash.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from typing import Final, Literal, TypeAlias

from rhizomedb.store.build import hash_of
from rhizomedb.store.segment import (
    NAMES,
    PAGE_BYTES,
    ROW,
    SECTIONS,
    Buffer,
    damaged,
    pages,
    read_header,
)

BY_PLACE, BY_VALUE, BY_ENTITY = range(3)
"""The orders of facts in a segment that a range can be of."""

Range: TypeAlias = tuple[int, int, int, int]
"""Some facts: the number of a segment, one of its orders, and from where to where in it."""

Row: TypeAlias = tuple[int, bytes, int, int, int]
"""A fact: its row, its digest, and the cells of its entity, attribute and value."""

EdgeRow: TypeAlias = tuple[tuple[int, int, bytes], int, int, int, "bytes | None"]
"""A hyperedge: the time and the digest of its delta, the cells of its author, system and edge, and its pointers."""

_FORMATS: Final[dict[int, Literal["B", "I", "Q"]]] = {1: "B", 4: "I", 8: "Q"}
PAGE_ROWS: Final = 4096
KINDS: Final = 6


class Segment:
    """One segment: its sections, each page of them checked before it is first used."""

    def __init__(self, buffer: Buffer) -> None:
        self.header = read_header(buffer)
        self.bounds = self.header.bounds
        self.bytes = memoryview(buffer).cast("B")
        self._checked = bytearray(pages(self.header.sums_at))
        self.views: dict[str, tuple[int, int, memoryview[int]]] = {}
        self.counts = dict(zip(NAMES, self.header.counts, strict=True))
        for name, at, count in zip(NAMES, self.header.offsets, self.header.counts, strict=True):
            size = SECTIONS[name]
            view = self.bytes[at : at + count * size]
            self.views[name] = (at, size, view if size == 32 else view.cast(_FORMATS[size]))

    def numbers(self) -> tuple[int, int, int, int, int, int, int, int, int]:
        """The six bounds, the numbers of causes and of repeats, and where the page sums begin."""
        counts = self.counts["cause.from"], self.counts["repeat.delta"]
        return (*astuple(self.bounds), *counts, self.header.sums_at)

    def check(self, at: int, size: int) -> None:
        """Compare the pages that hold some bytes with their sums."""
        for page in range(at // PAGE_BYTES, pages(at + size)):
            if not self._checked[page]:
                start = page * PAGE_BYTES
                end = min(start + PAGE_BYTES, self.header.sums_at)
                said = self.bytes[self.header.sums_at + 4 * page :][:4]
                if zlib.crc32(self.bytes[start:end]).to_bytes(4, "little") != said:
                    raise damaged(f"page {page} is not what was written")
                self._checked[page] = 1

    def item(self, name: str, number: int) -> int:
        """One number of a section."""
        at, size, view = self.views[name]
        if not 0 <= number < len(view):
            raise damaged(f"{name} has no item {number}")
        self.check(at + number * size, size)
        return view[number]

    def items(self, name: str, first: int, last: int) -> Sequence[int]:
        """Some numbers of a section, in place."""
        at, size, view = self.views[name]
        if not 0 <= first <= last <= len(view):
            raise damaged(f"{name} has no items {first} to {last}")
        self.check(at + first * size, (last - first) * size)
        return view[first:last]

    def digest(self, name: str, number: int) -> bytes:
        """One digest of a section."""
        at, _, view = self.views[name]
        if not 0 <= number < len(view) // 32:
            raise damaged(f"{name} has no item {number}")
        self.check(at + 32 * number, 32)
        return bytes(view[32 * number : 32 * number + 32])

    def key(self, cell: int) -> bytes:
        """The key of a cell that came up first here."""
        number = cell - self.bounds.cell_after - 1
        start = self.item("cell.end", number - 1) if number else 0
        return bytes(self.items("cell.heap", start, self.item("cell.end", number)))

    def bisect(self, name: str, number: int, first: int = 0, last: int | None = None) -> int:
        """Where a number would stand in a sorted part of a section."""
        last = self.counts[name] if last is None else last
        while first < last:
            middle = (first + last) // 2
            if self.item(name, middle) < number:
                first = middle + 1
            else:
                last = middle
        return first

    def matching(self, name: str, prefix: int) -> Iterable[int]:
        """The numbers that stand beside a prefix of 32 bits in a section of pairs."""
        at = self.bisect(name, prefix << 32)
        while at < self.counts[name] and (pair := self.item(name, at)) >> 32 == prefix:
            yield pair & 0xFFFF_FFFF
            at += 1

    def part(self, name: str, cell: int) -> tuple[int, int]:
        """Where the items of a cell begin and end, by the sorted cells of an attribute or entity."""
        number = self.bisect(f"{name}.cell", cell)
        if number == self.counts[f"{name}.cell"] or self.item(f"{name}.cell", number) != cell:
            return 0, 0
        return self.item(f"{name}.end", number - 1) if number else 0, self.item(f"{name}.end", number)

    def ordered(self, order: int, number: int) -> int:
        """The place at a number of an order."""
        return number if order == BY_PLACE else self.item(("", "fact.by_value", "fact.by_entity")[order], number)

    def bisect_in(self, order: int, column: str, number: int, first: int, last: int) -> int:
        """Where a number would stand in a part of an order that is sorted by a column."""
        while first < last:
            middle = (first + last) // 2
            if self.item(column, self.ordered(order, middle)) < number:
                first = middle + 1
            else:
                last = middle
        return first

    def attribute_at(self, place: int) -> int:
        """The attribute of the fact at a place."""
        number = self.bisect("attribute.end", place + 1)
        return self.item("attribute.cell", number)


class Index:
    """Adjacent segments as one. Numbers of what is not there are 0; lists of them are empty."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = list(segments)
        if any(a.bounds.delta_last != b.bounds.delta_after or a.bounds.fact_last != b.bounds.fact_after
               or a.bounds.cell_last != b.bounds.cell_after for a, b in zip(self._segments, self._segments[1:], strict=False)):  # fmt: skip
            raise damaged("its segments do not follow one another")
        self._facts = [segment.bounds.fact_last for segment in self._segments]
        self._deltas = [segment.bounds.delta_last for segment in self._segments]
        self._cells = [segment.bounds.cell_last for segment in self._segments]

    # -- cells ------------------------------------------------------------------------------------------------------

    def find_cell(self, key: bytes) -> int:
        """The cell of a key."""
        prefix = hash_of(key)
        for segment in reversed(self._segments):
            for cell in segment.matching("cell.by_hash", prefix):
                if segment.key(cell) == key:
                    return cell
        return 0

    def keys(self, cells: Sequence[int]) -> list[bytes]:
        """The keys of cells."""
        return [self._of(self._cells, cell, "cell").key(cell) for cell in cells]

    # -- deltas -----------------------------------------------------------------------------------------------------

    def find_delta(self, digest: bytes) -> int:
        """The number of a delta by the digest of its id."""
        prefix = int.from_bytes(digest[:4], "big")
        for segment in reversed(self._segments):
            for seq in segment.matching("delta.by_id", prefix):
                if segment.digest("delta.id", seq - segment.bounds.delta_after - 1) == digest:
                    return seq
        return 0

    def deltas(self, seqs: Sequence[int]) -> list[tuple[bytes, int, int, int, int, int, int, int]]:
        """Of each delta: digest, cells of author and system, milliseconds, counter, cell of the edge, scope, epoch."""
        found = []
        for seq in seqs:
            segment = self._of(self._deltas, seq, "delta")
            number = seq - segment.bounds.delta_after - 1
            columns = [segment.item(f"delta.{name}", number) for name in _SHOWN]
            found.append((segment.digest("delta.id", number), *columns))
        return found  # type: ignore[return-value]  # `_SHOWN` names the seven numbers

    def facts_of_delta(self, seq: int) -> tuple[int, int]:
        """The rows that a delta was the first to say: behind which they begin, and the last."""
        segment = self._of(self._deltas, seq, "delta")
        number = seq - segment.bounds.delta_after - 1
        before = segment.item("delta.fact_last", number - 1) if number else segment.bounds.fact_after
        return before, segment.item("delta.fact_last", number)

    def members(self, author: int, group: int, size: int) -> int:
        """How many deltas of an author there are of a group of some size."""
        count = 0
        for segment in self._segments:
            for seq in segment.items("delta.grouped", 0, segment.counts["delta.grouped"]):
                number = seq - segment.bounds.delta_after - 1
                columns = [segment.item(f"delta.{name}", number) for name in ("author", "group", "group_size")]
                count += columns == [author, group, size]
        return count

    def has_author(self, author: int) -> bool:
        """Whether a cell is the author of any delta."""
        for segment in self._segments:
            at = segment.bisect("author.cell", author)
            if at < segment.counts["author.cell"] and segment.item("author.cell", at) == author:
                return True
        return False

    # -- facts ------------------------------------------------------------------------------------------------------

    def find_fact(self, digest: bytes) -> int:
        """The row of a fact by the digest of its CID."""
        prefix = int.from_bytes(digest[:4], "big")
        for segment in reversed(self._segments):
            for row in segment.matching("fact.by_id", prefix):
                if segment.digest("fact.digest", row - segment.bounds.fact_after - 1) == digest:
                    return row
        return 0

    def digests(self, rows: Sequence[int]) -> list[bytes]:
        """The digests of facts."""
        found = []
        for row in rows:
            segment = self._of(self._facts, row, "fact")
            found.append(segment.digest("fact.digest", row - segment.bounds.fact_after - 1))
        return found

    def facts(self, rows: Sequence[int]) -> list[Row]:
        """Facts by their rows."""
        found = []
        for row in rows:
            segment = self._of(self._facts, row, "fact")
            found.append(self._fact(segment, segment.item("fact.place", row - segment.bounds.fact_after - 1)))
        return found

    def ranges(self, entity: int, attribute: int, value: int) -> list[Range]:
        """Where the facts are that have some cells; 0 stands for any. A value without an attribute is looked for in all."""
        found: list[Range] = []
        newest = max(entity, attribute, value)
        for number, segment in enumerate(self._segments):
            if newest > segment.bounds.cell_last:
                continue  # a cell is in no segment older than itself
            if entity:
                order = BY_ENTITY
                first, last = segment.part("entity", entity)
                if attribute and first < last:
                    first, last = self._with_attribute(segment, attribute, first, last)
                found.append((number, order, first, last))
            elif value:
                for first, last in self._parts(segment, attribute):
                    at = segment.bisect_in(BY_VALUE, "fact.value", value, first, last)
                    end = segment.bisect_in(BY_VALUE, "fact.value", value + 1, at, last)
                    found.append((number, BY_VALUE, at, end))
            elif attribute:
                found.append((number, BY_PLACE, *segment.part("attribute", attribute)))
            else:
                found.append((number, BY_PLACE, 0, segment.bounds.facts))
        return [part for part in found if part[2] < part[3]]

    def _parts(self, segment: Segment, attribute: int) -> list[tuple[int, int]]:
        if attribute:
            return [segment.part("attribute", attribute)]
        ends = list(segment.items("attribute.end", 0, segment.counts["attribute.end"]))
        return list(zip([0, *ends], ends, strict=False))

    def _with_attribute(self, segment: Segment, attribute: int, first: int, last: int) -> tuple[int, int]:
        begin, end = segment.part("attribute", attribute)
        places = segment.items("fact.by_entity", first, last)
        return first + bisect_left(places, begin), first + bisect_right(places, end - 1)

    def read(self, part: Range) -> list[Row]:
        """The facts of a range."""
        number, order, first, last = part
        segment = self._segments[number]
        return [self._fact(segment, segment.ordered(order, each)) for each in range(first, last)]

    def find_facts(self, entity: int, attribute: int, value: int, most: int) -> tuple[list[Row], list[Range]]:
        """The facts that have some cells, as many whole ranges as make no more than `most`, and the ranges of the rest."""
        rest = self.ranges(entity, attribute, value)
        rows: list[Row] = []
        while rest and len(rows) + rest[0][3] - rest[0][2] <= most:
            rows += self.read(rest.pop(0))
        return rows, rest

    def _fact(self, segment: Segment, place: int) -> Row:
        row = segment.item("fact.row", place)
        digest = segment.digest("fact.digest", row - segment.bounds.fact_after - 1)
        return (
            row,
            digest,
            segment.item("fact.entity", place),
            segment.attribute_at(place),
            segment.item("fact.value", place),
        )

    # -- causes and sayings -----------------------------------------------------------------------------------------

    def causes(self, row: int) -> list[int]:
        """The causes of a fact as they stand in `cause.to`."""
        segment = self._of(self._facts, row, "fact")
        at = segment.bisect("cause.from", row)
        found = []
        while at < segment.counts["cause.from"] and segment.item("cause.from", at) == row:
            found.append(segment.item("cause.to", at))
            at += 1
        return found

    def caused(self, row: int, most: int) -> list[int]:
        """Up to `most` rows of facts that have causes, from one on."""
        found: list[int] = []
        for segment in self._segments:
            at = segment.bisect("cause.from", row)
            while at < segment.counts["cause.from"] and len(found) < most:
                each = segment.item("cause.from", at)
                if not found or found[-1] != each:
                    found.append(each)
                at += 1
        return found

    def effects(self, to: int) -> list[int]:
        """The rows of the facts whose cause is this, as it stands in `cause.to`."""
        found = []
        for segment in self._segments:
            for number in self._all_of(segment, "cause.by_to", "cause.to", to):
                found.append(segment.item("cause.from", number))
        return found

    def sayers(self, row: int) -> list[int]:
        """The deltas that say a fact, the first first."""
        segment = self._of(self._facts, row, "fact")
        first = segment.bisect("delta.fact_last", row)
        found = [first + segment.bounds.delta_after + 1]
        for segment in self._segments:
            for number in self._all_of(segment, "repeat.by_fact", "repeat.fact", row):
                found.append(segment.item("repeat.delta", number))
        return found

    def says(self, rows: Sequence[int], last: int) -> list[tuple[int, int]]:
        """Which deltas up to one say each of some facts: pairs of a row and a delta, row by row."""
        return [(row, seq) for row in rows for seq in self.sayers(row) if seq <= last]

    def edges(self, entity: int, attribute: int, value: int, by_value: bool, last: int) -> list[tuple[int, int]]:
        """The hyperedges that facts with some cells belong to: the attribute of each fact, and each delta that says it.

        Only deltas up to one count whose edge is the entity of the fact, or with `by_value` its value. A delta that can be
        read no more has no author, and is passed over.
        """
        found = []
        for row, _, of, under, to in self.find_facts(entity, attribute, value, sys.maxsize)[0]:
            edge = to if by_value else of
            if value and to != value:
                continue
            for seq in self.sayers(row):
                ((_, author, _, _, _, of_delta, _, _),) = self.deltas([seq])
                if seq <= last and of_delta == edge and author:
                    found.append((under, seq))
        return found

    def hyperedges(self, seqs: Sequence[int]) -> tuple[list[EdgeRow], list[int]]:
        """Deltas as hyperedges: of each its time and digest, author, system and edge, and its pointers.

        These are numbers of 32 bits in the machine's order: for each fact of the edge its attribute, its value, how many
        facts show it under a context of the value, and the attributes of these. None where the delta says facts again
        that were here before: their order is not here. The second list has all cells that are named, each once, in order.
        """
        found: list[EdgeRow] = []
        cells: set[int] = set()
        for seq in seqs:
            ((digest, author, system, ms, counter, edge, _, _),) = self.deltas([seq])
            cells.update((author, system, edge))
            packed = None
            if not self.repeated_by(seq):
                pointers = self._pointers(seq, edge)
                cells.update(cell for role, target, under in pointers for cell in (role, target, *under))
                numbers = [n for role, target, under in pointers for n in (role, target, len(under), *under)]
                packed = array("I", numbers).tobytes()
            found.append(((ms, counter, digest), author, system, edge, packed))
        return found, sorted(cells)

    def _pointers(self, seq: int, edge: int) -> list[tuple[int, int, list[int]]]:
        pointers: dict[int, tuple[int, int, list[int]]] = {}
        contexts: list[tuple[int, int]] = []
        before, last = self.facts_of_delta(seq)
        for row, _, entity, attribute, value in self.facts(range(before + 1, last + 1)):
            if value == edge:
                causes = self.causes(row)
                if len(causes) == 1 and causes[0] >= ROW:
                    contexts.append((causes[0] - ROW, attribute))
                if causes:  # it shows the edge under a context, be it of itself
                    continue
            if entity == edge:
                pointers[row] = attribute, value, []
        for cause, attribute in contexts:
            if cause in pointers:
                pointers[cause][2].append(attribute)
        return list(pointers.values())

    def repeated_by(self, seq: int) -> list[int]:
        """The rows of the facts that a delta says and another said before."""
        segment = self._of(self._deltas, seq, "delta")
        at = segment.bisect("repeat.delta", seq)
        found = []
        while at < segment.counts["repeat.delta"] and segment.item("repeat.delta", at) == seq:
            found.append(segment.item("repeat.fact", at))
            at += 1
        return found

    def visible(
        self, rows: Sequence[int], last: int, since: int, until: int, authors: Sequence[int] | None
    ) -> list[bool]:
        """Whether each fact is said by a delta up to `last` that is within a window of time and by one of some authors."""
        return [
            any(
                since < ms <= until and (authors is None or author in authors)
                for _, author, _, ms, *_ in self.deltas([seq for seq in self.sayers(row) if seq <= last])
            )
            for row in rows
        ]

    def _all_of(self, segment: Segment, order: str, column: str, wanted: int) -> Iterator[int]:
        """The places at which a column holds a number, by an order in which the column is sorted."""
        first, last = 0, segment.counts[order]
        while first < last:
            middle = (first + last) // 2
            if segment.item(column, segment.item(order, middle)) < wanted:
                first = middle + 1
            else:
                last = middle
        while first < segment.counts[order]:
            number = segment.item(order, first)
            if segment.item(column, number) != wanted:
                return
            yield number
            first += 1

    # -- all of them ------------------------------------------------------------------------------------------------

    def ordered(self, number: int, key: bytes, most: int) -> list[tuple[bytes, int]]:
        """Up to `most` cells of one segment in the order of their keys, from the first key that is not less than one."""
        segment = self._segments[number]
        first, last = 0, segment.counts["cell.in_order"]
        while first < last:
            middle = (first + last) // 2
            if segment.key(segment.item("cell.in_order", middle)) < key:
                first = middle + 1
            else:
                last = middle
        cells = segment.items("cell.in_order", first, min(first + most, segment.counts["cell.in_order"]))
        return [(segment.key(cell), cell) for cell in cells]

    def repeated(self, last: int) -> list[tuple[int, int]]:
        """The pairs of entity and attribute that more than one fact up to a row has, sorted."""
        counts: Counter[tuple[int, int]] = Counter()
        for number in range(len(self._segments)):
            size = self._segments[number].bounds.facts
            for start in range(0, size, PAGE_ROWS):
                rows = self.read((number, BY_PLACE, start, min(start + PAGE_ROWS, size)))
                counts.update((entity, attribute) for row, _, entity, attribute, _ in rows if row <= last)
        return sorted(register for register, count in counts.items() if count > 1)

    def summary(self, last: int) -> tuple[int, list[tuple[int, int, int, list[int]]]]:
        """Of the facts up to a row: how many entities, and of each attribute its facts, entities and kinds of value."""
        entities: set[int] = set()
        found: dict[int, tuple[set[int], list[int]]] = {}
        for number in range(len(self._segments)):
            size = self._segments[number].bounds.facts
            for start in range(0, size, PAGE_ROWS):
                for row, _, entity, attribute, value in self.read(
                    (number, BY_PLACE, start, min(start + PAGE_ROWS, size))
                ):
                    if row <= last:
                        of, kinds = found.setdefault(attribute, (set(), [0] * KINDS))
                        entities.add(entity)
                        of.add(entity)
                        key = self.keys([value])[0]
                        if not key:
                            raise damaged("a value is of no kind")
                        kinds[key[0] % KINDS] += 1
        return len(entities), [(each, sum(kinds), len(of), kinds) for each, (of, kinds) in sorted(found.items())]

    # -- sections ---------------------------------------------------------------------------------------------------

    def check(self, number: int, name: str, first: int = 0, last: int | None = None) -> tuple[int, int]:
        """Check the pages that hold some items of a section; where they begin and end in the segment, to be used in place."""
        segment = self._segments[number]
        last = segment.counts[name] if last is None else last
        at, size, _ = segment.views[name]
        if not 0 <= first <= last <= segment.counts[name]:
            raise damaged(f"{name} has no items {first} to {last}")
        segment.check(at + first * size, (last - first) * size)
        return at + first * size, at + last * size

    def _of(self, lasts: list[int], number: int, what: str) -> Segment:
        """The segment in which a number is."""
        if number < 1 or not lasts or number > lasts[-1]:
            raise damaged(f"there is no {what} {number & ~ROW}")
        return self._segments[bisect_left(lasts, number)]


_SHOWN: Final = ("author", "system", "ms", "counter", "edge", "scope", "epoch")

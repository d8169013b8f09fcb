"""Reading the index: the stored relations as tuples of cells.

A `View` is an index at the mark of a cut; neither changes. A scan looks up where its tuples are and reads them page by
page: so a slow reader holds no lock, may write while it reads, and still sees one moment.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, KIND_NAMES, Cell
from rhizomedb.store.keys import BYTES_HEAD, cell_of, key_of
from rhizomedb.store.layout import Mark
from rhizomedb.store.said import SCOPES
from rhizomedb.store.segment import ROW, damaged
from rhizomedb.store.store import COLUMNS, Cut, Epoch

PAGE_ROWS_MIN: Final = 64
PAGE_ROWS_MAX: Final = 4096
"""How many facts are read at once: few at first, for most scans are short."""

REMEMBERED_MAX: Final = 200_000
"""How many cells are remembered with their numbers."""

Bound: TypeAlias = Mapping[str, Cell]
Tuples: TypeAlias = Iterator[tuple[Cell, ...]]


class Cells:
    """Cells by their numbers and the other way round, those that were asked for remembered."""

    def __init__(self) -> None:
        self.known: dict[int, Cell] = {0: b""}
        self._numbers: dict[Cell, int] = {}

    def number(self, index: Any, cell: Cell) -> int:
        """The number of a cell; 0 if an index does not have it."""
        number = self._numbers.get(cell)
        if number is None:
            number = int(index.find_cell(key_of(cell)))
            if number:  # what nobody has said yet may be said at any time
                if len(self._numbers) >= REMEMBERED_MAX:
                    self._numbers.clear()
                self._numbers[cell] = number
        return number

    def read(self, index: Any, numbers: Iterable[int]) -> dict[int, Cell]:
        """A dictionary that has the cells of these numbers, and others."""
        known = self.known
        wanted = dict.fromkeys(numbers)
        missing = [number for number in wanted if number not in known]
        if missing:
            if len(known) + len(missing) > REMEMBERED_MAX:
                known = {0: b""}
                missing = [number for number in wanted if number]
                if len(missing) < REMEMBERED_MAX:
                    self.known = known
            try:
                for number, key in zip(missing, index.keys(missing), strict=True):
                    known[number] = cell_of(key)
            except ValueError as error:
                raise damaged(str(error)) from error
        return known


class View:
    """The relations of an index at a cut, whose epoch ends at a mark; `is_newest` if no fact came after that.

    A scan may last: `check` is called before each page of it, and raises where the index can be read no more.
    """

    def __init__(
        self,
        index: Any,
        cells: Cells,
        epochs: Callable[[int], Epoch],
        cut: Cut,
        mark: Mark,
        is_newest: bool,
        check: Callable[[], None],
    ) -> None:
        self.index = index
        self._check = check
        self._cells = cells
        self._epochs = epochs
        self._mark = mark
        self._is_newest = is_newest
        self.is_windowed = cut.is_window
        if self.is_windowed:
            authors = None if cut.authors is None else [self.number(author) for author in cut.authors]
            self._authors = None if authors is None else [author for author in authors if author]
            self._since = -1 if cut.since is None else max(-1, min(cut.since, INTEGER_MAX))
            self._until = INTEGER_MAX if cut.until is None else max(INTEGER_MIN, min(cut.until, INTEGER_MAX))

    def number(self, cell: Cell) -> int:
        """The number of a cell; 0 if nobody ever said it."""
        return self._cells.number(self.index, cell)

    # -- by number --------------------------------------------------------------------------------------------------

    def row(self, cid: Cell) -> int:
        """The row of a fact that is here by the mark, or 0."""
        return self._row(cid)

    def cids(self, rows: Sequence[int]) -> list[Cid]:
        """The CIDs of some rows."""
        return self._cids(rows)

    def cells(self, numbers: Iterable[int]) -> dict[int, Cell]:
        """A dictionary that has the cells of these numbers, and others."""
        return self._cells.read(self.index, numbers)

    def pages(self, part: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
        """A range of the index in pieces."""
        return self._pages(part)

    def visible_rows(self, rows: list[Any]) -> list[Any]:
        """Those of some facts, as the index has them, that are visible."""
        return self._visible_rows(rows)

    def sayings(self, row: int = 0, *, after: int = 0) -> Iterator[tuple[Cid, list[int]]]:
        """Each visible delta after one with the rows that it asserts; or of the deltas that assert one row, that row alone."""
        groups = self._deltas(None, after)
        if row:
            groups = iter([[seq for seq in self.index.sayers(row) if seq <= self._mark.deltas]])
        for seqs in groups:
            for seq, (digest, *_), _ in self._read_deltas(seqs):
                before, last = self.index.facts_of_delta(seq)
                rows = [row] if row else [*range(before + 1, last + 1), *self.index.repeated_by(seq)]
                yield Cid._trusted(PREFIX + digest), rows

    def says(self, rows: Sequence[int]) -> list[tuple[int, Cid]]:
        """Which visible deltas say each of some facts: pairs of a row and a delta, row by row."""
        found = self.index.says(rows, self._mark.deltas)
        deltas = self.index.deltas([seq for _, seq in found])
        return [
            (row, Cid._trusted(PREFIX + delta[0]))
            for (row, seq), delta in zip(found, deltas, strict=True)
            if self.is_seen(seq, delta)
        ]

    def deltas_after(self, last: int) -> Iterator[tuple[int, Any]]:
        """The number of every visible delta after one, and its row in the index."""
        for seqs in self._deltas(None, last):
            rows = self.index.deltas(list(seqs))
            yield from (each for each in zip(seqs, rows, strict=True) if self.is_seen(*each))

    def deltas_of(self, cids: Iterable[Cid]) -> Iterator[tuple[Cid, Any]]:
        """Those of some deltas that are here and visible, each with its row in the index: digest, cells and numbers."""
        named = [(cid, seq) for cid in cids for seqs in self._deltas(cid) for seq in seqs]
        rows = self.index.deltas([seq for _, seq in named])
        for (cid, seq), row in zip(named, rows, strict=True):
            if self.is_seen(seq, row):
                yield cid, row

    # -- scanning ---------------------------------------------------------------------------------------------------

    def scan(self, relation: str, bound: Bound) -> Tuples:
        """The distinct tuples of a relation that agree with `bound`."""
        if relation == "fact" and len(bound) == 1 and "$cid" in bound:
            return iter(self._named(bound["$cid"]))  # at once: it is a tuple or none
        found: Tuples = getattr(self, f"_{relation}")(bound)
        if not bound or (relation, *bound) in _EXACT:
            return found
        # What a look-up has not used up, filters.
        columns = COLUMNS[relation]
        assert set(bound) <= set(columns), f"{relation} has no such column"
        wanted = [(place, bound[name]) for place, name in enumerate(columns) if name in bound]
        return (cells for cells in found if all(cells[place] == cell for place, cell in wanted))

    def _fact(self, bound: Bound) -> Tuples:
        if "$cid" in bound:
            yield from self._named(bound["$cid"])
            return
        numbers = self._numbers(bound)
        if numbers is None:
            return
        entity, _, value = numbers
        first, rest = self.index.find_facts(*numbers, PAGE_ROWS_MIN)  # at once: most scans are short
        for rows in chain((first,), (self.index.read(page) for part in rest for page in self._pages(part))):
            if entity and value:
                rows = [row for row in rows if row[4] == value]  # noqa: PLW2901  # those that are asked for
            yield from self._facts(rows)

    def _named(self, cid: Cell) -> list[tuple[Cell, ...]]:
        """The fact that a CID names, if it is here and visible."""
        row = self._row(cid)
        return self._facts(self.index.facts([row])) if row else []

    def _numbers(self, bound: Bound) -> list[int] | None:
        """The numbers of the bound columns of `fact`, 0 for the others; None if one was never said."""
        numbers = []
        for name in COLUMNS["fact"][1:]:
            number = self.number(bound[name]) if name in bound else 0
            if name in bound and not number:
                return None
            numbers.append(number)
        return numbers

    def _pages(self, part: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
        segment, order, first, last = part
        size = PAGE_ROWS_MIN
        while first < last:
            self._check()
            yield segment, order, first, min(first + size, last)
            first += size
            size = min(2 * size, PAGE_ROWS_MAX)

    def _facts(self, rows: list[Any]) -> list[tuple[Cell, ...]]:
        """Those of some facts that are visible, as tuples."""
        rows = self._visible_rows(rows)
        cid = Cid._trusted
        cells = self._cells.known
        try:  # nearly always all of them are known
            return [(cid(PREFIX + d), cells[e], cells[a], cells[v]) for _, d, e, a, v in rows]
        except KeyError:
            cells = self._cells.read(self.index, [number for row in rows for number in row[2:]])
            return [(cid(PREFIX + d), cells[e], cells[a], cells[v]) for _, d, e, a, v in rows]

    def _visible_rows(self, rows: list[Any]) -> list[Any]:
        last = self._mark.facts
        if not self._is_newest:
            rows = [row for row in rows if row[0] <= last]
        if self.is_windowed:
            seen = self._visible([row[0] for row in rows])
            rows = [row for row, is_seen in zip(rows, seen, strict=True) if is_seen]
        return rows

    def _cause(self, bound: Bound) -> Tuples:
        if "from" in bound:
            row = self._row(bound["from"])
            yield from self._causes([row] if row else [])
        elif "to" in bound:
            to = bound["to"]
            if type(to) is Cid:
                row, number = self._row(to, newest=True), self.number(to)
                rows = [effect for word in (row and row | ROW, number) if word for effect in self.index.effects(word)]
                for cid in self._seen_cids(rows):
                    yield cid, to
        else:
            row = 1
            while self._mark.causes and (rows := self.index.caused(row, PAGE_ROWS_MAX)):
                self._check()
                yield from self._causes(rows)
                if rows[-1] < row:
                    raise damaged("its causes are out of order")
                row = rows[-1] + 1

    def _causes(self, found: Sequence[int]) -> Tuples:
        rows = self._seen(found)
        words = [self.index.causes(row) for row in rows]
        flat = [word for each in words for word in each]
        targets = dict(zip(flat, self._targets(flat), strict=True))
        for cid, each in zip(self._cids(rows), words, strict=True):
            for word in each:
                yield cid, targets[word]

    def _targets(self, words: Sequence[int]) -> list[Cell]:
        rows = {word: word - ROW for word in words if word >= ROW}
        digests = dict(zip(rows, self._cids(list(rows.values())), strict=True))
        cells = self._cells.read(self.index, [word for word in words if word < ROW])
        return [digests[word] if word >= ROW else cells[word] for word in words]

    def _delta(self, bound: Bound) -> Tuples:
        for seqs in self._deltas(bound.get("id")):
            for _, (digest, author, system, ms, counter, edge, scope, _), cells in self._read_deltas(seqs):
                yield (
                    Cid._trusted(PREFIX + digest), cells[author], cells[system], ms, counter, cells[edge], SCOPES[scope]
                )  # fmt: skip

    def _asserts(self, bound: Bound) -> Tuples:
        if "fact" in bound:
            row = self._row(bound["fact"])
            sayers = [seq for seq in self.index.sayers(row) if seq <= self._mark.deltas] if row else []
            for _, (digest, *_), _ in self._read_deltas(sayers):
                yield Cid._trusted(PREFIX + digest), bound["fact"]
            return
        for seqs in self._deltas(bound.get("delta")):
            for seq, (digest, *_), _ in self._read_deltas(seqs):
                before, last = self.index.facts_of_delta(seq)
                delta = Cid._trusted(PREFIX + digest)
                for cid in self._cids([*range(before + 1, last + 1), *self.index.repeated_by(seq)]):
                    yield delta, cid

    def _arrival(self, bound: Bound) -> Tuples:
        return self._arrivals(self._deltas(bound.get("delta")))

    def arrivals(self, first: int, last: int) -> Tuples:
        """The tuples of `arrival` for the visible ones of the deltas after one, up to another."""
        return self._arrivals(self._deltas(None, first, last))

    def _arrivals(self, some: Iterable[Sequence[int]]) -> Tuples:
        for seqs in some:
            for _, (digest, *_, number), _ in self._read_deltas(seqs):
                epoch = self._epochs(number)
                yield Cid._trusted(PREFIX + digest), number, epoch.at_ms, epoch.origin

    # -- rows and deltas --------------------------------------------------------------------------------------------

    def _row(self, cid: Cell, newest: bool = False) -> int:
        """The row of a fact that is here by the mark; with `newest`, that is here at all."""
        if type(cid) is not Cid or not cid.is_block:
            return 0
        row: int = self.index.find_fact(bytes(cid)[len(PREFIX) :])
        return row if newest or row <= self._mark.facts else 0

    def _seen(self, rows: Sequence[int]) -> Sequence[int]:
        return [row for row, is_seen in zip(rows, self.see(rows), strict=True) if is_seen]

    def _visible(self, rows: Sequence[int]) -> list[bool]:
        found: list[bool] = self.index.visible(rows, self._mark.deltas, self._since, self._until, self._authors)
        return found

    def _cids(self, rows: Sequence[int]) -> list[Cid]:
        return [Cid._trusted(PREFIX + digest) for digest in self.index.digests(list(rows))]

    def _seen_cids(self, rows: Sequence[int]) -> list[Cid]:
        return self._cids(self._seen(rows))

    def _deltas(self, cid: Cell | None, after: int = 0, until: int | None = None) -> Iterator[Sequence[int]]:
        """The numbers of all deltas by the mark, those after one and up to another, or of one alone."""
        last = self._mark.deltas if until is None else min(until, self._mark.deltas)
        if cid is None:
            for first in range(after + 1, last + 1, PAGE_ROWS_MAX):
                self._check()
                yield range(first, min(first + PAGE_ROWS_MAX, last + 1))
        elif type(cid) is Cid and cid.is_block:
            seq = self.index.find_delta(bytes(cid)[len(PREFIX) :])
            yield [seq] if 0 < seq <= last else []

    def _read_deltas(self, seqs: Sequence[int]) -> Iterator[tuple[int, Any, dict[int, Cell]]]:
        """Those of some deltas that are visible, with a dictionary that has their cells."""
        rows = self.index.deltas(list(seqs))
        cells = self._cells.read(self.index, [number for row in rows for number in (row[1], row[2], row[5])])
        for seq, row in zip(seqs, rows, strict=True):
            if self.is_seen(seq, row):
                yield seq, row, cells

    def is_seen(self, seq: int, row: Any) -> bool:
        """Whether a delta, as the index has it, is visible; one without author can be read no more."""
        if seq > self._mark.deltas or not row[1] or (self.is_windowed and not self._admits(row)):
            return False
        if row[6] >= len(SCOPES):
            raise damaged(f"delta {seq} has no scope")
        return True

    def _admits(self, row: Any) -> bool:
        return self._since < row[3] <= self._until and (self._authors is None or row[1] in self._authors)

    def digests_by_entity(self, entities: Iterable[bytes]) -> dict[bytes, set[bytes]]:
        """The digests of all visible facts of some distinct entities, without the entities that have none."""
        found: dict[bytes, set[bytes]] = {}
        rows: list[Any] = []
        owners: list[bytes] = []
        for entity in entities:
            number = self.index.find_cell(BYTES_HEAD + entity)
            if number:
                read, _ = self.index.find_facts(number, 0, 0, sys.maxsize)
                rows += read
                owners += [entity] * len(read)
        seen = self.see([row[0] for row in rows])
        for entity, row, is_seen in zip(owners, rows, seen, strict=True):
            if is_seen:
                found.setdefault(entity, set()).add(row[1])
        return found

    @property
    def last_row(self) -> int:
        """The last row that may be visible."""
        return self._mark.facts

    @property
    def last_delta(self) -> int:
        """The last delta that may be visible."""
        return self._mark.deltas

    def see(self, rows: Sequence[int]) -> list[bool]:
        """Whether each fact is visible."""
        seen = self._visible(rows) if self.is_windowed else [True] * len(rows)
        return [row <= self._mark.facts and is_seen for row, is_seen in zip(rows, seen, strict=True)]

    # -- sizes and totals -------------------------------------------------------------------------------------------

    def size(self, relation: str, bound: Bound) -> int:
        """About how many tuples `scan` would give."""
        mark = self._mark
        match relation:
            case "fact" if "$cid" in bound:
                return 1
            case "fact":
                numbers = self._numbers(bound)
                return 0 if numbers is None else sum(last - first for _, _, first, last in self.index.ranges(*numbers))
            case "cause" if "from" in bound:
                return 1
            case "cause" if "to" in bound:
                return sum(1 for _ in self._cause(bound))
            case "cause":
                return mark.causes
            case "asserts" if "fact" in bound:
                return sum(1 for _ in self._asserts(bound))
            case "asserts" if "delta" in bound:
                return sum(1 for _ in self._asserts(bound))
            case "asserts":
                return mark.facts + mark.repeats
        return 1 if COLUMNS[relation][0] in bound else mark.deltas

    def entities(self, segments: int, first: bytes) -> Iterator[bytes]:
        """The visible entities from one on, in the order of their bytes."""
        import heapq

        keys = heapq.merge(*(self._keys_from(number, key_of(first)) for number in range(segments)))
        for key, number in keys:
            if any(True for part in self.index.ranges(number, 0, 0) for _ in self._seen_in(part)):
                yield key[1:]

    def _seen_in(self, part: tuple[int, int, int, int]) -> Iterator[int]:
        for page in self._pages(part):
            yield from self._seen([row[0] for row in self.index.read(page)])

    def _keys_from(self, segment: int, key: bytes) -> Iterator[tuple[bytes, int]]:
        """The cells of one segment that may be entities, from a key on."""
        head, size = key[:1], PAGE_ROWS_MIN
        while True:
            self._check()
            page = self.index.ordered(segment, key, size)
            for found, number in page:
                if found[:1] != head:
                    return
                yield found, number
            if len(page) < size:
                return
            key, size = page[-1][0] + b"\0", PAGE_ROWS_MAX

    def repeated(self) -> Tuples:
        """The registers (entity, attribute) of more than one fact."""
        pairs = self.index.repeated(self._mark.facts)
        for start in range(0, len(pairs), PAGE_ROWS_MAX):
            page = pairs[start : start + PAGE_ROWS_MAX]
            cells = self._cells.read(self.index, [number for pair in page for number in pair])
            for entity, attribute in page:
                yield cells[entity], cells[attribute]

    def summary(self) -> tuple[int, list[tuple[int, int, int, list[int]]]]:
        """How many entities, and of each attribute its number, its facts, its entities and the kinds of its values."""
        if not self.is_windowed:
            entities, attributes = self.index.summary(self._mark.facts)
            return entities, attributes
        found: dict[int, tuple[set[int], list[int]]] = {}
        kind_of: dict[int, int] = {}
        for rows in self._rows():
            missing = list({row[4] for row in rows} - kind_of.keys())
            for value, key in zip(missing, self.index.keys(missing), strict=True):
                if not key or key[0] >= len(KIND_NAMES):
                    raise damaged("a value is of no kind")
                kind_of[value] = key[0]
            for _, _, entity, attribute, value in rows:
                of, kinds = found.setdefault(attribute, (set(), [0] * len(KIND_NAMES)))
                of.add(entity)
                kinds[kind_of[value]] += 1
        everything = set().union(*(of for of, _ in found.values()))
        return len(everything), [(each, sum(kinds), len(of), kinds) for each, (of, kinds) in found.items()]

    def counts(self) -> dict[str, int]:
        """How many `facts`, `entities`, `attributes`, `deltas`, `authors` and `causes` are visible."""
        entities, attributes = self.summary()
        authors = [row[1] for seqs in self._deltas(None) for _, row, _ in self._read_deltas(seqs)]
        causes = self._mark.causes
        if self.is_windowed:
            causes = sum(len(self.index.causes(row[0])) for rows in self._rows() for row in rows)
        return {
            "facts": sum(facts for _, facts, _, _ in attributes),
            "entities": entities,
            "attributes": len(attributes),
            "deltas": len(authors),
            "authors": len(set(authors)),
            "causes": causes,
        }

    def _rows(self) -> Iterator[list[Any]]:
        """All visible facts, as the index has them, page by page."""
        for part in self.index.ranges(0, 0, 0):
            for page in self._pages(part):
                yield self._visible_rows(self.index.read(page))


_EXACT: Final = {
    ("fact", "$cid"), ("fact", "entity"), ("fact", "attribute"), ("fact", "value"), ("fact", "entity", "attribute"),
    ("fact", "attribute", "value"), ("fact", "attribute", "entity"), ("cause", "from"), ("cause", "to"),
    ("delta", "id"), ("asserts", "fact"), ("asserts", "delta"), ("arrival", "delta"),
}  # fmt: skip
"""The bounds that look-ups use up."""

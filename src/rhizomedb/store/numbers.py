"""Numbers: the stored relations as the index has them, for who works on many facts at once and on few cells.

An id is the number of a cell, or for the CID of a fact that is here its row with the bit `ROW`; cells that the index does
not have get numbers of the reader's own, from `OWN` on. One cell has one id: a link that names a fact which is here is
translated to that fact's row.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Cell
from rhizomedb.store.columns import columns_of
from rhizomedb.store.keys import LINK_HEAD, are_ordered, key_of
from rhizomedb.store.order import Order
from rhizomedb.store.relations import PAGE_ROWS_MAX, View
from rhizomedb.store.segment import ROW
from rhizomedb.store.store import COLUMNS
from rhizomedb.store.tiers import Part

OWN: Final = 1 << 30
"""Where the numbers of cells begin that the index does not have."""

MANY: Final = 256
"""From how many ids on their order is asked for, instead of each of their cells."""

Ids: TypeAlias = "Sequence[int] | array[int]"
"""Ids one after the other, as a list or a buffer."""

_FACT: Final = COLUMNS["fact"]


class Numbers:
    """The ids of an index at the mark of a cut. Neither changes."""

    def __init__(self, view: View, parts: Sequence[Part], attributes: Sequence[int]) -> None:
        assert not parts or parts[-1].bounds.cell_last < OWN, "an index numbers fewer cells than that"
        self._view = view
        self._parts = parts
        self._attributes = attributes
        self._own: dict[Cell, int] = {}
        self._own_cells: list[Cell] = []
        self._translated: dict[int, int] | None = None
        self._order = Order(view, parts)

    @property
    def own(self) -> int:
        """How many cells have numbers of the reader's own."""
        return len(self._own_cells)

    # -- ids and cells ----------------------------------------------------------------------------------------------

    def ids(self, cells: Iterable[Cell]) -> list[int]:
        """The ids of some cells; one that the index does not have gets an own one."""
        return [self._id(cell) for cell in cells]

    def _id(self, cell: Cell) -> int:
        row = self._view.row(cell) if type(cell) is Cid else 0
        if row:
            return row | ROW
        number = self._view.number(cell)
        if number:
            return number
        own = self._own.get(cell)
        if own is None:
            own = self._own[cell] = OWN + len(self._own_cells)
            self._own_cells.append(cell)
        return own

    def cells(self, ids: Iterable[int]) -> list[Cell]:
        """The cells of some ids."""
        ids = list(ids)
        facts = [id for id in ids if id >= ROW]
        numbers = [id for id in ids if id < OWN]
        known = self._view.cells(numbers) if numbers else {}
        digests = dict(zip(facts, self._view.cids([id - ROW for id in facts]), strict=True)) if facts else {}
        return [digests[id] if id >= ROW else known[id] if id < OWN else self._own_cells[id - OWN] for id in ids]

    def is_ordered(self, greatest: int) -> bool:
        """Never: cells are numbered in the order in which they are met."""
        return False

    def compared(self, comparison: str, cell: Cell, ids: Ids) -> array[int] | None:
        """Those of many ids whose cells are `<`, `<=`, `>` or `>=` a cell; None where looking at each is the better way."""
        import numpy as np

        if len(ids) < MANY or type(cell) is Cid:
            return None
        asked = np.asarray(ids, np.uint32)
        kept = self._order.compared(comparison, cell, asked)
        own = np.flatnonzero((asked >= OWN) & (asked < ROW))
        for place, id in zip(own.tolist(), asked[own].tolist(), strict=True):
            kept[place] = are_ordered(comparison, key_of(self._own_cells[id - OWN]), key_of(cell))
        return array("I", asked[kept].tobytes())

    def _links(self) -> Mapping[int, int]:
        """The numbers of links that name facts which are here, with the ids of these."""
        if self._translated is None:
            self._translated = {}
            for segment in range(len(self._parts)):
                key = LINK_HEAD
                while page := self._view.index.ordered(segment, key, PAGE_ROWS_MAX):
                    for found, number in page:
                        if not found.startswith(LINK_HEAD):
                            break
                        row = self._view.row(Cid._trusted(found[1:]))
                        if row:
                            self._translated[number] = row | ROW
                    else:
                        key = page[-1][0] + b"\0"
                        continue
                    break
        return self._translated

    # -- facts ------------------------------------------------------------------------------------------------------

    def attribute(self, attribute: Cell, names: Sequence[str]) -> Iterator[list[Ids]]:
        """Some columns (of `$cid`, `entity`, `value`) of all facts of an attribute, part by part."""
        number = self._view.number(attribute)
        if number:
            yield from self._attribute(number, names)

    def _attribute(self, number: int, names: Sequence[str]) -> Iterator[list[Ids]]:
        import numpy as np

        links = self._links() if "value" in names else {}
        for columns in columns_of(self._parts, self._view, number):
            made: list[Ids] = []
            for name in names:
                match name:
                    case "entity":
                        made.append(columns.entity)  # type: ignore[arg-type]  # arrays are buffers
                    case "attribute":
                        made.append(np.full(len(columns.row), number, np.uint32))  # type: ignore[arg-type]
                    case "value":
                        made.append(_replaced(columns.value, links))
                    case _:
                        made.append(columns.row | np.uint32(ROW))  # type: ignore[arg-type]
            yield made

    def facts(self, names: Sequence[str]) -> Iterator[list[Ids]]:
        """Some columns of all facts."""
        for number in self._attributes:
            yield from self._attribute(number, names)

    def facts_of(self, given: Mapping[str, int], names: Sequence[str]) -> Iterator[tuple[int, ...]]:
        """Some columns of the facts that have these ids under `$cid`, `entity`, `attribute` or `value`."""
        if not all(given.values()):
            return
        links = self._links()
        back = {id: number for number, id in links.items()} if links else {}
        if "$cid" in given:
            row = given["$cid"] - ROW
            rows = self._view.index.facts([row]) if 0 < row <= self._view.last_row else []
        else:
            numbers = [back.get(given.get(name, 0), given.get(name, 0)) for name in _FACT[1:]]
            if any(number >= OWN for number in numbers):
                return
            rows = [
                row
                for part in self._view.index.ranges(*numbers)
                for page in self._view.pages(part)
                for row in self._view.index.read(page)
            ]
        for row, _, entity, attribute, value in self._view.visible_rows(rows):
            ids = {"$cid": row | ROW, "entity": entity, "attribute": attribute, "value": links.get(value, value)}
            if all(ids[name] == id for name, id in given.items()):
                yield tuple(ids[name] for name in names)

    # -- causes -----------------------------------------------------------------------------------------------------

    def causes(self, facts: Iterable[int] | None = None) -> Iterator[tuple[int, int]]:
        """The causes of some facts, or of all."""
        links = self._links()
        asked = self._caused() if facts is None else (id - ROW for id in facts if id > ROW)
        while seen := list(islice(asked, PAGE_ROWS_MAX)):
            for row, is_seen in zip(seen, self._view.see(seen), strict=True):
                if is_seen:
                    for word in self._view.index.causes(row):
                        yield row | ROW, links.get(word, word)

    def _caused(self) -> Iterator[int]:
        row = 1
        while rows := self._view.index.caused(row, PAGE_ROWS_MAX):
            yield from rows
            row = rows[-1] + 1

    def effects(self, causes: Iterable[int]) -> Iterator[tuple[int, int]]:
        """The facts that some ids are causes of."""
        links = self._links()
        back = {id: number for number, id in links.items()} if links else {}
        for id in causes:
            words = [word for word in (id, back.get(id, 0)) if word and not OWN <= word < ROW]
            rows = [row for word in words for row in self._view.index.effects(word)]
            for row, is_seen in zip(rows, self._view.see(rows), strict=True):
                if is_seen:
                    yield row | ROW, id

    # -- deltas -----------------------------------------------------------------------------------------------------

    def sayings(self, facts: Iterable[int] | None = None) -> Iterator[tuple[int, int]]:
        """Which delta asserts which fact: of some facts, or of all."""
        groups = [self._view.sayings()] if facts is None else (self._view.sayings(id - ROW) for id in facts if id > ROW)
        for group in groups:
            for delta, rows in group:
                id = self._id(delta)
                for row in rows:
                    yield id, row | ROW


def _replaced(numbers: object, links: Mapping[int, int]) -> Ids:
    """Numbers of values as ids: links to facts that are here by the rows of these."""
    import numpy as np

    values = np.asarray(numbers)
    if not links:
        return values  # type: ignore[return-value]  # an array is a buffer
    keys = np.fromiter(sorted(links), np.uint32, len(links))
    images = np.fromiter((links[key] for key in keys.tolist()), np.uint32, len(links))
    places = np.searchsorted(keys, values)
    places[places == len(keys)] = 0
    found = keys[places] == values
    return np.where(found, images[places], values).astype(np.uint32)  # type: ignore[return-value]


__all__ = ["OWN", "Numbers"]

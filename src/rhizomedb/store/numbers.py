"""Numbers: the stored relations as the index has them, for who works on many facts at once and on few cells.

Tuples are of the ids of a `Numbering`. What came between two cuts is read by itself (`Came`): at the cost of what came.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Final, TypeAlias

from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.value import Cell
from rhizomedb.store.columns import columns_of
from rhizomedb.store.numbering import OWN, Numbering
from rhizomedb.store.relations import PAGE_ROWS_MAX, View
from rhizomedb.store.said import SCOPES
from rhizomedb.store.segment import ROW
from rhizomedb.store.store import COLUMNS
from rhizomedb.store.tiers import Part

Ids: TypeAlias = "Sequence[int] | array[int]"
"""Ids one after the other, as a list or a buffer."""

_FACT: Final = COLUMNS["fact"]


class Numbers:
    """The relations of an index at the mark of a cut, as ids of a numbering. None of them changes."""

    def __init__(self, view: View, parts: Sequence[Part], attributes: Sequence[int], numbering: Numbering) -> None:
        self._view = view
        self._parts = parts
        self._attributes = attributes
        self.numbering = numbering

    # -- facts ------------------------------------------------------------------------------------------------------

    def attribute(self, attribute: Cell, names: Sequence[str]) -> Iterator[list[Ids]]:
        """Some columns of all facts of an attribute, part by part."""
        number = self._view.number(attribute)
        if number:
            yield from self._attribute(number, names)

    def _attribute(self, number: int, names: Sequence[str]) -> Iterator[list[Ids]]:
        import numpy as np

        images, replaced = self.numbering.images, self.numbering.replaced
        for columns in columns_of(self._parts, self._view, number):
            made: list[Ids] = []
            for name in names:
                match name:
                    case "entity":
                        made.append(replaced(columns.entity))  # type: ignore[arg-type]  # arrays are buffers
                    case "attribute":
                        made.append(np.full(len(columns.row), images.get(number, number), np.uint32))  # type: ignore[arg-type]  # arrays are buffers
                    case "value":
                        made.append(replaced(columns.value))  # type: ignore[arg-type]  # arrays are buffers
                    case _:
                        made.append(replaced(columns.row | np.uint32(ROW)))  # type: ignore[arg-type]  # arrays are buffers
            yield made

    def facts(self, names: Sequence[str]) -> Iterator[list[Ids]]:
        """Some columns of all facts."""
        for number in self._attributes:
            yield from self._attribute(number, names)

    def facts_of(self, given: Mapping[str, int], names: Sequence[str]) -> Iterator[tuple[int, ...]]:
        """Some columns of the facts that have these ids under `$cid`, `entity`, `attribute` or `value`."""
        images = self.numbering.images
        if "$cid" in given:
            rows = self._view.index.facts([row for row in self._rows([given["$cid"]]) if row <= self._view.last_row])
        else:
            numbers = [self._number(given[name]) if name in given else 0 for name in _FACT[1:]]
            if None in numbers:
                return
            rows = [
                row
                for part in self._view.index.ranges(*numbers)
                for page in self._view.pages(part)
                for row in self._view.index.read(page)
            ]
        for fact in _ids_of_facts(self._view.visible_rows(rows), images):
            ids = dict(zip(_FACT, fact, strict=True))
            if all(ids[name] == id for name, id in given.items()):
                yield tuple(ids[name] for name in names)

    def _number(self, id: int) -> int | None:
        """The number that the index has for the cell of an id, if it has one."""
        return next((word for word in self.numbering.words(id) if word < OWN), None)

    def _rows(self, ids: Iterable[int]) -> Iterator[int]:
        """The rows of the facts that some ids name."""
        return (word - ROW for id in ids for word in self.numbering.words(id) if word > ROW)

    # -- causes -----------------------------------------------------------------------------------------------------

    def causes(self, facts: Iterable[int] | None = None) -> Iterator[tuple[int, int]]:
        """The causes of some facts, or of all."""
        return _ids_of_causes(self._view, self._caused() if facts is None else self._rows(facts), self.numbering.images)

    def _caused(self) -> Iterator[int]:
        row = 1
        while rows := self._view.index.caused(row, PAGE_ROWS_MAX):
            yield from rows
            row = rows[-1] + 1

    def effects(self, causes: Iterable[int]) -> Iterator[tuple[int, int]]:
        """The facts that some ids are causes of."""
        images = self.numbering.images
        for id in causes:
            rows = [row for word in self.numbering.words(id) for row in self._view.index.effects(word)]
            for row, is_seen in zip(rows, self._view.see(rows), strict=True):
                if is_seen:
                    yield images.get(row | ROW, row | ROW), id

    # -- deltas -----------------------------------------------------------------------------------------------------

    def sayings(self, facts: Iterable[int] | None = None) -> Iterator[tuple[int, int]]:
        """Which delta asserts which fact: of some facts, or of all."""
        if facts is None:
            yield from _ids_of_sayings(self._view.sayings(), self.numbering)
            return
        images = self.numbering.images
        said = self._view.says(list(self._rows(facts)))
        for (row, _), id in zip(said, self.numbering.ids(delta for _, delta in said), strict=True):
            yield id, images.get(row | ROW, row | ROW)

    def deltas(self, ids: Iterable[int] | None, names: Sequence[str]) -> Iterator[tuple[int, ...]]:
        """Some columns of the deltas that some ids name, or of all."""
        rows: Iterator[tuple[Cid, Any]]
        if ids is None:
            rows = ((Cid._trusted(PREFIX + row[0]), row) for _, row in self._view.deltas_after(0))
        else:
            cells = self.numbering.cells(ids)
            rows = self._view.deltas_of([cell for cell in cells if type(cell) is Cid])
        of, images = self.numbering.ids, self.numbering.images
        for delta, (_, author, system, ms, counter, edge, scope, _) in rows:
            made = []
            for name in names:
                match name:
                    case "id":
                        made += of([delta])
                    case "author":
                        made.append(images.get(author, author))
                    case "system":
                        made.append(images.get(system, system))
                    case "edge":
                        made.append(images.get(edge, edge) if edge else of([b""])[0])
                    case "time":
                        made += of([ms])
                    case "counter":
                        made += of([counter])
                    case _:
                        made += of([SCOPES[scope]])
            yield tuple(made)


class Came:
    """What of the relations is visible in a view and was not in another of fewer epochs, as ids of a numbering."""

    def __init__(self, before: View, now: View, numbering: Numbering) -> None:
        self._before = before
        self._now = now
        self._numbering = numbering

    @cached_property
    def _sayings(self) -> list[tuple[Cid, list[int]]]:
        return list(self._now.sayings(after=self._before.last_delta))

    @cached_property
    def _rows(self) -> Sequence[int]:
        """The rows of the facts."""
        if not self._now.is_windowed:
            return range(self._before.last_row + 1, self._now.last_row + 1)
        said = list(dict.fromkeys(row for _, rows in self._sayings for row in rows))
        return [row for row, was_seen in zip(said, self._before.see(said), strict=True) if not was_seen]

    def deltas(self) -> list[Cid]:
        """The deltas."""
        return [delta for delta, _ in self._sayings]

    def facts(self) -> Iterator[tuple[int, ...]]:
        """The facts."""
        for first in range(0, len(self._rows), PAGE_ROWS_MAX):
            rows = self._now.index.facts(list(self._rows[first : first + PAGE_ROWS_MAX]))
            yield from _ids_of_facts(rows, self._numbering.images)

    def causes(self) -> Iterator[tuple[int, int]]:
        """The causes of the facts."""
        return _ids_of_causes(self._now, iter(self._rows), self._numbering.images)

    def sayings(self) -> Iterator[tuple[int, int]]:
        """Which delta asserts which fact."""
        return _ids_of_sayings(self._sayings, self._numbering)


def _ids_of_facts(
    rows: Iterable[tuple[int, bytes, int, int, int]], images: Mapping[int, int]
) -> Iterator[tuple[int, ...]]:
    """Facts as the index has them, as tuples of the relation `fact`."""
    of = images.get
    for row, _, entity, attribute, value in rows:
        yield of(row | ROW, row | ROW), of(entity, entity), of(attribute, attribute), of(value, value)


def _ids_of_causes(view: View, rows: Iterator[int], images: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """The causes of the facts of some rows, as far as these are visible."""
    while some := list(islice(rows, PAGE_ROWS_MAX)):
        for row, is_seen in zip(some, view.see(some), strict=True):
            if is_seen:
                for word in view.index.causes(row):
                    yield images.get(row | ROW, row | ROW), images.get(word, word)


def _ids_of_sayings(groups: Iterable[tuple[Cid, list[int]]], numbering: Numbering) -> Iterator[tuple[int, int]]:
    """Deltas with the rows that they assert, as tuples of the relation `asserts`."""
    images = numbering.images
    for delta, rows in groups:
        (id,) = numbering.ids([delta])
        for row in rows:
            yield id, images.get(row | ROW, row | ROW)


__all__ = ["OWN", "Came", "Numbers"]

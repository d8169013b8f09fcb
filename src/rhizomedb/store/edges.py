"""Hyperedges by the index: the deltas that have an edge, by what their facts name, as numbers of the log.

A fact belongs to a hyperedge where a delta with an edge asserts it and the edge is its entity (a pointer) or its value (what
shows it under a context of another entity).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.value import Cell
from rhizomedb.store.lookup import EdgeRow
from rhizomedb.store.relations import View


def pointers_in(packed: bytes) -> Iterator[tuple[int, int, Sequence[int]]]:
    """The pointers of a hyperedge as the index gives them: the cells of role, target and contexts of each."""
    numbers = memoryview(packed).cast("I")
    at = 0
    while at < len(numbers):
        role, target, count = numbers[at : at + 3]
        at += 3 + count
        yield role, target, numbers[at - count : at]


class Edges:
    """The hyperedges of a view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._index: Any = view.index

    def under(self, entity: bytes) -> list[tuple[Cell, int]]:
        """What shows up under an entity: contexts, each with the number of a delta."""
        number = self._view.number(entity)
        found = self._found(number, 0, 0, by_value=True) if number else []
        names = self._view.cells({attribute for attribute, _ in found})
        return [(names[attribute], seq) for attribute, seq in found]

    def at(self, target: bytes) -> list[int]:
        """Those with a pointer at a thing."""
        number = self._view.number(target)
        return [seq for _, seq in self._found(0, 0, number)] if number else []

    def of(self, edge: bytes) -> list[int]:
        """Those that are this edge."""
        number = self._view.number(edge)
        return [seq for _, seq in self._found(number, 0, 0)] if number else []

    def in_context(self, context: Cell) -> list[int]:
        """Those that show up under a context of anything."""
        number = self._view.number(context)
        return [seq for _, seq in self._found(0, number, 0, by_value=True)] if number else []

    def with_role(self, role: Cell, target: Cell | None = None) -> list[int]:
        """Those with a pointer of a role, at one target or at any."""
        number, to = self._view.number(role), 0 if target is None else self._view.number(target)
        if not number or (target is not None and not to):
            return []
        return [seq for _, seq in self._found(0, number, to)]

    def how_many(self, role: Cell) -> int:
        """How many facts in the index have the name of a role, whether they are pointers or not."""
        number = self._view.number(role)
        return sum(last - first for _, _, first, last in self._index.ranges(0, number, 0)) if number else 0

    def pairs(self, role: Cell) -> list[tuple[bytes, bytes, int, int, bytes]]:
        """All that point at a thing by a role: the edge, the thing, and of the delta its epoch, milliseconds and author."""
        number = self._view.number(role)
        if not number:
            return []
        index = self._index
        facts = {row: (of, to) for row, _, of, _, to in index.find_facts(0, number, 0, sys.maxsize)[0]}
        says = index.says(list(facts), self._view.last_delta)
        found = []
        for (row, _), (_, author, _, ms, _, edge, _, epoch) in zip(
            says, index.deltas([seq for _, seq in says]), strict=True
        ):
            of, to = facts[row]
            if edge == of and author and (of != to or not index.causes(row)):  # else it shows the edge under itself
                found.append((of, to, epoch, ms, author))
        cells = self._view.cells({number for of, to, _, _, author in found for number in (of, to, author)})
        return [
            (cells[of], cells[to], epoch, ms, cells[author])  # type: ignore[misc]  # the index says so
            for of, to, epoch, ms, author in found
            if type(cells[to]) is bytes
        ]

    @property
    def last(self) -> int:
        """The number of the newest delta of the view, hyperedge or not."""
        return self._view.last_delta

    def after(self, seq: int) -> list[int]:
        """Those after a delta."""
        return [number for number, row in self._view.deltas_after(seq) if row[5]]

    def epochs(self, seqs: Sequence[int]) -> list[int]:
        """In which epoch each came."""
        return [row[7] for row in self._index.deltas(list(seqs))]

    def all(self) -> list[int]:
        """All of them."""
        return [seq for seq, row in self._view.deltas_after(0) if row[5]]

    def delta(self, seq: int) -> Cid:
        """The delta of a number."""
        ((digest, *_),) = self._index.deltas([seq])
        return Cid._trusted(PREFIX + digest)

    def read(self, seqs: Sequence[int]) -> tuple[list[EdgeRow], Mapping[int, Cell]]:
        """What deltas say, and a dictionary that has all cells named there. The pointers of one that says facts again that
        were here before are None: the index has lost their order."""
        rows, numbers = self._index.hyperedges(list(seqs))
        return rows, self._view.cells(numbers)

    def _found(self, entity: int, attribute: int, value: int, *, by_value: bool = False) -> list[tuple[int, int]]:
        """The visible hyperedges to which facts with some cells belong, each with the attribute of the fact."""
        found: list[tuple[int, int]] = self._index.edges(entity, attribute, value, by_value, self._view.last_delta)
        if not self._view.is_windowed:
            return found
        deltas = self._index.deltas([seq for _, seq in found])
        return [each for each, delta in zip(found, deltas, strict=True) if self._view.is_seen(each[1], delta)]

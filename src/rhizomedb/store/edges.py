"""Hyperedges by the index: the deltas that have an edge, by what their facts name, as numbers of the log.

A fact belongs to a hyperedge where a delta with an edge asserts it and the edge is its entity (a pointer) or its value (what
shows it under a context of another entity).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from rhizomedb.facts.cid import PREFIX, Cid
from rhizomedb.facts.reserved import is_name
from rhizomedb.facts.value import Cell
from rhizomedb.store.relations import View
from rhizomedb.store.segment import ROW

Pointers: TypeAlias = "tuple[list[tuple[Cell, Cell, Cell | None]], dict[Cell, Cell]]"


class EdgeRow(NamedTuple):
    """A hyperedge as its delta says it; `read` gives its pointers, each a role, a target and the context under which it
    shows, if any, and its facts under names that are reserved for the database."""

    delta: Cid
    author: bytes
    system: str
    ms: int
    counter: int
    edge: bytes
    read: Callable[[], Pointers]


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

    def with_role(self, role: Cell) -> list[int]:
        """Those with a pointer of a role."""
        number = self._view.number(role)
        return [seq for _, seq in self._found(0, number, 0)] if number else []

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

    def numbers(self, deltas: Iterable[Cid]) -> list[int]:
        """The numbers of deltas that are here."""
        find = self._index.find_delta
        return [find(bytes(delta)[len(PREFIX) :]) for delta in deltas]

    def delta(self, seq: int) -> Cid:
        """The delta of a number."""
        ((digest, *_),) = self._index.deltas([seq])
        return Cid._trusted(PREFIX + digest)

    def read(self, seqs: Sequence[int]) -> list[EdgeRow | None]:
        """What deltas say; None for one that says facts again that were here before: the index has lost their order."""
        index, view = self._index, self._view
        deltas = index.deltas(list(seqs))
        spans = [index.facts_of_delta(seq) for seq in seqs]
        facts = index.facts([row for first, last in spans for row in range(first + 1, last + 1)])
        cells = view.cells(
            {
                *(number for _, author, system, _, _, edge, _, _ in deltas for number in (author, system, edge)),
                *(number for _, _, *numbers in facts for number in numbers),
            }
        )
        found: list[EdgeRow | None] = []
        at = 0
        for seq, (digest, author, system, ms, counter, edge, _, _), (first, last) in zip(
            seqs, deltas, spans, strict=True
        ):
            said, at = facts[at : at + last - first], at + last - first
            if index.repeated_by(seq):
                found.append(None)
                continue
            # The index is asked now, for whoever reads them later must not hold it.
            shown = {row: index.causes(row) for row, _, _, _, value in said if value == edge}
            delta = Cid._trusted(PREFIX + digest)
            read = partial(_pointers, said, edge, shown, cells)
            found.append(EdgeRow(delta, cells[author], cells[system], ms, counter, cells[edge], read))  # type: ignore[arg-type]  # the index says so
        return found

    def _found(self, entity: int, attribute: int, value: int, *, by_value: bool = False) -> list[tuple[int, int]]:
        """The visible hyperedges to which facts with some cells belong, each with the attribute of the fact."""
        found: list[tuple[int, int]] = self._index.edges(entity, attribute, value, by_value, self._view.last_delta)
        if not self._view.is_windowed:
            return found
        deltas = self._index.deltas([seq for _, seq in found])
        return [each for each, delta in zip(found, deltas, strict=True) if self._view.is_seen(each[1], delta)]


def _pointers(
    said: Sequence[Any], edge: int, shown: Mapping[int, Sequence[int]], cells: Mapping[int, Cell]
) -> Pointers:
    """The pointers that facts say of an edge; `shown` are the causes of those whose value it is."""
    contexts: dict[int, list[Cell]] = {}
    for row, _, _, attribute, value in said:
        if value == edge and is_name(cells[attribute]):
            causes = shown[row]
            if len(causes) == 1 and causes[0] >= ROW:
                contexts.setdefault(causes[0] - ROW, []).append(cells[attribute])
    pointers: list[tuple[Cell, Cell, Cell | None]] = []
    own: dict[Cell, Cell] = {}
    for row, _, entity, attribute, value in said:
        if entity != edge:
            continue
        name, target = cells[attribute], cells[value]
        if not is_name(name):
            own[name] = target
        elif value == edge and shown[row]:  # it shows the edge under a context of itself
            continue
        elif type(target) is bytes:
            pointers += [(name, target, context) for context in contexts.get(row, (None,))]
        else:
            pointers.append((name, target, None))
    return pointers, own

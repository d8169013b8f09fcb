"""What is taken back, as hyperedges come one by one: an addition costs what it may change.

A negation can change whether that is taken back at which it points, and what that takes back in turn, and so on; nothing
else. So the few that hang together are worked out anew (`negation.negated_by`), whatever else there is.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from functools import cache

from rhizomedb.facts.value import Entity
from rhizomedb.hyper.negation import negated_by
from rhizomedb.hyper.pointer import Hyperedge


class Negated:
    """The edges that are negated by what was added so far: by anybody, or if some are `trusted` by these and by who said it.

    It is the program of negation (`negation.BY_ANYBODY`, `BY_AUTHORISED`), kept up to date.
    """

    def __init__(self, trusted: frozenset[bytes] | None) -> None:
        self.edges: set[Entity] = set()
        self._trusted = trusted
        self._by: dict[Entity, set[Entity]] = {}
        self._of: dict[Entity, set[Entity]] = {}
        self._waiting: dict[Entity, set[tuple[Entity, bytes]]] = {}

    def add(self, edges: Iterable[Hyperedge], authors_of: Callable[[Entity], Container[bytes]]) -> set[Entity]:
        """Take more hyperedges in, in any order, the same again without harm; which edges that takes back or gives back.

        `authors_of` says who said an edge, whatever was added.
        """
        authors_of = cache(authors_of)  # many may take back what many say
        touched: set[Entity] = set()
        for by, of in [pair for edge in edges for pair in self._counting(edge, authors_of)]:
            if of not in self._of.setdefault(by, set()):
                self._of[by].add(of)
                self._by.setdefault(of, set()).add(by)
                touched.add(of)
        if not touched:
            return touched
        touched = self._connected(touched)
        now = negated_by((by, of) for of in touched for by in self._by.get(of, ()))
        changed = {edge for edge in touched if (edge in self.edges) != (edge in now)}
        self.edges ^= changed
        return changed

    def _counting(
        self, edge: Hyperedge, authors_of: Callable[[Entity], Container[bytes]]
    ) -> Iterator[tuple[Entity, Entity]]:
        """The negations that count now that a hyperedge has come: pairs of a negation and what it takes back."""
        if self._trusted is None or edge.author in self._trusted:
            yield from ((edge.edge, of) for of in edge.negates)
            return
        for of in edge.negates:
            if edge.author in authors_of(of):
                yield edge.edge, of
            else:  # who says it later may have taken it back before
                self._waiting.setdefault(of, set()).add((edge.edge, edge.author))
        waiting = self._waiting.get(edge.edge)
        if waiting and edge.author in authors_of(edge.edge):
            yield from ((by, edge.edge) for by, author in waiting if author == edge.author)

    def _connected(self, edges: Iterable[Entity]) -> set[Entity]:
        """Some edges, and all that hangs together with them by what takes back what."""
        found = set(edges)
        waiting = list(found)
        while waiting:
            edge = waiting.pop()
            for other in (*self._by.get(edge, ()), *self._of.get(edge, ())):
                if other not in found:
                    found.add(other)
                    waiting.append(other)
        return found

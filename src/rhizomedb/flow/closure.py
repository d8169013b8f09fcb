"""Transitive closures, in pieces. The plain twins of the kernels of the same names.

The closure of some edges holds (x, y) where a way of one edge or more leads from x to y. So (x, x) is in it only where
x is on a cycle. Its rows come in no particular order, each once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

from rhizomedb.flow.batch import Batch, Id, Ids, ids_of
from rhizomedb.flow.bounded import Check, watched


class Closure:
    """The closure of a batch of edges; or its rows whose first id is among some ids, the seeds.

    One that is being read holds the edges and not the rows; so a caller can count what comes, and stop. `check` is called
    now and then, also while nothing comes.
    """

    def __init__(self, edges: Batch, seeds: Ids | None = None, check: Check | None = None) -> None:
        assert edges.width == 2, "edges have two ends"
        leads_to: defaultdict[Id, set[Id]] = defaultdict(set)
        for source, target in watched(edges.rows(), check):
            leads_to[source].add(target)
        sources = list(leads_to) if seeds is None else dict.fromkeys(ids_of(seeds))
        self._leads_to = dict(leads_to)
        self._rows = ((source, target) for source in watched(sources, check) for target in self._reached(source))

    def next(self, limit: int) -> Batch | None:
        """The next rows, at most so many, or None when there are no more."""
        assert limit > 0, "a piece has room for a row"
        rows: list[tuple[Id, ...]] = list(islice(self._rows, limit))
        return Batch(rows, 2) if rows else None

    def _reached(self, source: Id) -> Iterator[Id]:
        leads_to, none = self._leads_to, frozenset[Id]()
        stack = list(leads_to.get(source, none))
        reached = set(stack)
        while stack:
            fresh = leads_to.get(stack.pop(), none) - reached
            reached |= fresh
            stack.extend(fresh)
        return iter(reached)


def reach(edges: Batch, seeds: Ids) -> Batch:
    """The rows of the closure whose first id is among some ids, all at once."""
    closure = Closure(edges, seeds)
    return Batch(list(closure._rows), 2)

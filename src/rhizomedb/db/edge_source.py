"""Reading hyperedges from a store, by what stands in them: the plain way, which any faster one must agree with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.value import Cell, Entity
from rhizomedb.hyper.pointer import Hyperedge, hyperedge_of
from rhizomedb.store.store import Cut, Store

Ids: TypeAlias = set[Cid]
"""Hyperedges, by the deltas that say them."""


class EdgeSource:
    """The hyperedges of a store at a cut. A hyperedge is a delta and its `edge`; two deltas may say one edge."""

    def __init__(self, store: Store, cut: Cut) -> None:
        self._store = store
        self._cut = cut

    def all(self) -> Ids:
        """Every hyperedge."""
        return {delta for delta, _, _, _, _, edge, _ in self._store.scan("delta", {}, self._cut) if edge}  # type: ignore[misc]  # the first is a CID

    def of_edges(self, edges: Iterable[Entity]) -> Ids:
        """Those with an id."""
        return {delta for edge in edges for delta, said_of in self._saying({"entity": edge}) if said_of == edge}

    def at_targets(self, targets: Iterable[Entity]) -> Ids:
        """Those with a pointer at a thing, with a context or without."""
        return {
            delta
            for target in targets
            for fact, entity, _, _ in self._facts({"value": target})
            for delta, edge in self._sayers(fact)
            if edge == entity
        }

    def in_contexts(self, contexts: Iterable[str]) -> Ids:
        """Those that show up under a context of any thing."""
        return {
            delta
            for context in contexts
            for fact, _, _, value in self._facts({"attribute": context})
            for delta, edge in self._sayers(fact)
            if edge == value
        }

    def under(self, target: Entity) -> list[tuple[str, Cid]]:
        """The contexts of a thing, and what shows up under each."""
        return [
            (context, delta)
            for fact, _, context, value in self._facts({"entity": target})
            if isinstance(context, str)
            for delta, edge in self._sayers(fact)
            if edge == value
        ]

    def read(self, ids: Iterable[Cid]) -> list[Hyperedge]:
        """What hyperedges say."""
        found = []
        for id in ids:
            envelope = self._store.envelope(id)
            assert envelope is not None, "what was found is here"
            hyperedge = hyperedge_of(Delta.decode(envelope))
            assert hyperedge is not None, "it has an edge"
            found.append(hyperedge)
        return found

    def _facts(self, bound: dict[str, Cell]) -> Iterator[tuple[Cid, Cell, Cell, Cell]]:
        return self._store.scan("fact", bound, self._cut)  # type: ignore[return-value]  # the first is a CID

    def _sayers(self, fact: Cid) -> Iterator[tuple[Cid, bytes]]:
        """The deltas that assert a fact, each with its edge."""
        for delta, _ in self._store.scan("asserts", {"fact": fact}, self._cut):
            for row in self._store.scan("delta", {"id": delta}, self._cut):
                if row[5]:
                    yield delta, row[5]  # type: ignore[misc]  # a CID and bytes

    def _saying(self, bound: dict[str, Cell]) -> Iterator[tuple[Cid, bytes]]:
        return (each for fact, *_ in self._facts(bound) for each in self._sayers(fact))

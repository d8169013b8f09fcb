"""Reading hyperedges from a store, by what stands in them: the plain way, and the same by the numbers of an index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakKeyDictionary

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.reserved import is_name
from rhizomedb.facts.value import Cell, Entity, plain
from rhizomedb.hyper.pointer import (
    AS_JSON,
    CLAIMED_AUTHOR,
    NEGATES,
    Hyperedge,
    Pointer,
    Said,
    hyperedge_of,
    trusted_pointer,
    trusted_reference,
)
from rhizomedb.store.edges import pointers_in
from rhizomedb.store.overlay import OverlayStore
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import Cut, Store

Ids: TypeAlias = set[Any]
"""Hyperedges, by the deltas that say them or by the numbers of these."""


class EdgeSource(Protocol):
    """The hyperedges of a store at a cut. A hyperedge is a delta and its `edge`; two deltas may say one edge."""

    def all(self) -> Ids:
        """Every hyperedge."""
        ...

    def of_edges(self, edges: Iterable[Entity]) -> Ids:
        """Those with an id."""
        ...

    def at_targets(self, targets: Iterable[Entity]) -> Ids:
        """Those with a pointer at a thing, with a context or without."""
        ...

    def in_contexts(self, contexts: Iterable[str]) -> Ids:
        """Those that show up under a context of any thing."""
        ...

    def with_roles(self, roles: Iterable[str]) -> Ids:
        """Those with a pointer of a role."""
        ...

    def under(self, target: Entity) -> list[tuple[str, Any]]:
        """The contexts of a thing, and what shows up under each."""
        ...

    def negating(self, edges: Iterable[Entity]) -> list[tuple[Any, Entity]]:
        """Those that take one of some edges back, each with the edge."""
        ...

    @property
    def reach(self) -> int:
        """How far the log is read: what `came` goes on from."""
        ...

    def came(self, reach: int) -> list[tuple[int, Hyperedge]]:
        """Those that came since another source reached so far, each with its epoch, in the order of the log."""
        ...

    def read(self, ids: Iterable[Any]) -> list[Hyperedge]:
        """What hyperedges say, in this order."""
        ...


def edge_source(store: Store, cut: Cut) -> EdgeSource:
    """The fastest way in which the hyperedges of a store are read."""
    if isinstance(store, SqliteStore):
        return NumberedEdges(store, cut)
    return LayeredEdges(store, cut) if isinstance(store, OverlayStore) else ScannedEdges(store, cut)


def beginnings(store: Store) -> int:
    """What is another when names that a source of the store gave stand for nothing any more."""
    return store.beginnings() if isinstance(store, SqliteStore) else 0


class ScannedEdges:
    """By the relations that every store has."""

    def __init__(self, store: Store, cut: Cut) -> None:
        self._store = store
        self._cut = cut

    def all(self) -> Ids:
        """Every hyperedge."""
        return {delta for delta, _, _, _, _, edge, _ in self._store.scan("delta", {}, self._cut) if edge}

    def of_edges(self, edges: Iterable[Entity]) -> Ids:
        """Those with an id."""
        return {delta for edge in edges for _, delta in self._found({"entity": edge})}

    def at_targets(self, targets: Iterable[Entity]) -> Ids:
        """Those with a pointer at a thing, with a context or without."""
        return {delta for target in targets for _, delta in self._found({"value": target})}

    def in_contexts(self, contexts: Iterable[str]) -> Ids:
        """Those that show up under a context of any thing."""
        return {delta for context in contexts for _, delta in self._found({"attribute": context}, by_value=True)}

    def with_roles(self, roles: Iterable[str]) -> Ids:
        """Those with a pointer of a role."""
        return {delta for role in roles for _, delta in self._found({"attribute": role})}

    def under(self, target: Entity) -> list[tuple[str, Any]]:
        """The contexts of a thing, and what shows up under each."""
        found = self._found({"entity": target}, by_value=True)
        return [(context, delta) for context, delta in found if is_name(context)]

    def negating(self, edges: Iterable[Entity]) -> list[tuple[Any, Entity]]:
        """Those that take one of some edges back, each with the edge."""
        return [(delta, of) for of in edges for _, delta in self._found({"attribute": NEGATES, "value": of})]

    @property
    def reach(self) -> int:
        """How far the log is read: to the end of this epoch."""
        epoch = self._cut.epoch
        return self._store.epoch() if epoch is None else epoch

    def came(self, reach: int) -> list[tuple[int, Hyperedge]]:
        """Those that came since another source reached so far, each with its epoch, in the order of the log."""
        found = ((each, hyperedge_of(Delta.decode(envelope))) for each, envelope in self._store.envelopes(reach))
        return [(each, edge) for each, edge in found if edge is not None and each <= self.reach]

    def read(self, ids: Iterable[Any]) -> list[Hyperedge]:
        """What hyperedges say."""
        return [_of_envelope(self._store.envelope(id)) for id in ids]

    def _found(self, bound: dict[str, Cell], *, by_value: bool = False) -> Iterator[tuple[Cell, Cid]]:
        """The hyperedges to which facts with some cells belong, each with the attribute of the fact."""
        for fact, entity, attribute, value in self._store.scan("fact", bound, self._cut):
            for delta, _ in self._store.scan("asserts", {"fact": fact}, self._cut):
                for row in self._store.scan("delta", {"id": delta}, self._cut):
                    if row[5] and row[5] == (value if by_value else entity):
                        yield attribute, delta  # type: ignore[misc]  # a delta is a CID


class LayeredEdges:
    """Those of a store that lies over another one: of each of the two in its own way."""

    def __init__(self, store: OverlayStore, cut: Cut) -> None:
        self._layers = [edge_source(of, at) for of, at in store.layers(cut)]
        self._log = ScannedEdges(store, cut)

    def _both(self, ask: Callable[[EdgeSource], Ids]) -> Ids:
        return {(layer, id) for layer, source in enumerate(self._layers) for id in ask(source)}

    def all(self) -> Ids:
        """Every hyperedge."""
        return self._both(lambda source: source.all())

    def of_edges(self, edges: Iterable[Entity]) -> Ids:
        """Those with an id."""
        edges = list(edges)
        return self._both(lambda source: source.of_edges(edges))

    def at_targets(self, targets: Iterable[Entity]) -> Ids:
        """Those with a pointer at a thing, with a context or without."""
        targets = list(targets)
        return self._both(lambda source: source.at_targets(targets))

    def in_contexts(self, contexts: Iterable[str]) -> Ids:
        """Those that show up under a context of any thing."""
        contexts = list(contexts)
        return self._both(lambda source: source.in_contexts(contexts))

    def with_roles(self, roles: Iterable[str]) -> Ids:
        """Those with a pointer of a role."""
        roles = list(roles)
        return self._both(lambda source: source.with_roles(roles))

    def under(self, target: Entity) -> list[tuple[str, Any]]:
        """The contexts of a thing, and what shows up under each."""
        return [(name, (n, id)) for n, source in enumerate(self._layers) for name, id in source.under(target)]

    def negating(self, edges: Iterable[Entity]) -> list[tuple[Any, Entity]]:
        """Those that take one of some edges back, each with the edge."""
        edges = list(edges)
        return [((n, id), of) for n, source in enumerate(self._layers) for id, of in source.negating(edges)]

    @property
    def reach(self) -> int:
        """How far the log is read: to the end of this epoch."""
        return self._log.reach

    def came(self, reach: int) -> list[tuple[int, Hyperedge]]:
        """Those that came since another source reached so far, each with its epoch, in the order of the log."""
        return self._log.came(reach)

    def read(self, ids: Iterable[Any]) -> list[Hyperedge]:
        """What hyperedges say."""
        ids = list(ids)
        found: dict[Any, Hyperedge] = {}
        for layer, source in enumerate(self._layers):
            here = [id for id in ids if id[0] == layer]
            found.update(zip(here, source.read([id for _, id in here]), strict=True))
        return [found[id] for id in ids]


REMEMBERED_MAX: Final = 100_000
"""How many hyperedges of a file are remembered."""


class NumberedEdges:
    """By the index of a file. What was read once is remembered, for a delta never changes."""

    def __init__(self, store: SqliteStore, cut: Cut) -> None:
        self._store = store
        self._edges = store.edges(cut)
        begun = store.beginnings()
        known = _READ.get(store)
        if known is None or known[0] != begun or len(known[1]) > REMEMBERED_MAX:
            known = _READ[store] = begun, {}
        self._known = known[1]

    def all(self) -> Ids:
        """Every hyperedge."""
        return set(self._edges.all())

    def of_edges(self, edges: Iterable[Entity]) -> Ids:
        """Those with an id."""
        return {seq for edge in edges for seq in self._edges.of(edge)}

    def at_targets(self, targets: Iterable[Entity]) -> Ids:
        """Those with a pointer at a thing."""
        return {seq for target in targets for seq in self._edges.at(target)}

    def in_contexts(self, contexts: Iterable[str]) -> Ids:
        """Those that show up under a context."""
        return {seq for context in contexts for seq in self._edges.in_context(context)}

    def with_roles(self, roles: Iterable[str]) -> Ids:
        """Those with a pointer of a role."""
        return {seq for role in roles for seq in self._edges.with_role(role)}

    def under(self, target: Entity) -> list[tuple[str, Any]]:
        """The contexts of a thing, and what shows up under each."""
        return [(context, seq) for context, seq in self._edges.under(target) if is_name(context)]

    def negating(self, edges: Iterable[Entity]) -> list[tuple[Any, Entity]]:
        """Those that take one of some edges back, each with the edge."""
        return [(seq, of) for of in edges for seq in self._edges.with_role(NEGATES, of)]

    @property
    def reach(self) -> int:
        """How far the log is read: to this delta of it."""
        return self._edges.last

    def came(self, reach: int) -> list[tuple[int, Hyperedge]]:
        """Those that came since another source reached so far, each with its epoch, in the order of the log."""
        seqs = self._edges.after(reach)
        return list(zip(self._edges.epochs(seqs), self.read(seqs), strict=True))

    def read(self, ids: Iterable[Any]) -> list[Hyperedge]:
        """What hyperedges say."""
        ids, known = list(ids), self._known
        missing = [seq for seq in ids if seq not in known]
        if missing:
            rows, cells = self._edges.read(missing)
            read = partial(_said, cells)
            for seq, (rank, author, system, edge, pointers) in zip(missing, rows, strict=True):
                if pointers is None:
                    known[seq] = self._whole(seq)
                else:  # the index says which of its cells are bytes and texts
                    known[seq] = Hyperedge(cells[edge], cells[author], cells[system], rank, pointers, read)  # type: ignore[arg-type]
        return [known[seq] for seq in ids]

    def _whole(self, seq: int) -> Hyperedge:
        """A hyperedge from the bytes of its delta."""
        return _of_envelope(self._store.envelope(self._edges.delta(seq)))


_READ: WeakKeyDictionary[SqliteStore, tuple[int, dict[int, Hyperedge]]] = WeakKeyDictionary()
"""The hyperedges that were read of each file, by the numbers of their deltas, while these stay what they are."""


def _said(cells: Mapping[int, Cell], packed: bytes) -> Said:
    """What a hyperedge says, from the cells of its pointers."""
    pointers: list[Pointer] = []
    own: dict[Cell, Cell] = {}
    for number, to, under in pointers_in(packed):
        role, target = cells[number], cells[to]
        if not is_name(role):
            own[role] = target
        elif type(target) is bytes:
            contexts = [name for name in map(cells.__getitem__, under) if is_name(name)] or (None,)
            pointers += [trusted_pointer(role, trusted_reference(target, each)) for each in contexts]
        else:
            pointers.append(trusted_pointer(role, plain(target)))  # type: ignore[arg-type]  # bytes went before
    claimed, json = own.get(CLAIMED_AUTHOR), own.get(AS_JSON)
    return tuple(pointers), claimed if type(claimed) is str else None, json if type(json) is str else None


def _of_envelope(envelope: bytes | None) -> Hyperedge:
    assert envelope is not None, "what was found is here"
    hyperedge = hyperedge_of(Delta.decode(envelope))
    assert hyperedge is not None, "it has an edge"
    return hyperedge

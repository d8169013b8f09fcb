"""What is taken back at a moment: by the program of negation, or from the negations of a file, which are remembered.

A file may hold many hyperedges and few negations. Those that were read are kept with who said them and when, so that any
moment, whatever it leaves out, is answered from them alone; a law holds that to the program.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from rhizomedb.db import view
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.programs.compiled import Compiled, answering
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.negation import BY_ANYBODY, BY_AUTHORISED, negated_by
from rhizomedb.hyper.pointer import NEGATES, Hyperedge
from rhizomedb.logic import parse
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import COLUMNS, Cut, Store

_NEGATED: Final = "negated"
_TRUSTED: Final = {"trusted": ("author",)}

ANSWERS_MAX: Final = 64
"""Of how many moments of one file the answers are remembered."""


DEARER: Final = 8
"""How many times as long it takes to ask after an edge as to read a negation, and more: who asks soon asks often."""

FEW: Final = 2_000
"""So many edges are asked after one by one where nothing says how many negations there are."""


Fates: TypeAlias = dict[Entity, Literal["negated", "valid", "undecided"]]
"""What became of edges: taken back for certain, standing for certain, or neither."""


def negated(store: Store, cut: Cut, trusted: frozenset[bytes] | None) -> frozenset[Entity]:
    """The edges that are taken back at a cut: by anybody, or by those alone who said them or are `trusted`."""
    if not isinstance(store, SqliteStore):
        return by_reading(store, cut, trusted)
    return _known(store).at(store, cut, trusted)


def negated_among(
    store: Store, cut: Cut, trusted: frozenset[bytes] | None, edges: Collection[Entity]
) -> Container[Entity]:
    """Which of some edges are taken back, and maybe others.

    A file may hold so many negations that to read all would take longer than to ask after the few edges of a first view.
    So edges are asked after one by one, until that has cost about a fifth of it.
    """
    if not isinstance(store, SqliteStore):
        return by_walk(store, cut, trusted, edges) if len(edges) <= FEW else by_reading(store, cut, trusted)
    known = _known(store)
    known.asked_after += len(edges)
    if not known.is_read and known.asked_after * DEARER <= store.edges(Cut()).how_many(NEGATES):
        return by_walk(store, cut, trusted, edges)
    if known.is_dear(store, cut, trusted, len(edges)):
        return by_walk(store, cut, trusted, edges)
    return known.at(store, cut, trusted)


def by_walk(
    store: Store,
    cut: Cut,
    trusted: frozenset[bytes] | None,
    edges: Iterable[Entity],
    known: Fates | None = None,
) -> frozenset[Entity]:
    """The same of some edges, from what takes them back, what takes that back, and so on.

    `known` is what walks at this very cut have found, and learns what this one finds: many walks cost what one does.
    """
    source = edge_source(store, cut)
    known = {} if known is None else known
    authors: dict[Entity, set[bytes]] = {}

    def counts(by: Hyperedge, of: Entity) -> bool:
        if trusted is None or by.author in trusted:
            return True
        if of not in authors:
            authors[of] = {each.author for each in source.read(source.of_edges([of]))}
        return by.author in authors[of]

    edges = list(edges)
    pairs: list[tuple[Entity, Entity]] = []
    found = {edge for edge in edges if edge not in known}
    waiting = found
    while waiting:
        negations = source.negating(waiting)
        names = list(dict.fromkeys(name for name, _ in negations))  # one may take back many
        said = dict(zip(names, source.read(names), strict=True))
        counted = [(said[name].edge, of) for name, of in negations if counts(said[name], of)]
        pairs += counted
        waiting = {by for by, _ in counted} - found - known.keys()
        found |= waiting
    pairs = [pair for pair in pairs if known.get(pair[0]) != "negated"]
    # What neither stands nor falls is as though it took back itself.
    pairs += [(by, by) for by in dict.fromkeys(by for by, _ in pairs) if known.get(by) == "undecided"]
    negated = negated_by(pairs)
    open_ = {of for by, of in pairs if by not in negated}
    for edge in found:
        known[edge] = "negated" if edge in negated else "undecided" if edge in open_ else "valid"
    return frozenset(negated).union(edge for edge in edges if known[edge] == "negated")


def _known(store: SqliteStore) -> Negations:
    """What is known of the negations of a file."""
    known = _KNOWN.get(store)
    if known is None or known.beginnings != store.beginnings() or not store.is_settled:
        known = Negations(store)
        if store.is_settled:
            _KNOWN[store] = known
    return known


def by_reading(store: Store, cut: Cut, trusted: frozenset[bytes] | None) -> frozenset[Entity]:
    """The same from all negations: the program goes through the pairs of those that take back one edge."""
    source = edge_source(store, cut)
    said = source.read(source.with_roles([NEGATES]))
    return by_walk(store, cut, trusted, {of for edge in said for of in edge.negates})


def by_program(store: Store, cut: Cut, trusted: frozenset[bytes] | None) -> frozenset[Entity]:
    """The same by the program: what the other way is held to."""
    tuples = {} if trusted is None else {"trusted": [(author,) for author in trusted]}
    found: frozenset[Any] = frozenset(
        edge for (edge,) in view.run(_taking_back(trusted is None), store, cut, tuples, view.VIEW_BUDGET)[_NEGATED]
    )
    return found


@cache
def _taking_back(is_trusting: bool) -> Compiled:
    if is_trusting:
        return answering(parse(BY_ANYBODY), COLUMNS, {}, _NEGATED)
    return answering(parse(f"relation trusted(author: bytes).\n{BY_AUTHORISED}"), COLUMNS, _TRUSTED, _NEGATED)


class Negation(NamedTuple):
    """A negation, what it takes back, and when and by whom it is said."""

    by: Entity
    of: Entity
    epoch: int
    ms: int
    author: bytes


class Negations:
    """The negations of one file, followed as it grows."""

    def __init__(self, store: SqliteStore) -> None:
        self.beginnings = store.beginnings()
        self.asked_after = 0
        """After how many edges somebody asked before all negations were read."""
        self._all: list[Negation] = []
        self._reached = self._epoch = 0
        self._answers: dict[object, frozenset[Entity]] = {}
        self._asked: dict[object, int] = {}

    @property
    def is_read(self) -> bool:
        """Whether the negations were read, all but what came since."""
        return self._reached > 0

    def is_dear(self, store: SqliteStore, cut: Cut, trusted: frozenset[bytes] | None, edges: int) -> bool:
        """Whether it takes less to ask after some edges than to work out what is taken back at a cut that was not asked for
        as often as that would have paid."""
        moment = self._moment(store, cut, trusted)
        if moment in self._answers:
            return False
        if len(self._asked) >= ANSWERS_MAX:
            self._asked.clear()
        self._asked[moment] = self._asked.get(moment, 0) + edges
        return self._asked[moment] * DEARER <= len(self._all)

    def at(self, store: SqliteStore, cut: Cut, trusted: frozenset[bytes] | None) -> frozenset[Entity]:
        """What is taken back at a cut."""
        moment = self._moment(store, cut, trusted)
        found = self._answers.get(moment)
        if found is None:
            visible = [each for each in self._all if cut.admits(each.epoch, each.ms, each.author)]
            counted = visible if trusted is None else _authorised(store, cut, visible, trusted)
            found = frozenset(negated_by((each.by, each.of) for each in counted))
            if len(self._answers) >= ANSWERS_MAX:
                self._answers.clear()
            self._answers[moment] = found
        return found

    def _moment(self, store: SqliteStore, cut: Cut, trusted: frozenset[bytes] | None) -> object:
        """What the answer at a cut depends on."""
        self._follow(store)
        epoch = cut.epoch if cut.epoch is not None and cut.epoch < self._epoch else None  # the newest is all there is
        said = self._reached if trusted is not None else len(self._all)
        return epoch, cut.since, cut.until, cut.authors, trusted, said

    def _follow(self, store: SqliteStore) -> None:
        """Read the negations that came since."""
        edges = store.edges(Cut())
        if edges.last == self._reached:
            self._epoch = store.epoch()
            return
        source = edge_source(store, Cut())
        if not self._reached:
            self._all = [Negation(*each) for each in edges.pairs(NEGATES)]
        else:
            seqs = edges.after(self._reached)
            for epoch, edge in zip(edges.epochs(seqs), source.read(seqs), strict=True):
                self._all += [Negation(edge.edge, of, epoch, edge.time.ms, edge.author) for of in edge.negates]
        self._reached, self._epoch = edges.last, store.epoch()


def _authorised(
    store: SqliteStore, cut: Cut, negations: list[Negation], trusted: frozenset[bytes]
) -> Iterator[Negation]:
    source = edge_source(store, cut)
    authors: dict[Entity, set[bytes]] = {}
    for each in negations:
        if each.author not in trusted and each.of not in authors:
            said: list[Hyperedge] = source.read(source.of_edges([each.of]))
            authors[each.of] = {edge.author for edge in said}
        if each.author in trusted or each.author in authors[each.of]:
            yield each


_KNOWN: WeakKeyDictionary[SqliteStore, Negations] = WeakKeyDictionary()
"""The negations that were read of each file."""

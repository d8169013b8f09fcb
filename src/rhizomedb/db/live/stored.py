"""What a standing view reads of a store: its inputs at a cut, and what came and went of them between two epochs.

A change costs what the epochs in between brought, not what is stored. Deltas are never the same twice, so whoever reads
`delta`, `asserts` or `arrival` is told of each; a fact comes with the first delta that asserts it and is visible, and
its causes come with it. A store in a file tells by the numbers of its index, any other by cells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.db.programs.reading import NumberReading
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.value import exact
from rhizomedb.flow.body import Input
from rhizomedb.flow.dictionary import Dictionary, Interned
from rhizomedb.flow.relation import Batch, Change, nothing
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import COLUMNS, Cut, Store

if TYPE_CHECKING:
    from rhizomedb.facts.cid import Cid
    from rhizomedb.facts.fact import Fact
    from rhizomedb.facts.value import Cell
    from rhizomedb.flow.batch import Batch as Tuples
    from rhizomedb.store.numbering import Numbering

Row: TypeAlias = "tuple[Cell, ...]"

STRETCHES_REMEMBERED: Final = 16
STRETCH_BYTES_MAX: Final = 1 << 18
"""How many stretches of the log are remembered, and how long one may be: several views read the same ones."""

_ATTRIBUTE: Final = "attribute"
_ATTRIBUTE_PLACE: Final = COLUMNS["fact"].index(_ATTRIBUTE)


class SweptDictionary(Dictionary, Protocol):
    """A dictionary that can forget."""

    own_bytes: int
    """How long the texts and bytes are that it holds itself."""

    @property
    def own(self) -> int:
        """How many cells it holds itself."""
        ...

    def sweep(self, held: Collection[int]) -> None:
        """Forget the cells that it holds itself and whose ids nobody holds; the ids come to stand for others."""
        ...


class Stored(Protocol):
    """What is stored, as a standing view reads it: as ids of its dictionary."""

    @property
    def dictionary(self) -> SweptDictionary:
        """What the ids stand for."""
        ...

    def is_current(self) -> bool:
        """Whether the ids still stand for what they stood for. If they do not, only cells can be had of them."""
        ...

    def read(self, input: Input, cut: Cut) -> Tuples:
        """The tuples of an input at a cut, over its columns: a bag, for two may differ only in what is not read."""
        ...

    def changes(self, inputs: Mapping[str, Input], before: Cut, after: Cut) -> dict[str, Change]:
        """What came and went for each input between two cuts that differ in their epochs alone, forwards or backwards.

        Inputs of which nothing came or went are not named.
        """
        ...


class Arrivals:
    """The deltas of a store by the epochs in which they came, verified; those read last are remembered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._remembered: dict[tuple[int, int], list[tuple[int, Delta]]] = {}

    def between(self, after: int, last: int) -> Iterator[tuple[int, Delta]]:
        """The deltas of the epochs after one up to another, each with its epoch, in the order of the log."""
        known = self._remembered.get((after, last))
        if known is not None:
            yield from known
            return
        read: list[tuple[int, Delta]] = []
        size = 0
        for epoch, envelope in self._store.envelopes(after):
            if epoch > last:
                break
            arrived = epoch, self._decoded(epoch, envelope)
            size += len(envelope)
            if size <= STRETCH_BYTES_MAX:
                read.append(arrived)
            yield arrived
        if size <= STRETCH_BYTES_MAX:
            while len(self._remembered) >= STRETCHES_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[after, last] = read

    def forget(self) -> None:
        """Remember nothing."""
        self._remembered.clear()

    def _decoded(self, epoch: int, envelope: bytes) -> Delta:
        try:
            return Delta.decode(envelope)
        except Error as error:
            raise StoreError(
                "store.damaged",
                f"a delta of epoch {epoch} of {self._store.path} does not say what it said: {error.message}",
                fix=f"rhizome verify {self._store.path}",
            ) from None


@dataclass(frozen=True, slots=True)
class _Route:
    """Where the tuples of a stored relation go: to an input, if they agree with its constants, as some columns."""

    input: str
    wanted: tuple[tuple[int, Any], ...]
    places: tuple[int, ...]


class _Routes:
    """Which inputs read what: by relation, and facts by attribute, so that most facts are passed over at one look.

    Tuples are of cells, or of the ids that `ids` gives for them.
    """

    def __init__(self, inputs: Mapping[str, Input], ids: Callable[[Iterable[Cell]], Iterable[Any]] = list) -> None:
        self.inputs = inputs
        self._of: defaultdict[str, list[_Route]] = defaultdict(list)
        self._by_attribute: defaultdict[Any, list[_Route]] = defaultdict(list)
        for name, read in inputs.items():
            columns = COLUMNS[read.relation]
            given = dict(zip((column for column, _ in read.bound), ids(cell for _, cell in read.bound), strict=True))
            wanted = tuple((columns.index(column), cell) for column, cell in given.items())
            route = _Route(name, wanted, tuple(map(columns.index, read.columns)))
            by_attribute = read.relation == "fact" and _ATTRIBUTE in given
            (self._by_attribute[given[_ATTRIBUTE]] if by_attribute else self._of[read.relation]).append(route)

    def read(self, relation: str) -> bool:
        """Whether any input reads a relation, whatever its tuples are."""
        return relation in self._of

    def reads_facts(self) -> bool:
        """Whether any input reads facts, those of an attribute or all."""
        return "fact" in self._of or bool(self._by_attribute)

    def reads_fact(self, fact: Fact) -> bool:
        """Whether any input reads a fact, or its causes."""
        return (
            "fact" in self._of
            or exact(fact.attribute) in self._by_attribute
            or ("cause" in self._of and len(fact.causes) > 0)
        )

    def send(self, relation: str, row: tuple[Any, ...], found: dict[str, list[Any]]) -> None:
        """Add a tuple to what was found for each input that reads it."""
        routes = self._of.get(relation, [])
        if relation == "fact":
            routes = [*routes, *self._by_attribute.get(row[_ATTRIBUTE_PLACE], ())]
        for route in routes:
            if all(row[place] == cell for place, cell in route.wanted):
                found[route.input].append(tuple(row[place] for place in route.places))


class NumberStored:
    """`Stored` over a store in a file: what its index has is read by number, and its cells are held by nobody else."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._beginnings = store.beginnings()
        self._is_lasting = not store.is_writing
        self.dictionary: Numbering = store.numbering()
        _ = self.dictionary.images  # while they can be read

    def is_current(self) -> bool:
        """Whether the index is the one that gave the numbers, and no write that was not done yet gave any."""
        return self._is_lasting and self._beginnings == self._store.beginnings()

    def read(self, input: Input, cut: Cut) -> Tuples:
        """The tuples of an input at a cut."""
        self._is_lasting = self._is_lasting and not self._store.is_writing
        return NumberReading(self._store.numbers(cut, self.dictionary), StoreSource(self._store, cut)).read(input)

    def changes(self, inputs: Mapping[str, Input], before: Cut, after: Cut) -> dict[str, Change]:
        """What came and went for each input between two cuts."""
        self._is_lasting = self._is_lasting and not self._store.is_writing
        found: defaultdict[str, list[tuple[int, ...]]] = defaultdict(list)

        def come(low: Cut, high: Cut) -> Mapping[str, Tuples]:
            came = self._store.came(low, high, self.dictionary)
            routes = _Routes(inputs, self.dictionary.ids)
            for relation, tuples in (("fact", came.facts), ("cause", came.causes), ("asserts", came.sayings)):
                if routes.read(relation) or (relation == "fact" and routes.reads_facts()):
                    for row in tuples():
                        routes.send(relation, row, found)
            by_cells = [relation for relation in ("delta", "arrival") if routes.read(relation)]
            if by_cells:
                cells: defaultdict[str, list[Row]] = defaultdict(list)
                plain = _Routes(inputs)
                for delta in came.deltas():
                    for relation in by_cells:
                        for arrived in self._store.scan(relation, {COLUMNS[relation][0]: delta}, high):
                            plain.send(relation, arrived, cells)
                for name, rows in cells.items():
                    found[name] = [tuple(self.dictionary.ids(row)) for row in rows]
            return {name: Batch.of_rows(rows, len(inputs[name].columns)) for name, rows in found.items()}

        return _changes(self._store, before, after, come)


class PlainStored:
    """`Stored` over any store, cells by cells: what faster ones are tested against."""

    def __init__(self, store: Store, arrivals: Arrivals | None = None) -> None:
        self.dictionary: Interned = Interned()
        self._store = store
        self._arrivals = arrivals or Arrivals(store)
        self._routes = _Routes({})

    def is_current(self) -> bool:
        """Always: what an id stands for is known here."""
        return True

    def read(self, input: Input, cut: Cut) -> Tuples:
        """The tuples of an input at a cut."""
        places = list(map(COLUMNS[input.relation].index, input.columns))
        rows = self._store.scan(input.relation, dict(input.bound), cut)
        return self._batch([tuple(row[place] for place in places) for row in rows], len(places))

    def changes(self, inputs: Mapping[str, Input], before: Cut, after: Cut) -> dict[str, Change]:
        """What came and went for each input between two cuts."""

        def come(low: Cut, high: Cut) -> Mapping[str, Tuples]:
            rows = self._come(inputs, low, high)
            return {name: self._batch(some, len(inputs[name].columns)) for name, some in rows.items()}

        return _changes(self._store, before, after, come)

    def _come(self, inputs: Mapping[str, Input], low: Cut, high: Cut) -> dict[str, list[Row]]:
        """What came for each input from an earlier to a later cut."""
        if self._routes.inputs is not inputs:
            self._routes = _Routes(inputs)
        routes = self._routes
        found: defaultdict[str, list[Row]] = defaultdict(list)
        facts: dict[Cid, Fact] = {}
        assert low.epoch is not None and high.epoch is not None, "both cuts have an epoch"
        for epoch, delta in self._arrivals.between(low.epoch, high.epoch):
            if not high.admits(epoch, delta.time.ms, delta.author):
                continue
            if routes.read("delta"):
                routes.send("delta", delta_cells(delta), found)
            if routes.read("arrival"):
                for row in self._store.scan("arrival", {"delta": delta.id}, high):
                    routes.send("arrival", row, found)
            for fact in delta.facts:
                if routes.read("asserts"):
                    routes.send("asserts", (delta.id, fact.cid), found)
                if routes.reads_fact(fact):
                    facts.setdefault(fact.cid, fact)
        for fact in self._unseen(facts, low):
            routes.send("fact", fact_cells(fact), found)
            for cause in fact.causes:
                routes.send("cause", (fact.cid, cause), found)
        return found

    def _unseen(self, facts: Mapping[Cid, Fact], cut: Cut) -> Iterator[Fact]:
        """Those of some facts that are not visible at a cut."""
        seen = {row[0] for row in self._store.scan_keys("fact", {}, ("$cid",), ((cid,) for cid in facts), cut)}
        return (fact for cid, fact in facts.items() if cid not in seen)

    def _batch(self, rows: Iterable[Row], width: int) -> Tuples:
        return Batch.of_rows(self.dictionary.rows(list(rows)), width)


def _changes(
    store: Store, before: Cut, after: Cut, come: Callable[[Cut, Cut], Mapping[str, Tuples]]
) -> dict[str, Change]:
    """What came and went between two cuts, of what came from the earlier to the later."""
    assert replace(before, epoch=None) == replace(after, epoch=None), "only the epochs of the two cuts differ"
    first, last = (store.epoch() if cut.epoch is None else cut.epoch for cut in (before, after))
    if first == last:
        return {}
    found = come(replace(before, epoch=min(first, last)), replace(before, epoch=max(first, last)))
    none = {name: nothing(batch.width).plus for name, batch in found.items()}
    if first < last:
        return {name: Change(batch, none[name]) for name, batch in found.items()}
    return {name: Change(none[name], batch) for name, batch in found.items()}


def stored_of(store: Store, arrivals: Arrivals) -> Stored:
    """How a store is read best."""
    return NumberStored(store) if isinstance(store, SqliteStore) else PlainStored(store, arrivals)


def fact_cells(fact: Fact) -> Row:
    """A fact as a tuple of the relation `fact`."""
    return fact.cid, fact.entity, exact(fact.attribute), exact(fact.value)


def delta_cells(delta: Delta) -> Row:
    """A delta as a tuple of the relation `delta`."""
    time = delta.time
    return delta.id, delta.author, delta.system, time.ms, time.counter, delta.edge or b"", delta.scope

"""Joins: the tuples of a conjunction, leaf by leaf, each step as soon as it can be taken (PomoRA 2.1.6 to 2.1.11).

The smallest leaf comes first; each next one is looked up with the tuples so far. Columns that nothing will ask for
again are dropped on the way, and with them tuples that no longer differ: that keeps an existence test from being a
product.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import field
from typing import Any, Protocol

from rhizomedb._record import dataclass
from rhizomedb.algebra.conjunction import Compute, Conjunction, Keep, OrElse, Step, Without, within
from rhizomedb.algebra.formula import Row, conjunction, test_of, value_of
from rhizomedb.algebra.relation import Attributes, Relation
from rhizomedb.algebra.source import Bound, Index, Keys, pick
from rhizomedb.budget import Meter
from rhizomedb.facts.value import Cell

TESTS_BETWEEN = 64
"""Rows that are tested between two looks at the clock."""

SPEND_EVERY = 1024
"""Tuples that a join makes between two looks at the budget."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """What a join asks of a leaf: the tuples under some keys over `shared`, with the cells under `new`."""

    leaf: Relation
    shared: Attributes
    new: Attributes = ()
    bound: Bound = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Matches:
    """Rows by key: `of` makes the key from a row of the asking side, `new` takes the wanted cells from a found row."""

    groups: Index
    of: Callable[[Row], Any]
    new: Callable[[Row], Row]
    distinct: bool


class Leaves(Protocol):
    """What a join asks of its leaves."""

    meter: Meter

    def rows(self, node: Relation, wanted: Attributes, bound: Bound, keys: Keys | None = None) -> Iterable[Row]:
        """The distinct tuples over `wanted` that agree with `bound`; given keys, at least all that agree with one."""
        ...

    def size(self, node: Relation, bound: Bound) -> int:
        """About how many tuples agree with `bound`."""
        ...

    def match(self, look_up: LookUp, asking: Collection[Row], columns: Attributes) -> Matches:
        """The rows of a leaf by their cells under `shared`, for look-ups by rows over `columns`."""
        ...


class Joined:
    """One run over a conjunction: the tuples so far, over `columns`, and what is still to be done."""

    def __init__(self, reader: Leaves, parts: Conjunction, wanted: Attributes) -> None:
        self.reader = reader
        self.parts = parts
        self.wanted = wanted
        self.leaves = list(parts.leaves)
        self.steps: list[Step] = list(parts.steps)
        self.columns: Attributes = ()
        self.rows: Iterable[Row] = [()]
        self.distinct = True

    def begin(self, keys: Keys | None) -> None:
        """Start from the keys that some leaf can use, so that the leaves are asked for these only."""
        if keys is None:
            return
        readable = {name for leaf in self.leaves for name in leaf.attributes}
        readable -= {name for step in self.steps for name in step.gives}
        readable -= set(self.parts.constants)
        places: dict[str, int] = {}
        for place, name in enumerate(keys.names):
            origin = self.parts.origin(name)
            if origin in readable:
                places.setdefault(origin, place)
        if places:
            self.columns = tuple(places)
            self.rows = dict.fromkeys(map(pick(list(places.values())), keys.rows))

    def run(self) -> Iterable[Row]:
        """The tuples of the conjunction over `wanted`, each once."""
        while True:
            self.reader.meter.check()
            self._take_ready_steps()
            if isinstance(self.rows, Collection) and not self.rows:
                return []
            self._prune()
            if (leaf := self._next_leaf()) is not None:
                self.leaves = [other for other in self.leaves if other is not leaf]
                self._join(leaf)
            elif (step := self._next_default()) is not None:
                self._done(step)
                self._join_or_else(step)
            else:
                break
        assert not self.steps, "every step's attributes come from the leaves and steps below it"
        if self.columns != self.wanted:
            self.distinct = self.distinct and set(self.columns) <= set(self.wanted)
            self.rows = map(pick([self.columns.index(name) for name in self.wanted]), self.rows)
        return self.rows if self.distinct else dict.fromkeys(self.rows)

    def _take_ready_steps(self) -> None:
        """Everything that only drops tuples or adds a cell is done as soon as it can be."""
        while ready := [s for s in self.steps if not isinstance(s, OrElse) and s.needs <= set(self.columns)]:
            positions = {name: place for place, name in enumerate(self.columns)}
            kept = [step.formula for step in ready if isinstance(step, Keep)]
            if kept:
                test = test_of(conjunction(kept), positions)
                self.rows = [row for row in self._watched() if test(row)]
            for step in ready:
                self._done(step)
                match step:
                    case Compute(name, operand):
                        value = value_of(operand, positions)
                        self.rows = list(self._computed(value))
                        self.columns = (*self.columns, name)
                    case Without(right, shared):
                        rows = self._collected()
                        found = self.reader.match(LookUp(right, shared), rows, self.columns)
                        groups, of = found.groups, found.of
                        self.rows = [row for row in rows if of(row) not in groups]

    def _computed(self, value: Callable[[Row], Cell | None]) -> Iterator[Row]:
        """The rows with a computed cell more: long text is counted as it comes, not when all of it is there."""
        hold = self.reader.meter.hold
        for row in self.rows:
            cell = value(row)
            if cell is not None:
                hold(cell)
                yield (*row, cell)

    def _watched(self) -> Iterator[Row]:
        """The rows, with a look at the clock now and then: a test may take long and let nothing through."""
        for place, row in enumerate(self.rows, 1):
            if place % TESTS_BETWEEN == 0:
                self.reader.meter.check()
            yield row

    def _done(self, step: Step) -> None:
        self.steps = [other for other in self.steps if other is not step]

    def _prune(self) -> None:
        """Drop the columns that nothing will ask for again."""
        live = self._live()
        if not live.issuperset(self.columns):
            columns = tuple(name for name in self.columns if name in live)
            self.rows = dict.fromkeys(map(pick([self.columns.index(name) for name in columns]), self.rows))
            self.columns, self.distinct = columns, True

    def _live(self) -> set[str]:
        live = set(self.wanted)
        for leaf in self.leaves:
            live.update(leaf.attributes)
        live -= self.parts.constants.keys() - set(self.wanted)  # each leaf is asked for the constant itself
        for step in self.steps:
            live |= step.needs
        return live

    def _next_leaf(self) -> Relation | None:
        """The leaf to join next: one that is connected, and of these the one that should give the fewest tuples."""
        if not self.leaves:
            return None
        pending = {name for step in self.steps for name in step.gives}
        have, constants = set(self.columns), self.parts.constants
        best: tuple[bool, float] | None = None
        chosen = None
        for leaf in self.leaves:
            if pending and not pending.isdisjoint(leaf.attributes):
                continue
            if len(self.leaves) == 1:
                return leaf
            free = [name for name in leaf.attributes if name not in constants]
            unbound = sum(name not in have for name in free)
            connected = unbound < len(free) or not free
            # Without counts of distinct cells: each of n attributes is taken to divide a relation alike.
            expected = self.reader.size(leaf, within(leaf, constants)) ** (unbound / max(1, len(free)))
            if best is None or (not connected, expected) < best:
                best, chosen = (not connected, expected), leaf
        return chosen

    def _next_default(self) -> OrElse | None:
        have = set(self.columns)
        return next((step for step in self.steps if isinstance(step, OrElse) and step.needs <= have), None)

    def _join(self, leaf: Relation) -> None:
        bound = within(leaf, self.parts.constants)
        live = self._live()
        have = set(self.columns)
        new = tuple(name for name in leaf.attributes if name in live and name not in have)
        if not have and self.rows == [()]:
            self.rows, self.columns = self.reader.rows(leaf, new, bound), new
            return
        shared = tuple(name for name in leaf.attributes if name in have and name not in bound)
        rows = self._collected()
        found = self.reader.match(LookUp(leaf, shared, new, bound), rows, self.columns)
        groups, of, take = found.groups, found.of, found.new
        if not new:
            self.rows = [row for row in rows if of(row) in groups]
            return
        self.columns, self.distinct = (*self.columns, *new), self.distinct and found.distinct
        get, spend, width = groups.get, self.reader.meter.spend, len(self.columns)
        joined: list[Row] = []
        unspent = 0
        for row in rows:
            matches = get(of(row))
            if matches is not None:
                unspent += len(matches)
                if unspent >= SPEND_EVERY:  # before they are made, so that no step goes far over the budget
                    spend(unspent, width)
                    unspent = 0
                joined += [row + take(match) for match in matches]
        spend(unspent, width)
        self.rows = joined

    def _join_or_else(self, step: OrElse) -> None:
        rows, columns = self._collected(), self.columns
        new = tuple(name for name in step.gives if name in self._live())
        found = self.reader.match(LookUp(step.join.right, step.shared, new), rows, columns)
        defaults = dict(step.join.defaults)
        default = tuple(defaults[name] for name in new)
        joined: list[Row] = []
        unmatched: list[Row] = []
        for row in rows:
            matches = found.groups.get(found.of(row))
            if matches is None:
                unmatched.append(row)
                continue
            self.reader.meter.spend(len(matches), len(columns) + len(new))
            joined += [row + found.new(match) for match in matches]
        support = step.join.support
        if support is not None and unmatched:
            failed = self.reader.match(LookUp(support, support.attributes), unmatched, columns)
            unmatched = [row for row in unmatched if failed.of(row) not in failed.groups]
        self.rows = joined + [row + default for row in unmatched]
        self.columns, self.distinct = (*columns, *new), False

    def _collected(self) -> Collection[Row]:
        if not isinstance(self.rows, Collection):
            self.rows = list(self.rows)
        return self.rows

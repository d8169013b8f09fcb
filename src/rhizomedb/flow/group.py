"""Groupings: relations of aggregates, group by group (PomoFlow 2.9.1).

Aggregates are over whole tuples, each tuple once (errata E15h, E15j, E32). The rows of a batch are numbered by group, and by
the parameters of each aggregate, so that a cell is looked at once and not in every row that has it.

A standing engine keeps for each group its size and of each aggregate a state (`ledger`), and a step looks at what changed:

* the totals of a linear aggregate (count, sum, avg) are added to and taken from;
* the result of one that selects (min, max) is compared with what came and what went. Only when the selected value itself
  goes is the group read again: an ordered structure would hold every value of every group once more, for the sake of
  steps that take an extreme away;
* any other is computed from the whole group as it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import repeat
from operator import or_
from typing import Final

from rhizomedb._native import kernel
from rhizomedb.facts.value import Cell
from rhizomedb.flow import groups as numbered
from rhizomedb.flow.batch import IDS
from rhizomedb.flow.batch import Batch as Tuples
from rhizomedb.flow.body import Grouping
from rhizomedb.flow.bounded import EVERY, pieces, watched
from rhizomedb.flow.ledger import Entry, Key, State
from rhizomedb.flow.relation import Batch
from rhizomedb.flow.run import Run
from rhizomedb.logic.aggregates import Aggregate
from rhizomedb.logic.aggregates import Row as Cells

Groups = kernel(numbered.Groups)

_UNKNOWN: Final = object()
"""The state of an aggregate that only the whole group can tell."""

_NONE: Final = 0xFFFF_FFFF
"""In place of an id: no result. No cell has this id."""

_FITS: Final = 1 << 63
_LIMB_BITS: Final = 62
"""Of values that do not fit in 64 bits so many bits are summed at a time; the last ones have the sign."""


def derive(grouping: Grouping, run: Run) -> None:
    """Bring a relation of groups up to date."""
    step = _Step(grouping, run)
    if run.is_first:
        step.begin()
    elif run.held(grouping.source).change:
        step.follow()
    run.held(grouping.head).settle()


def ready(grouping: Grouping, run: Run) -> None:
    """Have the look-ups made that changes need: where something may have to be computed from all members of a group."""
    keys = list(grouping.keys)
    if keys and any(run.aggregates[name].linear is None for name, _ in grouping.aggregates):
        run.held(grouping.source).table.keys(keys)


class _Step:
    """One step of one grouping."""

    def __init__(self, grouping: Grouping, run: Run) -> None:
        self.source, self.target = run.held(grouping.source), run.held(grouping.head)
        self.keys = list(grouping.keys)
        self.aggregates = [(run.aggregates[name], list(parameters)) for name, parameters in grouping.aggregates]
        self.dictionary = run.dictionary
        self.meter = run.meter

    def begin(self) -> None:
        """Group all that there is."""
        members = self.source.table.read()
        groups = self._grouped(members, self.keys)
        columns = [self._states(groups, members, *each) for each in self.aggregates]
        keys = groups.keys()
        self.target.table.put(self._tuples(keys, columns))
        if self.target.ledger is not None:
            entries = zip(groups.sizes(), _transposed(columns, len(groups)), strict=True)
            found = zip(keys.rows(), entries, strict=True)
            self.target.ledger.change(dict(watched(found, self.meter.check)))

    def follow(self) -> None:
        """Look at what came and what went."""
        assert self.target.ledger is not None, "a flow that takes a second step knows what it had"
        known = self.target.ledger.entries()
        changed = self._changed(known)
        unknown = [key for key, (size, states) in changed.items() if size and any(s is _UNKNOWN for s in states)]
        if unknown:
            changed |= self._read_again(unknown, changed)
        table, ledger = self.target.table, self.target.ledger
        table.remove(self._entry_tuples({key: known[key] for key in changed if key in known}))
        table.add(self._entry_tuples({key: entry for key, entry in changed.items() if entry[0]}))
        ledger.change({key: entry if entry[0] else None for key, entry in changed.items()})

    # -- what is known of groups ------------------------------------------------------------------------------------

    def _changed(self, known: Mapping[Key, Entry]) -> dict[Key, Entry]:
        """All groups in which something changed, with what follows for them."""
        changed: dict[Key, Entry] = {}
        nothing: Entry = 0, (None,) * len(self.aggregates)
        for batch, sign in ((self.source.change.plus, 1), (self.source.change.minus, -1)):
            groups = self._grouped(batch, self.keys)
            columns = [
                self._states(groups, batch, aggregate, parameters)
                if aggregate.linear or aggregate.selects
                else [_UNKNOWN] * len(groups)
                for aggregate, parameters in self.aggregates
            ]
            parts = zip(groups.keys().rows(), groups.sizes(), _transposed(columns, len(groups)), strict=True)
            for key, more, part in watched(parts, self.meter.check):
                size, states = changed.get(key) or known.get(key, nothing)
                moved = (_moved(*each, sign) for each in zip(self.aggregates, states, part, strict=True))
                changed[key] = size + sign * more, tuple(moved)
        return changed

    def _read_again(self, keys: Sequence[Key], changed: Mapping[Key, Entry]) -> dict[Key, Entry]:
        """The entries of some groups, with what is not known computed from all their members."""
        asking = Batch.of_rows(list(keys), len(self.keys))
        members = self._members(asking)
        groups = self._grouped(members, self.keys)
        wanted = [any(changed[key][1][place] is _UNKNOWN for key in keys) for place in range(len(self.aggregates))]
        columns = [
            self._states(groups, members, *each) if is_wanted else [_UNKNOWN] * len(groups)
            for each, is_wanted in zip(self.aggregates, wanted, strict=True)
        ]
        found: dict[Key, Entry] = {}
        for key, computed in zip(groups.keys().rows(), _transposed(columns, len(groups)), strict=True):
            size, states = changed[key]
            pairs = zip(states, computed, strict=True)
            found[key] = size, tuple(new if old is _UNKNOWN else old for old, new in pairs)
        return found

    def _members(self, asking: Tuples) -> Tuples:
        """The tuples of some groups."""
        table = self.source.table
        by_key = [(column, place, 0) for place, column in enumerate(self.keys)]
        found: list[Tuples] = []
        start = 0
        while start < len(asking):
            piece, start = table.probe(asking, by_key, [], list(range(table.width)), True, -1, start)
            self.meter.spend(len(piece), piece.width)
            found.append(piece)
        return Batch.concatenated(found, table.width)

    # -- states -----------------------------------------------------------------------------------------------------

    def _grouped(self, members: Tuples, columns: list[int]) -> numbered.Groups:
        return Groups(members, columns, self.meter.check)

    def _states(
        self, groups: numbered.Groups, members: Tuples, aggregate: Aggregate, parameters: list[int]
    ) -> list[State]:
        """The state of one aggregate over each group."""
        linear = aggregate.linear
        if linear is None:
            of = self._grouped(members, parameters)
            return self._computed(groups, of, aggregate)
        of = self._grouped(members, parameters[: linear.parameters])
        measures: list[tuple[int, ...]] = []
        for some in pieces(self._cells(of.keys()), self.meter.check):
            measures += map(linear.measure, some)
        totals = [self._sums(groups, of, [measure[place] for measure in measures]) for place in range(linear.width)]
        return list(zip(*totals, strict=True))

    def _computed(self, groups: numbered.Groups, of: numbered.Groups, aggregate: Aggregate) -> list[State]:
        """The results over the rows of each group, which come group after group."""
        cells = self._cells(of.keys())
        results: list[State] = []
        rows: list[Cells] = []
        first = read = 0
        for size in groups.sizes():
            while len(rows) - first < size:
                del rows[:first]
                first = 0
                rows += [cells[number] for number in groups.members(of, read, read + EVERY, self.meter.check)]
                read += EVERY
                self.meter.check()
            results.append(aggregate.compute(rows[first : first + size]))
            first += size
        return results

    def _sums(self, groups: numbered.Groups, of: numbered.Groups, values: list[int]) -> list[int]:
        """For each group the sum over its rows of whole numbers of any size."""
        bits = reduce(or_, values, 0)
        if not bits:
            return [0] * len(groups)
        # Multiples of a large power of two are many bits long, and few of them say anything.
        shift = (bits & -bits).bit_length() - 1
        values = [value >> shift for value in values] if shift else values
        totals = [0] * len(groups)
        while True:
            fits = min(values) >= -_FITS and max(values) < _FITS
            limbs = values if fits else [value & ((1 << _LIMB_BITS) - 1) for value in values]
            sums = groups.sums(of, array("q", limbs), self.meter.check)
            totals = [total + (sum << shift) for total, sum in zip(totals, sums, strict=True)] if shift else sums
            if fits:
                return totals
            values = [value >> _LIMB_BITS for value in values]
            shift += _LIMB_BITS

    # -- tuples -----------------------------------------------------------------------------------------------------

    def _cells(self, batch: Tuples) -> list[Cells]:
        """The rows of a batch as cells."""
        if not batch.width:
            return [()] * len(batch)
        rows: list[Cells] = []
        for first in range(0, len(batch), EVERY):
            some = batch.slice(first, first + EVERY)
            columns = [self.dictionary.cells(some.column_ids(column)) for column in range(batch.width)]
            rows += zip(*columns, strict=True)
            self.meter.check()
        return rows

    def _entry_tuples(self, entries: Mapping[Key, Entry]) -> Tuples:
        """The tuples of some groups."""
        states = [list(column) for column in zip(*(states for _, states in entries.values()), strict=True)]
        keys = Batch.of_rows(list(entries), len(self.keys))
        return self._tuples(keys, states or [[] for _ in self.aggregates])

    def _tuples(self, keys: Tuples, columns: Sequence[Sequence[State]]) -> Tuples:
        """Keys with the results of their states; without those for which an aggregate has none."""
        made, width = keys, len(self.keys) + len(self.aggregates)
        is_whole = True
        for (aggregate, _), states in zip(self.aggregates, columns, strict=True):
            linear = aggregate.linear
            ids = array(IDS)
            for some in pieces(states):
                results = some if linear is None else list(map(linear.result, some))
                ids.extend(self._ids(results))
                self.meter.spend(len(some), width)
            is_whole = is_whole and _NONE not in ids
            made = made.with_column(ids)
        if not is_whole:
            for column in range(len(self.keys), width):
                made = made.where_constant(column, _NONE, False)
        return made

    def _ids(self, results: Sequence[Cell | None]) -> Iterable[int]:
        """The id of each result."""
        cells = [cell for cell in results if cell is not None]
        if all(type(cell) is int for cell in cells):  # counts and the like: few different ones, and quickly told apart
            distinct = list(set(cells))
            known: dict[Cell | None, int] = dict(zip(distinct, self.dictionary.ids(distinct), strict=True))
            known[None] = _NONE
            return map(known.__getitem__, results)
        ids = self.dictionary.ids(cells)
        if len(cells) == len(results):
            return ids
        following = iter(ids)
        return [_NONE if cell is None else next(following) for cell in results]


def _moved(aggregate: tuple[Aggregate, list[int]], state: State, part: State, sign: int) -> State:
    """The state of an aggregate after rows with the state `part` of their own came (1) or went (-1)."""
    function, _ = aggregate
    if state is _UNKNOWN or part is _UNKNOWN:
        return _UNKNOWN
    if sign > 0 and state is None:
        return part
    if function.linear is not None:
        return tuple(total + sign * more for total, more in zip(state, part, strict=True))
    if sign > 0:
        return function.compute([(state,), (part,)])
    return _UNKNOWN if part == state else state


def _transposed(columns: Sequence[Sequence[State]], rows: int) -> Iterable[tuple[State, ...]]:
    return zip(*columns, strict=True) if columns else repeat((), rows)

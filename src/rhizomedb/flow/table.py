"""Tables: the tuples of one relation, through one step of change at a time. The plain twin of the kernel of that name.

A table is a log: a row that comes gets the next *place*, and keeps it. Between two `commit`s it holds two *versions*:
the old state, which the step began with, and the new one. So the change of a join can be computed term by term, some
inputs as they were and some as they are (PomoFlow 2.9.13). `settle` tells what the step changed; `rollback` forgets it.

Three kinds:

* plain: rows are added and removed;
* counted: rows are counted up and down, and are there while their count is above zero. The count is the weight that a
  Z-set has before `distinct`: the number of derivations of a tuple that does not depend on itself;
* stamped: every row knows a number that grows with what is added. A tuple of a recursion stands for as long as some
  derivation of it uses only tuples with smaller stamps: such support cannot be circular.

Look-ups go by *keys*: triples of a column of the table, a column of the asking batch or -1, and a constant for -1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from rhizomedb.flow.batch import Batch

Key: TypeAlias = tuple[int, int, int]
"""(column of the table, column of the asking batch or -1, constant where that is -1)"""

LIMIT: Final = 1 << 18
"""How many rows one look-up makes before it pauses, so that budgets are kept and Ctrl-C is heard."""

DEAD_MIN: Final = 1024
"""A table is packed when more than half of its rows, and more than this many, are dead."""

Row: TypeAlias = tuple[int, ...]

_ALIVE, _DYING, _DEAD = range(3)


class _Postings:
    """For the ids of some columns the places of the rows that have them, in the order in which the rows came."""

    __slots__ = ("_rooms", "done", "places")

    def __init__(self) -> None:
        self.done = 0
        self.places: dict[Row, list[int]] = {}
        self._rooms: defaultdict[Row, int] = defaultdict(lambda: 1)

    def push(self, key: Row, place: int, states: Sequence[int]) -> None:
        """One more place. Where there is no room for it, the dead make some: a key whose rows come and go all the time
        would else be looked up at the price of all that it ever had, until the whole table is packed.
        """
        places = self.places.setdefault(key, [])
        if len(places) >= self._rooms[key]:
            places[:] = [each for each in places if states[each] != _DEAD]
            if 2 * len(places) > self._rooms[key]:
                self._rooms[key] *= 2
        places.append(place)


class Table:
    """The tuples of one relation: what they were before this step, and what they are."""

    def __init__(self, width: int, *, counted: bool = False, stamped: bool = False) -> None:
        self.width = width
        self.mark = 0
        self._log: list[Row] = []
        self._states: list[int] = []
        self._stamps: list[int] | None = [] if stamped else None
        self._counts: list[int] | None = [] if counted else None
        self._places: dict[Row, int] = {}
        self._dying: list[int] = []
        self._pending: defaultdict[Row, int] = defaultdict(int)
        self._undo: list[tuple[int, int]] = []
        self._postings: dict[tuple[int, ...], _Postings] = {}

    def __len__(self) -> int:
        return self._states.count(_ALIVE)

    @property
    def extent(self) -> int:
        """How many places were ever filled: new rows stand after it."""
        return len(self._log)

    @property
    def bytes(self) -> int:
        """About how much memory the table holds."""
        return len(self._log) * (4 * self.width + 16)

    # -- changing ---------------------------------------------------------------------------------------------------

    def add(self, batch: Batch, stamp: int = 0) -> int:
        """Add the rows that are not there; how many were new. The first of them has the stamp, the others the next ones."""
        assert self._counts is None and batch.width == self.width, "rows are added to an uncounted table of their width"
        before = len(self._log)
        for row in batch.rows():
            place = self._places.get(row)
            if place is None or self._states[place] != _ALIVE:
                self._append(row)
                if self._stamps is not None:
                    self._stamps.append(stamp + len(self._log) - before - 1)
        return len(self._log) - before

    def put(self, batch: Batch) -> None:
        """Add rows that are known to be different from each other and from all that are there."""
        self.add(batch)

    def remove(self, batch: Batch) -> int:
        """Take rows away that are there; how many were."""
        assert self._counts is None and batch.width == self.width, "rows are removed from an uncounted table"
        removed = 0
        for row in batch.rows():
            place = self._places.get(row)
            if place is None or self._states[place] != _ALIVE:
                continue
            removed += 1
            self._end(place)
        return removed

    def count(self, batch: Batch, sign: int) -> None:
        """Count each row once more (1) or once less (-1); `settle` tells what that changes."""
        assert self._counts is not None and batch.width == self.width, "rows are counted in a counted table"
        for row in batch.rows():
            self._pending[row] += sign

    def settle(self) -> tuple[Batch, Batch]:
        """What this step changed: the rows that came and those that went, no row in both."""
        if self._counts is not None:
            self._apply(self._counts)
        kept, gone = set(), []
        for place in self._dying:
            now = self._places[self._log[place]]
            if now >= self.mark and self._states[now] == _ALIVE:
                kept.add(now)
            else:
                gone.append(self._log[place])
        came = [
            self._log[place]
            for place in range(self.mark, len(self._log))
            if self._states[place] == _ALIVE and place not in kept
        ]
        return Batch(came, self.width), Batch(gone, self.width)

    def _apply(self, counts: list[int]) -> None:
        pending, self._pending = self._pending, defaultdict(int)
        for row, change in pending.items():
            if not change:
                continue
            place = self._places.get(row)
            before = 0 if place is None else counts[place]
            after = before + change
            assert after >= 0, "nothing is taken back more often than it was derived"
            if place is None or not before:
                self._append(row)
                counts.append(after)
                continue
            self._undo.append((place, before))
            counts[place] = after
            if not after:
                self._end(place)

    def _end(self, place: int) -> None:
        if place < self.mark:
            self._states[place] = _DYING
            self._dying.append(place)
        else:  # the old version never had it
            self._states[place] = _DEAD

    def _append(self, row: Row) -> None:
        self._places[row] = len(self._log)
        self._log.append(row)
        self._states.append(_ALIVE)

    def commit(self) -> None:
        """Make the step's state the one that the next step starts from."""
        for place in self._dying:
            self._states[place] = _DEAD
        self._dying, self._undo, self.mark = [], [], len(self._log)
        dead = self._states.count(_DEAD)
        if dead > DEAD_MIN and 2 * dead > len(self._log):
            self._keep([place for place, state in enumerate(self._states) if state == _ALIVE])

    def rollback(self) -> None:
        """Forget the step."""
        self._pending.clear()
        if self._counts is not None:
            for place, before in reversed(self._undo):
                self._counts[place] = before
        for place in self._dying:
            self._states[place] = _ALIVE
        self._dying, self._undo = [], []
        self._keep(range(self.mark))

    def _keep(self, places: Sequence[int]) -> None:
        self._log = [self._log[place] for place in places]
        self._states = [self._states[place] for place in places]
        for kept in (self._stamps, self._counts):
            if kept is not None:
                kept[:] = [kept[place] for place in places]
        self._places = {row: place for place, row in enumerate(self._log) if self._states[place] == _ALIVE}
        self._postings.clear()
        self.mark = len(self._log)

    # -- reading ----------------------------------------------------------------------------------------------------

    def read(self, new: bool = True, first: int = 0, last: int | None = None) -> Batch:
        """The rows of a version, the new or the old one, from one place to before another."""
        end = len(self._log) if last is None else min(last, len(self._log))
        return Batch([self._log[place] for place in range(first, end) if self._is_in(place, new)], self.width)

    def probe(
        self,
        batch: Batch,
        keys: list[Key],
        keep: list[int],
        take: list[int],
        new: bool = True,
        before: int = -1,
        start: int = 0,
        limit: int = LIMIT,
    ) -> tuple[Batch, int]:
        """Join: the kept columns of each row of the batch with the taken ones of each row that agrees on the keys.

        `before` is a column of the batch that bounds the stamps of the rows joined to it; the stamp of a joined row is
        the column after the last. Begins at row `start`, ends
        after the row that brings the result to `limit` rows, and returns the row to go on from.
        """
        made: list[Row] = []
        rows = batch.rows()
        while start < len(rows):
            row = rows[start]
            kept = tuple(row[column] for column in keep)
            for place in self._found(row, keys, new, before):
                whole = self._log[place] if self._stamps is None else (*self._log[place], self._stamps[place])
                made.append((*kept, *(whole[column] for column in take)))
            start += 1
            if len(made) >= limit:
                break
        return Batch(made, len(keep) + len(take)), start

    def matching(
        self,
        batch: Batch,
        keys: list[Key],
        wanted: bool,
        new: bool = True,
        before: int = -1,
        after: Sequence[int] = (),
    ) -> Batch:
        """The rows of the batch with which some row of a version agrees on the keys; or those with which none does.

        `after` are columns of the batch that must be less than the stamp of the row.
        """
        assert not (after and before >= 0), "stamps are bounded from one side"

        def found(row: Row) -> bool:
            places = self._found(row, keys, new, before)
            stamps = self._stamps
            return any(stamps is None or all(row[column] < stamps[place] for column in after) for place in places)

        return Batch([row for row in batch.rows() if found(row) == wanted], batch.width)

    def with_stamps(self, batch: Batch) -> Batch:
        """The batch with one more column: the stamps of its rows, which are rows of the table."""
        assert self._stamps is not None, "the table has stamps"
        stamps, places = self._stamps, self._places
        rows = [(*row, stamps[places[row]] if row in places else 0) for row in batch.rows()]
        return Batch(rows, batch.width + 1)

    def size(self, keys: list[tuple[int, int]]) -> int:
        """About how many rows agree with constants: a column and its id each."""
        if not keys:
            return len(self)
        return len(self._posted(tuple(c for c, _ in keys)).get(tuple(id for _, id in keys), ()))

    def keys(self, columns: list[int]) -> int:
        """About how many different ids, or tuples of ids, some columns have."""
        return len(self._posted(tuple(columns)))

    def _found(self, row: Row, keys: list[Key], new: bool, before: int) -> Iterator[int]:
        asked = tuple(row[column] if column >= 0 else id for _, column, id in keys)
        for place in self._posted(tuple(column for column, _, _ in keys)).get(asked, ()):
            if self._is_in(place, new) and (before < 0 or self._stamps is None or self._stamps[place] < row[before]):
                yield place

    def _is_in(self, place: int, new: bool) -> bool:
        state = self._states[place]
        return state == _ALIVE if new else place < self.mark and state != _DEAD

    def _posted(self, columns: tuple[int, ...]) -> dict[Row, list[int]]:
        postings = self._postings.setdefault(columns, _Postings())
        for place in range(postings.done, len(self._log)):
            if self._states[place] != _DEAD:
                row = self._log[place]
                postings.push(tuple(row[column] for column in columns), place, self._states)
        postings.done = len(self._log)
        return postings.places


def intersect(
    batch: Batch,
    tables: list[Table],
    keys: list[Key],
    keep: list[int],
    bounds: list[int],
    once: bool = False,
    start: int = 0,
    limit: int = LIMIT,
    threads: int = 1,
) -> tuple[Batch, int]:
    """Join with several tables of pairs at once, as they are now: a step of a worst-case optimal join (Ngo et al. 2018).

    For each row of the batch: its kept columns with each id that every table pairs with what the row has for it (one key
    for each table: the column of the table that is given). `bounds` are for each table a column of the batch that stamps
    must be less than, or -1. With `once`, a row for which there is any such id is kept, without it. Begins, ends and goes on
    as `Table.probe` does. The kernel uses `threads` threads and gives what one gives; here there is one.
    """
    made: list[Row] = []
    rows = batch.rows()
    while start < len(rows) and len(made) < limit:
        row = rows[start]
        found: set[int] | None = None
        for table, key, bound in zip(tables, keys, bounds, strict=True):
            ids = {table._log[place][1 - key[0]] for place in table._found(row, [key], True, bound)}
            found = ids if found is None else found & ids
        kept = tuple(row[column] for column in keep)
        if once:
            made += [kept] if found else []
        else:
            made += [(*kept, id) for id in sorted(found or ())]
        start += 1
    return Batch(made, len(keep) + (not once)), start

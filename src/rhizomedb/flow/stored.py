"""Stored relations as a flow reads them once: through their indexes for a few keys, whole where that is cheaper.

`Reading` is what a place of stored tuples offers; `StoredTable` stands in for a table of a flow that takes one step, and
decides at each look-up. What was read whole stays a table for the rest of the query.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from rhizomedb.algebra.program import CID_COLUMN
from rhizomedb.algebra.source import Source
from rhizomedb.flow.batch import CONSTANT
from rhizomedb.flow.batch import Batch as Tuples
from rhizomedb.flow.body import Flow, Input
from rhizomedb.flow.bounded import pieces
from rhizomedb.flow.dictionary import Dictionary, Interned
from rhizomedb.flow.relation import UNIT, Batch, Table
from rhizomedb.flow.run import Templates
from rhizomedb.flow.table import LIMIT, Key
from rhizomedb.flow.table import Table as Rows

LOOK_UP_COST: Final = 32
"""One look-up in the index of a store costs about as much as reading this many tuples in a row, where these are columns."""

LOOK_UP_COSTS: Final[Mapping[str, int]] = {"asserts": 8, "delta": 2, "arrival": 2}
"""The same for relations that are read row by row."""


SPENT_MAX: Final = 4
"""After look-ups that cost this many times what reading the whole does, the whole is read."""

KEPT_MAX: Final = 1024
"""How many tables are kept from one query to the next."""


TEMPLATES_MAX: Final = 4096
"""How many orders of bodies are kept."""


class Reading(Protocol):
    """Stored tuples at one moment, as ids."""

    @property
    def dictionary(self) -> Dictionary:
        """What the ids stand for."""
        ...

    def read(self, input: Input) -> Tuples:
        """All that is read; a tuple may come more than once."""
        ...

    def look_up(self, input: Input, places: Sequence[int], keys: Tuples) -> Tuples:
        """Of what is read, the tuples that agree with one of some distinct keys over the columns at `places`."""
        ...

    def size(self, input: Input) -> int:
        """About how many tuples there are, at no cost to speak of."""
        ...

    def distinct(self, input: Input, names: Collection[str]) -> int | None:
        """About how many different tuples some columns have, where that is known; 1 where no index looks tuples up by them."""
        ...


class StoredTable:
    """One input of a flow that takes a single step, with the interface of a table that never changes."""

    def __init__(self, input: Input, reading: Reading) -> None:
        self.width = len(input.columns)
        self._input = input
        self._reading = reading
        self._whole: Rows | None = None
        self._size = reading.size(input)
        self._spent = 0
        self._look_up_cost = LOOK_UP_COSTS.get(input.relation, LOOK_UP_COST)
        self._looked_up: tuple[Tuples, list[Key], Rows] | None = None

    def __len__(self) -> int:
        return self._size if self._whole is None else len(self._whole)

    @property
    def bytes(self) -> int:
        """How much memory is held."""
        return 0 if self._whole is None else self._whole.bytes

    def whole(self) -> Rows:
        """All of it."""
        if self._whole is None:
            there, whole = self._reading.read(self._input), Table(self.width)
            for first in range(0, len(there), LIMIT):  # Ctrl-C is heard in between
                whole.add(there.slice(first, first + LIMIT))
            self._whole = whole  # only now: a read that fails must leave no part of it
        return self._whole

    def read(self, new: bool = True, first: int = 0, last: int | None = None) -> Tuples:
        """The rows from one place to before another."""
        return self.whole().read(new, first, last)

    def probe(
        self,
        batch: Tuples,
        keys: list[Key],
        keep: list[int],
        take: list[int],
        new: bool = True,
        before: int = -1,
        start: int = 0,
        limit: int = LIMIT,
    ) -> tuple[Tuples, int]:
        """Join, as a table does."""
        return self._asked(batch, keys).probe(batch, keys, keep, take, new, before, start, limit)

    def matching(
        self,
        batch: Tuples,
        keys: list[Key],
        wanted: bool,
        new: bool = True,
        before: int = -1,
        after: Sequence[int] = (),
    ) -> Tuples:
        """Keep rows, as a table does."""
        return self._asked(batch, keys).matching(batch, keys, wanted, new, before, list(after))

    def size(self, keys: list[tuple[int, int]]) -> int:
        """About how many rows agree with constants."""
        return max(1, len(self) // max(1, self.keys([column for column, _ in keys]))) if keys else len(self)

    def keys(self, columns: list[int]) -> int:
        """About how many different tuples of ids some columns have."""
        if self._whole is not None:
            return self._whole.keys(columns)
        names = {self._input.columns[column] for column in columns}
        known = self._reading.distinct(self._input, names)
        if known is not None:
            return known
        # An entity mostly has one value of an attribute, while a value is shared by some.
        return self._size if names & _NARROW or len(names) == self.width else max(1, self._size // 8)

    def _asked(self, batch: Tuples, keys: list[Key]) -> Rows:
        """A table that has at least all rows that agree with the keys."""
        if self._whole is not None or not keys:
            return self.whole()
        if self._looked_up is not None and self._looked_up[0] is batch and self._looked_up[1] == keys:
            return self._looked_up[2]
        places = [column for column, _, _ in keys]
        if self._reading.distinct(self._input, [self._input.columns[place] for place in places]) == 1:
            return self.whole()
        cost = self._look_up_cost
        if len(batch) > self._size // 2 + cost:
            return self.whole()
        columns = [column for _, column, _ in keys]
        asked = batch.shaped(columns, [id for _, column, id in keys if column < 0]).distinct()
        # Many look-ups, in one query or in one after the other, make reading the whole worth its price.
        if len(asked) * cost > self._size + cost:
            return self.whole()
        self._spent += len(asked) * cost
        if self._spent > SPENT_MAX * (self._size + cost):
            return self.whole()
        found = Table(self.width)
        found.add(self._reading.look_up(self._input, places, asked))
        self._looked_up = batch, keys, found
        return found


_NARROW: Final = frozenset({CID_COLUMN, "entity", "from", "id", "delta"})
"""Columns that nearly tell a tuple of the relations of facts from all others."""


class CellReading:
    """Stored tuples of any source, cell by cell."""

    def __init__(self, source: Source, dictionary: Interned | None = None) -> None:
        self._source = source
        self.dictionary: Interned = dictionary if dictionary is not None else Interned()

    def read(self, input: Input) -> Tuples:
        """All that is read."""
        return self._ids(input, self._source.scan(input.relation, dict(input.bound)))

    def look_up(self, input: Input, places: Sequence[int], keys: Tuples) -> Tuples:
        """What agrees with one of some keys."""
        names = tuple(input.columns[place] for place in places)
        rows = [tuple(self.dictionary.cells(row)) for row in keys.rows()]
        return self._ids(input, self._source.scan_keys(input.relation, dict(input.bound), names, rows))

    def size(self, input: Input) -> int:
        """About how many tuples there are."""
        return self._source.size(input.relation, dict(input.bound))

    def distinct(self, input: Input, names: Collection[str]) -> int | None:
        """About how many different tuples some columns have, where that is known."""
        return self._source.distinct(input.relation, names)

    def _ids(self, input: Input, rows: object) -> Tuples:
        columns = self._source.columns(input.relation)
        places = [columns.index(name) for name in input.columns]
        ids = self.dictionary.ids
        found = [tuple(ids([row[place] for place in places])) for row in rows]  # type: ignore[attr-defined]
        return Batch.concatenated([Batch.of_rows(list(some), len(places)) for some in pieces(found)], len(places))


class TableReading:
    """Tuples that are in tables of ids already, over all columns of their relations."""

    def __init__(
        self, tables: Mapping[str, Rows], columns: Mapping[str, Sequence[str]], dictionary: Interned | None = None
    ) -> None:
        self._tables = tables
        self._columns = columns
        self._made: dict[Input, Rows] = {}
        self.dictionary: Interned = dictionary if dictionary is not None else Interned()

    def table(self, input: Input) -> Rows:
        """The table of what is read; it is kept, since what it is taken from stays as it is."""
        found = self._made.get(input)
        if found is None:
            columns = self._columns[input.relation]
            if not input.bound and input.columns == tuple(columns):
                return self._tables[input.relation]
            found = Table(len(input.columns))
            whole = {*input.columns, *(name for name, _ in input.bound)} == set(columns)
            (found.put if whole else found.add)(self.read(input))
            self._made[input] = found
        return found

    def read(self, input: Input) -> Tuples:
        """All that is read."""
        return self._some(input, self._keys(input), UNIT)

    def look_up(self, input: Input, places: Sequence[int], keys: Tuples) -> Tuples:
        """What agrees with one of some keys."""
        columns = self._columns[input.relation]
        asked = [(columns.index(input.columns[place]), number, 0) for number, place in enumerate(places)]
        return self._some(input, [*self._keys(input), *asked], keys)

    def size(self, input: Input) -> int:
        """Exactly how many tuples there are."""
        return self._tables[input.relation].size([(column, id) for column, _, id in self._keys(input)])

    def _keys(self, input: Input) -> list[Key]:
        columns = self._columns[input.relation]
        ids = self.dictionary.ids(cell for _, cell in input.bound)
        return [(columns.index(name), CONSTANT, id) for (name, _), id in zip(input.bound, ids, strict=True)]

    def distinct(self, input: Input, names: Collection[str]) -> int | None:
        """Nobody has counted; tables find tuples by any columns."""
        return None

    def _some(self, input: Input, keys: list[Key], asking: Tuples) -> Tuples:
        take = [self._columns[input.relation].index(name) for name in input.columns]
        found, start = [], 0
        while start < len(asking):
            piece, start = self._tables[input.relation].probe(asking, keys, [], take, True, -1, start)
            found.append(piece)
        return Batch.concatenated(found, len(take))


class Kept:
    """The tables of a reading, kept from one query to the next: what was read whole need not be read again.

    The orders in which bodies are joined are kept longer: they suit what is read from the same place later as well.
    """

    def __init__(self, reading: Reading, bytes_max: int, templates: Templates | None = None) -> None:
        self.reading = reading
        self.templates = {} if templates is None or len(templates) > TEMPLATES_MAX else templates
        self._bytes_max = bytes_max
        self._tables: dict[Input, StoredTable] = {}

    def table(self, input: Input) -> StoredTable:
        """The table of an input."""
        table = self._tables.get(input)
        if table is None:
            if sum(kept.bytes for kept in self._tables.values()) > self._bytes_max or len(self._tables) >= KEPT_MAX:
                self._tables.clear()
            table = self._tables[input] = StoredTable(input, self.reading)
        return table


def tables_of(flow: Flow, reading: Reading | Kept, but: Collection[str] = ()) -> Mapping[str, Rows]:
    """A table for each input of a flow, but for those of some relations."""
    inputs = {name: input for name, input in flow.inputs.items() if input.relation not in but}
    if isinstance(reading, TableReading):
        return {name: reading.table(input) for name, input in inputs.items()}
    if isinstance(reading, Kept):
        return {name: reading.table(input) for name, input in inputs.items()}  # type: ignore[misc]  # see below
    # A stand-in has a table's interface, but for what changes one.
    return {name: StoredTable(input, reading) for name, input in inputs.items()}  # type: ignore[misc]

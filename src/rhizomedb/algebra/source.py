"""Where tuples come from: what evaluation asks of a store, and tables in memory that answer it.

A `Table` is a relation in memory: its rows in the order in which they came, each with the *stamp* of the step that
added it, and hash indexes that are made at the first question and kept up to date from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Row
from rhizomedb.algebra.relation import Attributes
from rhizomedb.errors import PlanError, nearest_names
from rhizomedb.facts.value import Cell, Value, exact

Index: TypeAlias = dict[Any, list[Row]]
"""From the cells of some columns (the cell itself for one column) to the rows that have them, in order."""

Bound: TypeAlias = Mapping[str, Cell]
"""Attributes that must equal a constant."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Distinct tuples, over some of a relation's attributes, that its answer will be asked for."""

    names: Attributes
    rows: Collection[Row]


class Source(Protocol):
    """Stored relations, fixed for as long as an evaluation and its explanations last."""

    def scan(self, relation: str, bound: Bound) -> Iterable[Row]:
        """The distinct tuples, in the order of `columns`, that agree with `bound`; `$cid` is bound like any other."""
        ...

    def scan_keys(
        self, relation: str, bound: Mapping[str, Cell], names: Attributes, rows: Iterable[Row]
    ) -> Iterable[Row]:
        """What `scan` gives for `bound` together with each of some distinct keys over `names`, in any order."""
        ...

    def columns(self, relation: str) -> Attributes:
        """The columns, `$cid` first where the relation's tuples have CIDs."""
        ...

    def size(self, relation: str, bound: Bound) -> int:
        """About how many tuples `scan` would give, at no cost to speak of."""
        ...

    def distinct(self, relation: str, names: Collection[str]) -> int | None:
        """About how many different tuples some columns have, where that is known; 1 where no index looks tuples up by them."""
        ...


def pick(positions: Sequence[int]) -> Callable[[Row], Row]:
    """A function from a row to the row of the cells at some positions."""
    match positions:
        case []:
            return itemgetter(slice(0, 0))
        case [position]:
            return itemgetter(slice(position, position + 1))
        case _:
            return itemgetter(*positions)


def key(positions: Sequence[int]) -> Callable[[Row], Any]:
    """A function from a row to what an index over the columns at these positions is asked with."""
    return itemgetter(*positions) if positions else lambda row: ()


class Table:
    """A relation in memory. Rows are only ever added."""

    __slots__ = ("_indexes", "columns", "rows")

    def __init__(self, columns: Attributes, rows: Iterable[Row] = ()) -> None:
        self.columns = columns
        self.rows: dict[Row, int] = {}
        self._indexes: dict[tuple[int, ...], Index] = {}
        rows = list(rows)
        for row in rows:
            self._fits(row)
        self.extend(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __contains__(self, row: object) -> bool:
        return row in self.rows

    def __repr__(self) -> str:
        return f"Table({', '.join(self.columns)}: {len(self.rows)} rows)"

    def add(self, row: Row, stamp: int = 0) -> bool:
        """Add one row; whether it is new."""
        self._fits(row)
        if row in self.rows:
            return False
        self.extend([row], stamp)
        return True

    def extend(self, rows: list[Row], stamp: int = 0) -> None:
        """Add distinct rows that the table does not have."""
        self.rows.update(dict.fromkeys(rows, stamp))
        for positions, index in self._indexes.items():
            _fill(index, positions, rows)

    def index(self, positions: tuple[int, ...]) -> Index:
        """The rows by their cells at some positions; it stays up to date."""
        index = self._indexes.get(positions)
        if index is None:
            index = self._indexes[positions] = index_of(positions, self.rows)
        return index

    def matching(self, bound: Bound) -> Collection[Row]:
        """The rows that agree with `bound`."""
        if not bound:
            return self.rows
        positions, wanted = self._question(bound)
        return self.index(positions).get(wanted, ())

    def read(
        self, wanted: Attributes, bound: Bound, keys: Keys | None = None, before: int | None = None
    ) -> Iterable[Row]:
        """The distinct tuples over `wanted` that agree with `bound` and a key, and were there before a stamp."""
        place = {name: position for position, name in enumerate(self.columns)}
        rows: Iterable[Row]
        if keys is not None and len(keys.rows) < len(self.rows):
            cells = tuple(bound.values())
            sources = {place[name]: number for number, name in enumerate((*bound, *keys.names))}
            spots = tuple(sorted(sources))
            of, get = key([sources[spot] for spot in spots]), self.index(spots).get
            rows = [row for asked in keys.rows for row in get(of(cells + asked), ())]
        else:
            rows = self.matching(bound)
        if before is not None:
            rows = [row for row in rows if self.rows[row] < before]
        if wanted == self.columns:
            return rows
        if not wanted:
            return [()] if any(True for _ in rows) else []
        rows = map(pick([place[name] for name in wanted]), rows)
        return dict.fromkeys(rows) if set(self.columns) - set(wanted) - set(bound) else rows

    def _fits(self, row: Row) -> None:
        if len(row) != len(self.columns):
            raise PlanError("algebra.row", f"a row of {len(row)} values for {len(self.columns)} columns")

    def _question(self, bound: Bound) -> tuple[tuple[int, ...], Any]:
        unknown = [name for name in bound if name not in self.columns]
        if unknown:
            raise PlanError(
                "algebra.attributes",
                f"there is no column `{unknown[0]}`",
                nearest=nearest_names(unknown[0], self.columns),
            )
        positions = tuple(place for place, name in enumerate(self.columns) if name in bound)
        cells = tuple(bound[self.columns[place]] for place in positions)
        return positions, cells if len(cells) > 1 else cells[0]


def index_of(positions: Sequence[int], rows: Iterable[Row]) -> Index:
    """Rows by their cells at some positions."""
    index: Index = {}
    _fill(index, positions, rows)
    return index


def _fill(index: Index, positions: Sequence[int], rows: Iterable[Row]) -> None:
    of = key(positions)
    for row in rows:
        asked = of(row)
        found = index.get(asked)
        if found is None:
            index[asked] = [row]
        else:
            found.append(row)


class Relations:
    """A source of plain data: a relation's name to its columns and rows of values.

    >>> Relations({"edge": (("from", "to"), [(1, 2), (2, 3)])}).size("edge", {"from": 1})
    1
    """

    def __init__(self, relations: Mapping[str, tuple[Sequence[str], Iterable[Sequence[Value | Cell]]]]) -> None:
        self.tables = {
            name: Table(tuple(columns), (tuple(map(exact, row)) for row in rows))  # type: ignore[arg-type]  # exact of a Cell is itself
            for name, (columns, rows) in relations.items()
        }

    def scan(self, relation: str, bound: Bound) -> Iterable[Row]:
        """The rows that agree with `bound`, through an index."""
        return self.table(relation).matching(bound)

    def scan_keys(
        self, relation: str, bound: Mapping[str, Cell], names: Attributes, rows: Iterable[Row]
    ) -> Iterable[Row]:
        """The rows that agree with `bound` and with one of the keys."""
        for row in rows:
            yield from self.scan(relation, {**bound, **dict(zip(names, row, strict=True))})

    def columns(self, relation: str) -> Attributes:
        """The relation's columns."""
        return self.table(relation).columns

    def size(self, relation: str, bound: Bound) -> int:
        """Exactly how many rows agree with `bound`."""
        return len(self.table(relation).matching(bound))

    def distinct(self, relation: str, names: Collection[str]) -> int | None:
        """Nobody has counted."""
        return None

    @property
    def stored(self) -> dict[str, Attributes]:
        """The columns of every relation, as `lower` asks for them."""
        return {name: table.columns for name, table in self.tables.items()}

    def table(self, relation: str) -> Table:
        """The table of a relation."""
        if relation not in self.tables:
            raise PlanError(
                "algebra.unknown-relation",
                f"no relation is called `{relation}`",
                nearest=nearest_names(relation, self.tables),
            )
        return self.tables[relation]

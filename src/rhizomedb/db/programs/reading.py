"""What a query reads of a store: by number where the store has numbers, else cell by cell."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from rhizomedb.db.programs.source import StoreSource
from rhizomedb.flow.batch import IDS
from rhizomedb.flow.batch import Batch as Tuples
from rhizomedb.flow.body import Input
from rhizomedb.flow.relation import Batch
from rhizomedb.flow.stored import CellReading, Kept
from rhizomedb.store.numbering import Numbering
from rhizomedb.store.numbers import Numbers
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import Cut, Store

BYTES_MAX: Final = 256 << 20
"""How much of a store is kept in tables from one query to the next."""

OWN_MAX: Final = 1 << 20
"""How many computed cells are numbered before all are forgotten."""

OWN_CARRIED_MAX: Final = 1 << 14
OWN_BYTES_CARRIED_MAX: Final = 16 << 20
"""With so many of them, or so long ones, ids are not carried on to a later moment: whatever was computed would be held."""


def reading_of(store: Store, cut: Cut, source: StoreSource) -> Kept:
    """How the stored relations of a store at a cut are read best; what was read there before is kept."""
    if not isinstance(store, SqliteStore):
        return Kept(CellReading(source), BYTES_MAX)
    moment = (cut, store.moment(cut))
    held = store.kept
    if (
        isinstance(held, _Moment)
        and held.moment == moment
        and held.reading.is_small
        and held.reading.dictionary.is_whole
    ):
        return held.kept
    lasting = held.lasting if isinstance(held, _Moment) else None
    reading = NumberReading(store.numbers(cut, _following(store, lasting)), source)
    if store.is_settled:
        lasting = store.beginnings(), reading.dictionary
    templates = held.kept.templates if isinstance(held, _Moment) else None
    store.kept = _Moment(moment, reading, kept := Kept(reading, BYTES_MAX, templates), lasting)
    return kept


Lasting: TypeAlias = tuple[int, Numbering]
"""A numbering of what is kept, and how often the index had been begun when it was made."""


def _following(store: SqliteStore, lasting: Lasting | None) -> Numbering | None:
    """The numbering that was used before, if it can follow the store and that is the cheaper way."""
    if lasting is None or not store.is_settled:
        return None
    beginnings, numbering = lasting
    is_little = numbering.own < OWN_CARRIED_MAX and numbering.own_bytes < OWN_BYTES_CARRIED_MAX and numbering.is_whole
    return numbering if is_little and beginnings == store.beginnings() and store.is_near(numbering) else None


class _Moment(NamedTuple):
    """What was read of a store at the moment that it was last asked about, and ids that outlast it."""

    moment: object
    reading: NumberReading
    kept: Kept
    lasting: Lasting | None


class NumberReading:
    """Facts and causes by number, straight from the index; the other relations, which are small, cell by cell."""

    def __init__(self, numbers: Numbers, source: StoreSource) -> None:
        self._numbers = numbers
        self._source = source

    @property
    def is_small(self) -> bool:
        """Whether few cells were computed and numbered so far, and no long ones: they are held until all are forgotten."""
        numbering = self._numbers.numbering
        return numbering.own < OWN_MAX and numbering.own_bytes < BYTES_MAX

    @property
    def dictionary(self) -> Numbering:
        """The numbers of the store."""
        return self._numbers.numbering

    def size(self, input: Input) -> int:
        """About how many tuples there are."""
        return self._source.size(input.relation, dict(input.bound))

    def distinct(self, input: Input, names: Collection[str]) -> int | None:
        """About how many different tuples some columns have, where that is known."""
        return self._source.distinct(input.relation, names)

    def read(self, input: Input) -> Tuples:
        """All that is read."""
        bound, names = dict(input.bound), input.columns
        match input.relation:
            case "fact" if set(bound) <= {"attribute"} and names:
                parts = self._numbers.attribute(bound["attribute"], names) if bound else self._numbers.facts(names)
                batches = [Batch.of(part) for part in parts]  # type: ignore[arg-type]  # arrays are buffers
                return batches[0] if len(batches) == 1 else Batch.concatenated(batches, len(names))
            case "fact":
                given = self._given(bound)
                return Batch.of_rows(list(self._numbers.facts_of(given, names)), len(names))
            case "cause" if not bound:
                return self._chosen(input, self._numbers.causes())
            case "asserts" if not bound:
                return self._chosen(input, self._numbers.sayings(), ("delta", "fact"))
            case "delta" if "id" not in bound:
                return self._deltas(input)
            case "cause":
                return self._causes(input, *next(iter(bound.items())), bound)
        return self._cells(input, self._source.scan(input.relation, bound))

    def look_up(self, input: Input, places: Sequence[int], keys: Tuples) -> Tuples:
        """What agrees with one of some keys."""
        names = [input.columns[place] for place in places]
        if input.relation == "fact":
            given = self._given(dict(input.bound))
            found = [
                row
                for key in keys.rows()
                for row in self._numbers.facts_of({**given, **dict(zip(names, key, strict=True))}, input.columns)
            ]
            return Batch.of_rows(found, len(input.columns))
        if input.relation == "cause" and not input.bound and names in (["from"], ["to"]):
            ids = keys.column_ids(0)
            return self._chosen(input, (self._numbers.causes if names == ["from"] else self._numbers.effects)(ids))
        if input.relation == "asserts" and not input.bound and names == ["fact"]:
            return self._chosen(input, self._numbers.sayings(keys.column_ids(0)), ("delta", "fact"))
        if input.relation == "delta" and "id" in names:
            return self._deltas_of(input, names, keys)
        rows = [tuple(self._numbers.numbering.cells(row)) for row in keys.rows()]
        return self._cells(input, self._source.scan_keys(input.relation, dict(input.bound), tuple(names), rows))

    def _deltas_of(self, input: Input, names: Sequence[str], keys: Tuples) -> Tuples:
        """The deltas of some ids that also agree with what else is bound and with the other columns of the keys."""
        found = self._deltas(input, dict.fromkeys(keys.column_ids(names.index("id"))))
        if len(names) == 1:
            return found
        wanted, places = set(keys.rows()), [input.columns.index(name) for name in names]
        rows = [row for row in found.rows() if tuple(row[place] for place in places) in wanted]
        return Batch.of_rows(rows, len(input.columns))

    def _deltas(self, input: Input, ids: Iterable[int] | None = None) -> Tuples:
        """The deltas of some ids, or all, that agree with what is bound."""
        given = self._given(dict(input.bound))
        width, columns = len(input.columns), (*input.columns, *given)
        rows, wanted = self._numbers.deltas(ids, columns), tuple(given.values())
        return Batch.of_rows([row[:width] for row in rows if row[width:] == wanted], width)

    def _given(self, bound: Mapping[str, Any]) -> dict[str, int]:
        return dict(zip(bound, self._numbers.numbering.ids(bound.values()), strict=True))

    def _causes(self, input: Input, name: str, cell: Any, bound: Mapping[str, Any]) -> Tuples:
        (id,) = self._numbers.numbering.ids([cell])
        pairs = self._numbers.causes([id]) if name == "from" else self._numbers.effects([id])
        given = self._given(bound)
        wanted = (given.get("from"), given.get("to"))
        return self._chosen(
            input, (pair for pair in pairs if all(w in (None, p) for w, p in zip(wanted, pair, strict=True)))
        )

    def _chosen(
        self, input: Input, pairs: Iterable[tuple[int, int]], names: tuple[str, str] = ("from", "to")
    ) -> Tuples:
        first, second = array(IDS), array(IDS)
        for left, right in pairs:
            first.append(left)
            second.append(right)
        columns = [first if name == names[0] else second for name in input.columns]
        return Batch.of(columns) if columns else Batch.of_rows([()] * len(first), 0)

    def _cells(self, input: Input, rows: Iterable[Sequence[Any]]) -> Tuples:
        columns = self._source.columns(input.relation)
        places = [columns.index(name) for name in input.columns]
        ids = self._numbers.numbering.ids
        return Batch.of_rows([tuple(ids([row[place] for place in places])) for row in rows], len(places))

"""The stored relations of a store at a cut, as a source that plans read, beside tuples that a query brings along."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from rhizomedb.algebra import Table
from rhizomedb.facts.value import Cell
from rhizomedb.store.store import COLUMNS, INDEXED, Cut, Store


class StoreSource:
    """`fact`, `cause`, `delta`, `asserts` and `arrival` at a cut, plus `extra` relations given as tuples."""

    def __init__(self, store: Store, cut: Cut, extra: Mapping[str, Table] | None = None) -> None:
        self._store = store
        self._cut = cut
        self._extra = dict(extra or {})

    def columns(self, relation: str) -> tuple[str, ...]:
        """The columns of a relation in the order in which `scan` gives them."""
        return self._extra[relation].columns if relation in self._extra else COLUMNS[relation]

    def scan(self, relation: str, bound: Mapping[str, Cell]) -> Iterable[tuple[Cell, ...]]:
        """The tuples that agree with `bound`."""
        if relation in self._extra:
            return self._extra[relation].matching(bound)
        return self._store.scan(relation, bound, self._cut)

    def scan_keys(
        self, relation: str, bound: Mapping[str, Cell], names: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]
    ) -> Iterable[tuple[Cell, ...]]:
        """The tuples that agree with `bound` and with one of some distinct keys over `names`."""
        if relation in self._extra:
            table = self._extra[relation]
            return (found for row in rows for found in table.matching({**bound, **dict(zip(names, row, strict=True))}))
        return self._store.scan_keys(relation, bound, names, rows, self._cut)

    def size(self, relation: str, bound: Mapping[str, Cell]) -> int:
        """About how many tuples `scan` would give."""
        if relation in self._extra:
            return len(self._extra[relation])
        return self._store.size(relation, bound)

    def distinct(self, relation: str, names: Collection[str]) -> int | None:
        """About how many different tuples some columns have, where that is known; 1 where no index looks tuples up by them."""
        if relation in self._extra:
            return None
        if INDEXED[relation].isdisjoint(names):
            return 1
        return self._store.size("delta", {}) if relation == "asserts" and "fact" not in names else None

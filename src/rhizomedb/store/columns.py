"""Columns: the facts of one attribute as arrays of numbers, in place, for who works on many at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rhizomedb.store.lookup import BY_PLACE
from rhizomedb.store.relations import View
from rhizomedb.store.tiers import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Columns(NamedTuple):
    """Some facts of an attribute: numbers of their entities and values, and their rows; sorted by entity, then row."""

    entity: NDArray[Any]
    value: NDArray[Any]
    row: NDArray[Any]


def columns_of(parts: Sequence[Part], view: View, attribute: int) -> Iterator[Columns]:
    """The visible facts of the attribute of a number, part by part."""
    import numpy as np

    for number, order, first, last in view.index.ranges(0, attribute, 0):
        assert order == BY_PLACE, "the facts of an attribute stand together"
        arrays = []
        for name in Columns._fields:
            start, end = view.index.check(number, f"fact.{name}", first, last)
            arrays.append(np.frombuffer(parts[number].buffer, "<u4", (end - start) // 4, start))
        columns = Columns(*arrays)
        if view.is_windowed or int(columns.row.max()) > view.last_row:
            seen = view.see(columns.row.tolist())
            columns = Columns(*(array[np.asarray(seen, bool)] for array in columns))
        yield columns

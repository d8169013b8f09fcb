"""Batches: some tuples of ids, all of one width; they never change. The plain twin of the kernel of the same name.

An *id* is an unsigned 32-bit number that stands for a cell (`dictionary`). Equal ids are equal cells; which of two is
greater says nothing about the cells.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, TypeAlias

Id: TypeAlias = int
"""A number that stands for a cell."""

Ids: TypeAlias = "array[int] | bytes | memoryview"
"""Ids one after the other: 32 bits each, the least byte first."""

IDS: Final = "I"
"""The code of 32-bit numbers in `array`."""

CONSTANT: Final = -1
"""In place of a column: the next of some constants."""


def ids_of(buffer: Ids) -> Sequence[int]:
    """The numbers in a buffer of 32-bit numbers, or of bytes."""
    view = memoryview(buffer)
    return view.cast("B").cast(IDS) if view.format in ("B", "b", "c") else view


class Batch:
    """Tuples of ids, in an order; one may occur more than once."""

    __slots__ = ("_rows", "width")

    def __init__(self, rows: list[tuple[int, ...]], width: int) -> None:
        self._rows = rows
        self.width = width

    @staticmethod
    def of(columns: Sequence[Ids]) -> Batch:
        """A batch of columns, each a buffer of 32-bit numbers."""
        lists = [ids_of(column) for column in columns]
        assert all(len(ids) == len(lists[0]) for ids in lists), "the columns of a batch are equally long"
        return Batch(list(zip(*lists, strict=True)), len(lists))

    @staticmethod
    def of_rows(rows: list[tuple[int, ...]], width: int) -> Batch:
        """A batch of tuples of ids."""
        assert all(len(row) == width for row in rows), "the rows of a batch are equally wide"
        return Batch(rows, width)

    @staticmethod
    def concatenated(batches: Sequence[Batch], width: int) -> Batch:
        """The rows of one batch after those of the other."""
        assert all(batch.width == width for batch in batches), "batches that are joined end to end are equally wide"
        return Batch([row for batch in batches for row in batch._rows], width)

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[tuple[int, ...]]:
        """The tuples."""
        return list(self._rows)

    def column(self, number: int) -> bytes:
        """One column as bytes."""
        return array(IDS, self.column_ids(number)).tobytes()

    def column_ids(self, number: int) -> list[int]:
        """One column as a list."""
        return [row[number] for row in self._rows]

    def shaped(self, columns: list[int], constants: list[int]) -> Batch:
        """Each new column is one of these, or where `columns` has -1 the next constant."""
        given = iter(constants)
        sources = [(column, next(given) if column == CONSTANT else 0) for column in columns]
        rows = [tuple(row[column] if column >= 0 else id for column, id in sources) for row in self._rows]
        return Batch(rows, len(columns))

    def slice(self, first: int, last: int) -> Batch:
        """The rows from one to before another."""
        return Batch(self._rows[first:last], self.width)

    def where_equal(self, left: int, right: int, wanted: bool) -> Batch:
        """The rows in which two columns are equal, or are not."""
        return Batch([row for row in self._rows if (row[left] == row[right]) == wanted], self.width)

    def where_constant(self, column: int, id: int, wanted: bool) -> Batch:
        """The rows in which a column has an id, or has not."""
        return Batch([row for row in self._rows if (row[column] == id) == wanted], self.width)

    def where_less(self, left: int, right: int, equal: bool) -> Batch:
        """The rows in which the number in one column is less than that in another; or, with `equal`, not greater."""
        rows = [row for row in self._rows if row[left] < row[right] or (equal and row[left] == row[right])]
        return Batch(rows, self.width)

    def masked(self, mask: bytes) -> Batch:
        """The rows whose byte is not 0."""
        assert len(mask) == len(self._rows), "a mask has a byte for each row"
        return Batch([row for row, keep in zip(self._rows, mask, strict=True) if keep], self.width)

    def where_among(self, column: int, ids: Ids) -> Batch:
        """The rows whose id in a column is among some sorted ids."""
        among = frozenset(ids_of(ids))
        return Batch([row for row in self._rows if row[column] in among], self.width)

    def mapped(self, column: int, ids: Ids, images: Ids) -> Batch:
        """One column more: for the id in a column what stands beside it in two lists; rows without are dropped."""
        keys, values = ids_of(ids), ids_of(images)
        rows = []
        for row in self._rows:
            place = bisect_left(keys, row[column])
            if place < len(keys) and keys[place] == row[column]:
                rows.append((*row, values[place]))
        return Batch(rows, self.width + 1)

    def with_column(self, ids: Ids) -> Batch:
        """One column more, given whole."""
        new = ids_of(ids)
        assert len(new) == len(self._rows), "a column has an id for each row"
        return Batch([(*row, id) for row, id in zip(self._rows, new, strict=True)], self.width + 1)

    def distinct_ids(self, column: int) -> list[int]:
        """The different ids of a column, sorted."""
        return sorted({row[column] for row in self._rows})

    def distinct(self) -> Batch:
        """The different rows, each once, where they stand first."""
        return Batch(list(dict.fromkeys(self._rows)), self.width)

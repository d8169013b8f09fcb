"""Groups: the rows of a batch that agree on some columns. The plain twin of the kernel of the same name.

Groups are numbered from 0 in the order in which their first rows stand. Two groupings of one batch are put to work on
each other: by shop and by price, say, to find for each shop the prices of its rows, each price being looked at once.
"""

from __future__ import annotations

from array import array

from rhizomedb.flow.batch import Batch
from rhizomedb.flow.bounded import Check, watched


class Groups:
    """The rows of a batch by some of its columns; `check` is called now and then while they are numbered."""

    def __init__(self, batch: Batch, columns: list[int], check: Check | None = None) -> None:
        assert all(column < batch.width for column in columns), "a batch has no such column"
        known: dict[tuple[int, ...], int] = {}
        self._numbers: list[int] = []
        self._sizes: list[int] = []
        for row in watched(batch.rows(), check):
            number = known.setdefault(tuple(row[column] for column in columns), len(known))
            self._numbers.append(number)
            if number == len(self._sizes):
                self._sizes.append(0)
            self._sizes[number] += 1
        self._keys = Batch(list(known), len(columns))
        self._order: list[int] | None = None

    def __len__(self) -> int:
        return len(self._sizes)

    def keys(self) -> Batch:
        """What the rows of each group agree on."""
        return self._keys

    def sizes(self) -> list[int]:
        """How many rows each group has."""
        return list(self._sizes)

    def sums(self, of: Groups, values: array[int], check: Check | None = None) -> list[int]:
        """For each group the sum over its rows of 64-bit numbers that stand beside the groups of another grouping."""
        assert len(self._numbers) == len(of._numbers), "both group the rows of one batch"
        assert len(values) == len(of), "every group of the other has a value"
        totals = [0] * len(self._sizes)
        for number, other in watched(zip(self._numbers, of._numbers, strict=True), check):
            totals[number] += values[other]
        return totals

    def members(self, of: Groups, first: int, last: int, check: Check | None = None) -> list[int]:
        """Of the rows in the order of their groups, from one to before another: the number that each has in another grouping."""
        assert len(self._numbers) == len(of._numbers), "both group the rows of one batch"
        if self._order is None:
            by_group: list[list[int]] = [[] for _ in self._sizes]
            for row, number in enumerate(watched(self._numbers, check)):
                by_group[number].append(row)
            self._order = [row for rows in watched(by_group, check) for row in rows]
        return [of._numbers[row] for row in self._order[first:last]]

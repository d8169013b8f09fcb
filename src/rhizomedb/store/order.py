"""The order of values: how cells of an index compare, told by where they stand in it and not by what they are.

Numbers of cells say nothing of their order, but each segment lists its own cells in the order of their keys. So which of
many cells are less than some value is found with one search in each segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rhizomedb.facts.value import Cell
from rhizomedb.store.keys import key_of
from rhizomedb.store.relations import View
from rhizomedb.store.segment import damaged
from rhizomedb.store.tiers import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Order:
    """The cells of some segments in order."""

    def __init__(self, view: View, parts: Sequence[Part]) -> None:
        self._view = view
        self._parts = parts
        self._ranks: dict[int, NDArray[Any]] = {}

    def compared(self, comparison: str, cell: Cell, numbers: NDArray[Any]) -> NDArray[Any]:
        """Whether the cells of some numbers are `<`, `<=`, `>` or `>=` a cell: a mask. Those of other kinds never are."""
        import numpy as np

        found = np.zeros(len(numbers), bool)
        for segment, part in enumerate(self._parts):
            after, last = part.bounds.cell_after, part.bounds.cell_last
            inside = (numbers > after) & (numbers <= last)
            if last == after or not inside.any():
                continue
            first, end = self._range(segment, comparison, key_of(cell))
            ranks = self._ranks_of(segment)[numbers[inside] - np.uint32(after + 1)]
            found[inside] = (ranks >= first) & (ranks < end)
        return found

    def _range(self, segment: int, comparison: str, key: bytes) -> tuple[int, int]:
        """From where to where in a segment's order the keys are that compare so with one, of its kind."""
        match comparison:
            case "<":
                return self._place(segment, key[:1]), self._place(segment, key)
            case "<=":
                return self._place(segment, key[:1]), self._place(segment, key + b"\0")
            case ">":
                return self._place(segment, key + b"\0"), self._place(segment, bytes((key[0] + 1,)))
            case _:
                return self._place(segment, key), self._place(segment, bytes((key[0] + 1,)))

    def _place(self, segment: int, key: bytes) -> int:
        """How many keys of a segment are less than one."""
        in_order = self._in_order(segment)
        first, last = 0, len(in_order)
        while first < last:
            middle = (first + last) // 2
            if self._view.index.keys([int(in_order[middle])])[0] < key:
                first = middle + 1
            else:
                last = middle
        return first

    def _in_order(self, segment: int) -> NDArray[Any]:
        import numpy as np

        part = self._parts[segment]
        count = part.bounds.cell_last - part.bounds.cell_after
        start, end = self._view.index.check(segment, "cell.in_order", 0, count)
        return np.frombuffer(part.buffer, "<u4", (end - start) // 4, start)

    def _ranks_of(self, segment: int) -> NDArray[Any]:
        """The place of each cell of a segment in its order, by its number."""
        import numpy as np

        ranks = self._ranks.get(segment)
        if ranks is None:
            in_order = self._in_order(segment) - np.uint32(self._parts[segment].bounds.cell_after + 1)
            if len(in_order) and int(in_order.max()) >= len(in_order):
                raise damaged("an order of cells names one that is not there")
            ranks = np.empty(len(in_order), np.uint32)
            ranks[in_order] = np.arange(len(in_order), dtype=np.uint32)
            self._ranks[segment] = ranks
        return ranks

"""Dictionaries: cells and the ids that stand for them."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import Final, Protocol

from rhizomedb.facts.value import Cell
from rhizomedb.flow.batch import Id


class Dictionary(Protocol):
    """One id for each cell, equal ones only for equal cells."""

    def ids(self, cells: Iterable[Cell]) -> list[Id]:
        """The ids of some cells; a new cell gets one."""
        ...

    def cells(self, ids: Iterable[Id]) -> list[Cell]:
        """The cells of some ids."""
        ...

    def is_ordered(self, greatest: Id) -> bool:
        """Whether all ids up to one stand for cells of one kind, in their order."""
        ...

    def compared(self, comparison: str, cell: Cell, ids: Sequence[Id]) -> array[Id] | None:
        """Those of some ids whose cells are `<`, `<=`, `>` or `>=` a cell, if that can be told without the cells."""
        ...


SMALL: Final = 1 << 30
"""Whole numbers from 0 to before this one stand for themselves in memory."""


class Interned:
    """A dictionary in memory: small whole numbers as they are, every other cell by the order in which it is met."""

    def __init__(self) -> None:
        self._ids: dict[Cell, Id] = {}
        self._cells: list[Cell | None] = []
        self._free: list[Id] = []
        self.own_bytes = 0
        """How long the texts and bytes are that are held."""

    @property
    def own(self) -> int:
        """How many cells are held."""
        return len(self._ids)

    def ids(self, cells: Iterable[Cell]) -> list[Id]:
        """The ids of some cells; a new cell gets the next."""
        known, held = self._ids, self._cells
        found = []
        for cell in cells:
            if type(cell) is int and 0 <= cell < SMALL:
                found.append(cell)
                continue
            id = known.get(cell)
            if id is None:
                # An id is known last: one that an interruption leaves unknown is lost, and never stands for two cells.
                if self._free:
                    id = self._free.pop()
                    held[id - SMALL] = cell
                else:
                    held.append(cell)
                    id = SMALL + len(held) - 1
                known[cell] = id
                if isinstance(cell, str | bytes):
                    self.own_bytes += len(cell)
            found.append(id)
        return found

    def cells(self, ids: Iterable[Id]) -> list[Cell]:
        """The cells of some ids."""
        held = self._cells
        return [id if id < SMALL else held[id - SMALL] for id in ids]  # type: ignore[misc]  # an id that is held has its cell

    def sweep(self, held: Collection[Id]) -> None:
        """Forget the cells whose ids nobody holds; the ids come to stand for others."""
        for cell, id in [(cell, id) for cell, id in self._ids.items() if id not in held]:
            del self._ids[cell]
            if isinstance(cell, str | bytes):
                self.own_bytes -= len(cell)
            self._cells[id - SMALL] = None
            self._free.append(id)

    def is_ordered(self, greatest: Id) -> bool:
        """Whether all ids up to one are numbers that stand for themselves."""
        return greatest < SMALL

    def rows(self, rows: Sequence[Sequence[Cell]]) -> list[tuple[Id, ...]]:
        """The ids of some tuples of cells."""
        return [tuple(self.ids(row)) for row in rows]

    def compared(self, comparison: str, cell: Cell, ids: Sequence[Id]) -> array[Id] | None:
        """Never: the order in which cells are met is not theirs."""
        return None

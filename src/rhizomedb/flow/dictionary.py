"""Dictionaries: cells and the ids that stand for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

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


class Interned:
    """A dictionary in memory: ids in the order in which cells are met."""

    def __init__(self) -> None:
        self._ids: dict[Cell, Id] = {}
        self._cells: list[Cell] = []

    def __len__(self) -> int:
        return len(self._cells)

    def ids(self, cells: Iterable[Cell]) -> list[Id]:
        """The ids of some cells; a new cell gets the next."""
        known, held = self._ids, self._cells
        found = []
        for cell in cells:
            id = known.get(cell)
            if id is None:
                id = known[cell] = len(held)
                held.append(cell)
            found.append(id)
        return found

    def cells(self, ids: Iterable[Id]) -> list[Cell]:
        """The cells of some ids."""
        held = self._cells
        return [held[id] for id in ids]

    def rows(self, rows: Sequence[Sequence[Cell]]) -> list[tuple[Id, ...]]:
        """The ids of some tuples of cells."""
        return [tuple(self.ids(row)) for row in rows]

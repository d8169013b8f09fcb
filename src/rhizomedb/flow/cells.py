"""What the ids of a batch stand for, in bounded pieces."""

from __future__ import annotations

from typing import TypeAlias

from rhizomedb.facts.value import Cell
from rhizomedb.flow.batch import Batch
from rhizomedb.flow.bounded import EVERY
from rhizomedb.flow.dictionary import Dictionary

Cells: TypeAlias = tuple[Cell, ...]


def cells_of(batch: Batch, dictionary: Dictionary) -> list[Cells]:
    """The tuples of a batch, as cells. Ctrl-C is heard between two pieces: a large answer takes seconds to be read."""
    if not batch.width:
        return [()] * len(batch)
    found: list[Cells] = []
    for first in range(0, len(batch), EVERY):
        some = batch.slice(first, first + EVERY)
        found.extend(zip(*(dictionary.cells(some.column_ids(place)) for place in range(batch.width)), strict=True))
    return found

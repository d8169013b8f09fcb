"""Relations of a running flow: a table, and what the step under way changes in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TypeAlias

from rhizomedb._native import kernel
from rhizomedb._record import dataclass
from rhizomedb.flow import batch, table
from rhizomedb.flow.ledger import Ledger

Batch = kernel(batch.Batch)
Table = kernel(table.Table)
intersect = kernel(table.intersect)

UNIT: batch.Batch = Batch.of_rows([()], 0)
"""The batch of one tuple without columns: where a conjunction begins."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a step changes in a relation: the tuples that came and those that went, none in both."""

    plus: batch.Batch
    minus: batch.Batch

    def __bool__(self) -> bool:
        return len(self.plus) > 0 or len(self.minus) > 0

    def __len__(self) -> int:
        return len(self.plus) + len(self.minus)


def nothing(width: int) -> Change:
    """No change."""
    empty = Batch.of_rows([], width)
    return Change(empty, empty)


@dataclass(slots=True)
class Held:
    """A relation while it is kept up to date; one of groups in a standing engine has a ledger of them."""

    name: str
    table: table.Table
    ledger: Ledger | None = None
    change: Change = field(init=False)
    is_touched: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.change = nothing(self.table.width)

    def settle(self) -> None:
        """Take what the table changed in this step as the step's change."""
        self.is_touched = True
        self.change = Change(*self.table.settle())

    def commit(self) -> None:
        """The step is over."""
        if self.is_touched:
            self.table.commit()
            if self.ledger is not None:
                self.ledger.commit()
            self.change = nothing(self.table.width)
            self.is_touched = False

    def rollback(self) -> None:
        """The step never was."""
        self.table.rollback()
        if self.ledger is not None:
            self.ledger.rollback()
        self.change = nothing(self.table.width)


Relations: TypeAlias = Callable[[str], Held]
"""The relation of a name."""

"""Budgets: how much a computation may derive, repeat, hold and take before it is stopped.

One `Budget` says the limits; a `Meter` counts one computation against them. Every loop that input drives spends
from a meter. Reaching a limit raises `BudgetExceeded` and leaves the database as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from rhizomedb._record import dataclass
from rhizomedb.errors import BudgetExceeded, RequestError

CELL_BYTES = 56
"""What one value of a derived tuple is taken to hold: a small Python object and its slot. Long computed text counts in full."""

CHECK_EVERY = 4096
"""Facts between two looks at the clock."""

FORMULAS_BETWEEN = 16
"""Formulas, at most, that are worked out between two looks at the clock: one may nest, and go through long constants."""

BYTES_A_STEP = 64
"""How much computed text weighs as one more fact between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one computation; `None` means no limit.

    `facts` derived tuples (also those of intermediate results), `rounds` of a recursion, `seconds` of wall time,
    `bytes` held by derived tuples (estimated, `CELL_BYTES` a value).
    """

    facts: int | None = 5_000_000
    rounds: int | None = 10_000
    seconds: float | None = 30.0
    bytes: int | None = 2 << 30

    def __post_init__(self) -> None:
        for name in ("facts", "rounds", "seconds", "bytes"):
            limit = getattr(self, name)
            if limit is None:
                continue
            # Nothing is more than NaN: as a limit it would be none.
            if type(limit) not in (int, float) or not limit >= 0:
                raise RequestError(
                    "db.usage",
                    f"a budget's `{name}` is a number from 0 on, or None for no limit, not {limit!r:.40}",
                    fix=f"Budget({name}={getattr(type(self)(), name):,})".replace(",", "_"),
                )

    def meter(self, clock: Callable[[], float] = time.monotonic) -> Meter:
        """A new count against these limits, its time starting now."""
        return Meter(self, clock)


def budget_of(given: Budget | None) -> Budget:
    """The budget that a caller gives, or the usual one."""
    if given is None:
        return Budget()
    if not isinstance(given, Budget):
        raise RequestError(
            "db.usage",
            f"a budget is a rhizomedb.Budget, not {type(given).__name__}",
            fix="budget=rhizomedb.Budget(facts=1_000_000, seconds=10)",
        )
    return given


UNLIMITED = Budget(facts=None, rounds=None, seconds=None, bytes=None)
"""No limits: for work whose size is that of the user's own file, such as an import."""


class Meter:
    """What one computation has spent of its budget."""

    __slots__ = ("_clock", "_computed", "_look_at", "budget", "cells", "facts", "rounds", "started")

    def __init__(self, budget: Budget, clock: Callable[[], float]) -> None:
        self.budget = budget
        self._clock = clock
        self.started = clock()
        self.facts = 0
        self.cells = 0
        self.rounds = 0
        self._look_at = CHECK_EVERY
        self._computed = 0

    def again(self) -> None:
        """Count facts and rounds from nothing, where what was derived so far is let go; time goes on."""
        self.check()
        self.facts = self.cells = self.rounds = 0
        self._look_at = CHECK_EVERY

    def elapsed(self) -> float:
        """Seconds since the count began."""
        return self._clock() - self.started

    def look(self, cells: Iterable[object]) -> None:
        """Count values that a formula is about to look at; look at the clock now and then, sooner where they are long."""
        self._computed += CHECK_EVERY // FORMULAS_BETWEEN
        for cell in cells:
            if isinstance(cell, str | bytes):
                self._computed += len(cell) // BYTES_A_STEP
        if self._computed >= CHECK_EVERY:
            self._computed = 0
            self.check()

    def hold(self, cell: object) -> None:
        """Count a value that was computed, by its real size where it is long; look at the clock now and then."""
        self._computed += 1
        if isinstance(cell, str | bytes) and len(cell) > CELL_BYTES:
            self.cells += len(cell) // CELL_BYTES
            self._computed += len(cell) // BYTES_A_STEP
        if self._computed >= CHECK_EVERY:
            self._computed = 0
            self.check()

    def spend(self, facts: int, width: int = 1) -> None:
        """Count `facts` tuples of `width` values; look at the clock now and then."""
        self.facts += facts
        self.cells += facts * width
        if self.facts < self._look_at:
            return
        self.check()
        self._look_at = self.facts + CHECK_EVERY

    def check(self) -> None:
        """Compare everything spent with the limits now."""
        budget = self.budget
        if budget.facts is not None and self.facts > budget.facts:
            raise self._exceeded("facts", f"more than {budget.facts:,} facts derived")
        if budget.bytes is not None and self.cells * CELL_BYTES > budget.bytes:
            raise self._exceeded("memory", f"derived facts hold more than {budget.bytes / (1 << 20):,.6g} MiB")
        if budget.seconds is not None and self.elapsed() > budget.seconds:
            raise self._exceeded("time", f"more than {budget.seconds:g} s spent")

    def round(self) -> None:
        """Count one more round of a recursion."""
        self.rounds += 1
        if self.budget.rounds is not None and self.rounds > self.budget.rounds:
            raise self._exceeded("rounds", f"a recursion took more than {self.budget.rounds:,} rounds")
        self.check()

    def _exceeded(self, limit: str, message: str) -> BudgetExceeded:
        return BudgetExceeded(
            f"budget.{limit}",
            f"{message}; the computation was stopped and nothing changed",
            fix=f"bind more of the query, or allow more: --budget {limit}=... (in Python: budget=Budget(...))",
        )

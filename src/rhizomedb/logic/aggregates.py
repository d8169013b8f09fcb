"""Aggregates: functions over all the tuples that match an atom (PomoLogic 2.5.3).

An aggregate runs over the *set* of whole tuples (errata E15h, E15j) and is given one row of parameters for each, so
two tuples that agree on the parameters count twice. Its result never depends on the order of the rows. Over nothing,
`count` and `sum` are 0; `min`, `max` and `avg` have no result, and then the body fails (E15i).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rhizomedb.errors import ValueRefused
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, Cell, Exact, Value, check_value, exact, order_cell, plain

Row: TypeAlias = tuple[Cell, ...]
"""The parameters of one matching tuple."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate function: how many parameters it takes (`None`: any), its result over nothing, and its work."""

    name: str
    parameters: int | None
    empty: Value | None
    compute: Callable[[Sequence[Row]], Cell | None]
    doc: str
    result: str = "any"

    def __call__(self, rows: Sequence[Row]) -> Cell | None:
        """The result over these rows, or `None` for no result."""
        if not rows:
            return None if self.empty is None else exact(self.empty)
        return self.compute(rows)


def _numbers(rows: Sequence[Row]) -> list[int | float]:
    """The numbers in the first column; other kinds are passed over."""
    numbers: list[int | float] = []
    for cell, *_ in rows:
        if type(cell) is int:
            numbers.append(cell)
        elif type(cell) is Exact and type(cell.value) is float:
            numbers.append(cell.value)
    return numbers


def _total(numbers: Sequence[int | float], divisor: int = 1) -> float | None:
    """The sum of all, rounded once, divided; exact fractions where binary64 overflows on the way."""
    try:
        return math.fsum(numbers) / divisor
    except OverflowError:
        from fractions import Fraction  # rare, and slow to import

        try:
            return float(sum(map(Fraction, numbers)) / divisor)
        except OverflowError:
            return None


def _finite(number: float | None) -> Cell | None:
    return None if number is None or not math.isfinite(number) else Exact(number + 0.0)


def _sum(rows: Sequence[Row]) -> Cell | None:
    numbers = _numbers(rows)
    if any(type(number) is float for number in numbers):
        return _finite(_total(numbers))
    total = sum(numbers)
    return int(total) if INTEGER_MIN <= total <= INTEGER_MAX else None


def _average(rows: Sequence[Row]) -> Cell | None:
    numbers = _numbers(rows)
    if not numbers:
        return None
    if any(type(number) is float for number in numbers):
        return _finite(_total(numbers, len(numbers)))
    return _finite(sum(numbers) / len(numbers))


def _least(rows: Sequence[Row]) -> Cell | None:
    return min((row[0] for row in rows), key=order_cell, default=None)


def _greatest(rows: Sequence[Row]) -> Cell | None:
    return max((row[0] for row in rows), key=order_cell, default=None)


_average_doc = "The sum of the numbers divided by how many there are: a float; no result where there is none."

AGGREGATES: dict[str, Aggregate] = {
    aggregate.name: aggregate
    for aggregate in (
        Aggregate("count", None, 0, len, "How many tuples match.", "int"),
        Aggregate("count_distinct", 1, 0, lambda rows: len(set(rows)), "How many different values there are.", "int"),
        Aggregate("sum", 1, 0, _sum, "The sum of the numbers: a float if one of them is. 0 over nothing.", "number"),
        Aggregate("min", 1, None, _least, "The least value."),
        Aggregate("max", 1, None, _greatest, "The greatest value."),
        Aggregate("avg", 1, None, _average, _average_doc, "float"),
        Aggregate("mean", 1, None, _average, "Another name for avg.", "float"),
    )
}
"""Every built-in aggregate by name. Values of several kinds compare by kind first, in the order of `KIND_NAMES`."""


def user_aggregate(
    name: str,
    function: Callable[[list[tuple[Value, ...]]], object],
    parameters: int | None = 1,
    *,
    empty: Value | None = None,
    doc: str = "",
) -> Aggregate:
    """An aggregate of your own, for `aggregates={**AGGREGATES, "dot": user_aggregate("dot", dot, 2)}`.

    The function gets the rows as plain values in one fixed order and returns a value, or `None` for no result. It must
    be pure. Data may come from anyone: where the function does not fit the kinds that it is given (`TypeError`,
    `ValueError`, `ArithmeticError`), or returns what cannot be a value, there is no result.

    >>> dot = user_aggregate("dot", lambda rows: sum(x * y for x, y in rows), 2, empty=0)
    >>> dot([(2, 3), (4, 5)])
    26
    """

    def compute(rows: Sequence[Row]) -> Cell | None:
        ordered = sorted(rows, key=lambda row: [order_cell(cell) for cell in row])
        try:
            result = function([tuple(plain(cell) for cell in row) for row in ordered])
            return None if result is None else exact(check_value(result))
        except (TypeError, ValueError, ArithmeticError, ValueRefused):
            return None

    return Aggregate(name, parameters, empty, compute, doc)

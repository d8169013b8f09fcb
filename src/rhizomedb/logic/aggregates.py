"""Aggregates: functions over all the tuples that match an atom (PomoLogic 2.5.3).

An aggregate runs over the *set* of whole tuples (errata E15h, E15j) and is given one row of parameters for each, so
two tuples that agree on the parameters count twice. Its result never depends on the order of the rows. Over nothing,
`count` and `sum` are 0; `min`, `max` and `avg` have no result, and then the body fails (E15i).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import ValueRefused
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, Cell, Exact, Value, check_value, exact, order_cell, plain

Row: TypeAlias = tuple[Cell, ...]
"""The parameters of one matching tuple."""


@dataclass(frozen=True, slots=True)
class Linear:
    """How a result follows from sums over the rows, so that what comes can be added to them and what goes taken from them.

    `measure` says of a row, of which it gets the first `parameters`, what it adds to each of `width` totals: whole numbers,
    for these add up to the same in any order, and what is taken away leaves no trace. `result` is of the totals of some
    rows what the aggregate computes over these, to the last bit.
    """

    parameters: int
    width: int
    measure: Callable[[Row], tuple[int, ...]]
    result: Callable[[tuple[int, ...]], Cell | None]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate function: how many parameters it takes (`None`: any), its result over nothing, and its work.

    Some allow more: a `linear` one follows from sums; one that `selects` has as its result one of its parameters, the same
    over some rows as over the results of any parts of them.
    """

    name: str
    parameters: int | None
    empty: Value | None
    compute: Callable[[Sequence[Row]], Cell | None]
    doc: str
    result: str = "any"
    linear: Linear | None = None
    selects: bool = False

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
    """The sum of all as floats, rounded once, divided; the exact sum divided and then rounded, where it is no float."""
    try:
        return math.fsum(numbers) / divisor
    except OverflowError:  # perhaps only on the way, which depends on the order
        units = sum(_units(float(number)) for number in numbers)
        return _quotient(units, divisor)


UNIT_BITS: Final = 1074
"""Every float is a whole number of units of 2 to the power of minus so many."""


def _units(number: float) -> int:
    numerator, denominator = number.as_integer_ratio()
    return (numerator << UNIT_BITS) // denominator  # which is a power of two, and no greater


def _quotient(units: int, divisor: int) -> float | None:
    """A sum rounded to a float and divided; or divided and then rounded, where it is greater than any float."""
    try:
        return units / (1 << UNIT_BITS) / divisor
    except OverflowError:
        try:
            return units / (divisor << UNIT_BITS)
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


def _measure(row: Row) -> tuple[int, ...]:
    """What a row adds to: how many numbers, the sum of the whole ones, and how much greater that of these is as floats;
    how many floats, and their sum in units.
    """
    cell = row[0]
    if type(cell) is int:
        return 1, cell, 0 if -_FLOATS <= cell <= _FLOATS else int(float(cell)) - cell, 0, 0
    if type(cell) is Exact and type(cell.value) is float:
        return 1, 0, 0, 1, _units(cell.value)
    return 0, 0, 0, 0, 0


_FLOATS: Final = 1 << 53
"""Up to here every whole number is a float."""


def _sum_of(totals: tuple[int, ...]) -> Cell | None:
    _, whole, rounding, floats, units = totals
    if floats:
        return _finite(_quotient((whole + rounding << UNIT_BITS) + units, 1))
    return whole if INTEGER_MIN <= whole <= INTEGER_MAX else None


def _average_of(totals: tuple[int, ...]) -> Cell | None:
    count, whole, rounding, floats, units = totals
    if not count:
        return None
    if floats:
        return _finite(_quotient((whole + rounding << UNIT_BITS) + units, count))
    return _finite(whole / count)


_COUNT: Final = Linear(0, 1, lambda row: (1,), lambda totals: totals[0])
_SUM: Final = Linear(1, 5, _measure, _sum_of)
_AVERAGE: Final = Linear(1, 5, _measure, _average_of)


def _least(rows: Sequence[Row]) -> Cell | None:
    return min((row[0] for row in rows), key=order_cell, default=None)


def _greatest(rows: Sequence[Row]) -> Cell | None:
    return max((row[0] for row in rows), key=order_cell, default=None)


_sum_doc = "The sum of the numbers: a float if one of them is. 0 over nothing."
_average_doc = "The sum of the numbers divided by how many there are: a float; no result where there is none."

AGGREGATES: dict[str, Aggregate] = {
    aggregate.name: aggregate
    for aggregate in (
        Aggregate("count", None, 0, len, "How many tuples match.", "int", linear=_COUNT),
        Aggregate("count_distinct", 1, 0, lambda rows: len(set(rows)), "How many different values there are.", "int"),
        Aggregate("sum", 1, 0, _sum, _sum_doc, "number", linear=_SUM),
        Aggregate("min", 1, None, _least, "The least value.", selects=True),
        Aggregate("max", 1, None, _greatest, "The greatest value.", selects=True),
        Aggregate("avg", 1, None, _average, _average_doc, "float", linear=_AVERAGE),
        Aggregate("mean", 1, None, _average, "Another name for avg.", "float", linear=_AVERAGE),
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

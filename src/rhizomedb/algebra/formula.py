"""Formulas: what a selection or a theta join asks of one tuple (PomoRA 2.1.3, 2.2).

An *operand* has a cell for a tuple, or none: an attribute, a constant, or a built-in function of operands. A *formula*
is true or false of a tuple, never a third thing: a comparison or a condition over an operand without a result is
false, and its negation is therefore true. That is what lets `dnf` move negations about and keep the truth table; for
the same reason `not a < b` is never turned into `a >= b`, since both are false of values of different kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import PlanError, nearest_names
from rhizomedb.facts.value import TRUE, Cell, plain
from rhizomedb.logic.builtins import FUNCTIONS, compare
from rhizomedb.logic.syntax import COMPARISONS, OPERATORS, show_value

Row: TypeAlias = tuple[Cell, ...]
"""One tuple of a relation, its cells in the order of the relation's attributes."""

Positions: TypeAlias = Mapping[str, int]
"""Where in a row each attribute stands."""

DISJUNCTS_MAX = 4096
"""The longest disjunction that `dnf` writes out: the normal form can be exponentially longer than the formula."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """The cell that a tuple has under an attribute."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Constant:
    """The same cell for every tuple."""

    cell: Cell

    def __str__(self) -> str:
        return show_value(plain(self.cell))


@dataclass(frozen=True, slots=True)
class Call:
    """A built-in function of operands; without a result where the built-in has none, or an argument has none."""

    function: str
    arguments: tuple[Operand, ...]

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise PlanError(
                "algebra.formula",
                f"there is no function `{self.function}`",
                nearest=nearest_names(self.function, FUNCTIONS),
            )

    def __str__(self) -> str:
        if self.function in OPERATORS and len(self.arguments) == 2:
            return f"({self.arguments[0]} {self.function} {self.arguments[1]})"
        return f"{self.function}({', '.join(map(str, self.arguments))})"


Operand: TypeAlias = Attribute | Constant | Call


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`: true where both have a result and the results compare so."""

    left: Operand
    operator: str
    right: Operand

    def __post_init__(self) -> None:
        if self.operator not in COMPARISONS:
            raise PlanError(
                "algebra.formula", f"`{self.operator}` does not compare", fix=f"one of {' '.join(COMPARISONS)}"
            )

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class Holds:
    """True where the operand's result is true."""

    operand: Operand

    def __str__(self) -> str:
        return str(self.operand)


@dataclass(frozen=True, slots=True)
class Not:
    """True where the formula is false."""

    formula: Formula

    def __str__(self) -> str:
        return f"not ({self.formula})"


@dataclass(frozen=True, slots=True)
class And:
    """True where every part is; without parts, everywhere."""

    parts: tuple[Formula, ...]

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts) or "true"


@dataclass(frozen=True, slots=True)
class Or:
    """True where some part is; without parts, nowhere."""

    parts: tuple[Formula, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts)) or "false"


Formula: TypeAlias = Comparison | Holds | Not | And | Or


def attributes_of(node: Formula | Operand) -> frozenset[str]:
    """The attributes that a formula or operand reads."""
    return frozenset(part.name for part in _walk(node) if isinstance(part, Attribute))


def conjuncts(formula: Formula) -> Iterator[Formula]:
    """The formulas that must all hold: the parts of nested conjunctions, in order."""
    pending = [formula]
    while pending:
        match pending.pop():
            case And(parts):
                pending += reversed(parts)
            case part:
                yield part


def conjunction(parts: Iterable[Formula]) -> Formula:
    """One formula that holds where all of them do."""
    flat = tuple(part for formula in parts for part in conjuncts(formula))
    return flat[0] if len(flat) == 1 else And(flat)


def dnf(formula: Formula) -> Or:
    """An equivalent disjunction of conjunctions of possibly negated comparisons and conditions (PomoRA 2.2).

    >>> print(dnf(Not(And((Comparison(Attribute("a"), "==", Attribute("b")), Holds(Attribute("c")))))))
    not (a == b) or not (c)
    """
    terms = _terms(formula, negated=False)
    return Or(tuple(And(tuple(dict.fromkeys(term))) for term in dict.fromkeys(terms)))


def _terms(formula: Formula, negated: bool) -> list[tuple[Formula, ...]]:
    match formula:
        case Not(inner):
            return _terms(inner, not negated)
        case And(parts) | Or(parts):
            below = [_terms(part, negated) for part in parts]
            if isinstance(formula, Or) != negated:
                return [term for terms in below for term in terms]
            size = 1
            for terms in below:
                size *= len(terms)
                if size > DISJUNCTS_MAX:
                    raise PlanError(
                        "algebra.formula", f"the disjunctive normal form has more than {DISJUNCTS_MAX:,} parts"
                    )
            return [sum(choice, ()) for choice in product(*below)]
        case literal:
            return [(Not(literal) if negated else literal,)]


def value_of(operand: Operand, positions: Positions) -> Callable[[Row], Cell | None]:
    """A function from a row to the operand's cell, `None` where it has no result."""
    match operand:
        case Attribute(name):
            position = positions[name]
            return lambda row: row[position]
        case Constant(cell):
            return lambda row: cell
        case Call(function, arguments):
            call = FUNCTIONS[function].call
            values = [value_of(argument, positions) for argument in arguments]

            def apply(row: Row) -> Cell | None:
                cells = []
                for value in values:
                    cell = value(row)
                    if cell is None:
                        return None
                    cells.append(cell)
                return call(*cells)

            return apply


def test_of(formula: Formula, positions: Positions) -> Callable[[Row], bool]:
    """A function from a row to whether the formula holds."""
    match formula:
        case Comparison(Attribute(name), "==", Constant(cell)):
            place = positions[name]
            return lambda row: row[place] == cell
        case Comparison(Attribute(left), "==", Attribute(right)):
            one, other = positions[left], positions[right]
            return lambda row: row[one] == row[other]
        case Comparison(left, operator, right):
            left_value, right_value = value_of(left, positions), value_of(right, positions)

            def holds(row: Row) -> bool:
                left_cell, right_cell = left_value(row), right_value(row)
                return left_cell is not None and right_cell is not None and compare(operator, left_cell, right_cell)

            return holds
        case Holds(operand):
            value = value_of(operand, positions)
            return lambda row: value(row) == TRUE
        case Not(inner):
            test = test_of(inner, positions)
            return lambda row: not test(row)
        case And(parts):
            tests = [test_of(part, positions) for part in parts]
            return lambda row: all(test(row) for test in tests)
        case Or(parts):
            tests = [test_of(part, positions) for part in parts]
            return lambda row: any(test(row) for test in tests)


def _walk(node: Formula | Operand) -> Iterator[Formula | Operand]:
    pending: list[Formula | Operand] = [node]
    while pending:
        node = pending.pop()
        yield node
        match node:
            case Call(_, arguments):
                pending += arguments
            case Comparison(left, _, right):
                pending += (left, right)
            case Holds(operand):
                pending.append(operand)
            case Not(inner):
                pending.append(inner)
            case And(parts) | Or(parts):
                pending += parts

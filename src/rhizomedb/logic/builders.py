"""Builders: Python objects whose operators turn into syntax. `build.py` makes them; here is what they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import ProgramError
from rhizomedb.facts.value import Value, check_text, check_value
from rhizomedb.logic.builtins import FUNCTIONS
from rhizomedb.logic.expressions import DEPTH_MAX
from rhizomedb.logic.occurrences import depth
from rhizomedb.logic.syntax import (
    KEYWORDS,
    OPERATORS,
    PLAIN_NAME,
    Aggregation,
    Assignment,
    Atom,
    Call,
    Condition,
    Constant,
    Constraint,
    Expression,
    Negation,
    Predicate,
    Rule,
    Selection,
    Term,
    Variable,
)


class _Builder:
    """Something under way that has no truth: Python's `and`, `or`, `not` and `1 < X < 5` would lose half of it."""

    __slots__ = ()
    instead = "a comma or a list for `and`"

    def __bool__(self) -> NoReturn:  # noqa: PLE0304  # it never returns
        refuse("a part of a rule has no truth in Python: no `and`, `or`, `not`, `1 < X < 5`", self.instead)


@dataclass(frozen=True, slots=True, eq=False)
class Goal(_Builder):
    """A predicate of a body under way."""

    predicate: Predicate

    def __str__(self) -> str:
        return str(self.predicate)


class Expr(_Builder):
    """A term or expression under way: arithmetic gives expressions, comparison gives goals."""

    __slots__ = ("expression",)
    instead = "X == True as a condition; &, | and ~ between expressions"
    __hash__ = None  # type: ignore[assignment]  # what compares into goals cannot be a key

    def __init__(self, expression: Expression) -> None:
        if isinstance(expression, Call) and depth(expression) > DEPTH_MAX:
            raise ProgramError(
                "logic.too-deep", f"the expression nests deeper than {DEPTH_MAX}", fix="bind a part of it first"
            )
        self.expression = expression

    def __str__(self) -> str:
        return str(self.expression)

    def __add__(self, other: Operand) -> Expr:
        return call("+", self, other)

    def __radd__(self, other: Operand) -> Expr:
        return call("+", other, self)

    def __sub__(self, other: Operand) -> Expr:
        return call("-", self, other)

    def __rsub__(self, other: Operand) -> Expr:
        return call("-", other, self)

    def __mul__(self, other: Operand) -> Expr:
        return call("*", self, other)

    def __rmul__(self, other: Operand) -> Expr:
        return call("*", other, self)

    def __truediv__(self, other: Operand) -> Expr:
        return call("/", self, other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return call("/", other, self)

    def __floordiv__(self, other: Operand) -> Expr:
        return call("div", self, other)

    def __mod__(self, other: Operand) -> Expr:
        return call("mod", self, other)

    def __neg__(self) -> Expr:
        return call("neg", self)

    def __and__(self, other: Operand) -> Expr:
        return call("and", self, other)

    def __or__(self, other: Operand) -> Expr:
        return call("or", self, other)

    def __invert__(self) -> Expr:
        return call("not_", self)

    def __lt__(self, other: Operand) -> Goal:
        return compared(self, "<", other)

    def __le__(self, other: Operand) -> Goal:
        return compared(self, "<=", other)

    def __gt__(self, other: Operand) -> Goal:
        return compared(self, ">", other)

    def __ge__(self, other: Operand) -> Goal:
        return compared(self, ">=", other)

    def __eq__(self, other: object) -> Goal:  # type: ignore[override]  # a comparison of terms builds a goal, as `<` does
        return compared(self, "==", other)

    def __ne__(self, other: object) -> Goal:  # type: ignore[override]  # a comparison of terms builds a goal, as `<` does
        return compared(self, "!=", other)

    def assign(self, source: Operand | Aggregated) -> Goal:
        """`M := expression`, or `T := sum Q : p(q: Q)`."""
        if isinstance(source, Aggregated):
            return source.into(self)
        return Goal(Assignment(variable_of(self, "the left of an assignment"), expression_of(source)))

    def of(self, atom: AtomBuilder) -> Goal:
        """`C := fact(…)`: binds the CID of the matching tuple."""
        return Goal(Selection(atom_of(atom, "a CID binding"), variable_of(self, "a CID binding")))


Operand: TypeAlias = "Expr | Value"
"""What may stand where a term or expression is asked for: a builder, or a plain value."""


class AtomBuilder(_Builder):
    """An atom under way: a head, a part of a body, or, by itself in `program`, a ground fact."""

    __slots__ = ("atom",)
    instead = "~p(x=X) for `not`, a comma for `and`"

    def __init__(self, atom: Atom) -> None:
        self.atom = atom

    def __str__(self) -> str:
        return str(self.atom)

    def __invert__(self) -> Goal:
        return Goal(Negation(self.atom))

    def when(self, *goals: BodyPart) -> Rule:
        """The rule with this head: it holds whenever all the goals do."""
        return Rule(self.atom, tuple(map(predicate_of, goals)))

    def next_when(self, *goals: BodyPart) -> Rule:
        """The `@next` rule with this head: it holds at the next timestep."""
        return Rule(self.atom, tuple(map(predicate_of, goals)), inductive=True)


BodyPart: TypeAlias = Goal | AtomBuilder | Expr
"""What `when` takes: atoms, goals, and conditions such as `functions.starts_with(T, "The")`."""


class RelationBuilder:
    """A relation by name; calling it with named terms gives an atom."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = checked_name(name, "a relation")

    def __call__(self, *positional: object, **terms: Operand) -> AtomBuilder:
        """An atom; `from_=X` names `from` (one underscore at the end is dropped), `**{"git/author": X}` any name."""
        if positional:
            fix = f"{self.name}(**mapping)" if isinstance(positional[0], Mapping) else f"{self.name}(x=X)"
            refuse(f"relations take named attributes: `{self.name}`", fix, "logic.positional")
        return AtomBuilder(Atom(self.name, tuple((_attribute(name), term_of(term)) for name, term in terms.items())))


class Aggregated(_Builder):
    """An aggregate under way; `T.assign(…)` or `… == 5` makes it a goal."""

    __slots__ = ("atom", "function", "parameters")
    instead = "N.assign(count(p(x=X)))"
    __hash__ = None  # type: ignore[assignment]  # what compares into goals cannot be a key

    def __init__(self, function: str, parameters: tuple[Variable, ...], atom: Atom) -> None:
        self.function = function
        self.parameters = parameters
        self.atom = atom

    def __eq__(self, other: object) -> Goal:  # type: ignore[override]  # a comparison of terms builds a goal, as `<` does
        return self.into(other)

    def into(self, target: object) -> Goal:
        """The goal that binds a variable to the result, or compares a constant or parameter with it."""
        return Goal(Aggregation(term_of(target), self.function, self.parameters, self.atom))


def call(function: str, *arguments: Operand) -> Expr:
    """A built-in function or operator applied: `call("upper", T)`; also `functions.upper(T)`."""
    known = function in OPERATORS or (PLAIN_NAME.match(function) and function not in KEYWORDS)
    if not known or not arguments or (function in OPERATORS and len(arguments) != 2):
        refuse(
            f"`{function}` cannot be called with {len(arguments)} arguments",
            str(FUNCTIONS.get(function, "upper(text) -> text")),
        )
    return Expr(Call(function, tuple(map(expression_of, arguments))))


def compared(left: object, comparison: str, right: object) -> Goal:
    """A comparison as a goal."""
    if isinstance(right, Aggregated):
        if comparison == "==":
            return right.into(left)
        refuse("bind the result of an aggregate before comparing it", "N.assign(count(p(x=X))), N > 3")
    return Goal(Constraint(expression_of(left), comparison, expression_of(right)))


# From builders to syntax


def expression_of(operand: object) -> Expression:
    """The expression of an operand; a plain value becomes a constant."""
    match operand:
        case Expr():
            return operand.expression
        case Goal() | Aggregated() | AtomBuilder():
            refuse(f"`{operand}` has no value to compute with", "bind it first: N.assign(…)")
        case _:
            return Constant(check_value(operand))


def term_of(operand: object) -> Term:
    """The term of an operand; anything larger must be bound first."""
    expression = expression_of(operand)
    if isinstance(expression, Call):
        refuse(f"an atom takes variables and constants, not `{expression}`", f"Y.assign({expression}), then Y")
    return expression


def variable_of(operand: object, place: str) -> Variable:
    """The variable that an operand is."""
    if isinstance(operand, Expr) and isinstance(operand.expression, Variable):
        return operand.expression
    refuse(f"{place} takes a variable, not `{operand}`", "X")


def atom_of(operand: object, place: str) -> Atom:
    """The atom that a builder holds."""
    if isinstance(operand, AtomBuilder):
        return operand.atom
    refuse(f"{place} takes one plain atom, not `{operand}`", "p(x=X)")


def predicate_of(part: object) -> Predicate:
    """The predicate of a part of a body."""
    match part:
        case Goal():
            return part.predicate
        case AtomBuilder():
            return Selection(part.atom)
        case Expr(expression=Call() as condition):
            return Condition(condition)
        case _:
            refuse(f"`{part}` is not a condition", "an atom, a comparison, or functions.starts_with(T, ...)")


def _attribute(name: str) -> str:
    return checked_name(name[:-1] if name.endswith("_") and len(name) > 1 else name, "an attribute")


def checked_name(name: str, what: str) -> str:
    """A name that can be written as text."""
    if not isinstance(name, str) or not name or "`" in name or "\n" in name or "\r" in name:
        refuse(f"{name!r} cannot name {what}: it is text, without backquotes or line ends", "edge")
    return check_text(name)


def refuse(message: str, fix: str, code: str = "logic.build") -> NoReturn:
    """Say what cannot be built, and what can."""
    raise ProgramError(code, message, fix=fix)

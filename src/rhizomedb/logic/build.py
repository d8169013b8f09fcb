"""The same programs from Python: `edge(from_=X, to=Y)` for `edge(from: X, to: Y)`.

    edge, path = relation("edge"), relation("path")
    X, Y, Z = variables("X Y Z")
    closure = program(
        path(x=X, y=Y).when(edge(from_=X, to=Y)),
        path(x=X, y=Z).when(edge(from_=X, to=Y), path(x=Y, y=Z)),
    )

What stands here between Python and the tree is a *builder*: it turns operators into syntax and is gone once the
program is made. A program built so equals the one that its printed text parses to. Python values become constants and
are checked on the way; they are never pasted into text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from rhizomedb.errors import ProgramError, nearest_names
from rhizomedb.facts.value import Value, check_text, check_value
from rhizomedb.logic.builtins import FUNCTIONS
from rhizomedb.logic.expressions import DEPTH_MAX
from rhizomedb.logic.occurrences import depth
from rhizomedb.logic.syntax import (
    KEYWORDS,
    OPERATORS,
    PLAIN_NAME,
    TYPES,
    Aggregation,
    Assignment,
    Atom,
    Call,
    Condition,
    Constant,
    Constraint,
    Declaration,
    Expression,
    Negation,
    OptionalAtom,
    Parameter,
    Predicate,
    Program,
    Rule,
    Selection,
    Term,
    Variable,
)
from rhizomedb.logic.tokens import VARIABLE_NAME


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """A predicate of a body under way."""

    predicate: Predicate

    def __bool__(self) -> NoReturn:
        message = "a condition of a rule has no truth in Python: no 1 < X < 5, and, or, not"
        _refuse(message, "X > 1, X < 5 as two conditions; &, | and ~ between expressions")

    def __str__(self) -> str:
        return str(self.predicate)


class Expr:
    """A term or expression under way: arithmetic gives expressions, comparison gives goals."""

    __slots__ = ("expression",)
    __hash__ = None  # type: ignore[assignment]  # == makes a goal, so no set or dict may hold one

    def __init__(self, expression: Expression) -> None:
        if isinstance(expression, Call) and depth(expression) > DEPTH_MAX:
            raise ProgramError(
                "logic.too-deep", f"the expression nests deeper than {DEPTH_MAX}", fix="bind a part of it first"
            )
        self.expression = expression

    def __bool__(self) -> NoReturn:
        _refuse("a variable or expression has no truth in Python", "X == True as a condition; &, | and ~")

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

    def __eq__(self, other: object) -> Goal:  # type: ignore[override]
        return compared(self, "==", other)

    def __ne__(self, other: object) -> Goal:  # type: ignore[override]
        return compared(self, "!=", other)

    def assign(self, source: Operand | Aggregated) -> Goal:
        """`M := expression`, or `T := sum Q : p(q: Q)`."""
        if isinstance(source, Aggregated):
            return source.into(self)
        return Goal(Assignment(_variable(self, "the left of an assignment"), _expression(source)))

    def of(self, atom: AtomBuilder) -> Goal:
        """`C := fact(…)`: binds the CID of the matching tuple."""
        return Goal(Selection(_atom(atom, "a CID binding"), _variable(self, "a CID binding")))


Operand: TypeAlias = "Expr | Value"
"""What may stand where a term or expression is asked for: a builder, or a plain value."""


class AtomBuilder:
    """An atom under way: a head, a part of a body, or, by itself in `program`, a ground fact."""

    __slots__ = ("atom",)

    def __init__(self, atom: Atom) -> None:
        self.atom = atom

    def __str__(self) -> str:
        return str(self.atom)

    def __bool__(self) -> NoReturn:
        _refuse("an atom has no truth in Python", "~p(x=X) for `not`, a comma or a list for `and`")

    def __invert__(self) -> Goal:
        return Goal(Negation(self.atom))

    def when(self, *goals: BodyPart) -> Rule:
        """The rule with this head: it holds whenever all the goals do."""
        return Rule(self.atom, tuple(map(_predicate, goals)))

    def next_when(self, *goals: BodyPart) -> Rule:
        """The `@next` rule with this head: it holds at the next timestep."""
        return Rule(self.atom, tuple(map(_predicate, goals)), inductive=True)


BodyPart: TypeAlias = Goal | AtomBuilder | Expr
"""What `when` takes: atoms, goals, and conditions such as `functions.starts_with(T, "The")`."""


class RelationBuilder:
    """A relation by name; calling it with named terms gives an atom."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = _name(name, "a relation")

    def __call__(self, *positional: object, **terms: Operand) -> AtomBuilder:
        """An atom. One underscore at the end of a name is dropped: `from_=X`; any name at all: `**{"git/author": X}`."""
        if positional:
            fix = f"{self.name}(**mapping)" if isinstance(positional[0], Mapping) else f"{self.name}(x=X)"
            _refuse(f"relations take named attributes: `{self.name}`", fix, "logic.positional")
        return AtomBuilder(Atom(self.name, tuple((_attribute(name), _term(term)) for name, term in terms.items())))


class Aggregated:
    """An aggregate under way; `T.assign(…)` or `… == 5` makes it a goal."""

    __slots__ = ("atom", "function", "parameters")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, function: str, parameters: tuple[Variable, ...], atom: Atom) -> None:
        self.function = function
        self.parameters = parameters
        self.atom = atom

    def __bool__(self) -> NoReturn:
        _refuse("an aggregate has no truth in Python", "N.assign(count(p(x=X)))")

    def __eq__(self, other: object) -> Goal:  # type: ignore[override]
        return self.into(other)

    def into(self, target: object) -> Goal:
        """The goal that binds a variable to the result, or compares a constant or parameter with it."""
        return Goal(Aggregation(_term(target), self.function, self.parameters, self.atom))


def relation(name: str) -> RelationBuilder:
    """A relation to make atoms of."""
    return RelationBuilder(name)


def relations(names: str) -> tuple[RelationBuilder, ...]:
    """Several relations: `edge, path = relations("edge path")`."""
    return tuple(map(RelationBuilder, names.split()))


def variable(name: str) -> Expr:
    """A variable; its name begins with a capital letter or an underscore."""
    if not isinstance(name, str) or not VARIABLE_NAME.match(name) or name == "_":
        fix = (
            f"{name[:1].upper()}{name[1:]}"
            if isinstance(name, str) and name.isidentifier() and name.isascii() and name != "_"
            else "X"
        )
        _refuse(f"{name!r} cannot name a variable, which begins with a capital letter", fix)
    return Expr(Variable(name))


def variables(names: str) -> tuple[Expr, ...]:
    """Several variables: `X, Y, Z = variables("X Y Z")`."""
    return tuple(map(variable, names.split()))


def parameter(name: str) -> Expr:
    """`$name`: a value that is given when the program runs."""
    if not (isinstance(name, str) and name.isidentifier() and name.isascii()):
        _refuse(f"{name!r} cannot name a parameter, which is letters, digits and _", "limit")
    return Expr(Parameter(name))


def constant(value: Value) -> Expr:
    """A value as an expression, where a plain Python value would be taken for something else."""
    return Expr(Constant(check_value(value)))


def call(function: str, *arguments: Operand) -> Expr:
    """A built-in function or operator applied: `call("upper", T)`; also `functions.upper(T)`."""
    known = function in OPERATORS or (PLAIN_NAME.match(function) and function not in KEYWORDS)
    if not known or not arguments or (function in OPERATORS and len(arguments) != 2):
        _refuse(
            f"`{function}` cannot be called with {len(arguments)} arguments",
            str(FUNCTIONS.get(function, "upper(text) -> text")),
        )
    return Expr(Call(function, tuple(map(_expression, arguments))))


class _Functions:
    """Every built-in function as a method: `functions.upper(T)`."""

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in FUNCTIONS:
            raise ProgramError(
                "logic.unknown-function",
                f"there is no function `{name}`",
                nearest=nearest_names(name, FUNCTIONS),
                fix=(*nearest_names(name, FUNCTIONS), "upper")[0],
            )
        return lambda *arguments: call(name, *arguments)

    def __dir__(self) -> Iterable[str]:
        return [name for name in FUNCTIONS if name.isidentifier()]


functions = _Functions()
"""`functions.upper(T)` for `upper(T)`."""


def compared(left: object, comparison: str, right: object) -> Goal:
    """A comparison as a goal."""
    if isinstance(right, Aggregated):
        if comparison == "==":
            return right.into(left)
        _refuse("bind the result of an aggregate before comparing it", "N.assign(count(p(x=X))), N > 3")
    return Goal(Constraint(_expression(left), comparison, _expression(right)))


def aggregate(function: str, *parameters: Expr, over: AtomBuilder) -> Aggregated:
    """Any aggregate over an atom: `aggregate("dot", X, Y, over=p(x=X, y=Y))`."""
    if not PLAIN_NAME.match(function) or function in KEYWORDS:
        _refuse(f"`{function}` cannot name an aggregate", "dot")
    names = tuple(_variable(given, f"a parameter of `{function}`") for given in parameters)
    return Aggregated(function, names, _atom(over, f"`{function}`"))


def count(atom: AtomBuilder) -> Aggregated:
    """How many tuples match."""
    return aggregate("count", over=atom)


def count_distinct(parameter: Expr, atom: AtomBuilder) -> Aggregated:
    """How many different values a variable of the atom takes."""
    return aggregate("count_distinct", parameter, over=atom)


def sum_(parameter: Expr, atom: AtomBuilder) -> Aggregated:
    """The sum of a variable of the atom over all matching tuples."""
    return aggregate("sum", parameter, over=atom)


def min_(parameter: Expr, atom: AtomBuilder) -> Aggregated:
    """The least value of a variable of the atom."""
    return aggregate("min", parameter, over=atom)


def max_(parameter: Expr, atom: AtomBuilder) -> Aggregated:
    """The greatest value of a variable of the atom."""
    return aggregate("max", parameter, over=atom)


def avg(parameter: Expr, atom: AtomBuilder) -> Aggregated:
    """The mean of a variable of the atom."""
    return aggregate("avg", parameter, over=atom)


def optional(atom: AtomBuilder, **defaults: Operand) -> Goal:
    """`optional p(x: X, y: Y = 0)` is `optional(p(x=X, y=Y), Y=0)`: defaults by variable."""
    plain = _atom(atom, "optional")
    given: dict[str, Constant | Parameter] = {}
    for name, default in defaults.items():
        term = _term(default)
        if isinstance(term, Variable):
            _refuse(f"the default of `{name}` is a variable; it is a value or a parameter", f"{name}=0")
        given[name] = term
    present = dict.fromkeys(term for _, term in plain.arguments if isinstance(term, Variable))
    unknown = set(given) - {found.name for found in present}
    if unknown:
        _refuse(f"`{min(unknown)}` has a default but is not in `{plain}`", f"one of {', '.join(map(str, present))}")
    return Goal(OptionalAtom(plain, tuple((found, given[found.name]) for found in present if found.name in given)))


def declare(name: str, attributes: Mapping[str, str] | Iterable[str], *, event: bool = False) -> Declaration:
    """`relation edge(from: int, to).` is `declare("edge", {"from": "int", "to": "any"})`."""
    typed = attributes if isinstance(attributes, Mapping) else dict.fromkeys(attributes, "any")
    for attribute, kind in typed.items():
        if kind not in TYPES:
            near = nearest_names(str(kind), TYPES)
            message = f"{kind!r}, the type of `{attribute}`, is not one of {', '.join(TYPES)}"
            raise ProgramError("logic.unknown-type", message, nearest=near, fix=(*near, "any")[0])
    columns = tuple((_name(attribute, "an attribute"), kind) for attribute, kind in typed.items())
    return Declaration(_name(name, "a relation"), columns, event)


def program(*parts: Rule | Declaration | AtomBuilder | Program) -> Program:
    """A program of rules, declarations, ground facts (atoms by themselves) and whole programs, in this order."""
    rules: list[Rule] = []
    declarations: list[Declaration] = []
    for part in parts:
        match part:
            case Rule():
                rules.append(part)
            case AtomBuilder():
                rules.append(Rule(part.atom))
            case Declaration():
                declarations.append(part)
            case Program():
                rules += part.rules
                declarations += part.declarations
            case _:
                _refuse(f"{part!s} cannot stand by itself in a program", "path(x=X).when(edge(from_=X))")
    return Program(tuple(rules), tuple(declarations))


# From builders to syntax


def _expression(operand: object) -> Expression:
    match operand:
        case Expr():
            return operand.expression
        case Goal() | Aggregated() | AtomBuilder():
            _refuse(f"`{operand}` has no value to compute with", "bind it first: N.assign(…)")
        case _:
            return Constant(check_value(operand))


def _term(operand: object) -> Term:
    expression = _expression(operand)
    if isinstance(expression, Call):
        _refuse(f"an atom takes variables and constants, not `{expression}`", f"Y.assign({expression}), then Y")
    return expression


def _variable(operand: object, place: str) -> Variable:
    if isinstance(operand, Expr) and isinstance(operand.expression, Variable):
        return operand.expression
    _refuse(f"{place} takes a variable, not `{operand}`", "X")


def _atom(operand: object, place: str) -> Atom:
    if isinstance(operand, AtomBuilder):
        return operand.atom
    _refuse(f"{place} takes one plain atom, not `{operand}`", "p(x=X)")


def _predicate(part: object) -> Predicate:
    match part:
        case Goal():
            return part.predicate
        case AtomBuilder():
            return Selection(part.atom)
        case Expr(expression=Call() as condition):
            return Condition(condition)
        case _:
            _refuse(f"`{part}` is not a condition", "an atom, a comparison, or functions.starts_with(T, ...)")


def _attribute(name: str) -> str:
    return _name(name[:-1] if name.endswith("_") and len(name) > 1 else name, "an attribute")


def _name(name: str, what: str) -> str:
    if not isinstance(name, str) or not name or "`" in name or "\n" in name or "\r" in name:
        _refuse(f"{name!r} cannot name {what}: it is text, without backquotes or line ends", "edge")
    return check_text(name)


def _refuse(message: str, fix: str, code: str = "logic.build") -> NoReturn:
    raise ProgramError(code, message, fix=fix)

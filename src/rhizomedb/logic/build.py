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

from rhizomedb.errors import ProgramError, nearest_names
from rhizomedb.facts.value import Value, check_value
from rhizomedb.logic.builders import (
    Aggregated,
    AtomBuilder,
    Expr,
    Goal,
    Operand,
    RelationBuilder,
    atom_of,
    call,
    checked_name,
    refuse,
    term_of,
    variable_of,
)
from rhizomedb.logic.builtins import FUNCTIONS
from rhizomedb.logic.syntax import (
    KEYWORDS,
    PLAIN_NAME,
    TYPES,
    Constant,
    Declaration,
    Import,
    OptionalAtom,
    Parameter,
    Program,
    Rule,
    Variable,
)
from rhizomedb.logic.tokens import VARIABLE_NAME


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
        refuse(f"{name!r} cannot name a variable, which begins with a capital letter", fix)
    return Expr(Variable(name))


def variables(names: str) -> tuple[Expr, ...]:
    """Several variables: `X, Y, Z = variables("X Y Z")`."""
    return tuple(map(variable, names.split()))


def parameter(name: str) -> Expr:
    """`$name`: a value that is given when the program runs."""
    if not (isinstance(name, str) and name.isidentifier() and name.isascii()):
        refuse(f"{name!r} cannot name a parameter, which is letters, digits and _", "limit")
    return Expr(Parameter(name))


def constant(value: Value) -> Expr:
    """A value as an expression, where a plain Python value would be taken for something else."""
    return Expr(Constant(check_value(value)))


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


def aggregate(function: str, *parameters: Expr, over: AtomBuilder) -> Aggregated:
    """Any aggregate over an atom: `aggregate("dot", X, Y, over=p(x=X, y=Y))`."""
    if not PLAIN_NAME.match(function) or function in KEYWORDS:
        refuse(f"`{function}` cannot name an aggregate", "dot")
    names = tuple(variable_of(given, f"a parameter of `{function}`") for given in parameters)
    return Aggregated(function, names, atom_of(over, f"`{function}`"))


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
    plain = atom_of(atom, "optional")
    given: dict[str, Constant | Parameter] = {}
    for name, default in defaults.items():
        term = term_of(default)
        if isinstance(term, Variable):
            refuse(f"the default of `{name}` is a variable; it is a value or a parameter", f"{name}=0")
        given[name] = term
    present = dict.fromkeys(term for _, term in plain.arguments if isinstance(term, Variable))
    unknown = set(given) - {found.name for found in present}
    if unknown:
        refuse(f"`{min(unknown)}` has a default but is not in `{plain}`", f"one of {', '.join(map(str, present))}")
    return Goal(OptionalAtom(plain, tuple((found, given[found.name]) for found in present if found.name in given)))


def declare(name: str, attributes: Mapping[str, str] | Iterable[str], *, event: bool = False) -> Declaration:
    """`relation edge(from: int, to).` is `declare("edge", {"from": "int", "to": "any"})`."""
    typed = attributes if isinstance(attributes, Mapping) else dict.fromkeys(attributes, "any")
    for attribute, kind in typed.items():
        if kind not in TYPES:
            near = nearest_names(str(kind), TYPES)
            message = f"{kind!r}, the type of `{attribute}`, is not one of {', '.join(TYPES)}"
            raise ProgramError("logic.unknown-type", message, nearest=near, fix=(*near, "any")[0])
    columns = tuple((checked_name(attribute, "an attribute"), kind) for attribute, kind in typed.items())
    return Declaration(checked_name(name, "a relation"), columns, event)


def program(*parts: Rule | Declaration | AtomBuilder | Program) -> Program:
    """A program of rules, declarations, ground facts (atoms by themselves) and whole programs, in this order."""
    rules: list[Rule] = []
    declarations: list[Declaration] = []
    imports: list[Import] = []
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
                imports += part.imports
            case _:
                refuse(f"{part!s} cannot stand by itself in a program", "path(x=X).when(edge(from_=X))")
    return Program(tuple(rules), tuple(declarations), imports=tuple(imports))

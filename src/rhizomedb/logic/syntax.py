"""The abstract syntax of PomoLogic: what a program is made of (PomoLogic 1.1, 2.5).

Every node is a frozen value that prints as it is written. A node's `span` says where it stands in the text and takes
no part in equality; a node built from Python has no span.

    // who runs longer than three hours; the credits count as nothing where nobody says
    long(title: T, minutes: M) :-
        fact(entity: E, attribute: "title", value: T),
        fact(entity: E, attribute: "runtime", value: R),
        optional fact(entity: E, attribute: "credits", value: K = 0),
        M := R - K, M > $limit.
"""

from __future__ import annotations

import json
import re
from dataclasses import field
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import Span
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Value

PLAIN_NAME = re.compile(r"[a-z][A-Za-z0-9_]*\Z")
"""A name of a relation or attribute that needs no backquotes."""

OPERATORS = ("or", "and", "+", "-", "*", "/")
"""The functions that are written between their two arguments."""

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def show_value(value: Value) -> str:
    """A constant as PomoLogic writes it: `true`, `3`, `3.0`, `"text"`, `bytes"00ff"`, `cid"bafy…"`."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return f'bytes"{value.hex()}"'
        case Cid():
            return f'cid"{value}"'
        case _:
            return repr(value)


def show_name(name: str) -> str:
    """A name of a relation or attribute, in backquotes where it is not a plain name and can be written at all."""
    return name if (PLAIN_NAME.match(name) and name not in KEYWORDS) or "`" in name else f"`{name}`"


KEYWORDS = frozenset({"relation", "event", "optional", "not", "true", "false", "and", "or"})


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that stands for a value; it begins with a capital letter, or with `_` and a capital."""

    name: str
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Constant:
    """A value written in the program."""

    value: Value
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __eq__(self, other: object) -> bool:  # 1, 1.0 and true are three constants
        return isinstance(other, Constant) and type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def __str__(self) -> str:
        return show_value(self.value)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A place for a value that is given when the program runs and is never pasted into text: `$name`."""

    name: str
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        return f"${self.name}"


Term: TypeAlias = Variable | Constant | Parameter
"""What an atom's attribute can be given."""


@dataclass(frozen=True, slots=True)
class Call:
    """A built-in function or operator applied to arguments: `upper(T)`, `R / 60`."""

    function: str
    arguments: tuple[Expression, ...]
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        if self.function in OPERATORS and len(self.arguments) == 2:
            left, right = (
                f"({a})" if isinstance(a, Call) and a.function in OPERATORS else str(a) for a in self.arguments
            )
            return f"{left} {self.function} {right}"
        return f"{self.function}({', '.join(map(str, self.arguments))})"


Expression: TypeAlias = Variable | Constant | Parameter | Call


@dataclass(frozen=True, slots=True)
class Atom:
    """A relation with terms for some of its attributes; an attribute left out matches anything."""

    relation: str
    arguments: tuple[tuple[str, Term], ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        inner = ", ".join(f"{show_name(attribute)}: {term}" for attribute, term in self.arguments)
        return f"{show_name(self.relation)}({inner})"


@dataclass(frozen=True, slots=True)
class Selection:
    """`p(x: X)` or `C := p(x: X)`: one binding for each matching tuple; `C` takes the tuple's CID."""

    atom: Atom
    cid: Variable | None = None

    def __str__(self) -> str:
        return f"{self.cid} := {self.atom}" if self.cid else str(self.atom)


@dataclass(frozen=True, slots=True)
class Negation:
    """`!p(x: X)`: holds when no tuple matches."""

    atom: Atom

    def __str__(self) -> str:
        return f"!{self.atom}"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """`T := sum Q : p(c: C, q: Q)`: a function over all matching tuples; its target is bound, or else compared."""

    target: Term
    function: str
    parameters: tuple[Variable, ...]
    atom: Atom
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        parameters = "".join(f" {', '.join(map(str, self.parameters))}" if self.parameters else "")
        return f"{self.target} := {self.function}{parameters} : {self.atom}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """`R > 180`: a comparison; values of different kinds never match, except that they do differ (`!=`)."""

    left: Expression
    operator: str
    right: Expression
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class Condition:
    """`starts_with(T, "The")`: a built-in whose result must be true."""

    call: Call

    def __str__(self) -> str:
        return str(self.call)


@dataclass(frozen=True, slots=True)
class Assignment:
    """`M := R - K`: binds a variable to the result of a built-in; no result, no match. Compared if already bound."""

    target: Variable
    expression: Expression
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.target} := {self.expression}"


@dataclass(frozen=True, slots=True)
class OptionalAtom:
    """`optional p(x: X, y: Y = 0)`: each match, or the written defaults where there is none (a left join).

    `defaults` has one entry for every variable that the atom would bind.
    """

    atom: Atom
    defaults: tuple[tuple[Variable, Constant | Parameter], ...]

    def __str__(self) -> str:
        given = dict(self.defaults)
        inner = ", ".join(
            f"{show_name(attribute)}: {term}"
            + (f" = {given[term]}" if isinstance(term, Variable) and term in given else "")
            for attribute, term in self.atom.arguments
        )
        return f"optional {show_name(self.atom.relation)}({inner})"


Predicate: TypeAlias = Selection | Negation | Aggregation | Constraint | Condition | Assignment | OptionalAtom


@dataclass(frozen=True, slots=True)
class Rule:
    """`head :- body.`: the head holds for every way to satisfy the body; `@next` moves it to the next timestep."""

    head: Atom
    body: tuple[Predicate, ...] = ()
    inductive: bool = False
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        head = f"{self.head}{'@next' if self.inductive else ''}"
        return f"{head} :- {', '.join(map(str, self.body))}." if self.body else f"{head}."


TYPES = ("bool", "int", "float", "text", "bytes", "cid", "any")
"""The types that a declaration can give an attribute."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """`relation edge(from: int, to: int).` names a relation's attributes in order; `event` ones live for one epoch."""

    relation: str
    attributes: tuple[tuple[str, str], ...]
    event: bool = False
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        inner = ", ".join(
            show_name(name) if kind == "any" else f"{show_name(name)}: {kind}" for name, kind in self.attributes
        )
        return f"{'event' if self.event else 'relation'} {show_name(self.relation)}({inner})."


@dataclass(frozen=True, slots=True)
class Import:
    """`import "add-wins-set".`: the rules of a data type of that name are rules of the program."""

    name: str
    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __str__(self) -> str:
        return f"import {show_value(self.name)}."


@dataclass(frozen=True, slots=True)
class Program:
    """Declarations and rules, and what is imported; `source` is the text it was parsed from, for messages."""

    rules: tuple[Rule, ...]
    declarations: tuple[Declaration, ...] = ()
    source: str | None = field(default=None, compare=False, repr=False)
    imports: tuple[Import, ...] = field(default=(), kw_only=True)

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.imports, *self.declarations, *self.rules)))

    def __add__(self, other: Program) -> Program:
        """Both programs' declarations and rules; relations of the same name become one."""
        declarations = dict.fromkeys((*self.declarations, *other.declarations))
        imports = tuple(dict.fromkeys((*self.imports, *other.imports)))
        return Program(tuple(dict.fromkeys((*self.rules, *other.rules))), tuple(declarations), imports=imports)

    @property
    def answer(self) -> str | None:
        """The relation that the program answers with unless another is asked for: the head of its last rule."""
        return self.rules[-1].head.relation if self.rules else None

"""Bodies: what the dataflow runs. Rules over named relations of columns, groupings, and the strata they form.

A body is the conjunction that a rule of Datalog has, without an order:

    path(x, z) :- edge(x, y), path(y, z), not blocked(z, _), x != z

Variables are names; a term in a column is a variable, a constant cell, or nothing where any will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Formula, Operand, attributes_of
from rhizomedb.algebra.formula import Row as Cells
from rhizomedb.facts.value import Cell, plain
from rhizomedb.logic.syntax import show_value


@dataclass(frozen=True, slots=True)
class Variable:
    """Stands for the same cell wherever it stands in a body."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Given:
    """A constant."""

    cell: Cell

    def __str__(self) -> str:
        return show_value(plain(self.cell))


Term: TypeAlias = Variable | Given


@dataclass(frozen=True, slots=True)
class Atom:
    """The tuples of a relation that agree with a term in each column; `None` agrees with everything."""

    relation: str
    terms: tuple[Term | None, ...]

    @property
    def variables(self) -> frozenset[str]:
        """The variables that stand in it."""
        return frozenset(term.name for term in self.terms if isinstance(term, Variable))

    def __str__(self) -> str:
        return f"{self.relation}({', '.join('_' if term is None else str(term) for term in self.terms)})"


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep what a formula over the variables holds for."""

    formula: Formula

    @property
    def needs(self) -> frozenset[str]:
        """The variables that must be bound."""
        return attributes_of(self.formula)

    def __str__(self) -> str:
        return str(self.formula)


@dataclass(frozen=True, slots=True)
class Compute:
    """Bind a variable to the result of an operand; without a result, no tuple. If it is bound, the two must be equal."""

    variable: str
    operand: Operand

    @property
    def needs(self) -> frozenset[str]:
        """The variables that must be bound."""
        return attributes_of(self.operand)

    def __str__(self) -> str:
        return f"{self.variable} := {self.operand}"


Step: TypeAlias = Keep | Compute


@dataclass(frozen=True, slots=True)
class Body:
    """All of these at once."""

    atoms: tuple[Atom, ...] = ()
    negations: tuple[Atom, ...] = ()
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        parts = [*map(str, self.atoms), *(f"not {atom}" for atom in self.negations), *map(str, self.steps)]
        return ", ".join(parts) or "true"


@dataclass(frozen=True, slots=True)
class Rule:
    """The tuples of `terms` for everything that satisfies the body belong to the relation `head`."""

    head: str
    terms: tuple[Term, ...]
    body: Body

    def __str__(self) -> str:
        return f"{self.head}({', '.join(map(str, self.terms))}) :- {self.body}"


@dataclass(frozen=True, slots=True)
class Grouping:
    """The relation `head` has for each group of the tuples of `source` that agree on `keys` these and the aggregates."""

    head: str
    source: str
    keys: tuple[int, ...]
    aggregates: tuple[tuple[str, tuple[int, ...]], ...]

    def __str__(self) -> str:
        results = ", ".join(f"{name}({', '.join(map(str, columns))})" for name, columns in self.aggregates)
        return f"{self.head} :- group {self.source} by ({', '.join(map(str, self.keys))}): {results}"


@dataclass(frozen=True, slots=True)
class Graph:
    """The relation `head` has what a relation of pairs says as a graph: what is reached from what, or its components.

    `function` is "closure"; "min" or "max" for each node with the least or greatest node of its component; or "min reached"
    or "max reached" for each node with the least or greatest that it reaches. `backwards` follows the pairs the other way.
    """

    head: str
    source: str
    function: str
    backwards: bool = False

    def __str__(self) -> str:
        of = "of each component of" if self.function in ("min", "max") else "of"
        return f"{self.head} :- {self.function} {of} {self.source}{', backwards' if self.backwards else ''}"


@dataclass(frozen=True, slots=True)
class Stratum:
    """Relations that are derived together, after all that they rest on."""

    relations: tuple[str, ...]
    rules: tuple[Rule, ...]
    groupings: tuple[Grouping, ...]
    graphs: tuple[Graph, ...]
    recursive: bool

    def __str__(self) -> str:
        lines = "\n".join(map(str, (*self.rules, *self.groupings, *self.graphs)))
        return f"loop\n  {lines.replace(chr(10), chr(10) + '  ')}\nend" if self.recursive else lines


def read_by(stratum: Stratum) -> set[str]:
    """The relations from below that a stratum reads."""
    read = {a.relation for rule in stratum.rules for a in (*rule.body.atoms, *rule.body.negations)}
    read |= {grouping.source for grouping in stratum.groupings} | {graph.source for graph in stratum.graphs}
    return read - set(stratum.relations)


@dataclass(frozen=True, slots=True)
class Input:
    """What is read of a stored relation: these columns of the tuples that agree with some constants.

    So a program reads an attribute's own tuples, and never one large relation of all facts joined with itself.
    """

    relation: str
    bound: tuple[tuple[str, Cell], ...]
    columns: tuple[str, ...]

    def __str__(self) -> str:
        given = ", ".join(f"{name}: {show_value(plain(cell))}" for name, cell in self.bound)
        return f"{self.relation}[{given}]" if given else self.relation


@dataclass(frozen=True, slots=True)
class Flow:
    """A plan as strata, the width of every relation in it, what it reads, and what it gives itself."""

    strata: tuple[Stratum, ...]
    widths: Mapping[str, int]
    inputs: Mapping[str, Input]
    given: Mapping[str, tuple[Cells, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(
            str(stratum) for stratum in self.strata if stratum.rules or stratum.groupings or stratum.graphs
        )

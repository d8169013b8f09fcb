"""Plans: assignments and loops over relational expressions (PomoRA 1, 2.1, 2.2).

An assignment is inflationary: it adds the tuples of an expression to a relation and takes none away. A loop repeats
its block until none of the relations assigned in it grows. A plan is a block together with the relations that it may
read: what is stored, and what it derives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra.relation import Attributes, Relation, Scan
from rhizomedb.errors import PlanError, nearest_names
from rhizomedb.logic.syntax import Rule

CID_COLUMN = "$cid"
"""The column of a stored relation that holds the CIDs of its tuples."""


@dataclass(frozen=True, slots=True)
class Assign:
    """`relation :- expression`: add the tuples of the expression to the relation; `rule` is where it comes from."""

    relation: str
    expression: Relation
    rule: Rule | None = None

    def __str__(self) -> str:
        return f"{self.relation} :- {self.expression}"


@dataclass(frozen=True, slots=True)
class Block:
    """Statements, one after the other."""

    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements))

    def assignments(self) -> Iterator[Assign]:
        """Every assignment in the block and in its loops, in order."""
        for statement in self.statements:
            if isinstance(statement, Loop):
                yield from statement.body.assignments()
            else:
                yield statement


@dataclass(frozen=True, slots=True)
class Extreme:
    """That of a relation's tuples only those with the least or greatest cell under a column will ever be asked for.

    The least or greatest for each combination of the other columns; `function` is `min` or `max`.
    """

    relation: str
    column: str
    function: str


@dataclass(frozen=True, slots=True)
class Loop:
    """A block repeated until nothing that it assigns grows.

    What an engine may use, and evaluation may pass over: the columns that the loop hands on unchanged (`passing`), and
    where a lattice will do for a set (`extremes`).
    """

    body: Block
    passing: tuple[tuple[str, Attributes], ...] = ()
    extremes: tuple[Extreme, ...] = ()

    def __str__(self) -> str:
        inner = str(self.body).replace("\n", "\n  ")
        return f"loop\n  {inner}\nend"

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations assigned in the loop."""
        return tuple(dict.fromkeys(assign.relation for assign in self.body.assignments()))


Statement: TypeAlias = Assign | Loop


@dataclass(frozen=True)
class Plan:
    """A block, the columns of the stored relations that it may read (`$cid` among them), and what it derives."""

    block: Block
    stored: Mapping[str, Attributes]
    derived: Mapping[str, Attributes]

    def __post_init__(self) -> None:
        for assign in self.block.assignments():
            if assign.relation not in self.derived:
                raise self._unknown(assign.relation)
            if set(assign.expression.attributes) != set(self.derived[assign.relation]):
                raise PlanError(
                    "algebra.attributes",
                    f"`{assign.relation}` has the attributes {', '.join(self.derived[assign.relation])}; "
                    f"it is assigned {', '.join(assign.expression.attributes)}",
                )
            for scan in scans(assign.expression):
                self._check(scan)

    def _check(self, scan: Scan) -> None:
        columns = self.derived.get(scan.relation) or self.stored.get(scan.relation)
        if columns is None and scan.relation not in self.derived:
            raise self._unknown(scan.relation)
        columns = columns or ()
        read = (*scan.names, CID_COLUMN) if scan.cid is not None else scan.names
        for name in read:
            if name not in columns:
                raise PlanError(
                    "algebra.attributes",
                    f"`{scan.relation}` has no attribute `{name}`",
                    nearest=nearest_names(name, columns),
                )

    def _unknown(self, relation: str) -> PlanError:
        known = (*self.derived, *self.stored)
        return PlanError(
            "algebra.unknown-relation", f"no relation is called `{relation}`", nearest=nearest_names(relation, known)
        )

    def __str__(self) -> str:
        return str(self.block)


def nodes(expression: Relation) -> Iterator[Relation]:
    """Every node of an expression, each before the nodes that it reads."""
    pending = [expression]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(node.children)


def scans(expression: Relation) -> Iterator[Scan]:
    """Every place where an expression reads a relation by name, left to right."""
    return (node for node in nodes(expression) if isinstance(node, Scan))

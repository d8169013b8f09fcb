"""Statistics: what a planner is told of sizes, and what it makes of them.

A planner asks how many tuples a stored relation has, all of them or those that agree with some constants, and how many
different cells a column has; it may be told nothing.
For the rest there are the textbook's guesses (Selinger et al. 1979): columns are independent, cells are spread evenly,
and of two columns that are joined, the one with fewer different cells has all of them in the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from math import prod
from typing import Protocol

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Attribute, Comparison, Constant, Formula, conjuncts
from rhizomedb.algebra.program import CID_COLUMN, Assign, Loop, Plan
from rhizomedb.algebra.relation import (
    AntiJoin,
    Closure,
    Components,
    Difference,
    EquiJoin,
    Extend,
    GroupBy,
    Join,
    LeftJoin,
    Product,
    Project,
    Relation,
    Rename,
    Scan,
    Select,
    SemiJoin,
    ThetaJoin,
    Union,
    Unit,
    Values,
)
from rhizomedb.algebra.source import Bound, Source
from rhizomedb.facts.value import Cell

ROWS = 1000.0
"""How large a relation is taken to be of which nothing is known."""

SELECTED = 1 / 3
"""Which part of the tuples a comparison is taken to keep that is not an equality."""

ROUNDS = 4.0
"""How many times larger than its first round a recursion is taken to become."""


class Statistics(Protocol):
    """What is known of stored relations; `None` where nothing is."""

    def size(self, relation: str, bound: Bound) -> int | None:
        """How many tuples a relation has that agree with `bound`."""
        ...

    def distinct(self, relation: str, column: str) -> int | None:
        """How many different cells a column has."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Statistics that are written down.

    >>> Counts({"edge": 100}, {("edge", "from"): 10}).distinct("edge", "from")
    10
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    distincts: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def size(self, relation: str, bound: Bound) -> int | None:
        """How many tuples a relation has, where that is asked of all of them."""
        return None if bound else self.sizes.get(relation)

    def distinct(self, relation: str, column: str) -> int | None:
        """How many different cells a column has."""
        return self.distincts.get((relation, column))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a source says by itself: its sizes, also of what agrees with constants, and no counts of cells.

    >>> from rhizomedb.algebra.source import Relations
    >>> Sizes(Relations({"edge": (("from", "to"), [(1, 2), (1, 3), (2, 3)])})).size("edge", {"from": 1})
    2
    """

    source: Source

    def size(self, relation: str, bound: Bound) -> int | None:
        """How many tuples a relation has that agree with `bound`."""
        return self.source.size(relation, bound)

    def distinct(self, relation: str, column: str) -> int | None:
        """Nothing is known of single columns."""
        return None


UNKNOWN = Counts()
"""No statistics."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how many tuples an expression has, and how many different cells under each attribute."""

    rows: float
    distinct: Mapping[str, float]

    def of(self, name: str) -> float:
        """How many different cells an attribute has: at least one, at most a cell for each tuple."""
        return max(1.0, min(self.distinct.get(name, self.rows), self.rows))


def joined(left: Estimate, right: Estimate, shared: Iterable[str]) -> Estimate:
    """The natural join of two relations on the names that they share."""
    names = list(shared)
    rows = left.rows * right.rows / prod(max(left.of(name), right.of(name)) for name in names)
    distinct = {**right.distinct, **left.distinct}
    distinct |= {name: min(left.of(name), right.of(name)) for name in names}
    return Estimate(rows, distinct)


def matched(left: Estimate, right: Estimate, shared: Iterable[str]) -> Estimate:
    """The tuples of the left that agree with some tuple of the right."""
    share = prod(min(1.0, right.of(name) / left.of(name)) for name in shared)
    return Estimate(left.rows * share if right.rows >= 1 else 0.0, left.distinct)


class Estimates:
    """What expressions of a plan are taken to hold, derived relations in the order in which they are assigned."""

    def __init__(self, plan: Plan, statistics: Statistics) -> None:
        self.statistics = statistics
        self.derived: dict[str, Estimate] = {}
        for statement in plan.block.statements:
            assigns = [statement] if isinstance(statement, Assign) else list(statement.body.assignments())
            factor = ROUNDS if isinstance(statement, Loop) else 1.0
            known = dict(self.derived)
            for assign in assigns:
                found = self.of(assign.expression, known)
                before = self.derived.get(assign.relation, Estimate(0.0, {}))
                distinct = {name: before.distinct.get(name, 0.0) + found.of(name) for name in found.distinct}
                self.derived[assign.relation] = Estimate(before.rows + found.rows * factor, distinct)

    def of(self, expression: Relation, derived: Mapping[str, Estimate] | None = None) -> Estimate:
        """The estimate for an expression; of a relation that is not assigned yet, as of an empty one."""
        derived = self.derived if derived is None else derived
        made: list[Estimate] = []
        pending: list[tuple[Relation, bool]] = [(expression, False)]
        while pending:
            node, ready = pending.pop()
            if not ready:
                pending.append((node, True))
                pending += [(child, False) for child in reversed(node.children)]
                continue
            count = len(node.children)
            children = made[len(made) - count :]
            del made[len(made) - count :]
            made.append(self._node(node, children, derived))
        return made[0]

    def _node(self, node: Relation, children: list[Estimate], derived: Mapping[str, Estimate]) -> Estimate:
        match node:
            case Unit():
                return Estimate(1.0, {})
            case Values(names, tuples):
                columns = zip(*tuples, strict=True) if tuples else ()
                return Estimate(float(len(tuples)), dict(zip(names, map(_different, columns), strict=False)))
            case Scan():
                return self._scan(node, derived)
            case Project(_, names):
                [child] = children
                most = prod((child.of(name) for name in names), start=1.0)
                return Estimate(min(child.rows, most), {name: child.of(name) for name in names})
            case Rename(_, renames):
                new = dict(renames)
                return Estimate(children[0].rows, {new.get(n, n): d for n, d in children[0].distinct.items()})
            case Select(Scan() as scan, formula) if scan.relation not in derived:
                return self._found(scan, formula, _selected(children[0], formula))
            case Select(_, formula):
                return _selected(children[0], formula)
            case Extend(_, name, operand):
                [child] = children
                cells = child.of(operand.name) if isinstance(operand, Attribute) else child.rows
                return Estimate(child.rows, {**child.distinct, name: 1.0 if isinstance(operand, Constant) else cells})
            case Union():
                names = node.attributes
                return Estimate(
                    sum(child.rows for child in children),
                    {name: sum(child.of(name) for child in children) for name in names},
                )
            case Join() | Product():
                return joined(children[0], children[1], node.shared)
            case ThetaJoin(_, _, formula) | EquiJoin(_, _, formula):
                return _selected(joined(children[0], children[1], ()), formula)
            case SemiJoin():
                return matched(children[0], children[1], node.shared)
            case AntiJoin() | Difference():
                left = children[0]
                return Estimate(
                    max(left.rows - matched(children[0], children[1], node.shared).rows, left.rows / 8), left.distinct
                )
            case LeftJoin():
                inner = joined(children[0], children[1], node.shared)
                return Estimate(max(inner.rows, children[0].rows), inner.distinct)
            case GroupBy(_, keys):
                [child] = children
                most = prod((child.of(name) for name in keys), start=1.0)
                return Estimate(min(child.rows, most), {name: child.of(name) for name in keys})
            case Closure(_, start, end):
                [child] = children
                return Estimate(child.rows * ROUNDS, {start: child.of(start), end: child.of(end)})
            case Components(_, one, other, node=name):
                [child] = children
                return Estimate(child.of(one) + child.of(other), {name: child.of(one) + child.of(other)})
            case _:
                raise AssertionError(f"every operator has an estimate: {node.label}")

    def _scan(self, scan: Scan, derived: Mapping[str, Estimate]) -> Estimate:
        if scan.relation in derived:
            return derived[scan.relation]
        size = self.statistics.size(scan.relation, {})
        rows = ROWS if size is None else float(size)
        distinct = {}
        for name in scan.names:
            known = self.statistics.distinct(scan.relation, name)
            # Nothing known: a column of n attributes is taken to divide the relation as each of the others does.
            distinct[name] = float(known) if known is not None else rows ** (1 / max(1, len(scan.names)))
        if scan.cid is not None:
            distinct[scan.cid] = float(self.statistics.distinct(scan.relation, CID_COLUMN) or rows)
        return Estimate(rows, distinct)

    def _found(self, scan: Scan, formula: Formula, guess: Estimate) -> Estimate:
        """What a selection from a stored relation holds, by what is known of its constants instead of a guess."""
        bound: dict[str, Cell] = {}
        others = 0
        for part in conjuncts(formula):
            match part:
                case Comparison(Attribute(name), "==", Constant(cell)) | Comparison(
                    Constant(cell), "==", Attribute(name)
                ):
                    bound.setdefault(CID_COLUMN if name == scan.cid else name, cell)
                case _:
                    others += 1
        size = self.statistics.size(scan.relation, bound) if bound else None
        return guess if size is None else Estimate(size * SELECTED**others, guess.distinct)


def _different(cells: Iterable[object]) -> float:
    return float(len(set(cells)))


def _selected(child: Estimate, formula: Formula) -> Estimate:
    rows, distinct = child.rows, dict(child.distinct)
    for part in conjuncts(formula):
        match part:
            case Comparison(Attribute(name), "==", Constant()) | Comparison(Constant(), "==", Attribute(name)):
                rows /= child.of(name)
                distinct[name] = 1.0
            case Comparison(Attribute(one), "==", Attribute(other)):
                rows /= max(child.of(one), child.of(other))
            case _:
                rows *= SELECTED
    return Estimate(rows, distinct)

"""What rewrites of plans are made of: their type, what they may know, and walks over expressions and plans.

No walk recurs: the left side of an expression may be a thousand operators long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra.program import Assign, Block, Loop, Plan, Statement, scans
from rhizomedb.algebra.relation import Relation, Union
from rhizomedb.algebra.statistics import UNKNOWN, Statistics
from rhizomedb.errors import PlanError
from rhizomedb.logic.aggregates import AGGREGATES, Aggregate


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the plan: sizes, the aggregates by name, and the relations asked for (`None`: all)."""

    statistics: Statistics = UNKNOWN
    asked: frozenset[str] | None = None
    aggregates: Mapping[str, Aggregate] = field(default_factory=lambda: AGGREGATES)

    def is_builtin(self, function: str) -> bool:
        """Whether an aggregate of this name is the built-in one, not one of the user's own."""
        return function in AGGREGATES and self.aggregates.get(function) is AGGREGATES[function]


Rewrite: TypeAlias = Callable[[Plan, Context], Plan]
"""A plan that derives the same: for every relation asked for, the same tuples."""


def with_children(node: Relation, children: Sequence[Relation]) -> Relation:
    """The operator over other inputs; itself if they are the same."""
    if all(one is other for one, other in zip(node.children, children, strict=True)):
        return node
    if isinstance(node, Union):
        return Union(tuple(children))
    names = [each.name for each in fields(node) if isinstance(getattr(node, each.name), Relation)]
    changed: dict[str, Any] = dict(zip(names, children, strict=True))
    return replace(node, **changed)


def bottom_up(expression: Relation, function: Callable[[Relation], Relation]) -> Relation:
    """The expression with each node changed by a function, inputs before what reads them."""
    made: list[Relation] = []
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
        made.append(function(with_children(node, children)))
    return made[0]


def expressions_changed(plan: Plan, function: Callable[[Relation], Relation]) -> Plan:
    """The plan with each assigned expression changed by a function."""

    def change(assign: Assign) -> Assign:
        after = function(assign.expression)
        return assign if after is assign.expression else replace(assign, expression=after)

    return assigns_changed(plan, change)


def assigns_changed(plan: Plan, function: Callable[[Assign], Assign]) -> Plan:
    """The plan with each assignment changed by a function; where that would nest too deep, as it was."""

    def change(assign: Assign) -> Assign:
        try:
            return function(assign)
        except PlanError as error:
            if error.code != "algebra.too-deep":
                raise
            return assign

    block = _block(plan.block, change)
    return plan if block is plan.block else replace(plan, block=block)


def _block(block: Block, function: Callable[[Assign], Assign]) -> Block:
    statements: list[Statement] = []
    for statement in block.statements:
        if isinstance(statement, Assign):
            statements.append(function(statement))
        else:
            body = _block(statement.body, function)
            statements.append(statement if body is statement.body else replace(statement, body=body))
    same = all(one is other for one, other in zip(statements, block.statements, strict=True))
    return block if same else Block(tuple(statements))


def assigns_of(statement: Statement) -> Iterator[Assign]:
    """The assignments of a statement."""
    if isinstance(statement, Assign):
        yield statement
    else:
        yield from statement.body.assignments()


def assigned(plan: Plan) -> dict[str, list[Assign]]:
    """Every assignment by its relation."""
    found: dict[str, list[Assign]] = {name: [] for name in plan.derived}
    for assign in plan.block.assignments():
        found[assign.relation].append(assign)
    return found


def in_loops(plan: Plan) -> frozenset[str]:
    """The relations that are assigned inside a loop."""
    return frozenset(
        name for statement in plan.block.statements if isinstance(statement, Loop) for name in statement.relations
    )


def reads(expression: Relation) -> set[str]:
    """The relations that an expression reads."""
    return {scan.relation for scan in scans(expression)}

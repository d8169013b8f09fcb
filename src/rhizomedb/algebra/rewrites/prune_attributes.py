"""Projection pushdown: what nobody will look at is not read.

>>> from rhizomedb.algebra.relation import Join, Project, Scan
>>> print(pruned(Project(Join(Scan("p", ("a", "b")), Scan("q", ("b", "c", "d"))), ("a", "c")), Context()))
project[a, c](natural_join(p, project[b, c](q)))

Inputs are narrowed where they are read, not between the joins of a chain: there an evaluator drops columns by itself,
and a chain without projections can be joined in any order. Where whole tuples count, none of their columns goes: under
a difference, and under an aggregate that is not `min`, `max` or `count_distinct`. A computed attribute stays, because a
function may have no result; a copy of another goes.
"""

from __future__ import annotations

from dataclasses import replace

from rhizomedb.algebra.formula import Attribute, Constant, attributes_of
from rhizomedb.algebra.program import Plan
from rhizomedb.algebra.relation import (
    AntiJoin,
    Attributes,
    EquiJoin,
    Extend,
    GroupBy,
    Join,
    LeftJoin,
    Product,
    Project,
    Relation,
    Rename,
    Select,
    SemiJoin,
    ThetaJoin,
    Union,
)
from rhizomedb.algebra.rewrites.walk import Context, expressions_changed, with_children

IDEMPOTENT = frozenset({"min", "max", "count_distinct"})
"""Aggregates that look at each different tuple of their parameters once."""

CHAIN = (Join, Product, SemiJoin, AntiJoin, LeftJoin, Select, Extend, ThetaJoin, EquiJoin)
"""The operators whose left side, or only input, goes on the chain that they are in."""


def prune_attributes(plan: Plan, context: Context) -> Plan:
    """The plan with every input of a chain of joins narrowed to what is asked of it."""
    return expressions_changed(plan, lambda expression: pruned(expression, context))


def pruned(expression: Relation, context: Context) -> Relation:
    """The expression with projections where columns are read that nothing needs."""
    made: list[Relation] = []
    pending: list[tuple[Relation, frozenset[str], bool, bool]] = [
        (expression, frozenset(expression.attributes), False, False)
    ]
    while pending:
        node, needed, stays, ready = pending.pop()
        if not ready:
            node = _without_copies(node, needed)
            pending.append((node, needed, stays, True))
            below = _needed(node, needed, context)
            pending += [
                (child, below[place], _stays(node, child, place), False)
                for place, child in reversed(list(enumerate(node.children)))
            ]
            continue
        count = len(node.children)
        children = made[len(made) - count :]
        del made[len(made) - count :]
        changed = _rebuilt(node, children)
        names = tuple(name for name in changed.attributes if name in needed)
        if len(names) < len(changed.attributes) and not stays:
            changed = Project(changed, names)
        made.append(changed)
    return made[0]


def _stays(node: Relation, child: Relation, place: int) -> bool:
    """Whether an input keeps the columns that nothing needs: on a chain, and where a projection follows anyway."""
    return isinstance(node, Project) or (isinstance(node, CHAIN) and place == 0 and isinstance(child, CHAIN))


def _without_copies(node: Relation, needed: frozenset[str]) -> Relation:
    while isinstance(node, Extend) and node.name not in needed and isinstance(node.operand, Attribute | Constant):
        node = node.child
    return node


def _needed(node: Relation, needed: frozenset[str], context: Context) -> list[frozenset[str]]:
    """What is asked of each input."""
    whole = [frozenset(child.attributes) for child in node.children]
    match node:
        case Project(_, names):
            return [frozenset(names) & needed]
        case Rename(_, renames):
            old = {target: source for source, target in renames}
            return [frozenset(old.get(name, name) for name in needed)]
        case Select(_, formula):
            return [needed | attributes_of(formula)]
        case Extend(_, name, operand):
            return [(needed - {name}) | attributes_of(operand)]
        case Union():
            return [needed] * len(node.relations)
        case Join() | Product() | LeftJoin() | SemiJoin() | AntiJoin():
            shared = frozenset(node.shared)
            support = frozenset(node.support.attributes) if isinstance(node, LeftJoin) and node.support else frozenset()
            right = shared if isinstance(node, SemiJoin | AntiJoin) else (needed & whole[1]) | shared
            return [(needed & whole[0]) | shared | support, right, *([support] if len(whole) > 2 else [])]
        case ThetaJoin(_, _, formula) | EquiJoin(_, _, formula):
            asked = needed | attributes_of(formula)
            return [asked & whole[0], asked & whole[1]]
        case GroupBy(_, keys, aggregates) if all(
            each.function in IDEMPOTENT and context.is_builtin(each.function) for each in aggregates
        ):
            return [frozenset(keys).union(*(each.parameters for each in aggregates))]
        case _:
            return whole


def _rebuilt(node: Relation, children: list[Relation]) -> Relation:
    """The operator over narrower inputs."""
    match node:
        case Project(_, names):
            return Project(children[0], _present(names, children[0]))
        case Rename(_, renames):
            pairs = tuple(pair for pair in renames if pair[0] in children[0].attributes)
            return Rename(children[0], pairs) if pairs else children[0]
        case Union():
            names = _present(node.attributes, children[0])
            return Union(
                tuple(Project(each, names) if set(each.attributes) != set(names) else each for each in children)
            )
        case LeftJoin(_, _, defaults):
            new = set(children[1].attributes) - set(children[0].attributes)
            kept = tuple(pair for pair in defaults if pair[0] in new)
            support = children[2] if len(children) > 2 else None
            return replace(node, left=children[0], right=children[1], defaults=kept, support=support)
        case _:
            return with_children(node, children)


def _present(names: Attributes, child: Relation) -> Attributes:
    return tuple(name for name in names if name in child.attributes)

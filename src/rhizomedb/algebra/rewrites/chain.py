"""Chains of joins, taken apart and put together again in another order.

What a chain is, and when which order is the same, `conjunction` says: leaves that are joined, and steps on the joined
tuples, each as soon as what it needs is there; a leaf waits for the step that gives an attribute of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rhizomedb.algebra.conjunction import Compute, Conjunction, Keep, OrElse, Step, Without, conjunction_of, within
from rhizomedb.algebra.formula import Attribute, Comparison, Constant, conjunction
from rhizomedb.algebra.relation import (
    AntiJoin,
    Difference,
    EquiJoin,
    Extend,
    Join,
    LeftJoin,
    Product,
    Relation,
    Select,
    SemiJoin,
    ThetaJoin,
    Unit,
)
from rhizomedb.algebra.rewrites.walk import bottom_up, with_children

CHAIN = (Join, Product, ThetaJoin, EquiJoin, SemiJoin, AntiJoin, Difference, LeftJoin, Select, Extend)
"""The operators that go on the chain of their left side."""


def chains_changed(expression: Relation, change: Callable[[Relation], Relation]) -> Relation:
    """The expression with each whole chain in it changed by a function."""

    def inside(node: Relation) -> Relation:
        held = isinstance(node, CHAIN)
        children = [
            change(child) if isinstance(child, CHAIN) and not (held and place == 0) else child
            for place, child in enumerate(node.children)
        ]
        return with_children(node, children)

    expression = bottom_up(expression, inside)
    return change(expression) if isinstance(expression, CHAIN) else expression


def taken_apart(expression: Relation) -> Conjunction:
    """The leaves and steps of a chain, what must equal a constant selected in the leaves."""
    parts = conjunction_of(expression)
    leaves = []
    for leaf in parts.leaves:
        bound = within(leaf, parts.constants)
        tests = [Comparison(Attribute(name), "==", Constant(cell)) for name, cell in bound.items()]
        leaves.append(Select(leaf, conjunction(tests)) if tests else leaf)
    return Conjunction(tuple(leaves), parts.steps, {}, parts.contradictory)


def waits(parts: Conjunction) -> bool:
    """Whether some leaf has an attribute that a step gives."""
    given = {name for step in parts.steps for name in step.gives}
    return any(not given.isdisjoint(leaf.attributes) for leaf in parts.leaves)


def put_together(leaves: Sequence[Relation], steps: Sequence[Step]) -> Relation:
    """A chain of these leaves, in this order as far as none waits, with each step as soon as it can be taken."""
    left, pending = list(leaves), list(steps)
    relation: Relation = Unit()
    while True:
        have = set(relation.attributes)
        early = [step for step in pending if not isinstance(step, OrElse) and step.needs <= have]
        given = {name for step in pending for name in step.gives}
        if early:
            pending = [step for step in pending if step is not early[0]]
            relation = _taken(relation, early[0])
        elif (leaf := next((each for each in left if given.isdisjoint(each.attributes)), None)) is not None:
            left = [each for each in left if each is not leaf]
            relation = _joined(relation, leaf)
        elif (step := next((each for each in pending if each.needs <= have), None)) is not None:
            pending = [each for each in pending if each is not step]
            relation = _taken(relation, step)
        else:
            break
    assert not left and not pending, "every step's attributes come from the leaves and steps below it"
    return relation


def _joined(relation: Relation, leaf: Relation) -> Relation:
    if isinstance(relation, Unit):
        return leaf
    shared = set(relation.attributes) & set(leaf.attributes)
    if shared and shared == set(leaf.attributes):
        return SemiJoin(relation, leaf)
    return Join(relation, leaf) if shared else Product(relation, leaf)


def _taken(relation: Relation, step: Step) -> Relation:
    match step:
        case Keep(formula):
            return Select(relation, formula)
        case Compute(name, operand):
            return Extend(relation, name, operand)
        case Without(right):
            return AntiJoin(relation, right)
        case OrElse(join):
            return LeftJoin(relation, join.right, join.defaults, join.support)

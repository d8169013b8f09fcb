"""Conjunctions: a chain of joins, selections, extensions and look-ups taken apart, to be done in any order.

PomoRA writes a rule's body as a tree that leans to the left. Which of its relations is best read first depends on
sizes that only evaluation knows, and in a recursion on which of them has just changed. So evaluation looks at the
chain as *leaves*, all joined with each other on the names that they share, and *steps* on the joined tuples:

    natural_join(select[a < 3](antijoin(p, q)), r)    leaves p, r; steps: keep a < 3, without q

A step can be done as soon as the attributes that it needs are there, and each gives attributes that no leaf before it
in the tree has; so a leaf that has such an attribute waits for the step. Apart from that, the order is free: every
step acts on each tuple by itself, and looks at no attribute but those it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Attribute, Comparison, Constant, Formula, Operand, attributes_of, conjuncts
from rhizomedb.algebra.relation import (
    AntiJoin,
    Attributes,
    Difference,
    EquiJoin,
    Extend,
    Join,
    LeftJoin,
    Product,
    Project,
    Relation,
    Select,
    SemiJoin,
    ThetaJoin,
    Unit,
)
from rhizomedb.facts.value import Cell


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the tuples for which the formula holds."""

    formula: Formula
    needs: frozenset[str]
    gives: Attributes = ()


@dataclass(frozen=True, slots=True)
class Compute:
    """Add the operand's cell under a new name."""

    name: str
    operand: Operand
    needs: frozenset[str]

    @property
    def gives(self) -> Attributes:
        """The new name."""
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Without:
    """Drop the tuples that agree with a tuple of `right` on `shared`."""

    right: Relation
    shared: Attributes
    gives: Attributes = ()

    @property
    def needs(self) -> frozenset[str]:
        """What the two sides share."""
        return frozenset(self.shared)


@dataclass(frozen=True, slots=True)
class OrElse:
    """Join with `right` on `shared`; where nothing matches, nor in the support, the defaults."""

    join: LeftJoin
    shared: Attributes
    gives: Attributes

    @property
    def needs(self) -> frozenset[str]:
        """What the two sides share, and what the support asks for."""
        support = self.join.support
        return frozenset(self.shared) | frozenset(support.attributes if support else ())


Step: TypeAlias = Keep | Compute | Without | OrElse


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Leaves to join, steps to take, attributes that must equal a constant; `contradictory` if no tuple can do that."""

    leaves: tuple[Relation, ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, Cell]
    contradictory: bool = False

    def origin(self, name: str) -> str:
        """The attribute that `name` is a copy of, in the end; or the name itself."""
        copies = {
            step.name: step.operand.name
            for step in self.steps
            if isinstance(step, Compute) and isinstance(step.operand, Attribute)
        }
        while name in copies:
            name = copies[name]
        return name

    def given(self, bound: Mapping[str, Cell]) -> Conjunction:
        """The same with more constants: for attributes of leaves as they are, for computed ones as a step."""
        if not bound:
            return self
        computed = {name for step in self.steps for name in step.gives}
        constants, kept, contradictory = dict(self.constants), list(self.steps), self.contradictory
        for name, cell in bound.items():
            origin = self.origin(name)
            if origin in computed:
                kept.append(Keep(Comparison(Attribute(origin), "==", Constant(cell)), frozenset({origin})))
            elif constants.setdefault(origin, cell) != cell:
                contradictory = True
        return Conjunction(self.leaves, tuple(kept), constants, contradictory)


def within(leaf: Relation, constants: Mapping[str, Cell]) -> Mapping[str, Cell]:
    """The constants that a leaf has the attributes of."""
    return {name: constants[name] for name in leaf.attributes if name in constants} if constants else {}


def conjunction_of(relation: Relation) -> Conjunction:
    """Take the left spine of an expression apart, down to the first node that is none of these operators."""
    leaves: list[Relation] = []
    steps: list[Step] = []
    equal: list[tuple[str, Cell]] = []

    def keep(formula: Formula) -> None:
        for part in conjuncts(formula):
            match part:
                case Comparison(Attribute(name), "==", Constant(cell)) | Comparison(
                    Constant(cell), "==", Attribute(name)
                ):
                    equal.append((name, cell))
                case _:
                    steps.append(Keep(part, attributes_of(part)))

    while True:
        match relation:
            case Select(child, formula):
                keep(formula)
                relation = child
            case Extend(child, name, operand):
                steps.append(Compute(name, operand, attributes_of(operand)))
                relation = child
            case Join(left, right) | Product(left, right):
                leaves.append(right)
                relation = left
            case ThetaJoin(left, right, formula) | EquiJoin(left, right, formula):
                _matched(left, right, formula, keep, steps)
                leaves.append(right)
                relation = left
            case SemiJoin(left, right):
                leaves.append(Project(right, relation.shared))
                relation = left
            case AntiJoin(left, right) | Difference(left, right):
                steps.append(Without(right, relation.shared))
                relation = left
            case LeftJoin(left, right):
                steps.append(OrElse(relation, relation.shared, tuple(name for name, _ in relation.defaults)))
                relation = left
            case _:
                if not isinstance(relation, Unit):
                    leaves.append(relation)
                break
    bare = Conjunction(tuple(reversed(leaves)), tuple(reversed(steps)), {})
    for name, cell in equal:  # one at a time: an attribute may be asked to equal two different constants
        bare = bare.given({name: cell})
    return bare


def spine(relation: Relation) -> list[Relation]:
    """The leaves of a plain chain of joins, left to right; of anything else, itself."""
    leaves: list[Relation] = []
    while isinstance(relation, Join | Product):
        leaves.append(relation.right)
        relation = relation.left
    return [relation, *reversed(leaves)]


def _matched(
    left: Relation, right: Relation, formula: Formula, keep: Callable[[Formula], None], steps: list[Step]
) -> None:
    """Turn `a == b` between the sides into a copy of `a` under the name `b`, on which the sides then join naturally."""
    copied: set[str] = set()
    for part in conjuncts(formula):
        match part:
            case Comparison(Attribute(one), "==", Attribute(other)):
                a, b = (one, other) if one in left.attributes else (other, one)
                if a in left.attributes and b in right.attributes and b not in copied:
                    copied.add(b)
                    steps.append(Compute(b, Attribute(a), frozenset({a})))
                    continue
        keep(part)

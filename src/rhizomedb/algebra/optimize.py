"""The optimiser: rewrites of plans, one after the other, each of which can be left out.

>>> from rhizomedb.algebra import lower
>>> from rhizomedb.logic.parse import parse
>>> text = "tc(a: X, b: Y) :- e(x: X, y: Y). tc(a: X, b: Z) :- tc(a: X, b: Y), e(x: Y, y: Z)."
>>> plan = lower(parse(text), {"e": ("x", "y")})
>>> print(optimize(plan))
tc :- closure[a → b](rename[x → a, y → b](e))
>>> print(*traced(plan).applied, sep="\\n")
closure: tc
prune_attributes: tc
fuse_renames: tc
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rhizomedb._record import dataclass
from rhizomedb.algebra.program import Loop, Plan
from rhizomedb.algebra.rewrites.closure import closure
from rhizomedb.algebra.rewrites.components import components
from rhizomedb.algebra.rewrites.drop_unread import drop_unread
from rhizomedb.algebra.rewrites.fuse_renames import fuse_renames
from rhizomedb.algebra.rewrites.lattice import lattice
from rhizomedb.algebra.rewrites.order_joins import order_joins
from rhizomedb.algebra.rewrites.pass_through import pass_through
from rhizomedb.algebra.rewrites.prune_attributes import prune_attributes
from rhizomedb.algebra.rewrites.push_selections import push_selections
from rhizomedb.algebra.rewrites.semijoin_reduction import semijoin_reduction
from rhizomedb.algebra.rewrites.share_subplans import share_subplans
from rhizomedb.algebra.rewrites.walk import Context, Rewrite
from rhizomedb.algebra.statistics import UNKNOWN, Statistics
from rhizomedb.logic.aggregates import AGGREGATES, Aggregate

RULES: tuple[Rewrite, ...] = (
    closure,  # shapes are recognised in what lowering writes, so they come first
    components,
    drop_unread,
    lattice,
    push_selections,
    order_joins,
    semijoin_reduction,
    share_subplans,
    prune_attributes,
    fuse_renames,
    pass_through,
)
"""All rewrites of plans, in order."""

STANDING_RULES: tuple[Rewrite, ...] = tuple(
    rule for rule in RULES if rule not in (closure, components, lattice, pass_through)
)
"""Those for a plan that is kept up to date: a closure and components are read off a graph at once, and marks are for that too."""


@dataclass(frozen=True, slots=True)
class Applied:
    """That a rewrite changed what derives some relations."""

    rule: str
    relations: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.rule}: {', '.join(self.relations)}"


@dataclass(frozen=True, slots=True)
class Optimized:
    """A plan, and which rewrites made it what it is."""

    plan: Plan
    applied: tuple[Applied, ...]


def optimize(
    plan: Plan,
    statistics: Statistics = UNKNOWN,
    rules: Iterable[Rewrite] = RULES,
    *,
    asked: Iterable[str] | None = None,
    aggregates: Mapping[str, Aggregate] = AGGREGATES,
) -> Plan:
    """A plan that derives the same for the relations asked for (`None`: all of them), by these rewrites in order."""
    return traced(plan, statistics, rules, asked=asked, aggregates=aggregates).plan


def traced(
    plan: Plan,
    statistics: Statistics = UNKNOWN,
    rules: Iterable[Rewrite] = RULES,
    *,
    asked: Iterable[str] | None = None,
    aggregates: Mapping[str, Aggregate] = AGGREGATES,
) -> Optimized:
    """What `optimize` gives, with a trace of the rewrites that did something."""
    context = Context(statistics, None if asked is None else frozenset(asked), aggregates)
    applied = []
    for rule in rules:
        after = rule(plan, context)
        changed = _changed(plan, after)
        if changed:
            applied.append(Applied(getattr(rule, "__name__", str(rule)), changed))
        plan = after
    return Optimized(plan, tuple(applied))


def without(*names: str, rules: Iterable[Rewrite] = RULES) -> tuple[Rewrite, ...]:
    """The rewrites but for those of some names.

    >>> [rule.__name__ for rule in without("closure", "components")][:2]
    ['drop_unread', 'lattice']
    """
    return tuple(rule for rule in rules if getattr(rule, "__name__", "") not in names)


def _changed(before: Plan, after: Plan) -> tuple[str, ...]:
    """The relations whose assignments are others, whose loop is marked otherwise, or that are no longer derived."""
    if before is after:
        return ()
    old = {id(assign) for assign in before.block.assignments()}
    names = [assign.relation for assign in after.block.assignments() if id(assign) not in old]
    marks = {(loop.relations, loop.passing, loop.extremes) for loop in _loops(before)}
    for loop in _loops(after):
        if (loop.relations, loop.passing, loop.extremes) not in marks:
            names += loop.relations
    names += [name for name in before.derived if name not in after.derived]
    return tuple(dict.fromkeys(names))


def _loops(plan: Plan) -> list[Loop]:
    return [statement for statement in plan.block.statements if isinstance(statement, Loop)]

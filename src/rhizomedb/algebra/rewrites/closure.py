"""Transitive closure: a loop that does nothing but compose a binary relation with itself becomes one operator.

>>> from rhizomedb.algebra import lower
>>> from rhizomedb.logic.parse import parse
>>> text = "tc(a: X, b: Y) :- e(x: X, y: Y). tc(a: X, b: Z) :- e(x: X, y: Y), tc(a: Y, b: Z)."
>>> plan = lower(parse(text), {"e": ("x", "y")})
>>> print(plan)
loop
  tc :- rename[X → a, Y → b](project[X, Y](rename[x → X, y → Y](e)))
  tc :- rename[X → a, Z → b](project[X, Z](natural_join(rename[x → X, y → Y](e), rename[a → Y, b → Z](tc))))
end
>>> print(closure(plan, Context()))
tc :- closure[a → b](rename[X → a, Y → b](project[X, Y](rename[x → X, y → Y](e))))

The recursion may be left-linear, right-linear or not linear, and there may be several steps. Every rule with one
recursive atom composes with a step that is also a base of its own, and each base but one that leads only from nodes to
themselves is composed with from one side; or else the relation is composed with itself. Recursion with columns that are
handed through beside the two is left as it is, and so is a loop of several relations.
"""

from __future__ import annotations

from dataclasses import replace

from rhizomedb._record import dataclass
from rhizomedb.algebra.conjunction import spine
from rhizomedb.algebra.program import Assign, Block, Loop, Plan, Statement
from rhizomedb.algebra.relation import Closure, Join, Project, Relation, Rename, Scan, Union
from rhizomedb.algebra.rewrites.canonical import Numbering
from rhizomedb.algebra.rewrites.walk import Context, reads

Step = tuple[int, int, int]
"""What an expression holds, and in which of its places a step starts and ends."""


def closure(plan: Plan, context: Context) -> Plan:
    """The plan with each loop that is a transitive closure as one assignment."""
    numbering = Numbering()
    statements: list[Statement] = []
    changed = False
    for statement in plan.block.statements:
        found = _closure(statement, statements, plan, numbering) if isinstance(statement, Loop) else None
        changed = changed or found is not None
        statements.append(statement if found is None else found)
    return replace(plan, block=Block(tuple(statements))) if changed else plan


def _closure(loop: Loop, before: list[Statement], plan: Plan, numbering: Numbering) -> Assign | None:
    """The assignment that does what a loop does, if it is a closure."""
    if len(loop.relations) != 1 or not all(isinstance(inner, Assign) for inner in loop.body.statements):
        return None
    [relation] = loop.relations
    if len(plan.derived[relation]) != 2:
        return None
    start, end = plan.derived[relation]
    earlier = [each.expression for each in before if isinstance(each, Assign) and each.relation == relation]
    inner = [assign.expression for assign in loop.body.assignments()]
    bases = [*earlier, *(each for each in inner if relation not in reads(each))]
    recursive = [each for each in inner if relation in reads(each)]
    if not bases or not recursive:
        return None
    steps = {_step(base, start, end, numbering) for base in bases}
    left: set[Step] = set()
    right: set[Step] = set()
    through = False
    for expression in recursive:
        composed = _composed(expression, relation, (start, end), numbering)
        if composed is None:
            return None
        if composed.step is None:
            through = True
        elif composed.step not in steps:
            return None
        else:
            (left if composed.recursive_first else right).add(composed.step)
    needed = {step for step in steps if step[1] != step[2]}
    if not through and not needed <= left and not needed <= right:
        return None
    child = bases[0] if len(bases) == 1 else Union(tuple(bases))
    return Assign(relation, Closure(child, start, end))


def _step(expression: Relation, start: str, end: str, numbering: Numbering) -> Step:
    form = numbering.of(expression)
    return form.number, form.places[start], form.places[end]


@dataclass(frozen=True, slots=True)
class _Composed:
    """A relation composed with a step (`None`: with itself), and whether the relation comes first."""

    step: Step | None
    recursive_first: bool


def _composed(expression: Relation, relation: str, ends: tuple[str, str], numbering: Numbering) -> _Composed | None:
    """Read an expression as `relation ∘ step`, `step ∘ relation` or `relation ∘ relation`."""
    names = {name: name for name in ends}
    while isinstance(expression, Rename | Project):
        if isinstance(expression, Rename):
            old = {target: source for source, target in expression.renames}
            names = {name: old.get(inner, inner) for name, inner in names.items()}
        expression = expression.child
    first, last = names[ends[0]], names[ends[1]]
    leaves = spine(expression)
    own = [leaf for leaf in leaves if relation in reads(leaf)]
    ways = [_ends(leaf, relation, ends) for leaf in own]
    if any(way is None for way in ways) or first == last:
        return None
    if len(leaves) == len(own) == 2:
        (one, two), (three, four) = ways  # type: ignore[misc]  # none of them is None
        composed = (one, two, three, four) in ((first, three, two, last), (three, last, first, one))
        return _Composed(None, True) if composed else None
    if len(own) != 1 or len(leaves) < 2:
        return None
    rest = [leaf for leaf in leaves if leaf is not own[0]]
    other = rest[0]
    for leaf in rest[1:]:
        other = Join(other, leaf)
    a, b = ways[0]  # type: ignore[misc]
    if a == first and b in other.attributes and last in other.attributes and first not in other.attributes:
        return _Composed(_step_over(other, b, last, numbering), True) if b != last else None
    if b == last and a in other.attributes and first in other.attributes and last not in other.attributes:
        return _Composed(_step_over(other, first, a, numbering), False) if a != first else None
    return None


def _step_over(expression: Relation, start: str, end: str, numbering: Numbering) -> Step:
    if set(expression.attributes) != {start, end}:
        expression = Project(expression, (start, end))
    return _step(expression, start, end, numbering)


def _ends(leaf: Relation, relation: str, ends: tuple[str, str]) -> tuple[str, str] | None:
    """What the two columns of the relation are called, if a leaf is the relation and nothing else."""
    names = {name: name for name in ends}
    chain = []
    while isinstance(leaf, Rename):
        chain.append(dict(leaf.renames))
        leaf = leaf.child
    if not isinstance(leaf, Scan) or leaf.relation != relation or set(leaf.names) != set(ends):
        return None
    for renames in reversed(chain):
        names = {name: renames.get(shown, shown) for name, shown in names.items()}
    return names[ends[0]], names[ends[1]]

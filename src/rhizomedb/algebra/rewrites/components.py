"""Components: the least or greatest node that is reached, where every step goes both ways, needs no closure.

>>> from rhizomedb.algebra import lower
>>> from rhizomedb.algebra.rewrites.closure import closure
>>> from rhizomedb.logic.parse import parse
>>> plan = closure(lower(parse('''
... same(a: X, b: Y) :- e(x: X, y: Y).
... same(a: X, b: Y) :- e(x: Y, y: X).
... same(a: X, b: Z) :- same(a: X, b: Y), same(a: Y, b: Z).
... label(node: X, least: M) :- same(a: X), M := min Y : same(a: X, b: Y).
... '''), {"e": ("x", "y")}), Context())
>>> print([assign for assign in plan.block.assignments()][-1])
label :- rename[X → node, M → least](project[X, M](natural_join(rename[a → X](project[a](same)), \
rename[a → X, #1 → M](group_by[a; #1 = min(b)](same)))))
>>> print([assign for assign in components(plan, Context()).block.assignments()][-1])
label :- rename[X → node, M → least](project[X, M](natural_join(rename[a → X](project[a](union(\
rename[X → a, Y → b](project[X, Y](rename[x → X, y → Y](e))), rename[X → a, Y → b](project[X, Y](rename[x → Y, y → X](e)))))), \
rename[a → X, #1 → M](components[a; #1 = min over a — b](union(rename[X → a, Y → b](project[X, Y](rename[x → X, y → Y](e))), \
rename[X → a, Y → b](project[X, Y](rename[x → Y, y → X](e)))))))))

A node's component is found by union-find in about as many steps as there are edges, where the closure of a component of
n nodes has n² pairs. Steps go both ways if with each of them its inverse is among the steps, or among what a relation
that is the step holds. Which nodes a closure starts from is also asked of the steps themselves; so the closure is often
read by nobody in the end, and `drop_unread` takes it away.
"""

from __future__ import annotations

from rhizomedb.algebra.program import Assign, Plan
from rhizomedb.algebra.relation import Closure, Components, GroupBy, Project, Relation, Rename, Scan, Union
from rhizomedb.algebra.rewrites.canonical import Numbering
from rhizomedb.algebra.rewrites.walk import Context, assigned, bottom_up, expressions_changed, in_loops

DEPTH = 4
"""Through how many relations that only gather others a step is followed."""


def components(plan: Plan, context: Context) -> Plan:
    """The plan with least and greatest nodes of symmetric closures as labels of components."""
    assigns, looped = assigned(plan), in_loops(plan)
    closures = {
        name: found[0].expression
        for name, found in assigns.items()
        if name not in looped and found and isinstance(found[-1].expression, Closure) and _is_all(found)
    }
    closures = {name: assigns[name][-1].expression for name in closures}
    if not closures:
        return plan
    numbering = Numbering()
    symmetric = {
        name
        for name, found in closures.items()
        if isinstance(found, Closure) and _is_symmetric(found, assigns, looped, numbering)
    }

    def change(node: Relation) -> Relation:
        match node:
            case GroupBy(Scan(relation), (key,), (aggregate,)) if (
                relation in symmetric
                and aggregate.function in ("min", "max")
                and context.is_builtin(aggregate.function)
            ):
                found = closures[relation]
                assert isinstance(found, Closure), "what is symmetric here is a closure"
                if {key, *aggregate.parameters} == {found.start, found.end} and len(aggregate.parameters) == 1:
                    return Components(found.child, found.start, found.end, key, aggregate.target, aggregate.function)
            case Project(Scan(relation), (name,)) if relation in closures:
                found = closures[relation]
                assert isinstance(found, Closure), "only closures are gathered"
                return Project(found.child, (name,))  # where steps start, closures start; and the same of ends
        return node

    return expressions_changed(plan, lambda expression: bottom_up(expression, change))


def _is_all(found: list[Assign]) -> bool:
    """Whether the last of several assignments gives everything: what came before is among a closure's steps."""
    last = found[-1].expression
    assert isinstance(last, Closure), "asked of closures"
    parts = last.child.relations if isinstance(last.child, Union) else (last.child,)
    return all(any(assign.expression is part for part in parts) for assign in found[:-1])


def _is_symmetric(
    closure: Closure, assigns: dict[str, list[Assign]], looped: frozenset[str], numbering: Numbering
) -> bool:
    """Whether every step of a closure has its inverse among the steps."""
    forms = set()
    pending = [(closure.child, closure.start, closure.end, 0)]
    while pending:
        node, start, end, depth = pending.pop()
        match node:
            case Union(relations):
                pending += [(each, start, end, depth) for each in relations]
            case Rename(child, renames):
                old = {target: source for source, target in renames}
                pending.append((child, old.get(start, start), old.get(end, end), depth))
            case Project(child, names) if set(names) == set(child.attributes):
                pending.append((child, start, end, depth))
            case Scan(relation, cid=None, change=False) if (
                assigns.get(relation) and relation not in looped and depth < DEPTH
            ):
                pending += [(assign.expression, start, end, depth + 1) for assign in assigns[relation]]
            case _:
                form = numbering.of(node)
                forms.add((form.number, form.places[start], form.places[end]))
    return all((number, end, start) in forms for number, start, end in forms)

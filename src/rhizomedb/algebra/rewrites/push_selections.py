"""Selection pushdown: a formula is asked as early as its attributes are there.

>>> from rhizomedb.algebra.formula import Attribute, Comparison, Constant
>>> from rhizomedb.algebra.relation import Join, Scan, Select
>>> both = Join(Scan("p", ("a", "b")), Scan("q", ("b", "c")))
>>> print(pushed(Select(both, Comparison(Attribute("b"), "==", Constant(1)))))
natural_join(select[b == 1](p), select[b == 1](q))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rhizomedb.algebra.formula import (
    And,
    Attribute,
    Call,
    Comparison,
    Formula,
    Holds,
    Not,
    Operand,
    Or,
    attributes_of,
    conjunction,
    conjuncts,
)
from rhizomedb.algebra.program import Plan
from rhizomedb.algebra.relation import (
    AntiJoin,
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
    Select,
    SemiJoin,
    ThetaJoin,
    Union,
)
from rhizomedb.algebra.rewrites.walk import Context, expressions_changed, with_children


def push_selections(plan: Plan, context: Context) -> Plan:
    """The plan with every selection as far inside as it can stand."""
    return expressions_changed(plan, pushed)


def pushed(expression: Relation) -> Relation:
    """The expression with its selections inside; walked from above, with the formulas that are on their way."""
    made: list[Relation] = []
    pending: list[tuple[Relation, list[Formula], list[Formula] | None]] = [(expression, [], None)]
    while pending:
        node, formulas, kept = pending.pop()
        if kept is None and isinstance(node, Select):
            pending.append((node.child, [*formulas, *conjuncts(node.formula)], None))
            continue
        if kept is None:
            below, stay = _handed_down(node, formulas)
            pending.append((node, formulas, stay))
            pending += [(child, given, None) for child, given in reversed(list(zip(node.children, below, strict=True)))]
            continue
        count = len(node.children)
        children = made[len(made) - count :]
        del made[len(made) - count :]
        changed = with_children(node, children)
        made.append(Select(changed, conjunction(dict.fromkeys(kept))) if kept else changed)
    return made[0]


def _handed_down(node: Relation, formulas: list[Formula]) -> tuple[list[list[Formula]], list[Formula]]:
    """For each input the formulas that can be asked there, and those that must be asked above the node."""
    below: list[list[Formula]] = [[] for _ in node.children]
    stay: list[Formula] = []
    old = {target: source for source, target in node.renames} if isinstance(node, Rename) else {}
    for formula in formulas:
        places = list(_places(node, attributes_of(formula)))
        for place in places:
            below[place].append(_renamed(formula, old) if old else formula)
        if not places:
            stay.append(formula)
    return below, stay


def _places(node: Relation, names: frozenset[str]) -> Iterable[int]:
    """The inputs in which a formula over these attributes may be asked in place of the node; none: it stays."""
    if not names:
        return ()
    match node:
        case Rename() | Project():
            return (0,)
        case Union():
            return range(len(node.relations))
        case Extend(_, name):
            return () if name in names else (0,)
        case GroupBy(_, keys):
            return (0,) if names <= set(keys) else ()
        case AntiJoin() | Difference() | LeftJoin() | SemiJoin():
            return (0,) if names <= set(node.left.attributes) else ()
        case Join() | Product() | ThetaJoin() | EquiJoin():
            return [place for place, child in enumerate(node.children) if names <= set(child.attributes)]
        case _:
            return ()


def _renamed(formula: Formula, old: Mapping[str, str]) -> Formula:
    match formula:
        case Comparison(left, operator, right):
            return Comparison(_operand(left, old), operator, _operand(right, old))
        case Holds(operand):
            return Holds(_operand(operand, old))
        case Not(inner):
            return Not(_renamed(inner, old))
        case And(parts):
            return And(tuple(_renamed(part, old) for part in parts))
        case Or(parts):
            return Or(tuple(_renamed(part, old) for part in parts))


def _operand(operand: Operand, old: Mapping[str, str]) -> Operand:
    match operand:
        case Attribute(name):
            return Attribute(old.get(name, name))
        case Call(_, arguments):
            return replace(operand, arguments=tuple(_operand(argument, old) for argument in arguments))
        case _:
            return operand

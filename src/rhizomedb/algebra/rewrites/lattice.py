"""Lattices: where of a recursive relation only the least or greatest cell of a column is ever asked for.

>>> from rhizomedb.algebra import lower
>>> from rhizomedb.logic.parse import parse
>>> plan = lower(parse('''
... sees(x: X, label: L) :- node(x: X, label: L).
... sees(x: Y, label: L) :- sees(x: X, label: L), edge(x: X, y: Y).
... least(x: X, label: M) :- sees(x: X), M := min L : sees(x: X, label: L).
... '''), {"node": ("x", "label"), "edge": ("x", "y")})
>>> lattice(plan, Context(asked=frozenset({"least"}))).block.statements[0].extremes
(Extreme(relation='sees', column='label', function='min'),)

The loop is marked; an engine may then keep one tuple for each combination of the other columns, and replace it by a better
one, so that a label travels once through each node instead of every label through all. Evaluation keeps them all. It is
right because in every rule of the loop the column is handed on as it is, or as `least` or `greatest` of itself and
something else, which keep the order of all cells, and nothing in the loop asks anything else of it. Sums do not qualify:
an int and a float are ordered by kind first, and adding a float makes both floats.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from rhizomedb.algebra.formula import Call, Operand, attributes_of
from rhizomedb.algebra.program import Assign, Block, Extreme, Loop, Plan, Statement, nodes, scans
from rhizomedb.algebra.relation import (
    AntiJoin,
    Extend,
    GroupBy,
    Join,
    Product,
    Project,
    Relation,
    Rename,
    Scan,
    Select,
    SemiJoin,
)
from rhizomedb.algebra.rewrites.walk import Context, assigns_of, reads

MONOTONE = frozenset({"least", "greatest"})
"""The functions that keep the order of cells in each argument and have a result for any."""


def lattice(plan: Plan, context: Context) -> Plan:
    """The plan with the loops marked of which only extremes are asked for."""
    if context.asked is None:
        return plan
    statements: list[Statement] = []
    for place, statement in enumerate(plan.block.statements):
        if isinstance(statement, Loop) and len(statement.relations) == 1:
            found = _extreme(statement, place, plan, context)
            if found is not None and statement.extremes != (found,):
                statements.append(replace(statement, extremes=(found,)))
                continue
        statements.append(statement)
    same = all(one is other for one, other in zip(statements, plan.block.statements, strict=True))
    return plan if same else replace(plan, block=Block(tuple(statements)))


def _extreme(loop: Loop, place: int, plan: Plan, context: Context) -> Extreme | None:
    [relation] = loop.relations
    if relation in (context.asked or ()):
        return None
    asked: set[tuple[str, str]] = set()
    keys: list[Relation] = []
    for number, statement in enumerate(plan.block.statements):
        if number == place:
            continue
        for assign in assigns_of(statement):
            if relation in reads(assign.expression):
                uses, projected = _uses(assign.expression, relation)
                if uses is None:
                    return None
                asked |= uses
                keys += projected
    if len(asked) != 1:
        return None
    [(column, function)] = asked
    if not context.is_builtin(function) or any(column in node.attributes for node in keys):
        return None
    inner = list(loop.body.assignments())
    if all(_hands_on(assign, relation, column) for assign in inner if relation in reads(assign.expression)):
        return Extreme(relation, column, function)
    return None


def _uses(expression: Relation, relation: str) -> tuple[set[tuple[str, str]] | None, list[Relation]]:
    """The extremes that an expression asks of a relation, and the projections of it; `None` if it asks for more."""
    found: set[tuple[str, str]] = set()
    keys: list[Relation] = []
    seen: Counter[int] = Counter()
    for node in nodes(expression):
        match node:
            case GroupBy(Scan(name) as scan, group, (aggregate,)) if name == relation:
                rest = set(scan.names) - set(group)
                if aggregate.function not in ("min", "max") or rest != set(aggregate.parameters) or len(rest) != 1:
                    return None, []
                found.add((aggregate.parameters[0], aggregate.function))
                seen[id(scan)] += 1
            case Project(Scan(name) as scan) if name == relation:
                keys.append(node)
                seen[id(scan)] += 1
    everything = Counter(id(scan) for scan in scans(expression) if scan.relation == relation)
    return (found, keys) if seen == everything else (None, [])


def _hands_on(assign: Assign, relation: str, column: str) -> bool:
    """Whether a rule reads the relation once and does nothing with the column but hand it on, in order."""
    if sum(scan.relation == relation for scan in scans(assign.expression)) != 1:
        return False
    path: list[tuple[Relation, Relation]] = []  # each node, and its input that reads the relation
    node = assign.expression
    while not isinstance(node, Scan):
        inside = next(child for child in node.children if relation in reads(child))
        path.append((node, inside))
        node = inside
    carried = {column}
    for node, inside in reversed(path):
        after = _carried(node, inside, carried)
        if after is None:
            return False
        carried = after
    return carried <= {column}


def _carried(node: Relation, inside: Relation, carried: set[str]) -> set[str] | None:
    """The attributes that hold what attributes of an input held, in order; `None` if the operator asks more of them."""
    match node:
        case Rename(_, renames):
            new = dict(renames)
            return {new.get(name, name) for name in carried}
        case Project(_, names):
            return carried & set(names)
        case Select(_, formula):
            return None if attributes_of(formula) & carried else carried
        case Extend(_, name, operand):
            if not attributes_of(operand) & carried:
                return carried
            return {*carried, name} if _is_monotone(operand) else None
        case Join(left, right) | Product(left, right) | SemiJoin(left, right) | AntiJoin(left, right):
            if isinstance(node, SemiJoin | AntiJoin) and inside is not left:
                return None
            outside = right if inside is left else left
            return None if set(outside.attributes) & carried else carried
        case _:
            return None


def _is_monotone(operand: Operand) -> bool:
    """Whether an operand keeps the order of all that it reads."""
    match operand:
        case Call(function, arguments):
            return function in MONOTONE and all(map(_is_monotone, arguments))
        case _:
            return True

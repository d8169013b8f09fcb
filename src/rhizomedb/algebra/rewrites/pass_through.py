"""Columns that a recursion hands on unchanged: an engine may run it for one cell of such a column at a time.

>>> from rhizomedb.algebra import lower
>>> from rhizomedb.logic.parse import parse
>>> text = "r(a: X, b: Y) :- e(x: X, y: Y). r(a: X, b: Z) :- r(a: X, b: Y), e(x: Y, y: Z), !n(x: Y)."
>>> plan = pass_through(lower(parse(text), {"e": ("x", "y"), "n": ("x",)}), Context())
>>> plan.block.statements[0].passing
(('r', ('a',)),)

A column is handed on if in every rule of the loop it is equal to that column of the same relation in each recursive
place that the rule reads; loops of one relation only. Whatever agrees there is derived from what agrees there.
"""

from __future__ import annotations

from dataclasses import replace

from rhizomedb.algebra.program import Assign, Block, Loop, Plan, Statement
from rhizomedb.algebra.relation import Attributes
from rhizomedb.algebra.rewrites.origins import origins_of
from rhizomedb.algebra.rewrites.walk import Context, reads


def pass_through(plan: Plan, context: Context) -> Plan:
    """The plan with the columns that each loop hands on written down in the loop."""
    statements: list[Statement] = []
    for statement in plan.block.statements:
        if isinstance(statement, Loop):
            found = tuple(sorted(pass_through_columns(statement).items()))
            statements.append(statement if found == statement.passing else replace(statement, passing=found))
        else:
            statements.append(statement)
    same = all(one is other for one, other in zip(statements, plan.block.statements, strict=True))
    return plan if same else replace(plan, block=Block(tuple(statements)))


def pass_through_columns(loop: Loop) -> dict[str, Attributes]:
    """The columns that a loop hands on unchanged, for each relation that has some."""
    if len(loop.relations) != 1 or not all(isinstance(inner, Assign) for inner in loop.body.statements):
        return {}
    [relation] = loop.relations
    kept: list[str] | None = None
    for assign in loop.body.assignments():
        if relation not in reads(assign.expression):
            continue
        origins = origins_of(assign.expression, relation)
        columns = sorted(assign.expression.attributes) if kept is None else kept
        kept = [name for name in columns if all((place, name) in origins.equal[name] for place in range(origins.count))]
    return {relation: tuple(kept)} if kept else {}

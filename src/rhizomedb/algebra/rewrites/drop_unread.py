"""Dead assignments: what is derived and read by nobody is not derived.

>>> from rhizomedb.algebra import lower
>>> from rhizomedb.logic.parse import parse
>>> plan = lower(parse("p(x: X) :- e(x: X). q(x: X) :- e(x: X)."), {"e": ("x",)})
>>> print(drop_unread(plan, Context(asked=frozenset({"q"}))))
q :- rename[X → x](project[X](rename[x → X](e)))
"""

from __future__ import annotations

from dataclasses import replace

from rhizomedb.algebra.program import Assign, Block, Plan, Statement
from rhizomedb.algebra.rewrites.walk import Context, assigned, reads


def drop_unread(plan: Plan, context: Context) -> Plan:
    """The plan without the relations that nothing asked for rests on; all of it where it is not known what is asked."""
    if context.asked is None:
        return plan
    assigns = assigned(plan)
    wanted: set[str] = set()
    pending = [name for name in context.asked if name in plan.derived]
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += [read for assign in assigns.get(name, ()) for read in reads(assign.expression)]
    if wanted >= plan.derived.keys():
        return plan
    derived = {name: columns for name, columns in plan.derived.items() if name in wanted}
    return replace(plan, block=_kept(plan.block, wanted), derived=derived)


def _kept(block: Block, wanted: set[str]) -> Block:
    statements: list[Statement] = []
    for statement in block.statements:
        if isinstance(statement, Assign):
            statements += [statement] if statement.relation in wanted else []
        elif (body := _kept(statement.body, wanted)).statements:
            statements.append(replace(statement, body=body))
    return Block(tuple(statements))

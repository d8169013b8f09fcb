"""Loops restricted by who reads them: what all readers ask of a column that a loop hands on is asked where it begins.

>>> from rhizomedb.algebra import lower
>>> from rhizomedb.logic.parse import parse
>>> text = '''
... skip(a: X, b: Y) :- next(a: X, b: Y).
... skip(a: X, b: Z) :- next(a: X, b: Y), !shown(of: Y), skip(a: Y, b: Z).
... after(a: X, b: Y) :- skip(a: X, b: Y), shown(of: Y).
... '''
>>> plan = lower(parse(text), {"next": ("a", "b"), "shown": ("of",)})
>>> print(restrict_loops(plan, Context(asked=frozenset({"after"}))).block.statements[0].body.statements[0])
skip :- semijoin(rename[X → a, Y → b](project[X, Y](rename[a → X, b → Y](next))), \
rename[Y → b](project[Y](rename[of → Y](shown))))

Here the end of a way through what is not shown is handed on from step to step, and only ends that are shown are asked for;
as written every way between any two has a tuple (Kleppmann's list: 151,669,663 of them, where 182,314 are asked for). It
is the pushing of a selection through a recursion (Aho and Ullman 1979), with a relation in place of a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rhizomedb.algebra.program import Assign, Block, Loop, Plan, Statement, scans
from rhizomedb.algebra.relation import Project, Relation, Rename, SemiJoin, Union
from rhizomedb.algebra.rewrites.chain import chains_changed, taken_apart
from rhizomedb.algebra.rewrites.origins import origins_of
from rhizomedb.algebra.rewrites.pass_through import pass_through_columns
from rhizomedb.algebra.rewrites.walk import Context, assigns_of, reads


def restrict_loops(plan: Plan, context: Context) -> Plan:
    """The plan with the first tuples of loops restricted, where no more of the loop is asked for."""
    for loop in [each for each in plan.block.statements if isinstance(each, Loop)]:
        filters = _filters(loop, plan, context)
        if filters:
            plan = _restricted(plan, loop, filters)
    return plan


def _filters(loop: Loop, plan: Plan, context: Context) -> list[Relation]:
    """What the tuples of a loop's relation can be joined with before anybody reads them."""
    passing = pass_through_columns(loop)
    if not passing or context.asked is None:
        return []
    [(relation, columns)] = passing.items()
    readers = [
        assign.expression
        for assign in plan.block.assignments()
        if assign.relation != relation and relation in reads(assign.expression)
    ]
    if relation in context.asked or not readers:
        return []
    later = plan.block.statements[_first_reader(relation, plan) :]
    known = (
        {*plan.stored, *plan.derived} - {assign.relation for each in later for assign in assigns_of(each)} - {relation}
    )
    found: list[Relation] = []
    for column in columns:
        asked = [list(_asked(reader, relation, column, known)) for reader in readers]
        if len(asked) == 1:
            found += asked[0]
        elif all(asked):
            found.append(Union(tuple(one[0] for one in asked)))
    return found


def _first_reader(relation: str, plan: Plan) -> int:
    """The place of the first statement that reads a relation without deriving it: the loop can wait until then."""
    return next(
        place
        for place, statement in enumerate(plan.block.statements)
        for assign in assigns_of(statement)
        if assign.relation != relation and relation in reads(assign.expression)
    )


def _asked(expression: Relation, relation: str, column: str, known: set[str]) -> Iterator[Relation]:
    """What an expression that reads a relation in one place joins a column of it with: relations of that one column."""
    if sum(scan.relation == relation for scan in scans(expression)) != 1:
        return
    found: list[Relation] = []

    def look(chain: Relation) -> Relation:
        leaves = taken_apart(chain).leaves
        for leaf in leaves:
            if relation not in reads(leaf):
                continue
            equal = origins_of(leaf, relation).equal
            for name in leaf.attributes:
                if (0, column) in equal[name]:
                    found.extend(
                        _column(other, name, column)
                        for other in leaves
                        if other is not leaf and name in other.attributes and reads(other) <= known
                    )
        return chain

    chains_changed(expression, look)
    yield from found


def _column(relation: Relation, name: str, column: str) -> Relation:
    alone = Project(relation, (name,))
    return alone if name == column else Rename(alone, ((name, column),))


def _restricted(plan: Plan, loop: Loop, filters: list[Relation]) -> Plan:
    """The plan with what begins a loop restricted, and the loop where the filters are known."""
    [relation] = loop.relations

    def begin(assign: Assign) -> Assign:
        expression = assign.expression
        if relation in reads(expression):
            return assign
        for each in filters:
            expression = SemiJoin(expression, each)
        return replace(assign, expression=expression)

    own: list[Statement] = []
    others: list[list[Statement]] = [[], []]
    reader = _first_reader(relation, plan)
    for place, statement in enumerate(plan.block.statements):
        if statement is loop:
            own.append(replace(loop, body=Block(tuple(begin(assign) for assign in loop.body.assignments()))))
        elif isinstance(statement, Assign) and statement.relation == relation:
            own.append(begin(statement))
        else:
            others[place >= reader].append(statement)
    return replace(plan, block=Block((*others[0], *own, *others[1])))

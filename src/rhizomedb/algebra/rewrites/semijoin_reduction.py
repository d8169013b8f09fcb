"""Semijoin reduction: in a body without cycles, tuples that join with nothing are dropped before anything is joined.

>>> from rhizomedb.algebra.program import Block
>>> from rhizomedb.algebra.relation import Join, Scan
>>> from rhizomedb.algebra.statistics import Counts
>>> chain = Join(Join(Scan("p", ("a", "b")), Scan("q", ("b", "c"))), Scan("r", ("c", "d")))
>>> plan = Plan(Block((Assign("x", chain),)), {"p": ("a", "b"), "q": ("b", "c"), "r": ("c", "d")}, {"x": chain.attributes})
>>> many = Counts({"p": 1000, "q": 1000, "r": 1000}, {("p", "b"): 2, ("q", "b"): 2, ("q", "c"): 2, ("r", "c"): 2})
>>> print(semijoin_reduction(plan, Context(many)))
x :- natural_join(natural_join(semijoin(p, semijoin(semijoin(q, p), semijoin(r, semijoin(q, p)))), \
semijoin(semijoin(q, p), semijoin(r, semijoin(q, p)))), semijoin(r, semijoin(q, p)))

The full reducer (Bernstein and Chiu 1981; Yannakakis 1981) goes up a tree of the leaves and down again; then no join makes
a tuple that the result does not need, so that the whole is linear in what is read and what is answered. What is written
here several times `share_subplans` makes one relation. It pays where the joins are taken to make more on the way than
`GAIN` times what they read, in rules outside of recursion, whose leaves stay the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rhizomedb.algebra.program import Assign, Loop, Plan
from rhizomedb.algebra.relation import Relation, SemiJoin
from rhizomedb.algebra.rewrites.chain import chains_changed, put_together, taken_apart, waits
from rhizomedb.algebra.rewrites.order_joins import cost
from rhizomedb.algebra.rewrites.walk import Context, assigns_changed, assigns_of
from rhizomedb.algebra.statistics import Estimates

LEAVES_MAX = 8
"""The longest body that is reduced: what is written grows with its cube until it is shared."""

GAIN = 2.0
"""How many times more tuples than read must be expected on the way."""


def semijoin_reduction(plan: Plan, context: Context) -> Plan:
    """The plan with full reducers in the bodies in which they are taken to pay."""
    estimates = Estimates(plan, context.statistics)
    looped = {id(assign) for each in plan.block.statements if isinstance(each, Loop) for assign in assigns_of(each)}

    def change(assign: Assign) -> Assign:
        if id(assign) in looped:
            return assign
        after = chains_changed(assign.expression, lambda chain: _reduced(chain, estimates))
        return assign if after is assign.expression else replace(assign, expression=after)

    return assigns_changed(plan, change)


def _reduced(chain: Relation, estimates: Estimates) -> Relation:
    parts = taken_apart(chain)
    leaves = list(parts.leaves)
    if not 3 <= len(leaves) <= LEAVES_MAX or parts.contradictory or waits(parts):
        return chain
    names = [frozenset(leaf.attributes) for leaf in leaves]
    sizes = [estimates.of(leaf) for leaf in leaves]
    on_the_way = cost(range(len(leaves)), sizes, names) - sizes[0].rows
    if on_the_way <= GAIN * sum(size.rows for size in sizes):
        return chain
    tree = join_tree(names)
    if tree is None:
        return chain
    for child, parent in tree:  # up: each parent keeps what its children match
        leaves[parent] = SemiJoin(leaves[parent], leaves[child])
    for child, parent in reversed(tree):  # and down
        leaves[child] = SemiJoin(leaves[child], leaves[parent])
    return put_together(leaves, parts.steps)


def join_tree(names: Sequence[frozenset[str]]) -> list[tuple[int, int]] | None:
    """The edges (child, parent) of a join tree, children before parents; `None` where the body has a cycle or falls apart.

    By removing *ears* (Graham 1979; Yu and Özsoyoğlu 1979): a leaf whose names that others have too are all in one other.

    >>> join_tree([frozenset("ab"), frozenset("bc"), frozenset("cd")])
    [(0, 1), (1, 2)]
    >>> join_tree([frozenset("ab"), frozenset("bc"), frozenset("ca")]) is None
    True
    """
    left = list(range(len(names)))
    edges = []
    while len(left) > 1:
        for ear in left:
            others = [place for place in left if place != ear]
            shared = names[ear] & frozenset().union(*(names[place] for place in others))
            parent = next((place for place in others if shared and shared <= names[place]), None)
            if parent is not None:
                edges.append((ear, parent))
                left = others
                break
        else:
            return None
    return edges

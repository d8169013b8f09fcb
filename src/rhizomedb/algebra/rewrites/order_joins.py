"""Join ordering: the order in which a chain of joins makes the fewest tuples on the way.

>>> from rhizomedb.algebra.relation import Join, Scan
>>> from rhizomedb.algebra.program import Assign, Block
>>> from rhizomedb.algebra.statistics import Counts
>>> chain = Join(Join(Scan("big", ("a", "b")), Scan("large", ("b", "c"))), Scan("few", ("c",)))
>>> stored = {"big": ("a", "b"), "large": ("b", "c"), "few": ("c",)}
>>> plan = Plan(Block((Assign("r", chain),)), stored, {"r": ("a", "b", "c")})
>>> print(order_joins(plan, Context(Counts({"big": 10**6, "large": 10**5, "few": 3}))))
r :- natural_join(natural_join(few, large), big)

Up to `EXACT_MAX` leaves the best order is found by dynamic programming over sets of leaves (Selinger et al. 1979), with the
sum of all intermediate sizes as the cost; beyond, the next leaf is always the one that makes the fewest tuples. An order
is changed only for one that is better by these estimates.
"""

from __future__ import annotations

from collections.abc import Sequence

from rhizomedb.algebra.program import Plan
from rhizomedb.algebra.relation import Relation
from rhizomedb.algebra.rewrites.chain import chains_changed, put_together, taken_apart, waits
from rhizomedb.algebra.rewrites.walk import Context, expressions_changed
from rhizomedb.algebra.statistics import Estimate, Estimates, joined

EXACT_MAX = 6
"""The most leaves whose orders are all weighed: 2^n sets of them."""

GREEDY_MAX = 200
"""The most leaves that are put in order at all: n² pairs of them."""

GAIN = 0.9
"""What part of the old cost a new order may have to be worth the change; estimates are no better than that."""


def order_joins(plan: Plan, context: Context) -> Plan:
    """The plan with every chain of joins in the order that is taken to cost least."""
    estimates = Estimates(plan, context.statistics)
    return expressions_changed(plan, lambda expression: chains_changed(expression, lambda c: _ordered(c, estimates)))


def _ordered(chain: Relation, estimates: Estimates) -> Relation:
    parts = taken_apart(chain)
    leaves = parts.leaves
    if not 2 <= len(leaves) <= GREEDY_MAX or parts.contradictory or waits(parts):
        return chain
    sizes = [estimates.of(leaf) for leaf in leaves]
    names = [frozenset(leaf.attributes) for leaf in leaves]
    order = best_order(sizes, names) if len(leaves) <= EXACT_MAX else greedy_order(sizes, names)
    if cost(order, sizes, names) > GAIN * cost(range(len(leaves)), sizes, names):
        return chain
    return put_together([leaves[place] for place in order], parts.steps)


def cost(order: Sequence[int], sizes: Sequence[Estimate], names: Sequence[frozenset[str]]) -> float:
    """How many tuples are made on the way to the answer, which is the same in every order; the first ones are read."""
    so_far, have = sizes[order[0]], set(names[order[0]])
    total = so_far.rows
    for place in order[1:-1]:
        so_far = joined(so_far, sizes[place], have & names[place])
        have |= names[place]
        total += so_far.rows
    return total


def best_order(sizes: Sequence[Estimate], names: Sequence[frozenset[str]]) -> list[int]:
    """The order of least cost."""
    count = len(sizes)
    best: dict[int, tuple[float, list[int], Estimate, frozenset[str]]] = {
        1 << place: (sizes[place].rows, [place], sizes[place], names[place]) for place in range(count)
    }
    for members in range(1, 1 << count):
        total, order, so_far, have = best[members]
        for place in range(count):
            if members >> place & 1:
                continue
            after = joined(so_far, sizes[place], have & names[place])
            known = best.get(members | 1 << place)
            if known is None or total + after.rows < known[0]:
                best[members | 1 << place] = (total + after.rows, [*order, place], after, have | names[place])
    return best[(1 << count) - 1][1]


def greedy_order(sizes: Sequence[Estimate], names: Sequence[frozenset[str]]) -> list[int]:
    """The smallest first, then always what is connected and makes the fewest tuples."""
    left = set(range(len(sizes)))
    first = min(left, key=lambda place: (sizes[place].rows, place))
    order, so_far, have = [first], sizes[first], set(names[first])
    left.remove(first)
    while left:
        ways = {place: joined(so_far, sizes[place], have & names[place]) for place in left}
        place = min(left, key=lambda place: (not have & names[place], ways[place].rows, place))
        order.append(place)
        left.remove(place)
        so_far, have = ways[place], have | names[place]
    return order

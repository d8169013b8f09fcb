"""Reachability and components, by the obvious algorithms: what the shapes `Closure` and `Components` mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rhizomedb.budget import Meter
from rhizomedb.facts.value import Cell, order_cell

Pair = tuple[Cell, Cell]


def reached(steps: Iterable[Pair], starts: Iterable[Cell] | None, meter: Meter) -> Iterator[Pair]:
    """Each start (`None`: every node that has a step) with each node that it reaches in one step or more."""
    successors: dict[Cell, list[Cell]] = {}
    for start, end in steps:
        successors.setdefault(start, []).append(end)
    for start in dict.fromkeys(successors if starts is None else starts):
        found: dict[Cell, None] = dict.fromkeys(successors.get(start, ()))
        pending = list(found)
        while pending:
            new = [end for end in successors.get(pending.pop(), ()) if end not in found]
            found.update(dict.fromkeys(new))
            pending += new
        meter.spend(len(found), 2)
        yield from ((start, end) for end in found)


def labels(edges: Iterable[Pair], function: str, meter: Meter) -> Iterator[Pair]:
    """Each node with the least or greatest node of its component (union-find with path halving, Tarjan 1975)."""
    choose: Callable[..., Cell] = min if function == "min" else max
    parents: dict[Cell, Cell] = {}

    def root(node: Cell) -> Cell:
        parents.setdefault(node, node)
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for one, other in edges:
        left, right = root(one), root(other)
        if left != right:  # the chosen node is the root, so that a root is its component's label
            top = choose(left, right, key=order_cell)
            parents[right if top == left else left] = top
    meter.spend(len(parents), 2)
    for node in list(parents):
        yield node, root(node)

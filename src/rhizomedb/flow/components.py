"""Of a graph, one node for each: the first of its component, or the first that it reaches. Plain twins of kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rhizomedb.flow.batch import Batch, Id, Ids, ids_of
from rhizomedb.flow.bounded import Check, in_order, watched


def components(edges: Batch, ranks: tuple[Ids, Ids] | None = None, check: Check | None = None) -> Batch:
    """Every node of some edges, ascending, with the first node of its component: edges join whichever way they point.

    The first is the least id; or, where `ranks` are given, the node of the least rank. They are two lists of one
    length: ids, ascending, all nodes among them, and the rank of each, no two the same. `check` is called now and then.
    """
    assert edges.width == 2, "edges have two ends"
    parents: dict[Id, Id] = {}

    def root(node: Id) -> Id:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = node = parents[parent]
        return node

    for source, target in watched(edges.rows(), check):
        left, right = root(source), root(target)
        parents[max(left, right)] = min(left, right)
    nodes = _ascending(parents, None, check)
    roots = {node: root(node) for node in watched(nodes, check)}
    if ranks is None:
        return Batch([(node, roots[node]) for node in nodes], 2)
    rank = dict(zip(ids_of(ranks[0]), ids_of(ranks[1]), strict=True))
    assert rank.keys() >= parents.keys(), "every node has a rank"
    first: dict[Id, Id] = {}
    for node in _ascending(nodes, rank, check):
        first.setdefault(roots[node], node)
    return Batch([(node, first[roots[node]]) for node in nodes], 2)


def first_reached(edges: Batch, ranks: tuple[Ids, Ids] | None = None, check: Check | None = None) -> Batch:
    """Every node that a way of one edge or more leads from, with the first node that such a way leads to.

    The first is the least id, or the node of the least `ranks`, which are given as in `components`. `check` is called
    now and then.
    """
    assert edges.width == 2, "edges have two ends"
    rank = None if ranks is None else dict(zip(ids_of(ranks[0]), ids_of(ranks[1]), strict=True))
    leads_to: dict[Id, set[Id]] = {}
    comes_from: dict[Id, set[Id]] = {}
    for source, target in watched(edges.rows(), check):
        leads_to.setdefault(source, set()).add(target)
        comes_from.setdefault(target, set()).add(source)
    assert rank is None or rank.keys() >= {*leads_to, *comes_from}, "every node has a rank"
    first: dict[Id, Id] = {}
    for target in watched(_ascending(comes_from, rank, check), check):
        waiting = [target]  # whoever is first met on the way back from the first node, reaches none before it
        while waiting:
            for source in comes_from.get(waiting.pop(), ()):
                if source not in first:
                    first[source] = target
                    waiting.append(source)
    return Batch(list(first.items()), 2)


def _ascending(nodes: Iterable[Id], rank: Mapping[Id, int] | None, check: Check | None) -> list[Id]:
    """The nodes by their ranks, or by their ids."""
    whole = list(nodes)
    keys = whole if rank is None else [rank[node] for node in whole]
    return [whole[place] for place in in_order(keys, check)]

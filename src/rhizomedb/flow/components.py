"""Connected components by union-find. The plain twin of the kernel of the same name."""

from __future__ import annotations

from rhizomedb.flow.batch import Batch, Id, Ids, ids_of


def components(edges: Batch, ranks: tuple[Ids, Ids] | None = None) -> Batch:
    """Every node of some edges, ascending, with the first node of its component: edges join whichever way they point.

    The first is the least id; or, where `ranks` are given, the node of the least rank. They are two lists of one
    length: ids, ascending, all nodes among them, and the rank of each, no two the same.
    """
    assert edges.width == 2, "edges have two ends"
    parents: dict[Id, Id] = {}

    def root(node: Id) -> Id:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = node = parents[parent]
        return node

    for source, target in edges.rows():
        left, right = root(source), root(target)
        parents[max(left, right)] = min(left, right)
    nodes = sorted(parents)
    roots = {node: root(node) for node in nodes}
    if ranks is None:
        return Batch([(node, roots[node]) for node in nodes], 2)
    rank = dict(zip(ids_of(ranks[0]), ids_of(ranks[1]), strict=True))
    assert rank.keys() >= parents.keys(), "every node has a rank"
    first: dict[Id, Id] = {}
    for node in sorted(nodes, key=rank.__getitem__):
        first.setdefault(roots[node], node)
    return Batch([(node, first[roots[node]]) for node in nodes], 2)

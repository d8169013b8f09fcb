"""The inputs of `flow`, generated from fixed seeds: the same for every engine, in every run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Columns = list[npt.NDArray[np.uint32]]

Relations = dict[str, tuple[tuple[str, ...], Columns]]
"""Relations by name: the names of their columns, and the columns."""

Rows = npt.NDArray[np.int64]

BLOCK = 40
"""Variables of one procedure, in `pointers`."""

VALUES_BELOW = (1_000, 50, 0, 200, *[1_000_000] * 6)
"""What the values of each attribute are below, in `facts`; 0 stands for the number of entities, which they name."""


def relation(columns: str, rows: Rows) -> tuple[tuple[str, ...], Columns]:
    """Rows as columns of unsigned 32-bit numbers; the names of the columns are words of one text."""
    return tuple(columns.split()), [np.ascontiguousarray(column, dtype=np.uint32) for column in rows.T]


def rand_graph(nodes: int, edges: int, seed: int) -> Rows:
    """Different edges between different nodes, in random order; fewer where so many are not drawn."""
    chance = np.random.default_rng(seed)
    found = np.unique(chance.integers(0, nodes, (int(1.2 * edges) + 50, 2)), axis=0)
    found = found[found[:, 0] != found[:, 1]]
    return found[chance.permutation(len(found))[:edges]]


def random(nodes: int, edges: int, seed: int) -> Relations:
    """A random graph."""
    return {"edge": relation("a b", rand_graph(nodes, edges, seed))}


def islands(count: int, nodes: int, edges: int, seed: int) -> Relations:
    """Random graphs of one size with nothing between them: what one edge changes is the same however many they are."""
    parts = [rand_graph(nodes, edges, seed + number) + number * nodes for number in range(count)]
    return {"edge": relation("a b", np.concatenate(parts))}


def chain(nodes: int) -> Relations:
    """A path, as deep as it is long."""
    return {"edge": relation("a b", np.stack([np.arange(nodes - 1), np.arange(1, nodes)], axis=1))}


def grid(side: int) -> Relations:
    """A square of nodes, with edges right and down: many ways from one node to another."""
    node = np.arange(side * side).reshape(side, side)
    right = np.stack([node[:, :-1].ravel(), node[:, 1:].ravel()], axis=1)
    down = np.stack([node[:-1].ravel(), node[1:].ravel()], axis=1)
    return {"edge": relation("a b", np.concatenate([right, down]))}


def dag(nodes: int, edges: int, seed: int) -> Relations:
    """A random graph whose edges all lead from the lesser node to the greater."""
    return {"edge": relation("a b", np.unique(np.sort(rand_graph(nodes, edges, seed), axis=1), axis=0))}


def binary_tree(levels: int) -> Relations:
    """Every node but the first below its parent."""
    child = np.arange(1, 2**levels - 1)
    return {"parent": relation("a b", np.stack([(child - 1) // 2, child], axis=1))}


def random_parents(nodes: int, edges: int, seed: int) -> Relations:
    """A random graph as the relation of parents and children."""
    return {"parent": relation("a b", rand_graph(nodes, edges, seed))}


def pointers(variables: int) -> Relations:
    """Statements of a program whose procedures have `BLOCK` variables each; few assignments leave a procedure."""
    chance = np.random.default_rng(5)
    made: Relations = {}
    for name, of_three in (("address_of", 2), ("assign", 2), ("load", 0.5), ("store", 0.5)):
        statements = int(variables * of_three / 3)
        first = chance.integers(0, variables // BLOCK, statements) * BLOCK
        rows = np.stack([first + chance.integers(0, BLOCK, statements) for _ in range(2)], axis=1)
        if name == "assign":
            rows = np.sort(rows, axis=1)[:, ::-1].copy()
            leaves = chance.random(statements) < 0.03
            rows[:, 1] = np.where(leaves, chance.integers(0, variables, statements), rows[:, 1])
        made[name] = relation("a b", np.unique(rows, axis=0))
    return made


def both_ways(nodes: int, edges: int, seed: int) -> Relations:
    """A random graph in which every edge leads both ways."""
    one_way = rand_graph(nodes, edges, seed)
    return {"edge": relation("a b", np.unique(np.concatenate([one_way, one_way[:, ::-1]]), axis=0))}


def skewed(nodes: int, edges: int, seed: int) -> Relations:
    """A graph in which few nodes have many edges, each from the lesser node to the greater."""
    chance = np.random.default_rng(seed)
    some = np.floor(nodes * chance.random(edges) ** 1.8).astype(np.int64)
    pairs = np.sort(np.stack([some, chance.integers(0, nodes, edges)], axis=1), axis=1)
    return {"edge": relation("a b", np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0))}


def facts(entities: int) -> Relations:
    """Ten attributes of every entity in one relation, shuffled; attribute 2 names another entity."""
    chance = np.random.default_rng(8)
    entity = np.arange(entities)
    parts = [
        np.stack([entity, np.full(entities, number), chance.integers(0, below or entities, entities)], axis=1)
        for number, below in enumerate(VALUES_BELOW)
    ]
    rows = np.concatenate(parts)
    return {"fact": relation("e a v", rows[chance.permutation(len(rows))])}


def orders(count: int) -> Relations:
    """Orders of customers, ten each; what is sold, to whom not, and what is hoped for: what the view of ten operators reads."""
    chance = np.random.default_rng(9)
    customers, products = count // 10, 1_000
    columns = (np.arange(count), *(chance.integers(0, below, count) for below in (customers, products, 1_000)))
    customer = np.stack([np.arange(customers), chance.integers(0, 20, customers)], axis=1)
    product = np.stack([np.arange(products), chance.integers(0, 30, products)], axis=1)
    aim = np.stack([np.repeat(np.arange(20), 30), np.tile(np.arange(30), 20), chance.integers(0, 5_000, 600)], axis=1)
    return {
        "ordered": relation("id customer product amount", np.stack(columns, axis=1)),
        "customer": relation("id region", customer),
        "product": relation("id kind", product),
        "blocked": relation("customer", np.sort(chance.permutation(customers)[: customers // 100])[:, None]),
        "aim": relation("region kind least", aim),
    }

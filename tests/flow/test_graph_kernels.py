"""Closures and components: tables, laws against the naive ones, and each kernel in Rust against its plain twin."""

from __future__ import annotations

import random
from array import array
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.flow import batch, closure, components

try:
    import rhizomedb_native as native
except ImportError:
    native = None

PLAIN = SimpleNamespace(
    Batch=batch.Batch, Closure=closure.Closure, reach=closure.reach, components=components.components
)
needs_native = pytest.mark.skipif(native is None, reason="the kernels in Rust are not built")
both = pytest.mark.parametrize(
    "twin", [pytest.param(PLAIN, id="python"), pytest.param(native, id="rust", marks=needs_native)]
)
LAWS = settings(max_examples=200, deadline=None)

MANY = 1 << 20
FAR = 0xFFFF_FFFF
"""The greatest id."""


def ids(numbers):
    return array("I", numbers)


def batch_of(twin, edges):
    return twin.Batch.of([ids(source for source, _ in edges), ids(target for _, target in edges)])


def read(closure, limit=MANY):
    """All rows of a closure, read in pieces: as a set, after a look at the pieces."""
    rows = []
    while (piece := closure.next(limit)) is not None:
        assert piece.width == 2
        assert 0 < len(piece) <= limit
        rows += piece.rows()
    assert closure.next(limit) is None, "what is at its end stays there"
    found = set(rows)
    assert len(found) == len(rows), "each row comes once"
    return found


def closed(edges):
    """The closure by its definition: join with the edges until nothing is new."""
    rows = set(edges)
    while True:
        more = {(a, d) for a, b in rows for c, d in edges if b == c} - rows
        if not more:
            return rows
        rows |= more


def least(edges, rank=lambda node: node):
    """The first node of each component, by handing it on until nothing changes."""
    first = {node: node for edge in edges for node in edge}
    changed = True
    while changed:
        changed = False
        for a, b in edges:
            best = min(first[a], first[b], key=rank)
            changed |= first[a] != best or first[b] != best
            first[a] = first[b] = best
    return first


@st.composite
def graphs(draw, nodes_max=12, edges_max=24):
    """Some edges between few ids: near each other, or all over."""
    count = draw(st.integers(1, nodes_max))
    numbers = st.integers(0, 2 * nodes_max) | st.integers(0, FAR)
    nodes = draw(st.lists(numbers, min_size=count, max_size=count, unique=True))
    return draw(st.lists(st.tuples(st.sampled_from(nodes), st.sampled_from(nodes)), max_size=edges_max))


GRAPHS = {
    "empty": ([], set()),
    "edge": ([(3, 1)], {(3, 1)}),
    "twice": ([(3, 1), (3, 1)], {(3, 1)}),
    "self_loop": ([(7, 7)], {(7, 7)}),
    "self_loop_on_a_way": ([(1, 2), (2, 2), (2, 3)], {(1, 2), (1, 3), (2, 2), (2, 3)}),
    "way": ([(1, 2), (2, 3)], {(1, 2), (1, 3), (2, 3)}),
    "cycle": ([(1, 2), (2, 3), (3, 1)], {(a, b) for a in (1, 2, 3) for b in (1, 2, 3)}),
    "cycles_joined": (
        [(1, 2), (2, 1), (2, 8), (8, 9), (9, 8)],
        {(a, b) for a in (1, 2) for b in (1, 2, 8, 9)} | {(a, b) for a in (8, 9) for b in (8, 9)},
    ),
    "disconnected": ([(1, 2), (5, 4)], {(1, 2), (5, 4)}),
    "two_ways": ([(1, 2), (1, 3), (2, 4), (3, 4)], {(1, 2), (1, 3), (1, 4), (2, 4), (3, 4)}),
    "greatest_ids": ([(FAR, FAR - 1), (FAR - 70, FAR)], {(FAR, FAR - 1), (FAR - 70, FAR), (FAR - 70, FAR - 1)}),
    "far_ids": ([(FAR, 0), (0, FAR - 1)], {(FAR, 0), (FAR, FAR - 1), (0, FAR - 1)}),
    "many_far_ids": (
        [(FAR // 3, FAR // 2), (FAR // 2, FAR), (FAR, FAR // 3)],
        {(a, b) for a in (FAR // 3, FAR // 2, FAR) for b in (FAR // 3, FAR // 2, FAR)},
    ),
}


@both
@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("limit", [1, 2, 3, MANY])
def test_closure_of(twin, name, limit):
    edges, expected = GRAPHS[name]
    assert read(twin.Closure(batch_of(twin, edges)), limit) == expected


@both
@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([], []),
        ([(7, 7)], [(7, 7)]),
        ([(9, 4), (9, 4)], [(4, 4), (9, 4)]),
        ([(3, 2), (2, 1), (6, 5)], [(1, 1), (2, 1), (3, 1), (5, 5), (6, 5)]),
        ([(FAR, FAR - 1), (5, FAR)], [(5, 5), (FAR - 1, 5), (FAR, 5)]),
    ],
)
def test_components_of(twin, edges, expected):
    assert twin.components(batch_of(twin, edges)).rows() == expected


@both
def test_components_by_rank(twin):
    edges = batch_of(twin, [(3, 2), (2, 1), (6, 5)])
    ranks = ids([1, 2, 3, 4, 5, 6, 9]), ids([30, 10, 20, 0, 99, 98, 1])
    assert twin.components(edges, ranks).rows() == [(1, 2), (2, 2), (3, 2), (5, 6), (6, 6)]


@both
def test_what_is_no_graph(twin):
    one, two = twin.Batch.of([ids([1])]), batch_of(twin, [(1, 2)])
    for broken in (
        lambda: twin.Closure(one),
        lambda: twin.reach(one, ids([1])),
        lambda: twin.components(one),
        lambda: twin.components(two, (ids([1]), ids([1]))),
        lambda: twin.Closure(two).next(0),
    ):
        with pytest.raises(AssertionError):
            broken()


@both
@given(graphs(), st.integers(1, 40))
@LAWS
def test_closure_is_the_naive_one(twin, edges, limit):
    """In pieces of any size."""
    assert read(twin.Closure(batch_of(twin, edges)), limit) == closed(edges)


@both
@given(graphs(), st.lists(st.integers(0, FAR) | st.integers(0, 24), max_size=4), st.data())
@LAWS
def test_reach_is_part_of_the_closure(twin, edges, others, data):
    """Of seeds in any order, some twice, some that are on no edge."""
    nodes = sorted({node for edge in edges for node in edge})
    seeds = others + (data.draw(st.lists(st.sampled_from(nodes), max_size=8)) if nodes else [])
    expected = {(source, target) for source, target in closed(edges) if source in seeds}
    found = twin.reach(batch_of(twin, edges), ids(seeds))
    assert found.width == 2
    assert len(found) == len(expected)
    assert set(found.rows()) == expected
    limit = data.draw(st.integers(1, 40))
    assert read(twin.Closure(batch_of(twin, edges), ids(seeds)), limit) == expected


@both
@given(graphs(), st.randoms(use_true_random=False))
@LAWS
def test_components_are_the_naive_ones(twin, edges, chance):
    expected = least(edges)
    made = batch_of(twin, edges)
    assert twin.components(made).rows() == sorted(expected.items())
    known = sorted(expected.keys() | {1, 5})
    rank = dict(zip(known, chance.sample(range(1000), len(known)), strict=True))
    by_rank = sorted(least(edges, rank.__getitem__).items())
    assert twin.components(made, (ids(known), ids(rank.values()))).rows() == by_rank


def _random(nodes, edges, seed, acyclic=False, spread=1):
    chance = random.Random(seed)
    made = [(chance.randrange(nodes), chance.randrange(nodes)) for _ in range(edges)]
    if acyclic:
        made = [(min(edge), max(edge)) for edge in made if edge[0] != edge[1]]
    order = chance.sample(range(nodes), nodes)  # so that nothing follows from the order of ids
    return [(spread * order[source], spread * order[target]) for source, target in made]


SHAPES = {
    # Larger than a word of bits and than what is walked instead of held.
    "chain": [(node, node + 1) for node in range(300)],
    "chain_back": [(node + 1, node) for node in range(300)],
    "grid": [
        (20 * row + column, other)
        for row in range(20)
        for column in range(20)
        for other in ([20 * row + column + 1] if column < 19 else []) + ([20 * (row + 1) + column] if row < 19 else [])
    ],
    "tree": [(node, (node - 1) // 2) for node in range(1, 1500)],
    "pairs": [(2 * node, 2 * node + 1) for node in range(2000)],
    "dense": _random(200, 2500, 1),
    "sparse": _random(700, 700, 2),
    "giant": _random(500, 900, 3, spread=8_000_000),
    "acyclic": _random(400, 1600, 4, acyclic=True),
    "acyclic_dense": _random(250, 8000, 5, acyclic=True),
    "cycles_in_a_row": [
        (10 * number + step, 10 * number + (step + 1) % 10) for number in range(40) for step in range(10)
    ]
    + [(10 * number, 10 * number + 10 + number % 7) for number in range(39)],
    "hub": [(node, 300) for node in range(300)] + [(300, 300 + node) for node in range(1, 300)],
}
COUNTS = {"chain": 45150, "chain_back": 45150, "grid": 43700, "pairs": 2000, "hub": 300 * 299 + 300 + 299}


@needs_native
@pytest.mark.parametrize("name", SHAPES)
def test_twins_agree(name):
    edges = SHAPES[name]
    expected = read(closure.Closure(batch_of(PLAIN, edges)))
    assert len(expected) == COUNTS.get(name, len(expected))
    made = batch_of(native, edges)
    assert read(native.Closure(made)) == expected
    assert read(native.Closure(made), 777) == expected
    nodes = sorted({node for edge in edges for node in edge})
    for share in (1, 3, 50, len(nodes)):
        seeds = nodes[::share]
        chosen = set(seeds)
        rows = set(closure.reach(batch_of(PLAIN, edges), ids(seeds)).rows())
        assert rows == {row for row in expected if row[0] in chosen}
        found = native.reach(made, ids(seeds))
        assert len(found) == len(rows)
        assert set(found.rows()) == rows
    plain = components.components(batch_of(PLAIN, edges))
    assert native.components(made).rows() == plain.rows()


@needs_native
def test_a_closure_leaves_what_it_is_made_of():
    """The edges may go while it is being read, and other threads may run."""
    made = batch_of(native, SHAPES["grid"])
    reading = native.Closure(made)
    first = reading.next(1000)
    del made
    assert len(first) + len(read(reading)) == COUNTS["grid"]

"""The causal graph and the replicated data types as programs: the rules of D.3 with the vectors of C.2, D.4 and D.5.

The rules stand here as the checklist has them, for the evaluator; the programs of `rhizomedb.crdt`, which say some of it
otherwise, are held to the same vectors in `tests/crdt`.
"""

from __future__ import annotations

import pytest
from algebra_helpers import Data, answer, cid, history, named, run

from rhizomedb.algebra import Evaluation

ANCESTOR = """
    ancestor(anc: P, desc: C) :- cause(from: C, to: P).
    ancestor(anc: A, desc: C) :- cause(from: C, to: P), ancestor(anc: A, desc: P).
"""
GRAPH = (
    ANCESTOR
    + """
    known(c: C)      :- C := fact().
    genesis(c: C)    :- C := fact(), !cause(from: C).
    head(c: C)       :- C := fact(), !cause(to: C).
    concurrent(x: X, y: Y)    :- known(c: X), known(c: Y), X < Y,
                                 !ancestor(anc: X, desc: Y), !ancestor(anc: Y, desc: X).
    redundant(from: C, to: P) :- cause(from: C, to: P), cause(from: C, to: Q), ancestor(anc: P, desc: Q).
    dangling(c: C, missing: P) :- cause(from: C, to: P), !known(c: P).
    notReady(c: C)   :- dangling(c: C).
    notReady(c: C)   :- cause(from: C, to: P), notReady(c: P).
    ready(c: C)      :- known(c: C), !notReady(c: C).
    ancestors(of: D, n: N)   :- known(c: D), N := count : ancestor(desc: D).
    descendants(of: A, n: N) :- known(c: A), N := count : ancestor(anc: A).
"""
)
REGISTER = (
    ANCESTOR
    + """
    write(c: C, e: E, a: A, v: W) :- C := fact(e: E, a: A, v: W).
    superseded(c: C)              :- write(c: C, e: E, a: A), write(c: D, e: E, a: A), ancestor(anc: C, desc: D).
    mvr(e: E, a: A, v: W, c: C)   :- write(c: C, e: E, a: A, v: W), !superseded(c: C).
    lwwTop(e: E, a: A, c: M)      :- mvr(e: E, a: A), M := max C : mvr(e: E, a: A, c: C).
    lww(e: E, a: A, v: W)         :- lwwTop(e: E, a: A, c: M), write(c: M, v: W).
"""
)
OR_SET = (
    ANCESTOR
    + """
    add(c: C, s: S, x: X)  :- C := fact(e: S, a: "set/add", v: X).
    observedRemove(c: C)   :- add(c: C, s: S, x: X), R := fact(e: S, a: "set/remove", v: X), ancestor(anc: C, desc: R).
    member(s: S, x: X)     :- add(c: C, s: S, x: X), !observedRemove(c: C).
"""
)
COUNTER = """
    delta(c: C, e: E, n: N)      :- C := fact(e: E, a: "ctr/delta", v: N).
    counter(e: E, total: T)      :- delta(e: E), T := sum N : delta(c: C, e: E, n: N).
"""
STATE_COUNTER = """
    slot(e: E, r: R, n: N)       :- C := fact(e: E, a: R, v: N), isSlot(r: R).
    best(e: E, r: R, n: M)       :- slot(e: E, r: R), M := max N : slot(e: E, r: R, n: N).
    gcounter(e: E, total: T)     :- best(e: E), T := sum N : best(e: E, r: R, n: N).
"""
MAP = (
    REGISTER
    + """
    deleted(c: C)                 :- write(c: C, e: E, a: K),
                                     D := fact(e: E, a: "map/delete", v: K), ancestor(anc: C, desc: D).
    entry(e: E, k: K, v: W, c: C) :- mvr(e: E, a: K, v: W, c: C), K != "map/delete", !deleted(c: C).
"""
)
TOMBSTONES = """
    tombstoned(c: C)                   :- T := fact(a: "tombstone", v: C).
    visible(c: C, e: E, a: A, v: W)    :- C := fact(e: E, a: A, v: W), A != "tombstone", !tombstoned(c: C).
"""
SEQUENCE = """
    ins(id: I, parent: P, ctr: N)  :- C := fact(e: I, a: "seq/after", v: P), D := fact(e: I, a: "seq/ctr", v: N).
    before(x: X, y: Y) :- ins(id: X, parent: P, ctr: N), ins(id: Y, parent: P, ctr: M), N > M.
    before(x: X, y: Y) :- ins(id: X, parent: P, ctr: N), ins(id: Y, parent: P, ctr: N), X > Y.
    hasEarlier(y: Y)   :- before(x: X, y: Y).
    firstChild(p: P, c: C) :- ins(id: C, parent: P), !hasEarlier(y: C).
    between(x: X, z: Z)    :- before(x: X, y: Y), before(x: Y, y: Z).
    nextSibling(x: X, y: Y) :- before(x: X, y: Y), !between(x: X, z: Y).
    hasNext(x: X)          :- nextSibling(x: X).
    nextUp(x: X, y: Y)     :- nextSibling(x: X, y: Y).
    nextUp(x: X, y: Y)     :- ins(id: X, parent: P), !hasNext(x: X), nextUp(x: P, y: Y).
    hasChild(p: P)         :- ins(parent: P).
    nextElem(x: X, y: Y)   :- firstChild(p: X, c: Y).
    nextElem(x: X, y: Y)   :- ins(id: X), !hasChild(p: X), nextUp(x: X, y: Y).
    gone(i: I)             :- C := fact(e: I, a: "seq/deleted", v: true).
    live(i: I)             :- ins(id: I), !gone(i: I).
    nextLive(x: X, y: Y)   :- nextElem(x: X, y: Y), live(i: Y).
    nextLive(x: X, y: Z)   :- nextElem(x: X, y: Y), !live(i: Y), nextLive(x: Y, y: Z).
    item(prev: X, id: I, v: W) :- nextLive(x: X, y: I), C := fact(e: I, a: "seq/value", v: W).
"""

EDGES = """apple almond · adobo apple · agave bagel · agave adobo · bagel bacon · banana bagel · avocado ambrosia ·
cake banana · cinnamon cake · cherry cinnamon · calamari cherry · carrot calamari · chocolate carrot ·
chocolate avocado · calamari bean · berry brie · bun carrot · butter bun · brine butter · baklava brine ·
brie baklava · brie asiago · asiago avocado · bean banana · ambrosia cinnamon · cake agave · avocado calamari ·
coffee chocolate · baklava chocolate"""
CAUSES = [tuple(edge.split()) for edge in EDGES.split("·")]
NAMES = sorted({name for edge in CAUSES for name in edge})
COUNTS = """adobo 2,17 · agave 5,16 · almond 0,19 · ambrosia 9,7 · apple 1,18 · asiago 14,2 · avocado 13,6 ·
bacon 0,20 · bagel 1,19 · baklava 19,2 · banana 2,17 · bean 3,12 · berry 22,0 · brie 21,1 · brine 15,3 ·
bun 13,5 · butter 14,4 ·
cake 7,15 · calamari 11,11 · carrot 12,8 · cherry 9,12 · chocolate 15,4 · cinnamon 8,14 · coffee 16,0"""


def pantry(*present: str) -> Data:
    """The graph of C.2, or the part of it that has arrived."""
    return history(
        *((name, name, "food", True, [to for frm, to in CAUSES if frm == name]) for name in present or NAMES)
    )


@pytest.fixture(scope="module")
def graph() -> Evaluation:
    return run(GRAPH, pantry())


def those(evaluation: Evaluation, relation: str) -> set:
    found = named(evaluation.relations[relation].rows, NAMES)
    return {row[0] if len(row) == 1 else row for row in found}


def test_c2_geneses_and_heads(graph):
    assert len(NAMES) == 24
    assert len(CAUSES) == 29
    assert those(graph, "genesis") == {"almond", "bacon"}
    assert those(graph, "head") == {"berry", "coffee"}


def test_c2_pairs(graph):
    assert len(graph.relations["ancestor"]) == 232
    assert len(graph.relations["concurrent"]) == 44
    assert not graph.relations["redundant"]
    assert not graph.relations["dangling"]
    assert those(graph, "ready") == set(NAMES)


def test_c2_counts(graph):
    ancestors, descendants = dict(those(graph, "ancestors")), dict(those(graph, "descendants"))
    for entry in COUNTS.split("·"):
        name, numbers = entry.split()
        assert f"{ancestors[name]},{descendants[name]}" == numbers, name


@pytest.mark.parametrize(
    ("name", "expected"), [("agave", "adobo almond apple bacon bagel"), ("bean", "bacon bagel banana")]
)
def test_c2_ancestors(graph, name, expected):
    assert {anc for anc, desc in those(graph, "ancestor") if desc == name} == set(expected.split())


@pytest.mark.parametrize(
    ("ancestor", "descendant", "direct"),
    [
        ("avocado", "baklava", False),
        ("agave", "ambrosia", False),
        ("bean", "bun", False),
        ("chocolate", "baklava", True),
    ],
)
def test_c2_ancestor_of(graph, ancestor, descendant, direct):
    assert (ancestor, descendant) in those(graph, "ancestor")
    assert ((descendant, ancestor) in CAUSES) is direct


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("coffee", "asiago baklava berry brie brine bun butter"),
        ("bean", "adobo agave almond ambrosia apple cake cherry cinnamon"),
    ],
)
def test_c2_concurrent_with(graph, name, expected):
    found = {x if y == name else y for x, y in those(graph, "concurrent") if name in (x, y)}
    assert found == set(expected.split())


def test_c2_partial_views():
    without = run(GRAPH, pantry(*(name for name in NAMES if name not in ("coffee", "berry"))))
    assert those(without, "head") == {"brie"}
    few = run(GRAPH, pantry("berry", "brie"))
    assert those(few, "dangling") == {("brie", "baklava"), ("brie", "asiago")}
    assert those(few, "genesis") == set()  # E4


def test_d5_registers():
    writes = [("w1", "e", "x", 1, []), ("w2", "e", "x", 2, ["w1"]), ("w3", "e", "x", 3, ["w1"])]
    values = {cid("w2"): 2, cid("w3"): 3}
    assert {row[2] for row in answer(REGISTER, history(*writes), "mvr")} == {2, 3}
    assert answer(REGISTER, history(*writes), "lww") == {("e", "x", values[max(values)])}
    merged = history(*writes, ("w4", "e", "x", 4, ["w2", "w3"]))
    assert {row[2] for row in answer(REGISTER, merged, "mvr")} == {4}
    assert answer(REGISTER, merged, "lww") == {("e", "x", 4)}


def test_t4_supersession_is_transitive():
    data = history(("A", "e", "x", 1, []), ("B", "e", "y", 5, ["A"]), ("C", "e", "x", 2, ["B"]))
    assert {row[2] for row in answer(REGISTER, data, "mvr") if row[1] == "x"} == {2}
    direct = REGISTER.replace("ancestor(anc: C, desc: D).\n    mvr", "cause(from: D, to: C).\n    mvr")
    assert {row[2] for row in answer(direct, data, "mvr") if row[1] == "x"} == {1, 2}


def test_t8_what_is_superseded_may_come_later():
    data = history(("w2", "e", "x", 2, ["w1"]))
    assert {row[2] for row in answer(REGISTER, data, "mvr")} == {2}
    data = history(("w2", "e", "x", 2, ["w1"]), ("w1", "e", "x", 1, []))
    assert {row[2] for row in answer(REGISTER, data, "mvr")} == {2}


def test_t9_a_missing_middle_shows_both():
    ends = [("A", "e", "x", 1, []), ("C", "e", "x", 3, ["B"])]
    assert {row[2] for row in answer(REGISTER, history(*ends), "mvr")} == {1, 3}
    whole = history(*ends, ("B", "e", "y", 2, ["A"]))
    assert {row[2] for row in answer(REGISTER, whole, "mvr") if row[1] == "x"} == {3}


@pytest.mark.parametrize(("upto", "expected"), [(1, {"x"}), (2, set()), (3, {"x"}), (4, set()), (5, {"x"})])
def test_d5_observed_remove_set(upto, expected):
    operations = [
        ("a1", "s", "set/add", "x", []),
        ("r1", "s", "set/remove", "x", ["a1"]),
        ("a2", "s", "set/add", "x", ["a1"]),
        ("r2", "s", "set/remove", "x", ["a2", "r1"]),
        ("a3", "s", "set/add", "x", ["r2"]),
    ]
    assert {row[1] for row in answer(OR_SET, history(*operations[:upto]))} == expected


def test_d5_counters():
    data = history(
        ("d1", "n", "ctr/delta", 5, []), ("d2", "n", "ctr/delta", -2, []), ("d3", "n", "ctr/delta", 5, ["d1"])
    )
    assert answer(COUNTER, data) == {("n", 8)}
    data = history(
        ("a", "n", "r1", 1, []),
        ("b", "n", "r1", 3, []),
        ("c", "n", "r1", 2, []),
        ("d", "n", "r2", 4, []),
        ("e", "n", "name", 9, []),
    )
    assert answer(STATE_COUNTER, {**data, "isSlot": (("r",), [("r1",), ("r2",)])}) == {("n", 7)}


def test_d5_map():
    first = [("m1", "e", "k", 1, []), ("d1", "e", "map/delete", "k", ["m1"])]
    assert answer(MAP, history(*first)) == set()
    assert {row[:3] for row in answer(MAP, history(*first, ("m2", "e", "k", 2, ["m1"])))} == {("e", "k", 2)}


def test_tombstones():
    data = history(("a", "e", "x", 1, []), ("b", "e", "x", 2, []), ("t", "e", "tombstone", cid("a"), ["a"]))
    assert {row[3] for row in answer(TOMBSTONES, data)} == {2}


def sequence(deleted: tuple[int, ...] = ()) -> Data:
    parents = {1: 0, 2: 0, 3: 2, 4: 1, 5: 2, 6: 2}
    facts = []
    for element, parent in parents.items():
        facts += [
            (f"after{element}", element, "seq/after", parent, []),
            (f"ctr{element}", element, "seq/ctr", element, []),
            (f"value{element}", element, "seq/value", f"v{element}", []),
        ]
    return history(*facts, *((f"gone{element}", element, "seq/deleted", True, []) for element in deleted))


def read(data: Data, **options: bool) -> list:
    """The list from its first item on, and that each has the value that was written."""
    following = {prev: (item, value) for prev, item, value in answer(SEQUENCE, data, **options)}
    found, place = [], 0
    while place in following:
        place, value = following[place]
        assert value == f"v{place}"
        found.append(place)
    return found


@pytest.mark.parametrize("probe", [True, False])
def test_d5_sequence(probe):
    assert read(sequence(), probe=probe) == [2, 6, 5, 3, 1, 4]
    assert read(sequence(deleted=(2, 5)), probe=probe) == [6, 3, 1, 4]


def test_d5_readiness():
    part = history(("f1", "e", "a", 1, []), ("f2", "e", "a", 2, ["f1", "missing"]))
    assert answer(GRAPH, part, "ready") == {(cid("f1"),)}
    whole = history(("f1", "e", "a", 1, []), ("f2", "e", "a", 2, ["f1", "missing"]), ("missing", "e", "a", 0, []))
    assert len(answer(GRAPH, whole, "ready")) == 3

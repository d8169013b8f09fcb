"""The engine against the oracle: whatever the program, its plan and the history, it holds what the program derives."""

from __future__ import annotations

import pytest
from flow_helpers import Watched, exact_rows, histories, oracle
from flow_laws import REWRITE_NAMES, SWITCHES, check, in_order, once, plan_of, questions, rewritten, standing
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rhizomedb.algebra import lower
from rhizomedb.algebra.plan import plan_query
from rhizomedb.flow.build import build
from rhizomedb.logic.check import checked
from rhizomedb.logic.parse import parse
from rhizomedb.testing.strategies import programs

LAWS = settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate]
)


@given(st.data(), programs(), histories(epochs_max=6))
@LAWS
def test_every_way_is_recomputing(data, program, history):
    """F1, D6: every way through a history: all switches, step by step and at once, circuits, rewritten plans."""
    question = data.draw(questions(plan_of(program)))
    off = data.draw(st.sampled_from(REWRITE_NAMES))
    assert check(program, question, [None, off], history) == 26


@given(programs(), histories(), st.sampled_from(SWITCHES), st.sampled_from([standing, once]))
@settings(LAWS, max_examples=1000)
def test_many_programs_one_way_each(program, history, switches, law):
    """F1, D6: a thousand programs with a history for each kind of kernels, so two thousand where there are both."""
    plan = plan_of(program)
    law(plan, history, [oracle(plan, state) for state in history], *switches)


@given(programs(rules_max=8), histories(epochs_max=14, rows_max=5))
@settings(LAWS, max_examples=40)
def test_long_histories_of_larger_programs(program, history):
    plan = plan_of(program)
    expected = [oracle(plan, state) for state in history]
    standing(plan, history, expected, True, True, 2)
    once(plan, history, expected, True, True, 2)


# -- recursion --------------------------------------------------------------------------------------------------------

EDGE = {"edge": ("from", "to")}
GRAPHS = st.lists(st.frozensets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12), min_size=2, max_size=8)

RECURSIVE = {
    "closure": """
        path(from: X, to: Y) :- edge(from: X, to: Y).
        path(from: X, to: Z) :- edge(from: X, to: Y), path(from: Y, to: Z).""",
    "left": """
        path(from: X, to: Y) :- edge(from: X, to: Y).
        path(from: X, to: Z) :- path(from: X, to: Y), edge(from: Y, to: Z).""",
    "square": """
        path(from: X, to: Y) :- edge(from: X, to: Y).
        path(from: X, to: Z) :- path(from: X, to: Y), path(from: Y, to: Z).""",
    "mutual": """
        even(from: X, to: Z) :- odd(from: X, to: Y), edge(from: Y, to: Z).
        odd(from: X, to: Y) :- edge(from: X, to: Y).
        odd(from: X, to: Z) :- even(from: X, to: Y), edge(from: Y, to: Z).""",
    "same generation": """
        node(id: X) :- edge(from: X). node(id: X) :- edge(to: X).
        same(x: X, y: X) :- node(id: X).
        same(x: X, y: Y) :- edge(from: X, to: P), same(x: P, y: Q), edge(from: Y, to: Q).""",
    "points to, which is factored": """
        to(x: X, y: Y) :- edge(from: Y, to: X).
        to(x: X, y: W) :- edge(from: X, to: Z), to(x: Z, y: W).
        to(x: X, y: W) :- edge(from: X, to: P), to(x: P, y: Z), to(x: Z, y: W).""",
    "what factoring must leave together": """
        loop(id: X) :- edge(from: X, to: X).
        to(x: X, y: Y) :- edge(from: Y, to: X).
        to(x: X, y: W) :- edge(from: X, to: P), to(x: P, y: X), to(x: Z, y: W), !loop(id: Z).
        to(x: X, y: W) :- edge(from: X, to: P), to(x: P, y: X), to(x: Z, y: W), Z > 2.
        to(x: X, y: W) :- edge(from: X, to: P), to(x: P, y: Q), Z := Q + 1, to(x: Z, y: W), !loop(id: Z).""",
    "triangles of the recursion": """
        far(x: X, y: Y) :- edge(from: X, to: Y).
        far(x: X, y: Z) :- far(x: X, y: Y), edge(from: Y, to: Z), far(x: Z, y: X).""",
    "negation inside": """
        loop(id: X) :- edge(from: X, to: X).
        path(from: X, to: Y) :- edge(from: X, to: Y), !loop(id: Y).
        path(from: X, to: Z) :- path(from: X, to: Y), edge(from: Y, to: Z), !loop(id: Z), X != Z.""",
    "negation of some columns": """
        quiet(id: X) :- edge(to: X), !edge(from: X).
        quiet(id: X) :- edge(from: X, to: Y), quiet(id: Y), !edge(from: Y, to: X).
        back(from: Y, to: X) :- edge(from: X, to: Y).
        single(id: X) :- edge(from: X), !back(from: X).""",
    "aggregate inside": """
        reach(id: 0).
        reach(id: Y) :- reach(id: X), edge(from: X, to: Y), N := count : edge(from: X), N <= 2.""",
    "loop after loop": """
        path(from: X, to: Y) :- edge(from: X, to: Y).
        path(from: X, to: Z) :- edge(from: X, to: Y), path(from: Y, to: Z).
        cyclic(id: X) :- path(from: X, to: X).
        calm(from: X, to: Y) :- edge(from: X, to: Y), !cyclic(id: X).
        calm(from: X, to: Z) :- calm(from: X, to: Y), calm(from: Y, to: Z).
        sizes(from: X, n: N) :- calm(from: X), N := count : calm(from: X).""",
}


def plan_over(text, stored):
    return lower(checked(parse(text), stored), stored)


@pytest.mark.parametrize("text", RECURSIVE.values(), ids=list(RECURSIVE))
@given(GRAPHS)
@settings(LAWS, max_examples=20)
def test_f11_recursion_under_deletion(text, graphs):
    """Edges of cycles come and go; every recursion with every switch, and as the plan of each relation asked for."""
    plan = plan_over(text, EDGE)
    history = [{"edge": set(graph)} for graph in graphs]
    expected = [oracle(plan, state) for state in history]
    for switches in SWITCHES:
        standing(plan, history, expected, *switches)
    in_order(plan, history)
    for relation in plan.derived:
        rewritten(parse(text), (relation, {}), None, history, expected, EDGE)


def test_factoring_is_at_work():
    """The switch switches something: the program above is factored, and is not where that is off."""
    plan = plan_over(RECURSIVE["points to, which is factored"], EDGE)
    assert len(build(plan).widths) > len(build(plan, factor=False).widths)


CLOSURE = RECURSIVE["closure"]
CHAIN = {(0, 1), (1, 2), (2, 3), (3, 4)}


@pytest.mark.parametrize("text", [RECURSIVE[name] for name in ("closure", "left", "square")])
def test_c5_incremental_recursion(text):
    watched = Watched(plan_over(text, EDGE))
    chain = {(a, b) for a in range(5) for b in range(a + 1, 5)}
    assert watched.step({"edge": CHAIN})["path"] == (chain, set())
    lost = {(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)}
    assert watched.step({"edge": CHAIN - {(1, 2)}})["path"] == (set(), lost)
    came, went = watched.step({"edge": CHAIN | {(4, 0)}})["path"]
    assert (len(came), went) == (21, set())
    assert watched.relation("path") == {(a, b) for a in range(5) for b in range(5)}
    came, went = watched.step({"edge": CHAIN})["path"]
    assert (came, len(went)) == (set(), 15)
    assert watched.relation("path") == chain


def test_two_derivations_of_which_one_goes():
    watched = Watched(plan_over(CLOSURE, EDGE))
    both = {(0, 1), (1, 3), (0, 2), (2, 3)}
    watched.step({"edge": both})
    assert watched.step({"edge": both - {(1, 3)}})["path"] == (set(), {(1, 3)})
    assert watched.step({"edge": both - {(1, 3), (2, 3)}})["path"] == (set(), {(0, 3), (2, 3)})


def test_a_seed_goes_while_its_cycle_stays():
    """What leans on itself alone is not there; and it comes back with another seed."""
    stored = {**EDGE, "seed": ("id",)}
    text = "on(id: X) :- seed(id: X). on(id: Y) :- on(id: X), edge(from: X, to: Y)."
    watched = Watched(plan_over(text, stored))
    ring = {(a, (a + 1) % 5) for a in range(5)}
    watched.step({"edge": ring, "seed": {(0,), (3,)}})
    assert watched.step({"edge": ring, "seed": {(3,)}})["on"] == (set(), set())
    assert watched.step({"edge": ring, "seed": set()})["on"] == (set(), {(a,) for a in range(5)})
    assert watched.step({"edge": ring, "seed": {(2,)}})["on"] == ({(a,) for a in range(5)}, set())


def test_the_only_support_of_a_hundred_thousand_tuples():
    """All paths lead through one edge: it goes and comes back. What does not is left alone."""
    watched = Watched(plan_over(CLOSURE, EDGE))
    into = {(number, 1000) for number in range(320)}
    out = {(1001, 2000 + number) for number in range(320)}
    aside = {(5000 + number, 6000 + number) for number in range(50)}
    whole = {"edge": into | out | aside | {(1000, 1001)}}
    watched.step(whole)
    size = len(watched.engine.relation("path").table)
    assert size == 321 * 321 + 320 + 320 + 50
    came, went = watched.step({"edge": whole["edge"] - {(1000, 1001)}})["path"]
    assert (came, len(went)) == (set(), 321 * 321)
    assert watched.relation("path") == into | out | aside
    came, went = watched.step(whole)["path"]
    assert (len(came), went) == (321 * 321, set())
    assert len(watched.engine.relation("path").table) == size


# -- vectors ----------------------------------------------------------------------------------------------------------

POINTS = {"point": (("x", "y"), [(3, 7), (3, 8), (4, 7)])}
ZEROS = {"point": (("x", "y"), [(0, 5), (3, 0), (0, 0), (1, 1)])}
GRID = {"point": (("x", "y"), [(x, y) for x in range(3) for y in range(3)])}
PRODUCTS = {"product": (("id", "category", "quantity"), [(1, "a", 3), (2, "a", 3), (3, "b", 7)])}
EMPTY = {"r": (("x",), [])}
NUMBERS = {"n": (("x",), [(number,) for number in range(1, 6)])}
TAGS = {
    "value": (("e", "v"), [(0, 0), (0, 1), (1, 2), (2, 2), (3, 23)]),
    "ignored": (("e", "v"), [(1, True), (2, False), (3, True)]),
}
ENTITIES = {
    "parent": (("child", "of"), [("f01", "f00"), ("f02", "f01"), ("f03", "f02"), ("f04", "f02"),
                                 ("f10", "f00"), ("f11", "f10"), ("f12", "f11")]),
    "about": (("fact", "e"), [(f"f0{n}", 0) for n in range(5)] + [(f"f1{n}", 1) for n in range(3)]),
}  # fmt: skip
COMPLEMENT = """
    t(x: X, y: Y) :- r(x: X, y: Y). t(x: X, y: Z) :- t(x: X, y: Y), r(x: Y, y: Z).
    v(x: X) :- r(x: X). v(x: Y) :- r(y: Y).
    tc(x: X, y: Y) :- v(x: X), v(x: Y), !t(x: X, y: Y)."""
PAIRS = {"pair1": (("id", "x", "y"), [("a", 1, 2), ("b", 3, 4), ("a", 5, 6)])}

VECTORS = [
    ("P1", "x(x: X) :- point(x: X, y: Y).", POINTS, "x", [(3,), (4,)]),
    ("P2", "z(x: 0, y: Y) :- point(x: 0, y: Y). z(x: X, y: 0) :- point(x: X, y: 0).", ZEROS, "z",
     [(0, 5), (3, 0), (0, 0)]),
    ("P3", "popular(id: X) :- profile(id: X), C := count : follower(follows: X), C >= 3.",
     {"profile": (("id",), [("u1",), ("u2",), ("u3",)]),
      "follower": (("who", "follows"), [(n, "u1") for n in range(3)] + [(n, "u2") for n in range(2)])},
     "popular", [("u1",)]),
    ("P5", """meal(a: A, b: B, m: M) :- person(n: A), person(n: B), A != B, likes(p: A, m: M), !dislikes(p: B, m: M).""",
     {"person": (("n",), [("Quinn",), ("Brooke",)]),
      "likes": (("p", "m"), [("Quinn", "Ramen"), ("Brooke", "Vegan"), ("Brooke", "Schnitzel")]),
      "dislikes": (("p", "m"), [("Quinn", "Vegan"), ("Brooke", "Mushrooms")])},
     "meal", [("Quinn", "Brooke", "Ramen"), ("Brooke", "Quinn", "Schnitzel")]),
    ("P6", "n(c: C, n: N) :- category(id: C), N := count : product(category: C).",
     {"category": (("id",), [("c1",), ("c2",), ("c3",)]),
      "product": (("id", "category"), [(1, "c1"), (2, "c1"), (3, "c2")])},
     "n", [("c1", 2), ("c2", 1), ("c3", 0)]),
    ("P7", "t(t: T) :- T := sum Q : product(category: C, quantity: Q).", PRODUCTS, "t", [(13,)]),
    ("P8", "t(c: C, t: T) :- product(category: C), T := sum Q : product(category: C, quantity: Q).", PRODUCTS, "t",
     [("a", 6), ("b", 7)]),
    ("P11", "d(x: X, y: Y) :- point(x: X, y: Y), X <= Y.", GRID, "d", [(x, y) for x in range(3) for y in range(x, 3)]),
    ("P12 count", "n(n: N) :- N := count : r().", EMPTY, "n", [(0,)]),
    ("P12 sum", "n(n: N) :- N := sum X : r(x: X).", EMPTY, "n", [(0,)]),
    ("P12 min", "n(n: N) :- N := min X : r(x: X).", EMPTY, "n", []),
    ("P12 max", "n(n: N) :- N := max X : r(x: X).", EMPTY, "n", []),
    ("P13", CLOSURE, {"edge": (("from", "to"), sorted(CHAIN))}, "path", [(a, b) for a in range(5) for b in range(a + 1, 5)]),
    ("P14", COMPLEMENT, {"r": (("x", "y"), [(1, 2), (2, 3)])}, "tc", [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]),
    ("P16", "r(x: X, y: Y) :- p(a: 1, x: X), q(a: 2, y: Y).",
     {"p": (("a", "x"), [(1, 10)]), "q": (("a", "y"), [(2, 20)])}, "r", [(10, 20)]),
    ("P17", "r(x: X) :- p(a: 1, x: X), !q(a: 2, x: X).",
     {"p": (("a", "x"), [(1, 10)]), "q": (("a", "x"), [(2, 10)])}, "r", []),
    ("P18", "s(x: X) :- p(a: X, b: X).", {"p": (("a", "b"), [(1, 1), (1, 2)])}, "s", [(1,)]),
    ("P19 copy", "d(a: X, b: X) :- p(a: X).", {"p": (("a",), [(1,)])}, "d", [(1, 1)]),
    ("P19 constant", "k(a: X, b: 9) :- p(a: X).", {"p": (("a",), [(1,)])}, "k", [(1, 9)]),
    ("P21", "r(x: X) :- p(x: X), q(x: X).", {"p": (("x",), [(1,)]), "q": (("x",), [(1.0,), ("1",), (True,)])}, "r", []),
    ("C.6 negate over EDB", "k(e: E, v: V) :- value(e: E, v: V), !ignored(e: E, v: true).", TAGS, "k",
     [(0, 0), (0, 1), (2, 2)]),
    ("C.6 roots per entity",
     """within(child: C, of: P) :- parent(child: C, of: P), about(fact: C, e: E), about(fact: P, e: E).
        root(e: E, f: F) :- about(fact: F, e: E), !within(child: F).""",
     ENTITIES, "root", [(0, "f00"), (1, "f10")]),
    ("C.6 parents per entity", "within(child: C, of: P) :- parent(child: C, of: P), about(fact: C, e: E), about(fact: P, e: E).",
     ENTITIES, "within",
     [("f01", "f00"), ("f02", "f01"), ("f03", "f02"), ("f04", "f02"), ("f11", "f10"), ("f12", "f11")]),
    ("C.6 two hops", "two(x: X, z: Z) :- parent(child: X, of: Y), parent(child: Y, of: Z).",
     {"parent": (("child", "of"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3), (6, 4)])}, "two",
     [(2, 0), (3, 0), (4, 1), (5, 1), (6, 2)]),
    ("C.6 predicate", "p(x: X, y: Y, z: Z) :- n(x: X), n(x: Y), n(x: Z), X < Y, S := X + Y, S < Z.", NUMBERS, "p",
     [(1, 2, 4), (1, 2, 5), (1, 3, 5)]),
    ("C.6 predicate, whole", "p(x: X, y: Y, z: Z) :- n(x: X), n(x: Y), n(x: Z), S := X + Y, S < Z.", NUMBERS, "p",
     [(1, 1, 3), (1, 1, 4), (1, 1, 5), (1, 2, 4), (1, 2, 5), (1, 3, 5), (2, 1, 4), (2, 1, 5), (2, 2, 5), (3, 1, 5)]),
    *((f"C.6 {name}", f"a(a: A) :- A := {name}{'' if name == 'count' else ' X'} : n({'' if name == 'count' else 'x: X'}).",
       NUMBERS, "a", [(result,)])
      for name, result in (("count", 5), ("sum", 15), ("min", 1), ("max", 5), ("avg", 3.0))),
    ("C.6 products", "xy(x: X, y: Y, p: P) :- n(x: X), n(x: Y), P := X * Y. s(s: S) :- S := sum P : xy(p: P).", NUMBERS, "s",
     [(225,)]),
    ("C.6 self join", "pair2(id: I, x: X, y: Y) :- pair1(id: I, x: X), pair1(id: I, y: Y).", PAIRS, "pair2",
     [("a", 1, 2), ("a", 1, 6), ("a", 5, 2), ("a", 5, 6), ("b", 3, 4)]),
    ("C.6 min over dynamic", "m(m: M) :- M := min X : n(x: X).", {"n": (("x",), [(5,), (12,), (-7,)])}, "m", [(-7,)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "data", "relation", "expected"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS]
)
def test_vector(text, data, relation, expected):
    """Loaded at once, row by row, by the rewritten plan, and there again after everything went."""
    stored = {name: columns for name, (columns, _) in data.items()}
    whole = {name: exact_rows(rows) for name, (_, rows) in data.items()}
    nothing = {name: set() for name in data}
    wanted = exact_rows(expected)
    plan = plan_over(text, stored)
    single = Watched(plan, standing=False)
    single.step(whole)
    assert single.relation(relation) == wanted
    planned = plan_query(checked(parse(text), stored), relation, stored).plan
    asked = Watched(planned, build(planned, [relation]), standing=False)
    asked.step(whole)
    assert asked.relation(relation) == wanted
    watched, state = Watched(plan), nothing
    before = watched.step(nothing)
    for name, rows in whole.items():
        for row in sorted(rows, key=repr):
            state = {**state, name: state[name] | {row}}
            watched.step(state)
    assert watched.relation(relation) == wanted
    watched.step(nothing)
    assert watched.state() == {name: came for name, (came, _) in before.items()}
    watched.step(whole)
    assert watched.relation(relation) == wanted


# -- another database -------------------------------------------------------------------------------------------------

SQL = {
    "closure": (
        """path(x: X, y: Y) :- e(a: X, b: Y). path(x: X, y: Z) :- path(x: X, y: Y), e(a: Y, b: Z).""",
        "path",
        "WITH RECURSIVE p AS (SELECT a, b FROM e UNION SELECT p.a, e.b FROM p JOIN e ON p.b = e.a) SELECT * FROM p",
    ),
    "same generation": (
        """g(x: X, y: Y) :- e(a: P, b: X), e(a: P, b: Y).
           g(x: X, y: Y) :- e(a: P, b: X), g(x: P, y: Q), e(a: Q, b: Y).""",
        "g",
        """WITH RECURSIVE g AS (SELECT l.b AS x, r.b AS y FROM e l JOIN e r ON l.a = r.a
           UNION SELECT l.b, r.b FROM g JOIN e l ON l.a = g.x JOIN e r ON r.a = g.y) SELECT * FROM g""",
    ),
    "join, without, and aggregates": (
        """open(x: X, y: Y, w: W) :- e(a: X, b: Y), w(n: Y, w: W), !closed(n: X).
           total(x: X, n: N, s: S, m: M) :- open(x: X), N := count : open(x: X), S := sum W : open(x: X, y: Y, w: W),
             M := max W : open(x: X, w: W).""",
        "total",
        """SELECT a, count(*), sum(w), max(w) FROM e JOIN w ON e.b = w.n
           WHERE NOT EXISTS (SELECT 1 FROM closed WHERE closed.n = e.a) GROUP BY a""",
    ),
}
SQL_STORED = {"e": ("a", "b"), "w": ("n", "w"), "closed": ("n",)}
NODES = st.integers(0, 7)
TABLES = st.fixed_dictionaries(
    {
        "e": st.frozensets(st.tuples(NODES, NODES), max_size=25),
        "w": st.frozensets(st.tuples(NODES, st.integers(-9, 9)), max_size=12),
        "closed": st.frozensets(st.tuples(NODES), max_size=2),
    }
)


@pytest.mark.parametrize(("text", "relation", "query"), SQL.values(), ids=list(SQL))
@given(st.lists(TABLES, min_size=1, max_size=4))
@settings(LAWS, max_examples=25)
def test_duckdb_is_of_the_same_opinion(text, relation, query, history):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: there is no third judge")
    watched = Watched(plan_over(text, SQL_STORED))
    with duckdb.connect(":memory:") as other:
        for name, columns in SQL_STORED.items():
            other.execute(f"CREATE TABLE {name} ({', '.join(f'{column} BIGINT' for column in columns)})")
        for state in history:
            watched.step({name: set(rows) for name, rows in state.items()})
            for name, columns in SQL_STORED.items():
                other.execute(f"DELETE FROM {name}")
                if state[name]:
                    marks = ", ".join("?" * len(columns))
                    other.executemany(f"INSERT INTO {name} VALUES ({marks})", [list(row) for row in state[name]])
            assert watched.relation(relation) == set(other.execute(query).fetchall())

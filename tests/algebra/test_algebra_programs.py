"""Programs from text to tuples: the vectors of PomoLogic (C.3), of rs-rhizome (C.6), and its defects (A.5)."""

from __future__ import annotations

import random

import pytest
from algebra_helpers import Data, answer, history, named, rows, run
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.algebra import Relations, evaluate, lower, show
from rhizomedb.algebra.evaluation import is_monotone
from rhizomedb.algebra.program import Loop
from rhizomedb.errors import PlanError, ProgramError
from rhizomedb.logic.builtins import AGGREGATES, user_aggregate
from rhizomedb.logic.check import checked
from rhizomedb.logic.parse import parse
from rhizomedb.logic.syntax import Program, Rule

POINTS: Data = {"point": (("x", "y"), [(3, 7), (3, 8), (4, 7)])}
PRODUCTS: Data = {"product": (("id", "category", "quantity"), [(1, "a", 3), (2, "a", 3), (3, "b", 7)])}
EMPTY: Data = {"r": (("x",), [])}
PEOPLE: Data = {
    "person": (("name",), [("Quinn",), ("Brooke",)]),
    "likes": (("person", "meal"), [("Quinn", "Ramen"), ("Brooke", "Vegan"), ("Brooke", "Schnitzel")]),
    "dislikes": (("person", "meal"), [("Quinn", "Vegan"), ("Brooke", "Mushrooms")]),
}
FOLLOWERS: Data = {
    "profile": (("id",), [("u1",), ("u2",), ("u3",)]),
    "follower": (("who", "follows"), [("a", "u1"), ("b", "u1"), ("c", "u1"), ("a", "u2"), ("b", "u2")]),
}
CHAIN: Data = {"r": (("a", "b"), [(n, n + 1) for n in range(4)])}
SHORT: Data = {"r": (("a", "b"), [(1, 2), (2, 3)])}
CHECKBOX = """
    event click(id: text).
    relation checkbox(id: text, checked: bool).
    checkbox(id: I, checked: C)@next     :- checkbox(id: I, checked: C), !click(id: I).
    checkbox(id: I, checked: false)@next :- checkbox(id: I, checked: true), click(id: I).
    checkbox(id: I, checked: true)@next  :- checkbox(id: I, checked: false), click(id: I).
"""
CLOSURE = "t(a: X, b: Y) :- r(a: X, b: Y). t(a: X, b: Z) :- r(a: X, b: Y), t(a: Y, b: Z)."
COMPLEMENT = """
    v(x: X) :- r(a: X). v(x: X) :- r(b: X).
    tc(a: X, b: Y) :- v(x: X), v(x: Y), !t(a: X, b: Y).
"""
FIVE: Data = {"n": (("x",), [(k,) for k in range(1, 6)])}
DYNAMIC: Data = {"n": (("x",), [(5,), (12,), (-7,)])}


@pytest.mark.parametrize(
    ("program", "data", "expected"),
    [
        pytest.param("xCoordinate(x: X) :- point(x: X, y: Y).", POINTS, [(3,), (4,)], id="P1"),
        pytest.param("xCoordinate(x: X) :- point(x: X).", POINTS, [(3,), (4,)], id="P1 without y, L3"),
        pytest.param(
            "zeroPoint(x: 0, y: Y) :- point(x: 0, y: Y). zeroPoint(x: X, y: 0) :- point(x: X, y: 0).",
            {"point": (("x", "y"), [(0, 5), (3, 0), (0, 0), (1, 1)])},
            [(0, 5), (3, 0), (0, 0)],
            id="P2 L4",
        ),
        pytest.param(
            "popularProfile(id: X) :- profile(id: X), C := count : follower(follows: X), C >= 3.",
            FOLLOWERS,
            [("u1",)],
            id="P3 E15b",
        ),
        pytest.param(
            """suggestedMeal(a: A, b: B, meal: M) :- person(name: A), person(name: B), A != B,
               likes(person: A, meal: M), !dislikes(person: B, meal: M).""",
            PEOPLE,
            [("Quinn", "Brooke", "Ramen"), ("Brooke", "Quinn", "Schnitzel")],
            id="P5",
        ),
        pytest.param(
            "categoryCount(category: C, n: N) :- category(id: C), N := count : product(category: C).",
            {
                "category": (("id",), [("c1",), ("c2",), ("c3",)]),
                "product": (("id", "category"), [(1, "c1"), (2, "c1"), (3, "c2")]),
            },
            [("c1", 2), ("c2", 1), ("c3", 0)],
            id="P6 E15i",
        ),
        pytest.param(
            "totalStock(total: T) :- T := sum Q : product(category: C, quantity: Q).",
            PRODUCTS,
            [(13,)],
            id="P7 E15h",
        ),
        pytest.param(
            "totalStock(total: T) :- T := sum Q : product(quantity: Q).", PRODUCTS, [(13,)], id="P7 without C"
        ),
        pytest.param(
            "stock(category: C, total: T) :- product(category: C), T := sum Q : product(category: C, quantity: Q).",
            PRODUCTS,
            [("a", 6), ("b", 7)],
            id="P8",
        ),
        pytest.param(
            "diagonal(x: X, y: Y) :- point(x: X, y: Y), X <= Y.",
            {"point": (("x", "y"), [(x, y) for x in range(3) for y in range(3)])},
            [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)],
            id="P11 L23",
        ),
        pytest.param("n(n: N) :- N := count : r().", EMPTY, [(0,)], id="P12 count"),
        pytest.param("n(n: N) :- N := sum X : r(x: X).", EMPTY, [(0,)], id="P12 sum"),
        pytest.param("n(n: N) :- N := min X : r(x: X).", EMPTY, [], id="P12 min"),
        pytest.param("n(n: N) :- N := max X : r(x: X).", EMPTY, [], id="P12 max"),
        pytest.param(CLOSURE, CHAIN, [(a, b) for a in range(5) for b in range(a + 1, 5)], id="P13"),
        pytest.param(CLOSURE + COMPLEMENT, SHORT, [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)], id="P14 L12"),
        pytest.param(
            "r(x: X, y: Y) :- p(a: 1, x: X), q(a: 2, y: Y).",
            {"p": (("a", "x"), [(1, 10)]), "q": (("a", "y"), [(2, 20)])},
            [(10, 20)],
            id="P16 E15c",
        ),
        pytest.param(
            "r(x: X) :- p(a: 1, x: X), !q(a: 2, x: X).",
            {"p": (("a", "x"), [(1, 10)]), "q": (("a", "x"), [(2, 10)])},
            [],
            id="P17 E15c",
        ),
        pytest.param("s(x: X) :- p(a: X, b: X).", {"p": (("a", "b"), [(1, 1), (1, 2)])}, [(1,)], id="P18 E15d Q1 L15"),
        pytest.param("d(a: X, b: X) :- p(a: X).", {"p": (("a",), [(1,)])}, [(1, 1)], id="P19 E15g copy"),
        pytest.param("k(a: X, b: 9) :- p(a: X).", {"p": (("a",), [(1,)])}, [(1, 9)], id="P19 E15g constant"),
        pytest.param("k(a: 8, b: 9, c: 8) :- p().", {"p": (("a",), [(1,)])}, [(8, 9, 8)], id="E15g constants only"),
        pytest.param(
            "r(x: X) :- p(x: X), q(x: X).",
            {"p": (("x",), [(1,)]), "q": (("x",), [(1.0,), ("1",), (True,)])},
            [],
            id="P21 D13",
        ),
        pytest.param(
            "h(x: X, n: N) :- p(x: X), !q(x: X), N := count : r(x: X).",
            {"p": (("x",), [(1,), (2,)]), "q": (("x",), [(2,)]), "r": (("x",), [])},
            [(1, 0)],
            id="Q2",
        ),
        pytest.param("m(m: M) :- M := avg X : r(x: X).", EMPTY, [], id="Q7"),
        pytest.param(
            "big(x: X) :- r(x: X), X > 2, Y := X + 1, Y > 3.",
            {"r": (("x",), [("a",), (5,), (True,), (b"z",), (1,)])},
            [(5,)],
            id="Q8 in comparisons",
        ),
        pytest.param(
            "n(n: N) :- N := sum X : r(x: X).", {"r": (("x",), [("a",), (5,), (2,)])}, [(7,)], id="Q8 in an aggregate"
        ),
        pytest.param(
            "h(x: X) :- p(x: X), N := count : r(x: X), M := N + 1, M == 3, N < 5.",
            {"p": (("x",), [(1,), (2,)]), "r": (("x", "y"), [(1, 1), (1, 2)])},
            [(1,)],
            id="Q11",
        ),
        pytest.param(
            "t(x: X, y: Y, z: Z) :- n(x: X), n(x: Y), n(x: Z), X + Y < Z.",
            FIVE,
            [(1, 1, z) for z in (3, 4, 5)]
            + [(1, 2, 4), (1, 2, 5), (1, 3, 5), (2, 1, 4), (2, 1, 5), (2, 2, 5), (3, 1, 5)],
            id="C6 x + y < z",
        ),
        pytest.param(
            "a(n: N, s: S, l: L, h: H, m: M) :- N := count : n(), S := sum X : n(x: X), L := min X : n(x: X),"
            " H := max X : n(x: X), M := avg X : n(x: X).",
            FIVE,
            [(5, 15, 1, 5, 3.0)],
            id="C6 aggregates",
        ),
        pytest.param("m(x: M) :- M := min X : n(x: X).", DYNAMIC, [(-7,)], id="C6 min over dynamic"),
        pytest.param(
            "pair2(id: I, x: X, y: Y) :- pair1(id: I, x: X), pair1(id: I, y: Y).",
            {"pair1": (("id", "x", "y"), [("a", 1, 2), ("b", 3, 4), ("a", 5, 6)])},
            [("a", 1, 2), ("a", 1, 6), ("a", 5, 2), ("a", 5, 6), ("b", 3, 4)],
            id="C6 self join",
        ),
        pytest.param(
            "r(x: X) :- !q(x: X), p(x: X).", {"p": (("x",), [(1,), (2,)]), "q": (("x",), [(2,)])}, [(1,)], id="L14"
        ),
        pytest.param(
            "r(x: 1) :- p(x: 4), 5 == count : n().", {**FIVE, "p": (("x",), [(4,)])}, [(1,)], id="L17 constant target"
        ),
        pytest.param(
            "r(x: X) :- p(x: X), X := count : n().",
            {**FIVE, "p": (("x",), [(4,), (5,)])},
            [(5,)],
            id="L17 bound target",
        ),
        pytest.param(
            "r(x: X) :- p(x: X), X := Y + 1, p(x: Y).",
            {"p": (("x",), [(1,), (2,), (9,)])},
            [(2,)],
            id="assignment compares",
        ),
        pytest.param("r(x: 1) :- 2 < 1. r(x: 2) :- 1 < 2.", {}, [(2,)], id="E15e no atoms"),
        pytest.param("r(x: 1). r(x: 1.0). r(x: true). r(x: 1).", {}, [(1,), (1.0,), (True,)], id="ground facts"),
        pytest.param(
            "relation gone(x). r(x: X) :- gone(x: X). r(x: 1) :- !gone().", {}, [(1,)], id="a relation without rules"
        ),
        pytest.param(
            "r(var0: X, `Y`: Z) :- p(var0: X, `#1`: Y, `Y`: Z), N := count : p(`#1`: Y, `X`: X), N == 1.",
            {"p": (("var0", "#1", "X", "Y"), [(1, 2, 1, 4), (5, 6, 7, 8)])},
            [(1, 4)],
            id="L25 attributes that look generated or like variables",
        ),
        pytest.param(
            "o(x: X, y: Y, z: Z) :- p(x: X), optional q(x: X, y: Y = 0), optional q(x: Y, y: Z = -1).",
            {"p": (("x",), [(1,), (2,)]), "q": (("x", "y"), [(1, 5), (1, 6), (5, 7)])},
            [(1, 5, 7), (1, 6, -1), (2, 0, -1)],
            id="optional atoms",
        ),
        pytest.param(
            "s(x: X, t: T) :- p(x: X), T := sum Y : q(x: X, y: Y).",
            {"p": (("x",), [(1,), (2,)]), "q": (("x", "y"), [(1, 2**62), (1, 2**62 - 1), (1, 1)])},
            [(2, 0)],
            id="E15i a sum without a result is not the default",
        ),
    ],
)
@pytest.mark.parametrize("options", [{}, {"probe": False, "seminaive": False}], ids=["fast", "plain"])
def test_program(program, data, expected, options):
    assert answer(program, data, **options) == rows(expected)


def test_l20_a_user_aggregate_of_two_arguments():
    known = {**AGGREGATES, "dot": user_aggregate("dot", lambda held: sum(x * y for x, y in held), 2, empty=0)}
    program = "pair(x: X, y: Y) :- n(x: X), n(x: Y). s(s: S) :- S := dot X, Y : pair(x: X, y: Y)."
    assert answer(program, FIVE, aggregates=known) == {(225,)}


def test_l21_aggregates_do_not_see_each_others_variables():
    program = "r(a: A, b: B) :- A := count : p(x: X), B := count : q(x: X)."
    assert answer(program, {"p": (("x",), [(1,), (2,)]), "q": (("x",), [(3,)])}) == {(2, 1)}


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        pytest.param(
            "totalStock(total: T) :- product(quantity: Q), T := sum Q : product(category: C, quantity: Q).",
            "logic.aggregate-parameter",
            "bound by another part",
            id="P9 L18 the parameter is bound by another atom",
        ),
        pytest.param(
            "totalStock(category: C, total: T) :- T := sum Q : product(category: C, quantity: Q).",
            "logic.unbound-variable",
            "not seen outside",
            id="P10 L5 L21 the head uses a variable of the aggregate",
        ),
    ],
)
def test_what_an_aggregate_does_not_bind(program, code, said):
    with pytest.raises(ProgramError, match=said) as caught:
        answer(program, PRODUCTS)
    assert caught.value.code == code


def test_P4_the_checkbox_is_understood_and_not_run():
    """Running `@next`, and with it the states t0 to t4 of P4, comes later; the rules are parsed and checked today."""
    program = checked(parse(CHECKBOX), {})
    assert [rule.inductive for rule in program.rules] == [True] * 3
    assert parse(str(program)) == program
    with pytest.raises(ProgramError) as caught:
        lower(program, {})
    assert caught.value.code == "logic.next-unsupported"


def test_inductive_rules_are_not_run():
    with pytest.raises(ProgramError) as caught:
        lower(parse("p(x: X)@next :- p(x: X)."), {"p": ("x",)})
    assert caught.value.code == "logic.next-unsupported"


def test_recursion_makes_loops_of_changes():
    plan = lower(parse(CLOSURE + COMPLEMENT), {"r": ("a", "b")})
    loops = [statement for statement in plan.block.statements if isinstance(statement, Loop)]
    assert [loop.relations for loop in loops] == [("t",)]
    assert all(map(is_monotone, loops))


def test_mutual_recursion():
    program = """
        even(n: 0).
        odd(n: N) :- even(n: M), next(a: M, b: N).
        even(n: N) :- odd(n: M), next(a: M, b: N).
    """
    data: Data = {"next": (("a", "b"), [(n, n + 1) for n in range(10)])}
    assert answer(program, data, "even") == {(n,) for n in range(0, 11, 2)}
    assert answer(program, data, "odd") == {(n,) for n in range(1, 11, 2)}


def test_nonlinear_recursion():
    program = "t(a: X, b: Y) :- r(a: X, b: Y). t(a: X, b: Z) :- t(a: X, b: Y), t(a: Y, b: Z)."
    assert answer(program, CHAIN) == answer(CLOSURE, CHAIN)


def test_same_generation():
    program = """
        same(x: X, y: Y) :- parent(c: X, p: P), parent(c: Y, p: P).
        same(x: X, y: Y) :- parent(c: X, p: P), same(x: P, y: Q), parent(c: Y, p: Q).
    """
    data: Data = {"parent": (("c", "p"), [(n, n // 2) for n in range(2, 16)])}
    generations = [range(2**k, 2 ** (k + 1)) for k in range(1, 4)]
    assert answer(program, data) == {(a, b) for level in generations for a in level for b in level}


def test_c6_negation_over_stored_facts():
    data = history(
        ("a", 0, "value", 0, ""),
        ("b", 0, "value", 1, ""),
        ("c", 1, "value", 2, ""),
        ("d", 2, "value", 2, ""),
        ("e", 3, "value", 23, ""),
        ("f", 1, "ignored", True, ""),
        ("g", 2, "ignored", False, ""),
        ("h", 3, "ignored", True, "e"),
    )
    program = 'kept(e: E, v: V) :- fact(e: E, a: "value", v: V), !fact(e: E, a: "ignored", v: true).'
    assert answer(program, data) == rows([(0, 0), (0, 1), (2, 2)])


def test_c6_parents_and_roots_per_entity():
    data = history(
        ("f00", 0, "a", 0, []),
        ("f01", 0, "a", 0, ["f00"]),
        ("f02", 0, "a", 0, ["f01"]),
        ("f03", 0, "a", 0, ["f02"]),
        ("f04", 0, "a", 1, ["f02"]),
        ("f10", 1, "a", 0, ["f00"]),
        ("f11", 1, "a", 0, ["f10"]),
        ("f12", 1, "a", 0, ["f11"]),
    )
    names = ["f00", "f01", "f02", "f03", "f04", "f10", "f11", "f12"]
    parents = """parent(e: E, p: P, c: C) :- C := fact(e: E), P := fact(e: E), cause(from: C, to: P).
                 root(e: E, c: C) :- C := fact(e: E), !parent(e: E, c: C)."""
    assert named(answer(parents, data, "parent"), names) == {
        (0, "f00", "f01"),
        (0, "f01", "f02"),
        (0, "f02", "f03"),
        (0, "f02", "f04"),
        (1, "f10", "f11"),
        (1, "f11", "f12"),
    }
    assert named(answer(parents, data, "root"), names) == {(0, "f00"), (1, "f10")}


def test_c6_two_hops():
    data = history(
        *((f"f{k}", 0, "a", k, [f"f{parent}"]) for k, parent in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3), (6, 4)])
    )
    found = answer("hop(c: C, g: G) :- cause(from: C, to: P), cause(from: P, to: G).", data)
    expected = {("f2", "f0"), ("f3", "f0"), ("f4", "f1"), ("f5", "f1"), ("f6", "f2")}
    assert named(found, [f"f{k}" for k in range(7)]) == expected


def test_q3_aggregates_count_stored_facts_by_cid():
    """Equal triples of different causes are different facts; a scan over the triple alone shows them once."""
    data = history(("a", 0, "x", 1, []), ("b", 0, "x", 1, ["a"]), ("c", 0, "y", 1, []))
    assert answer("n(c: N) :- N := count : fact().", data) == {(3,)}
    assert answer('n(c: N) :- N := sum V : fact(a: "x", v: V).', data) == {(2,)}
    assert answer("t(e: E, a: A, v: V) :- fact(e: E, a: A, v: V).", data) == {(0, "x", 1), (0, "y", 1)}


def test_l9_cid_bindings_bind_and_filter():
    data = history(("a", 0, "x", 1, []), ("b", 1, "x", 2, ["a"]))
    program = "caused(v: V) :- cause(from: C, to: P), P := fact(v: V)."
    assert answer(program, data) == {(1,)}
    program = "self(v: V) :- C := fact(v: V), fact(v: C)."
    assert answer(program, data) == set()


def test_l14_every_order_of_a_body_is_one_answer():
    rule = parse(
        """r(x: X, n: N, m: M) :- p(x: X), !q(x: X), N := count : s(x: X), M := N + X, M < 9,
           optional s(x: X, y: Y = 0), Y < 3."""
    ).rules[0]
    data: Data = {
        "p": (("x",), [(1,), (2,), (3,), (8,)]),
        "q": (("x",), [(3,)]),
        "s": (("x", "y"), [(1, 1), (1, 2), (1, 7), (2, 9)]),
    }
    for seed in range(100):
        body = tuple(random.Random(seed).sample(rule.body, len(rule.body)))
        found = run(Program((Rule(rule.head, body),)), data)
        assert set(found.relations["r"]) == {(1, 3, 4), (8, 0, 8)}


@given(st.permutations(range(5)), st.booleans())
@settings(max_examples=30, deadline=None)
def test_l10_any_order_of_rules_is_one_answer(order, seminaive):
    rules = parse(CLOSURE + COMPLEMENT).rules
    found = run(Program(tuple(rules[place] for place in order)), SHORT, seminaive=seminaive)
    assert len(found.relations["tc"]) == 6


def test_show():
    data: Data = {"r": (("a", "b"), [(n, n + 1) for n in range(40)])}
    source = Relations(data)
    plan = lower(parse(CLOSURE), source.stored)
    found = evaluate(plan, source)
    text = show(plan, source, found)
    assert "loop" in text
    assert "r  ~40" in text
    assert "t  = 820" in text
    assert "+ 780 tuples in 40 runs" in text
    assert "~" not in show(plan)


def test_a_body_of_a_thousand_atoms():
    chain = ", ".join(f"r(a: X{n}, b: X{n + 1})" for n in range(1000))
    data: Data = {"r": (("a", "b"), [(0, 0)])}
    assert answer(f"long(x: X0) :- {chain}.", data) == {(0,)}
    guards = ", ".join(f"!r(a: X, b: {n})" for n in range(1, 1000))
    assert answer(f"guarded(x: X) :- r(a: X), {guards}.", data) == {(0,)}
    with pytest.raises(PlanError) as caught:
        answer(f"long(x: X0) :- {chain}, r().", data)
    assert caught.value.code == "algebra.too-big"

"""The operators for shapes: what closure and components mean, asked from every side, and how they stand in plans."""

from __future__ import annotations

import pytest
from algebra_helpers import rows, tuples, values
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.algebra import Assign, Block, Loop, Plan, Relations, evaluate, lower, show
from rhizomedb.algebra.evaluation import is_monotone
from rhizomedb.algebra.formula import Attribute, Comparison, Constant
from rhizomedb.algebra.optimize import optimize
from rhizomedb.algebra.relation import Closure, Components, Join, Project, Rename, Scan, Select, Union
from rhizomedb.budget import Budget
from rhizomedb.errors import BudgetExceeded, PlanError
from rhizomedb.facts.value import exact, order_cell
from rhizomedb.logic.parse import parse

STEPS = values("a b", (1, 2), (2, 3), (3, 1), (4, 4), (5, 6))
REACHED = {(one, two) for one in (1, 2, 3) for two in (1, 2, 3)} | {(4, 4), (5, 6)}


def test_closure():
    closure = Closure(STEPS, "a", "b")
    assert str(closure).startswith("closure[a → b](values")
    assert tuples(closure) == rows(REACHED)
    assert tuples(Project(Closure(STEPS, "b", "a"), ("a", "b"))) == rows(REACHED)


@pytest.mark.parametrize("probe", [True, False])
@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("value", [1, 4, 5, 6, 9, True])
def test_closure_from_an_end(name, value, probe):
    chosen = Select(Closure(STEPS, "a", "b"), Comparison(Attribute(name), "==", Constant(exact(value))))
    place = "ab".index(name)
    assert tuples(chosen, probe=probe) == {row for row in rows(REACHED) if row[place] == exact(value)}
    few = Join(values(name, (value,)), Closure(STEPS, "a", "b"))
    assert len(tuples(few, probe=probe)) == len(tuples(chosen))


def test_components():
    least = Components(STEPS, "a", "b", "node", "label", "min")
    assert str(least).startswith("components[node; label = min over a — b](values")
    assert tuples(least) == rows([(1, 1), (2, 1), (3, 1), (4, 4), (5, 5), (6, 5)])
    greatest = Components(STEPS, "b", "a", "node", "label", "max")
    assert tuples(greatest) == rows([(1, 3), (2, 3), (3, 3), (4, 4), (5, 6), (6, 6)])
    chosen = Select(least, Comparison(Attribute("label"), "==", Constant(5)))
    assert tuples(chosen) == rows([(5, 5), (6, 5)])


VALUES = st.integers(0, 5) | st.sampled_from([1.0, True, "a", b"a"])


@given(st.lists(st.tuples(VALUES, VALUES), max_size=12))
def test_components_are_least_and_greatest_of_the_symmetric_closure(edges):
    both = values("a b", *edges, *((other, one) for one, other in edges))
    reached: dict = {}
    for one, other in tuples(Closure(both, "a", "b")):
        reached.setdefault(one, []).append(other)
    for function, choose in (("min", min), ("max", max)):
        found = tuples(Components(values("a b", *edges), "a", "b", "n", "m", function))
        assert found == {(node, choose(others, key=order_cell)) for node, others in reached.items()}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Closure(STEPS, "a", "c"),
        lambda: Closure(values("a b c"), "a", "b"),
        lambda: Components(STEPS, "a", "c", "n", "m", "min"),
        lambda: Components(STEPS, "a", "b", "n", "n", "min"),
        lambda: Components(STEPS, "a", "b", "n", "m", "sum"),
    ],
)
def test_what_cannot_be(wrong):
    with pytest.raises(PlanError):
        wrong()


def test_a_closure_of_what_a_loop_assigns_is_done_again_each_round():
    """Its new pairs are not those of the new steps alone."""
    grown = Union((Scan("start", ("a", "b")), Rename(Closure(Scan("r", ("a", "b")), "a", "b"), ())))
    jump = Project(
        Join(Rename(Scan("r", ("a", "b")), (("b", "x"),)), Rename(Scan("leap", ("a", "b")), (("a", "x"),))), ("a", "b")
    )
    loop = Loop(Block((Assign("r", grown), Assign("r", jump))))
    assert not is_monotone(loop)
    data = {"start": (("a", "b"), [(1, 2), (7, 8), (9, 7)]), "leap": (("a", "b"), [(2, 7), (8, 4)])}
    source = Relations(data)
    plan = Plan(Block((loop,)), source.stored, {"r": ("a", "b")})
    found = [set(evaluate(plan, source, seminaive=way, probe=way).relations["r"].rows) for way in (True, False)]
    assert found[0] == found[1] and (1, 4) in found[0] and (9, 4) in found[0]


def test_a_budget_stops_a_closure():
    steps = values("a b", *((n, n + 1) for n in range(3000)))
    plan = Plan(Block((Assign("r", Closure(steps, "a", "b")),)), {}, {"r": ("a", "b")})
    with pytest.raises(BudgetExceeded):
        evaluate(plan, Relations({}), meter=Budget(facts=100_000).meter())


def test_what_a_rewritten_plan_derives_can_be_explained_as_far_as_it_goes():
    text = (
        "tc(a: X, b: Y) :- e(x: X, y: Y). tc(a: X, b: Z) :- tc(a: X, b: Y), e(x: Y, y: Z). q(a: A) :- tc(a: A, b: 3)."
    )
    source = Relations({"e": (("x", "y"), [(1, 2), (2, 3)])})
    found = evaluate(optimize(lower(parse(text), source.stored)), source)
    why = found.explain("q", (1,))
    assert why.rule is not None and [below.relation for below in why.premises] == ["tc"]


def test_marks_are_shown():
    text = """
    sees(x: X, v: V) :- e(x: X, y: V). sees(x: Y, v: V) :- sees(x: X, v: V), e(x: X, y: Y).
    least(x: X, m: M) :- sees(x: X), M := min V : sees(x: X, v: V).
    """
    plan = optimize(lower(parse(text), {"e": ("x", "y")}), asked=["least"])
    assert show(plan).startswith("loop, which hands on v of sees; only the least v of sees is asked for\n")

"""The oracle: random programs, random histories, and after each epoch what recomputing gives (D6, F1)."""

from __future__ import annotations

import pytest
from circuit_helpers import CLOSURE, EDGE, follow, histories, plan_of, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhizomedb.facts.cid import Cid
from rhizomedb.flow.circuit import ZSet
from rhizomedb.testing.strategies import BASE, programs, relations

LAWS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@given(st.data(), programs(), relations())
@LAWS
def test_f1_d6_incremental_is_recomputing(data, program, rows):
    follow(plan_of(program, BASE), data.draw(histories(rows_of(rows))))


GRAPHS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=14)

RECURSIVE = {
    "closure": CLOSURE,
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
    "negation inside": """
        loop(id: X) :- edge(from: X, to: X).
        path(from: X, to: Y) :- edge(from: X, to: Y), !loop(id: Y).
        path(from: X, to: Z) :- path(from: X, to: Y), edge(from: Y, to: Z), !loop(id: Z), X != Z.""",
    "aggregate inside": """
        reach(id: 0).
        reach(id: Y) :- reach(id: X), edge(from: X, to: Y), N := count : edge(from: X), N <= 2.""",
    "loop after loop": CLOSURE
    + """
        cyclic(id: X) :- path(from: X, to: X).
        calm(from: X, to: Y) :- edge(from: X, to: Y), !cyclic(id: X).
        calm(from: X, to: Z) :- calm(from: X, to: Y), calm(from: Y, to: Z).
        sizes(from: X, n: N) :- calm(from: X), N := count : calm(from: X).""",
}


@pytest.mark.parametrize("program", RECURSIVE.values(), ids=list(RECURSIVE))
@given(st.data(), GRAPHS)
@settings(LAWS, max_examples=60)
def test_f11_recursion_under_deletion(program, data, edges):
    follow(plan_of(program, EDGE), data.draw(histories({"edge": edges}, epochs_max=6)))


REGISTER = """
    ancestor(old: P, new: C) :- cause(from: C, to: P).
    ancestor(old: A, new: C) :- cause(from: C, to: P), ancestor(old: A, new: P).
    write(c: C, e: E, a: A, v: W) :- C := fact(e: E, a: A, v: W).
    superseded(c: C) :- write(c: C, e: E, a: A), write(c: D, e: E, a: A), ancestor(old: C, new: D).
    mvr(e: E, a: A, v: W, c: C) :- write(c: C, e: E, a: A, v: W), !superseded(c: C).
    top(e: E, a: A, c: M) :- mvr(e: E, a: A), M := max C : mvr(e: E, a: A, c: C).
    lww(e: E, a: A, v: W) :- top(e: E, a: A, c: M), write(c: M, v: W).
    dangling(c: C, missing: P) :- cause(from: C, to: P), !write(c: P).
    notReady(c: C) :- dangling(c: C).
    notReady(c: C) :- cause(from: C, to: P), notReady(c: P).
    ready(c: C) :- write(c: C), !notReady(c: C).
"""
FACTS = {"fact": ("$cid", "e", "a", "v"), "cause": ("from", "to")}


@given(st.data(), st.lists(st.tuples(st.sets(st.integers(0, 9)), st.integers(0, 1), st.integers(0, 2)), max_size=10))
@settings(LAWS, max_examples=60)
def test_a_register_while_facts_arrive_in_any_order_and_some_leave(data, drawn):
    """The register of the CRDTs, whose tuples have CIDs and whose causes may be missing for a while."""
    cids = [Cid.of(bytes([number])) for number in range(len(drawn))]
    facts = [(cid, "e", attribute, value) for cid, (_, attribute, value) in zip(cids, drawn, strict=True)]
    causes = [(cids[n], cids[p]) for n, (parents, _, _) in enumerate(drawn) for p in parents if p < n]
    follow(plan_of(REGISTER, FACTS), data.draw(histories({"fact": facts, "cause": causes}, epochs_max=6)))


@given(
    st.lists(
        st.lists(st.tuples(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(-3, 3)), max_size=6),
        max_size=6,
    )
)
@LAWS
def test_any_weights_may_come_in(epochs):
    """A tuple is in a stored relation while the weights that its sources gave sum to more than zero."""
    follow(plan_of(CLOSURE, EDGE), [{"edge": ZSet(epoch)} for epoch in epochs])

"""Formulas: two truth values, and a normal form that keeps them (R18)."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.algebra.formula import (
    DISJUNCTS_MAX,
    And,
    Attribute,
    Call,
    Comparison,
    Constant,
    Holds,
    Not,
    Or,
    attributes_of,
    conjuncts,
    dnf,
    test_of,
    value_of,
)
from rhizomedb.errors import PlanError
from rhizomedb.facts.value import TRUE, Exact

test_of.__test__ = False  # type: ignore[attr-defined]  # a name of the module, not a test

A, B = Attribute("a"), Attribute("b")
PLACES = {"a": 0, "b": 1}
CELLS = (0, 1, Exact(1.0), "x", TRUE)

leaves = st.one_of(
    st.builds(
        Comparison,
        st.sampled_from([A, B]),
        st.sampled_from(["==", "!=", "<", ">="]),
        st.sampled_from([A, B, Constant(1)]),
    ),
    st.just(Comparison(Call("+", (A, Constant(1))), "<", B)),
    st.just(Holds(A)),
)
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, max_size=3).map(tuple).map(And),
        st.lists(inner, max_size=3).map(tuple).map(Or),
    ),
    max_leaves=8,
)


@given(formulas)
@settings(max_examples=150, deadline=None)
def test_r18_dnf_keeps_the_truth_table(formula):
    before, after = test_of(formula, PLACES), test_of(dnf(formula), PLACES)
    for row in product(CELLS, CELLS):
        assert before(row) == after(row)


@given(formulas)
@settings(max_examples=100, deadline=None)
def test_r18_dnf_is_a_disjunction_of_conjunctions_of_literals(formula):
    for term in dnf(formula).parts:
        assert isinstance(term, And)
        for literal in term.parts:
            assert isinstance(literal.formula if isinstance(literal, Not) else literal, Comparison | Holds)


def test_r18_a_normal_form_beyond_bounds_is_refused():
    pair = Or((Holds(A), Holds(B)))
    formula = And(tuple(Or((Comparison(A, "<", Constant(n)), pair)) for n in range(DISJUNCTS_MAX.bit_length())))
    with pytest.raises(PlanError, match="disjunctive normal form"):
        dnf(formula)


@pytest.mark.parametrize(
    ("formula", "row", "holds"),
    [
        (Comparison(A, "==", B), (1, 1), True),
        (Comparison(A, "==", B), (1, Exact(1.0)), False),
        (Comparison(A, "!=", B), (1, Exact(1.0)), True),
        (Comparison(A, "<", B), (1, Exact(2.0)), False),
        (Not(Comparison(A, "<", B)), (1, Exact(2.0)), True),
        (Comparison(Call("/", (A, B)), "<", Constant(Exact(9.0))), (1, 0), False),  # no result
        (Not(Comparison(Call("/", (A, B)), "<", Constant(Exact(9.0)))), (1, 0), True),
        (Comparison(Call("/", (A, B)), "!=", Constant(Exact(9.0))), (1, 0), False),
        (Holds(A), (TRUE, 0), True),
        (Holds(A), (1, 0), False),
        (And(()), (0, 0), True),
        (Or(()), (0, 0), False),
    ],
)
def test_two_truth_values(formula, row, holds):
    assert test_of(formula, PLACES)(row) is holds


def test_parts():
    formula = And((Holds(A), And((Not(Holds(B)), Or((Holds(A), Holds(B)))))))
    assert list(map(str, conjuncts(formula))) == ["a", "not (b)", "a or b"]
    assert attributes_of(formula) == {"a", "b"}
    assert str(formula) == "a and not (b) and (a or b)"
    assert value_of(Call("+", (A, Call("/", (A, B)))), PLACES)((1, 0)) is None

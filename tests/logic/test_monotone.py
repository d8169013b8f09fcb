"""Monotonicity: what is told of programs, and the law that a relation called monotone never loses a tuple."""

from __future__ import annotations

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from rhizomedb.algebra import Relations, evaluate, lower
from rhizomedb.budget import Budget
from rhizomedb.crdt.library import LIBRARY
from rhizomedb.errors import BudgetExceeded
from rhizomedb.logic import check, parse
from rhizomedb.logic import monotone as reports
from rhizomedb.logic.monotone import monotonicity
from rhizomedb.testing.strategies import BASE, programs, relations

E = "relation e(x). relation d(x, y). "

TOLD = [
    ("positive", "p(x: X) :- e(x: X).", {"p"}, []),
    ("recursion", "p(x: X) :- e(x: X). p(x: Y) :- p(x: X), d(x: X, y: Y).", {"p"}, []),
    ("comparison", "p(x: X) :- e(x: X), X > 3, X != 5.", {"p"}, []),
    ("function", "p(x: Y) :- e(x: X), Y := X + 1, starts_with(text(Y), \"1\").", {"p"}, []),
    ("negation", "p(x: X) :- e(x: X), !d(x: X).", set(), ["`!d(x: X)`: a tuple goes when `d` gets one that matches"]),
    ("negation-of-constants", "k(x: 1). p(x: X) :- e(x: X), !k(x: X).", {"k", "p"}, []),
    ("negation-of-what-shrinks", "k(x: 1). k(x: 2). open(x: X) :- k(x: X), !e(x: X). done(x: 1) :- e(), !open().",
     {"k", "done"}, ["`!e(x: X)`: a tuple goes when `e` gets one that matches"]),
    ("count", "p(n: N) :- N := count : e().", set(), ["`count` over `e`: a result goes when `e` changes it"]),
    ("max", "p(n: N) :- N := max X : e(x: X).", set(), ["`max` over `e`: a result goes when `e` changes it"]),
    ("aggregate-of-constants", "k(x: 1). p(n: N) :- N := sum X : k(x: X).", {"k", "p"}, []),
    ("count-at-least", "p(x: X) :- e(x: X), N := count : d(x: X), N >= 2.", {"p"}, []),
    ("count-at-least-turned", "p(x: X) :- e(x: X), N := count_distinct Y : d(x: X, y: Y), 2 < N.", {"p"}, []),
    ("count-at-most", "p(x: X) :- e(x: X), N := count : d(x: X), N <= 2.", set(), ["`count` over `d`: a result goes when `d` changes it"]),
    ("count-at-most-negated", "q(x: 1) :- N := count : e(), N < 2. p() :- e(), !q().", {"p"},
     ["`count` over `e`: a result goes when `e` changes it"]),
    ("count-told-as-well", "p(x: X, n: N) :- e(x: X), N := count : d(x: X), N >= 2.", set(), ["`count` over `d`: a result goes when `d` changes it"]),
    ("count-compared-with-itself", "p(x: X) :- e(x: X), N := count : d(x: X), N >= N - 1.", set(), ["`count` over `d`: a result goes when `d` changes it"]),
    ("max-at-least", "p() :- N := max X : e(x: X), N >= 2.", set(), ["`max` over `e`: a result goes when `e` changes it"]),
    ("optional", "p(x: X, y: Y) :- e(x: X), optional d(x: X, y: Y = 0).", set(), ["`optional d`: the default goes when `d` gets a match"]),
    ("inherited", "p(x: X) :- e(x: X), !d(x: X). q(x: X) :- p(x: X).", set(),
     ["`!d(x: X)`: a tuple goes when `d` gets one that matches", "reads `p`, which is not monotone"]),
    ("its-own-first", "p(x: X) :- e(x: X), !d(x: X). q(x: X) :- p(x: X), N := count : e().", set(),
     ["`!d(x: X)`: a tuple goes when `d` gets one that matches", "`count` over `e`: a result goes when `e` changes it",
      "reads `p`, which is not monotone"]),
    ("mutual", "p(x: X) :- q(x: X). q(x: X) :- p(x: X). q(x: X) :- e(x: X), !d(x: X).", set(),
     ["reads `q`, which is not monotone", "`!d(x: X)`: a tuple goes when `d` gets one that matches", "reads `p`, which is not monotone"]),
    ("event", "event v(x). p(x: X) :- v(x: X). q(x: X) :- p(x: X).", set(),
     ["`v` is an event, and gone with its epoch", "reads `p`, which does not last"]),
    ("next-that-keeps", "event v(x). s(x: X)@next :- v(x: X). s(x: X)@next :- s(x: X).", {"s"}, []),
    ("next-that-lets-go", "event v(x). s(x: X)@next :- v(x: X).", set(),
     ["`s` is kept from step to step only where its `@next` rules say so"]),
    ("next-that-keeps-some", "event v(x). s(x: X)@next :- v(x: X). s(x: X)@next :- s(x: X), X > 1.", set(),
     ["`s` is kept from step to step only where its `@next` rules say so"]),
    ("next-that-takes-away", "event v(x). s(x: X)@next :- s(x: X), !v(x: X).", set(),
     ["`!v(x: X)`: a tuple goes when `v` gets one that matches"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "monotone", "reasons"), [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])
def test_told(text, monotone, reasons):
    program = parse(E + text)
    assert check(program, {}) == []
    found = monotonicity(program)
    assert {name for name, each in found.items() if each.is_monotone} == monotone
    assert [reason.message for each in found.values() for reason in each.reasons] == reasons
    assert all(reason.span is not None for each in found.values() for reason in each.reasons)


GRAPH = {"known", "genesis", "ancestor", "redundant"}
"""D.3 has `ready` and, between ready facts, `concurrent` too: for that one would have to know that causes come first."""


def test_d3_the_causal_graph():
    found = monotonicity(parse(LIBRARY["graph"].program))
    assert {name for name, each in found.items() if each.is_monotone} == GRAPH
    # what may be no fact that is here may get causes
    text = "named(fact: P) :- cause(to: P). first(fact: P) :- named(fact: P), !cause(from: P)."
    assert not monotonicity(parse(text))["first"].is_monotone


def test_through():
    program = parse(E + "\np(x: X) :- e(x: X),\n  !d(x: X).\nq(x: X) :- p(x: X).")
    (reason,) = monotonicity(program)["q"].reasons
    assert reason.as_dict() == {
        "message": "reads `p`, which is not monotone", "rule": "q(x: X) :- p(x: X).", "line": 4, "column": 12, "through": "p",
    }  # fmt: skip


# The law


def answers(program, given_rows):
    plan = lower(program, BASE)
    source = Relations({name: (BASE[name], rows) for name, rows in given_rows.items()})
    try:
        evaluation = evaluate(plan, source, meter=Budget(facts=20_000, seconds=0.5).meter())
    except BudgetExceeded:
        assume(False)
    return {name: set(table) for name, table in evaluation.relations.items()}


def more(given_rows, other):
    return {name: [*rows, *other[name]] for name, rows in given_rows.items()}


def check_law(program, few, other):
    monotone = {name for name, each in monotonicity(program).items() if each.is_monotone}
    before, after = answers(program, few), answers(program, more(few, other))
    for name in monotone:
        assert before[name] <= after[name], name


@given(programs(), relations(rows_max=6), relations(rows_max=6))
@settings(max_examples=250, deadline=None)
def test_what_is_called_monotone_never_loses_a_tuple(program, few, other):
    check_law(program, few, other)


THRESHOLDS = st.sampled_from(
    [
        "p(x: X) :- node(id: X), N := {f} : edge({g}), {c}. q() :- p().",
        "p(x: X) :- node(id: X), N := {f} : edge({g}), {c}. q(x: X) :- node(id: X), !p(x: X).",
        "k(x: 1). k(x: 2). o(x: X) :- k(x: X), N := {f} : edge({g}), {c}. q() :- node(), !o().",
        "k(x: 1). k(x: 2). o(x: X) :- k(x: X), !node(id: X). p(x: X) :- k(x: X), N := {f} : o(), {c}.",
    ]
)


def check_counted(text, function, comparison, few, other):
    grouped = "from: X, to: Y" if "Y" in function else "from: X"
    function = function if "o()" not in text else "count"
    program = parse("relation node(id). relation edge(from, to). " + text.format(f=function, g=grouped, c=comparison))
    check_law(program, few, other)


counted = given(
    THRESHOLDS,
    st.sampled_from(["count", "count_distinct Y"]),
    st.sampled_from(["N >= 1", "N > 1", "N <= 1", "N < 2", "2 > N", "1 <= N", "N == 1", "N != 1"]),
    relations(rows_max=5),
    relations(rows_max=5),
)
test_counts_that_are_compared = settings(max_examples=400, deadline=None)(counted(check_counted))


def random_programs():
    return given(programs(rules_max=4), relations(rows_max=4), relations(rows_max=4))(check_law)


BROKEN = {
    "everything grows": ("_grows_by", lambda self, predicate, rule: True, random_programs),
    "an aggregate is settled": ("_is_settled", lambda self, atom, rule: True, random_programs),
    "everything shrinks": ("_shrinks_by", lambda self, predicate, rule: True, lambda: counted(check_counted)),
    "nothing is asked of a count": ("_passes", lambda self, counted, rule, up, down: True, lambda: counted(check_counted)),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_report_is_caught(name, monkeypatch):
    method, broken, law = BROKEN[name]
    monkeypatch.setattr(reports._Analysis, method, broken)
    search = settings(max_examples=1000, deadline=None, database=None, phases=[Phase.generate])(law())
    with pytest.raises(AssertionError):
        search()

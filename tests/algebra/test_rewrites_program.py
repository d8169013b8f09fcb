"""Rewrites of programs: what they give, that they change no answer, that they touch only what is asked for."""

from __future__ import annotations

import doctest
import importlib
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhizomedb.algebra import Relations, evaluate, lower
from rhizomedb.facts.value import exact
from rhizomedb.logic.check import checked
from rhizomedb.logic.parse import parse
from rhizomedb.logic.rewrites import REWRITES, Question, demand, inline, propagate_constants
from rhizomedb.logic.stratify import stratify
from rhizomedb.logic.syntax import Program
from rhizomedb.testing.strategies import BASE, DERIVED, programs, relations, values

LAWS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

MODULES = ("demand", "inline", "propagate_constants", "sideways", "dependence", "question", "containment")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"rhizomedb.logic.rewrites.{name}")
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def run(program: Program, data, **options):
    source = Relations({name: (BASE[name], data.get(name, ())) for name in BASE})
    return evaluate(lower(program, source.stored), source, seminaive=False, probe=False, **options)


def asked_of(program: Program, chance) -> str:
    return chance.choice(sorted({rule.head.relation for rule in program.rules}))


@pytest.mark.parametrize("rewrite", [*dict.fromkeys(REWRITES)], ids=lambda rewrite: rewrite.__name__)
@given(programs(rules_max=8), relations(), st.randoms(use_true_random=False))
@LAWS
def test_each_is_equal_to_off(rewrite, program, data, chance):
    asked = asked_of(program, chance)
    after = rewrite(program, Question(asked, BASE))
    stratify(after)
    assert set(run(after, data).relations[asked].rows) == set(run(program, data).relations[asked].rows)


@given(programs(rules_max=8), relations(), st.randoms(use_true_random=False), values(), st.booleans())
@LAWS
def test_all_with_bindings_are_equal_to_off(program, data, chance, value, every):
    asked = asked_of(program, chance)
    columns = DERIVED[asked]
    given_ = dict.fromkeys(columns if every else chance.sample(columns, 1), value)
    question = Question(asked, BASE, given_, size=lambda relation: len(data[relation]))
    after = program
    for rewrite in REWRITES:
        if rewrite is not demand:
            after = rewrite(after, question)
    after = demand(after, question)
    whole = run(program, data).relations[asked]
    found = run(after, data).relations[asked]
    places = [whole.columns.index(name) for name in given_]
    expected = {row for row in whole.rows if all(row[place] == exact(value) for place in places)}
    order = [found.columns.index(name) for name in whole.columns]
    assert {tuple(row[place] for place in order) for row in found.rows} == expected


@given(programs(rules_max=8), relations(), st.randoms(use_true_random=False))
@LAWS
def test_no_more_is_derived_for_the_answer(program, data, chance):
    """What a demanded copy holds is part of what the relation holds."""
    asked = asked_of(program, chance)
    whole = run(program, data).relations
    found = run(demand(program, Question(asked, BASE)), data).relations
    for name, table in found.items():
        base = name.split("`")[0]
        copy = "`" in name and not name.startswith(("demand`", "supplementary`"))
        if copy and base in whole and set(table.columns) == set(whole[base].columns):
            order = [table.columns.index(column) for column in whole[base].columns]
            assert {tuple(row[place] for place in order) for row in table.rows} <= set(whole[base].rows)


CHAIN = [(number, number + 1) for number in range(200)]

ANCESTORS = {
    "right": "anc(a: X, b: Z) :- edge(from: X, to: Y), anc(a: Y, b: Z).",
    "left": "anc(a: X, b: Z) :- anc(a: X, b: Y), edge(from: Y, to: Z).",
    "nonlinear": "anc(a: X, b: Z) :- anc(a: X, b: Y), anc(a: Y, b: Z).",
}


@pytest.mark.parametrize("form", ANCESTORS)
@pytest.mark.parametrize(("given_", "most"), [({"b": 5}, 15), ({"a": 195}, 15), ({"a": 10, "b": 15}, 16)])
def test_what_is_not_reached_is_not_touched(form, given_, most):
    program = parse(f"anc(a: X, b: Y) :- edge(from: X, to: Y). {ANCESTORS[form]}")
    source = Relations({"edge": (("from", "to"), CHAIN)})
    after = demand(program, Question("anc", source.stored, given_))
    found = evaluate(lower(after, source.stored), source).relations
    assert {dict(zip(("a", "b"), row, strict=True)).items() >= given_.items() for row in found["anc"].rows} == {True}
    assert max(map(len, found.values())) <= most


def test_a_constant_in_a_rule_is_a_binding():
    program = parse(
        'answer(x: X) :- anc(a: X, b: B), B == "n5". anc(a: X, b: Y) :- edge(from: X, to: Y).' + ANCESTORS["right"]
    )
    source = Relations({"edge": (("from", "to"), [(f"n{a}", f"n{b}") for a, b in CHAIN])})
    question = Question("answer", source.stored)
    after = demand(propagate_constants(program, question), question)
    found = evaluate(lower(after, source.stored), source).relations
    assert len(found["answer"]) == 5 and max(map(len, found.values())) == 5


SKIP = """
visible(a: A, b: B) :- skip(a: A, b: B), held(e: A), held(e: B).
skip(a: A, b: B) :- next(a: A, b: B).
skip(a: A, b: B) :- next(a: A, b: V), !held(e: V), skip(a: V, b: B).
held(e: E) :- element(e: E), !removed(e: E).
"""


def test_demand_is_seen_inside_a_program():
    """A long run of removed elements: whole, `skip` grows with its square."""
    elements = range(300)
    source = Relations(
        {
            "element": (("e",), [(e,) for e in elements]),
            "next": (("a", "b"), list(pairwise(elements))),
            "removed": (("e",), [(e,) for e in range(50, 250)]),
        }
    )
    program = checked(parse(SKIP), source.stored)
    whole = evaluate(lower(program, source.stored), source).relations
    found = evaluate(lower(demand(program, Question("visible", source.stored)), source.stored), source).relations
    assert set(found["visible"].rows) == set(whole["visible"].rows)
    assert len(whole["skip"]) > 20_000
    assert sum(len(table) for name, table in found.items() if name.startswith("skip`")) == 299


TABLE = [
    # a relation asked with nothing bound anywhere is computed whole, once
    ("a(x: X) :- r(x: X, y: 1). a(x: X) :- r(x: X, y: Y). R", {"r"}),
    # a demand decided by a negation of what it rests on: only the relations concerned are whole
    (
        "a(x: X) :- p(x: 1, y: X). p(x: X, y: Y) :- e(x: X, y: Y)."
        "p(x: X, y: Z) :- e(x: X, y: Y), !n(x: Y), p(x: Y, y: Z). n(x: X) :- e(x: X, y: Z), m(x: Z). m(x: 3). m(x: 4) :- e.",
        {"n", "m"},
    ),
    # a plain closure asked from a scanned relation: the engine has something better
    ("a(x: X, y: Y) :- s(x: X), r(x: X, y: Y). R", {"r"}),
]


@pytest.mark.parametrize(("text", "whole"), TABLE)
def test_what_stays_whole(text, whole):
    text = text.replace("R", "r(x: X, y: Y) :- e(x: X, y: Y). r(x: X, y: Z) :- e(x: X, y: Y), r(x: Y, y: Z).")
    text = text.replace(":- e.", ":- e(x: X, y: Y).")
    stored = {"e": ("x", "y"), "s": ("x",)}
    after = demand(checked(parse(text), stored), Question("a", stored))
    names = {rule.head.relation for rule in after.rules}
    assert whole <= names
    assert not any(name.startswith(f"{relation}`") for name in names for relation in whole)


def test_a_large_relation_is_not_read_for_a_demand():
    text = """
    a(x: X, y: Y) :- s(x: Y), r(x: X, y: Y).
    r(x: X, y: Y) :- e(x: X, y: Y). r(x: X, y: Z) :- e(x: X, y: Y), !f(x: Y), r(x: Y, y: Z).
    """
    stored = {"e": ("x", "y"), "s": ("x",), "f": ("x",)}
    sizes = {"e": 100, "f": 1, "s": 1000}

    def names(sizes):
        rules = demand(parse(text), Question("a", stored, size=sizes.get)).rules
        return {rule.head.relation for rule in rules}

    assert "r" in names(sizes) and "r`fb" in names({**sizes, "s": 50}) and "r`fb" in names({})


def test_adornments_are_few():
    """A relation of many attributes asked with many patterns: its copies stay few, and what they share stays bound."""
    attributes = [f"c{place}" for place in range(10)]
    shown = ", ".join(f"{name}: V{place}" for place, name in enumerate(attributes))
    asks = [f"a(x: X) :- w(c0: 1, c{place}: 2, c9: X)." for place in range(1, 9)]
    text = " ".join([*asks, f"w({shown}) :- e({shown}).", f"w({shown}) :- e({shown}), w({shown})."])
    stored = {"e": tuple(attributes)}
    after = demand(checked(parse(text), stored), Question("a", stored))
    assert {rule.head.relation for rule in after.rules} == {"a", "w`bfffffffff", "demand`w`bfffffffff"}


INLINED = [
    ("a(x: X, y: Y) :- q(x: X, y: Y). q(x: 0, y: Z) :- e(x: Z).", {"q"}),
    ("a(x: X, y: Y) :- q(x: X, y: Y). q(x: Z, y: Z) :- e(x: Z).", {"q"}),
    ("a(x: 1, y: Y) :- q(x: 1, y: Y), q(x: 2, y: Y). q(x: Z, y: Y) :- e(x: Z, y: Y).", {"q"}),
    ("a(x: X, y: X) :- q(x: X, y: X), q(x: Y). q(x: Z, y: Y) :- e(x: Z, y: Y).", {"q"}),
    ("a(x: X, y: N) :- e(x: X), N := count : q(x: X). q(x: Z, y: Y) :- e(x: Z, y: Y).", set()),
    (
        "a(x: X, y: Y) :- q(x: X, y: Y). q(x: X, y: Y) :- r(x: X), optional e(x: X, y: Y = 7). r(x: X) :- e(x: X).",
        {"r"},
    ),
]


@pytest.mark.parametrize(("text", "gone"), INLINED)
def test_what_is_inlined(text, gone):
    source = Relations({"e": (("x", "y"), [(0, 0), (1, 2), (2, 2), (2, 3)])})
    program = checked(parse(text), source.stored)
    after = inline(program, Question("a", source.stored))
    names = {rule.head.relation for rule in program.rules}
    assert names - {rule.head.relation for rule in after.rules} == gone
    found = [evaluate(lower(each, source.stored), source).relations["a"].rows.keys() for each in (program, after)]
    assert found[0] == found[1] and found[0]


def test_inlining_is_bounded():
    stages = 400
    text = "a0(x: X) :- r(x: X). r(x: X) :- e(x: X). r(x: X) :- r(x: Y), f(x: Y, y: X)."
    text += " ".join(f"a{n}(x: X) :- a{n - 1}(x: X), f(x: X, y: Y), f(x: Y, y: Z)." for n in range(1, stages))
    stored = {"e": ("x",), "f": ("x", "y")}
    after = inline(checked(parse(text), stored), Question(f"a{stages - 1}", stored))
    assert len(after.rules) < stages and max(len(rule.body) for rule in after.rules) <= 24


def test_large_programs_stay_about_as_large():
    count = 990
    text = "".join(
        f"p{n}(a: X, b: Y) :- e(x: X, y: Y). p{n}(a: X, b: Z) :- p{n}(a: X, b: Y), p{max(0, n - 1)}(a: Y, b: Z)."
        f"q{n}(a: X) :- e(x: X, y: Y), p{n}(a: Y, b: {n}), !p{n}(a: X, b: Y), N := count : q{max(0, n - 1)}_(a: X), N > 0."
        f"q{n}_(a: X) :- p{n}(a: X, b: 1)."
        for n in range(count)
    )
    stored = {"e": ("x", "y")}
    program = parse(text)
    assert len(program.rules) > 3_900
    asked = f"q{count - 1}"
    for rewrite in REWRITES:
        after = rewrite(program, Question(asked, stored))
        stratify(after)
        assert len(after.rules) <= 16 * len(program.rules)
    deep = parse("a(x: X) :- e(x: X, y: Y), Z := " + "(" * 60 + "Y" + " + 1)" * 60 + ", Z == 4.")
    for rewrite in REWRITES:
        deep = rewrite(deep, Question("a", stored))

"""Rewrites of plans: what they give, that they change no answer, that they are bounded."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rhizomedb.algebra.rewrites
from rhizomedb.algebra import Plan, Relations, evaluate, lower
from rhizomedb.algebra.optimize import RULES, optimize, traced, without
from rhizomedb.algebra.plan import plan_query
from rhizomedb.algebra.program import Assign, Block, Extreme, Loop, nodes
from rhizomedb.algebra.relation import (
    DEPTH_MAX,
    Closure,
    Components,
    Join,
    Project,
    Relation,
    Rename,
    Scan,
    Select,
    SemiJoin,
)
from rhizomedb.algebra.rewrites.pass_through import pass_through_columns
from rhizomedb.algebra.rewrites.walk import Context
from rhizomedb.algebra.statistics import Counts, Estimates, Sizes
from rhizomedb.errors import PlanError
from rhizomedb.facts.value import exact
from rhizomedb.logic.aggregates import AGGREGATES, user_aggregate
from rhizomedb.logic.check import checked
from rhizomedb.logic.parse import parse
from rhizomedb.testing.strategies import BASE, DERIVED, programs, relations, values

LAWS = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))

MODULES = [
    "rhizomedb.algebra.optimize",
    "rhizomedb.algebra.plan",
    "rhizomedb.algebra.statistics",
    *(
        f"rhizomedb.algebra.rewrites.{found.name}"
        for found in pkgutil.iter_modules(rhizomedb.algebra.rewrites.__path__)
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    found = doctest.testmod(module)
    assert not found.failed and (found.attempted or name.endswith((".walk", ".chain")))


def source_of(data) -> Relations:
    return Relations({name: (BASE[name], data.get(name, ())) for name in BASE})


def counts_of(data) -> Counts:
    sizes = {name: len(set(held)) for name, held in data.items()}
    columns = {
        (name, column): len({row[place] for row in data[name]})
        for name in BASE
        for place, column in enumerate(BASE[name])
    }
    return Counts(sizes, columns)


def tables(plan: Plan, source, columns, **options):
    """What the oracle derives, each relation in the order of the columns given."""
    found = evaluate(plan, source, **{"seminaive": False, "probe": False, **options}).relations
    return {
        name: {tuple(row[table.columns.index(column)] for column in columns[name]) for row in table.rows}
        for name, table in found.items()
        if name in columns
    }


@pytest.mark.parametrize("rule", [*dict.fromkeys(RULES)], ids=lambda rule: rule.__name__)
@given(programs(rules_max=8), relations(), st.booleans(), st.randoms(use_true_random=False))
@LAWS
def test_each_is_equal_to_off(rule, program, data, known, chance):
    source = source_of(data)
    plan = lower(program, source.stored)
    asked = frozenset([chance.choice(sorted(plan.derived))]) if chance.random() < 0.5 else None
    after = rule(plan, Context(counts_of(data) if known else Counts(), asked))
    columns = {name: held for name, held in plan.derived.items() if asked is None or name in asked}
    assert tables(after, source, columns) == tables(plan, source, columns)


@given(programs(rules_max=8), relations(), st.booleans(), st.randoms(use_true_random=False))
@LAWS
def test_any_of_them_in_any_order_are_equal_to_off(program, data, known, chance: random.Random):
    source = source_of(data)
    plan = lower(program, source.stored)
    rules = chance.sample(RULES, chance.randint(2, len(RULES)))
    after = optimize(plan, counts_of(data) if known else Counts(), rules)
    expected = tables(plan, source, plan.derived)
    assert tables(after, source, plan.derived) == expected
    assert tables(after, source, plan.derived, seminaive=True, probe=True) == expected


@given(programs(rules_max=8), relations(), st.randoms(use_true_random=False), values(), st.integers(0, 2))
@LAWS
def test_a_planned_query_is_the_query(program, data, chance: random.Random, value, bound):
    source = source_of(data)
    plan = lower(program, source.stored)
    asked = chance.choice(sorted(plan.derived))
    given_ = dict.fromkeys(chance.sample(DERIVED[asked], min(bound, len(DERIVED[asked]))), value)
    planned = plan_query(program, asked, source.stored, counts_of(data), bindings=given_)
    columns = {asked: plan.derived[asked]}
    places = {columns[asked].index(name): exact(cell) for name, cell in given_.items()}
    whole = tables(plan, source, columns)[asked]
    expected = {row for row in whole if all(row[place] == cell for place, cell in places.items())}
    assert tables(planned.plan, source, columns)[asked] == expected
    assert tables(planned.plan, source, columns, seminaive=True, probe=True)[asked] == expected


# -- shapes ---------------------------------------------------------------------------------------------------------

EDGES = st.lists(st.tuples(st.integers(0, 6) | values(), st.integers(0, 6) | values()), max_size=14)

BASES = ["tc(a: X, b: Y) :- e(x: X, y: Y).", "tc(a: X, b: Y) :- e(x: X, y: Y). tc(a: X, b: Y) :- f(x: Y, y: X)."]
E_RIGHT = "tc(a: X, b: Z) :- e(x: X, y: Y), tc(a: Y, b: Z)."
E_LEFT = "tc(a: X, b: Z) :- tc(a: X, b: Y), e(x: Y, y: Z)."
F_LEFT = "tc(a: X, b: Z) :- tc(a: X, b: Y), f(x: Z, y: Y)."
F_RIGHT = "tc(a: X, b: Z) :- f(x: Y, y: X), tc(a: Y, b: Z)."
THROUGH = "tc(a: X, b: Z) :- tc(a: X, b: Y), tc(a: Y, b: Z)."
SELF = "tc(a: X, b: X) :- n(x: X)."

CLOSURES = [
    (BASES[0] + E_RIGHT, True),
    (BASES[0] + E_LEFT, True),
    (BASES[0] + THROUGH, True),
    (BASES[0] + E_LEFT + E_RIGHT + THROUGH, True),
    ("tc(b: X, a: Z) :- e(x: X, y: Y), tc(b: Y, a: Z)." + "tc(b: X, a: Y) :- e(x: X, y: Y).", True),
    (BASES[1] + E_RIGHT + F_RIGHT, True),
    (BASES[1] + E_LEFT + F_LEFT + E_RIGHT, True),
    (BASES[1] + THROUGH, True),
    (BASES[0] + SELF + E_RIGHT, True),
    ("tc(a: X, b: Y) :- e(x: X, y: Y), n(x: X). tc(a: X, b: Z) :- e(x: X, y: Y), n(x: X), tc(a: Y, b: Z).", True),
    ("tc(a: 1, b: 2)." + BASES[0] + THROUGH, True),
    # not closures
    ("tc(a: 1, b: 2)." + BASES[0] + E_LEFT, False),
    (BASES[1] + E_RIGHT, False),
    (BASES[1] + E_RIGHT + F_LEFT, False),
    (BASES[0] + F_LEFT, False),
    (BASES[0] + "tc(a: X, b: Z) :- e(x: X, y: Y), tc(a: Z, b: Y).", False),
    (BASES[0] + "tc(a: X, b: Z) :- tc(a: X, b: Y), e(x: Y, y: Z), n(x: Z).", False),
    (BASES[0] + "tc(a: X, b: Z) :- tc(a: X, b: Y), e(x: Y, y: Z), X != Z.", False),
    (BASES[0] + "tc(a: X, b: X) :- tc(a: X, b: Y), e(x: Y, y: X).", False),
    (BASES[0] + "tc(a: X, b: Z) :- tc(a: Y, b: X), tc(a: Y, b: Z).", False),
    (BASES[0] + "tc(a: X, b: Z) :- tc(a: X, b: Y), tc(a: Y, b: W), tc(a: W, b: Z).", False),
    (BASES[0] + "tc(a: Z, b: X) :- tc(a: X, b: Y), e(x: Y, y: Z).", False),
]
STORED = {"e": ("x", "y"), "f": ("x", "y"), "n": ("x",)}


@pytest.mark.parametrize(("text", "recognised"), CLOSURES)
@given(EDGES, EDGES, st.lists(st.tuples(st.integers(0, 6)), max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_closures(text, recognised, edges, others, some):
    source = Relations({"e": (("x", "y"), edges), "f": (("x", "y"), others), "n": (("x",), some)})
    plan = lower(checked(parse(text), source.stored), source.stored)
    after = optimize(plan)
    found = [node for assign in after.block.assignments() for node in nodes(assign.expression)]
    assert any(isinstance(node, Closure) for node in found) == recognised
    assert not recognised or not any(isinstance(each, Loop) for each in after.block.statements)
    expected = tables(plan, source, plan.derived)
    assert tables(after, source, plan.derived) == expected
    for start in (0, 1):  # from either end, and by keys
        for column in ("a", "b"):
            asks = f"{text} few(k: {start}). few(k: 3). out(a: A, b: B) :- tc(a: A, b: B), few(k: {column.upper()})."
            few = lower(parse(asks), source.stored)
            columns = {"out": few.derived["out"]}
            probed = tables(optimize(few), source, columns, seminaive=True, probe=True)
            assert probed == tables(few, source, columns)


SAME = "same(a: X, b: Y) :- e(x: X, y: Y). same(a: X, b: Y) :- e(x: Y, y: X)."
COMPONENTS = [
    (SAME + "same(a: X, b: Z) :- same(a: X, b: Y), same(a: Y, b: Z).", True),
    (
        SAME
        + "same(a: X, b: Z) :- same(a: X, b: Y), e(x: Y, y: Z). same(a: X, b: Z) :- same(a: X, b: Y), e(x: Z, y: Y).",
        True,
    ),
    (
        "both(p: X, q: Y) :- e(x: X, y: Y). both(p: X, q: Y) :- e(x: Y, y: X). same(a: X, b: Y) :- both(p: X, q: Y)."
        "same(a: X, b: Z) :- same(a: X, b: Y), both(p: Y, q: Z).",
        True,
    ),
    (SAME + "same(a: X, b: X) :- n(x: X). same(a: X, b: Z) :- same(a: X, b: Y), same(a: Y, b: Z).", True),
    ("same(a: X, b: Y) :- e(x: X, y: Y). same(a: X, b: Z) :- same(a: X, b: Y), same(a: Y, b: Z).", False),
]


@pytest.mark.parametrize("function", ["min", "max"])
@pytest.mark.parametrize("form", ["same(a: X), M := {} Y : same(a: X, b: Y)", "n(x: X), M := {} Y : same(b: X, a: Y)"])
@pytest.mark.parametrize(("text", "recognised"), COMPONENTS)
@given(EDGES, st.lists(st.tuples(st.integers(0, 6)), max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_components(function, form, text, recognised, edges, some):
    source = Relations({"e": (("x", "y"), edges), "f": (("x", "y"), []), "n": (("x",), some)})
    program = checked(parse(f"{text} label(x: X, m: M) :- {form.format(function)}."), source.stored)
    plan = lower(program, source.stored)
    after = optimize(plan, asked=["label"])
    found = [node for assign in after.block.assignments() for node in nodes(assign.expression)]
    assert any(isinstance(node, Components) for node in found) == recognised
    assert ("same" in after.derived) != recognised
    columns = {"label": plan.derived["label"]}
    assert tables(after, source, columns) == tables(plan, source, columns)
    assert tables(after, source, columns, seminaive=True, probe=True) == tables(plan, source, columns)


def test_a_min_of_the_users_own_is_no_component():
    text = f"{COMPONENTS[0][0]} label(x: X, m: M) :- same(a: X), M := min Y : same(a: X, b: Y)."
    own = {**AGGREGATES, "min": user_aggregate("min", len, None)}
    plan = lower(parse(text), STORED, own)
    after = optimize(plan, asked=["label"], aggregates=own)
    assert not any(isinstance(n, Components) for a in after.block.assignments() for n in nodes(a.expression))


SEES = "sees(x: X, v: V) :- node(x: X, v: V)."
LEAST = "least(x: X, m: M) :- sees(x: X), M := min V : sees(x: X, v: V)."
LATTICES = [
    (SEES + "sees(x: Y, v: V) :- sees(x: X, v: V), e(x: X, y: Y)." + LEAST, ("min",)),
    (SEES + "sees(x: Y, v: V) :- sees(x: X, v: V), e(x: X, y: Y)." + LEAST.replace("min", "max"), ("max",)),
    (SEES + "sees(x: Y, v: W) :- sees(x: X, v: V), e(x: X, y: Y), W := least(V, 3)." + LEAST, ("min",)),
    (
        SEES + "sees(x: Y, v: W) :- sees(x: X, v: V), node(x: Y, v: U), e(x: X, y: Y), W := greatest(V, U)." + LEAST,
        ("min",),
    ),
    # more is asked of the column
    (SEES + "sees(x: Y, v: V) :- sees(x: X, v: V), e(x: X, y: Y), V > 2." + LEAST, ()),
    (SEES + "sees(x: Y, v: V) :- sees(x: X, v: V), e(x: X, y: V), e(x: X, y: Y)." + LEAST, ()),
    (SEES + "sees(x: V, v: V) :- sees(x: X, v: V)." + LEAST, ()),
    (SEES + "sees(x: Y, v: W) :- sees(x: X, v: V), e(x: X, y: Y), W := V + 1, W < 9." + LEAST, ()),
    (SEES + "sees(x: Y, v: V) :- sees(x: X, v: V), sees(x: X, v: Y)." + LEAST, ()),
    (SEES + "sees(x: Y, v: V) :- sees(x: X, v: V), e(x: X, y: Y)." + LEAST.replace("x: X), M", "x: X, v: 1), M"), ()),
    (SEES + "sees(x: Y, v: V) :- sees(x: X, v: V), e(x: X, y: Y)." + LEAST + LEAST.replace("min", "max"), ()),
    (SEES + "sees(x: Y, v: V) :- sees(x: X, v: V), e(x: X, y: Y)." + LEAST.replace("min", "sum"), ()),
]


@pytest.mark.parametrize(("text", "function"), LATTICES)
@given(EDGES, EDGES)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_lattices(text, function, edges, labels):
    """The mark is right: dropping all but the extremes between rounds gives the same answer."""
    source = Relations({"e": (("x", "y"), edges), "node": (("x", "v"), labels)})
    plan = lower(checked(parse(text), source.stored), source.stored)
    after = optimize(plan, asked=["least"])
    marks = [mark for each in after.block.statements if isinstance(each, Loop) for mark in each.extremes]
    assert marks == [Extreme("sees", "v", name) for name in function]
    columns = {"least": plan.derived["least"]}
    expected = tables(plan, source, columns)
    assert tables(after, source, columns) == expected
    if function:
        assert pruned_between_rounds(text, source, function[0]) == expected["least"]


def pruned_between_rounds(text: str, source: Relations, function: str):
    """The answer where of `sees` only the extremes are kept after each round: a lattice, by hand."""
    recursive = parse(text.replace("sees(x: X, v: V) :- node", "sees(x: X, v: V) :- held"))
    choose = AGGREGATES[function].compute
    held = set(source.tables["node"].rows)
    while True:
        now = Relations(
            {
                "e": (("x", "y"), source.tables["e"].rows),
                "held": (("x", "v"), held),
                "node": (("x", "v"), source.tables["node"].rows),
            }
        )
        rule = [r for r in recursive.rules if r.head.relation == "sees"]
        once = type(recursive)(tuple(r for r in rule))
        renamed = parse(
            str(once)
            .replace("sees(x: Y, v: V) :- sees", "step(x: Y, v: V) :- sees")
            .replace("sees(x: Y, v: W) :- sees", "step(x: Y, v: W) :- sees")
        )
        found = evaluate(lower(renamed, now.stored), now).relations
        best = {}
        for x, v in [*held, *found["step"].rows]:
            best[x] = choose([(v,), (best[x],)]) if x in best else v
        if set(best.items()) == held:
            return held
        held = set(best.items())


PASSING = [
    (BASES[0] + E_LEFT, {"tc": ("a",)}),
    (BASES[0] + E_RIGHT, {"tc": ("b",)}),
    (BASES[0] + E_RIGHT + E_LEFT, {}),
    (BASES[0] + THROUGH, {}),
    (BASES[0] + "tc(a: X, b: Y) :- tc(a: X, b: Y), n(x: X).", {"tc": ("a", "b")}),
    (BASES[0] + "tc(a: X, b: Z) :- tc(a: W, b: Y), W == X, e(x: X, y: Y), n(x: Z).", {"tc": ("a",)}),
    (BASES[0] + "tc(a: Y, b: X) :- tc(a: X, b: Y).", {}),
]


@pytest.mark.parametrize(("text", "expected"), PASSING)
def test_columns_that_pass_through(text, expected):
    plan = lower(parse(text), STORED)
    [loop] = [each for each in plan.block.statements if isinstance(each, Loop)]
    assert pass_through_columns(loop) == expected
    after = optimize(plan, rules=without("closure"))
    assert [dict(each.passing) for each in after.block.statements if isinstance(each, Loop)] == [expected]


@given(programs(rules_max=8), relations(), st.randoms(use_true_random=False))
@LAWS
def test_what_passes_through_partitions(program, data, chance):
    """Of a loop with such a column, running it for the tuples of one cell gives the tuples of that cell."""
    source = source_of(data)
    plan = lower(program, source.stored)
    whole = evaluate(plan, source).relations
    for statement in plan.block.statements:
        if not isinstance(statement, Loop):
            continue
        for relation, columns in pass_through_columns(statement).items():
            place = whole[relation].columns.index(columns[0])
            cells = {row[place] for row in whole[relation].rows}
            for cell in sorted(cells, key=repr)[:2]:
                found = parted(plan, statement, relation, columns[0], cell, source)
                assert found == {row for row in whole[relation].rows if row[place] == cell}


def parted(plan: Plan, loop: Loop, relation: str, column: str, cell, source):
    """The relation where every assignment to it keeps only one cell of a column."""
    from dataclasses import replace

    from rhizomedb.algebra.formula import Attribute, Comparison, Constant

    def only(assign: Assign) -> Assign:
        if assign.relation != relation:
            return assign
        return replace(
            assign, expression=Select(assign.expression, Comparison(Attribute(column), "==", Constant(cell)))
        )

    statements = []
    for each in plan.block.statements:
        if isinstance(each, Loop):
            statements.append(Loop(Block(tuple(only(inner) for inner in each.body.statements))))
        else:
            statements.append(only(each))
        if each is loop:
            break
    return set(evaluate(Plan(Block(tuple(statements)), plan.stored, plan.derived), source).relations[relation].rows)


# -- switches, traces, bounds -----------------------------------------------------------------------------------------


def test_every_rule_can_be_left_out():
    for rule in RULES:
        assert rule not in without(rule.__name__) and len(without(rule.__name__)) == len(RULES) - 1


def test_a_trace_says_what_was_done():
    text = BASES[0] + E_LEFT + "n2(a: A) :- tc(a: A, b: 3)."
    plan = lower(parse(text), STORED)
    found = traced(plan, asked=["n2"])
    assert "closure: tc" in map(str, found.applied)
    assert not any(each.rule == "closure" for each in traced(plan, rules=without("closure")).applied)
    planned = plan_query(parse(text), "n2", STORED)
    assert planned.applied[0].rule == "demand"
    off = plan_query(parse(text), "n2", STORED, rewrites=(), rules=())
    assert off.applied == () and str(off.plan) == str(plan)


def test_statistics_choose_the_order():
    text = "r(a: A, d: D) :- p(a: A, b: B), q(b: B, c: C), s(c: C, d: D)."
    stored = {"p": ("a", "b"), "q": ("b", "c"), "s": ("c", "d")}
    for few in stored:
        sizes = {name: 10 if name == few else 100_000 for name in stored}
        after = optimize(lower(parse(text), stored), Counts(sizes), without("semijoin_reduction"))
        [assign] = after.block.assignments()
        expression = assign.expression
        while isinstance(expression, Rename | Project | Join | SemiJoin):
            expression = expression.children[0]
        assert isinstance(expression, Scan) and expression.relation == few


def test_estimates_are_near():
    data = {"e": (("x", "y"), [(n % 10, n) for n in range(100)]), "n": (("x",), [(n,) for n in range(5)])}
    source = Relations(data)
    text = "a(x: X, y: Y) :- e(x: X, y: Y), n(x: X). b(x: X) :- e(x: X, y: 7). c(x: X) :- e(x: X). d(y: Y) :- e(x: X, y: Y), !n(x: X)."
    plan = lower(parse(text), source.stored)
    counts = Counts({"e": 100, "n": 5}, {("e", "x"): 10, ("e", "y"): 100, ("n", "x"): 5})
    found = Estimates(plan, counts).derived
    whole = evaluate(plan, source).relations
    for name, table in whole.items():
        assert found[name].rows == pytest.approx(len(table))


def test_what_is_known_of_constants_is_asked():
    """Of facts, each attribute has a size of its own: the smallest comes first."""
    facts = [(f"e{n}", "title", f"t{n}") for n in range(300)] + [("e1", "rare", 1), ("e2", "rare", 2)]
    source = Relations({"fact": (("e", "a", "v"), facts)})
    text = 'r(t: T) :- fact(e: E, a: "title", v: T), fact(e: E, a: "rare", v: V).'
    after = optimize(lower(parse(text), source.stored), Sizes(source))
    scans = [node for node in nodes(after.block.statements[0].expression) if isinstance(node, Select)]
    assert [str(node.formula) for node in scans] == ['a == "rare"', 'a == "title"']


def long_rule(atoms: int) -> str:
    body = ", ".join(f"e(x: X{n}, y: X{n + 1})" for n in range(atoms))
    return f"r(a: X0, b: X{atoms}) :- {body}."


@pytest.mark.parametrize("atoms", [7, 150, 900])
def test_long_bodies(atoms):
    stored = {"e": ("x", "y")}
    plan = lower(parse(long_rule(atoms)), stored)
    after = optimize(plan, Counts({"e": 100}))
    size = sum(1 for assign in after.block.assignments() for _ in nodes(assign.expression))
    assert size <= 12 * atoms


def test_large_programs():
    count = 1_300
    text = "".join(
        f"p{n}(a: X, b: Y) :- e(x: X, y: Y), n(x: X). p{n}(a: X, b: Z) :- p{n}(a: X, b: Y), e(x: Y, y: Z)."
        f"q{n}(a: X) :- p{n}(a: X, b: Y), p{max(0, n - 1)}(a: Y, b: Z), e(x: Z, y: X), !n(x: Z)."
        for n in range(count)
    )
    plan = lower(parse(text), STORED)
    before = sum(1 for assign in plan.block.assignments() for _ in nodes(assign.expression))
    after = optimize(plan, Counts({"e": 1000, "n": 10}), asked=[f"q{count - 1}", "q7"])
    assert sum(1 for assign in after.block.assignments() for _ in nodes(assign.expression)) < before
    whole = optimize(plan, Counts({"e": 1000, "n": 10}))
    assert sum(1 for assign in whole.block.assignments() for _ in nodes(assign.expression)) < 3 * before


def nested(depth: int) -> Relation:
    """An expression that leans to the right as deep as may be, each side a join."""
    expression: Relation = Scan("e", ("x", "y"))
    while expression.depth < depth:
        left = Rename(Scan("e", ("x", "y")), (("y", "z"),))
        expression = Project(Join(left, Rename(expression, (("x", "z"),))), ("x", "y"))
    return expression


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_deep_expressions(rule):
    expression = nested(DEPTH_MAX - 2)
    with pytest.raises(PlanError):
        nested(DEPTH_MAX + 1)
    assigns = (
        Assign("r", expression),
        Assign("s", nested(DEPTH_MAX - 2)),
        Assign("t", SemiJoin(expression, nested(DEPTH_MAX - 5))),
    )
    columns = dict.fromkeys("rst", ("x", "y"))
    plan = Plan(Block(assigns), {"e": ("x", "y")}, columns)
    source = Relations({"e": (("x", "y"), [(1, 1), (1, 2), (2, 1)])})
    for rules in ([rule], RULES):
        after = optimize(plan, Counts({"e": 3}), rules)
        assert tables(after, source, columns) == tables(plan, source, columns)

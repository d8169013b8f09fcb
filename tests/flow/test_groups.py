"""Groupings: the kernel against its plain twin, aggregates that follow from totals, and what a standing engine keeps."""

from __future__ import annotations

import math
import random
from array import array
from types import SimpleNamespace

import pytest
from flow_helpers import Watched, exact_rows, oracle
from flow_laws import standing
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_engine_failures import Counting, versions
from test_engine_laws import plan_over

from rhizomedb.algebra import Relations, evaluate, lower
from rhizomedb.errors import ValueRefused
from rhizomedb.facts.value import INTEGER_MAX, INTEGER_MIN, check_value, exact
from rhizomedb.flow import batch, bounded, groups
from rhizomedb.flow.build import build
from rhizomedb.logic.builtins import AGGREGATES, user_aggregate
from rhizomedb.logic.check import checked
from rhizomedb.logic.parse import parse

try:
    import rhizomedb_native as native
except ImportError:
    native = None

PLAIN = SimpleNamespace(Batch=batch.Batch, Groups=groups.Groups)
TWINS = [PLAIN, native] if native else [PLAIN]
LAWS = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate]
)

# -- the kernel -------------------------------------------------------------------------------------------------------

IDS = st.integers(0, 3) | st.integers(0, 3) | st.sampled_from([0, 1 << 30, (1 << 32) - 2])
VALUES = st.integers(-5, 5) | st.integers(-(1 << 63), (1 << 63) - 1)


def grouped(twin, rows, width, keys, of, values, first, last):
    """All that a grouping says, with the sums and the members of another one of the same rows."""
    made = twin.Batch.of_rows(rows, width)
    own, other = twin.Groups(made, keys), twin.Groups(made, of)
    beside = array("q", values[: len(other)])
    whole = own.members(other, 0, len(rows))
    assert own.members(other, first, last) == whole[first:last]
    return own.keys().rows(), len(own), list(own.sizes()), list(own.sums(other, beside)), whole


@given(st.data(), st.integers(0, 3))
@LAWS
def test_groups_are_their_twins(data, width):
    rows = data.draw(st.lists(st.tuples(*[IDS] * width), max_size=20))
    columns = st.lists(st.integers(0, width - 1), max_size=3) if width else st.just([])
    keys, of = data.draw(columns), data.draw(columns)
    values = data.draw(st.lists(VALUES, min_size=20, max_size=20))
    first, last = data.draw(st.integers(0, 21)), data.draw(st.integers(0, 21))
    found = [grouped(twin, rows, width, keys, of, values, first, last) for twin in TWINS]
    by_key = {}
    numbers = {}
    for row in rows:
        number = numbers.setdefault(tuple(row[column] for column in of), len(numbers))
        by_key.setdefault(tuple(row[column] for column in keys), []).append(number)
    expected = (
        list(by_key),
        len(by_key),
        [len(members) for members in by_key.values()],
        [sum(values[number] for number in members) for members in by_key.values()],
        [number for members in by_key.values() for number in members],
    )
    for each in found:
        assert each == expected


@pytest.mark.parametrize("spread", [1, 9_000_000], ids=["near", "far"])
def test_many_groups(spread):
    """More rows than one piece, in some the same ids over and over."""
    chance = random.Random(3)
    columns = [array("I", [spread * chance.randrange(400) for _ in range(1 << 16)]) * 5, array("I", range(50)) * 6554]
    columns = [column[: 5 << 16] for column in columns]
    values = array("q", [chance.randrange(-(1 << 62), 1 << 62) for _ in range(400)])
    found = []
    for twin in TWINS:
        made = twin.Batch.of(columns)
        own, other, single = twin.Groups(made, [0, 1]), twin.Groups(made, [0]), twin.Groups(made, [])
        said = (
            own.keys().rows(),
            own.sizes(),
            own.sums(other, values),
            own.members(other, 1000, 300_000),
            single.sizes(),
        )
        found.append([list(each) for each in said])
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("twin", TWINS)
def test_what_is_no_grouping(twin):
    one, two = twin.Batch.of_rows([(1,)], 1), twin.Batch.of_rows([(1,), (2,)], 1)
    by, other = twin.Groups(one, [0]), twin.Groups(two, [0])
    for broken in (
        lambda: twin.Groups(one, [1]),
        lambda: by.sums(other, array("q", [1, 2])),
        lambda: by.sums(by, array("q", [1, 2])),
        lambda: by.members(other, 0, 1),
    ):
        with pytest.raises(AssertionError):
            broken()


@given(st.lists(st.integers(0, 50), unique=True), st.booleans())
@LAWS
def test_an_order_in_parts_is_one_sort(keys, reverse):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "EVERY", 4)
        patch.setattr(bounded, "SAMPLES", 2)
        places = bounded.in_order(keys, reverse=reverse)
    assert [keys[place] for place in places] == sorted(keys, reverse=reverse)


# -- aggregates that follow from totals ---------------------------------------------------------------------------------

CELLS = st.one_of(
    st.integers(-3, 3),
    st.integers(INTEGER_MIN, INTEGER_MAX),
    st.sampled_from([INTEGER_MAX, INTEGER_MIN, (1 << 53) + 1, -(1 << 53) - 1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [0.1, 0.2, 0.3, 1.0, -1.0, 5e-324, -5e-324, 1e308, -1e308, 1.7976931348623157e308, 2.0**-1022, 1e16]
    ),
    st.booleans(),
    st.sampled_from(["1", "", "nan", b"1"]),
).map(lambda value: exact(check_value(value)))
ROWS = st.lists(CELLS.map(lambda cell: (cell,)), max_size=12)
LINEAR = [name for name, aggregate in AGGREGATES.items() if aggregate.linear]
SELECTING = [name for name, aggregate in AGGREGATES.items() if aggregate.selects]


def totals(linear, rows):
    measures = [linear.measure(row[: linear.parameters]) for row in rows]
    return tuple(sum(measure[place] for measure in measures) for place in range(linear.width))


@pytest.mark.parametrize("name", LINEAR)
@given(ROWS, ROWS, st.randoms(use_true_random=False))
@settings(LAWS, max_examples=200)
def test_totals_tell_what_is_computed(name, rows, others, chance):
    """To the last bit, in any order; and what comes and goes again leaves no trace."""
    aggregate = AGGREGATES[name]
    linear = aggregate.linear
    kept = totals(linear, rows)
    expected = repr(aggregate.compute(rows))
    assert repr(linear.result(kept)) == expected
    assert repr(aggregate.compute(chance.sample(rows, len(rows)))) == expected
    both = totals(linear, rows + others)
    assert tuple(a - b for a, b in zip(both, totals(linear, others), strict=True)) == kept


@pytest.mark.parametrize("name", SELECTING)
@given(ROWS.filter(bool), ROWS.filter(bool))
@LAWS
def test_what_selects_chooses_among_results(name, rows, others):
    compute = AGGREGATES[name].compute
    assert compute(rows + others) == compute([(compute(rows),), (compute(others),)])


def test_which_aggregates_follow_changes():
    assert LINEAR == ["count", "sum", "avg", "mean"]
    assert SELECTING == ["min", "max"]


TINY = 5e-324
MOST = 1.7976931348623157e308
SUMS = {
    "nothing": ([], 0, None),
    "texts only": (["a", "b"], 0, None),
    "kinds": ([1, 1.0, True, "1"], 2.0, 1.0),
    "whole": ([1, 2, 3], 6, 2.0),
    "a float makes all floats": ([1, 2, 0.5], 3.5, 3.5 / 3),
    "rounded once": ([0.1] * 10, 1.0, 0.1),
    "what is lost when added one by one": ([1e16, 1.0, -1e16], 1.0, 1.0 / 3),
    "whole numbers that are no floats": ([(1 << 53) + 1, 0.0], float(1 << 53), float(1 << 52)),
    "greatest": ([INTEGER_MAX], INTEGER_MAX, float(INTEGER_MAX)),
    "beyond the greatest": ([INTEGER_MAX, 1], None, float(1 << 62)),
    "beyond on the way only": ([INTEGER_MAX, 1, -1], INTEGER_MAX, INTEGER_MAX / 3),
    "infinite": ([MOST, MOST], None, MOST),
    "infinite on the way only": ([MOST, MOST, -MOST], MOST, MOST / 3),
    "least": ([TINY, TINY], 2 * TINY, TINY),
    "zero": ([TINY, -TINY], 0.0, 0.0),
    "zero below": ([-0.0], 0.0, 0.0),
}


@pytest.mark.parametrize(("values", "total", "average"), SUMS.values(), ids=list(SUMS))
def test_sums_of(values, total, average):
    """By the plain work, by totals, and in a standing engine into which values come one by one, and from which they go."""
    rows = [(exact(value + 0.0 if type(value) is float else value),) for value in values]
    expected = {
        "sum": None if total is None else exact(total),
        "avg": None if average is None else exact(average),
    }
    for name, wanted in expected.items():
        aggregate = AGGREGATES[name]
        assert repr(aggregate(rows)) == repr(wanted)
        if rows:
            assert repr(aggregate.linear.result(totals(aggregate.linear, rows))) == repr(wanted)
    plan = plan_over("s(v: V) :- V := sum P : sale(price: P). a(v: V) :- V := avg P : sale(price: P).", SALE)
    watched = Watched(plan)
    stored = [("g", number, *row) for number, row in enumerate(rows)]
    for count in [*range(len(stored) + 1), *range(len(stored), -1, -1)]:
        watched.step({"sale": set(stored[:count])})
        if count == len(stored):
            for relation, wanted in zip("sa", expected.values(), strict=True):
                assert repr(watched.relation(relation)) == repr(set() if wanted is None else {(wanted,)})
    assert watched.state() == {"s": {(0,)}, "a": set()}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1 << 63])
def test_what_is_no_value(value):
    """No cell holds it, and no function results in it; so no aggregate has to say what it adds."""
    with pytest.raises(ValueRefused):
        check_value(value)


# -- standing ---------------------------------------------------------------------------------------------------------

SALE = {"sale": ("shop", "n", "price")}
GROUPS = """
    linear(s: S, c: C, t: T, a: A) :- sale(shop: S), C := count : sale(shop: S), T := sum P : sale(shop: S, price: P),
      A := avg P : sale(shop: S, price: P).
    extremes(s: S, l: L, m: M) :- sale(shop: S), L := min P : sale(shop: S, price: P), M := max P : sale(shop: S, price: P).
    several(s: S, d: D) :- sale(shop: S), D := count_distinct P : sale(shop: S, price: P).
    merged(s: S, p: P) :- sale(shop: S, price: P).
    prices(s: S, t: T, c: C) :- sale(shop: S), T := sum P : merged(s: S, p: P), C := count : merged(s: S).
    whole(t: T, m: M) :- T := sum C : linear(c: C), M := max C : linear(c: C).
    none(s: S, n: N) :- sale(shop: S), N := count : sale(shop: "nowhere", n: S)."""
NUMBERS = st.sampled_from(
    [0, 1, 1.0, True, False, 0.1, 0.3, -0.3, "a", 1e308, -1e308, INTEGER_MAX, INTEGER_MIN, 2, 3.5, TINY]
)
SALES = st.frozensets(st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 3), NUMBERS), max_size=9)


@given(st.lists(SALES, min_size=2, max_size=8), st.booleans())
@settings(LAWS, max_examples=80)
def test_groups_under_any_history(states, reorder):
    """Kinds mixed, sums that overflow, groups that come to be and cease, tuples that are one under projection."""
    plan = plan_over(GROUPS, SALE)
    history = [{"sale": exact_rows(state)} for state in states]
    standing(plan, history, [oracle(plan, state) for state in history], True, reorder, 1)


def ledgers(engine):
    """What is known of the groups of each grouping, and what it would be if it was worked out anew."""
    for stratum in engine.flow.strata:
        for grouping in stratum.groupings:
            held = engine.relation(grouping.head)
            anew = {}
            for row in engine.relation(grouping.source).table.read().rows():
                key = tuple(row[column] for column in grouping.keys)
                anew.setdefault(key, []).append(row)
            yield held.ledger.entries(), {key: len(rows) for key, rows in anew.items()}


@given(st.lists(SALES, min_size=2, max_size=6))
@settings(LAWS, max_examples=50)
def test_a_ledger_knows_the_groups_that_are_there(states):
    watched = Watched(plan_over(GROUPS, SALE))
    for state in states:
        watched.step({"sale": exact_rows(state)})
        found = list(ledgers(watched.engine))
        assert len(found) > 5
        for known, sizes in found:
            assert {key: size for key, (size, _) in known.items()} == sizes


MEDIAN = user_aggregate("median", lambda rows: sorted(repr(value) for (value,) in rows)[len(rows) // 2], 1)


@given(st.lists(SALES, min_size=2, max_size=6))
@settings(LAWS, max_examples=50)
def test_an_aggregate_of_ones_own(states):
    """Nothing is known of it but its work; it is computed from whole groups, beside one that follows from totals."""
    functions = {**AGGREGATES, "median": MEDIAN}
    text = "m(s: S, m: M, t: T) :- sale(shop: S), M := median P : sale(shop: S, price: P), T := sum P : sale(shop: S, price: P)."
    plan = lower(checked(parse(text), SALE, aggregates=functions), SALE, aggregates=functions)
    watched = Watched(plan, build(plan), aggregates=functions)
    for state in states:
        rows = exact_rows(state)
        watched.step({"sale": rows})
        source = Relations({"sale": (SALE["sale"], list(rows))})
        found = evaluate(plan, source, aggregates=functions, seminaive=False, probe=False)
        assert watched.relation("m") == set(found.relations["m"].rows)


def spent(size, text, change):
    """What an engine with a group of a size spends on a change of it."""
    watched = Watched(plan_over(text, SALE))
    rows = {("x", number, number % 100) for number in range(size)}
    watched.step({"sale": rows})
    meter = Counting()
    watched.step({"sale": change(rows)}, meter=meter)
    assert watched.state() == oracle(watched.plan, watched.before)
    return sum(meter.spent)


@pytest.mark.parametrize("name", ["count", "sum", "avg", "min", "max"])
def test_a_change_costs_what_changed(name):
    """However large the group is (L22)."""
    of = "sale(shop: S)" if name == "count" else "sale(shop: S, price: P)"
    text = f"r(s: S, v: V) :- sale(shop: S), V := {name}{'' if name == 'count' else ' P'} : {of}."
    for change in (
        lambda rows: rows | {("x", -1, 50)},
        lambda rows: rows | {("x", -1, 1000), ("x", -2, -1000)},
        lambda rows: rows - {("x", 50, 50)},
    ):
        costs = {spent(size, text, change) for size in (200, 3000)}
        assert len(costs) == 1
        assert costs.pop() < 30


def test_an_extreme_that_goes_is_looked_for():
    """The one change that reads the group again."""
    text = "r(s: S, v: V) :- sale(shop: S), V := max P : sale(shop: S, price: P)."
    assert spent(200, text, lambda rows: {row for row in rows if row[2] != 99}) >= 99


def test_a_fault_at_every_call_leaves_what_is_known_of_groups():
    states = [
        {("x", 1, 1.5), ("x", 2, 2), ("y", 1, 3)},
        {("x", 1, 1.5), ("x", 3, 0.25), ("z", 1, 3)},
        {("z", 1, 3), ("z", 2, "a")},
        set(),
        {("y", 1, 1)},
    ]
    plan = plan_over(GROUPS, SALE)
    watched = Watched(plan)
    for rows in states:
        state = {"sale": exact_rows(rows)}
        before = versions(watched), [dict(known) for known, _ in ledgers(watched.engine)]
        place = 0
        while True:
            place += 1
            try:
                watched.engine.step(watched.changes(state), Counting(place))
            except KeyboardInterrupt:
                assert (versions(watched), [dict(known) for known, _ in ledgers(watched.engine)]) == before
                continue
            break
        watched.before = state
        assert place > 3
        assert watched.state() == oracle(plan, state)

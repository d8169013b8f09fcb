"""Z-sets, timestamps and traces: what they hold, in which order, and what they cost."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from circuit_helpers import indexed
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.errors import FlowError
from rhizomedb.facts.value import exact
from rhizomedb.flow.circuit import IndexedZSet, Timestamp, Trace, ZSet

ELEMENTS = st.integers(-3, 3) | st.text("ab", max_size=2) | st.tuples(st.integers(0, 2), st.text("ab", max_size=1))
PAIRS = st.lists(st.tuples(ELEMENTS, st.integers(-3, 3)), max_size=8)
ZSETS = PAIRS.map(ZSet)
TIMES = st.lists(st.integers(0, 3), min_size=2, max_size=2).map(lambda parts: Timestamp(*parts))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ZSet({0: 1, 1: -2}), "[{0, nil, 1}, {1, nil, -2}]"),
        (ZSet({("a", 1): 1}), '[{{"a", 1}, nil, 1}]'),
        (ZSet({(exact(1.0), exact(True)): 1}), "[{{1.0, true}, nil, 1}]"),
        (indexed((1, "foo", 1)), '[{{1, "foo"}, nil, 1}]'),
        (Trace().append(indexed((0, 1, 2)), Timestamp(3, 0)), "[{0, 1, {3, 0}, 2}]"),
        (Trace().append(ZSet({"x": 1}), Timestamp(3)), '[{"x", nil, 3, 1}]'),
        (Trace().append(ZSet({"x": 1})), '[{"x", nil, nil, 1}]'),
        (ZSet(), "[]"),
    ],
)
def test_f2_prints_as_the_paper_writes(value, text):
    assert str(value) == text


@given(PAIRS)
def test_repr_can_be_read_back(pairs):
    assert eval(repr(ZSet(pairs))) == ZSet(pairs)


@given(ZSETS, st.lists(st.tuples(TIMES, ZSETS), max_size=6))
def test_f3_iteration_is_sorted(zset, history):
    """By element and then by time; elements of different kinds too."""
    assert [e for e, _ in zset] == [e for e, _ in ZSet(reversed(list(zset)))]
    numbers = [e for e, _ in zset if isinstance(e, int)]
    assert numbers == sorted(numbers)
    trace = Trace()
    for time, change in history:
        trace = trace.append(change, time)
    entries = list(trace)
    times = [(e[0], tuple(e[2])) for e in entries]
    assert len(set(times)) == len(times)
    for one, other in pairwise(entries):
        if one[0] == other[0]:
            assert tuple(one[2]) < tuple(other[2])
        elif isinstance(one[0], int) and isinstance(other[0], int):
            assert one[0] < other[0]


def test_f5_indexed_is_sorted_by_key_then_value():
    assert [pair for pair, _ in indexed((2, 1, 1), (1, 9, 1), (1, 3, 1))] == [(1, 3), (1, 9), (2, 1)]


def test_f6_merging_keeps_key_value_time_and_weight():
    trace = Trace().append(indexed(("k", "v", 2)), Timestamp(0)).append(indexed(("k", "v", 3)), Timestamp(1))
    trace = trace.append(indexed(("k", "v", 1)), Timestamp(1))
    assert list(trace) == [("k", "v", Timestamp(0), 2), ("k", "v", Timestamp(1), 4)]
    assert Trace().append(ZSet({"e": 1}), Timestamp(0)).times("e") == {Timestamp(0): 1}


def test_f8_weights_are_integers_of_any_size():
    big = ZSet({"a": 2**31 - 1}) + ZSet({"a": 1})
    assert big["a"] == 2**31
    assert (big * 2**40)["a"] == 2**71
    assert ZSet({"a": -2})["a"] == -2
    for weight in (1.0, True, "1", None):
        with pytest.raises(FlowError, match=r"flow\.weight"):
            ZSet({"a": weight})


@given(PAIRS, PAIRS)
def test_sums_are_those_of_counters(left, right):
    counted: Counter = Counter()
    for element, weight in left + right:
        counted[element] += weight
    expected = {element: weight for element, weight in counted.items() if weight}
    both = ZSet(left) + ZSet(right)
    assert dict(both.items()) == expected
    assert both - ZSet(right) == ZSet(left)
    assert hash(both) == hash(ZSet(expected))
    assert both.distinct() == ZSet.of(e for e, weight in expected.items() if weight > 0)
    assert both.positive().distinct() == both.distinct()
    assert -both + both == ZSet()


@given(st.lists(st.tuples(st.tuples(st.integers(0, 2), ELEMENTS), st.integers(-2, 2)), max_size=8))
def test_indexed_is_the_same_by_key(pairs):
    by_key = IndexedZSet(pairs)
    assert by_key.flat() == ZSet(pairs)
    assert all(by_key[key] == ZSet((v, w) for (k, v), w in pairs if k == key) for key in range(3))
    assert IndexedZSet(by_key) == by_key
    assert all(len(group) for group in by_key.groups.values())


@pytest.mark.parametrize(
    ("one", "other", "ordered"),
    [
        ((0, 0), (0, 1), True),
        ((0, 1), (1, 1), True),
        ((0, 2), (1, 1), False),
        ((1, 1), (2, 0), False),
        ((0, 5), (1, 0), False),
        ((1, 1), (1, 1), True),
    ],
)
def test_f10_product_order(one, other, ordered):
    one, other = Timestamp(*one), Timestamp(*other)
    assert (one <= other) is ordered
    assert (other >= one) is ordered
    assert (one < other) is (ordered and one != other)
    assert one == other or not other <= one


def test_o3_e21_later_epochs_are_later_in_scheduling_only():
    """(0, 5) is before (1, 0), although accumulation at (1, 0) does not see it."""
    assert Timestamp(0, 5).before(Timestamp(1, 0))
    assert not Timestamp(0, 5) <= Timestamp(1, 0)
    assert Timestamp(0, 5).since(3) == Timestamp(3, 5)
    assert Timestamp(4, 5).since(3) == Timestamp(4, 5)


@given(TIMES, TIMES, TIMES)
def test_join_and_meet_are_least_and_greatest_bounds(one, other, third):
    join, meet = one.join(other), one.meet(other)
    assert meet <= one <= join
    assert meet <= other <= join
    assert (one <= third and other <= third) == (join <= third)
    assert (third <= one and third <= other) == (third <= meet)
    assert not one <= other or one == other or one.before(other)


@pytest.mark.parametrize("parts", [(), (-1,), (0, -1), (1.0,), (True,), ("0",)])
def test_o8_counters_are_unsigned_integers(parts):
    with pytest.raises(FlowError, match=r"flow\.timestamp"):
        Timestamp(*parts)


def test_times_of_different_depth_are_not_compared():
    for compare in (Timestamp.__le__, Timestamp.join, Timestamp.before):
        with pytest.raises(FlowError, match="differ in depth"):
            compare(Timestamp(0), Timestamp(0, 0))


def test_f7_an_entry_moves_a_logarithm_of_times_and_a_key_is_found_by_few_look_ups():
    trace, n = Trace(), 5000
    for number in range(n):
        trace = trace.append(ZSet({(number * 7919) % n: 1}), Timestamp(number))
    assert len(trace) == n
    assert trace.moved <= n * 2 * math.log2(n)
    assert len(trace.batches) <= math.log2(n) + 1  # `seek` looks a key up once in each
    assert trace.seek(17) != {}
    assert trace.seek("absent") == {}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), PAIRS.map(ZSet)), max_size=10))
def test_a_trace_is_the_sum_of_its_history(history):
    """Whatever was merged and compacted: at every later time, the same is held as by adding everything up."""
    history = sorted(history, key=lambda entry: entry[:2])
    trace, epoch = Trace(), 0
    for then, iteration, change in history:
        while epoch < then:
            trace = trace.compact(epoch)
            epoch += 1
        trace = trace.append(change, Timestamp(then, iteration))
    for iteration in range(3):
        now = Timestamp(5, iteration)
        expected = ZSet()
        for then, at, change in history:
            expected += change if Timestamp(then, at) <= now else ZSet()
        held = ZSet((element, weight) for element, _, time, weight in trace if time <= now)
        assert held == expected
        assert all(trace.weight(e) == trace.consolidate()[e] for e, _ in expected)


def test_traces_are_values():
    """The trace of a moment ago stays what it was, however the one of now grows."""
    before = Trace().append(ZSet({1: 1}), Timestamp(0))
    held = list(before)
    after = before.append(ZSet({1: -1}), Timestamp(0)).append(ZSet({1: 5, 2: 1}), Timestamp(1))
    assert list(before) == held
    assert [(key, time, weight) for key, _, time, weight in after] == [(1, Timestamp(1), 5), (2, Timestamp(1), 1)]


def test_closed_epochs_cancel_out():
    """F9: an edge that came and went leaves nothing behind once its epochs are closed."""
    trace = Trace()
    for epoch in range(64):
        trace = trace.append(ZSet({"edge": 1 if epoch % 2 == 0 else -1}), Timestamp(epoch)).compact(epoch)
    assert len(trace) <= 2

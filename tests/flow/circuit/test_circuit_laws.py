"""Laws: what must hold of every operator for every input, against definitions that compute everything anew."""

from __future__ import annotations

from itertools import product

import pytest
from circuit_helpers import accumulated, at, mixed_difference
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.flow.circuit import Circuit, IndexedZSet, Linearity, Timestamp, Trace, ZSet, compose
from rhizomedb.flow.circuit.operators import (
    AggregateTrace,
    Delay,
    Distinct,
    DistinctIncremental,
    DistinctTrace,
    Filter,
    IndexWith,
    Inspect,
    JoinStream,
    JoinTrace,
    Map,
    Minus,
    Negate,
    Plus,
)
from rhizomedb.flow.circuit.operators.aggregate import REQUIRED, Aggregate

LAWS = settings(max_examples=150, deadline=None)

ROWS = st.tuples(st.integers(0, 2), st.integers(0, 2))
ZSETS = st.lists(st.tuples(ROWS, st.integers(-2, 2)), max_size=5).map(ZSet)
STREAMS = st.lists(ZSETS, max_size=6)


def key(row):
    return row[0]


def pair(key, one, other):
    return (key, one[1], other[1])


def through(build, *streams):
    """What comes out of a circuit for streams of changes, one epoch after the other."""
    circuit = Circuit()
    circuit.sink("out", build(*(circuit.source(str(number)) for number in range(len(streams)))))
    return [
        circuit.step({str(number): change for number, change in enumerate(changes)})["out"]
        for changes in zip(*streams, strict=True)
    ]


# -- integrating and differentiating --------------------------------------------------------------------------------


@given(STREAMS)
@LAWS
def test_f29_differentiating_undoes_integrating(stream):
    assert through(lambda s: compose.integrate(compose.differentiate(s)), stream) == stream
    assert through(lambda s: compose.differentiate(compose.integrate(s)), stream) == stream


def incremental(build, *streams):
    """The definition of an incremental query: D ∘ Q ∘ I, everything computed anew in every epoch (F1)."""
    return through(lambda *s: compose.differentiate(build(*map(compose.integrate, s))), *streams)


@given(STREAMS)
@LAWS
def test_f31_distinct_incremental_is_distinct_made_incremental(stream):
    assert through(compose.distinct, stream) == incremental(lambda s: s.circuit.add(Distinct(), s), stream)


@given(st.lists(st.tuples(ZSETS, ZSETS), max_size=6))
@LAWS
def test_f26_the_three_terms_are_the_join_made_incremental(pairs):
    def index(stream):
        return stream.circuit.add(IndexWith(key), stream)

    def whole(left, right):
        return left.circuit.add(JoinStream(pair), index(left), index(right))

    left, right = [one for one, _ in pairs], [other for _, other in pairs]
    assert through(lambda a, b: compose.join(index(a), index(b), pair), left, right) == incremental(whole, left, right)


@given(STREAMS, st.sampled_from(sorted(REQUIRED)))
@LAWS
def test_f21_aggregates_made_incremental(stream, name):
    def values(group):
        return REQUIRED[name]([row[1] for row in group])

    def by_trace(s):
        distinct = compose.distinct(s)
        return compose.aggregate(distinct.circuit.add(IndexWith(key), distinct), values)

    def whole(s):
        indexed = s.circuit.add(IndexWith(key), s.circuit.add(Distinct(), s))
        return s.circuit.add(Aggregate(values), indexed)

    assert through(by_trace, stream) == incremental(whole, stream)


# -- how linear an operator is --------------------------------------------------------------------------------------

LINEAR = [
    lambda: Filter(lambda row: row[0] != 1),
    lambda: Map(lambda row: row[0]),
    lambda: IndexWith(key),
    lambda: Inspect(lambda change: None),
    Negate,
]


@pytest.mark.parametrize("make", LINEAR, ids=["filter", "map", "index", "inspect", "negate"])
@given(ZSETS, ZSETS)
@LAWS
def test_linear_operators_take_a_sum_to_the_sum(make, one, other):
    def flat(found):
        return found.flat() if isinstance(found, IndexedZSet) else found

    operator = make()
    assert operator.linearity is Linearity.LINEAR
    parts = [flat(operator.step(at(0), change)) for change in (one, other)]
    assert flat(operator.step(at(0), one + other)) == parts[0] + parts[1]


@given(ZSETS, ZSETS, ZSETS, ZSETS)
@LAWS
def test_plus_and_minus_are_linear_in_both_together(a, b, c, d):
    for operator in (Plus(), Minus()):
        assert operator.step(at(0), a + c, b + d) == operator.step(at(0), a, b) + operator.step(at(0), c, d)


@given(STREAMS)
@LAWS
def test_delay_is_linear(stream):
    doubled = through(lambda s: s.circuit.add(Delay(), s), [change + change for change in stream])
    assert doubled == [change + change for change in through(lambda s: s.circuit.add(Delay(), s), stream)]


@given(ZSETS, ZSETS, ZSETS)
@LAWS
def test_f25_join_is_bilinear(a, b, c):
    def by_key(zset):
        return IndexedZSet(((row[0], row), weight) for row, weight in zset)

    def by_stream(left, right):
        return JoinStream(pair).step(at(0), by_key(left), by_key(right))

    def by_trace(left, right):
        return JoinTrace(pair).step(at(1), by_key(left), Trace().append(by_key(right), Timestamp(0)))

    for join in (by_stream, by_trace):
        assert join(a + b, c) == join(a, c) + join(b, c)
        assert join(a, b + c) == join(a, b) + join(a, c)
        assert join(-a, b) == -join(a, b)
    assert by_stream(a, b) == by_trace(a, b)


@pytest.mark.parametrize("distinct", [Distinct().step, lambda at, z: DistinctIncremental().step(at, z, Trace())])
def test_distinct_is_not_linear(distinct):
    one = ZSet({"a": 1})
    assert distinct(at(0), one + one) != distinct(at(0), one) + distinct(at(0), one)


# -- nested times, by brute force -----------------------------------------------------------------------------------


@st.composite
def nested(draw, sets=False):
    """Changes at random times of depth 1 to 3, and every time of the box that they are in, in the order of running."""
    depth = draw(st.integers(1, 3))
    side = {1: 5, 2: 4, 3: 3}[depth]
    box = [Timestamp(*parts) for parts in product(range(side), repeat=depth)]
    small = st.lists(st.tuples(ROWS, st.integers(-2, 2)), min_size=1, max_size=4).map(ZSet)
    chosen = draw(st.lists(st.sampled_from(box), max_size=7, unique=True))
    return box, {time: draw(small) for time in chosen}


def walk(box, *streams):
    """The times in the order of running, with the changes and the traces before them; epochs are closed as they end."""
    traces = [Trace() for _ in streams]
    for place, time in enumerate(box):
        changes = [stream.get(time, ZSet()) for stream in streams]
        yield time, changes, traces
        traces = [trace.append(change, time) for trace, change in zip(traces, changes, strict=True)]
        if place + 1 < len(box) and box[place + 1].epoch > time.epoch:
            traces = [trace.compact(time.epoch) for trace in traces]


@given(nested())
@settings(LAWS, max_examples=120)
def test_f30_e22_distinct_trace_is_the_mixed_difference(drawn):
    """E22 to E25, at depths 1 to 3: everything computed anew at every corner."""
    box, changes = drawn
    operator = DistinctTrace()
    for time, (change,), (trace,) in walk(box, changes):
        expected = mixed_difference(lambda then: accumulated(changes, then).distinct(), time)
        assert operator.step(at(*time), change, trace) == expected
    assert not any(tuple(time) <= tuple(box[-1]) for time in operator.waiting())


@given(nested())
@settings(LAWS, max_examples=120)
def test_aggregate_trace_is_the_mixed_difference(drawn):
    box, raw = drawn
    changes = {  # what an aggregate is fed: the changes of a set, so that no weight is negative
        time: change
        for time in box
        if (change := mixed_difference(lambda then: accumulated(raw, then).distinct(), time))
    }

    def by_key(zset):
        return IndexedZSet(((row[0], row[1]), weight) for row, weight in zset.items())

    operator = AggregateTrace(REQUIRED["sum"])
    for time, (change,), (trace,) in walk(box, {then: by_key(zset) for then, zset in changes.items()}):
        expected = mixed_difference(
            lambda then: Aggregate(REQUIRED["sum"]).step(at(0), by_key(accumulated(changes, then))), time
        )
        assert operator.step(at(*time), change or IndexedZSet(), trace) == expected


@given(nested(), st.data())
@settings(LAWS, max_examples=120)
def test_e30_the_join_of_nested_streams_is_the_mixed_difference(drawn, data):
    box, left = drawn
    right = dict(zip(data.draw(st.permutations(box)), left.values(), strict=False))

    def by_key(zset):
        return IndexedZSet(((row[0], row), weight) for row, weight in zset.items())

    both, ours, theirs = JoinStream(pair), JoinTrace(pair), JoinTrace(lambda key, one, other: pair(key, other, one))
    indexed = [{time: by_key(zset) for time, zset in stream.items()} for stream in (left, right)]
    for time, changes, (left_trace, right_trace) in walk(box, *indexed):
        a, b = (change or IndexedZSet() for change in changes)
        found = both.step(at(*time), a, b) + ours.step(at(*time), a, right_trace)
        found += theirs.step(at(*time), b, left_trace)

        def whole(then):
            return both.step(at(0), by_key(accumulated(left, then)), by_key(accumulated(right, then)))

        assert found == mixed_difference(whole, time)

"""The vectors of the operators: what goes in and what comes out, as tables (PomoFlow 2.9, corrected)."""

from __future__ import annotations

import pytest
from circuit_helpers import CLOSURE, EDGE, elements, indexed, plan_of, replay, run

from rhizomedb.flow.circuit import EMPTY, Circuit, Dataflow, Timestamp, Trace, ZSet, compose
from rhizomedb.flow.circuit.operator import Linearity
from rhizomedb.flow.circuit.operators import (
    SECTIONS,
    Aggregate,
    Consolidate,
    Delay,
    DelayTrace,
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
    TraceAppend,
    UntimedTraceAppend,
)
from rhizomedb.flow.circuit.operators.aggregate import REQUIRED


def pair(key, one, other):
    return (key, (one, other))


LEFT = ZSet({0: 1, 1: 1, 2: 2, 3: 1})
RIGHT = ZSet({0: 1, 1: -1, 2: 1})
BATCH = ZSet({0: 2, 2: 1, 3: -1})
JOINED = indexed(("a", 0, 1), ("a", 0, -1), ("a", 1, 1), ("b", 2, 2), ("c", 2, 1))
JOINED_TRACE = Trace.of(
    [
        ("a", 1, Timestamp(0), 1),
        ("b", -3, Timestamp(0), -1),
        ("b", 3, Timestamp(0), 1),
        ("b", 4, Timestamp(0), -1),
        ("c", 4, Timestamp(0), 1),
    ]
)

VECTORS = [
    ("F21 count", Aggregate(REQUIRED["count"]), [indexed((1, "foo", 1), (1, "bar", 1), (2, "baz", 1))], {(1, 2): 1, (2, 1): 1}),
    ("F21 sum", Aggregate(REQUIRED["sum"]), [indexed((1, 3, 1), (1, 5, 1), (2, 12, 1))], {(1, 8): 1, (2, 12): 1}),
    ("F21 min", Aggregate(REQUIRED["min"]), [indexed((1, 3, 1), (1, 5, 1), (2, 12, 1))], {(1, 3): 1, (2, 12): 1}),
    ("F21 max", Aggregate(REQUIRED["max"]), [indexed((1, 3, 1), (1, 5, 1), (2, 12, 1))], {(1, 5): 1, (2, 12): 1}),
    ("F21 own", Aggregate(lambda pairs: sum(x * y for x, y in pairs)), [indexed((1, (2, 3), 1), (1, (4, 5), 1))], {(1, 26): 1}),
    ("F21 no result", Aggregate(lambda values: None), [indexed((1, 3, 1))], {}),
    ("F21 over nothing", Aggregate(REQUIRED["count"]), [indexed()], {}),
    ("E32 a value of weight 2 is one value", Aggregate(REQUIRED["count"]), [indexed((1, "foo", 2), (1, "bar", 1))], {(1, 2): 1}),
    ("F23", Distinct(), [ZSet({0: 1, 1: 2, 2: -1, 3: 0})], {0: 1, 1: 1}),
    ("F25", JoinStream(pair), [indexed(("a", 1, 1), ("b", 2, 2), ("c", 2, 1)), indexed(("a", 1, 1), ("b", 3, 1), ("b", 4, -1))],
     {("a", (1, 1)): 1, ("b", (2, 3)): 2, ("b", (2, 4)): -2}),
    ("F26 E28", JoinTrace(pair), [JOINED, JOINED_TRACE],
     {("a", (1, 1)): 1, ("b", (2, -3)): -2, ("b", (2, 3)): 2, ("b", (2, 4)): -2, ("c", (2, 4)): 1}),
    ("F27", Minus(), [LEFT, RIGHT], {1: 2, 2: 1, 3: 1}),
    ("F28", Plus(), [LEFT, RIGHT], {0: 2, 2: 3, 3: 1}),
    ("E27 map", Map(lambda x: x // 2), [ZSet({0: 1, 1: 1, 2: 1, 3: -1})], {0: 2}),
    ("2.9.8 negate", Negate(), [ZSet({0: 1, 1: -1, 2: -2})], {0: -1, 1: 1, 2: 2}),
    ("F31 0 is there", DistinctIncremental(), [BATCH, elements((0, 1))], {2: 1}),
    ("F31 2 and 3 are there", DistinctIncremental(), [BATCH, elements((2, 1), (3, 1))], {0: 1, 3: -1}),
    ("F31 0 is owed", DistinctIncremental(), [BATCH, elements((0, -1))], {0: 1, 2: 1}),
    ("F31 E26 loses one of three", DistinctIncremental(), [ZSet({7: -1}), elements((7, 3))], {}),
    ("F31 E26 loses three of three", DistinctIncremental(), [ZSet({7: -3}), elements((7, 3))], {7: -1}),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "inputs", "expected"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS])
def test_vector(operator, inputs, expected):
    assert run(operator, *inputs, time=(1,)) == ZSet(expected)


def test_f22_consolidate():
    trace = Trace.of(
        (key, value, Timestamp(time), weight)
        for key, value, time, weight in [
            (0, 0, 0, 1), (0, 0, 0, -1), (0, 1, 0, 1), (0, 1, 0, 1), (1, 2, 0, 2),
            (1, 3, 0, 1), (1, 3, 0, -1), (1, 4, 0, -1), (2, 2, 0, 1), (2, 4, 0, 1),
        ]
    )  # fmt: skip
    assert run(Consolidate(), trace) == ZSet({(0, 1): 2, (1, 2): 2, (1, 4): -1, (2, 2): 1, (2, 4): 1})


def test_f22_consolidate_drops_times():
    trace = elements((1, 1)).append(ZSet({1: 1, 2: 1}), Timestamp(3)).append(ZSet({2: -1}), Timestamp(5))
    assert run(Consolidate(), trace) == ZSet({1: 2})


def test_f24_filter_keeps_times():
    assert replay(Filter(lambda x: x >= 1), (0, 0, 1), (1, 0, 2), (2, 1, -3)) == [(1, 0, 2), (2, 1, -3)]


def test_f5_index():
    given = ZSet({(0, 1, 1): 1, (1, 2, 1): 1, (1, 3, 2): -1})
    assert list(run(IndexWith(lambda row: row[0]), given)) == [
        ((0, (0, 1, 1)), 1),
        ((1, (1, 2, 1)), 1),
        ((1, (1, 3, 2)), -1),
    ]


def test_2_9_6_inspect():
    seen = []
    given = ZSet({0: 1, 1: 1})
    assert run(Inspect(seen.append), given) == given
    assert seen == [given]


def test_f29_delay():
    delay = Delay()
    stream = [ZSet({"A": 1}), ZSet({"B": 1}), ZSet({"C": 1})]
    assert [run(delay, change, time=(epoch,)) for epoch, change in enumerate(stream)] == [EMPTY, *stream[:2]]


def test_f29_delay_trace():
    delay = DelayTrace()
    traces = [elements(("A", 1)), elements(("A", 1), ("B", 1))]
    assert [list(run(delay, trace)) for trace in traces] == [[], list(traces[0])]


def test_f4_trace_append_with_and_without_times():
    change = ZSet({"a": 2})
    assert next(iter(run(TraceAppend(), change, Trace(), time=(3, 1))))[2:] == (Timestamp(3, 1), 2)
    assert next(iter(run(UntimedTraceAppend(), change, Trace(), time=(3, 1))))[2:] == (None, 2)


def test_f30_distinct_trace():
    changes = [
        (Timestamp(0, 0), ZSet({0: 1, 2: 1, 3: -1}), ZSet({0: 1, 2: 1})),
        (Timestamp(0, 1), ZSet({5: 1}), ZSet({5: 1})),
        (Timestamp(1, 0), ZSet({5: 1}), ZSet({5: 1})),
        (Timestamp(1, 1), ZSet({0: 1, 1: 1, 2: -1, 3: 1, 4: -1}), ZSet({1: 1, 2: -1, 5: -1})),
    ]
    operator, trace = DistinctTrace(), Trace()
    for time, change, expected in changes:
        assert run(operator, change, trace, time=time) == expected
        trace = trace.append(change, time)


def test_e23_what_has_never_been_seen_is_no_special_case():
    assert run(DistinctTrace(), ZSet({4: -1, 5: 1}), Trace(), time=(1, 1)) == ZSet({5: 1})


def test_e31_a_weight_counts_derivations():
    """Two rows have one image: it has two derivations, and stays when one of them goes."""
    circuit = Circuit()
    images = circuit.add(Map(lambda row: row[0]), circuit.source("in"))
    circuit.sink("weights", images)
    circuit.sink("set", compose.distinct(images))
    assert circuit.step({"in": ZSet.of([(1, "a"), (1, "b")])}) == {"weights": ZSet({1: 2}), "set": ZSet({1: 1})}
    assert circuit.step({"in": ZSet({(1, "a"): -1})}) == {"weights": ZSet({1: -1}), "set": ZSet()}
    assert circuit.step({"in": ZSet({(1, "b"): -1})}) == {"weights": ZSet({1: -1}), "set": ZSet({1: -1})}


def test_e25_an_element_without_a_change_is_visited_again_at_the_join():
    operator = DistinctTrace()
    trace = Trace().append(ZSet({5: 1}), Timestamp(0, 1))
    run(operator, ZSet({5: 1}), trace, time=(1, 0))
    assert list(operator.waiting()) == [Timestamp(1, 1)]


def test_e24_the_output_may_be_two():
    trace = Trace().append(ZSet({0: 1}), Timestamp(0, 1)).append(ZSet({0: 1}), Timestamp(1, 0))
    assert run(DistinctTrace(), ZSet({0: -1}), trace, time=(1, 1)) == ZSet({0: -1})
    trace = Trace().append(ZSet({0: 1}), Timestamp(0, 0)).append(ZSet({0: -1}), Timestamp(0, 1))
    trace = trace.append(ZSet({0: -1}), Timestamp(1, 0))
    assert run(DistinctTrace(), ZSet({0: 2}), trace, time=(1, 1)) == ZSet({0: 2})


def test_f11_closure_under_insertion_and_deletion():
    """C.5, incremental recursion: epoch 3 takes an edge of a cycle away."""
    dataflow = Dataflow.of(plan_of(CLOSURE, EDGE))

    def step(*pairs):
        return dataflow.step({"edge": ZSet(pairs)})["path"]

    chain = step(((0, 1), 1), ((1, 2), 1), ((2, 3), 1), ((3, 4), 1))
    assert chain == ZSet.of((a, b) for a in range(5) for b in range(a + 1, 5))
    assert step(((1, 2), -1)) == ZSet.of([(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)], -1)
    assert len(dataflow.holds("path")) == 4
    grown = step(((1, 2), 1), ((4, 0), 1))
    assert len(grown) == 21
    assert grown.is_set
    assert dataflow.holds("path") == ZSet.of((a, b) for a in range(5) for b in range(5))
    shrunk = step(((4, 0), -1))
    assert len(shrunk) == 15
    assert (-shrunk).is_set
    assert dataflow.holds("path") == chain


def test_f20_e29_every_operator_of_the_paper_is_there_and_says_how_linear_it_is():
    linear, bilinear, neither = Linearity.LINEAR, Linearity.BILINEAR, Linearity.NON_LINEAR
    assert {section: operator.linearity for section, operator in SECTIONS.items()} == {
        "2.9.1": neither, "2.9.2": linear, "2.9.3": neither, "2.9.4": linear, "2.9.5": linear, "2.9.6": linear,
        "2.9.7": linear, "2.9.8": linear, "2.9.9": linear, "2.9.10": linear, "2.9.11": neither,
        "2.9.12": bilinear,  # E29: printed as linear
        "2.9.13": bilinear, "2.9.14": linear, "2.9.15": linear, "2.9.16": neither, "2.9.17": neither, "2.9.18": neither,
    }  # fmt: skip
    assert {operator.__name__ for operator in SECTIONS.values() if operator.stateful} == {
        "Delay", "DelayTrace", "DistinctTrace", "JoinTrace"
    }  # fmt: skip
    assert {name: len(SECTIONS[name].reads) for name in ("2.9.14", "2.9.15")} == {"2.9.14": 2, "2.9.15": 2}  # E29

"""Circuits: ids, scheduling, nesting, what cannot be wired, and steps that do not happen."""

from __future__ import annotations

from itertools import product

import pytest
from circuit_helpers import CLOSURE, EDGE, plan_of
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.algebra import Assign, Block, Loop, Plan
from rhizomedb.algebra.relation import AntiJoin, Scan
from rhizomedb.budget import Budget
from rhizomedb.errors import BudgetExceeded, FlowError
from rhizomedb.flow.circuit import Circuit, Dataflow, ZSet, build, compose
from rhizomedb.flow.circuit.node import ChildNode, Edge, FeedbackNode, OperatorNode
from rhizomedb.flow.circuit.operators import (
    Aggregate,
    Delay,
    DelayTrace,
    Filter,
    IndexWith,
    Inspect,
    JoinStream,
    Map,
    Negate,
    Plus,
)
from rhizomedb.flow.circuit.operators.aggregate import REQUIRED


def closure_circuit() -> Circuit:
    return build(plan_of(CLOSURE, EDGE))


# -- ids and order --------------------------------------------------------------------------------------------------


def test_f14_f15_ids():
    """A local id is an index, a global id a path; both are unique."""
    circuit = deep_circuit()
    for inner in [circuit, *(node.circuit for _, node in circuit.walk() if isinstance(node, ChildNode))]:
        assert [inner.stream(place).edge.node for place, node in enumerate(inner.nodes) if node.outputs] == [
            place for place, node in enumerate(inner.nodes) if node.outputs
        ]
    ids = [place for place, _ in circuit.walk()]
    assert len(set(ids)) == len(ids)
    for place, node in circuit.walk():
        found = circuit
        for step in place[:-1]:
            child = found.nodes[step]
            assert isinstance(child, ChildNode)
            found = child.circuit
        assert found.nodes[place[-1]] is node
        assert found.path == place[:-1]
    assert max(map(len, ids)) == 3


def test_f12_f13_one_cell_for_each_stream_named_by_its_node():
    circuit = Circuit()
    source = circuit.source("in")
    twice = circuit.add(Plus(), source, source)
    circuit.sink("out", twice)
    node = circuit.nodes[twice.edge.node]
    assert isinstance(node, OperatorNode)
    assert node.inputs == (Edge(0), Edge(0))
    assert twice.global_id == (1,)
    seen = []
    circuit.nodes[1].operator.step = lambda moment, *inputs: seen.append(dict(circuit.cells)) or inputs[0]
    circuit.step({"in": ZSet({1: 1})})
    assert seen == [{Edge(0): ZSet({1: 1})}]
    assert circuit.cells == {}  # nothing of a stream is kept but what operators hold


def test_a_sink_gives_the_sum_of_its_streams():
    circuit = Circuit()
    one, other = circuit.source("one"), circuit.source("other")
    circuit.sink("out", one, other)
    assert circuit.step({"one": ZSet({"a": 1, "b": 2}), "other": ZSet({"a": -1, "b": 1})}) == {"out": ZSet({"b": 3})}


def test_f16_recursion_is_in_child_nodes():
    circuit = closure_circuit()
    children = [node for node in circuit.nodes if isinstance(node, ChildNode)]
    assert len(children) == 1
    loops = [n for n in children[0].circuit.nodes if isinstance(n, FeedbackNode) and isinstance(n.operator, Delay)]
    assert len(loops) == 1
    assert not any(isinstance(n, FeedbackNode) and isinstance(n.operator, Delay) for n in circuit.nodes)


def test_f17_feedback_is_no_cycle():
    """The counter reads its own output of the epoch before, and the schedule is an order all the same."""
    circuit = Circuit()
    source = circuit.source("in")
    before = circuit.feedback()
    total = circuit.add(Plus(), source, before)
    circuit.connect(total, before)
    circuit.sink("total", total)
    order = circuit.schedule()
    assert sorted(order) == list(range(len(circuit.nodes)))
    for place, node in enumerate(circuit.nodes):
        assert all(order.index(edge.node) < order.index(place) for edge in node.inputs)
    for built in (closure_circuit(), deep_circuit()):
        order = built.schedule()
        for place, node in enumerate(built.nodes):
            assert all(order.index(edge.node) < order.index(place) for edge in node.inputs)
    assert [circuit.step({"in": ZSet({"a": n})})["total"]["a"] for n in (1, 2, 3)] == [1, 3, 6]


def test_a_circuit_says_what_it_is():
    circuit = Circuit()
    halves = circuit.add(Map(lambda n: n // 2), circuit.source("number"))
    circuit.sink("half", halves)
    assert str(circuit) == "0 Source number\n1 Map ← 0\n2 Sink half ← 1"
    assert "\n1 Child ← 4\n" in str(closure_circuit())
    assert "\n  1.1 Import ← 4\n" in str(closure_circuit())


# -- nesting --------------------------------------------------------------------------------------------------------


def deep_circuit() -> Circuit:
    """A fixed point in a fixed point: close, hop two steps from the nodes reached, and close again.

    s is the least set with edge ⊆ s and {(a, c − 1): (a, c) in the closure of s, c > 3} ⊆ s.
    """
    circuit = Circuit()
    edge = circuit.source("edge")
    outer = circuit.child()
    base = outer.bring(compose.distinct(edge))
    s = outer.feedback()
    inner = outer.child()
    start = inner.bring(s)
    path = inner.feedback()
    step = compose.join(
        inner.add(IndexWith(lambda row: row[1]), path),
        inner.add(IndexWith(lambda row: row[0]), start),
        lambda _, one, other: (one[0], other[1]),
    )
    closed = compose.distinct(compose.added(start, step))
    inner.connect(closed, path)
    closure = inner.export(closed)
    far = outer.add(Filter(lambda row: row[1] > 3), closure)
    hopped = outer.add(Map(lambda row: (row[0], row[1] - 1)), far)
    now = compose.distinct(compose.added(base, hopped))
    outer.connect(now, s)
    circuit.sink("s", outer.export(now))
    return circuit


def deep(edges):
    """The same, by repeating it."""
    s = set(edges)
    while True:
        closed = set(s)
        while new := {(a, d) for (a, b), (c, d) in product(closed, s) if b == c} - closed:
            closed |= new
        more = s | {(a, b - 1) for a, b in closed if b > 3}
        if more == s:
            return s
        s = more


PAIRS = st.tuples(st.integers(0, 6), st.integers(0, 6))


@given(st.lists(st.lists(PAIRS, max_size=6, unique=True), max_size=6))
@settings(max_examples=60, deadline=None)
def test_f11_a_fixed_point_in_a_fixed_point(epochs):
    circuit, edges, before = deep_circuit(), set(), set()
    for toggled in epochs:
        change = ZSet((edge, -1 if edge in edges else 1) for edge in toggled)
        edges ^= set(toggled)
        now = deep(edges)
        assert circuit.step({"edge": change})["s"] == ZSet.of(now) - ZSet.of(before)
        before = now


def test_f9_state_of_iterations_is_gone_after_the_epoch():
    circuit = deep_circuit()
    events = []
    for place, node in circuit.walk():
        if isinstance(node, FeedbackNode) and isinstance(node.operator, Delay):
            hooks = node.operator
            hooks.clock_start = lambda scope, time, place=place: events.append(("start", place, scope, tuple(time)))
            old = hooks.clock_end
            hooks.clock_end = lambda scope, time, place=place, old=old: (
                events.append(("end", place, scope, tuple(time))),
                old(scope, time),
            )
    circuit.step({"edge": ZSet.of([(0, 5), (5, 6)])})
    circuit.step({"edge": ZSet({(5, 6): -1})})
    for _, node in circuit.walk():
        if isinstance(node, OperatorNode | FeedbackNode):
            assert not node.operator.waiting()
            assert node.operator.settled
            if isinstance(node.operator, DelayTrace):
                assert node.operator.held.closed == 1
    scopes = {(scope, len(time)) for _, place, scope, time in events if len(place) == 3}
    assert scopes == {(0, 3), (1, 2), (2, 1)}  # told of its own steps and of those of both circuits around
    starts = [e[1:] for e in events if e[0] == "start"]
    assert sorted(starts) == sorted(e[1:] for e in events if e[0] == "end")


# -- what cannot be wired -------------------------------------------------------------------------------------------


def wire(*steps):
    """Run some lines of wiring on a circuit with a source, a sink and a child."""
    circuit = Circuit()
    source = circuit.source("in")
    sink = circuit.sink("out", source)
    child = circuit.child()
    return steps[0](circuit, source, sink, child)


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("flow.sink-output", lambda c, source, sink, child: c.stream(sink)),
        ("flow.source-input", lambda c, source, sink, child: c.connect(source, source)),
        ("flow.connected", lambda c, source, sink, child: c.connect(source, sink)),
        ("flow.duplicate", lambda c, source, sink, child: c.source("in")),
        ("flow.duplicate", lambda c, source, sink, child: c.sink("out", source)),
        ("flow.arity", lambda c, source, sink, child: c.add(Plus(), source)),
        ("flow.arity", lambda c, source, sink, child: c.add(Negate(), source, source)),
        ("flow.arity", lambda c, source, sink, child: c.sink("nothing")),
        ("flow.kind", lambda c, source, sink, child: c.add(JoinStream(max), source, source)),
        ("flow.kind", lambda c, source, sink, child: c.sink("rows", c.add(IndexWith(hash), source))),
        ("flow.foreign-stream", lambda c, source, sink, child: child.add(Negate(), source)),
        ("flow.foreign-stream", lambda c, source, sink, child: child.source("in")),
        ("flow.foreign-stream", lambda c, source, sink, child: child.sink("out", child.bring(source))),
        ("flow.foreign-stream", lambda c, source, sink, child: c.bring(source)),
        ("flow.foreign-stream", lambda c, source, sink, child: c.connect(source, child.feedback())),
        ("flow.foreign-stream", lambda c, source, sink, child: c.export(source)),
        ("flow.feedback", lambda c, source, sink, child: (c.feedback(), c.step())),
        ("flow.feedback", lambda c, source, sink, child: (child.feedback(), c.step())),
        ("flow.unknown", lambda c, source, sink, child: c.step({"ni": ZSet()})),
        ("flow.running", lambda c, source, sink, child: child.step()),
        ("flow.running", lambda c, source, sink, child: (c.step(), child.bring(source))),
        ("flow.running", lambda c, source, sink, child: (c.add(Inspect(lambda _: c.step()), source), c.step())),
        ("flow.function", lambda c, source, sink, child: c.add(Map(3), source)),
    ],
)
def test_f18_f19_what_cannot_be_wired(code, step):
    with pytest.raises(FlowError) as caught:
        wire(step)
    assert caught.value.code == code


def test_a_loop_that_is_not_monotone_is_refused():
    scan = Scan("p", ("x",))
    loop = Loop(Block((Assign("p", AntiJoin(Scan("q", ("x",)), scan)),)))
    with pytest.raises(FlowError, match=r"flow\.plan: a relation of the loop over p is negated"):
        build(Plan(Block((loop,)), {"q": ("x",)}, {"p": ("x",)}))
    with pytest.raises(FlowError, match=r"flow\.plan: Δq"):
        build(Plan(Block((Assign("p", Scan("q", ("x",), change=True)),)), {"q": ("x",)}, {"p": ("x",)}))


# -- purity ---------------------------------------------------------------------------------------------------------

SEEN: list[int] = []
COUNT = 0


def assigns_a_global(n):
    global COUNT  # noqa: PLW0603  # what is to be refused
    COUNT += 1
    return n


def assigns_what_is_outside():
    count = 0

    def function(n):
        nonlocal count
        count += 1
        return n

    return function


async def answers_later(n):
    return n


def generates(n):
    yield n


def remembers(n):
    SEEN.append(n)
    return len(SEEN)


@pytest.mark.parametrize("make", [Map, Filter, IndexWith, Aggregate, JoinStream], ids=lambda make: make.__name__)
@pytest.mark.parametrize("function", [assigns_a_global, assigns_what_is_outside(), answers_later, generates])
def test_f24_what_can_be_seen_not_to_be_pure_is_refused(make, function):
    with pytest.raises(FlowError, match=r"flow\.impure"):
        make(function)


def flips(n):
    SEEN.append(n)
    return len(SEEN) % 2 == 0


IMPURE = {
    "map": lambda s: s.circuit.add(Map(remembers), s),
    "filter": lambda s: s.circuit.add(Filter(flips), s),
    "index": lambda s: compose.aggregate(s.circuit.add(IndexWith(remembers), s), REQUIRED["count"]),
    "aggregate that goes by the order": lambda s: compose.aggregate(
        s.circuit.add(IndexWith(lambda n: 0), s), lambda values: values[0]
    ),
}


@pytest.mark.parametrize("build_on", IMPURE.values(), ids=list(IMPURE))
def test_f21_f24_answers_that_differ_are_refused_and_nothing_happens(build_on):
    """R17 too: an aggregate gets its values in one order and then in the other."""
    circuit = Circuit()
    circuit.sink("out", build_on(circuit.source("in")))
    with pytest.raises(FlowError, match=r"flow\.impure: the function of .* is not pure: for .* it gave"):
        circuit.step({"in": ZSet.of([1, 2, 3])})
    assert circuit.epoch == 0


def test_functions_that_fail_are_errors_of_ours():
    circuit = Circuit()
    circuit.sink("out", circuit.add(Map(lambda n: 1 // n), circuit.source("in")))
    with pytest.raises(FlowError, match=r"flow\.function: Map failed for 0: ZeroDivisionError"):
        circuit.step({"in": ZSet.of([0])})
    assert circuit.step({"in": ZSet.of([1])})["out"] == ZSet.of([1])


def test_e32_negative_weights_do_not_reach_an_aggregate():
    circuit = Circuit()
    indexed = circuit.add(IndexWith(lambda row: row[0]), circuit.source("in"))
    circuit.sink("out", compose.aggregate(indexed, REQUIRED["count"]))
    with pytest.raises(FlowError, match=r"flow\.negative-weight") as caught:
        circuit.step({"in": ZSet({("a", 1): -1})})
    assert caught.value.fix == "put a distinct before it"


# -- steps that do not happen ---------------------------------------------------------------------------------------

CHAIN = ZSet.of((n, n + 1) for n in range(12))


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        (Budget(facts=60), "budget.facts"),
        (Budget(rounds=4), "budget.rounds"),
        (Budget(bytes=2000), "budget.memory"),
        (Budget(seconds=0), "budget.time"),
    ],
)
def test_a_step_over_its_budget_does_not_happen(budget, code):
    """The circuit is as it was: afterwards it goes on exactly as one that never tried."""
    first = {"edge": ZSet.of([(3, 4), (4, 5), (5, 3)])}
    tried, other = closure_circuit(), closure_circuit()
    assert tried.step(first) == other.step(first)
    for _ in range(2):
        with pytest.raises(BudgetExceeded) as caught:
            tried.step({"edge": CHAIN}, budget.meter())
        assert caught.value.code == code
        assert tried.epoch == 1
    for change in (ZSet({(5, 3): -1}), CHAIN, -CHAIN):
        assert tried.step({"edge": change}) == other.step({"edge": change})


@given(st.data(), st.lists(st.lists(PAIRS, max_size=5, unique=True), min_size=1, max_size=5))
@settings(max_examples=80, deadline=None)
def test_wherever_a_step_is_stopped_the_circuit_is_as_it_was(data, epochs):
    make = data.draw(st.sampled_from([closure_circuit, deep_circuit]))
    tried, other, edges = make(), make(), set()
    for toggled in epochs:
        change = {"edge": ZSet((edge, -1 if edge in edges else 1) for edge in toggled)}
        edges ^= set(toggled)
        meter = Budget(facts=data.draw(st.integers(0, 60))).meter()
        try:
            told = tried.step(change, meter)
        except BudgetExceeded:
            told = tried.step(change)
        assert told == other.step(change)


def test_o7_an_epoch_costs_what_changed_and_not_what_is_there():
    """Measured in facts spent, which the meter counts in every loop."""
    program = """
        two(x: X, z: Z) :- edge(from: X, to: Y), edge(from: Y, to: Z).
        lonely(x: X, y: Y) :- edge(from: X, to: Y), !edge(from: Y).
        degree(x: X, n: N) :- edge(from: X), N := count : edge(from: X)."""
    spent = []
    for size in (50, 5000):
        dataflow = Dataflow.of(plan_of(program, EDGE))
        dataflow.step({"edge": ZSet.of((n, n + 1) for n in range(size))})
        meter = Budget().meter()
        dataflow.step({"edge": ZSet({(7, 8): -1, (20, 30): 1})}, meter)
        spent.append(meter.facts)
    assert spent[0] == spent[1]

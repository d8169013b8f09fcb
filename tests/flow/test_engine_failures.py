"""A step that is stopped never was: budgets, interruptions at every moment, and how soon one is heard."""

from __future__ import annotations

from itertools import count

import pytest
from flow_helpers import Watched, histories, oracle, smallest_split
from flow_laws import THREADS, plan_of
from hypothesis import HealthCheck, Phase, given, settings
from test_engine_laws import EDGE, RECURSIVE, plan_over

from rhizomedb.budget import Budget, Meter
from rhizomedb.errors import BudgetExceeded
from rhizomedb.flow import pipeline
from rhizomedb.flow.relation import Held
from rhizomedb.testing.strategies import programs

LAWS = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate]
)


class Counting(Meter):
    """Counts how often it is asked, keeps what it is told, and interrupts at one call."""

    def __init__(self, interrupt_at=None, budget=None, clock=lambda: 0.0):
        super().__init__(budget or Budget(), clock)
        self.calls = 0
        self.interrupt_at = interrupt_at
        self.spent = []

    def _call(self):
        self.calls += 1
        if self.calls == self.interrupt_at:
            raise KeyboardInterrupt

    def spend(self, facts, width=1):
        self._call()
        self.spent.append(facts)
        super().spend(facts, width)

    def check(self):
        self._call()
        super().check()

    def round(self):
        self._call()
        super().round()

    def hold(self, cell):
        self._call()
        super().hold(cell)


def versions(watched):
    """All that an engine holds: both versions of every relation, and that nothing is under way."""
    held = {}
    for name in watched.engine.flow.widths:
        relation = watched.engine.relation(name)
        table = relation.table
        assert not relation.change
        assert table.mark == table.extent
        now, before = sorted(table.read().rows()), sorted(table.read(False).rows())
        assert now == before
        assert len(table) == len(now)
        held[name] = now
    return held


def interrupted_everywhere(watched, state):
    """Take the step to a state with an interruption at its first call, its second, ... until there is none."""
    before = versions(watched)
    for place in count(1):
        meter = Counting(place)
        try:
            with smallest_split():
                watched.engine.step(watched.changes(state), meter)
        except KeyboardInterrupt:
            assert meter.calls == place
            assert versions(watched) == before
            continue
        assert meter.calls < place
        break
    watched.before = state
    return place - 1


PROGRAMS = {
    **RECURSIVE,
    "counts and texts": """
        joined(x: X, t: T) :- edge(from: X, to: Y), edge(from: Y), T := concat("to ", "fro").
        many(x: X, n: N) :- edge(from: X), N := count : edge(from: X), N > 1.
        few(x: X) :- edge(from: X), !many(x: X).
        best(m: M) :- M := max N : many(n: N).""",
}
STATES = [
    {"edge": {(0, 1), (1, 2), (2, 0), (2, 3), (3, 3)}},
    {"edge": {(0, 1), (1, 2), (2, 3), (3, 1), (4, 1)}},
    {"edge": {(1, 2), (2, 1)}},
    {"edge": set()},
    {"edge": {(0, 1), (1, 2), (2, 0)}},
]


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("text", PROGRAMS.values(), ids=list(PROGRAMS))
def test_a_fault_at_every_call(text, threads):
    """Whichever call is the one that is interrupted, the engine is as it was, and the step succeeds afterwards."""
    plan = plan_over(text, EDGE)
    watched = Watched(plan, threads=threads)
    calls = 0
    for state in STATES:
        calls += interrupted_everywhere(watched, state)
        assert watched.state() == oracle(plan, state)
    assert calls > 3 * len(STATES), "there were calls to interrupt"


@given(programs(), histories(epochs_max=3))
@LAWS
def test_a_fault_at_every_call_of_any_program(program, history):
    plan = plan_of(program)
    watched = Watched(plan)
    for state in history:
        interrupted_everywhere(watched, state)
        assert watched.state() == oracle(plan, state)


@pytest.mark.parametrize("ending", ["commit", "rollback"])
@pytest.mark.parametrize("name", ["closure", "aggregate inside", "negation inside"])
def test_a_second_interruption_while_a_step_ends(name, ending, monkeypatch):
    """A commit or a rollback that is cut off at any relation is finished before the next step."""
    plan = plan_over(RECURSIVE[name], EDGE)
    whole = getattr(Held, ending)
    for place in range(1, 1 + len(Watched(plan).engine.flow.widths)):
        watched = Watched(plan)
        watched.step(STATES[0])
        calls = count(1)

        def cut_off(held, calls=calls, place=place):
            if next(calls) == place:
                raise KeyboardInterrupt
            whole(held)

        with monkeypatch.context() as patch:
            patch.setattr(Held, ending, cut_off)
            with pytest.raises(KeyboardInterrupt):
                watched.engine.step(watched.changes(STATES[1]), Counting(5 if ending == "rollback" else None))
        if ending == "commit":
            watched.before = STATES[1]
        for state in (STATES[1], STATES[2]):
            watched.step(state)
            assert watched.state() == oracle(plan, state)
            versions(watched)


LONG = {"edge": {(number, number + 1) for number in range(60)}}
LARGE = {"edge": {(0, 100 + number) for number in range(800)} | {(number, 0) for number in range(1, 4)}}


BOTH_WAYS = ("budget.facts", "budget.memory", "budget.time")
"""What taking all away again exceeds as well; it takes few rounds."""


class Ticking:
    """A clock on which every look takes a second."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


@pytest.mark.parametrize(
    ("code", "budget", "state"),
    [
        ("budget.facts", Budget(facts=500), LONG),
        ("budget.rounds", Budget(rounds=20), LONG),
        ("budget.time", Budget(seconds=10.0), LONG),
        ("budget.memory", Budget(bytes=50_000), LONG),
        ("budget.facts", Budget(facts=500), LARGE),
        ("budget.memory", Budget(bytes=50_000), LARGE),
    ],
)
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("name", ["closure", "left", "square", "loop after loop"])
def test_a_budget_that_is_exceeded(name, threads, code, budget, state):
    """Inserting too much, then deleting too much: the state stays, and a larger budget goes on from there."""
    plan = plan_over(RECURSIVE[name], EDGE)
    watched = Watched(plan, threads=threads)
    watched.step({"edge": {(0, 1), (1, 0), (7, 8)}})
    if budget.rounds == 20 and name == "square":
        budget = Budget(rounds=4)  # ways double in each round
    targets = [state, {"edge": set()}] if code in BOTH_WAYS else [state]
    for target in targets:
        before = versions(watched)
        clock = Ticking() if code == "budget.time" else lambda: 0.0
        with pytest.raises(BudgetExceeded) as raised, smallest_split():
            watched.engine.step(watched.changes(target), budget.meter(clock))
        assert raised.value.code == code
        assert versions(watched) == before
        watched.step(target, meter=Budget().meter(lambda: 0.0))
        assert watched.state() == oracle(plan, target)


def test_a_first_step_that_is_stopped_is_a_first_step_again():
    plan = plan_over("reach(id: 0). " + RECURSIVE["closure"], EDGE)
    watched = Watched(plan)
    with pytest.raises(BudgetExceeded):
        watched.engine.step(watched.changes(LONG), Budget(facts=100).meter())
    assert not any(versions(watched).values())
    watched.step(LONG)
    assert watched.state() == oracle(plan, LONG)


# -- how soon an interruption is heard ----------------------------------------------------------------------------------

PIECE = 100
NODES = 90
CROSS = {"a": {(number,) for number in range(NODES)}, "b": {(number,) for number in range(NODES)}}
SLOW = {
    "nothing left of a product": ("p(x: X, y: Y) :- a(n: X), b(n: Y), S := X + Y, S < 0.", NODES * NODES),
    "a product": ("p(x: X, y: Y) :- a(n: X), b(n: Y).", NODES * NODES),
    "the groups of a product": ("q(x: X, y: Y) :- a(n: X), b(n: Y). p(x: X, m: M) :- a(n: X), M := max Y : q(x: X, y: Y).", NODES * NODES),
    "a recursion": ("p(x: X, y: X) :- a(n: X). p(x: X, y: Y) :- p(x: X), b(n: Y).", NODES * NODES),
}  # fmt: skip


@pytest.mark.parametrize("standing", [True, False], ids=["standing", "once"])
@pytest.mark.parametrize(("text", "work"), SLOW.values(), ids=list(SLOW))
def test_no_piece_is_long(text, work, standing, monkeypatch):
    """No more rows are made between two looks at the meter than a piece, and what one row more is joined with."""
    monkeypatch.setattr(pipeline, "LIMIT", PIECE)
    plan = plan_over(text, {"a": ("n",), "b": ("n",)})
    watched = Watched(plan, standing=standing)
    watched.engine._run.piece = PIECE
    meter = Counting()
    watched.step(CROSS, meter=meter)
    assert watched.state() == oracle(plan, CROSS)
    assert max(meter.spent) <= PIECE + NODES
    assert meter.calls >= work / (PIECE + NODES)


def test_a_real_piece_is_bounded():
    """So it is with the limit that is used: a product of a million rows is made in several pieces."""
    plan = plan_over("p(x: X, y: Y) :- a(n: X), b(n: Y), X < Y, Y < X.", {"a": ("n",), "b": ("n",)})
    watched = Watched(plan, standing=False)
    meter = Counting()
    watched.step({"a": {(n,) for n in range(1000)}, "b": {(n,) for n in range(1000)}}, meter=meter)
    assert sum(meter.spent) >= 1_000_000
    assert max(meter.spent) <= pipeline.LIMIT + 1000

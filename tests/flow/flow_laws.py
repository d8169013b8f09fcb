"""The laws of the engine, each a function of a program and a history that fails where the law does not hold.

The tests draw a few programs and histories for them, the soak as many as it is asked for, the planted bugs one after the
other until each is caught.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from flow_helpers import PATIENT, Rows, State, Watched, oracle, smallest_split
from hypothesis import strategies as st

from rhizomedb.algebra import Plan, lower
from rhizomedb.algebra.optimize import RULES, without
from rhizomedb.algebra.plan import plan_query
from rhizomedb.facts.value import exact
from rhizomedb.flow import circuit
from rhizomedb.flow.build import build
from rhizomedb.flow.circuit import Dataflow
from rhizomedb.logic.check import checked
from rhizomedb.logic.rewrites import REWRITES
from rhizomedb.logic.syntax import Program
from rhizomedb.testing.strategies import BASE

THREADS = (1, 2)

SWITCHES = tuple(product((True, False), (True, False), THREADS))
"""Whether recursions are factored, whether joins are put in order, and how many threads there are."""

REWRITE_NAMES = tuple(dict.fromkeys(rewrite.__name__ for rewrite in (*REWRITES, *RULES)))
NOT_STANDING = ("closure", "components")
"""Rewrites to operators that only a single step knows."""


def plan_of(program: Program) -> Plan:
    """A program over `BASE` as it is written."""
    return lower(checked(program, BASE), BASE)


def standing(
    plan: Plan, history: Sequence[State], expected: Sequence[State], factor: bool, reorder: bool, threads: int
) -> None:
    """F1: after every step the state is the oracle's, and the change what two states differ by, each tuple on one side."""
    watched = Watched(plan, build(plan, factor=factor), reorder=reorder, threads=threads)
    before: State = {name: set() for name in plan.derived}
    for state, now in zip(history, expected, strict=True):
        changes = watched.step(state)
        assert watched.state() == now
        assert changes == {name: (now[name] - before[name], before[name] - now[name]) for name in plan.derived}
        before = now


def once(
    plan: Plan, history: Sequence[State], expected: Sequence[State], factor: bool, reorder: bool, threads: int
) -> None:
    """A single step gives what the last of many leaves."""
    watched = Watched(plan, build(plan, factor=factor), standing=False, reorder=reorder, threads=threads)
    watched.step(history[-1])
    assert watched.state() == expected[-1]


def in_order(plan: Plan, history: Sequence[State], many: int = THREADS[-1]) -> None:
    """With many threads every relation has its rows in the order that one thread gives them, and every change too."""
    flow = build(plan)
    for is_standing in (True, False):
        one, other = (Watched(plan, flow, standing=is_standing, threads=threads) for threads in (1, many))
        for state in history if is_standing else history[-1:]:
            found, again = one.changes(state), other.changes(state)
            with smallest_split():
                changes, others = (
                    each.engine.step(its, PATIENT.meter()) for each, its in ((one, found), (other, again))
                )
            assert list(changes) == list(others)
            for name, change in changes.items():
                assert change.plus.rows() == others[name].plus.rows()
                assert change.minus.rows() == others[name].minus.rows()
            one.before = other.before = state
            for name in flow.widths:
                assert one.engine.relation(name).table.read().rows() == other.engine.relation(name).table.read().rows()


def by_circuit(plan: Plan, history: Sequence[State]) -> None:
    """The general form of the dataflow says of every epoch what the dense one says."""
    watched, dataflow = Watched(plan), Dataflow.of(plan)
    before: State = {name: set() for name in watched.columns}
    for state in history:
        given = {
            name: circuit.ZSet.of(state[name] - before[name]) - circuit.ZSet.of(before[name] - state[name])
            for name in watched.columns
        }
        told = dataflow.step(given, PATIENT.meter())
        changes = watched.step(state)
        for name, (came, went) in changes.items():
            assert told[name] == circuit.ZSet.of(came) - circuit.ZSet.of(went)
        before = state


Question = tuple[str, dict[str, Any]]
"""A relation, and what some of its attributes must be."""


@st.composite
def questions(draw: Any, plan: Plan) -> Question:
    """A relation of a plan, sometimes with a column given."""
    relation = draw(st.sampled_from(sorted(plan.derived)))
    bound = draw(st.lists(st.sampled_from(plan.derived[relation]), max_size=1))
    return relation, {column: draw(st.integers(0, 4) | st.sampled_from(["a", 1.0, True])) for column in bound}


def answer(plan: Plan, question: Question, state: State) -> Rows:
    """The tuples of an oracle's state that agree with what was given."""
    relation, bound = question
    places = [(plan.derived[relation].index(column), exact(value)) for column, value in bound.items()]
    return {row for row in state[relation] if all(row[place] == cell for place, cell in places)}


def rewritten(
    program: Program,
    question: Question,
    off: str | None,
    history: Sequence[State],
    expected: Sequence[State],
    stored: Mapping[str, tuple[str, ...]] = BASE,
    threads: int = 1,
) -> None:
    """The question's plan with all rewrites, or all but one, answers as the program that was written; step by step too."""
    program = checked(program, stored)
    plan, (relation, bound) = lower(program, stored), question

    def planned(*names: str) -> Plan:
        left_out = {*names, off}
        if bound:
            left_out.discard("demand")  # which is what a given column is for
        rewrites = [rewrite for rewrite in REWRITES if rewrite.__name__ not in left_out]
        rules = without(*(name for name in left_out if name))
        return plan_query(program, relation, stored, bindings=bound, rewrites=rewrites, rules=rules).plan

    one = planned()
    single = Watched(one, build(one, [relation]), standing=False, threads=threads)
    single.step(history[-1])
    assert single.relation(relation) == answer(plan, question, expected[-1])
    many = planned(*NOT_STANDING)
    watched = Watched(many, build(many, [relation]), threads=threads)
    for state, now in zip(history, expected, strict=True):
        watched.step(state)
        assert watched.relation(relation) == answer(plan, question, now)


LAWS: dict[str, Callable[..., None]] = {"standing": standing, "once": once}
"""Laws of a plan under every switch."""


def check(program: Program, question: Question, off: Sequence[str | None], history: Sequence[State]) -> int:
    """Every law; how many times a program went through a history."""
    plan = plan_of(program)
    expected = [oracle(plan, state) for state in history]
    for switches in SWITCHES:
        for law in LAWS.values():
            law(plan, history, expected, *switches)
    in_order(plan, history)
    by_circuit(plan, history)
    for each in off:
        for threads in THREADS:
            rewritten(program, question, each, history, expected, threads=threads)
    return len(SWITCHES) * len(LAWS) + 2 + 2 * len(THREADS) * len(off)

"""Engines and threads: several engines at once, and sizes at which real calls are split."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from flow_helpers import Watched, oracle
from flow_laws import in_order
from test_engine_laws import EDGE, RECURSIVE, plan_over

from rhizomedb.flow import threads
from rhizomedb.flow.engine import Engine

TRIANGLES = "triangle(a: A, b: B, c: C) :- edge(from: A, to: B), edge(from: B, to: C), edge(from: A, to: C)."


def edges(nodes, count, seed):
    chance = random.Random(seed)
    return {(chance.randrange(nodes), chance.randrange(nodes)) for _ in range(count)}


@pytest.mark.parametrize("many", [2, 3, 16])
@pytest.mark.parametrize(
    "text",
    [TRIANGLES, RECURSIVE["triangles of the recursion"], RECURSIVE["what factoring must leave together"]],
)
def test_graphs_of_some_hundred_edges(text, many):
    """Each thread has several pieces."""
    history = [{"edge": edges(40, 300, seed)} for seed in (1, 2)]
    in_order(plan_over(text, EDGE), history, many)


@pytest.mark.parametrize(
    "name", ["triangles of the recursion", "what factoring must leave together", "negation inside"]
)
def test_two_engines_at_once(name):
    """Each in a Python thread of its own, with kernels that use two more."""
    plan = plan_over(RECURSIVE[name], EDGE)
    histories = [[{"edge": edges(12, 40, seed + number)} for number in range(3)] for seed in (1, 50)]

    def run(history):
        watched = Watched(plan, threads=2)
        found = []
        for state in history:
            watched.step(state)
            found.append(watched.state())
        return found

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(run, histories))
    assert both == [[oracle(plan, state) for state in history] for history in histories]


def test_a_call_is_split_when_each_thread_has_enough():
    least = threads.INTERSECTED_MIN
    asked = [threads.for_intersection(2, rows) for rows in (0, least, 2 * least - 1, 2 * least, 100 * least)]
    assert asked == [1, 1, 1, 2, 2]
    assert threads.for_intersection(1, 100 * least) == 1


def test_an_engine_has_the_threads_of_the_environment(monkeypatch):
    monkeypatch.setattr("rhizomedb.flow.engine.most_threads", lambda: 7)
    plan = plan_over(TRIANGLES, EDGE)
    assert Engine(plan)._run.threads == 7
    assert Engine(plan, threads=1)._run.threads == 1

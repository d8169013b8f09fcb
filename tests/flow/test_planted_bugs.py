"""The checks check: each planted bug is found by the laws that the other tests rely on, within some hundred examples."""

from __future__ import annotations

import random

import pytest
from engine_bugs import PLANTED
from flow_helpers import histories, oracle
from flow_laws import in_order, once, plan_of, questions, rewritten, standing
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_engine_laws import EDGE, RECURSIVE, plan_over

from rhizomedb.logic.parse import parse
from rhizomedb.testing.strategies import BASE, programs

GRAPHS_MAX = 480
EXAMPLES = 600
SEARCH = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
EXTREMES = """
    least(of: X, n: N) :- edge(from: X), N := min Y : edge(from: X, to: Y).
    greatest(of: X, n: N) :- edge(from: X), N := max Y : edge(from: X, to: Y)."""
SHAPES = [(parse(text), plan_over(text, EDGE)) for text in (*RECURSIVE.values(), EXTREMES)]


def laws(program, plan, stored, question, history):
    expected = [oracle(plan, state) for state in history]
    standing(plan, history, expected, True, True, 2)
    once(plan, history, expected, True, True, 2)
    in_order(plan, history)
    rewritten(program, question, None, history, expected, stored)


def over_graphs():
    """Recursions of every shape over graphs of which some edges change in each epoch."""
    for number in range(GRAPHS_MAX):
        chance = random.Random(number)
        program, plan = SHAPES[number % len(SHAPES)]
        edges, history = set(), []
        for _ in range(6):
            edges = edges ^ {(chance.randrange(5), chance.randrange(5)) for _ in range(chance.randrange(1, 6))}
            history.append({"edge": edges})
        laws(program, plan, EDGE, (chance.choice(sorted(plan.derived)), {}), history)


@given(programs(), histories(), st.data())
@SEARCH
def over_programs(program, history, data):
    """Random programs."""
    plan = plan_of(program)
    laws(program, plan, BASE, data.draw(questions(plan)), history)


def search():
    """What the tests of the laws do."""
    over_graphs()
    over_programs()


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug, monkeypatch):
    PLANTED[bug](monkeypatch)
    with pytest.raises(AssertionError):
        search()

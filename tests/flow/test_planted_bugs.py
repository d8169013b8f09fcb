"""The checks check: each planted bug is found by the laws that the other tests rely on, within some hundred examples."""

from __future__ import annotations

import pytest
from flow_helpers import histories, oracle
from flow_laws import once, plan_of, questions, rewritten, standing
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from planted import PLANTED
from test_engine_laws import EDGE, GRAPHS, RECURSIVE, plan_over

from rhizomedb.logic.parse import parse
from rhizomedb.testing.strategies import BASE, programs

EXAMPLES = 600
SEARCH = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SHAPES = [(parse(text), plan_over(text, EDGE)) for text in RECURSIVE.values()]


@given(st.data())
@SEARCH
def search(data):
    """What the tests of the laws do, on recursions over graphs and on random programs."""
    if data.draw(st.booleans()):
        program, plan = data.draw(st.sampled_from(SHAPES))
        history = [{"edge": set(graph)} for graph in data.draw(GRAPHS)]
        question, stored = (data.draw(st.sampled_from(sorted(plan.derived))), {}), EDGE
    else:
        program, history, stored = data.draw(programs()), data.draw(histories()), BASE
        plan = plan_of(program)
        question = data.draw(questions(plan))
    expected = [oracle(plan, state) for state in history]
    standing(plan, history, expected, True, True)
    once(plan, history, expected, True, True)
    rewritten(program, question, None, history, expected, stored)


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug, monkeypatch):
    PLANTED[bug](monkeypatch)
    with pytest.raises(AssertionError):
        search()

"""The checks check: each planted bug is found by the oracle that the other tests rely on."""

from __future__ import annotations

import pytest
from circuit_helpers import follow, histories, plan_of, rows_of
from circuit_planted import PLANTED
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_circuit_laws import test_f30_e22_distinct_trace_is_the_mixed_difference as law_of_distinct_trace
from test_circuit_oracle import RECURSIVE

from rhizomedb.testing.strategies import BASE, programs, relations

SEARCH = settings(
    max_examples=1500,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
GRAPHS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=10)
SHAPES = [plan_of(program, {"edge": ("from", "to")}) for program in RECURSIVE.values()]


@given(st.data())
@SEARCH
def check(data):
    """What the tests of the oracle do, on random programs and on recursive ones over graphs."""
    if data.draw(st.booleans()):
        plan, rows = data.draw(st.sampled_from(SHAPES)), {"edge": data.draw(GRAPHS)}
    else:
        plan, rows = plan_of(data.draw(programs()), BASE), rows_of(data.draw(relations()))
    follow(plan, data.draw(histories(rows, epochs_max=6)))


# In the circuit of a plan no element is first seen with a negative weight, so there this bug changes nothing.
BY_LAW = {"e23 what is new has weight one": law_of_distinct_trace}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug, monkeypatch):
    PLANTED[bug](monkeypatch)
    with pytest.raises(AssertionError):
        BY_LAW.get(bug, check)()

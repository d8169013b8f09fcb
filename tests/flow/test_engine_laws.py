"""The engine against the oracle: whatever the program and the history, after every step it holds what the plan derives."""

from __future__ import annotations

from flow_helpers import Watched, histories, oracle
from hypothesis import HealthCheck, Phase, given, settings

from rhizomedb.algebra import lower
from rhizomedb.logic.check import checked
from rhizomedb.testing.strategies import BASE, programs

LAWS = settings(
    max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate]
)


@given(programs(), histories())
@LAWS
def test_standing_is_recomputed(program, history):
    """F1: every step's state is the oracle's, and its change is the difference of two states, each tuple on one side."""
    plan = lower(checked(program, BASE), BASE)
    watched = Watched(plan)
    before = {name: set() for name in plan.derived}
    for state in history:
        changes = watched.step(state)
        now = oracle(plan, state)
        assert watched.state() == now
        for name in plan.derived:
            change = changes.get(name)
            assert (watched.rows(change.plus) if change else set()) == now[name] - before[name]
            assert (watched.rows(change.minus) if change else set()) == before[name] - now[name]
        before = now


@given(programs(rules_max=8), histories(epochs_max=1, rows_max=20))
@LAWS
def test_one_step_is_the_oracle(program, history):
    plan = lower(checked(program, BASE), BASE)
    watched = Watched(plan, standing=False)
    watched.step(history[0])
    assert watched.state() == oracle(plan, history[0])

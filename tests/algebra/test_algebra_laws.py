"""Laws: one program, one answer, whatever the order, the switches and the way of evaluation."""

from __future__ import annotations

import random

from algebra_helpers import rows, solve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhizomedb.algebra import Relations, evaluate, lower
from rhizomedb.logic.check import checked
from rhizomedb.logic.syntax import Program, Rule
from rhizomedb.testing.strategies import BASE, programs, relations

LAWS = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def evaluated(program: Program, data, **options):
    source = Relations({name: (BASE[name], data.get(name, ())) for name in BASE})
    plan = lower(checked(program, source.stored), source.stored)
    found = evaluate(plan, source, **options)
    return {name: set(table.rows) for name, table in found.relations.items()}


@given(programs(), relations(rows_max=6))
@LAWS
def test_evaluation_is_the_oracle(program, data):
    columns = {**BASE, **lower(program, BASE).derived}
    expected = solve(program, columns, {name: rows(data.get(name, ())) for name in BASE})
    found = evaluated(program, data)
    assert found == {name: held for name, held in expected.items() if name not in BASE}


@given(programs(rules_max=8), relations(rows_max=30))
@LAWS
def test_switches_change_nothing(program, data):
    plainly = evaluated(program, data, seminaive=False, probe=False)
    assert evaluated(program, data) == plainly
    assert evaluated(program, data, seminaive=False) == plainly
    assert evaluated(program, data, probe=False) == plainly


@given(programs(), relations(), st.randoms(use_true_random=False))
@LAWS
def test_order_of_rules_and_bodies_changes_nothing(program: Program, data, chance: random.Random):
    """L13 and L14."""

    def shuffled(parts: tuple) -> tuple:
        return tuple(chance.sample(parts, len(parts)))

    turned = tuple(Rule(rule.head, shuffled(rule.body)) for rule in shuffled(program.rules))
    assert evaluated(Program(turned, program.declarations), data) == evaluated(program, data)


@given(programs(), relations(), st.randoms(use_true_random=False))
@LAWS
def test_order_of_rows_changes_nothing(program: Program, data, chance: random.Random):
    """R17."""
    turned = {name: chance.sample(held, len(held)) for name, held in data.items()}
    assert evaluated(program, turned) == evaluated(program, data)

"""Histories of changes, and what an engine and the oracle make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from rhizomedb.algebra import Plan, Relations, evaluate
from rhizomedb.facts.value import exact
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.relation import Batch, Change
from rhizomedb.testing.strategies import BASE, relations

Rows = set[tuple[Any, ...]]
State = dict[str, Rows]


@st.composite
def histories(draw, epochs_max: int = 5, rows_max: int = 8) -> list[State]:
    """What the stored relations hold after each of some epochs: neighbours share most of their tuples."""
    states: list[State] = []
    now: State = {name: set() for name in BASE}
    for _ in range(draw(st.integers(1, epochs_max))):
        more = draw(relations(rows_max=rows_max))
        now = {
            name: {row for row in now[name] if not now[name] or draw(st.integers(0, 3))} | _exact(more.get(name, ()))
            for name in BASE
        }
        if draw(st.integers(0, 4)) == 0:
            now[draw(st.sampled_from(sorted(BASE)))] = set()
        states.append(now)
    return states


def _exact(rows: Sequence[Sequence[Any]]) -> Rows:
    return {tuple(map(exact, row)) for row in rows}


def oracle(plan: Plan, state: State) -> State:
    """What the plan derives, by the slow and obvious evaluator."""
    source = Relations({name: (BASE[name], list(rows)) for name, rows in state.items()})
    found = evaluate(plan, source, seminaive=False, probe=False)
    return {name: set(table.rows) for name, table in found.relations.items()}


class Watched:
    """An engine fed with states: it is told what changed from each to the next."""

    def __init__(self, plan: Plan, **options: Any) -> None:
        self.plan = plan
        self.engine = Engine(plan, **options)
        self.before: State = {name: set() for name in BASE}

    def change(self, name: str, now: Rows) -> Change:
        dictionary, width = self.engine.dictionary, len(BASE[name])
        came, went = now - self.before[name], self.before[name] - now
        return Change(
            Batch.of_rows(dictionary.rows(sorted(came, key=repr)), width),
            Batch.of_rows(dictionary.rows(sorted(went, key=repr)), width),
        )

    def step(self, state: State, **options: Any) -> Mapping[str, Change]:
        changes: dict[str, Change] = {}
        for relation, columns in BASE.items():
            change = self.change(relation, state[relation])
            came = dict(self.engine.read_of(relation, columns, change.plus))
            went = dict(self.engine.read_of(relation, columns, change.minus))
            changes |= {name: Change(came[name], went[name]) for name in came}
        found = self.engine.step(changes, **options)
        self.before = state
        return found

    def rows(self, batch: Any) -> Rows:
        found = [tuple(self.engine.dictionary.cells(row)) for row in batch.rows()]
        assert len(found) == len(set(found)), "a change or a state has each tuple once"
        return set(found)

    def state(self) -> State:
        return {name: self.rows(self.engine.relation(name).table.read()) for name in self.plan.derived}

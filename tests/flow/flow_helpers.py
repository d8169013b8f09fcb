"""Histories of changes, and what an engine and the oracle make of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import strategies as st

from rhizomedb.algebra import Plan, Relations, evaluate
from rhizomedb.budget import Budget
from rhizomedb.facts.value import exact
from rhizomedb.flow import threads
from rhizomedb.flow.body import Flow
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.relation import Batch, Change
from rhizomedb.testing.strategies import BASE, relations

PATIENT = Budget(seconds=None)
"""The laws are asked for hours, also on machines that stand still for half a minute."""

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
            name: {row for row in now[name] if not now[name] or draw(st.integers(0, 3))}
            | exact_rows(more.get(name, ()))
            for name in BASE
        }
        if draw(st.integers(0, 4)) == 0:
            now[draw(st.sampled_from(sorted(BASE)))] = set()
        states.append(now)
    return states


def exact_rows(rows: Iterable[Sequence[Any]]) -> Rows:
    """Rows of plain values as rows of cells."""
    return {tuple(map(exact, row)) for row in rows}


def oracle(plan: Plan, state: State) -> State:
    """What the plan derives, by the slow and obvious evaluator."""
    source = Relations({name: (plan.stored[name], list(rows)) for name, rows in state.items()})
    found = evaluate(plan, source, seminaive=False, probe=False, meter=PATIENT.meter())
    return {name: set(table.rows) for name, table in found.relations.items()}


@contextmanager
def smallest_split() -> Iterator[None]:
    """Split also the smallest call of a kernel, so that small inputs go where large ones do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "INTERSECTED_MIN", 1)
        yield


class Watched:
    """An engine fed with states: it is told what changed from each to the next. It has one thread unless told otherwise."""

    def __init__(self, plan: Plan, flow: Flow | None = None, **options: Any) -> None:
        self.plan = plan
        self.columns = {name: columns for name, columns in plan.stored.items() if name not in plan.derived}
        self.engine = Engine(plan if flow is None else flow, **{"threads": 1, **options})
        self.before: State = {name: set() for name in self.columns}

    def change(self, name: str, now: Rows) -> Change:
        dictionary, width = self.engine.dictionary, len(self.columns[name])
        came, went = now - self.before[name], self.before[name] - now
        return Change(
            Batch.of_rows(dictionary.rows(sorted(came, key=repr)), width),
            Batch.of_rows(dictionary.rows(sorted(went, key=repr)), width),
        )

    def changes(self, state: State) -> dict[str, Change]:
        """What the step to a state is told."""
        changes: dict[str, Change] = {}
        for relation, columns in self.columns.items():
            change = self.change(relation, state[relation])
            came = dict(self.engine.read_of(relation, columns, change.plus))
            went = dict(self.engine.read_of(relation, columns, change.minus))
            changes |= {name: Change(came[name], went[name]) for name in came}
        return changes

    def step(self, state: State, **options: Any) -> dict[str, tuple[Rows, Rows]]:
        """Go on to a state: what came and what went of each derived relation."""
        with smallest_split():
            found = self.engine.step(self.changes(state), **{"meter": PATIENT.meter(), **options})
        self.before = state
        return {
            name: (self.rows(found[name].plus), self.rows(found[name].minus)) if name in found else (set(), set())
            for name in self.plan.derived
        }

    def rows(self, batch: Any) -> Rows:
        found = [tuple(self.engine.dictionary.cells(row)) for row in batch.rows()]
        assert len(found) == len(set(found)), "a change or a state has each tuple once"
        return set(found)

    def relation(self, name: str) -> Rows:
        return self.rows(self.engine.relation(name).table.read())

    def state(self) -> State:
        return {name: self.relation(name) for name in self.plan.derived}

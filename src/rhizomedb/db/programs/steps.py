"""Programs with `@next` rules over plain relations: one step after the other, without a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rhizomedb._record import dataclass
from rhizomedb.algebra import Relations, Table
from rhizomedb.budget import Budget, Meter, budget_of
from rhizomedb.db.programs.composing import Part, composed
from rhizomedb.db.programs.query import cells_by_name, parsed_of, rows_of
from rhizomedb.db.programs.result import Result
from rhizomedb.db.programs.stepping import NOTHING, Rows, Stepped, Stepping, prepare_steps
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.value import exact
from rhizomedb.logic import Aggregate, Program
from rhizomedb.logic.parameters import values_of
from rhizomedb.logic.syntax import show_name

Given = Mapping[str, Iterable[Sequence[Any]]]
"""Tuples of some relations, by name."""


@dataclass(frozen=True)
class Step:
    """One timestep of a program: its number, from 0 on, and what every relation held in it.

    `is_at_rest`: without another event every later step would be the same.
    """

    number: int
    relations: Mapping[str, Result]
    is_at_rest: bool

    def __getitem__(self, relation: str) -> Result:
        """What a relation held; `db.relation` if the program has none of that name."""
        if relation not in self.relations:
            raise RequestError(
                "db.relation",
                f"the program derives no relation {relation!r}",
                nearest=nearest_names(relation, self.relations),
                fix=f"one of {', '.join(self.relations)}",
            )
        return self.relations[relation]


def steps(
    program: str | Program,
    relations: Given | None = None,
    events: Iterable[Given] = (),
    *,
    state: Given | None = None,
    using: Iterable[Part] = (),
    aggregates: Mapping[str, Aggregate] | None = None,
    budget: Budget | None = None,
    **parameters: object,
) -> Iterator[Step]:
    """The timesteps of a program with `@next` rules, over plain relations that do not change.

    `events` has for each step, from the first on, the tuples of the relations declared as `event`. When it is exhausted the
    program goes on until it is at rest, which it always comes to be (erratum E12). `state` is what was carried into the
    first step. Steps are made as they are asked for, and share one budget: each counts as a round.

    >>> text = "event on(id). event off(id). lit(id: I)@next :- on(id: I). lit(id: I)@next :- lit(id: I), !off(id: I)."
    >>> for step in steps(text, events=[{"on": [("a",), ("b",)]}, {}, {"off": [("a",)]}]):
    ...     print(step.number, [row.id for row in step["lit"]])
    0 []
    1 ['a', 'b']
    2 ['a', 'b']
    3 ['b']
    """
    whole = composed(parsed_of(program), using)
    given = rows_of(whole, relations or {})
    stored = Relations(given)
    values = values_of(parameters)
    declared = {declaration.relation for declaration in whole.declarations if declaration.event}
    _refuse_unless_known(relations or {}, declared, are_events=False)
    _refuse_carried(relations or {}, whole)
    if isinstance(events, Mapping):
        raise RequestError("db.usage", "`events` has one mapping for each step", fix=f"events=[{dict(events)!r:.60}]")
    ready = prepare_steps(whole, stored.stored, values, aggregates)
    begun = {name: _rows(name, rows, ready.columns[name]) for name, rows in _state(state or {}, ready).items()}
    return _run(ready, stored, {**ready.nothing, **begun}, iter(events), declared, budget_of(budget).meter())


def _run(
    ready: Stepping,
    stored: Relations,
    state: Mapping[str, Rows],
    events: Iterator[Given],
    declared: set[str],
    meter: Meter,
) -> Iterator[Step]:
    number, made = 0, None
    while True:
        coming = next(events, None)
        if coming is None and made is not None and made.is_at_rest:
            return
        happening = NOTHING
        if coming is not None:
            _refuse_unless_known(coming, declared, are_events=True)
            happening = {name: _rows(name, rows, ready.stored[name]) for name, rows in coming.items()}
        made = ready.make(lambda extra: _beside(stored, extra), state, happening, meter)
        state = made.carried
        yield Step(number, _results(ready, made, meter), made.is_at_rest)
        number += 1


def _results(ready: Stepping, made: Stepped, meter: Meter) -> dict[str, Result]:
    def of(name: str) -> Result:
        return Result(
            name, ready.columns[name], made.rows(name), lambda row: made.evaluation.explain(name, row, meter=meter)
        )

    return {name: of(name) for name in ready.columns}


def _beside(stored: Relations, extra: Mapping[str, Table]) -> Relations:
    found = Relations({})
    found.tables = {**stored.tables, **extra}
    return found


def _rows(relation: str, rows: Iterable[Any], names: tuple[str, ...]) -> Rows:
    return frozenset(tuple(map(exact, cells_by_name(relation, row, names))) for row in rows)


def _state(state: Given, ready: Stepping) -> Given:
    for name in state:
        if name not in ready.step.before:
            raise RequestError(
                "db.relation",
                f"{name!r} is carried from no step to the next: no @next rule has it as its head",
                nearest=nearest_names(name, ready.step.before),
                fix=f"one of {', '.join(ready.step.before)}" if ready.step.before else "p(x: X)@next :- p(x: X).",
            )
    return state


def _refuse_carried(given: Given, program: Program) -> None:
    """Refuse relations that rules carry from step to step: what they hold at first is the state."""
    carried = {rule.head.relation for rule in program.rules if rule.inductive}
    for name in given:
        if name in carried:
            raise RequestError(
                "db.relation", f"{name!r} is carried from step to step, and not fixed", fix=f"state={{{name!r}: […]}}"
            )


def _refuse_unless_known(given: Given, declared: set[str], *, are_events: bool) -> None:
    """Refuse events that are none, and events that are given as relations."""
    for name in given:
        if (name in declared) != are_events:
            message = "is not declared as an event" if are_events else "is an event, and lives for one step"
            fix = f"event {show_name(name)}(…)." if are_events else f"events=[{{{name!r}: […]}}]"
            raise RequestError("db.relation", f"{name!r} {message}", nearest=nearest_names(name, declared), fix=fix)

"""What the tests of circuits share: programs as dataflows, histories of changes, recomputation, and brute force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from hypothesis import strategies as st

from rhizomedb.algebra import Plan, Relations, evaluate, lower
from rhizomedb.budget import UNLIMITED
from rhizomedb.facts.value import exact
from rhizomedb.flow.circuit import Circuit, Dataflow, IndexedZSet, Moment, Operator, Timestamp, Trace, ZSet
from rhizomedb.logic.builtins import AGGREGATES
from rhizomedb.logic.check import checked
from rhizomedb.logic.parse import parse
from rhizomedb.logic.syntax import Program
from rhizomedb.testing.strategies import BASE

CLOSURE = """
    path(from: X, to: Y) :- edge(from: X, to: Y).
    path(from: X, to: Z) :- edge(from: X, to: Y), path(from: Y, to: Z).
"""
EDGE = {"edge": ("from", "to")}

Rows = Mapping[str, Iterable[Sequence[Any]]]


def plan_of(
    program: str | Program, stored: Mapping[str, tuple[str, ...]], aggregates: Mapping[str, Any] = AGGREGATES
) -> Plan:
    """A program over stored relations as a plan."""
    parsed = parse(program) if isinstance(program, str) else program
    visible = {name: tuple(c for c in columns if c != "$cid") for name, columns in stored.items()}
    return lower(checked(parsed, visible, aggregates=aggregates), stored, aggregates)


def recomputed(plan: Plan, data: Rows, aggregates: Mapping[str, Any] = AGGREGATES) -> dict[str, set[Any]]:
    """What a plan derives from rows, by the evaluator that is slow and right."""
    source = Relations({name: (columns, data.get(name, ())) for name, columns in plan.stored.items()})
    found = evaluate(plan, source, aggregates=aggregates, meter=UNLIMITED.meter())
    return {name: set(table.rows) for name, table in found.relations.items()}


def follow(plan: Plan, changes: Iterable[Mapping[str, ZSet]], aggregates: Mapping[str, Any] = AGGREGATES) -> None:
    """Step a plan's circuit through changes; after each, what it says must be the change of what recomputing gives."""
    dataflow = Dataflow.of(plan, aggregates=aggregates)
    weights: dict[str, ZSet] = {name: ZSet() for name in plan.stored}
    before: dict[str, set[Any]] = {name: set() for name in plan.derived}
    for change in changes:
        told = dataflow.step(change)
        for name, rows in change.items():
            weights[name] += ZSet((tuple(map(exact, row)), weight) for row, weight in rows.items())
        now = recomputed(plan, {name: rows.distinct().elements() for name, rows in weights.items()}, aggregates)
        for name in plan.derived:
            expected = ZSet.of(now[name]) - ZSet.of(before[name])
            assert told[name] == expected, f"{name} changed by {told[name]}, should have by {expected}\n{plan}"
            assert dataflow.holds(name).elements() == now[name]
        before = now


@st.composite
def histories(draw: Any, data: Mapping[str, Sequence[Any]], epochs_max: int = 5) -> list[dict[str, ZSet]]:
    """Epochs of insertions and deletions of rows of `data`; a row may come and go many times, also in one epoch."""
    changes = []
    present: dict[str, set[Any]] = {name: set() for name in data}
    for _ in range(draw(st.integers(1, epochs_max))):
        change = {}
        for name, rows in data.items():
            choice = sorted(set(rows), key=repr)
            toggled = draw(st.lists(st.sampled_from(choice), unique=True)) if choice else []
            change[name] = ZSet((row, -1 if row in present[name] else 1) for row in toggled)
            present[name] ^= set(toggled)
        changes.append(change)
    return changes


def rows_of(data: Rows) -> dict[str, list[Any]]:
    """Generated rows made exact, so that 1, 1.0 and true are not one element."""
    return {name: [tuple(map(exact, row)) for row in data.get(name, ())] for name in BASE}


def at(*parts: int) -> Moment:
    """A moment without limits."""
    return Moment(Timestamp(*parts), UNLIMITED.meter())


def run(operator: Operator, *inputs: Any, time: Sequence[int] = (0,)) -> Any:
    """One step of an operator by itself."""
    return operator.step(at(*time), *inputs)


def replay(operator: Operator, *timed: tuple[Any, int, int]) -> list[tuple[Any, int, int]]:
    """What comes out of an operator for written triples (element, epoch, weight), in the same notation."""
    circuit = Circuit()
    circuit.sink("out", circuit.add(operator, circuit.source("in")))
    out: list[tuple[Any, int, int]] = []
    for epoch in range(1 + max(time for _, time, _ in timed)):
        given = ZSet((element, weight) for element, time, weight in timed if time == epoch)
        out += [(element, epoch, weight) for element, weight in circuit.step({"in": given})["out"]]
    return out


def indexed(*triples: tuple[Any, Any, int]) -> IndexedZSet:
    """An indexed Z-set of (key, value, weight)."""
    return IndexedZSet(((key, value), weight) for key, value, weight in triples)


def elements(*pairs: tuple[Any, int], time: Sequence[int] = (0,)) -> Trace:
    """A trace of a plain Z-set at one time."""
    return Trace().append(ZSet(pairs), Timestamp(*time))


def mixed_difference(f: Callable[[Timestamp], ZSet], now: Timestamp) -> ZSet:
    """The brute-force difference of a function of times: everything computed anew at each corner (E22)."""
    result = ZSet()
    for back in product((0, 1), repeat=len(now)):
        parts = [part - less for part, less in zip(now, back, strict=True)]
        if min(parts) >= 0:
            result += f(Timestamp(*parts)) * (-1) ** sum(back)
    return result


def accumulated(changes: Mapping[Timestamp, ZSet], time: Timestamp) -> ZSet:
    """The sum of all changes at times up to one, in the product order."""
    result = ZSet()
    for then, change in changes.items():
        if then <= time:
            result += change
    return result

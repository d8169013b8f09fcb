"""Aggregate Trace: how an aggregate's results change, given the trace of what came before (an addition to 2.9).

For each key that changes, the old result is taken back and the new one given: the difference of `nested` for
f = aggregate. The groups that do not change are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rhizomedb.flow.circuit.indexed import IndexedZSet
from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.operators.aggregate import Aggregation, result_of
from rhizomedb.flow.circuit.operators.nested import Visits, corners
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.purity import SAMPLE, require_pure
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.trace import Trace, Values
from rhizomedb.flow.circuit.zset import Weight, ZSet


class AggregateTrace(Operator):
    """The change of an aggregate's results."""

    linearity = Linearity.NON_LINEAR
    reads = ((IndexedZSet,), (Trace,))
    spends = True
    stateful = True

    def __init__(self, function: Aggregation) -> None:
        self.function = require_pure(function, self.name)
        self.visits = Visits()

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The results that come and go, given the change of now and the trace before it."""
        change: IndexedZSet
        trace: Trace
        change, trace = inputs
        now = moment.time
        results: dict[Element, Weight] = {}
        for place, key in enumerate(self.visits.now(now, change.groups)):
            history = trace.seek(key)
            self.visits.note(now, key, {time for times in history.values() for time in times})
            moment.meter.spend(sum(map(len, history.values())))
            for corner, sign in corners(now):
                group = _group(history, corner)
                if corner == now:
                    for value, weight in change[key].items():
                        group[value] = group.get(value, 0) + weight
                result = result_of(self.function, self.name, key, group, check=place < SAMPLE)
                if result is not None:
                    results[key, result] = results.get((key, result), 0) + sign
        return ZSet.made(results)

    def waiting(self) -> Collection[Timestamp]:
        """The times at which keys are to be looked at again."""
        return self.visits.waiting()

    def restore(self, state: Any) -> None:
        """Nothing is to be looked at between epochs."""
        self.visits.forget()


def _group(history: Values, corner: Timestamp) -> dict[Element, Weight]:
    """The values of a key as they were at a time."""
    return {
        value: sum(weight for time, weight in times.items() if time is None or time <= corner)
        for value, times in history.items()
    }

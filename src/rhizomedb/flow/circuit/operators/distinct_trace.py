"""Distinct Trace (2.9.11): how the distinct of a stream changes, in circuits inside others too.

The paper's formula lost a term and cannot be used as printed (errata E22, E23). In its letters, for an element whose
weights sum to w1 before this epoch and iteration, w2 before this epoch at this iteration, w3 in this epoch before this
iteration, and whose change now is w:

    d0 = [w1 + w2 > 0] − [w1 > 0]        d1 = [w1 + w2 + w3 + w > 0] − [w1 + w3 > 0]        output d1 − d0

which is the difference of `nested` for f = distinct, and is computed as that, so that it holds at any depth. The
output may be anything from −2 to 2 (E24). An element that has never been seen is no special case.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.operators.nested import Visits, corners
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.trace import Times, Trace
from rhizomedb.flow.circuit.zset import Weight, ZSet


class DistinctTrace(Operator):
    """The change of changes of the set that a stream's sum stands for."""

    linearity = Linearity.NON_LINEAR
    reads = ((ZSet,), (Trace,))
    spends = True
    stateful = True

    def __init__(self) -> None:
        self.visits = Visits()

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The difference now of every element that can have one, given the change of now and the trace before it."""
        change: ZSet
        trace: Trace
        change, trace = inputs
        now = moment.time
        changed: dict[Element, Weight] = {}
        for element in self.visits.now(now, (element for element, _ in change.items())):
            history = trace.times(element)
            self.visits.note(now, element, history)
            changed[element] = self.difference(now, history, change[element])
        moment.meter.spend(len(changed))
        return ZSet.made(changed)

    def difference(self, now: Timestamp, history: Times, weight: Weight) -> Weight:
        """The mixed difference of [sum > 0] at `now`; the change of now counts at that corner only."""
        difference = 0
        for corner, sign in corners(now):
            held = sum(w for time, w in history.items() if time is None or time <= corner)
            if held + (weight if corner == now else 0) > 0:
                difference += sign
        return difference

    def waiting(self) -> Collection[Timestamp]:
        """The times at which elements are to be looked at again."""
        return self.visits.waiting()

    def restore(self, state: Any) -> None:
        """Nothing is to be looked at between epochs."""
        self.visits.forget()

"""Distinct Incremental (2.9.18): how the distinct of a stream changes, given the trace of what came before.

An element comes when the sum of its weights becomes positive, and goes when it stops being so. The paper compares the
signs of the change and of the sum, which is wrong for an element with several derivations that loses one, and for one
whose sum is zero (erratum E26). Right is [old + w > 0] − [old > 0].

Times are not looked at: this is for streams that move from epoch to epoch. In a circuit inside another use Distinct
Trace.
"""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.trace import Trace
from rhizomedb.flow.circuit.zset import Weight, ZSet


class DistinctIncremental(Operator):
    """The change of the set that a stream's sum stands for."""

    linearity = Linearity.NON_LINEAR
    reads = ((ZSet,), (Trace,))

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """What comes and goes, given the change of now and the trace before it."""
        change: ZSet
        trace: Trace
        change, trace = inputs
        changed: dict[Element, Weight] = {}
        for element, weight in change.items():
            old = trace.weight(element)
            changed[element] = (old + weight > 0) - (old > 0)
        return ZSet.made(changed)

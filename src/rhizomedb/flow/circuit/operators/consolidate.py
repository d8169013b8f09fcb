"""Consolidate (2.9.2): a trace as one Z-set, weights added up over all times, zeros dropped.

This is how a circuit inside another hands its result out: the sum of what flowed in all its iterations.
"""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.trace import Trace
from rhizomedb.flow.circuit.zset import ZSet


class Consolidate(Operator):
    """A trace as one Z-set without times; of pairs of key and value where the trace has values."""

    linearity = Linearity.LINEAR
    reads = ((Trace,),)
    spends = True

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The sum over all times."""
        trace: Trace = inputs[0]
        moment.meter.spend(len(trace))
        return trace.consolidate()

"""Untimed Trace Append (2.9.17): the trace with the change of now, without a time."""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import CHANGES, Linearity, Moment, Operator
from rhizomedb.flow.circuit.trace import Trace


class UntimedTraceAppend(Operator):
    """A trace with one more change, when it came forgotten."""

    linearity = Linearity.NON_LINEAR
    reads = (CHANGES, (Trace,))
    gives = Trace

    def step(self, moment: Moment, *inputs: Any) -> Trace:
        """The trace up to and with this moment."""
        change, trace = inputs
        appended: Trace = trace.append(change)
        return appended

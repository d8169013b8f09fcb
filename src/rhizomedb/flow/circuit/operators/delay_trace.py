"""Delay Trace (2.9.9): the trace as it was before this moment; at the first moment, no history.

The history of a stream goes on from epoch to epoch, in circuits inside others too. When an epoch ends it is closed:
its time need not be told apart from earlier ones any more (E21).
"""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Strict
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.trace import NO_HISTORY, Trace


class DelayTrace(Strict):
    """The previous trace of a stream."""

    linearity = Linearity.LINEAR
    reads = ((Trace,),)
    gives = Trace

    def __init__(self) -> None:
        self.held = NO_HISTORY

    def output(self) -> Trace:
        """The trace before this moment."""
        return self.held

    def take(self, given: Any) -> None:
        """Hold a trace for the next moment."""
        self.held = given

    def clock_end(self, scope: int, time: Timestamp) -> None:
        """Close the epoch that has ended."""
        if time.depth == 1:
            self.held = self.held.compact(time.epoch)

    def save(self) -> Trace:
        """The trace: a value, so there is nothing to copy."""
        return self.held

    def restore(self, state: Any) -> None:
        """Go back to a trace."""
        self.held = state

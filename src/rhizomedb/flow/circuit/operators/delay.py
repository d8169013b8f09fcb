"""Delay, z⁻¹ (2.9.10): what came in at the moment before; at the first moment, nothing.

In a circuit inside another the moments are its iterations, and they begin anew with each step of the circuit around:
then the state goes (F9).
"""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Strict
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.zset import EMPTY, ZSet


class Delay(Strict):
    """The previous change of a stream."""

    linearity = Linearity.LINEAR
    reads = ((ZSet,),)

    def __init__(self) -> None:
        self.held = EMPTY

    def output(self) -> ZSet:
        """What came in at the moment before."""
        return self.held

    def take(self, given: Any) -> None:
        """Hold a change for the next moment."""
        self.held = given

    def clock_end(self, scope: int, time: Timestamp) -> None:
        """The iterations of an outer step are over: the next ones begin with nothing."""
        if scope:
            self.held = EMPTY

    @property
    def settled(self) -> bool:
        """Whether the next moment gets nothing."""
        return not self.held

    def save(self) -> ZSet:
        """What is held."""
        return self.held

    def restore(self, state: Any) -> None:
        """Hold what was held."""
        self.held = state

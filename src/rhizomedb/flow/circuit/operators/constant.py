"""Constant: the same Z-set at all times, as a stream of changes: all of it at the first moment, then nothing.

An addition to 2.9, for what is written in a plan.
"""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.zset import EMPTY, ZSet


class Constant(Operator):
    """A Z-set that never changes."""

    linearity = Linearity.LINEAR
    reads = ()
    stateful = True

    def __init__(self, zset: ZSet) -> None:
        self.zset = zset
        self.given = False

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """Everything once, then no change."""
        first, self.given = not self.given, True
        return self.zset if first else EMPTY

    def save(self) -> bool:
        """Whether it was given."""
        return self.given

    def restore(self, state: Any) -> None:
        """Whether it was given."""
        self.given = state

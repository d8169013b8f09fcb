"""Plus (2.9.15): the sum of two changes, weight by weight, zeros dropped. It has two inputs (erratum E29)."""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.zset import ZSet


class Plus(Operator):
    """The sum of two changes."""

    linearity = Linearity.LINEAR
    reads = ((ZSet,), (ZSet,))

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The sum."""
        left: ZSet
        right: ZSet
        left, right = inputs
        return left + right

"""Minus (2.9.14): the difference of two changes, weight by weight, zeros dropped. It has two inputs (erratum E29).

This is no set difference: what the right side has and the left has not comes out with a negative weight.
"""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.zset import ZSet


class Minus(Operator):
    """The difference of two changes."""

    linearity = Linearity.LINEAR
    reads = ((ZSet,), (ZSet,))

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The difference."""
        left: ZSet
        right: ZSet
        left, right = inputs
        return left - right

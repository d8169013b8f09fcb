"""Negate (2.9.8): every weight with the other sign."""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.zset import ZSet


class Negate(Operator):
    """Every weight with the other sign."""

    linearity = Linearity.LINEAR
    reads = ((ZSet,),)

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The change taken back."""
        change: ZSet = inputs[0]
        return -change

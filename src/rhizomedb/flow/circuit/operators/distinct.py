"""Distinct (2.9.3): the elements with a positive weight, each with weight 1; the others are dropped.

It is not linear: the distinct of a sum is not the sum of the distincts. On a stream of changes use Distinct
Incremental, or Distinct Trace in a circuit inside another.
"""

from __future__ import annotations

from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator
from rhizomedb.flow.circuit.zset import ZSet


class Distinct(Operator):
    """The set that a Z-set stands for."""

    linearity = Linearity.NON_LINEAR
    reads = ((ZSet,),)

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The elements of positive weight, once each."""
        zset: ZSet = inputs[0]
        return zset.distinct()

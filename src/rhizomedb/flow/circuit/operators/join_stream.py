"""Join Stream (2.9.12): the pairs of values under equal keys in two changes of the same moment.

A pair has the product of the two weights, and no time. It is bilinear (erratum E29).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rhizomedb.flow.circuit.indexed import IndexedZSet
from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator, call
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.purity import require_pure
from rhizomedb.flow.circuit.zset import Weight, ZSet

Combine = Callable[[Element, Element, Element], Element]
"""From a key and two values to the element that their pair becomes."""


class JoinStream(Operator):
    """The pairs of values under equal keys in two changes."""

    linearity = Linearity.BILINEAR
    reads = ((IndexedZSet,), (IndexedZSet,))
    spends = True

    def __init__(self, combine: Combine) -> None:
        self.combine = require_pure(combine, self.name)

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The join of the two changes."""
        left: IndexedZSet
        right: IndexedZSet
        left, right = inputs
        joined: dict[Element, Weight] = {}
        for key in left.groups.keys() & right.groups.keys():
            ours, theirs = left.groups[key], right.groups[key]
            moment.meter.spend(len(ours) * len(theirs))
            for one, weight in ours.items():
                for other, times in theirs.items():
                    pair = call(self.combine, self.name, key, one, other)
                    joined[pair] = joined.get(pair, 0) + weight * times
        return ZSet.made(joined)

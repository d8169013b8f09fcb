"""Map (2.9.7): every element made into another by a pure function, weights kept.

Elements that become the same are one, with the sum of their weights, which may be nothing at all (erratum E27).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator, call
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.purity import SAMPLE, ask_twice, require_pure
from rhizomedb.flow.circuit.zset import Weight, ZSet


class Map(Operator):
    """Every element made into another by a pure function."""

    linearity = Linearity.LINEAR
    reads = ((ZSet,),)

    def __init__(self, function: Callable[[Element], Element]) -> None:
        self.function = require_pure(function, self.name)

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """What the elements of the change become."""
        made: dict[Element, Weight] = {}
        for place, (element, weight) in enumerate(inputs[0].items()):
            ask = ask_twice if place < SAMPLE else call
            image = ask(self.function, self.name, element)
            made[image] = made.get(image, 0) + weight
        return ZSet.made(made)

"""Filter (2.9.4): the elements for which a pure predicate holds, with their weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator, call
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.purity import SAMPLE, ask_twice, require_pure
from rhizomedb.flow.circuit.zset import Weight, ZSet


class Filter(Operator):
    """The elements for which a pure predicate holds."""

    linearity = Linearity.LINEAR
    reads = ((ZSet,),)

    def __init__(self, predicate: Callable[[Element], bool]) -> None:
        self.predicate = require_pure(predicate, self.name)

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The elements of the change that pass."""
        kept: dict[Element, Weight] = {}
        for place, (element, weight) in enumerate(inputs[0].items()):
            ask = ask_twice if place < SAMPLE else call
            if ask(self.predicate, self.name, element):
                kept[element] = weight
        return ZSet.made(kept)

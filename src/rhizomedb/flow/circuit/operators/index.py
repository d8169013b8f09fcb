"""Index With (2.9.5): the elements grouped by a pure function of each, the element itself being the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rhizomedb.flow.circuit.indexed import IndexedZSet
from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator, call
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.purity import SAMPLE, ask_twice, require_pure
from rhizomedb.flow.circuit.zset import Weight, ZSet


class IndexWith(Operator):
    """The elements grouped by a key."""

    linearity = Linearity.LINEAR
    reads = ((ZSet,),)
    gives = IndexedZSet

    def __init__(self, key: Callable[[Element], Element]) -> None:
        self.key = require_pure(key, self.name)

    def step(self, moment: Moment, *inputs: Any) -> IndexedZSet:
        """The change by key."""
        groups: dict[Element, dict[Element, Weight]] = {}
        for place, (element, weight) in enumerate(inputs[0].items()):
            ask = ask_twice if place < SAMPLE else call
            groups.setdefault(ask(self.key, self.name, element), {})[element] = weight
        return IndexedZSet.made(groups)

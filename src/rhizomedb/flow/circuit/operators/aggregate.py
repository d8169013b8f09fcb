"""Aggregate (2.9.1): one element for each key, (key, result of a function over its values), with weight 1.

Aggregates are over sets (errata E15j, E32): each value of positive weight counts once, and a negative weight must not
reach one. A function without a result gives `None`, and then the key has no element. Required are count, sum, min and
max; any other pure function from a list of values will do, in whatever order they come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from rhizomedb.errors import FlowError
from rhizomedb.flow.circuit.indexed import IndexedZSet
from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator, call
from rhizomedb.flow.circuit.order import Element, sort_key, written
from rhizomedb.flow.circuit.purity import SAMPLE, ask_twice, require_pure
from rhizomedb.flow.circuit.zset import Weight, ZSet

Aggregation = Callable[[list[Element]], Element | None]
"""From the values of a group, each once and at least one, to a result, or `None` for no result."""


def total(values: list[Element]) -> Element:
    """The sum of the values, rounded once where there are floats: no order of them gives another result."""
    return math.fsum(values) if any(isinstance(value, float) for value in values) else sum(values)


def least(values: list[Element]) -> Element:
    """The least value, in the order of elements."""
    return min(values, key=sort_key)


def greatest(values: list[Element]) -> Element:
    """The greatest value, in the order of elements."""
    return max(values, key=sort_key)


REQUIRED: Mapping[str, Aggregation] = {"count": len, "sum": total, "min": least, "max": greatest}
"""The aggregates that PomoRA and PomoLogic ask for."""


class Aggregate(Operator):
    """One element for each key: the key with the result of an aggregate over its values."""

    linearity = Linearity.NON_LINEAR
    reads = ((IndexedZSet,),)

    def __init__(self, function: Aggregation) -> None:
        self.function = require_pure(function, self.name)

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The results of all groups."""
        given: IndexedZSet = inputs[0]
        results: dict[Element, Weight] = {}
        for place, (key, values) in enumerate(given.groups.items()):
            result = result_of(self.function, self.name, key, dict(values.items()), check=place < SAMPLE)
            if result is not None:
                results[key, result] = 1
        return ZSet.made(results)


def result_of(
    function: Aggregation, what: str, key: Element, group: Mapping[Element, Weight], *, check: bool
) -> Element | None:
    """The result over the set of values that a group stands for, `None` over nothing; checked for its order."""
    values = [value for value, weight in group.items() if weight > 0]
    if len(values) < sum(1 for weight in group.values() if weight):
        value, weight = next((value, weight) for value, weight in group.items() if weight < 0)
        raise FlowError(
            "flow.negative-weight",
            f"{written(value)} has the weight {weight} in the group {written(key)}; an aggregate is over a set",
            where=what,
            fix="put a distinct before it",
        )
    if not values:
        return None
    return ask_twice(function, what, values, again=(values[::-1],)) if check else call(function, what, values)

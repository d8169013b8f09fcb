"""Z-sets: sets whose elements carry an integer weight (PomoFlow 2.1, 2.4).

A weight counts derivations; a negative weight takes some back; at zero the element is gone. A Z-set is what flows
through a circuit at one moment: the change of a relation. It is a value: every operation makes another one.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping
from typing import TypeAlias

from rhizomedb.errors import FlowError
from rhizomedb.flow.circuit.order import Element, sort_key, written

Weight: TypeAlias = int
"""How many derivations an element has, less how many were taken back (erratum E31). Of any size (F8)."""


class ZSet:
    """Elements with their weights, none of them zero.

    >>> ZSet({"a": 2}) - ZSet.of(["a", "b"])
    ZSet({'a': 1, 'b': -1})
    """

    __slots__ = ("_weights",)

    def __init__(self, items: Mapping[Element, Weight] | Iterable[tuple[Element, Weight]] = ()) -> None:
        weights: dict[Element, Weight] = {}
        for element, weight in items.items() if isinstance(items, Mapping) else items:
            if type(weight) is not int:
                raise FlowError("flow.weight", f"{weight!r} is no weight of {written(element)}; weights are integers")
            weights[element] = weights.get(element, 0) + weight
        self._weights = {element: weight for element, weight in weights.items() if weight}

    @classmethod
    def of(cls, elements: Iterable[Element], weight: Weight = 1) -> ZSet:
        """Each element with the same weight; one that comes twice counts twice."""
        return cls((element, weight) for element in elements)

    @classmethod
    def made(cls, weights: dict[Element, Weight]) -> ZSet:
        """A Z-set of a dictionary that nobody else will change; zeros are dropped."""
        made = cls.__new__(cls)
        made._weights = weights if all(weights.values()) else {e: weight for e, weight in weights.items() if weight}
        return made

    def __getitem__(self, element: Element) -> Weight:
        """The weight of an element: 0 for one that is not there."""
        return self._weights.get(element, 0)

    def __contains__(self, element: object) -> bool:
        return element in self._weights

    def __len__(self) -> int:
        return len(self._weights)

    def __iter__(self) -> Iterator[tuple[Element, Weight]]:
        """The elements with their weights, in order (F3)."""
        return iter(sorted(self._weights.items(), key=lambda item: sort_key(item[0])))

    def items(self) -> ItemsView[Element, Weight]:
        """The elements with their weights, in no order: for what does not depend on one."""
        return self._weights.items()

    def elements(self) -> frozenset[Element]:
        """Every element with a weight."""
        return frozenset(self._weights)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZSet) and self._weights == other._weights

    def __hash__(self) -> int:
        return hash(frozenset(self._weights.items()))

    def __add__(self, other: ZSet) -> ZSet:
        """The sum of the weights, zeros dropped (2.9.15)."""
        if not other._weights:
            return self
        if not self._weights:
            return other
        small, large = sorted((self._weights, other._weights), key=len)
        weights = dict(large)
        for element, weight in small.items():
            total = weights.get(element, 0) + weight
            if total:
                weights[element] = total
            else:
                del weights[element]
        return ZSet.made(weights)

    def __neg__(self) -> ZSet:
        """Every weight with the other sign (2.9.8)."""
        return ZSet.made({element: -weight for element, weight in self._weights.items()})

    def __sub__(self, other: ZSet) -> ZSet:
        """The difference of the weights, zeros dropped (2.9.14)."""
        return self + -other

    def __mul__(self, factor: int) -> ZSet:
        """Every weight times a factor."""
        return ZSet.made({element: weight * factor for element, weight in self._weights.items()})

    def positive(self) -> ZSet:
        """The elements whose weight is positive, with that weight."""
        return ZSet.made({element: weight for element, weight in self._weights.items() if weight > 0})

    def distinct(self) -> ZSet:
        """The elements whose weight is positive, each with weight 1: the set that the Z-set stands for (2.9.3)."""
        return ZSet.made({element: 1 for element, weight in self._weights.items() if weight > 0})

    @property
    def is_set(self) -> bool:
        """Whether every weight is 1."""
        return all(weight == 1 for weight in self._weights.values())

    def __repr__(self) -> str:
        return f"ZSet({dict(self)!r})"

    def __str__(self) -> str:
        """The paper's list of triples, `nil` where a timestamp would stand."""
        return "[" + ", ".join(f"{{{written(element)}, nil, {weight}}}" for element, weight in self) + "]"


EMPTY = ZSet()
"""The Z-set of nothing: no change."""


def total(zsets: Iterable[ZSet]) -> ZSet:
    """The sum of many Z-sets, made in one go."""
    weights: dict[Element, Weight] = {}
    for zset in zsets:
        for element, weight in zset.items():
            weights[element] = weights.get(element, 0) + weight
    return ZSet.made(weights)

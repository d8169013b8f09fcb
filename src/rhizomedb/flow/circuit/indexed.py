"""Indexed Z-sets: Z-sets of key and value, grouped by key (PomoFlow 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rhizomedb.flow.circuit.order import Element, sort_key, written
from rhizomedb.flow.circuit.zset import EMPTY, Weight, ZSet


class IndexedZSet:
    """Keys, each with the Z-set of its values; no group is empty.

    >>> IndexedZSet([(("a", 1), 1), (("b", 2), -1)])["b"]
    ZSet({2: -1})
    """

    __slots__ = ("groups",)

    groups: Mapping[Element, ZSet]

    def __init__(self, items: Iterable[tuple[tuple[Element, Element], Weight]] = ()) -> None:
        groups: dict[Element, dict[Element, Weight]] = {}
        for (key, value), weight in ZSet(items).items():
            groups.setdefault(key, {})[value] = weight
        self.groups = {key: ZSet.made(values) for key, values in groups.items()}

    @classmethod
    def made(cls, groups: Mapping[Element, dict[Element, Weight]]) -> IndexedZSet:
        """An indexed Z-set of dictionaries that nobody else will change; zeros and empty groups are dropped."""
        made = cls.__new__(cls)
        zsets = ((key, ZSet.made(values)) for key, values in groups.items())
        made.groups = {key: zset for key, zset in zsets if zset}
        return made

    def __getitem__(self, key: Element) -> ZSet:
        """The values of a key: nothing for one that is not there."""
        return self.groups.get(key, EMPTY)

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def __iter__(self) -> Iterator[tuple[tuple[Element, Element], Weight]]:
        """Key and value with their weight, by key and then by value (F5)."""
        for key in sorted(self.groups, key=sort_key):
            for value, weight in self.groups[key]:
                yield (key, value), weight

    def items(self) -> Iterator[tuple[tuple[Element, Element], Weight]]:
        """Key and value with their weight, in no order."""
        for key, values in self.groups.items():
            for value, weight in values.items():
                yield (key, value), weight

    def flat(self) -> ZSet:
        """The plain Z-set of pairs (key, value)."""
        return ZSet.made(dict(self.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IndexedZSet) and self.groups == other.groups

    def __hash__(self) -> int:
        return hash(frozenset(self.groups.items()))

    def __repr__(self) -> str:
        return f"IndexedZSet({list(self)!r})"

    def __str__(self) -> str:
        """The paper's list of triples: `{{key, value}, nil, weight}`."""
        return "[" + ", ".join(f"{{{written(pair)}, nil, {weight}}}" for pair, weight in self) + "]"


NO_GROUPS = IndexedZSet()
"""The indexed Z-set of nothing."""

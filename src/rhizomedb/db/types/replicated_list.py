"""A list of values that several people change at the same time, read by the program `list` and written by positions.

Each element is an entity of its own with a random id, so what two people insert is never one (trap T3). It is put after
the element that stands before it here, with a counter greater than any that is known there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, overload

from rhizomedb.crdt import LIBRARY, sequence
from rhizomedb.db.types.replicated import Handle, NoPlace, Writing, is_among
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.entity import ENTITY_BYTES, mint
from rhizomedb.facts.value import INTEGER_MAX, Entity, Value, check_value, exact

_ITEMS: Final = """
answer(before: X, element: I, value: V) :- item(before: X, element: I, value: V), X == $list.
answer(before: X, element: I, value: V) :- answer(element: X), item(before: X, element: I, value: V).
"""
_GREATEST: Final = "\nanswer(counter: M) :- M := max N : put(after: $element, counter: N)."
_PLACED: Final = 'answer(fact: C) :- C := fact(entity: $element, attribute: "list/after").'


class _Element(NamedTuple):
    entity: Entity
    value: Value


class ReplicatedList(Handle):
    """A list of values. What people insert at one place at the same time stands side by side, in one order for all.

    Values are exact: `1`, `1.0` and `True` are three.
    """

    def __init__(self, db: Writing, entity: Entity, author: str | None) -> None:
        super().__init__(db, entity, author)
        self._items = LIBRARY["list"].program + _ITEMS
        self._greatest = LIBRARY["list"].program + _GREATEST

    @overload
    def __getitem__(self, place: int) -> Value: ...
    @overload
    def __getitem__(self, place: slice) -> list[Value]: ...
    def __getitem__(self, place: int | slice) -> Value | list[Value]:
        elements = self._elements()
        if isinstance(place, slice):
            return [each.value for each in elements[place]]
        return elements[_at(place, len(elements))].value

    def __iter__(self) -> Iterator[Value]:
        return iter(self[:])

    def __len__(self) -> int:
        return len(self._elements())

    def __contains__(self, value: object) -> bool:
        return is_among(value, self)

    def index(self, value: Value) -> int:
        """The place of the first element of a value; ValueError if there is none, as of any list."""
        return [exact(each) for each in self].index(exact(check_value(value)))

    def insert(self, place: int, value: Value) -> None:
        """Put a value before the element at a place, or at the end if there is none, as into any list."""
        if type(place) is not int:
            raise NoPlace(
                "crdt.place", f"the list has no element {place!r:.40}: it is no place", fix="insert(0, value)"
            )
        self._put(place, [value])

    def append(self, value: Value) -> None:
        """Put a value at the end."""
        self._put(None, [value])

    def extend(self, values: Iterable[Value]) -> None:
        """Put several values at the end, together and one after another."""
        self._put(None, list(values))

    def __delitem__(self, place: int | slice) -> None:
        """Delete an element, or several together. An element that others delete, too, is deleted once."""
        elements = self._elements()
        chosen = elements[place] if isinstance(place, slice) else [elements[_at(place, len(elements))]]
        with self._saying() as say:
            for each in chosen:
                say(each.entity, sequence.DELETED, True, self._placed(each.entity))

    def clear(self) -> None:
        """Delete every element that is known here, together."""
        del self[:]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"

    def _elements(self) -> list[_Element]:
        """The elements that stand, in their order: the chain that the program answers with, from the list on."""
        after = {
            before: _Element(each, value) for before, each, value in self._db.query(self._items, {"list": self.entity})
        }
        found: list[_Element] = []
        at = self.entity
        while at in after:  # whoever closed a ring is met once
            found.append(after.pop(at))
            at = found[-1].entity
        return found

    def _put(self, place: int | None, values: list[Value]) -> None:
        checked = [check_value(value) for value in values]
        if not checked:
            return
        before = self._elements()[:place]
        after = before[-1].entity if before else self.entity
        seen = self._placed(after)
        counter = 1
        for (greatest,) in self._db.query(self._greatest, {"element": after}):
            counter = min(max(greatest, 0), INTEGER_MAX - 1) + 1
        with self._saying() as say:
            for value in checked:
                element = mint(secrets.token_bytes(ENTITY_BYTES))
                placed = say(element, sequence.AFTER, after, seen)
                say(element, sequence.COUNTER, counter, [placed])
                say(element, sequence.VALUE, value, [placed])
                after, seen, counter = element, [placed], 1

    def _placed(self, element: Entity) -> list[Cid]:
        return self._cids(_PLACED, element=element)


def _at(place: object, size: int) -> int:
    if type(place) is not int or not -size <= place < size:
        why = f"it has {size:,} element{'' if size == 1 else 's'}"
        raise NoPlace("crdt.place", f"the list has no element {place!r:.40}: {why}")
    return place % size

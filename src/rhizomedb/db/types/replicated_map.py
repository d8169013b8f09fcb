"""A map that several people change at the same time, read by the program `map`: the attributes of an entity are its keys.

A delete names what is known here of the key as its causes, and what is not known here it leaves. It also takes back the
claims that stand, so that `get` shows what the map does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from rhizomedb.crdt import LIBRARY, mapping
from rhizomedb.crdt.register import RETRACTS
from rhizomedb.db.types.replicated import HEADS, Handle, NoPlace, Say, Writing, checked_key
from rhizomedb.errors import nearest_names
from rhizomedb.facts.value import Attribute, Entity, Value, check_attribute, check_value, exact

Default = TypeVar("Default")

_ENTRIES: Final = "\nanswer(key: K, fact: C, value: V) :- entry(map: $map, key: K, value: V, fact: C)."
_UNDER: Final = "\nanswer(fact: C, value: V) :- entry(map: $map, key: $key, value: V, fact: C)."

_SAID: Final = """\
said(fact: C) :- C := fact(entity: $map, attribute: $key).
said(fact: C) :- C := fact(entity: $map, attribute: "map/delete", value: $key).
"""
_CLAIMS: Final = "claim(fact: C, delta: D) :- stands(entity: $map, attribute: $key, fact: C, delta: D)."


class ReplicatedMap(Handle):
    """Keys with values. Where a key was written at the same time, the value of the fact with the greatest CID is shown.

    Keys are exact, as attributes are: `1` and `1.0` are two.
    """

    def __init__(self, db: Writing, entity: Entity, author: str | None) -> None:
        super().__init__(db, entity, author)
        self._entries = LIBRARY["map"].program + _ENTRIES
        self._under = LIBRARY["map"].program + _UNDER

    def __getitem__(self, key: Attribute) -> Value:
        values = self.conflicts(key)
        if not values:
            raise NoPlace("crdt.place", f"the map has no {key!r:.60}", nearest=nearest_names(str(key), map(str, self)))
        return values[0]

    def get(self, key: Attribute, default: Default | None = None) -> Value | Default | None:
        """The value under a key, or something else where there is none."""
        values = self.conflicts(key)
        return values[0] if values else default

    def conflicts(self, key: Attribute) -> list[Value]:
        """Every value that stands under a key, the one that is shown first: several where it was written at the same time."""
        found = self._db.query(self._under, {"map": self.entity, "key": check_attribute(key)})
        return list({exact(value): value for _, value in reversed(list(found))}.values())

    def __setitem__(self, key: Attribute, value: Value) -> None:
        self.update({key: value})

    def update(
        self, other: Mapping[Attribute, Value] | Iterable[tuple[Attribute, Value]] = (), /, **more: Value
    ) -> None:
        """Write several keys together."""
        given: Iterable[tuple[Any, Any]] = other.items() if isinstance(other, Mapping) else other
        last = {exact(checked_key(key)): (key, check_value(value)) for key, value in (*given, *more.items())}
        with self._saying() as say:
            for key, value in last.values():
                name = check_attribute(key)
                say(self.entity, name, value, self._heads(name))

    def __delitem__(self, key: Attribute) -> None:
        """Take a key out, as far as it was written by what is known here; `crdt.place` if the map has no such key."""
        self[key]
        with self._saying() as say:
            self._delete(say, check_attribute(key))

    def clear(self) -> None:
        """Take every key out, together."""
        with self._saying() as say:
            for key in self:
                self._delete(say, key)

    def __contains__(self, key: object) -> bool:
        return bool(self.conflicts(check_attribute(key)))

    def __iter__(self) -> Iterator[Attribute]:
        """The keys, in the order of values."""
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.items())

    def keys(self) -> list[Attribute]:
        """The keys, in the order of values."""
        return [key for key, _ in self.items()]

    def values(self) -> list[Value]:
        """What is shown under each key."""
        return [value for _, value in self.items()]

    def items(self) -> list[tuple[Attribute, Value]]:
        """Every key with the value that is shown under it."""
        found = self._db.query(self._entries, {"map": self.entity})
        return list({exact(key): (key, value) for key, _, value in found}.values())  # the greatest CID is the last

    def __repr__(self) -> str:
        return f"{type(self).__name__}({{{', '.join(f'{key!r}: {value!r}' for key, value in self.items())}}})"

    def _heads(self, key: Attribute) -> list[Any]:
        return self._cids(_SAID + HEADS, map=self.entity, key=key)

    def _delete(self, say: Say, key: Attribute) -> None:
        say(self.entity, mapping.DELETE, key, self._heads(key))
        for fact, delta in self._db.query(_CLAIMS, {"map": self.entity, "key": key}):
            say(self.entity, RETRACTS, delta, [fact])

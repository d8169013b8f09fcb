"""Copies to push from and pull into, what they hold, and places seen from the back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rhizomedb.db.connection import Connection
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.remote.url import opened

KEY = Key(bytes(32))
TIME_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Back:
    """A place and what only its owner can do."""

    url: str
    delete: Callable[[str], object]

    def names(self) -> list[str]:
        with opened(self.url) as place:
            return sorted(listed.name for listed in place.list())

    def get(self, name: str) -> bytes:
        with opened(self.url) as place:
            return place.read(name, 0, 1 << 30)

    def put(self, name: str, data: bytes) -> None:
        with opened(self.url) as place:
            place.write(name, data)


def delta(number: int, group: Group | None = None, value: Any = None) -> Delta:
    fact = Fact(b"film %d" % number, "runtime", number if value is None else value)
    return Delta.sign(KEY, system="test", time=HybridTime(TIME_MS + number), facts=[fact], group=group)


def deltas(count: int, first: int = 0) -> list[Delta]:
    return [delta(number) for number in range(first, first + count)]


def fill(db: Connection, said: Sequence[Delta]) -> Connection:
    db.admit([each.encode() for each in said], origin="test")
    return db


def ids(db: Connection) -> set[str]:
    return {str(each.id) for each in db.deltas()}


def shown(db: Connection) -> list[dict[Any, Any]]:
    """The whole view, as data."""
    return sorted((dict(record) for record in db.records()), key=repr)

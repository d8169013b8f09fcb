"""Copies to push from and pull into, what they hold, and places seen from the back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rhizomedb.db.connection import Connection
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.remote.bundle import Bundle, bundle_of
from rhizomedb.remote.kind import DELTAS, Kind, id_of
from rhizomedb.remote.url import opened

KEY = Key(bytes(32))
TIME_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Back:
    """A place and what only its owner can do."""

    url: str
    remove: Callable[[str], object]

    def names(self, kind: Kind = DELTAS) -> list[str]:
        with opened(self.url) as place:
            return sorted(listed.name for listed in place.list(kind))

    def get(self, name: str, kind: Kind = DELTAS) -> bytes:
        with opened(self.url) as place:
            return place.read(kind, name, 0, 1 << 30)

    def put(self, name: str, data: bytes, kind: Kind = DELTAS) -> None:
        with opened(self.url) as place:
            place.write(kind, name, data)

    def delete(self, name: str, kind: Kind = DELTAS) -> None:
        self.remove(kind.path(name))


def delta(number: int, group: Group | None = None, value: Any = None) -> Delta:
    fact = Fact(b"film %d" % number, "runtime", number if value is None else value)
    return Delta.sign(KEY, system="test", time=HybridTime(TIME_MS + number), facts=[fact], group=group)


def deltas(count: int, first: int = 0) -> list[Delta]:
    return [delta(number) for number in range(first, first + count)]


def bundle(envelopes: Iterable[bytes]) -> Bundle:
    return bundle_of(DELTAS, [(id_of(envelope), envelope) for envelope in envelopes])


def fill(db: Connection, said: Sequence[Delta]) -> Connection:
    db.admit([each.encode() for each in said], origin="test")
    return db


def ids(db: Connection) -> set[str]:
    return {str(each.id) for each in db.deltas()}


def shown(db: Connection) -> list[dict[Any, Any]]:
    """The whole view, as data."""
    return sorted((dict(record) for record in db.records()), key=repr)

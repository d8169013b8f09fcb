"""Sets and counters that several people change at the same time: a small interface to write their facts and read them.

The programs of `crdt` say what the facts amount to; here they are written so that no two sayings become one by accident
(traps T1 and T2): each handle says once who it is, in a fact with a random value, and that fact is among the causes of
all that it says.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from rhizomedb.crdt import LIBRARY, collection, counter
from rhizomedb.db.result import Result
from rhizomedb.db.transaction import Transaction
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import Entity, Value, check_entity, check_value, exact

if TYPE_CHECKING:
    from rhizomedb.db.text import Text, TextDatabase

WRITER: Final = "rhizome/writer"
"""The attribute of the fact by which a handle says that it is one: its value is random."""

_MEMBERS: Final = "\nanswer(member: X) :- member(set: $set, member: X)."
_COUNT: Final = "\nanswer(total: N) :- count(counter: $counter, total: N)."

_HEADS: Final = """\
said(fact: C) :- C := fact(entity: $set, attribute: "set/add", value: $member).
said(fact: C) :- C := fact(entity: $set, attribute: "set/remove", value: $member).
seen(fact: P) :- said(fact: C), cause(from: C, to: P).
head(fact: C) :- said(fact: C), !seen(fact: C).
"""
"""What was said of one member that nothing said of it later had seen."""


class Writing(Protocol):
    """The connection that is written to and asked."""

    def transact(self, items: list[Any], *, author: str | None = None) -> Transaction:
        """Say some things together."""
        ...

    def query(self, program: str, parameters: Mapping[str, object] | None = None) -> Result:
        """The tuples of a program."""
        ...

    def entity(self, name: str | Entity) -> Entity:
        """The id of the entity that a name means."""
        ...


class Handle:
    """One replicated value: whose it is, and what this writer has said of it last."""

    def __init__(self, db: Writing, entity: Entity, author: str | None) -> None:
        self._db = db
        self.entity = entity
        self._author = author
        self._writer: Fact | None = None

    def _say(self, attribute: str, value: Value, causes: list[Cid]) -> Fact:
        """Say one fact, which no other writer can say as well."""
        said: list[Fact] = []
        writer = self._writer
        if writer is None:
            writer = Fact(self.entity, WRITER, secrets.token_bytes(16))
            said.append(writer)
        said.append(Fact(self.entity, attribute, value, [writer.cid, *causes]))
        self._db.transact(said, author=self._author)
        self._writer = writer
        return said[-1]


class ReplicatedSet(Handle):
    """A set of values that several people change. Members are exact: `1`, `1.0` and `True` are three.

    `name` is the data type that it goes by: `add-wins-set` or `remove-wins-set`. The facts of both are the same.
    """

    def __init__(self, db: Writing, entity: Entity, name: str, author: str | None) -> None:
        super().__init__(db, entity, author)
        self._program = LIBRARY[name].program + _MEMBERS

    def add(self, member: Value) -> None:
        """Add a member. Whoever removes it at the same time has not seen this."""
        self._change(collection.ADD, member)

    def remove(self, member: Value) -> None:
        """Take a member out, as far as it was put in by what is known here; `crdt.no-member` if it is not in the set."""
        if member not in self:
            raise RequestError("crdt.no-member", f"{member!r:.60} is not in the set", fix="discard(member)")
        self._change(collection.REMOVE, member)

    def discard(self, member: Value) -> None:
        """Take a member out if it is in the set."""
        if member in self:
            self._change(collection.REMOVE, member)

    def __contains__(self, member: object) -> bool:
        cell = exact(check_value(member))
        return any(exact(each) == cell for each in self)

    def __iter__(self) -> Iterator[Value]:
        """The members, in the order of values."""
        found = self._db.query(self._program, {"set": self.entity})
        return iter([member for (member,) in found])

    def __len__(self) -> int:
        return len(self._db.query(self._program, {"set": self.entity}))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"

    def _change(self, attribute: str, member: Value) -> None:
        value = check_value(member)
        heads = self._db.query(_HEADS, {"set": self.entity, "member": value})
        self._say(attribute, value, [cid for (cid,) in heads])


class ReplicatedCounter(Handle):
    """A number to which several people add at the same time."""

    def __init__(self, db: Writing, entity: Entity, author: str | None) -> None:
        super().__init__(db, entity, author)
        self._program = LIBRARY["counter"].program + _COUNT
        self._last: list[Cid] = []

    def add(self, number: int | float = 1) -> None:
        """Add a number, which may be negative."""
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise RequestError("crdt.step", f"a counter counts numbers, not {type(number).__name__}", fix="add(1)")
        if abs(number) > counter.STEP_MAX:
            raise RequestError(
                "crdt.step",
                f"a step is at most {counter.STEP_MAX:,} either way, not {number!r:.40}",
                fix="several steps",
            )
        self._last = [self._say(counter.ADD, check_value(number), self._last).cid]

    @property
    def value(self) -> int | float:
        """The sum of everything that was added; 0 where nothing was."""
        for (total,) in self._db.query(self._program, {"counter": self.entity}):
            return total  # type: ignore[no-any-return]  # a sum of numbers
        return 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class Replicating:
    """The replicated values of a connection."""

    def add_wins_set(self: Writing, entity: Entity | str, *, author: str | None = None) -> ReplicatedSet:
        """A set that several people change, held by an entity: who adds a member while another removes it wins.

        Copies that met agree on it. Keep the handle while you write: each says once that it is a writer.
        """
        return ReplicatedSet(self, held_by(self, entity), "add-wins-set", author)

    def remove_wins_set(self: Writing, entity: Entity | str, *, author: str | None = None) -> ReplicatedSet:
        """The same, where who removes a member while another adds it wins."""
        return ReplicatedSet(self, held_by(self, entity), "remove-wins-set", author)

    def counter(self: Writing, entity: Entity | str, *, author: str | None = None) -> ReplicatedCounter:
        """A number to which several people add, held by an entity: copies that met agree on the sum, and no step is lost."""
        return ReplicatedCounter(self, held_by(self, entity), author)

    def text(self, entity: Entity | str, *, author: str | None = None) -> Text:
        """A text that several people write at the same time, held by an entity; read as a string, written by positions.

        Copies that met have the same text, and no edit is lost. It is kept up to date until it is closed, the connection
        is, or nobody holds it.
        """
        from rhizomedb.db.text import Text  # its view loads asyncio, which most programs never need

        return Text(cast("TextDatabase", self), held_by(cast(Writing, self), entity), author)


def held_by(db: Writing, entity: Entity | str) -> Entity:
    """The entity of a replicated value: by its id, of which nothing need be said yet, or by name."""
    if not isinstance(entity, str):
        return check_entity(entity)
    try:
        return db.entity(entity)
    except RequestError as error:
        if error.code != "db.unknown-entity":
            raise
        fix = f"rhizomedb.entity(name={entity!r:.60}) in place of the name, for one of which nothing is said yet"
        raise RequestError(error.code, error.message, nearest=error.nearest, fix=fix) from None

"""Sets and counters that several people change at the same time: a small interface to write their facts and read them.

The programs of `crdt` say what the facts amount to; here they are written so that no two sayings become one by accident
(traps T1 and T2): each handle says once who it is, in a fact with a random value, and that fact is among the causes of
all that it says. Registers, maps, lists and trees are written in the same way, each in a file of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from rhizomedb.crdt import LIBRARY, collection, counter
from rhizomedb.crdt.library import OPERATIONS
from rhizomedb.crdt.register import WRITER
from rhizomedb.db.programs.result import Result
from rhizomedb.db.transaction import Transaction, check_unreserved
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import CAUSES_MAX, Fact
from rhizomedb.facts.value import Attribute, Entity, Value, check_attribute, check_entity, check_value, exact

if TYPE_CHECKING:
    from rhizomedb.db.types.replicated_list import ReplicatedList
    from rhizomedb.db.types.replicated_map import ReplicatedMap
    from rhizomedb.db.types.replicated_register import ReplicatedRegister
    from rhizomedb.db.types.replicated_tree import ReplicatedTree
    from rhizomedb.db.types.text import Text, TextDatabase

_MEMBERS: Final = "\nanswer(member: X) :- member(set: $set, member: X)."
_REMOVED: Final = "\nanswer(fact: C) :- remove(fact: C, set: $set, member: $member)."
_COUNT: Final = "\nanswer(total: N) :- count(counter: $counter, total: N)."

HEADS: Final = """\
seen(fact: P) :- said(fact: C), cause(from: C, to: P).
seen(fact: P) :- seen(fact: Q), Q := fact(attribute: "rhizome/writer"), cause(from: Q, to: P).
head(fact: C) :- said(fact: C), !seen(fact: C).
"""
"""Of what was `said` of one thing, that which nothing said of it later had seen."""

_SAID: Final = """\
said(fact: C) :- C := fact(entity: $set, attribute: "set/add", value: $member).
said(fact: C) :- C := fact(entity: $set, attribute: "set/remove", value: $member).
"""

Say: TypeAlias = Callable[[Entity, Attribute, Value, Iterable[Cid]], Cid]
"""Says one fact: of whom, what, and what had been seen; the fact that it became."""


class Writing(Protocol):
    """The connection that is written to and asked."""

    def transact(self, items: list[Any], *, author: str | None = None) -> Transaction:
        """Say some things together."""
        ...

    def query(self, program: str, parameters: Mapping[str, object] | None = None) -> Result:
        """The tuples of a program."""
        ...

    def entity(self, name: str | Entity, *, called: bool = False) -> Entity:
        """The id of the entity that a name means."""
        ...


class NoPlace(RequestError, KeyError, IndexError):
    """That there is nothing at a place."""

    __str__ = RequestError.__str__


class Handle:
    """One replicated value: whose it is, and what this writer has said of it last."""

    def __init__(self, db: Writing, entity: Entity, author: str | None) -> None:
        self._db = db
        self.entity = entity
        self._author = author
        self._writer: Fact | None = None

    @contextmanager
    def _saying(self) -> Iterator[Say]:
        """What is said in the context is said together at its end; no other writer can say any of it as well."""
        writer = self._writer or Fact(self.entity, WRITER, secrets.token_bytes(16))
        said: list[Fact] = []

        def say(entity: Entity, attribute: Attribute, value: Value, seen: Iterable[Cid]) -> Cid:
            causes = [writer.cid, *seen]
            while len(causes) > CAUSES_MAX:  # one fact has no room for so many: some are gathered in another
                some = Fact(self.entity, WRITER, secrets.token_bytes(16), causes[:CAUSES_MAX])
                said.append(some)
                causes = [some.cid, *causes[CAUSES_MAX:]]
            said.append(Fact(entity, attribute, value, causes))
            return said[-1].cid

        yield say
        if said:
            self._db.transact([*([] if self._writer else [writer]), *said], author=self._author)
            self._writer = writer

    def _say(self, attribute: Attribute, value: Value, seen: Iterable[Cid]) -> Cid:
        """Say one fact of this value."""
        with self._saying() as say:
            return say(self.entity, attribute, value, seen)

    def _cids(self, program: str, **parameters: object) -> list[Cid]:
        """The facts that a program answers with."""
        return [cid for (cid,) in self._db.query(program, parameters)]


class GrowOnlySet(Handle):
    """A set of values that several people add to. Members are exact: `1`, `1.0` and `True` are three."""

    def __init__(self, db: Writing, entity: Entity, name: str, author: str | None) -> None:
        super().__init__(db, entity, author)
        self._program = LIBRARY[name].program + _MEMBERS

    def add(self, member: Value) -> None:
        """Add a member."""
        self._change(collection.ADD, member)

    def __contains__(self, member: object) -> bool:
        return is_among(member, self)

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
        self._say(attribute, value, self._cids(_SAID + HEADS, set=self.entity, member=value))


class ReplicatedSet(GrowOnlySet):
    """A set of values that several people change. Members are exact: `1`, `1.0` and `True` are three.

    `name` is the data type that it goes by: `add-wins-set` or `remove-wins-set`. The facts of both are the same.
    """

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


class TwoPhaseSet(ReplicatedSet):
    """A set of which a member that was once removed is out for good, whoever adds it before or after."""

    def __init__(self, db: Writing, entity: Entity, name: str, author: str | None) -> None:
        super().__init__(db, entity, name, author)
        self._removed = LIBRARY[name].program + _REMOVED

    def add(self, member: Value) -> None:
        """Add a member; `crdt.removed` if it was taken out before: it would not come back."""
        value = check_value(member)
        if self._cids(self._removed, set=self.entity, member=value):
            raise RequestError(
                "crdt.removed", f"{member!r:.60} was removed from the set for good", fix="db.add_wins_set(entity)"
            )
        self._change(collection.ADD, value)


class GrowOnlyCounter(Handle):
    """A number to which several people add at the same time, and which never goes down."""

    _name = "grow-only-counter"

    def __init__(self, db: Writing, entity: Entity, author: str | None) -> None:
        super().__init__(db, entity, author)
        self._program = LIBRARY[self._name].program + _COUNT
        self._last: list[Cid] = []

    def add(self, number: int | float = 1) -> None:
        """Add a number that is not negative."""
        _check_step(number)
        if number < 0:
            raise RequestError(
                "crdt.step",
                f"a grow-only counter never goes down, by {number!r:.40} or at all",
                fix="db.counter(entity)",
            )
        self._step(number)

    @property
    def value(self) -> int | float:
        """The sum of everything that was added; 0 where nothing was."""
        for (total,) in self._db.query(self._program, {"counter": self.entity}):
            return total  # type: ignore[no-any-return]  # a sum of numbers
        return 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def _step(self, number: int | float) -> None:
        self._last = [self._say(counter.ADD, check_value(number), self._last)]


class ReplicatedCounter(GrowOnlyCounter):
    """A number to which several people add at the same time."""

    _name = "counter"

    def add(self, number: int | float = 1) -> None:
        """Add a number, which may be negative."""
        _check_step(number)
        self._step(number)


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

    def grow_only_set(self: Writing, entity: Entity | str, *, author: str | None = None) -> GrowOnlySet:
        """A set that several people add to, held by an entity, and of which nothing is ever taken out."""
        return GrowOnlySet(self, held_by(self, entity), "grow-only-set", author)

    def two_phase_set(self: Writing, entity: Entity | str, *, author: str | None = None) -> TwoPhaseSet:
        """A set that several people change, held by an entity: what was once removed is out for good."""
        return TwoPhaseSet(self, held_by(self, entity), "two-phase-set", author)

    def counter(self: Writing, entity: Entity | str, *, author: str | None = None) -> ReplicatedCounter:
        """A number to which several people add, held by an entity: copies that met agree on the sum, and no step is lost."""
        return ReplicatedCounter(self, held_by(self, entity), author)

    def grow_only_counter(self: Writing, entity: Entity | str, *, author: str | None = None) -> GrowOnlyCounter:
        """A number to which several people add, held by an entity, and which never goes down."""
        return GrowOnlyCounter(self, held_by(self, entity), author)

    def register(
        self: Writing, entity: Entity | str, attribute: Attribute, *, author: str | None = None
    ) -> ReplicatedRegister:
        """One attribute of an entity, as a value that several people write: the values that no later write had seen."""
        from rhizomedb.db.types.replicated_register import ReplicatedRegister

        return ReplicatedRegister(self, held_by(self, entity), attribute, author)

    def map(self: Writing, entity: Entity | str, *, author: str | None = None) -> ReplicatedMap:
        """A map that several people change, held by an entity: its keys are attributes. Who writes a key while another
        deletes it keeps what was written."""
        from rhizomedb.db.types.replicated_map import ReplicatedMap

        return ReplicatedMap(self, held_by(self, entity), author)

    def list(self: Writing, entity: Entity | str, *, author: str | None = None) -> ReplicatedList:
        """A list of values that several people insert into and delete from, held by an entity, written by positions."""
        from rhizomedb.db.types.replicated_list import ReplicatedList

        return ReplicatedList(self, held_by(self, entity), author)

    def tree(self: Writing, *, author: str | None = None) -> ReplicatedTree:
        """The nodes of this database that hang from one another: moved at will, and never in a cycle."""
        from rhizomedb.db.types.replicated_tree import ReplicatedTree

        return ReplicatedTree(self, author)

    def text(self, entity: Entity | str, *, author: str | None = None) -> Text:
        """A text that several people write at the same time, held by an entity; read as a string, written by positions.

        Copies that met have the same text, and no edit is lost. It is kept up to date until it is closed, the connection
        is, or nobody holds it.
        """
        from rhizomedb.db.types.text import Text  # its view loads asyncio, which most programs never need

        return Text(cast("TextDatabase", self), held_by(cast(Writing, self), entity), author)


def held_by(db: Writing, entity: Entity | str) -> Entity:
    """The entity of a replicated value: by its id, of which nothing need be said yet, or by name."""
    if not isinstance(entity, str):
        return check_entity(entity)
    try:
        return db.entity(entity, called=True)
    except RequestError as error:
        if error.code != "db.unknown-entity":
            raise
        fix = f"rhizomedb.entity(name={entity!r:.60}) in place of the name, for one of which nothing is said yet"
        raise RequestError(error.code, error.message, nearest=error.nearest, fix=fix) from None


def is_among(value: object, values: Iterable[Value]) -> bool:
    """Whether a value is one of some: the same, and not only equal."""
    cell = exact(check_value(value))
    return any(exact(each) == cell for each in values)


def checked_key(key: object) -> Attribute:
    """A key under which values stand: neither the name of an operation, which would be read as one, nor reserved."""
    checked = check_attribute(key)
    check_unreserved(checked)
    if checked in OPERATIONS:
        raise RequestError("crdt.key", f"{key!r} is no key: it names an operation of data types", fix="choose another")
    return checked


def _check_step(number: object) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise RequestError("crdt.step", f"a counter counts numbers, not {type(number).__name__}", fix="add(1)")
    if abs(number) > counter.STEP_MAX:
        raise RequestError(
            "crdt.step",
            f"a step is at most {counter.STEP_MAX:,} either way, not {number!r:.40}",
            fix="several steps",
        )

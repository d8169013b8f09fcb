"""Groups that wait: deltas that are visible together or not at all, of which something is still missing.

What one write says in several deltas is one group. A copy that has a part of it keeps that part, and shows nothing of it until the
rest is here, from whomever and in whatever order the parts come. What is missing has no name here: a group says only of how many
deltas it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.db.log import Saying
from rhizomedb.db.moment import show_ms
from rhizomedb.db.naming import Authors, Names
from rhizomedb.db.programs.result import show
from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.store.store import Cut, Held, Store

SAID_MAX: Final = 3
"""How many facts of a delta that waits are told."""


@dataclass(frozen=True, slots=True)
class PendingDelta:
    """A delta that waits: where it came from and when, and the first few of its `facts`; `due_ms` if its clock is ahead."""

    id: Cid
    system: str
    time_ms: int
    origin: str
    arrived_ms: int
    due_ms: int | None
    facts: int
    said: tuple[Saying, ...]

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        said = [
            {"entity": s.label, "id": s.entity.hex(), "attribute": s.attribute, "value": s.value} for s in self.said
        ]
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "said"}
        return {**plain, "said": said}


@dataclass(frozen=True, slots=True)
class PendingGroup:
    """A group of which nothing is shown yet: who says it, of how many deltas it is, and those that are `here`.

    `visible` are parts that were visible before the group was told of; none in a group that was made by a write.
    """

    id: bytes
    author: str
    author_key: bytes
    size: int
    visible: int
    here: tuple[PendingDelta, ...]

    @property
    def missing(self) -> int:
        """How many of its deltas are not here."""
        return max(self.size - self.visible - len(self.here), 0)

    @property
    def due_ms(self) -> int | None:
        """Until when it waits at least, because the clock of one of its deltas is ahead."""
        return max((each.due_ms for each in self.here if each.due_ms is not None), default=None)

    @property
    def since_ms(self) -> int:
        """When the first of what is here came."""
        return min(each.arrived_ms for each in self.here)

    @property
    def origins(self) -> tuple[str, ...]:
        """What brought the deltas that are here."""
        return tuple(dict.fromkeys(each.origin for each in self.here))

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "group": self.id.hex(),
            "author": self.author,
            "size": self.size,
            "missing": self.missing,
            "due_ms": self.due_ms,
            "origins": list(self.origins),
            "here": [each.as_dict() for each in self.here],
        }

    def __str__(self) -> str:
        here = self.size - self.missing
        waits = f"{self.missing:,} missing" if self.missing else "all here"
        if self.due_ms is not None:
            waits += f", not before {show_ms(self.due_ms)}"
        said = [f"{s.label} · {show(s.attribute)} = {show(s.value)}" for each in self.here for s in each.said]
        more = sum(each.facts for each in self.here) - SAID_MAX
        told = "; ".join(said[:SAID_MAX]) + (f" and {more:,} more" if more > 0 else "")
        return (
            f"group {self.id.hex()[:12]} of {self.author}: {here:,} of {self.size:,} deltas here, {waits}; "
            f"by {', '.join(map(repr, self.origins))} since {show_ms(self.since_ms)}" + (f": {told}" if told else "")
        )


def pending(store: Store, cut: Cut, authors: Authors) -> list[PendingGroup]:
    """The groups that wait, those first that wait longest; see `Connection.pending`."""
    groups: dict[tuple[bytes, Group], list[Held]] = {}
    for held in store.held():
        if held.group is not None and held.group.size > 1:
            groups.setdefault((held.author, held.group), []).append(held)
    names = Names(store, cut)
    found = []
    for (author, group), some in groups.items():
        visible, _ = store.members(author, group)
        here = tuple(
            _told(store, names, each) for each in sorted(some, key=lambda each: (each.arrived_ms, bytes(each.id)))
        )
        found.append(PendingGroup(group.id, authors.name(author), author, group.size, visible, here))
    return sorted(found, key=lambda each: (each.since_ms, each.author, each.id))


def _told(store: Store, names: Names, held: Held) -> PendingDelta:
    envelope = store.envelope(held.id)
    try:
        delta = None if envelope is None else Delta.decode(envelope)
    except Error:  # what is wrong with it, `verify` says
        delta = None
    if delta is None:
        return PendingDelta(held.id, "", 0, held.origin, held.arrived_ms, held.due_ms, 0, ())
    said = tuple(_sayings(names, islice((f for f in delta.facts if not is_reserved(f.attribute)), SAID_MAX)))
    facts = len(delta.facts)
    return PendingDelta(held.id, delta.system, delta.time.ms, held.origin, held.arrived_ms, held.due_ms, facts, said)


def _sayings(names: Names, facts: Iterable[Fact]) -> Iterable[Saying]:
    return (Saying(fact.entity, names.label(fact.entity), fact.attribute, fact.value) for fact in facts)

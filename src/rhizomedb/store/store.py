"""What every store offers: a log of deltas that only grows, and relations over them at a cut.

Two stores exist: `sqlite.SqliteStore` (one file, many processes) and `memory.MemoryStore` (its twin, and the oracle
for it). Both pass the same suite. The five relations are what programs see (erratum E1):

    fact($cid, entity, attribute, value)     one row per fact that a visible delta asserts
    cause(from, to)                          one row per direct cause of a visible fact; `to` may be unknown here
    delta(id, author, system, time, counter, edge, scope)
    asserts(delta, fact)                     who said it: one row per delta and fact
    arrival(delta, epoch, at, origin)        when and how this copy learned it (local; never sent to anybody)

`time` is claimed wall-clock milliseconds and `counter` its logical part; `edge` is empty bytes where a delta has none;
`scope` is "seen" or "own"; `at` is local wall-clock milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Protocol

from rhizomedb._record import dataclass
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.value import Attribute, Cell, order

if TYPE_CHECKING:
    from rhizomedb.store.chunks import ChunkStore
    from rhizomedb.store.progress import Progress
    from rhizomedb.store.quota import Quota
    from rhizomedb.store.storage import Storage

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "fact": ("$cid", "entity", "attribute", "value"),
    "cause": ("from", "to"),
    "delta": ("id", "author", "system", "time", "counter", "edge", "scope"),
    "asserts": ("delta", "fact"),
    "arrival": ("delta", "epoch", "at", "origin"),
}
"""The stored relations and their columns, in order."""

INDEXED: Final[dict[str, frozenset[str]]] = {
    "fact": frozenset({"$cid", "entity", "attribute", "value"}),
    "cause": frozenset({"from", "to"}),
    "delta": frozenset({"id"}),
    "asserts": frozenset({"delta", "fact"}),
    "arrival": frozenset({"delta"}),
}
"""The columns by which tuples are looked up. What is bound of the others only filters what all of the rest comes to."""

HEX_DIGITS: Final = frozenset("0123456789abcdef")
"""What the hexadecimal id of an entity is written with."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Which deltas are visible: learned by `epoch`, claimed after `since` and not after `until` (milliseconds), by `authors`.

    `None` means no bound. A fact is visible when a visible delta asserts it.
    """

    epoch: int | None = None
    since: int | None = None
    until: int | None = None
    authors: frozenset[bytes] | None = None

    @property
    def is_window(self) -> bool:
        """Whether anything but the epoch is bounded."""
        return self.since is not None or self.until is not None or self.authors is not None

    def admits(self, epoch: int, time_ms: int, author: bytes) -> bool:
        """Whether a delta learned in `epoch`, claimed at `time_ms` by `author`, is visible."""
        return (
            (self.epoch is None or epoch <= self.epoch)
            and (self.since is None or time_ms > self.since)
            and (self.until is None or time_ms <= self.until)
            and (self.authors is None or author in self.authors)
        )


ALL: Final = Cut()


@dataclass(frozen=True, slots=True)
class Epoch:
    """One commit at this copy: its number, the local time, and what brought it (an import, a peer, a transaction)."""

    number: int
    at_ms: int
    origin: str


@dataclass(frozen=True, slots=True)
class Held:
    """A delta that is kept but not yet visible, and why: `due_ms` when its clock runs ahead, or a group that is incomplete."""

    id: Cid
    author: bytes
    arrived_ms: int
    origin: str
    due_ms: int | None
    reason: str
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `verify` found: which record, and what about it. `code` is an error code.

    `missing`: how many blocks of attachments the record lists that are not in this copy. Nothing of such a record is
    damaged: a copy need not have all content.
    """

    record: str
    code: str
    message: str
    missing: int = 0

    @property
    def is_damage(self) -> bool:
        """Whether anything is wrong, and not only missing."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class AttributeSummary:
    """One attribute of the data: how many facts and entities have it, and of which kinds their values are."""

    attribute: Attribute
    facts: int
    entities: int
    kinds: tuple[tuple[str, int], ...]


def most_facts_first(summaries: Iterable[AttributeSummary]) -> list[AttributeSummary]:
    """Summaries as `attributes` gives them: by facts, most first, then by attribute."""
    return sorted(summaries, key=lambda summary: (-summary.facts, order(summary.attribute)))


class Store(Protocol):
    """A log of deltas and the relations over it. Not safe for several threads at once; several processes are fine."""

    path: str

    @property
    def chunks(self) -> ChunkStore:
        """The blocks of attachments."""
        ...

    is_writing: bool
    """Whether `writing` is open."""

    quota: Quota
    """How much may be held back here, and how much there may be of everything."""

    # -- reading ----------------------------------------------------------------------------------------------------

    def epoch(self) -> int:
        """The number of the newest epoch; 0 when nothing was ever written."""
        ...

    def epochs(self, after: int = 0) -> list[Epoch]:
        """All epochs after one, oldest first."""
        ...

    def totals(self, epoch: int) -> tuple[int, int]:
        """How many deltas and facts were here at the end of an epoch."""
        ...

    def storage(self) -> Storage:
        """How many bytes of what there are, at no cost to speak of."""
        ...

    def scan(self, relation: str, bound: Mapping[str, Cell], cut: Cut) -> Iterator[tuple[Cell, ...]]:
        """The distinct tuples of a stored relation (`COLUMNS`) that agree with `bound`, visible at the cut.

        They come lazily, and are those that were visible when this was called, whatever is written while they are read.
        An index serves `bound` by fact $cid, entity, entity+attribute, attribute, attribute+value, value; cause from,
        cause to; delta id; asserts delta, asserts fact; arrival delta. Other bounds filter.
        """
        ...

    def scan_keys(
        self,
        relation: str,
        bound: Mapping[str, Cell],
        names: tuple[str, ...],
        rows: Iterable[tuple[Cell, ...]],
        cut: Cut,
    ) -> Iterator[tuple[Cell, ...]]:
        """What `scan` gives, called now, for `bound` together with each of some distinct keys over `names`, in any order."""
        ...

    def digests_by_entity(self, entities: Iterable[bytes], cut: Cut) -> dict[bytes, set[bytes]]:
        """The digests of all visible facts of some distinct entities, without the entities that have none."""
        ...

    def size(self, relation: str, bound: Mapping[str, Cell]) -> int:
        """About how many tuples `scan` would give, at no cost to speak of."""
        ...

    def has(self, delta: Cid) -> bool:
        """Whether a delta is here and visible."""
        ...

    def place(self, delta: Cid) -> int:
        """Where in the log a visible delta is by the index, counted from 1; 0 where it is not there."""
        ...

    def envelope(self, delta: Cid) -> bytes | None:
        """The exact bytes of a delta as it arrived, visible or held back, or None."""
        ...

    def envelopes(self, after_epoch: int = 0) -> Iterator[tuple[int, bytes]]:
        """The epoch and exact bytes of every delta that is visible when this is called, in the order of the log."""
        ...

    def entities(self, cut: Cut) -> Iterator[bytes]:
        """Every entity of a visible fact, once each, in the order of their bytes; streamed."""
        ...

    def entities_starting(self, digits: str, cut: Cut, most: int = 10) -> list[bytes]:
        """Up to `most` visible entities whose hexadecimal id begins with these lower-case digits (any number of them)."""
        ...

    def has_author(self, author: bytes) -> bool:
        """Whether any delta of this author is visible to all."""
        ...

    def may_have_fact(self, fact: Cid) -> bool:
        """Whether a fact may be here: False is certain, and told without building anything."""
        ...

    def repeated(self, epoch: int) -> Iterator[tuple[bytes, Cell]]:
        """The registers (entity, attribute) about which more than one fact was known at an epoch; no other is contested."""
        ...

    def attribute_names(self) -> list[Attribute]:
        """Every attribute that any fact here ever had, at no cost to speak of."""
        ...

    def attributes(self, cut: Cut) -> list[AttributeSummary]:
        """A summary of every attribute in use, most facts first."""
        ...

    def counts(self, cut: Cut) -> dict[str, int]:
        """How many `facts`, `entities`, `attributes`, `deltas`, `authors` and `causes` are visible."""
        ...

    def last_time(self) -> HybridTime:
        """The greatest claimed time among the visible deltas: where the next one's clock goes on."""
        ...

    def held(self) -> list[Held]:
        """The deltas kept back, soonest first."""
        ...

    def next_due(self) -> int | None:
        """When the first of the deltas kept back is due, in milliseconds; None if none waits for its time.

        Without reading them all: this is asked at every admission.
        """
        ...

    def held_sizes(self) -> list[tuple[bytes, str, int, int]]:
        """How many deltas of which author and origin are kept back, and their bytes."""
        ...

    def members(self, author: bytes, group: Group) -> tuple[int, list[Held]]:
        """How many deltas of an author's group are visible, and those that are held back."""
        ...

    def names(self) -> dict[bytes, str]:
        """What this copy calls each author key."""
        ...

    def verify(self, progress: Progress | None = None) -> Iterator[Finding]:
        """Re-check every hash, signature, cause and page of the index; yield what is wrong. Nothing is changed.

        Manifests of attachments that list blocks which are not here come too, and are no damage. `progress` is told of records: the deltas of the log and the blocks of attachments.
        """
        ...

    def rebuild_index(self) -> list[Finding]:
        """Make everything derived anew from the log; yields what of the log could not be read."""
        ...

    # -- writing ----------------------------------------------------------------------------------------------------

    def writing(self, wait_ms: int | None = None) -> AbstractContextManager[None]:
        """One atomic write: everything inside is kept or nothing is. Waits for other writers, then says who is in the way.

        Whoever writes uses it through `writing.write`, which Ctrl-C cannot leave open.

        `wait_ms`: how long this time, if not as long as the store was opened to wait.
        """
        ...

    def abandon_write(self) -> None:
        """Take back a write that was left without being told, as Ctrl-C can leave it (`writing.write`)."""
        ...

    def begin(self, at_ms: int, origin: str) -> int:
        """Open the next epoch inside `writing` and return its number."""
        ...

    def append(self, deltas: Sequence[Delta], epoch: int) -> int:
        """Add verified deltas, in order, to the epoch that was begun last; known ones are passed over.

        Returns how many were new. A delta that was held back is so no more.
        """
        ...

    def hold(self, delta: Delta, arrived_ms: int, origin: str, due_ms: int | None, reason: str) -> bool:
        """Keep a verified delta back. False if it was known."""
        ...

    def release(self, delta: Cid) -> tuple[bytes, str] | None:
        """Take a held delta out and return its bytes and origin."""
        ...

    def name(self, author: bytes, name: str) -> None:
        """Remember what this copy calls an author key."""
        ...

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        ...

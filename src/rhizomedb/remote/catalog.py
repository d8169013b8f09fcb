"""The catalog: what a place holds, as far as it can be believed.

Bundles that are not what their names say are noted and passed over; the rest is still to be had. Names that are no
bundle's are strangers, which are left alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from rhizomedb.errors import BundleRefused, Error, RemoteError
from rhizomedb.facts.delta import Delta
from rhizomedb.remote.bundle import Head, Name, id_of, read_body, read_head
from rhizomedb.remote.place import Listed, Place, Progress

OBJECTS_MAX: Final = 1_000_000
"""How many objects a place may list."""

REFUSED_MAX: Final = 1_000
"""How many broken bundles are named; more are only counted."""

HEADS_AHEAD: Final = 16
BODIES_AHEAD: Final = 4
"""How many heads and bodies are asked for at once: a place may be far away."""

Item = TypeVar("Item")
Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class Entry:
    """A bundle whose head was read: what it holds, and how long the object is."""

    head: Head
    size: int


class Catalog:
    """A place under examination. What it notes on the way is complete when everything has been gone through.

    `broken` bundles are those refused, `refused` says why of the first of them, `strangers` are objects that are no bundles.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.broken: set[Name] = set()
        self.refused: list[RemoteError] = []
        self.strangers = 0

    def entries(self, progress: Progress | None = None) -> Iterator[Entry]:
        """Every bundle that is there, its head read; `progress` is told how many bytes of heads came."""
        done = 0
        for entry in self._ahead(self._entry, ((named[0], named) for named in self._names()), HEADS_AHEAD):
            if entry is not None:
                done += entry.head.name.head_bytes
                if progress is not None:
                    progress(done, 0)
                yield entry

    def bodies(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, list[bytes]]]:
        """The envelopes of some bundles, not yet verified."""
        return (
            got
            for got in self._ahead(self._body, ((entry.head.name, entry) for entry in entries), BODIES_AHEAD)
            if got is not None
        )

    def sound(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Those bundles that can be read to the end and of which every delta is signed as it should be."""
        return (
            entry for entry, envelopes in self.bodies(entries) if len(self.verified(entry, envelopes)) == len(envelopes)
        )

    def verified(self, entry: Entry, envelopes: Iterable[bytes]) -> list[bytes]:
        """Those envelopes of a bundle that are deltas; if there are others, the bundle is noted as broken."""
        good: list[bytes] = []
        forged: list[tuple[bytes, Error]] = []
        for envelope in envelopes:
            try:
                Delta.decode(envelope)
            except Error as error:
                forged.append((envelope, error))
            else:
                good.append(envelope)
        if forged:
            self.refuse_forged(entry, forged)
        return good

    def refuse_forged(self, entry: Entry, forged: Sequence[tuple[bytes, Error]]) -> None:
        """Note a bundle as broken of which some envelopes are no deltas."""
        first, reason = forged[0]
        more = f", and {len(forged) - 1:,} more" if forged[1:] else ""
        message = f"its delta {id_of(first).hex()[:16]}… cannot be trusted{more}: {reason.code}: {reason.message}"
        self._refuse(
            entry.head.name,
            BundleRefused(
                "remote.forged",
                message,
                where=f"bundle {entry.head.name}",
                fix="rhizome push FILE URL --check, from a copy that has it",
            ),
        )

    def _refuse(self, name: Name, error: BundleRefused) -> None:
        self.broken.add(name)
        if len(self.refused) < REFUSED_MAX:
            self.refused.append(error)

    def _names(self) -> Iterator[tuple[Name, int]]:
        for count, listed in enumerate(self._place.list(), 1):
            if count > OBJECTS_MAX:
                raise RemoteError(
                    "remote.too-big",
                    f"{self._place.label} lists more than {OBJECTS_MAX:,} objects",
                    fix="push to a new place",
                )
            name = self._name(listed)
            if name is not None:
                yield name, listed.size

    def _name(self, listed: Listed) -> Name | None:
        name = Name.parse(listed.name)
        if name is None:
            self.strangers += 1
        elif not name.head_bytes < listed.size <= name.bytes_max:
            code = "remote.altered" if listed.size <= name.head_bytes else "remote.too-big"
            message = f"it is {listed.size:,} bytes long, not {name.head_bytes + 1:,} to {name.bytes_max:,}"
            self._refuse(name, BundleRefused(code, message, where=f"bundle {name}"))
        else:
            return name
        return None

    def _entry(self, named: tuple[Name, int]) -> Entry:
        name, size = named
        return Entry(read_head(name, self._place.read(str(name), 0, name.head_bytes)), size)

    def _body(self, entry: Entry) -> tuple[Entry, list[bytes]]:
        name = entry.head.name
        return entry, read_body(entry.head, self._place.read(str(name), name.head_bytes, entry.size))

    def _ahead(
        self, read: Callable[[Item], Got], items: Iterable[tuple[Name, Item]], ahead: int
    ) -> Iterator[Got | None]:
        """What is read for each item, in their order, some of it while the caller is busy; None for what is refused."""
        waiting: deque[tuple[Name, Future[Got]]] = deque()
        pool = ThreadPoolExecutor(ahead, thread_name_prefix="rhizome-remote")
        try:
            for name, item in items:
                if len(waiting) == ahead:
                    yield self._got(*waiting.popleft())
                waiting.append((name, pool.submit(read, item)))
            while waiting:
                yield self._got(*waiting.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # what is under way ends when the place is closed

    def _got(self, name: Name, future: Future[Got]) -> Got | None:
        try:
            return future.result()
        except BundleRefused as error:
            self._refuse(name, error)
            return None

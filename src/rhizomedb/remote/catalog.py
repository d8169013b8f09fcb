"""The catalog: what a place holds, as far as it can be believed.

Bundles that are not what their names say are noted and passed over; the rest is still to be had. Names that are no
bundle's are strangers, which are left alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from rhizomedb._record import dataclass
from rhizomedb.errors import BundleRefused, Error, RemoteError
from rhizomedb.remote.bundle import Head, Name, read_body, read_head
from rhizomedb.remote.kind import DIGEST_BYTES, Kind
from rhizomedb.remote.place import Listed, Place, Progress

OBJECTS_MAX: Final = 1_000_000
"""How many objects a place may list."""

REFUSED_MAX: Final = 1_000
"""How many broken bundles are named; more are only counted."""

HEADS_BYTES_MAX: Final = 64 << 20
"""How many bytes of heads are kept for who goes through them again: what two million deltas need, or 130 GB of content."""

HEADS_AHEAD: Final = 16
BODIES_AHEAD: Final = 4
"""How many heads and bodies are asked for at once: a place may be far away."""

Asked = TypeVar("Asked")
Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class Entry:
    """A bundle whose head was read: what it holds, and how long the object is."""

    head: Head
    size: int


class Catalog:
    """What a place holds of a kind, under examination. What it notes on the way is complete when all has been gone through.

    `broken` bundles are those refused, `refused` says why of the first of them, `strangers` are objects that are no bundles.
    """

    def __init__(self, place: Place, kind: Kind, keep_bytes: int = 0) -> None:
        """`keep_bytes`: how many bytes of heads are remembered for who goes through the entries again."""
        self._place = place
        self._kind = kind
        self._room = keep_bytes
        self._heads: dict[Name, Head] = {}
        self.broken: set[Name] = set()
        self.refused: list[RemoteError] = []
        self.strangers = 0

    def entries(self, progress: Progress | None = None) -> Iterator[Entry]:
        """Every bundle that is there, its head read; `progress` is told how many bytes of heads came."""
        done = 0
        self.strangers = 0
        for entry in self.again(self._names()):
            name = entry.head.name
            done += name.head_bytes
            if name not in self._heads and name.head_bytes <= self._room:
                self._room -= name.head_bytes
                self._heads[name] = entry.head
            if progress is not None:
                progress(done, 0)
            yield entry

    def again(self, named: Iterable[tuple[Name, int]]) -> Iterator[Entry]:
        """The bundles of some names and sizes; the heads that are not kept are read again."""
        return (
            entry
            for entry in self._ahead(self._entry, ((each[0], each) for each in named), HEADS_AHEAD)
            if entry is not None
        )

    def forget(self, entry: Entry) -> None:
        """Keep the head of a bundle no longer: there is room for another."""
        if self._heads.pop(entry.head.name, None) is not None:
            self._room += entry.head.name.head_bytes

    def bodies(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, list[bytes]]]:
        """The items of some bundles, not yet verified."""
        return (
            got
            for got in self._ahead(self._body, ((entry.head.name, entry) for entry in entries), BODIES_AHEAD)
            if got is not None
        )

    def sound(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Those bundles that can be read to the end and of which every item is what it should be."""
        return (entry for entry, items in self.bodies(entries) if self._is_sound(entry, items))

    def _is_sound(self, entry: Entry, items: Iterable[bytes]) -> bool:
        forged: list[tuple[bytes, Error]] = []
        for name, item in zip(entry.head.ids, items, strict=True):
            try:
                self._kind.check(name, item)
            except Error as error:
                forged.append((name, error))
        if forged:
            self.refuse_forged(entry, forged)
        return not forged

    def refuse_forged(self, entry: Entry, forged: Sequence[tuple[bytes, Error]]) -> None:
        """Note a bundle as broken of which some items, called by their ids, are not what they should be."""
        first, reason = forged[0]
        more = f", and {len(forged) - 1:,} more" if forged[1:] else ""
        message = f"its {self._kind.item} {first[-DIGEST_BYTES:].hex()[:16]}… cannot be trusted{more}: {reason.code}: {reason.message}"
        self._refuse(
            entry.head.name,
            BundleRefused(
                "remote.forged",
                message,
                where=entry.head.name.where,
                fix="rhizome push FILE URL --check, from a copy that has it",
            ),
        )

    def _refuse(self, name: Name, error: BundleRefused) -> None:
        if name in self.broken:
            return
        self.broken.add(name)
        if len(self.refused) < REFUSED_MAX:
            error.__traceback__ = error.__context__ = None  # whose frames hold what was read
            self.refused.append(error)

    def _names(self) -> Iterator[tuple[Name, int]]:
        for count, listed in enumerate(self._place.list(self._kind), 1):
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
        name = Name.parse(self._kind, listed.name)
        if name is None:
            self.strangers += 1
        elif name in self.broken:
            return None
        elif not name.head_bytes < listed.size <= name.bytes_max:
            code = "remote.altered" if listed.size <= name.head_bytes else "remote.too-big"
            message = f"it is {listed.size:,} bytes long, not {name.head_bytes + 1:,} to {name.bytes_max:,}"
            self._refuse(name, BundleRefused(code, message, where=name.where))
        else:
            return name
        return None

    def _entry(self, named: tuple[Name, int]) -> Entry:
        name, size = named
        head = self._heads.get(name)
        return Entry(head or read_head(name, self._place.read(self._kind, str(name), 0, name.head_bytes)), size)

    def _body(self, entry: Entry) -> tuple[Entry, list[bytes]]:
        name = entry.head.name
        return entry, read_body(entry.head, self._place.read(self._kind, str(name), name.head_bytes, entry.size))

    def _ahead(
        self, read: Callable[[Asked], Got], items: Iterable[tuple[Name, Asked]], ahead: int
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

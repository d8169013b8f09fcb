"""The subscriptions of a connection: who is told of what comes, found by an index, so that a write costs by whom it concerns.

What comes is read from the log once for all, delta by delta, when somebody looks; after a write of this connection only
where somebody waits to be told. A subscription that is behind, because it is resumed or its buffer is full, is *not live*: it
reads the log itself until it has caught up. So no queue grows, and nothing is lost that the log has.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol

from rhizomedb.crdt.register import RETRACTS
from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.graph.negations import Fates
from rhizomedb.db.live.cursor import Place, cursor_of, end_of, named_end_of, place_of
from rhizomedb.db.live.delta_filter import Came, DeltaFilter, Key
from rhizomedb.db.live.subscription import Overflow, Subscription, Told, ToldView
from rhizomedb.db.live.watch import POLL_S
from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.value import Cell
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.store import Cut, Store

if TYPE_CHECKING:
    from rhizomedb.db.live.live_view import View
    from rhizomedb.db.live.outlet import Sink
    from rhizomedb.db.live.telling import Tellers
    from rhizomedb.db.live.view_change import ViewChange


FEW: Final = 256
"""So many deltas are read from the log without asking the index which of them are meant."""


class Channel(Protocol):
    """Where subscriptions of one kind are told what comes."""

    what: str

    @property
    def place(self) -> Place:
        """Up to where the log was looked at."""
        ...

    def add(self, sub: Subscription[Any]) -> None:
        """Tell a subscription of what comes after this channel's place."""
        ...

    def remove(self, sub: Subscription[Any]) -> None:
        """Tell it nothing more."""
        ...

    def forget(self, sub: Subscription[Any]) -> None:
        """Let one go."""
        ...

    def read(self, sub: Subscription[Any], after: Place) -> Iterator[Any]:
        """What a subscription would have been told between a place and this channel's."""
        ...

    def look(self, newest: int) -> None:
        """Go on to the newest epoch, and tell those that are live."""
        ...

    @property
    def is_wanted(self) -> bool:
        """Whether anybody needs it."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


class Deltas:
    """The deltas of the log, told by filters. An index leads from a delta to those whose filters name something of it."""

    what = "deltas"

    def __init__(self, store: Store, newest: int, cursor: Callable[[Place], str]) -> None:
        self.place = end_of(store, newest)
        self._store = store
        self._cursor = cursor
        self._filters: dict[Subscription[Any], DeltaFilter] = {}
        self._live: dict[Key, dict[Subscription[Any], None]] = {}
        self._fates: tuple[int, dict[frozenset[bytes] | None, Fates]] = (-1, {})
        self._parts: dict[str, int] = {}  # how many keys there are of each part

    @property
    def is_wanted(self) -> bool:
        """Always: it costs nothing where nobody is subscribed."""
        return True

    def enrol(self, sub: Subscription[Any], filter: DeltaFilter) -> None:
        """Take in a new subscription."""
        self._filters[sub] = filter

    def forget(self, sub: Subscription[Any]) -> None:
        """Let one go."""
        self.remove(sub)
        self._filters.pop(sub, None)

    def add(self, sub: Subscription[Any]) -> None:
        """Tell a subscription of what comes."""
        for key in self._filters[sub].keys():  # noqa: SIM118  # a filter is no mapping
            if key not in self._live:
                self._live[key] = {}
                self._parts[key[0]] = self._parts.get(key[0], 0) + 1
            self._live[key][sub] = None
        sub.is_live = True

    def remove(self, sub: Subscription[Any]) -> None:
        """Tell it nothing more."""
        if not sub.is_live:
            return
        sub.is_live = False
        for key in self._filters[sub].keys():  # noqa: SIM118
            subs = self._live.get(key, {})
            subs.pop(sub, None)
            if not subs and self._live.pop(key, None) is not None:
                self._parts[key[0]] -= 1
                if not self._parts[key[0]]:
                    del self._parts[key[0]]

    def read(self, sub: Subscription[Any], after: Place) -> Iterator[Told]:
        """What the filter of a subscription finds in the log between a place and this one's."""
        filter = self._filters[sub]
        numbers = self._found(filter, after)
        for came in self._between(after, self.place) if numbers is None else self._at(numbers):
            told = self._told(sub, filter, came)
            if told is not None:
                yield told

    def look(self, newest: int) -> None:
        """Read what came, and tell everybody whom it concerns."""
        if newest <= self.place.epoch:
            return
        last = end_of(self._store, newest)
        for came in self._between(self.place, last) if self._live else ():
            for sub in self._concerned(came):
                if sub.is_live:  # one may close another
                    told = self._told(sub, self._filters[sub], came)
                    if told is not None:
                        sub._offer(told)
            self.place = came.place
            if not self._live:
                break  # all are behind, and read it when they have room
        self.place = replace(last, delta=self.place.delta if self.place.number == last.number else None)

    def close(self) -> None:
        """Free what it holds."""
        self._filters.clear()
        self._live.clear()
        self._parts.clear()

    def _concerned(self, came: Came) -> list[Subscription[Any]]:
        """The live subscriptions whose filters a delta may match, first come first served."""
        found: dict[Subscription[Any], None] = {}
        for key in came.keys(self._parts):
            some = self._live.get(key)
            if some is not None:
                found.update(some)
        return sorted(found, key=lambda sub: sub.serial)

    def _told(self, sub: Subscription[Any], filter: DeltaFilter, came: Came) -> Told | None:
        """What a subscription is told of a delta; None where it is not meant, or its predicate raised."""
        try:
            facts = filter.match(came)
        except Error:
            raise
        except Exception as error:
            sub._fail(error)
            return None
        if facts is None:
            return None
        return Told(came.place.epoch, came.delta, facts, filter.shown(came), 0, came.place, self._cursor)

    def _between(self, after: Place, last: Place) -> Iterator[Came]:
        """The deltas after one place up to another."""
        if last.number <= after.number:
            return
        whole = self._store.totals(after.epoch)[0] if after.epoch else 0
        if after.number < whole:  # the place is within its epoch
            before = self._store.totals(after.epoch - 1)[0] if after.epoch > 1 else 0
            epochs, passed = after.epoch - 1, after.number - before
        else:
            epochs, passed = after.epoch, 0
        number = after.number
        for epoch, envelope in islice(self._store.envelopes(epochs), passed, None):
            number += 1
            yield self._came(epoch, number, envelope)
            if number >= last.number:
                return

    def _found(self, filter: DeltaFilter, after: Place) -> list[int] | None:
        """The deltas after a place that a filter may mean, by the index; None where the log itself is to be read."""
        if not isinstance(self._store, SqliteStore) or self.place.number - after.number <= FEW:
            return None
        cut = Cut(epoch=self.place.epoch)
        source = edge_source(self._store, cut)
        edge = filter.edge
        if edge.ids is not None or edge.targets is not None:
            found = edge.candidates(source)[0]
        elif filter.entities is not None:
            found = self._saying("entity", filter.entities, cut)
        elif edge.contexts is not None:
            found = edge.candidates(source)[0]
        elif filter.attributes is not None:
            if (
                sum(self._store.size("fact", {"attribute": each}) for each in filter.attributes)
                > self.place.number // 4
            ):
                return None  # so many are meant that they may as well be read in their order
            found = self._saying("attribute", {*filter.attributes, RETRACTS}, cut)
        elif (edge.authors, edge.systems, edge.since, edge.until) != (None, None, None, None):
            found = {
                self._store.place(delta)  # type: ignore[arg-type]  # the column holds CIDs
                for delta, author, system, ms, *_ in self._store.scan("delta", {}, cut)
                if filter.is_said_by(author, system, ms)
            }
        else:
            return None
        return sorted(number for number in found if after.number < number <= self.place.number)

    def _saying(self, column: str, cells: Iterable[Cell], cut: Cut) -> set[int]:
        """The deltas that say facts with one of some cells."""
        facts = ((row[0],) for cell in cells for row in self._store.scan("fact", {column: cell}, cut))
        deltas = {row[0] for row in self._store.scan_keys("asserts", {}, ("fact",), dict.fromkeys(facts), cut)}
        return {self._store.place(delta) for delta in deltas}  # type: ignore[arg-type]  # the column holds CIDs

    def _at(self, numbers: list[int]) -> Iterator[Came]:
        """The deltas of some numbers."""
        assert isinstance(self._store, SqliteStore), "they were found by its index"
        for first in range(0, len(numbers), FEW):
            some = numbers[first : first + FEW]
            edges = self._store.edges(Cut(epoch=self.place.epoch))
            for number, epoch in zip(some, edges.epochs(some), strict=True):
                envelope = self._store.envelope(edges.delta(number))
                yield self._came(epoch, number, envelope or b"")

    def _came(self, epoch: int, number: int, envelope: bytes) -> Came:
        if self._fates[0] != epoch:  # of one epoch is remembered what takes back what: those of one write hang together
            self._fates = epoch, {}
        return Came(self._store, *self._decoded(epoch, number, envelope), self._fates[1])

    def _decoded(self, epoch: int, number: int, envelope: bytes) -> tuple[Place, Delta]:
        try:
            delta = Delta.decode(envelope)
        except Error as error:
            raise StoreError(
                "store.damaged",
                f"delta {number} of {self._store.path} does not say what it said when it was written: {error.message}",
                fix=f"rhizome verify {self._store.path}",
            ) from None
        return Place(epoch, number, delta.id), delta


class Changes:
    """The changes of one view: all its subscribers share it, and it is closed when the last of them goes."""

    def __init__(
        self, store: Store, what: str, make: Callable[[], View], relations: list[str], cursor: Callable[[Place], str]
    ) -> None:
        self.what = what
        self._store = store
        self._make = make
        self._relations = relations
        self._cursor = cursor
        self._live: dict[Subscription[Any], None] = {}
        self._all: dict[Subscription[Any], None] = {}
        self._view = make()
        self._sink: Sink = self._view.sink(relations, self._tell)
        self.notices = self._view.notices

    @property
    def place(self) -> Place:
        """Where the view is."""
        return end_of(self._store, self._view.epoch)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody is subscribed."""
        return bool(self._all)

    def enrol(self, sub: Subscription[Any]) -> None:
        """Take in a new subscription."""
        self._all[sub] = None

    def forget(self, sub: Subscription[Any]) -> None:
        """Let one go."""
        self.remove(sub)
        self._all.pop(sub, None)

    def add(self, sub: Subscription[Any]) -> None:
        """Tell a subscription of what changes."""
        self._live[sub] = None
        sub.is_live = True

    def remove(self, sub: Subscription[Any]) -> None:
        """Tell it nothing more."""
        self._live.pop(sub, None)
        sub.is_live = False

    def read(self, sub: Subscription[Any], after: Place) -> Iterator[ToldView]:
        """What changed between a place and this one's, by a view of its own, moved epoch by epoch."""
        last = self._view.epoch
        with self._make() as view:
            view.rewind(after.epoch)
            with view.watch(self._relations, timeout_s=0) as watch:
                for epoch in range(after.epoch + 1, last + 1):
                    view.rewind(epoch)
                    while watch._buffer:
                        yield self._told(watch._next())

    def look(self, newest: int) -> None:
        """Bring the view up to date. If that fails, its subscriptions end with the error, and it is begun anew by others."""
        try:
            while self._view._pull():
                pass
        except StoreError:
            raise  # that may be otherwise at the next look
        except Error as error:
            for sub in list(self._all):
                sub._fail(error)

    def close(self) -> None:
        """Free what it holds."""
        self._live.clear()
        self._all.clear()
        self._view.close()

    def _tell(self, change: ViewChange) -> None:
        told = self._told(change)
        for sub in list(self._live):
            sub._offer(told)

    def _told(self, change: ViewChange) -> ToldView:
        return ToldView(change, 0, named_end_of(self._store, change.epoch), self._cursor)


class Subscriptions:
    """All subscriptions of a connection. `newest` looks which epoch is the newest."""

    def __init__(self, store: Store, newest: Callable[[], int]) -> None:
        self._store = store
        self._newest = newest
        self._thread = threading.get_ident()
        self._deltas: Deltas | None = None
        self._changes: dict[object, Changes] = {}
        self._subs: dict[Subscription[Any], bool] = {}  # each with whether its receiver has a thread of its own
        self._serial = 0
        self._receivers: dict[Subscription[Any], None] = {}  # those that are told at once, as are
        self._awaited: dict[Subscription[Any], None] = {}  # those that somebody awaits
        self.due: dict[Subscription[Any], None] = {}  # receivers for whom something came
        self.behind: dict[Subscription[Any], None] = {}  # receivers that are not live
        self._gone: deque[tuple[Subscription[Any], Channel]] = deque()
        self._is_looking = self._is_delivering = False
        self._tellers: Tellers | None = None
        self._poller: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._subs)

    @property
    def is_mine(self) -> bool:
        """Whether this is the thread that may ask the database."""
        return threading.get_ident() == self._thread

    # -- subscribing ------------------------------------------------------------------------------------------------

    def to_deltas(
        self,
        filter: DeltaFilter,
        after: str | int | None,
        buffer: int,
        overflow: Overflow,
        timeout_s: float | None,
        receiver: Callable[[Told], object] | None,
        thread: bool,
    ) -> Subscription[Told]:
        """A subscription to the deltas that a filter means."""
        self.look()
        if self._deltas is None:
            self._deltas = Deltas(self._store, self._newest(), self.cursor)
        channel = self._deltas
        place = channel.place if after is None else self.place(after, channel)
        sub: Subscription[Told] = self._new(channel, place, buffer, overflow, timeout_s, receiver)
        channel.enrol(sub, filter)
        return self._begun(sub, thread)

    def to_changes(
        self,
        key: object,
        what: str,
        make: Callable[[], View],
        relations: list[str],
        after: str | int | None,
        buffer: int,
        overflow: Overflow,
        timeout_s: float | None,
        receiver: Callable[[ToldView], object] | None,
        thread: bool,
    ) -> Subscription[ToldView]:
        """A subscription to the changes of a view; those with one `key` share it."""
        self.look()
        channel = self._changes.get(key)
        if channel is None:
            if after is not None:
                place_of(self._store, after, self._newest())  # before anything is worked out
            channel = self._changes[key] = Changes(self._store, what, make, relations, self.cursor)
        try:
            place = channel.place if after is None else self.place(after, channel)
            sub: Subscription[ToldView] = self._new(channel, place, buffer, overflow, timeout_s, receiver)
            sub.notices = channel.notices
            channel.enrol(sub)
            return self._begun(sub, thread)
        finally:
            self._tidy()

    def _new(
        self,
        channel: Channel,
        place: Place,
        buffer: int,
        overflow: Overflow,
        timeout_s: float | None,
        receiver: Callable[[Any], object] | None,
    ) -> Subscription[Any]:
        self._serial += 1
        return Subscription(self, channel, self._serial, place, buffer, overflow, timeout_s, receiver)

    def _begun(self, sub: Subscription[Any], thread: bool) -> Subscription[Any]:
        self._subs[sub] = thread
        if sub.receiver is not None:
            self._receivers[sub] = self.behind[sub] = None
        try:
            sub._catch_up()
        except BaseException:
            sub.close()
            raise
        self.settle(sub)
        return sub

    def place(self, after: str | int | None, channel: Channel) -> Place:
        """The place that a cursor or the number of an epoch names."""
        return channel.place if after is None else place_of(self._store, after, self._newest())

    def cursor(self, place: Place) -> str:
        """The cursor of a place."""
        return cursor_of(self._store, place)

    # -- telling ----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Read what is new, tell everybody whom it concerns, and let receivers have it."""
        self._tidy()
        if self._store.is_writing or self._is_looking or not self._subs:
            return
        self._is_looking = True
        try:
            newest = self._newest()
            if self._deltas is not None:
                self._deltas.look(newest)
            for channel in list(self._changes.values()):
                channel.look(newest)
        finally:
            self._is_looking = False
        self._tidy()
        self._deliver()

    def tell(self) -> None:
        """After a write of this connection: look, if anybody waits to be told. Whatever is wrong, the write is kept."""
        if (self._receivers or self._awaited) and not self._store.is_writing:
            with suppress(Error):
                self.look()

    def settle(self, sub: Subscription[Any]) -> None:
        """Let a receiver have what waits for it."""
        if sub._has_work:
            self._hand_over(sub)

    def _deliver(self) -> None:
        """Let receivers have what came; those that are called here may write, and more comes meanwhile."""
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            for sub in list(self.behind):
                try:
                    sub._catch_up()
                except StoreError:
                    continue  # that may be otherwise at the next look
                except Error as error:
                    sub._fail(error)
                self.settle(sub)
            while self.due:
                for sub in list(self.due):
                    self.due.pop(sub, None)
                    self.settle(sub)
        finally:
            self._is_delivering = False

    def _hand_over(self, sub: Subscription[Any]) -> None:
        if self._subs.get(sub):
            if self._tellers is None:
                from rhizomedb.db.live.telling import Tellers  # most programs have no receiver

                self._tellers = Tellers()
            self._tellers.deliver(sub)
            return
        while sub._deliver():
            pass

    # -- who awaits -------------------------------------------------------------------------------------------------

    def keep_looking(self, sub: Subscription[Any]) -> None:
        """Look now and then, as long as a subscription is awaited in the running loop."""
        self._awaited[sub] = None
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._look_on())

    def waits_no_more(self, sub: Subscription[Any]) -> None:
        """One that was awaited is no more."""
        self._awaited.pop(sub, None)

    async def _look_on(self) -> None:
        nap = POLL_S / 10
        while self._awaited:
            before = self._newest_seen()
            try:
                self.look()
            except Error:  # who awaits looks again, and is told
                for sub in list(self._awaited):
                    sub._wake()
            nap = POLL_S / 10 if self._newest_seen() != before else min(POLL_S, 2 * nap)
            await asyncio.sleep(nap)

    def _newest_seen(self) -> int:
        return max(
            (each.place.epoch for each in (self._deltas, *self._changes.values()) if each is not None), default=0
        )

    # -- the end ----------------------------------------------------------------------------------------------------

    def forget(self, sub: Subscription[Any], channel: Channel) -> None:
        """Hold nothing of a subscription any more, at once or, where that is another thread, at the next look."""
        self._gone.append((sub, channel))
        if self.is_mine:
            self._tidy()

    def close(self) -> None:
        """End all of them."""
        for sub in list(self._subs):
            sub._end(None)
        self._tidy()
        if self._tellers is not None:
            self._tellers.close()
        if self._deltas is not None:
            self._deltas.close()
            self._deltas = None

    def _tidy(self) -> None:
        while self._gone:
            sub, channel = self._gone.popleft()
            channel.forget(sub)
            self._subs.pop(sub, None)
            for some in (self._receivers, self._awaited, self.due, self.behind):
                some.pop(sub, None)
        for key, each in list(self._changes.items()):
            if not each.is_wanted and not self._is_looking:
                del self._changes[key]
                each.close()
        if self._deltas is not None and not self._subs:
            self._deltas = None

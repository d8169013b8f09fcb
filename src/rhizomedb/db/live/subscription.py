"""A subscription: what comes of that which its subscriber asked for, in the order of the log, each once.

It is read as it suits: `poll`, `next`, `for`, `async for`, or by a receiver that is called. It keeps a few items that were
not taken yet; what becomes of more is its *overflow*, a word of `OVERFLOWS`. Up to where it was read is its `cursor`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

from rhizomedb._record import dataclass
from rhizomedb.db.live.cursor import Place
from rhizomedb.db.live.watch import POLL_S
from rhizomedb.errors import RequestError

if TYPE_CHECKING:
    from rhizomedb.db.live.subscriptions import Channel, Subscriptions
    from rhizomedb.db.live.view_change import Difference, ViewChange
    from rhizomedb.facts.delta import Delta
    from rhizomedb.facts.fact import Fact
    from rhizomedb.hyper.pointer import Hyperedge

Overflow = Literal["block", "drop_oldest", "drop_newest", "error"]

BUFFER: Final = 1000
"""How many items a subscription keeps that were not taken yet."""

AT_A_TIME: Final = 64
"""How many items a receiver is given before others have their turn."""


class Item(Protocol):
    """What a subscriber is told."""

    @property
    def _place(self) -> Place:
        """Where in the log it ends."""
        ...

    def _after_missed(self, missed: int) -> Any:
        """The same, saying how many were dropped before it."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """A delta that a subscriber is told of: the epoch that brought it, the `facts` of it that are meant, and its hyperedge.

    `missed` counts the items that were dropped before this one, because they were not taken in time. `cursor` is the
    place after it.
    """

    epoch: int
    delta: Delta
    facts: tuple[Fact, ...]
    edge: Hyperedge | None
    missed: int
    _place: Place
    _cursor: Callable[[Place], str]

    @property
    def cursor(self) -> str:
        """Where to go on after it; see `Subscription.cursor`."""
        return self._cursor(self._place)

    def _after_missed(self, missed: int) -> Told:
        """The same, saying how many were dropped before it."""
        return Told(self.epoch, self.delta, self.facts, self.edge, missed, self._place, self._cursor)

    def __repr__(self) -> str:
        said = repr(self.edge) if self.edge is not None else ", ".join(map(repr, self.facts[:3]))
        missed = f", {self.missed} missed before" if self.missed else ""
        return f"<Told of epoch {self.epoch}{missed}: {said}>"


@dataclass(frozen=True, slots=True)
class ToldView:
    """What an epoch changed in a view that is subscribed to, as `change`; `missed` and `cursor` as those of `Told`."""

    change: ViewChange
    missed: int
    _place: Place
    _cursor: Callable[[Place], str]

    @property
    def epoch(self) -> int:
        """The epoch that changed it."""
        return self.change.epoch

    @property
    def plus(self) -> tuple[Any, ...]:
        """The tuples that came."""
        return self.change.plus

    @property
    def minus(self) -> tuple[Any, ...]:
        """The tuples that went."""
        return self.change.minus

    def __getitem__(self, relation: str) -> Difference:
        return self.change[relation]

    @property
    def cursor(self) -> str:
        """Where to go on after it."""
        return self._cursor(self._place)

    def _after_missed(self, missed: int) -> ToldView:
        """The same, saying how many were dropped before it."""
        return ToldView(self.change, missed, self._place, self._cursor)

    def __repr__(self) -> str:
        missed = f", {self.missed} missed before" if self.missed else ""
        return f"<ToldView of epoch {self.epoch}{missed}: {len(self.plus)} came, {len(self.minus)} went>"


class Counts(NamedTuple):
    """What became of the items of a subscription: how many wait of how many that may, came, were taken, and were dropped."""

    waiting: int
    buffer: int
    received: int
    taken: int
    dropped: int


T = TypeVar("T", bound=Item)


class Subscription(Generic[T]):
    """What one subscriber is told; made by `Connection.subscribe` and its sisters.

        with db.subscribe(targets=["matrix"], contexts=["cast"]) as sub:
            for told in sub:
                print(told.edge)

    `pause` and `resume` lose nothing, and neither does who comes back with its `cursor`. It lives until it is closed, or
    its connection is; what has come by then can still be taken of a connection that was closed.
    """

    def __init__(
        self,
        hub: Subscriptions,
        channel: Channel,
        serial: int,
        place: Place,
        buffer: int,
        overflow: Overflow,
        timeout_s: float | None,
        receiver: Callable[[T], object] | None,
    ) -> None:
        self.serial = serial
        self.receiver = receiver
        self.notices: tuple[str, ...] = ()
        """What the subscriber should know, such as an attribute that no fact has."""
        self.channel: Channel | None = channel
        self.is_live = False
        """Whether the channel hands it what comes; else it reads the log itself, from `_read_to` on."""
        self._hub = hub
        self._timeout_s = timeout_s
        self._size = buffer
        self._overflow: Overflow = overflow
        self._lock = Lock()
        self._buffer: deque[T] = deque()
        self._missed = 0  # dropped, and not told of yet
        self._received = self._taken = self._dropped = 0
        self._last = place  # the last that was offered: an interruption may offer it again
        self._read_to = place
        self._reading: Iterator[T] | None = None
        self._target = place  # where that reading ends
        self._taken_to = place
        self._is_paused = False
        self._fault: BaseException | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._at_work = False

    # -- reading ----------------------------------------------------------------------------------------------------

    def poll(self, most: int | None = None) -> list[T]:
        """What there is now, at most so many, without waiting; nothing while it is paused."""
        if most is not None and (type(most) is not int or most < 0):
            raise RequestError("db.usage", f"a limit is a whole number, not {most!r:.60}", fix="sub.poll(20)")
        self._check_reader()
        found: list[T] = []
        if self._is_paused or self._overflow != "block":
            self._look()  # too much may have come for it
        while (most is None or len(found) < most) and not self._is_paused:
            if not self._buffer:
                self._look()
                if not self._buffer:
                    break
            found.append(self._take())
        if not found:
            self._raise_fault()
        return found

    def next(self, timeout_s: float | None = None) -> T | None:
        """The next item, waited for; None where nothing came for `timeout_s` seconds (None: for ever), or it is closed."""
        _check_seconds(timeout_s)
        self._check_reader()
        nap, began = POLL_S / 10, time.monotonic()
        while True:
            self._check_running()
            if not self._buffer or self._overflow != "block":
                self._look()
            if self._buffer:
                return self._take()
            self._raise_fault()
            left = POLL_S if timeout_s is None else began + timeout_s - time.monotonic()
            if self.is_closed or left <= 0:
                return None
            time.sleep(min(nap, left))
            nap = min(POLL_S, nap * 2)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        found = self.next(self._timeout_s)
        if found is None:
            raise StopIteration
        return found

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        self._check_reader()
        began = time.monotonic()
        while True:
            if not self._buffer or self._is_paused or self._overflow != "block":
                self._look()
            if self._buffer and not self._is_paused:
                await asyncio.sleep(0)  # others have their turn between two items
                if self._buffer and not self._is_paused:
                    return self._take()
                continue
            if not self._is_paused:
                self._raise_fault()
            left = None if self._timeout_s is None else began + self._timeout_s - time.monotonic()
            if self.is_closed or (left is not None and left <= 0):
                raise StopAsyncIteration
            waiting = asyncio.get_running_loop().create_future()
            self._waiting = waiting
            self._hub.keep_looking(self)
            try:
                await asyncio.wait([waiting], timeout=left)
            finally:
                self._waiting = None
                self._hub.waits_no_more(self)

    @property
    def cursor(self) -> str:
        """Where to go on: a short text, to be given as `after` in this process or another one, of this file or a copy of it.

        It names the place after the last item that was taken, or where nothing waits, up to where the log was looked at.
        """
        with self._lock:
            place = self._taken_to
            channel = self.channel
            if channel is not None and self.is_live and not self._buffer and not self._missed and not self._at_work:
                place = channel.place
        return self._hub.cursor(place)

    @property
    def counts(self) -> Counts:
        """What became of its items so far."""
        if self._hub.is_mine and not self.is_closed:
            self._look()
        with self._lock:
            return Counts(len(self._buffer), self._size, self._received, self._taken, self._dropped)

    @property
    def is_paused(self) -> bool:
        """Whether nothing is taken for now."""
        return self._is_paused

    @property
    def is_closed(self) -> bool:
        """Whether nothing more comes."""
        return self.channel is None

    @property
    def error(self) -> BaseException | None:
        """Why it ended, if something went wrong: too much that was not taken, or what a receiver or predicate raised."""
        return self._fault

    # -- steering ---------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Take nothing for now. What comes is kept, as far as the buffer and its overflow allow."""
        self._check_open()
        if self._hub.is_mine:
            self._look()
        self._is_paused = True

    def resume(self, after: str | int | None = None, *, skip: bool = False) -> None:
        """Go on: where it was; with a cursor or epoch `after` there; with `skip` with what comes from now on."""
        self._check_open()
        if skip and after is not None:
            raise RequestError("db.usage", "`skip` and `after` are two places to go on at", fix="one of them")
        self._look()
        self._check_open()
        assert self.channel is not None, "it is open"
        if skip or after is not None:
            place = self.channel.place if skip else self._hub.place(after, self.channel)
            self._go_to(place)
        self._is_paused = False
        self._wake()
        self._hub.settle(self)

    def settled(self, timeout_s: float | None = None) -> bool:
        """Wait until a receiver has had everything that is there; False where it took longer than `timeout_s` seconds."""
        _check_seconds(timeout_s)
        began = time.monotonic()
        while not self.is_closed:
            self._look()
            self._hub.settle(self)
            with self._lock:
                if self.is_live and not self._buffer and not self._at_work:
                    return True
            if self._is_paused or (timeout_s is not None and time.monotonic() - began >= timeout_s):
                return False
            time.sleep(POLL_S / 50)
        return True

    def close(self) -> None:
        """Unsubscribe: nothing more comes, and nothing is held. Safe to call twice, and from a receiver."""
        with self._lock:
            self._buffer.clear()
        self._end(None)

    def __enter__(self) -> Subscription[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        what = "ended" if self.channel is None else self.channel.what
        state = ", paused" if self._is_paused else ""
        failed = f", {self._fault!r:.60}" if self._fault is not None else ""
        return f"<rhizomedb.Subscription to {what}: {len(self._buffer)} to be taken{state}{failed}>"

    # -- being told -------------------------------------------------------------------------------------------------

    def _offer(self, item: T) -> None:
        """Take in what comes while it is live."""
        with self._lock:
            if self._has(item):
                return
            if len(self._buffer) >= self._size:
                OVERFLOWS[self._overflow](self, item)
            else:
                self._keep(item)
        if self.receiver is not None:
            self._hub.due[self] = None
        self._wake()

    def _wake(self) -> None:
        """Let who waits look again."""
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _fail(self, error: BaseException) -> None:
        """End, because something went wrong that is this subscription's own; what came before can still be taken."""
        self._end(error)

    def _keep(self, item: T) -> None:
        self._buffer.append(item._after_missed(self._missed) if self._missed else item)
        self._last, self._missed = item._place, 0
        self._received += 1

    def _has(self, item: T) -> bool:
        """Whether it was taken in already: what Ctrl-C stops is done again, from before it."""
        last = [self._last, *([self._buffer[-1]._place] if self._buffer else [])]
        return any(item._place.number <= each.number and item._place.epoch <= each.epoch for each in last)

    # -- a full buffer; the lock is held ----------------------------------------------------------------------------

    def _block(self, item: T) -> None:
        """Leave it in the log, from which it is read once there is room."""
        self._leave()

    def _drop_oldest(self, item: T) -> None:
        """Drop what is oldest; the next one says how many were."""
        gone = self._buffer.popleft()
        missed: int = gone.missed + 1  # type: ignore[attr-defined]  # every item counts what it follows
        self._dropped += 1
        if self._buffer:
            first = self._buffer[0]
            self._buffer[0] = first._after_missed(missed + first.missed)  # type: ignore[attr-defined]
        else:
            self._missed += missed
        self._keep(item)

    def _drop_newest(self, item: T) -> None:
        """Drop what has just come; the next one that there is room for says how many were."""
        self._last = item._place
        self._received += 1
        self._dropped += 1
        self._missed += 1

    def _raise(self, item: T) -> None:
        """End: what is there can still be taken, and then an error says why nothing more comes."""
        self._received += 1
        self._dropped += 1
        error = RequestError(
            "db.subscription-overflow",
            f"the subscriber did not take {self._size:,} items before the next one came in epoch {item._place.epoch}, and "
            "was let go",
            fix='subscribe again with after=sub.cursor; buffer=… keeps more, overflow="block" leaves the rest in the log',
        )
        self._end(error)

    # -- within -----------------------------------------------------------------------------------------------------

    def _take(self) -> T:
        """The oldest item; it counts as taken as this returns."""
        with self._lock:
            item = self._buffer.popleft()
            self._taken += 1
            self._taken_to = item._place
        return item

    def _look(self) -> None:
        """Let the channel hand out what is new, and read what it left in the log."""
        if self.channel is not None:
            self._hub.look()
            self._catch_up()

    def _catch_up(self) -> None:
        """Read the log as far as there is room, and be live again where all of it was read."""
        while (channel := self.channel) is not None and not self.is_live:
            if self._reading is None:
                if self._read_to.number >= channel.place.number and self._read_to.epoch >= channel.place.epoch:
                    self._last = channel.place
                    channel.add(self)
                    self._hub.behind.pop(self, None)
                    return
                self._reading, self._target = channel.read(self, self._read_to), channel.place
            try:
                while len(self._buffer) < self._size:
                    item = next(self._reading, None)
                    if self.channel is None:  # a predicate has closed it, or failed
                        return
                    if item is None:
                        self._read_to, self._reading = self._target, None
                        break
                    with self._lock:
                        if not self._has(item):
                            self._keep(item)
                        self._read_to = item._place
                else:
                    return
            except BaseException:
                self._reading = None  # it is read again from the last that was kept
                raise

    def _leave(self) -> None:
        """Be live no more: what comes is read from the log, after the last that was kept."""
        if self.channel is not None and self.is_live:
            self.channel.remove(self)
            self._read_to = self._last
            if self.receiver is not None:
                self._hub.behind[self] = None

    def _go_to(self, place: Place) -> None:
        with self._lock:
            self._buffer.clear()
            self._missed = 0
            self._leave()
            self._reading = None
            self._read_to = self._taken_to = self._last = place
        self._catch_up()

    def _end(self, error: BaseException | None) -> None:
        channel = self.channel
        if channel is None:
            return
        if self._fault is None:
            self._fault = error
        self.channel = None
        self._reading = None
        self._is_paused = False  # what came before can be taken
        self._hub.forget(self, channel)
        self._wake()

    def _check_open(self) -> None:
        if self.is_closed:
            if self._fault is not None:
                raise self._fault.with_traceback(None)
            raise RequestError("db.subscription-closed", "the subscription is closed", fix=FIX_CLOSED)

    def _check_reader(self) -> None:
        if self.receiver is not None:
            raise RequestError(
                "db.usage", "what this subscription is told goes to its receiver", fix="db.subscribe(…) without one"
            )

    def _check_running(self) -> None:
        if self._is_paused and not self.is_closed:
            # Nobody else runs in this thread, so waiting for it would not end.
            raise RequestError("db.subscription-paused", "the subscription is paused", fix="sub.resume()")

    def _raise_fault(self) -> None:
        if self._fault is not None and not self._buffer:
            raise self._fault.with_traceback(None)

    # -- receivers --------------------------------------------------------------------------------------------------

    def _deliver(self) -> bool:
        """Hand some of what waits to the receiver, in whichever thread that is; whether more waits."""
        receiver = self.receiver
        assert receiver is not None, "only a receiver is delivered to"
        for _ in range(AT_A_TIME):
            with self._lock:
                if not self._buffer or self._is_paused:
                    self._at_work = False
                    return False
                item = self._buffer.popleft()
                self._at_work = True
            try:
                receiver(item)
            except Exception as error:
                with self._lock:
                    self._buffer.clear()
                    self._at_work = False
                self._fail(error)
                import logging  # only who needs it pays for loading it

                logging.getLogger("rhizomedb").error(
                    "a receiver of %s raised %r and is called no more", self, error, exc_info=error
                )
                return False
            except BaseException:  # such as Ctrl-C, which is for whoever called
                with self._lock:
                    self._at_work = False
                raise
            with self._lock:
                self._taken += 1
                self._taken_to = item._place
        with self._lock:
            self._at_work = bool(self._buffer) and not self._is_paused
            return self._at_work

    @property
    def _has_work(self) -> bool:
        """Whether a receiver is to be called."""
        return self.receiver is not None and bool(self._buffer) and not self._is_paused


OVERFLOWS: Final[Mapping[str, Callable[[Subscription[Any], Any], None]]] = {
    "block": Subscription._block,
    "drop_oldest": Subscription._drop_oldest,
    "drop_newest": Subscription._drop_newest,
    "error": Subscription._raise,
}
"""What becomes of an item for which there is no room."""

FIX_CLOSED: Final = "db.subscribe(…, after=cursor)"


def check_kept(buffer: Any, overflow: Any) -> None:
    """Refuse a buffer or an overflow that there cannot be."""
    if type(buffer) is not int or buffer < 1:
        raise RequestError("db.usage", f"a buffer holds 1 item or more, not {buffer!r:.60}", fix=f"buffer={BUFFER}")
    if not isinstance(overflow, str) or overflow not in OVERFLOWS:
        words = ", ".join(map(repr, OVERFLOWS))
        raise RequestError("db.usage", f"there is no overflow {overflow!r:.60}", fix=f"one of {words}")


def _check_seconds(value: object) -> None:
    if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1e6):
        raise RequestError("db.usage", f"timeout_s is a number of seconds, not {value!r:.60}", fix="timeout_s=1.5")

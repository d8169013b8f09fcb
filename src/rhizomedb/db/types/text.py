"""A text that several people write at the same time: read as a string, written by positions, told to who watches.

What is a run or a deletion says the program alone: a standing view keeps its relations `inserted` and `deleted`, and what
changes in them goes into the order (`crdt.text_order`). So what others say, other processes and other epochs come by the
same way as what is said here. The order is as the log has it but within a batch, whose edits it has before they are said;
where anything stops in between, it is made anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import ReferenceType, finalize

from rhizomedb.crdt.text import OF_ONE
from rhizomedb.crdt.text_order import Order
from rhizomedb.db.live.outlet import BUFFER, Outlet, Overflow, check_buffer
from rhizomedb.db.live.watch import POLL_S, check_pauses
from rhizomedb.db.types.text_batch import Batch, no_position
from rhizomedb.db.types.text_watch import Splice, TextChange, TextWatch, check_overflow, difference
from rhizomedb.db.view import VIEW_BUDGET
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Entity

if TYPE_CHECKING:
    from rhizomedb.budget import Budget
    from rhizomedb.db.live.live_view import View
    from rhizomedb.db.live.view_change import ViewChange
    from rhizomedb.db.programs.result import Result
    from rhizomedb.db.transaction import Transaction

_RELATIONS: Final = ("inserted", "deleted")

_SESSION_BYTES: Final = 6
"""So many random bytes are eight characters of base64."""

_KEPT_MAX: Final = 1_024
"""How many changes wait for the text to be read; where there are more, it is made anew. So many epochs, and no more, are
told of one by one."""

_UNSEEN_MAX: Final = 64
"""How many facts may be said here before the view looks at them."""

_EPOCH_COSTS: Final = 8
"""What an epoch costs beside its facts, in facts."""


class TextDatabase(Protocol):
    """The connection that a text is read from and written to."""

    def transact(self, items: Iterable[Any], *, author: str | None = None) -> Transaction:
        """Say some things together."""
        ...

    def view(
        self,
        program: str,
        parameters: Mapping[str, object] | None = None,
        *,
        only: str | Iterable[str] | None = None,
        budget: Budget | None = None,
    ) -> View:
        """A standing view of a program."""
        ...

    def at_epoch(self, epoch: int) -> Asked:
        """The database as it was at an epoch."""
        ...

    def _author_of(self, fact: Cid) -> str | None:
        """Who said a fact first here, by name."""
        ...

    def _author_name(self, author: str | None) -> str:
        """Who speaks, unless a call says otherwise."""
        ...


class Asked(Protocol):
    """What a program can be asked of."""

    def query(
        self,
        program: str,
        parameters: Mapping[str, object] | None = None,
        *,
        relation: str | None = None,
        budget: Budget | None = None,
    ) -> Result:
        """The tuples of a program."""
        ...


class Text:
    """One text, held by an entity; made by `Connection.text`.

        text = db.text(entity)
        text.insert(0, "Hello")
        with text.batch():                          as few facts as possible, and all of them or none
            text.append(", world")
            text.delete(0, 1)
        print(str(text), len(text), text[:5])

    Positions count code points. Reading and each edit outside of a batch begin with what was said meanwhile, by anybody.
    """

    def __init__(self, db: TextDatabase, entity: Entity, author: str | None) -> None:
        self._db = db
        self.entity = entity
        self._author = author
        self._session = secrets.token_urlsafe(_SESSION_BYTES)
        self._view = db.view(OF_ONE, {"text": entity}, only=_RELATIONS, budget=VIEW_BUDGET)
        self._feed = _Feed(self._view, _RELATIONS, BUFFER, "wait")
        self._view._attach(self._feed, True)
        self._view._is_told = False
        finalize(self, self._view.close).atexit = False  # a text that nobody holds costs nothing more
        self._order: Order | None = None  # None: as the log has it is known to the view alone
        # What was told last, its serial, and the epoch that the order is at: one value, which Ctrl-C cannot part.
        self._move: tuple[int, int, TextChange | None] = (0, self._view.epoch, None)
        self._unseen = 0
        self._is_rewound = False
        self._watches: list[TextWatch] = []
        self._batch: ReferenceType[Batch] | None = None

    # -- reading ----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        order = self._read()
        return order.text(0, len(order))

    def __len__(self) -> int:
        batch = self._batch_of()
        return len(self._current() if batch is None else batch._now())

    def __getitem__(self, place: int | slice) -> str:
        order = self._read()
        if isinstance(place, slice):
            start, stop, step = place.indices(len(order))
            return order.text(start, max(0, stop - start)) if step == 1 else str(self)[place]
        size = len(order)
        if type(place) is not int or not -size <= place < size:
            raise no_position(place, size - 1, "has no character")
        return order.text(place % size, 1)

    def __iter__(self) -> Iterator[str]:
        """The characters, as they are now."""
        return iter(str(self))

    def __contains__(self, part: str) -> bool:
        return part in str(self)

    def __eq__(self, other: object) -> bool:
        return str(self) == (str(other) if isinstance(other, Text) else other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def epoch(self) -> int:
        """The epoch whose text this is."""
        self._open()
        return self._epoch

    # -- writing ----------------------------------------------------------------------------------------------------

    def splice(self, position: int, count: int, inserted: str) -> None:
        """Delete so many characters from a position on, and put others there."""
        within = None if self._batch is None else self._batch()
        if within is not None:
            within.splice(position, count, inserted)
        else:
            with Batch(self) as batch:
                batch.splice(position, count, inserted)

    def insert(self, position: int, inserted: str) -> None:
        """Put characters before the one at a position; at the length of the text, at its end."""
        self.splice(position, 0, inserted)

    def delete(self, position: int, count: int = 1) -> None:
        """Delete characters from a position on."""
        self.splice(position, count, "")

    def append(self, inserted: str) -> None:
        """Put characters at the end."""
        within = self._batch_of()
        if within is not None:
            within.splice(len(within._now()), 0, inserted)
        else:
            with Batch(self) as batch:
                batch.splice(len(batch._now()), 0, inserted)

    def batch(self) -> Batch:
        """A context in which edits are collected, and said together when it ends: all of them, or none where it raises.

        What is typed in one go is one run, and what is typed and taken back within it is not said. The edits are in the text
        at once; what others say meanwhile comes in afterwards, so positions stay what they are.
        """
        if self._batch_of() is not None:
            raise RequestError("crdt.batch", "a batch of this text is open", fix="end it first")
        return Batch(self)

    # -- telling ----------------------------------------------------------------------------------------------------

    def watch(
        self,
        *,
        from_now: bool = True,
        buffer: int = BUFFER,
        overflow: Overflow = "coalesce",
        poll_s: float = POLL_S,
        timeout_s: float | None = None,
    ) -> TextWatch:
        """The changes of the text as they come, as splices: one `TextChange` for each epoch that changes it.

        Iterate with `for` or `async for`. With `from_now=False` the whole text comes first. When `buffer` changes were not
        taken, the newest are made one (`overflow="coalesce"`), or the watch ends with an error (`"error"`).
        """
        check_buffer(buffer, overflow)
        check_overflow(overflow)
        check_pauses(poll_s, timeout_s)
        self._check_no_batch()
        order = self._current()
        watch, serial = TextWatch(self, buffer, overflow, poll_s, timeout_s), self._move[0]
        watch._serial = serial - 1
        if not from_now and len(order):
            watch._told(serial, TextChange(self._epoch, None, (Splice(0, 0, order.text(0, len(order))),)))
        watch._serial = serial
        self._watches.append(watch)
        return watch

    def _pull(self) -> bool:
        """Look for what is new; whether somebody was told something."""
        if self._view._upkeep is None:
            self.close()
            return False
        before = self._move[0]
        if self._batch_of() is None and not self._is_rewound:
            self._current()
        return self._move[0] != before

    def _holding_back(self) -> Outlet | None:
        return None

    @property
    def is_behind(self) -> bool:
        """Whether there is a newer epoch that the text should be at."""
        return not self._is_rewound and self._epoch < self._view._newest()

    def _detach(self, outlet: Outlet) -> None:
        self._watches = [watch for watch in self._watches if watch is not outlet]

    # -- moving -----------------------------------------------------------------------------------------------------

    def rewind(self, epoch: int) -> Text:
        """Show the text as it was at an epoch, and stay there until `refresh`; the text itself. It cannot be edited there."""
        self._check_no_batch()
        view = self._open()
        self._see_own()
        view.rewind(epoch)
        self._is_rewound = True
        self._follow()
        return self

    def refresh(self) -> int:
        """Show the newest text again, and follow what is said; the epoch it is at."""
        self._check_no_batch()
        self._is_rewound = False
        self._current()
        return self.epoch

    def close(self) -> None:
        """Free what the text holds; who watches is told nothing more. Safe to call twice."""
        self._view.close()
        self._order = None
        for watch in list(self._watches):
            watch.close()

    def __enter__(self) -> Text:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._view._upkeep is None:
            return "<rhizomedb.Text: closed>"
        size = len(self)
        return f"<rhizomedb.Text of {size:,} characters: {self[:30]!r}{'…' if size > 30 else ''}>"

    # -- within -----------------------------------------------------------------------------------------------------

    def _open(self) -> View:
        if self._view._upkeep is None:
            raise RequestError("crdt.closed", "the text is closed", fix="db.text(entity)")
        return self._view

    def _batch_of(self) -> Batch | None:
        """The batch that is open. One that nobody holds any more was left without being told, as Ctrl-C can leave it."""
        if self._batch is None:
            return None
        batch = self._batch()
        if batch is None:
            self._order = self._batch = None
        return batch

    def _check_no_batch(self) -> None:
        if self._batch_of() is not None:
            raise RequestError("crdt.batch", "a batch of this text is open", fix="end it first")

    def _read(self) -> Order:
        """The order that is shown: of the batch that is open, or the newest."""
        batch = self._batch_of()
        return self._current() if batch is None else batch._shown()

    @property
    def _epoch(self) -> int:
        return self._move[1]

    def _current(self) -> Order:
        """The order of the newest epoch, or of the one to which the text was rewound."""
        view, order = self._open(), self._order
        if self._is_rewound:
            return self._follow()
        newest = view._newest()
        if order is not None and newest == self._epoch:
            self._hand_out()
            return order
        self._see_own()
        is_far = newest - view.epoch > _KEPT_MAX
        if newest > view.epoch and view.error is None and (is_far or not self._watches):
            view._advance(newest)  # at once: epoch by epoch is for those who watch
        view.refresh()
        return self._follow()

    def _see_own(self) -> None:
        """Let the view see what was said here, of which the order knows: all of it at once."""
        view = self._open()
        if view.epoch < self._epoch and view.error is None and not self._is_rewound:
            view._advance(self._epoch)
        self._unseen = 0

    def _follow(self, own: tuple[Splice, ...] = ()) -> Order:
        """The order as the view is. Who watches is told of what was edited here, and of what came besides."""
        self._hand_out()
        feed, view, order = self._feed, self._open(), self._order
        waits = list(feed._buffer)
        if order is None or feed.is_short or any(change[name].minus for _, change in waits for name in _RELATIONS):
            return self._anew(order if not own else None)
        if own and waits:  # they stand in the order already, so what came before them is told after them, as one change
            waits = [(waits[-1][0], _one(waits))]
        for serial, change in waits:
            self._order = None
            splices, own = list(own), ()
            take = splices.append if self._watches else None
            order.take(change["inserted"].plus, change["deleted"].plus, None if take is None else self._edited(take))
            self._tell(change.epoch, tuple(splices))
            self._order, feed._gone = order, serial
        if view.epoch != self._epoch:
            self._tell(view.epoch, own)
        return order

    def _said(self, epoch: int | None, order: Order, facts: int, own: tuple[Splice, ...]) -> None:
        """Go on with an order that has what was just said, unless something else was said before it.

        Then nobody needs the view: it looks at the facts later, many at once, which costs little more than one.
        """
        if epoch != self._epoch + 1:
            self._see_own()
            self._open().refresh()
            self._order = order
            self._follow(own)
            return
        self._tell(epoch, own)
        self._order = order
        self._unseen += facts + _EPOCH_COSTS
        if self._unseen >= _UNSEEN_MAX:
            self._see_own()
            self._follow()

    def _edited(self, take: Callable[[Splice], None]) -> Callable[[int, int, str, Cid], None]:
        return lambda position, count, inserted, fact: take(
            Splice(position, count, inserted, self._db._author_of(fact))
        )

    def _anew(self, order: Order | None) -> Order:
        """Make the order anew; `order` is what it was, where that was whole."""
        self._order = None
        feed, view = self._feed, self._open()
        old = None
        if self._watches:
            before = order or _ordered(*self._rows_at(self._epoch))
            old = before.text(0, len(before))
        last = feed._buffer[-1][0] if feed._buffer else feed._gone
        new = _ordered(*(view._kept().rows(name) for name in _RELATIONS))
        if old is not None:
            self._tell(view.epoch, difference(old, new.text(0, len(new))))
        feed.is_short = False
        if view.epoch != self._epoch:
            self._tell(view.epoch, ())
        self._order, feed._gone = new, last
        return new

    def _rows_at(self, epoch: int) -> list[Result]:
        asked = self._db.at_epoch(epoch)
        return [asked.query(OF_ONE, {"text": self.entity}, relation=name, budget=VIEW_BUDGET) for name in _RELATIONS]

    def _tell(self, epoch: int, splices: tuple[Splice, ...]) -> None:
        """Be at an epoch, and tell who watches what that changed."""
        serial, before, _ = self._move
        if splices and self._watches:
            self._move = serial + 1, epoch, TextChange(epoch, before, splices)
            self._hand_out()
        else:
            self._move = serial, epoch, self._move[2]

    def _hand_out(self) -> None:
        """Tell everybody of the last change who was not told yet."""
        serial, _, change = self._move
        if change is not None:
            for watch in list(self._watches):
                watch._told(serial, change)


class _Feed(Outlet):
    """What the view tells a text. It never holds the view back; where too much waits, the text is made anew."""

    is_short = False

    @property
    def _is_full(self) -> bool:
        return False

    def _take(self, serial: int, change: ViewChange) -> None:
        if len(self._kept) >= _KEPT_MAX:
            self.is_short = True
            self._kept.clear()
        self._kept.append((serial, change))


def _one(waits: list[tuple[int, ViewChange]]) -> ViewChange:
    """Several changes as one."""
    change = waits[0][1]
    for _, later in waits[1:]:
        change = change.then(later)
    return change


def _ordered(inserted: Iterable[Any], deleted: Iterable[Any]) -> Order:
    """The order of tuples of the two relations."""
    order = Order()
    order.take(inserted, deleted)
    return order

"""Edits of a text that are said together: typing in one go grows one run, deletions beside one another one range.

They stand in the text's order before they are said, and the order is forgotten where anything stops in between.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final
from weakref import ref

from rhizomedb.crdt.text import COUNTER_MAX, DELETE, INSERT
from rhizomedb.crdt.text_order import UNNAMED, Order
from rhizomedb.db.types.text_watch import Splice
from rhizomedb.errors import RequestError, ValueRefused
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact

if TYPE_CHECKING:
    from rhizomedb.db.types.text import Text

RUN_CHARACTERS_MAX: Final = 60_000
"""How long a run is made here: four bytes each, and what stands before them, are within the limit of a value."""

_NOWHERE: Final = -1


class Batch:
    """Edits of a text that are said together when the context ends; made by `Text.batch`."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._order: Order | None = None
        self._begin()

    def _begin(self) -> None:
        self._runs: list[_Run] = []
        self._deleted: list[tuple[int, int, int]] = []
        self._growing: _Run | None = None  # what was typed last goes on in this run while it goes on at `_end`
        self._typed: list[str] = []
        self._end = _NOWHERE
        self._is_rough = False
        self._splices: list[Splice] | None = None
        self._author: str | None = None

    def __enter__(self) -> Batch:
        text = self._text
        if text._is_rewound:
            raise RequestError(
                "crdt.rewound", f"the text is shown as it was at epoch {text.epoch}", fix="text.refresh()"
            )
        text._check_no_batch()
        self._begin()
        self._order = text._current()
        if text._watches:
            self._splices, self._author = [], text._db._author_name(text._author)
        text._batch = ref(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        text, order = self._text, self._order
        if order is None:
            return
        try:
            if kind is not None:
                text._order = None
                return
            facts = self._facts(self._shown())
            if facts:
                text._order = None  # until it is known what became of them
                said = text._db.transact(facts, author=text._author)
                if self._is_rough:
                    text._current()
                else:
                    own = () if self._splices is None else tuple(self._splices)
                    text._said(said.epoch, order, len(facts), own)
        except BaseException:
            text._order = None
            raise
        finally:
            text._batch = self._order = None

    # -- editing ----------------------------------------------------------------------------------------------------

    def _now(self) -> Order:
        """The order with what was edited up to now, but for the characters that were typed last."""
        if self._order is None:
            raise RequestError("crdt.batch", "the batch has ended", fix="with text.batch():")
        return self._order

    def _shown(self) -> Order:
        """The order with what was edited up to now."""
        order = self._now()
        if self._typed and self._growing is not None:
            order.characters[self._growing.number] += "".join(self._typed)
            self._typed.clear()
        return order

    def splice(self, position: int, count: int, inserted: str) -> None:
        """Delete so many characters from a position on, and put others there."""
        order = self._order
        if order is None:
            order = self._now()
        if type(inserted) is not str or not inserted.isascii():
            inserted = _checked(inserted)
        size = len(order.rope)
        if type(position) is not int or not 0 <= position <= size:
            raise no_position(position, size)
        if count:
            if type(count) is not int or not 0 <= count <= size - position:
                raise _no_count(count, size - position)
            self._delete(order, position, count)
        elif type(count) is not int:
            raise _no_count(count, size - position)
        if inserted:
            self._insert(order, position, inserted)
        if self._splices is not None and (count or inserted):
            self._note(position, count, inserted)

    def _insert(self, order: Order, position: int, inserted: str) -> None:
        growing = self._growing
        size = len(inserted)
        if (
            growing is not None
            and position == self._end
            and growing.length + size <= RUN_CHARACTERS_MAX
            and order.rope.extend(growing.number, size)
        ):
            growing.length += size
            self._typed.append(inserted)
            self._end = position + size
            return
        self._shown()
        for start in range(0, size, RUN_CHARACTERS_MAX):
            piece = inserted[start : start + RUN_CHARACTERS_MAX]
            parent, offset = (order.rope.at(position - 1) or (None, 0)) if position else (None, 0)
            counter = order.rope.counter(parent, offset)
            number, place = order.add(parent, offset, counter, UNNAMED, piece)
            # after the greatest counter there is none that is greater: then where it comes to stand, its name will say
            self._is_rough |= place != position or counter == COUNTER_MAX
            growing = self._growing = _Run(number, parent, offset, counter, len(piece))
            self._runs.append(growing)
            position = self._end = place + len(piece)

    def _delete(self, order: Order, position: int, count: int) -> None:
        growing = self._growing
        if growing is not None and position + count == self._end and order.rope.shrink(growing.number, count):
            growing.length -= count
            of = self._shown().characters
            of[growing.number] = of[growing.number][: growing.length]
            self._end = position
            if not growing.length:
                self._growing = None
            return
        for run, start, size in order.rope.spans(position, count):
            order.rope.delete(run, start, size)
            self._deleted.append((run, start, size))
        if position + count <= self._end:
            self._end -= count
        elif position < self._end:
            self._end = _NOWHERE

    def _note(self, position: int, count: int, inserted: str) -> None:
        """Remember an edit for who watches: what is typed in one go is one splice."""
        assert self._splices is not None, "somebody watches"
        if self._splices and not count:
            last = self._splices[-1]
            if position == last.position + len(last.inserted):
                self._splices[-1] = Splice(last.position, last.count, last.inserted + inserted, last.author)
                return
        self._splices.append(Splice(position, count, inserted, self._author))

    # -- saying -----------------------------------------------------------------------------------------------------

    def _facts(self, order: Order) -> list[Fact]:
        """What was edited, as facts. Runs come in the order in which they began, so parents have names before children."""
        entity, session = self._text.entity, self._text._session
        facts = []
        for run in self._runs:
            if not run.length:
                continue
            said = f"{run.offset}.{run.counter}.{session}:{order.characters[run.number]}"
            fact = Fact(entity, INSERT, said, self._cause(order, run.parent))
            self._is_rough |= not order.name(run.number, fact.cid, session)
            facts.append(fact)
        for number, start, count in _ranges(self._deleted):
            facts.append(Fact(entity, DELETE, f"{start}.{count}", self._cause(order, number)))
        return facts

    @staticmethod
    def _cause(order: Order, number: int | None) -> tuple[Cid, ...]:
        if number is None:
            return ()
        name = order.names[number]
        assert name is not None, "what comes after a run, or deletes some of it, was said after it"
        return (name,)


class _Run:
    """A run that was not said yet."""

    __slots__ = ("counter", "length", "number", "offset", "parent")

    def __init__(self, number: int, parent: int | None, offset: int, counter: int, length: int) -> None:
        self.number = number
        self.parent = parent
        self.offset = offset
        self.counter = counter
        self.length = length


def _ranges(deleted: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Deletions of characters beside one another as one."""
    found: list[tuple[int, int, int]] = []
    for run, start, count in sorted(deleted):
        if found and found[-1][0] == run and found[-1][1] + found[-1][2] == start:
            found[-1] = run, found[-1][1], found[-1][2] + count
        else:
            found.append((run, start, count))
    return found


def _checked(inserted: object) -> str:
    if not isinstance(inserted, str):
        raise RequestError(
            "crdt.text", f"a text is made of characters, not of {type(inserted).__name__}", fix='insert(0, "a")'
        )
    inserted = str.__str__(inserted)
    try:
        inserted.encode()
    except UnicodeEncodeError as error:
        raise ValueRefused(
            "facts.text-not-utf8",
            f"the text holds a lone surrogate at character {error.start}",
            fix="leave it out, or put another character in its place",
        ) from None
    return inserted


def no_position(position: object, most: int, what: str = "has no place") -> RequestError:
    """That a text has nothing at a position."""
    fix = f"0 to {most:,}" if most >= 0 else "the text is empty"
    return RequestError("crdt.position", f"the text {what} {position!r:.40}", fix=fix)


def _no_count(count: object, most: int) -> RequestError:
    return RequestError("crdt.position", f"{count!r:.40} characters cannot be deleted there", fix=f"0 to {most:,}")

"""What changes in a text, told as splices: epoch by epoch, each with who said it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, cast

from rhizomedb._record import dataclass
from rhizomedb.db.live.outlet import OVERFLOWS, Overflow, Telling, ViewWatch
from rhizomedb.db.live.view_change import ViewChange
from rhizomedb.errors import RequestError

WATCH_OVERFLOWS: Final = ("coalesce", "error")


@dataclass(frozen=True, slots=True)
class Splice:
    """At a position so many characters went, and others came in their place; by an author, where one is known."""

    position: int
    count: int
    inserted: str
    author: str | None = None

    def apply(self, text: str) -> str:
        """The text after it."""
        return text[: self.position] + self.inserted + text[self.position + self.count :]


@dataclass(frozen=True, slots=True)
class TextChange:
    """What moving from the epoch `before` to `epoch` changed: splices, each on the text as those before it left it.

    `before` is None where the whole text comes first; it is more than one epoch back where several came together.
    """

    epoch: int
    before: int | None
    splices: tuple[Splice, ...]

    def then(self, later: TextChange) -> TextChange:
        """This and the one after it, as one."""
        return TextChange(later.epoch, self.before, (*self.splices, *later.splices))

    def apply(self, text: str) -> str:
        """The text after it."""
        for splice in self.splices:
            text = splice.apply(text)
        return text


def difference(old: str, new: str) -> tuple[Splice, ...]:
    """The one splice that makes a text another; none where they are equal."""
    if old == new:
        return ()
    most = min(len(old), len(new))
    start = _common(lambda size: old[:size] == new[:size], most)
    end = _common(lambda size: old[len(old) - size :] == new[len(new) - size :], most - start)
    return (Splice(start, len(old) - start - end, new[start : len(new) - end]),)


def _common(is_common: Callable[[int], bool], most: int) -> int:
    """The greatest size that two texts have in common; smaller ones they have too."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if is_common(middle) else (low, middle - 1)
    return low


class TextWatch(ViewWatch):
    """The changes of a text as they come: iterate with `for`, or with `async for` in a coroutine.

    Ends when the watch, the text or the database is closed, or when nothing came for `timeout_s`.
    """

    def __init__(self, text: Telling, buffer: int, overflow: Overflow, poll_s: float, timeout_s: float | None) -> None:
        super().__init__(text, ("text",), buffer, overflow, poll_s, timeout_s)

    def _told(self, serial: int, change: TextChange) -> None:
        """Take in a change, once, however often it is told."""
        if serial > max(self._serial, self._gone):
            self._take(serial, change)  # type: ignore[arg-type]  # it has what an outlet asks of a change
            self._serial = serial

    def __iter__(self) -> Iterator[TextChange]:  # type: ignore[override]  # its changes are of another kind
        return self

    def __next__(self) -> TextChange:  # type: ignore[override]  # its changes are of another kind
        return cast(TextChange, super().__next__())

    async def __anext__(self) -> TextChange:  # type: ignore[override]  # its changes are of another kind
        return cast(TextChange, await super().__anext__())

    def _next(self) -> ViewChange:
        serial, change = self._buffer[0]
        self._gone = serial
        return change

    def __repr__(self) -> str:
        state = "closed, " if self.is_closed else ""
        return f"<rhizomedb.TextWatch {state}{len(self._buffer)} to be taken>"


def check_overflow(overflow: object) -> None:
    """Refuse what a text cannot do when a watch is slow: its writer has to see what they write, so it never waits."""
    if overflow not in WATCH_OVERFLOWS or overflow not in OVERFLOWS:
        words = " or ".join(map(repr, WATCH_OVERFLOWS))
        raise RequestError("db.usage", f"a watch of a text cannot {overflow!r}", fix=f"overflow={words}")

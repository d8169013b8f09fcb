"""Outlets of a standing view: who is told of its changes, each in order and once, with a bounded buffer of their own.

A *watch* is iterated, with `for` or `async for`; a *sink* is called. What happens when a buffer is full is the watch's
*overflow*: a word of `OVERFLOWS`.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Protocol

from rhizomedb.db.live.view_change import Difference, ViewChange
from rhizomedb.errors import Error, RequestError

Overflow = Literal["wait", "drop-oldest", "coalesce", "error"]

BUFFER: Final = 64
"""How many changes an outlet keeps that were not taken yet."""

Receiver = Callable[[ViewChange], Awaitable[object] | object]
"""What a sink calls; what it returns is awaited, if it can be."""


class Telling(Protocol):
    """The view, as its outlets see it."""

    def _pull(self) -> bool:
        """Move on by an epoch, if there is a newer one and nobody holds the view back; whether it moved."""
        ...

    def _holding_back(self) -> Outlet | None:
        """The outlet that the view waits for."""
        ...

    @property
    def is_behind(self) -> bool:
        """Whether there is a newer epoch that the view should be at."""
        ...

    def _detach(self, outlet: Outlet) -> None:
        """Tell an outlet nothing more."""
        ...


class Outlet:
    """Changes on their way to one who is told of them."""

    def __init__(self, view: Telling, relations: tuple[str, ...], buffer: int, overflow: Overflow) -> None:
        self.relations = relations
        self._serial = 0  # the last move of the view that this outlet was offered
        self._view: Telling | None = view
        self._size = buffer
        self._overflow = overflow
        self._kept: deque[tuple[int, ViewChange]] = deque()  # each with the serial of its move
        self._gone = -1  # the serial of the last that was handed out, or dropped
        self._missed = 0

    @property
    def _buffer(self) -> deque[tuple[int, ViewChange]]:
        """What can be taken. To have been taken is one number, which Ctrl-C cannot part; the change itself goes here."""
        while self._kept and self._kept[0][0] <= self._gone:
            self._kept.popleft()
        return self._kept

    @property
    def _is_full(self) -> bool:
        """Whether the view has to wait for it."""
        return self._overflow == "wait" and len(self._buffer) >= self._size

    @property
    def is_closed(self) -> bool:
        """Whether nothing more comes."""
        return self._view is None

    def _offer(self, serial: int, epoch: int, before: int | None, differences: Mapping[str, Difference]) -> None:
        """Take in what a move changed, as far as it is about what is watched.

        Ctrl-C may come anywhere in here, and the move is then offered again: the buffer itself says what it has.
        """
        if serial <= max(self._serial, self._gone) or (self._buffer and self._buffer[-1][0] >= serial):
            return
        of = {name: differences[name] for name in self.relations if name in differences}
        if of or before is None:
            self._take(serial, ViewChange(epoch, before, self.relations[0], of))
        self._serial = serial

    def _take(self, serial: int, change: ViewChange) -> None:
        if len(self._buffer) >= self._size:
            OVERFLOWS[self._overflow](self, serial, change)
        else:
            self._buffer.append((serial, change))

    def _next(self) -> ViewChange:
        """The oldest change that was not taken yet; taken as this returns, so that Ctrl-C does not lose it on its way."""
        serial, change = self._buffer[0]
        if self._missed:
            change = ViewChange(change.epoch, change.before, change.relation, change.relations, self._missed)
        self._gone, self._missed = serial, 0
        return change

    # -- a full buffer ----------------------------------------------------------------------------------------------

    def _keep(self, serial: int, change: ViewChange) -> None:
        """Keep it: the view waited as soon as the buffer was full, and does not go on before something is taken."""
        self._buffer.append((serial, change))

    def _drop_oldest(self, serial: int, change: ViewChange) -> None:
        """Drop what is oldest; the next change says how many were."""
        oldest, _ = self._buffer[0]
        self._gone, self._missed = (
            oldest,
            self._missed + 1,
        )  # at once; what stops this after it is offered the new one again
        self._buffer.append((serial, change))

    def _coalesce(self, serial: int, change: ViewChange) -> None:
        """Make it one with the last: the sum stays right, only which epoch did what is lost."""
        both = self._buffer[-1][1].then(change)
        self._buffer[-1] = serial, both
        if not both and both.before is not None:
            self._serial = serial
            self._buffer.pop()

    def _fail(self, serial: int, change: ViewChange) -> None:
        """End: what is in the buffer can still be taken, and then an error says why nothing more comes."""
        self._fault = RequestError(
            "db.view-overflow",
            f"the watch did not take {self._size:,} changes before the one of epoch {change.epoch} came, and was ended",
            fix='view.watch(buffer=…) keeps more; overflow="wait" lets the view wait',
        )
        self.close()

    _fault: Error | None = None

    def close(self) -> None:
        """Take in nothing more."""
        view, self._view = self._view, None
        if view is not None:
            view._detach(self)


OVERFLOWS: Final[Mapping[str, Callable[[Outlet, int, ViewChange], None]]] = {
    "wait": Outlet._keep,
    "drop-oldest": Outlet._drop_oldest,
    "coalesce": Outlet._coalesce,
    "error": Outlet._fail,
}
"""What becomes of a change for which there is no room."""


class ViewWatch(Outlet):
    """The changes of a view as they come: iterate with `for`, or with `async for` in a coroutine.

    Ends when the watch, the view or the database is closed, or when nothing came for `timeout_s`.
    """

    def __init__(
        self,
        view: Telling,
        relations: tuple[str, ...],
        buffer: int,
        overflow: Overflow,
        poll_s: float,
        timeout_s: float | None,
    ) -> None:
        super().__init__(view, relations, buffer, overflow)
        self._poll_s = poll_s
        self._timeout_s = timeout_s
        self._waiting: set[asyncio.Future[None]] = set()

    def _take(self, serial: int, change: ViewChange) -> None:
        super()._take(serial, change)
        self._wake()

    def close(self) -> None:
        """End: what came already can still be taken."""
        super().close()
        self._wake()

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def __iter__(self) -> Iterator[ViewChange]:
        return self

    def __next__(self) -> ViewChange:
        for pause in self._pauses():
            if self._buffer:
                return self._next()
            if pause is None:
                break
            view = self._view
            holding = None if view is None else view._holding_back()
            if holding is not None and view is not None and view.is_behind:
                # Nobody else runs in this thread, so waiting for it would not end.
                raise RequestError(
                    "db.view-waits",
                    f"the view waits for another watch or sink that has not taken {holding._size:,} changes",
                    fix='take them, close it, or give it another overflow: "coalesce", "drop-oldest"',
                )
            if pause:
                time.sleep(pause)
        raise StopIteration

    def __aiter__(self) -> ViewWatch:
        return self

    async def __anext__(self) -> ViewChange:
        for pause in self._pauses():
            if self._buffer:
                return self._next()
            if pause is None:
                break
            if pause:
                waiting = asyncio.get_running_loop().create_future()
                self._waiting.add(waiting)
                try:
                    await asyncio.wait([waiting], timeout=pause)
                finally:
                    self._waiting.discard(waiting)
            else:
                await asyncio.sleep(0)  # others have their turn between two epochs
        raise StopAsyncIteration

    def _pauses(self) -> Iterator[float | None]:
        """How long to wait until the next look at the buffer, in turn; None: nothing more comes."""
        yield 0.0  # what is there comes before anything is looked for
        nap, began = self._poll_s / 10, time.monotonic()
        while True:
            if self._view is None:
                if self._fault is not None:
                    raise self._fault.with_traceback(None)
                yield None
                return
            if self._view._pull():
                yield 0.0
                nap, began = self._poll_s / 10, time.monotonic()
                continue
            left = self._poll_s if self._timeout_s is None else began + self._timeout_s - time.monotonic()
            if left <= 0 and not self._buffer:
                yield None
                return
            yield max(0.0, min(nap, left))
            nap = min(self._poll_s, nap * 2)

    def __enter__(self) -> ViewWatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed, " if self.is_closed else ""
        return f"<rhizomedb.ViewWatch {', '.join(self.relations)}: {state}{len(self._buffer)} to be taken>"


class Sink(Outlet):
    """Somebody who is called with each change of a view, in order, one call at a time.

    A receiver that raises is called no more; `error` has what it raised, and it is logged. One that is a coroutine
    function runs in the event loop of the commit that changed the view, or, where none runs, until it is done.
    """

    def __init__(self, view: Telling, relations: tuple[str, ...], receiver: Receiver, buffer: int) -> None:
        super().__init__(view, relations, buffer, "wait")
        self._receiver = receiver
        self._is_delivering = False
        self._task: asyncio.Task[None] | None = None
        self.error: Exception | None = None
        """What the receiver raised, if it did."""

    def deliver(self) -> None:
        """Hand over what waits, unless that is under way."""
        if self._is_delivering or not self._buffer:
            return
        self._is_delivering = True
        handed_on = False
        try:
            while self._buffer:
                answer = self._call()
                if answer is None:
                    continue
                try:
                    loop = asyncio.get_running_loop()
                except RuntimeError:
                    asyncio.run(self._finish(answer))
                else:
                    self._task = loop.create_task(self._deliver_later(answer))
                    handed_on = True
                    return
        finally:
            self._is_delivering = handed_on

    def _call(self) -> Awaitable[object] | None:
        """Call the receiver; what has to be awaited."""
        try:
            answer = self._receiver(self._next())
        except Exception as error:
            self._failed(error)
            return None
        return answer if inspect.isawaitable(answer) else None

    async def _finish(self, answer: Awaitable[object]) -> None:
        try:
            await answer
        except Exception as error:
            self._failed(error)

    async def _deliver_later(self, answer: Awaitable[object] | None) -> None:
        try:
            while answer is not None:
                await self._finish(answer)
                answer = None
                while answer is None:
                    if self._view is not None and not self._buffer:
                        with suppress(Error):  # the view says it to who reads it
                            self._view._pull()  # if the view waited for this sink, it goes on
                    if not self._buffer:
                        return
                    answer = self._call()
        finally:
            self._is_delivering = False

    async def settled(self) -> None:
        """Wait until the receiver has had everything."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def _failed(self, error: Exception) -> None:
        self.error = error
        self._buffer.clear()
        self.close()
        import logging  # only who needs it pays for loading it

        logging.getLogger("rhizomedb").error(
            "a sink of %s raised %r and is called no more", ", ".join(self.relations), error, exc_info=error
        )

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        name = getattr(self._receiver, "__qualname__", repr(self._receiver))
        return f"<rhizomedb.Sink {', '.join(self.relations)} to {name}: {state}>"


def check_buffer(buffer: Any, overflow: Any) -> None:
    """Refuse a buffer or an overflow that there cannot be."""
    if type(buffer) is not int or buffer < 1:
        raise RequestError("db.usage", f"a buffer holds 1 change or more, not {buffer!r}", fix=f"buffer={BUFFER}")
    if not isinstance(overflow, str) or overflow not in OVERFLOWS:
        words = ", ".join(map(repr, OVERFLOWS))
        raise RequestError("db.usage", f"there is no overflow {overflow!r}", fix=f"one of {words}")

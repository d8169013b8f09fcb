"""Sinks: where changes go (PomoDB 2.6).

A sink of some relations gets, for every epoch, one `Changes` for each of them that changed and then one `Done`. A
change is consolidated: exactly what came and what went, never both for one tuple. Epochs arrive whole and in order
(O6), nothing is lost, and a slow sink holds nobody up before `epochs_max` epochs wait for it (D12).

A sink of your own is a callable or an async callable that is given each event. A `Feed` is the other way about: you
iterate over it, with `for` or `async for`.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.errors import Error, FlowError
from rhizomedb.flow.circuit.signal import Signal
from rhizomedb.flow.circuit.zset import ZSet

EPOCHS_MAX = 16
"""How many epochs wait for a slow sink before evaluation waits too."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How a relation changed in an epoch: +1 for each tuple that came, −1 for each that went."""

    epoch: int
    relation: str
    change: ZSet


@dataclass(frozen=True, slots=True)
class Done:
    """Everything about an epoch has been said."""

    epoch: int


Event: TypeAlias = Changes | Done

Given: TypeAlias = Callable[[Event], object] | Callable[[Event], Awaitable[object]]
"""What a sink can be made of."""


class Sink:
    """A sink of some relations, and the epochs that wait for it."""

    def __init__(
        self,
        given: Given | None,
        relations: str | Iterable[str],
        *,
        name: str | None = None,
        epochs_max: int = EPOCHS_MAX,
    ) -> None:
        if given is not None and not callable(given):
            raise FlowError("flow.sink", f"a {type(given).__name__} is no sink", fix="a callable, or a Feed to read")
        self.given = given
        self.relations = (relations,) if isinstance(relations, str) else tuple(relations)
        self.name = name or getattr(given, "__name__", None) or f"sink of {', '.join(self.relations)}"
        self.epochs_max = max(1, epochs_max)
        self.is_async = inspect.iscoroutinefunction(given)
        self.waiting: deque[deque[Event]] = deque()
        """For each epoch that waits, the events that were not yet taken."""
        self.moved = Signal()
        """Told whenever an epoch comes or goes."""

    @property
    def is_full(self) -> bool:
        """Whether as many epochs wait as may."""
        return len(self.waiting) >= self.epochs_max

    def put(self, epoch: int, changes: Mapping[str, ZSet]) -> None:
        """Leave what an epoch changed, the mark that it is done after it."""
        events = [Changes(epoch, name, changes[name]) for name in self.relations if changes[name]]
        self.waiting.append(deque([*events, Done(epoch)]))
        self.moved.tell()

    def deliver(self) -> None:
        """Give a synchronous sink everything that waits. What it fails at waits on, and so does what comes after."""
        while event := self.first():
            try:
                assert self.given is not None, "a feed is read, not given"
                self.given(event)
            except Exception as error:
                raise self.failed(error) from error
            self.taken()

    async def deliver_all(self) -> None:
        """Give the sink everything that comes, for as long as the task runs."""
        while True:
            while event := self.first():
                try:
                    assert self.given is not None, "a feed is read, not given"
                    answer = self.given(event)
                    if inspect.isawaitable(answer):
                        await answer
                except Exception as error:
                    raise self.failed(error) from error
                self.taken()
            await self.moved.wait(lambda: bool(self.waiting))

    def first(self) -> Event | None:
        """The next event, which stays until it is taken."""
        return self.waiting[0][0] if self.waiting else None

    def taken(self) -> None:
        """The next event has been dealt with."""
        self.waiting[0].popleft()
        if not self.waiting[0]:
            self.waiting.popleft()
            self.moved.tell()

    def failed(self, error: Exception) -> Error:
        """The failure of the user's function, as an error of ours."""
        if isinstance(error, Error):
            return error
        return FlowError("flow.sink", f"{type(error).__name__}: {error}", where=self.name)


class Feed(Sink):
    """A sink to read from: `for event in feed` gives what is there, `async for` waits for more until a run ends."""

    def __init__(
        self, relations: str | Iterable[str], *, name: str | None = None, epochs_max: int = EPOCHS_MAX
    ) -> None:
        super().__init__(None, relations, name=name, epochs_max=epochs_max)
        self.ended = False
        """Whether the run that fed it has ended."""

    def __iter__(self) -> Iterator[Event]:
        while event := self.first():
            self.taken()
            yield event

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            for event in self:
                yield event
            if self.ended:
                return
            await self.moved.wait(lambda: self.ended or bool(self.waiting))

"""Sources: where changes come from (PomoDB 2.5).

A source of your own is a callable, an iterator, an async callable or an async iterator. Each item that it gives is a
batch, taken whole into one epoch (O5): a Z-set, a mapping from elements to weights, or any other collection of
elements, which are added. So a source can take back as well as add (D9).

* a callable is asked once in every epoch; `None` means nothing now;
* an iterator gives one batch to every epoch and ends when it ends;
* the async kinds are waited for beside each other, so that one that sleeps holds up no other (D8); an async callable is
  called until it gives `None`.

A relation may have several sources, and a source may feed several relations: give it one of its own beside the common
one, and a program can read what that source said alone (D7).
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from rhizomedb.errors import Error, FlowError
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.zset import Weight, ZSet, total

Given: TypeAlias = Callable[[], object] | Iterable[object] | Callable[[], Awaitable[object]] | AsyncIterator[object]
"""What a source can be made of."""

Batch: TypeAlias = list[tuple[Element, Weight]]
"""What a source gave, before elements that Python calls equal have met: rows are made exact first."""

BATCHES_MAX = 16
"""How many batches of an async source are taken before the epochs that they are for; then it has to wait."""


class Source:
    """A source of changes for some relations."""

    def __init__(
        self, given: Given, into: str | Iterable[str], *, name: str | None = None, batches_max: int = BATCHES_MAX
    ) -> None:
        self.given = given
        self.into = (into,) if isinstance(into, str) else tuple(into)
        self.name = name or getattr(given, "__name__", None) or f"source of {', '.join(self.into)}"
        self.batches_max = max(1, batches_max)
        self.finished = False
        """Whether it has ended, so that nothing more will come."""
        self.is_async = inspect.iscoroutinefunction(given) or hasattr(given, "__aiter__")
        self._iterator: Iterator[object] | None = None
        if not self.is_async and not callable(given):
            if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping | ZSet):
                raise FlowError(
                    "flow.source",
                    f"a {type(given).__name__} is no source",
                    where=self.name,
                    fix="a callable, an iterator of batches, or an async one of these",
                )
            self._iterator = iter(given)

    @property
    def keeps_running(self) -> bool:
        """Whether there is more to wait for: a callable that is asked in every epoch has no end to wait for."""
        return not self.finished and (self.is_async or self._iterator is not None)

    def take(self) -> Batch:
        """The batch of a synchronous source for the epoch that begins; nothing if there is none."""
        assert not self.is_async, "async sources are awaited"
        if self.finished:
            return []
        try:
            if self._iterator is None:
                assert callable(self.given), "what is no iterator is callable"
                return batch_of(self.given(), self.name)
            return batch_of(next(self._iterator), self.name)
        except StopIteration:
            self.finished = True
            return []
        except Error:
            raise
        except Exception as error:
            raise self._failed(error) from error

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """The batches of an async source until it ends."""
        try:
            if hasattr(self.given, "__aiter__"):
                async for item in self.given:
                    yield batch_of(item, self.name)
            else:
                assert callable(self.given), "what is no async iterator is an async callable"
                ask: Callable[[], Any] = self.given
                while (item := await ask()) is not None:
                    yield batch_of(item, self.name)
        except Error:
            raise
        except Exception as error:
            raise self._failed(error) from error
        self.finished = True

    def _failed(self, error: Exception) -> FlowError:
        return FlowError("flow.source", f"{type(error).__name__}: {error}", where=self.name)


def batch_of(item: object, where: str | None = None) -> Batch:
    """What was given as changes: a Z-set, a mapping from elements to weights, or elements to add; `None` is nothing."""
    match item:
        case None:
            return []
        case ZSet() | Mapping():
            return list(item.items())
        case str() | bytes():
            pass
        case Iterable():
            return [(element, 1) for element in item]
    raise FlowError(
        "flow.source",
        f"{type(item).__name__} is no kind of batch",
        where=where,
        fix="a ZSet, a mapping from elements to weights, or a list of elements",
    )


class Inbox:
    """A source to put changes into: `Source(inbox, "edge")`, then `inbox.put(change)`.

    An epoch takes everything that was put until it begins.
    """

    def __init__(self) -> None:
        self._held: list[ZSet] = []

    def put(self, change: ZSet) -> None:
        """Leave a change for the next epoch."""
        self._held.append(change)

    def __call__(self) -> ZSet:
        """Everything that was put, added up; it is then gone from here."""
        held, self._held = self._held, []
        return total(held)

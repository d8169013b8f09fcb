"""One write of a store, whatever ends it: Ctrl-C may come between any two steps, and leaves nothing open.

Python looks for Ctrl-C whenever a function is entered, and so before the first step of an `__exit__` too: a context
that is left just then is never told. So a write is a function around the context (`write`): what is raised passes it,
wherever it comes from, and takes back what is still open. For the same reason nothing here is a generator, which would
stay suspended where it was, and go on when it is forgotten, in the middle of something else.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rhizomedb.store.store import Store

Result = TypeVar("Result")


class Writer(Protocol):
    """What a write is of, in the steps of which it consists."""

    def begin_write(self, wait_ms: int | None) -> None:
        """Begin; nothing is begun where this raises."""
        ...

    def end_write(self) -> None:
        """Keep everything; where this raises, it was taken back, or was kept already."""
        ...

    def abandon_write(self) -> None:
        """Take back what is open, and nothing where nothing is."""
        ...


class Writing:
    """The context of one write."""

    def __init__(self, writer: Writer, wait_ms: int | None) -> None:
        self._writer = writer
        self._wait_ms = wait_ms

    def __enter__(self) -> None:
        self._writer.begin_write(self._wait_ms)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._writer.end_write()
        else:
            self._writer.abandon_write()


def write(store: Store, work: Callable[[], Result], wait_ms: int | None = None) -> Result:
    """What some work comes to as one write: all of it is kept or nothing is."""
    assert not store.is_writing, "a write does not begin inside another"
    try:
        with store.writing(wait_ms):
            return work()
    except BaseException:
        store.abandon_write()
        raise

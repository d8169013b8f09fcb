"""One write of a store, whatever ends it: Ctrl-C may come between any two steps, and leaves nothing open.

Python looks for Ctrl-C whenever a function is entered, and so before the first step of an `__exit__` too: a context
that is left just then is never told. So a write is a function around the context (`write`): what is raised passes it,
wherever it comes from, and takes back what is still open. For the same reason nothing here is a generator, which would
stay suspended where it was, and go on when it is forgotten, in the middle of something else.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from rhizomedb.store.store import Store

Result = TypeVar("Result")


Step: TypeAlias = Callable[[], None]


class Open:
    """The context of something that is begun, and then kept or taken back.

    Nothing is begun where `begin` raises; where `keep` raises, it was taken back, or kept already; `take_back` takes back
    what is open, and nothing where nothing is.
    """

    def __init__(self, begin: Step, keep: Step, take_back: Step) -> None:
        self._begin = begin
        self._keep = keep
        self._take_back = take_back

    def __enter__(self) -> None:
        self._begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._keep()
        else:
            self._take_back()


def write(store: Store, work: Callable[[], Result], wait_ms: int | None = None) -> Result:
    """What some work comes to as one write: all of it is kept or nothing is."""
    assert not store.is_writing, "a write does not begin inside another"
    try:
        with store.writing(wait_ms):
            return work()
    except BaseException:
        store.abandon_write()
        raise

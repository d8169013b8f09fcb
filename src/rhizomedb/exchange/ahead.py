"""Working ahead: what a generator gives is made in a thread of its own, a few items before they are used.

Reading a table and writing a database then take turns less: the kernels, the compression and the disk run beside the
reading. Whatever the thread meets, an error or an interruption, is raised where its items are used.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Final, Generic, TypeVar

AHEAD_MAX: Final = 4
"""How many items wait to be used."""

_LOOK_SECONDS: Final = 0.1
"""How long it takes at most to notice that nobody wants the rest."""

Item = TypeVar("Item")


class _End(Generic[Item]):
    """What comes after the last item: the error that ended it, if any did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def ahead(make: Callable[[], Generator[Item, None, None]], most: int = AHEAD_MAX) -> Iterator[Iterator[Item]]:
    """The items of what `make` gives, made in a thread that ends with the `with`, whether all were used or not."""
    waiting: queue.Queue[Item | _End[Item]] = queue.Queue(most)
    unwanted = threading.Event()

    def put(item: Item | _End[Item]) -> None:
        while not unwanted.is_set():
            try:
                waiting.put(item, timeout=_LOOK_SECONDS)
                return
            except queue.Full:
                continue

    def run() -> None:
        end: _End[Item] = _End()
        try:
            with closing(make()) as items:
                for item in items:
                    put(item)
                    if unwanted.is_set():
                        return
        except BaseException as error:  # it is raised where the items are used, whatever it is
            end = _End(error)
        put(end)

    def used() -> Iterator[Item]:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=run, name="rhizome-ahead", daemon=True)
    thread.start()
    try:
        yield used()
    finally:
        unwanted.set()
        thread.join()

"""Working ahead: the same items in the same order, and whatever goes wrong on either side ends both."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from itertools import islice

import pytest

from rhizomedb.errors import ExchangeError
from rhizomedb.exchange.ahead import ahead


def is_over() -> bool:
    return all(thread.name != "rhizome-ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, 4, 5, 100])
def test_the_items_come_in_order(count: int) -> None:
    with ahead(lambda: (number for number in range(count))) as items:
        assert list(items) == list(range(count))
    assert is_over()


@pytest.mark.parametrize("error", [ExchangeError("exchange.unreadable", "gone"), KeyboardInterrupt()])
def test_an_error_is_raised_behind_the_items_before_it(error: BaseException) -> None:
    def make() -> Generator[int, None, None]:
        yield 1
        raise error

    met = []
    with pytest.raises(type(error)) as raised, ahead(make) as items:
        for item in items:
            met.append(item)
    assert met == [1] and raised.value is error and is_over()


def test_who_wants_no_more_ends_the_making() -> None:
    closed = threading.Event()

    def make() -> Generator[int, None, None]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    with ahead(make) as items:
        assert list(islice(items, 3)) == [0, 1, 2]
    assert closed.is_set() and is_over()


def test_an_interruption_reaches_who_waits_for_an_item() -> None:
    go_on = threading.Event()

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        go_on.set()

    def make() -> Generator[int, None, None]:
        threading.Timer(0.05, interrupt).start()
        go_on.wait()
        yield 1

    # The item may come at the same moment as the signal: then the next wait is interrupted, or the end of the `with`.
    with pytest.raises(KeyboardInterrupt), ahead(make) as items:
        list(items)
        threading.Event().wait(10)
    assert is_over()

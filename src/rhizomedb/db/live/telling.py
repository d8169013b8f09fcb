"""Threads in which receivers are called, so that a slow one delays neither who writes nor the other receivers.

There are as many threads as receivers are busy at once, up to a limit; one that has nothing to do ends. A receiver is called
by one thread at a time, with one item after the other.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Final

from rhizomedb.db.live.subscription import Subscription

THREADS_MAX: Final = 32
"""How many receivers can be at work at once; while so many are stuck, the others wait."""

IDLE_S: Final = 0.5
"""How long a thread waits for more to do."""


class Tellers:
    """The threads of one connection. They end by themselves, and do not keep the process from ending."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._waiting: deque[Subscription[Any]] = deque()
        self._queued: set[Subscription[Any]] = set()  # those that wait or are at work
        self._again: set[Subscription[Any]] = set()  # those at work that were given more meanwhile
        self._idle = self._threads = 0
        self._is_closed = False

    def deliver(self, sub: Subscription[Any]) -> None:
        """Let the receiver of a subscription have what waits for it."""
        with self._ready:
            if sub in self._queued:
                self._again.add(sub)
                return
            self._queued.add(sub)
            self._waiting.append(sub)
            if len(self._waiting) <= self._idle:
                self._ready.notify()
            elif self._threads < THREADS_MAX:
                self._threads += 1
                threading.Thread(target=self._work, name="rhizomedb-receiver", daemon=True).start()

    def close(self) -> None:
        """Let the threads end once what waits is delivered."""
        with self._ready:
            self._is_closed = True
            self._ready.notify_all()

    def _work(self) -> None:
        while (sub := self._next()) is not None:
            try:
                more = sub._deliver()
            except BaseException as error:  # such as SystemExit, which ends no more than this subscription here
                sub._fail(error)
                more = False
            with self._ready:
                if more or sub in self._again:
                    self._again.discard(sub)
                    self._waiting.append(sub)
                else:
                    self._queued.discard(sub)

    def _next(self) -> Subscription[Any] | None:
        with self._ready:
            if not self._waiting and not self._is_closed:
                self._idle += 1
                self._ready.wait(IDLE_S)
                self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None

"""Marks worked out: what was reached at the end of each epoch, from an index and from where in the log epochs end.

A mark that stands in a file is only what was noted; who does not believe it, or has lost it, makes it again here. One
walk along the columns gives all of them, so a file of many epochs takes no longer than one of few.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal

from rhizomedb.store.layout import Mark
from rhizomedb.store.tiers import Tiers


class Ends:
    """Where epochs end in the log, and the greatest claimed time by then; noted delta by delta, in order."""

    def __init__(self, before: Mark = Mark()) -> None:  # noqa: B008  # a frozen value
        self._before = before
        self._time = (before.ms, before.counter)
        self._ends: dict[int, tuple[int, tuple[int, int]]] = {}

    def note(self, seq: int, epoch: int, ms: int, counter: int) -> None:
        """A delta of an epoch."""
        self._time = max(self._time, (ms, counter))
        self._ends[epoch] = seq, self._time

    def marks(self, tiers: Tiers, last: int) -> Iterator[Mark]:
        """The marks of all epochs after the one that was before, up to one."""
        causes, repeats = _Count(tiers, "cause.from"), _Count(tiers, "repeat.delta")
        deltas, time = self._before.deltas, (self._before.ms, self._before.counter)
        for epoch in range(self._before.epoch + 1, last + 1):
            deltas, time = self._ends.get(epoch, (deltas, time))
            facts = tiers.index.facts_of_delta(deltas)[1] if deltas else 0
            yield Mark(epoch, deltas, facts, causes.up_to(facts), repeats.up_to(deltas), *time)


class _Count:
    """How many items of an ascending column, over all segments, are no greater than a number that only grows."""

    def __init__(self, tiers: Tiers, column: Literal["cause.from", "repeat.delta"]) -> None:
        self._views = []
        for place, part in enumerate(tiers.parts):
            first, last = tiers.index.check(place, column)
            self._views.append(memoryview(part.buffer)[first:last].cast("I"))
        self._place = self._before = 0

    def up_to(self, number: int) -> int:
        while self._place < len(self._views):
            view = self._views[self._place]
            if len(view) and view[-1] > number:
                return self._before + bisect_right(view, number)
            self._before += len(view)
            self._place += 1
        return self._before

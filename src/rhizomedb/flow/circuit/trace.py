"""Traces: all the changes of a stream so far, by key, value and time (PomoFlow 2.3).

A trace is a few *batches*, each a part of the history with the weights of equal entries added up. It is a value:
appending makes another trace that shares all batches but those that were merged. So the trace of a moment ago, which
incremental joins need, costs nothing to keep, and a step that fails leaves the trace as it was.

Batches are merged when they are of like size, so that each entry is moved O(log n) times in all and there are never
more than O(log n) of them; `seek` looks a key up in each.

A closed epoch is never told apart from those before it again (erratum E21): `compact` says up to which one, and from
then on merging moves entries of all those epochs to the last of them, where many add up to nothing. The iteration
stays: an entry of iteration 3 is seen by a later epoch from its own iteration 3 on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from heapq import merge
from typing import Any, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.flow.circuit.indexed import IndexedZSet
from rhizomedb.flow.circuit.order import NO_VALUE, Element, sort_key, written
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.zset import Weight, ZSet

Time: TypeAlias = Timestamp | None
"""When an entry came; `None` in a trace without times (F4)."""

Entry: TypeAlias = tuple[Element, Element, Time, Weight]
"""Key, value, time, weight: the paper's 4-tuple."""

Times: TypeAlias = dict[Time, Weight]
Values: TypeAlias = dict[Element, Times]


TIMELESS = sys.maxsize
"""Later than any epoch: what has no time is never moved to another."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of a trace. Nothing of it changes once it is made."""

    entries: Mapping[Element, Values]
    size: int
    oldest: int
    """The earliest epoch of an entry, `TIMELESS` if none has a time."""
    _sorted: list[tuple[Any, Entry]] = field(default_factory=list, init=False, repr=False, compare=False)

    def sorted(self) -> list[tuple[Any, Entry]]:
        """The entries in order, each after its sort key; sorted at the first question and then kept."""
        if len(self._sorted) != self.size:
            found = (
                (key, value, time, weight)
                for key, values in self.entries.items()
                for value, times in values.items()
                for time, weight in times.items()
            )
            keyed = (((sort_key(e[0]), sort_key(e[1]), tuple(e[2] or ())), e) for e in found)
            self._sorted[:] = sorted(keyed, key=lambda item: item[0])
        return self._sorted


class Trace:
    """The changes of a stream so far.

    >>> print(Trace().append(ZSet({"a": 1}), Timestamp(0)).append(ZSet({"a": -1}), Timestamp(1)))
    [{"a", nil, 0, 1}, {"a", nil, 1, -1}]
    """

    __slots__ = ("batches", "closed", "moved")

    def __init__(self, batches: tuple[Batch, ...] = (), closed: int = 0, moved: int = 0) -> None:
        self.batches = batches
        self.closed = closed
        """Epochs up to this one are seen as one."""
        self.moved = moved
        """How many entries merging has moved so far: what keeping the trace has cost."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Trace:
        """A trace of written entries."""
        return cls()._with(_batch(entries))

    def append(self, change: ZSet | IndexedZSet, time: Time = None) -> Trace:
        """The trace with a change that happened at a time, or at none (2.9.16, 2.9.17)."""
        if not len(change):
            return self
        entries: dict[Element, Values]
        if isinstance(change, IndexedZSet):
            entries = {
                key: {value: {time: weight} for value, weight in values.items()}
                for key, values in change.groups.items()
            }
        else:
            entries = {element: {NO_VALUE: {time: weight}} for element, weight in change.items()}
        return self._with(Batch(entries, len(change), TIMELESS if time is None else time.epoch))

    def _with(self, batch: Batch) -> Trace:
        batches, moved = [*self.batches, batch], self.moved
        while len(batches) > 1 and batches[-2].size <= 2 * batches[-1].size:  # of like size
            small, large = batches.pop(), batches.pop()
            moved += small.size + large.size
            batches.append(_merged(large, small, self.closed))
        return Trace(tuple(batch for batch in batches if batch.size), self.closed, moved)

    def compact(self, epoch: int) -> Trace:
        """The same trace for whoever asks in later epochs: those up to this one are closed and need not be told apart."""
        return self if epoch <= self.closed else Trace(self.batches, epoch, self.moved)

    def seek(self, key: Element) -> Values:
        """The values of a key, each with its times and weights; one look-up in each batch (F7)."""
        found = [values for batch in self.batches if (values := batch.entries.get(key)) is not None]
        if len(found) < 2:
            return found[0] if found else {}
        first, *others = found
        result = {value: dict(times) for value, times in first.items()}
        for values in others:
            _add(result, values)
        return result

    def times(self, element: Element) -> Times:
        """The times and weights of an element of a plain Z-set."""
        return self.seek(element).get(NO_VALUE, {})

    def weight(self, key: Element, value: Element = NO_VALUE) -> Weight:
        """The sum of the weights of a key and value over all times."""
        return sum(
            sum(values[value].values())
            for batch in self.batches
            if (values := batch.entries.get(key)) and value in values
        )

    def consolidate(self) -> ZSet:
        """The sums of weights over all times, zeros dropped: a plain Z-set, of pairs if the trace has values (2.9.2)."""
        weights: dict[Element, Weight] = {}
        for batch in self.batches:
            for key, values in batch.entries.items():
                for value, times in values.items():
                    element = key if value is NO_VALUE else (key, value)
                    weights[element] = weights.get(element, 0) + sum(times.values())
        return ZSet.made(weights)

    def __len__(self) -> int:
        """How many entries are held. Those that would cancel each other when merged are counted."""
        return sum(batch.size for batch in self.batches)

    def __iter__(self) -> Iterator[Entry]:
        """The entries by key, then value, then time; what cancels out is left out."""
        pending: tuple[Any, Entry] | None = None
        for place, entry in merge(*(batch.sorted() for batch in self.batches), key=lambda item: item[0]):
            if pending is not None and pending[1][:3] == entry[:3]:
                weight = pending[1][3] + entry[3]
                pending = (place, (*entry[:3], weight))
                continue
            if pending is not None and pending[1][3]:
                yield pending[1]
            pending = (place, entry)
        if pending is not None and pending[1][3]:
            yield pending[1]

    def __repr__(self) -> str:
        return f"Trace.of({list(self)!r})"

    def __str__(self) -> str:
        """The paper's list of 4-tuples."""
        shown = (
            f"{{{written(key)}, {written(value)}, {'nil' if time is None else time}, {weight}}}"
            for key, value, time, weight in self
        )
        return "[" + ", ".join(shown) + "]"


def _batch(entries: Iterable[Entry]) -> Batch:
    made: dict[Element, Values] = {}
    oldest = TIMELESS
    for key, value, time, weight in entries:
        _add(made.setdefault(key, {}), {value: {time: weight}})
        oldest = oldest if time is None else min(oldest, time.epoch)
    made = {key: values for key, values in made.items() if values}
    return Batch(made, sum(map(_size, made.values())), oldest)


def _size(values: Values) -> int:
    return sum(map(len, values.values()))


def _merged(large: Batch, small: Batch, closed: int) -> Batch:
    """Both batches as one, the times of closed epochs moved to the last of them; what only one has is shared."""
    small, large = sorted((_compacted(large, closed), _compacted(small, closed)), key=lambda batch: batch.size)
    merged, size = dict(large.entries), large.size + small.size
    for key, values in small.entries.items():
        held = merged.get(key)
        if held is None:
            merged[key] = values
            continue
        both = {value: dict(times) for value, times in held.items()}
        _add(both, values)
        size += _size(both) - _size(held) - _size(values)
        if both:
            merged[key] = both
        else:
            del merged[key]
    return Batch(merged, size, min(large.oldest, small.oldest))


def _compacted(batch: Batch, closed: int) -> Batch:
    """A batch with the times of closed epochs moved to the last of them."""
    if batch.oldest >= closed:
        return batch
    entries: dict[Element, Values] = {}
    for key, values in batch.entries.items():
        moved = {value: there for value, times in values.items() if (there := _moved(times, closed))}
        if moved:
            entries[key] = moved
    return Batch(entries, sum(map(_size, entries.values())), closed)


def _moved(times: Times, closed: int) -> Times:
    moved: Times = {}
    for time, weight in times.items():
        seen = time if time is None else time.since(closed)
        moved[seen] = moved.get(seen, 0) + weight
    return {time: weight for time, weight in moved.items() if weight}


def _add(into: Values, values: Values) -> None:
    """Add the weights of some values; what comes to zero goes."""
    for value, times in values.items():
        held = into.setdefault(value, {})
        for time, weight in times.items():
            total = held.get(time, 0) + weight
            if total:
                held[time] = total
            else:
                held.pop(time, None)
        if not held:
            del into[value]


NO_HISTORY = Trace()
"""The trace of a stream through which nothing has flowed."""

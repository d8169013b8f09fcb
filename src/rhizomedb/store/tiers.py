"""Tiers: the segments that an index is made of at one moment, and when which of them become one.

Segments of about one size are merged once they are some, so there are few of them however many writes there were, and
each fact is moved only as often as its segment grows severalfold.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from time import monotonic_ns
from typing import Any, Final, NamedTuple

from rhizomedb import _native
from rhizomedb.store import build, lookup
from rhizomedb.store.folder import size_now
from rhizomedb.store.segment import Bounds, Buffer, damaged, seal

build_segment = _native.kernel(build.build_segment)
merge_segments = _native.kernel(build.merge_segments)
Index = _native.kernel(lookup.Index)
Segment = _native.kernel(lookup.Segment)

RATIO: Final = 4
"""A segment is of about the size of a newer one unless it is this many times as large."""

FILES_TOGETHER: Final = 8
"""So many files are merged at once: to look into a few more costs less than to move what is in them once more."""

IN_MEMORY: Final = 8
"""So many segments may be in memory before any of them are merged."""

LOOKED_NS: Final = 1_000_000
"""For so long a look at the lengths of all files holds for the reads that follow it: a look is a call of the system for
each file, which a look-up of some microseconds would pay for once more with each segment."""

FACTS_MAX: Final = 1 << 20
BYTES_MAX: Final = 128 << 20
"""No segment is made larger than this by merging: that bounds the memory and the time of one merge."""


class Part(NamedTuple):
    """One segment: its bytes, what of it is known without looking, and the name of its file if it has one."""

    buffer: Buffer
    segment: Any
    bounds: Bounds
    causes: int
    repeats: int
    sums_at: int
    name: str | None = None

    @property
    def weight(self) -> int:
        """How much it holds, in facts."""
        return self.bounds.facts + self.bounds.deltas

    def seal(self) -> bytes:
        """What the catalogue keeps of it: its header and its page sums, hashed."""
        return seal(self.buffer, self.sums_at)


def part_of(buffer: Buffer, name: str | None = None) -> Part:
    """The part of a segment's bytes."""
    segment = Segment(buffer)
    *bounds, causes, repeats, sums_at = segment.numbers()
    return Part(buffer, segment, Bounds(*bounds), causes, repeats, sums_at, name)


def merged(parts: Sequence[Part]) -> Part:
    """Adjacent parts as one, in memory."""
    Tiers(parts).check()
    return parts[0] if len(parts) == 1 else part_of(merge_segments([part.segment for part in parts]))


class Tiers:
    """Adjacent parts, oldest first; those in files come before those in memory. Never changes."""

    def __init__(self, parts: Sequence[Part] = ()) -> None:
        self.parts = tuple(parts)
        self.in_files = tuple([part for part in self.parts if part.name])
        self.in_memory = tuple([part for part in self.parts if not part.name])
        if any([a.bounds.delta_last != b.bounds.delta_after for a, b in pairwise(self.parts)]):  # noqa: C419  # faster
            raise damaged("its segments do not follow one another")
        sizes = ((size_now(part.buffer), len(part.buffer)) for part in self.parts)
        self._mapped = [(size, length) for size, length in sizes if size is not None]
        self._looked_ns = 0

    def is_whole(self) -> bool:
        """Whether every file that is mapped still has its length: to touch what was cut off would end the process."""
        return all(size() == length for size, length in self._mapped)

    def was_whole(self) -> bool:
        """The same as it was `LOOKED_NS` ago or later, for reads that are many and short."""
        now_ns = monotonic_ns()
        if now_ns - self._looked_ns >= LOOKED_NS:
            if not self.is_whole():
                return False
            self._looked_ns = now_ns
        return True

    def check(self) -> None:
        """Refuse to go on with a file that was cut short since it was mapped."""
        if not self.is_whole():
            raise damaged("a segment was cut short while it was in use")

    @cached_property
    def index(self) -> Any:
        """The look-ups over all parts."""
        return Index([part.segment for part in self.parts])

    @property
    def last(self) -> Bounds:
        """What the newest part covers; its last numbers are those of all."""
        return self.parts[-1].bounds if self.parts else Bounds()

    @cached_property
    def tail(self) -> tuple[int, int, int]:
        """How many deltas, facts and bytes are in memory only."""
        deltas = sum([part.bounds.deltas for part in self.in_memory])
        facts = sum([part.bounds.facts for part in self.in_memory])
        return deltas, facts, sum([len(part.buffer) for part in self.in_memory])

    @cached_property
    def causes(self) -> int:
        """How many causes all parts have."""
        return sum([part.causes for part in self.parts])

    @cached_property
    def repeats(self) -> int:
        """How many facts of all parts were said again."""
        return sum([part.repeats for part in self.parts])

    @cached_property
    def is_due(self) -> bool:
        """Whether any of the parts in files are to be merged."""
        return due(self.in_files) is not None

    def added(self, part: Part) -> Tiers:
        """With a part that follows, in memory, merged as is due."""
        files, memory = self.in_files, [*self.in_memory, part]
        if len(memory) > IN_MEMORY:  # not at every write: a merge costs about as much as a small write
            while span := due(memory, 2):
                memory[slice(*span)] = [merged(memory[slice(*span)])]
        made = Tiers((*files, *memory))
        made.is_due = self.is_due  # the files are the same
        return made


def fits(parts: Sequence[Part], share: float = 1.0) -> bool:
    """Whether parts may become one, in a share of the usual room."""
    weight, size = sum(part.weight for part in parts), sum(len(part.buffer) for part in parts)
    return weight <= FACTS_MAX * share and size <= BYTES_MAX * share


def due(parts: Sequence[Part], together: int | None = None, share: float = 1.0) -> tuple[int, int] | None:
    """Which adjacent parts are to be merged into one, the newest that are: from where to where.

    None of them is much larger than the newest, and they are at least so many (`FILES_TOGETHER`), or two that would be
    too large with one more, in a share of the usual room.
    """
    together = FILES_TOGETHER if together is None else together
    for end in range(len(parts), 1, -1):
        newest = parts[end - 1]
        start, weight, size = end - 1, newest.weight, len(newest.buffer)
        is_full = False
        while start and not is_full and parts[start - 1].weight < RATIO * newest.weight:
            weight += parts[start - 1].weight
            size += len(parts[start - 1].buffer)
            is_full = weight > FACTS_MAX * share or size > BYTES_MAX * share
            start -= not is_full
        if end - start >= (2 if is_full else together):
            return start, end
    return None

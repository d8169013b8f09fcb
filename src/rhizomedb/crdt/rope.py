"""The order of a text's characters, kept so that each place is found at once. The plain twin of the kernel of the same name.

This holds no characters and no facts, only where they stand: what the walk of `crdt.text` says, run by run. Runs are
numbered by the caller, from 0, in an order in which parents come first. A *span* is some consecutive characters of one
run, deleted or not. Spans stand in order in *blocks* of some hundred; each block knows how many of its characters are
visible, so a position is found by a look at the blocks and then at one of them. From a character to its span leads what
each run knows: where its spans begin, and in which block each is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from operator import itemgetter
from typing import Final, TypeAlias

BLOCK_SPANS_MAX: Final = 128
"""A block with more spans is parted into two, unless another number is asked for."""

COUNTER_MAX: Final = 2**63 - 1
"""Where counting ends: who comes after the greatest counter has the greatest too."""

LENGTH_MAX: Final = 2**32 - 2
"""How many characters a run can have."""

Rank: TypeAlias = tuple[int, bytes, int]
"""What siblings stand by, greatest first: the counter, the tie, and for those that are equal in both the number."""


class _Span:
    __slots__ = ("count", "is_deleted", "run", "start")

    def __init__(self, run: int, start: int, count: int, is_deleted: bool = False) -> None:
        self.run = run
        self.start = start
        self.count = count
        self.is_deleted = is_deleted


class _Block:
    __slots__ = ("spans", "visible")

    def __init__(self, spans: list[_Span]) -> None:
        self.spans = spans
        self.visible = sum(span.count for span in spans if not span.is_deleted)


class _Run:
    __slots__ = ("blocks", "length", "offset", "parent", "rank", "starts")

    def __init__(self, parent: int | None, offset: int, length: int, rank: Rank) -> None:
        self.parent = parent
        self.offset = offset
        self.length = length
        self.rank = rank
        self.starts: list[int] = []
        self.blocks: list[_Block] = []


class Rope:
    """Which character stands where: of runs put after characters of others, and partly deleted.

    Positions count visible characters. A parent is the number of a run, or None for the beginning, whose offset is 0.
    """

    def __init__(self, block_spans_max: int = BLOCK_SPANS_MAX) -> None:
        assert block_spans_max >= 1, "a block has room for a span"
        self._spans_max = block_spans_max
        self._runs: list[_Run] = []
        self._under: dict[tuple[int | None, int], list[Rank]] = {}
        self._gone: dict[int, list[tuple[int, int]]] = {}  # of each run what is deleted: stretches apart, in order
        self._blocks = [_Block([])]
        self._visible = 0

    def __len__(self) -> int:
        """How many characters are visible."""
        return self._visible

    # -- changing ---------------------------------------------------------------------------------------------------

    def insert(self, run: int, parent: int | None, offset: int, length: int, counter: int, tie: bytes) -> int | None:
        """Put a new run, whose number is the next, after a character; where it comes to stand, None if there is none such."""
        assert run == len(self._runs), "runs are numbered one after the other"
        assert 1 <= length <= LENGTH_MAX and 1 <= counter <= COUNTER_MAX, "a run has characters, and a counter"
        if not self._has(parent, offset):
            return None
        new = _Run(parent, offset, length, (counter, tie, run))
        siblings = self._under.setdefault((parent, offset), [])
        insort(siblings, new.rank)
        self._runs.append(new)
        block, place = self._place(new, siblings)
        position = self._before(block, place)
        self._add(block, place, _Span(run, 0, length))
        self._part(block)
        return position

    def extend(self, run: int, count: int) -> bool:
        """Let a run have more characters at its end; False, and nothing done, where something stands after its last one."""
        assert count >= 0, "a run grows by some characters"
        if not self._has(run, 0):
            return False
        of = self._runs[run]
        if of.length + count > LENGTH_MAX or (run, of.length - 1) in self._under:
            return False
        if not count:
            return True  # no span has no characters
        block, place = self._find(run, of.length - 1)
        span = block.spans[place]
        if span.is_deleted:
            self._add(block, place + 1, _Span(run, of.length, count))
            self._part(block)
        else:
            span.count += count
            block.visible += count
            self._visible += count
        of.length += count
        return True

    def shrink(self, run: int, count: int) -> bool:
        """Let a run have fewer characters at its end, or none; False, and nothing done, where one is deleted or a parent.

        A run of none stays without any.
        """
        assert count >= 0, "a run shrinks by some characters"
        if not self._has(run, 0) or count > self._runs[run].length:
            return False
        of = self._runs[run]
        if any((run, offset) in self._under for offset in range(of.length - count, of.length)):
            return False
        spans = [self._find(run, start) for start in of.starts[bisect_right(of.starts, of.length - count) - 1 :]]
        if any(block.spans[place].is_deleted for block, place in spans if self._reaches(block.spans[place], of, count)):
            return False
        left = count
        while left:
            block, place = self._find(run, of.length - 1)
            span = block.spans[place]
            fewer = min(left, span.count)
            span.count -= fewer
            of.length -= fewer
            block.visible -= fewer
            self._visible -= fewer
            left -= fewer
            if not span.count:
                del block.spans[place]
                of.starts.pop()
                of.blocks.pop()
        if not of.length:
            siblings = self._under[of.parent, of.offset]
            del siblings[_rank(siblings, of.rank)]
            if not siblings:
                del self._under[of.parent, of.offset]
        return True

    @staticmethod
    def _reaches(span: _Span, run: _Run, count: int) -> bool:
        """Whether a span has any of the last characters of its run."""
        return span.start + span.count > run.length - count

    def settle(self, run: int, tie: bytes) -> bool:
        """Give a run another tie; whether it stands where it has to with that. If it does not, this is not to be used on."""
        assert self._has(run, 0), "there is such a run"
        of = self._runs[run]
        siblings = self._under[of.parent, of.offset]
        place = _rank(siblings, of.rank)
        del siblings[place]
        of.rank = of.rank[0], tie, run
        insort(siblings, of.rank)
        return siblings[place] == of.rank

    def delete(self, run: int, start: int, count: int) -> list[tuple[int, int]]:
        """Delete characters of a run, as far as they are there: at which positions, one deletion after the other."""
        assert start >= 0 and count >= 0, "characters are counted from 0"
        deleted: list[tuple[int, int]] = []
        if not self._has(run, 0):
            return deleted
        for at, end in self._left(run, start, min(start + count, self._runs[run].length)):
            while at < end:  # a part may stand in several spans
                block, place = self._find(run, at)
                if at > block.spans[place].start:
                    self._split(block, place, at)
                    place += 1
                span = block.spans[place]
                if end < span.start + span.count:
                    self._split(block, place, end)
                position = self._before(block, place)
                span.is_deleted = True
                block.visible -= span.count
                self._visible -= span.count
                if deleted and deleted[-1][0] == position:
                    deleted[-1] = position, deleted[-1][1] + span.count
                else:
                    deleted.append((position, span.count))
                at += span.count  # noqa: PLW2901  # on to the next span of the part
                self._join(block, place)
                self._part(block)
        return deleted

    # -- reading ----------------------------------------------------------------------------------------------------

    def at(self, position: int) -> tuple[int, int] | None:
        """The visible character at a position, as its run and its place in it; None where there is none."""
        for run, start, _ in self.spans(position, 1):
            return run, start
        return None

    def spans(self, position: int, count: int) -> list[tuple[int, int, int]]:
        """Some visible characters from a position on: runs, where in them, and how many."""
        assert position >= 0 and count >= 0, "positions are counted from 0"
        found: list[tuple[int, int, int]] = []
        for block in self._blocks:
            if not count:
                break
            if position >= block.visible:
                position -= block.visible
                continue
            for span in block.spans:
                if span.is_deleted:
                    continue
                if position >= span.count:
                    position -= span.count
                    continue
                taken = min(count, span.count - position)
                found.append((span.run, span.start + position, taken))
                position, count = 0, count - taken
                if not count:
                    break
        return found

    def position(self, run: int, offset: int) -> int:
        """How many visible characters stand before one of a run, which may be deleted itself."""
        assert self._has(run, offset), "there is such a character"
        block, place = self._find(run, offset)
        span = block.spans[place]
        return self._before(block, place) + (0 if span.is_deleted else offset - span.start)

    def counter(self, parent: int | None, offset: int) -> int:
        """The counter that puts a new run before all others after a character."""
        assert self._has(parent, offset), "there is such a character"
        siblings = self._under.get((parent, offset))
        return min(siblings[-1][0] + 1, COUNTER_MAX) if siblings else 1

    # -- within -----------------------------------------------------------------------------------------------------

    def _has(self, run: int | None, offset: int) -> bool:
        if run is None:
            return offset == 0
        return 0 <= run < len(self._runs) and 0 <= offset < self._runs[run].length

    def _left(self, run: int, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of some characters of a run that are not deleted, which count as deleted from now on.

        What is deleted again is not walked over again, into however many spans it fell.
        """
        if start >= end:
            return []
        gone = self._gone.setdefault(run, [])
        first = bisect_left(gone, start, key=itemgetter(1))
        last = bisect_right(gone, end, key=itemgetter(0))
        parts, at = [], start
        for low, high in gone[first:last]:
            if at < low:
                parts.append((at, low))
            at = max(at, high)
        if at < end:
            parts.append((at, end))
        if first < last:
            start, end = min(start, gone[first][0]), max(end, gone[last - 1][1])
        gone[first:last] = [(start, end)]
        return parts

    def _place(self, new: _Run, siblings: list[Rank]) -> tuple[_Block, int]:
        """Where a run that is among its siblings has to stand: a block, and a place among its spans."""
        rank = _rank(siblings, new.rank)
        if rank == len(siblings) - 1:
            return (self._blocks[0], 0) if new.parent is None else self._after(new.parent, new.offset)
        if rank:
            return self._find(siblings[rank - 1][2], 0)
        if new.parent is None:
            return self._end()
        if new.offset + 1 < self._runs[new.parent].length:
            return self._at(new.parent, new.offset + 1)
        return self._behind(new.parent, siblings[1][2])

    def _behind(self, up: int, down: int) -> tuple[_Block, int]:
        """Where all that hangs from a run ends: before what follows it, which is found upwards, or after the last of it,
        which is found downwards from the last run that hangs from its last character. Both ways are gone at once, for
        either may be long.
        """
        while True:
            of = self._runs[up]
            siblings = self._under[of.parent, of.offset]
            rank = _rank(siblings, of.rank)
            if rank:
                return self._find(siblings[rank - 1][2], 0)
            if of.parent is None:
                return self._end()
            if of.offset + 1 < self._runs[of.parent].length:
                return self._at(of.parent, of.offset + 1)
            up = of.parent
            last = self._runs[down].length - 1
            below = self._under.get((down, last))
            if not below:
                return self._after(down, last)
            down = below[0][2]

    def _end(self) -> tuple[_Block, int]:
        return self._blocks[-1], len(self._blocks[-1].spans)

    def _find(self, run: int, offset: int) -> tuple[_Block, int]:
        """The span that has a character: its block, and its place there."""
        of = self._runs[run]
        number = bisect_right(of.starts, offset) - 1
        block, start = of.blocks[number], of.starts[number]
        return block, next(n for n, span in enumerate(block.spans) if span.run == run and span.start == start)

    def _at(self, run: int, offset: int) -> tuple[_Block, int]:
        """The place before a character, where spans are parted."""
        block, place = self._find(run, offset)
        if offset > block.spans[place].start:
            self._split(block, place, offset)
            place += 1
        return block, place

    def _after(self, run: int, offset: int) -> tuple[_Block, int]:
        """The place after a character, where spans are parted."""
        block, place = self._find(run, offset)
        span = block.spans[place]
        if offset + 1 < span.start + span.count:
            self._split(block, place, offset + 1)
        return block, place + 1

    def _before(self, block: _Block, place: int) -> int:
        """How many visible characters stand before a place."""
        position = 0
        for each in self._blocks:
            if each is block:
                break
            position += each.visible
        return position + sum(span.count for span in block.spans[:place] if not span.is_deleted)

    def _note(self, span: _Span, block: _Block) -> None:
        """Let the run of a span know in which block it is."""
        of = self._runs[span.run]
        number = bisect_right(of.starts, span.start) - 1
        if number >= 0 and of.starts[number] == span.start:
            of.blocks[number] = block
        else:
            of.starts.insert(number + 1, span.start)
            of.blocks.insert(number + 1, block)

    def _forget(self, span: _Span) -> None:
        of = self._runs[span.run]
        number = bisect_right(of.starts, span.start) - 1
        del of.starts[number], of.blocks[number]

    def _add(self, block: _Block, place: int, span: _Span) -> None:
        block.spans.insert(place, span)
        block.visible += span.count
        self._visible += span.count
        self._note(span, block)

    def _split(self, block: _Block, place: int, offset: int) -> None:
        """Part a span before a character in it."""
        span = block.spans[place]
        rest = _Span(span.run, offset, span.start + span.count - offset, span.is_deleted)
        span.count = offset - span.start
        block.spans.insert(place + 1, rest)
        self._note(rest, block)

    def _join(self, block: _Block, place: int) -> None:
        """Make a span one with those beside it that go on in the same run and are deleted alike."""
        for left in (place, place - 1):
            if 0 <= left < len(block.spans) - 1:
                span, after = block.spans[left], block.spans[left + 1]
                goes_on = span.run == after.run and span.start + span.count == after.start
                if goes_on and span.is_deleted == after.is_deleted:
                    span.count += after.count
                    del block.spans[left + 1]
                    self._forget(after)

    def _part(self, block: _Block) -> None:
        """Make two blocks of one that has too many spans."""
        if len(block.spans) > self._spans_max:
            half = len(block.spans) // 2
            other = _Block(block.spans[half:])
            del block.spans[half:]
            block.visible -= other.visible
            self._blocks.insert(next(n for n, each in enumerate(self._blocks) if each is block) + 1, other)
            for span in other.spans:
                self._note(span, other)


def _rank(siblings: list[Rank], rank: Rank) -> int:
    """The place of one that is there among siblings, from the least."""
    return bisect_right(siblings, rank) - 1

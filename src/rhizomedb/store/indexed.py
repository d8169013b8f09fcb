"""What of a file's log is indexed: segments in files beside it, the newest deltas in memory, and how one follows the other.

Whoever writes adds to the index in the same write; whoever reads catches up with what others wrote, from segments
that they name in the catalogue or else from the log. Both give the same numbers.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.delta import Delta
from rhizomedb.store import log
from rhizomedb.store.beside import Beside
from rhizomedb.store.file import File
from rhizomedb.store.folder import Folder, let_go
from rhizomedb.store.layout import Mark, seal
from rhizomedb.store.marks import Ends
from rhizomedb.store.relations import Cells
from rhizomedb.store.said import Said, said_by, said_in
from rhizomedb.store.segment import damaged
from rhizomedb.store.tiers import BYTES_MAX, FACTS_MAX, Part, Tiers, build_segment, due, fits, merged, part_of
from rhizomedb.store.waiting import Waiting

GATHER_FACTS: Final = 1 << 17
GATHER_BYTES: Final = 24 << 20
"""How much is gathered before a segment is built of it, within one write."""

TOGETHER: Final = 6
"""How many segments of that size are merged at once."""

TAIL_FACTS: Final = 4096
TAIL_DELTAS: Final = 512
TAIL_BYTES: Final = 2 << 20
"""How much may be in memory only when a write ends: as much as a process that opens the file reads in no time."""

SMALL: Final = 1 << 14
"""Files of fewer facts are merged with what follows when that is written."""

HOLE: Final = Said(bytes(32), b"", b"", b"", b"", 0, 0, 0, 0, 0, b"", b"", b"")
"""What stands for a delta that cannot be read any more."""


class Build:
    """One segment that is being built of what deltas say, behind what there is.

    It is built beside what goes on, by a worker; it takes in the small ones before it once they are many, and goes to a
    file.
    """

    def __init__(self, tiers: Tiers, said: list[Said], folder: Folder, beside: Beside, share: float) -> None:
        self.said = said
        self.ids = {each.id for each in said}
        self.start = len(tiers.parts)
        self.part: Part | None = None
        self._tiers = tiers
        self._folder = folder
        self._share = share
        self._under_way = beside.do(self._run)

    def _run(self) -> None:
        part = built(self._tiers, self.said)
        small, is_full = self._small()
        if len(small) >= (2 if is_full else TOGETHER):
            self.start -= len(small)
            part = merged([*small, part])
        self.part = kept(part, self._folder)

    def _small(self) -> tuple[list[Part], bool]:
        """The newest parts that are not yet of the largest size, as many as go into one, and whether one more would not."""
        small: list[Part] = []
        facts_max, bytes_max = FACTS_MAX * self._share, BYTES_MAX * self._share
        weight = sum(len(said.digests) // 32 for said in self.said)
        size = sum(len(said.data) for said in self.said)
        for part in reversed(self._tiers.parts):
            weight += part.weight
            size += len(part.buffer)
            if part.weight > facts_max // 4 or len(part.buffer) > bytes_max // 4:
                break
            if weight > facts_max or size > bytes_max:
                return small, True
            small.insert(0, part)
        return small, False

    def wait(self) -> Part:
        """The segment, when it is built."""
        self._under_way.result()
        assert self.part is not None, "what was built without an error is there"
        return self.part

    def abandon(self) -> None:
        """Wait until it is built, and keep nothing of it."""
        self._under_way.exception()  # whatever went wrong in it is of no interest any more
        if self.part is not None and self.part.name:
            self._folder.remove(self.part.name)


def built(tiers: Tiers, said: Sequence[Said]) -> Part:
    """The segment of what deltas say, behind what there is."""
    last = tiers.last
    tiers.check()
    return part_of(build_segment(tiers.index, last.delta_last, last.fact_last, last.cell_last, said))


def kept(part: Part, folder: Folder) -> Part:
    """A part in a file; as it is if it cannot be kept in one, which is slower to open and nothing worse."""
    name = folder.write(part.buffer)
    if name is None:
        return part
    buffer = folder.map(name, len(part.buffer))
    return part if buffer is None else part_of(buffer, name)


class Indexed:
    """The index of one open file, up to some delta. `mark` is what it has reached, with `epoch` left to the store.

    `share`: how much of the usual room it has (`room`).
    """

    def __init__(self, file: File, share: float = 1.0) -> None:
        self._file = file
        self._share = share
        self.folder = Folder(file.absolute, is_durable=file.durability == "full")
        self._tiers = Tiers()
        self._build: Build | None = None
        self._beside = Beside("rhizomedb-build")
        self._waiting = Waiting()
        self._time = (0, 0)
        self._refused_bytes = 0
        self._known_home = ""
        self._named: set[str] = set()
        self._checked = Mark()
        self.cells = Cells()
        self.beginnings = 0
        """How often the index was begun from nothing after it gave numbers: each time it may give others."""
        self._has_numbered = False
        self._written: list[str] = []
        self._replaced: list[str] = []

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def tiers(self) -> Tiers:
        """The segments, what was only counted among them."""
        if self._waiting.is_counted:
            self.flush()
        return self._tiers

    def was_whole(self) -> bool:
        """Whether no file that is used was cut short, as it was a moment ago."""
        return self._tiers.was_whole()

    def check(self) -> None:
        """Refuse to go on with a file that was cut short."""
        self._tiers.check()

    @property
    def is_due(self) -> bool:
        """Whether files are to be merged."""
        return self._tiers.is_due

    def has(self, digest: bytes) -> bool:
        """Whether a delta is indexed, or about to be."""
        if digest in self._waiting.ids or (self._build is not None and digest in self._build.ids):
            return True
        return bool(self._tiers.index.find_delta(digest))

    def may_have_fact(self, digest: bytes) -> bool:
        """Whether a fact may be indexed, or about to be; False is certain."""
        if self._build is not None or self._waiting.may_have_fact(digest):
            return True
        return bool(self._tiers.index.find_fact(digest))

    def mark(self, epoch: int) -> Mark:
        """What was reached, everything that waits among it."""
        waiting = self._waiting
        if self._build is not None or not waiting.is_little:
            self.flush()
            waiting = self._waiting
        if waiting.said:
            waiting.count(self._tiers.index)
            self._time = max(self._time, waiting.time)
        tiers, last = self._tiers, self._tiers.last
        deltas, facts = last.delta_last + len(waiting.said), last.fact_last + waiting.facts
        return Mark(epoch, deltas, facts, tiers.causes + waiting.causes, tiers.repeats + waiting.repeats, *self._time)

    # -- writing ----------------------------------------------------------------------------------------------------

    def add(self, said: Said) -> None:
        """Take in the next delta of the log, which is not known yet."""
        self._has_numbered = True
        waiting = self._waiting
        waiting.add(said)
        if waiting.facts_said >= GATHER_FACTS * self._share or waiting.bytes >= GATHER_BYTES * self._share:
            if self._file.is_writing:
                self._launch()
            else:  # who only reads names nothing in the catalogue: that would wait for writers, and not be one write
                self.flush()

    def last_seq(self) -> int:
        """The number of the newest delta that was taken in."""
        under_way = len(self._build.said) if self._build else 0
        return self._tiers.last.delta_last + under_way + len(self._waiting.said)

    def flush(self) -> None:
        """Build a segment of what waits."""
        if self._build is not None:
            self._land()
        if self._waiting.said:
            said = self._waiting.said
            tiers = self._tiers.added(built(self._tiers, said))
            self._note_time(said)
            # In one step: what stops this before leaves all of it to wait, and not deltas that no segment has.
            self._tiers, self._waiting = tiers, Waiting()

    def _launch(self) -> None:
        """Build a segment of what waits beside what goes on: the kernels hold no lock of Python's."""
        self._land()
        said = self._take()
        if self.is_tail_long():
            self.spill()
        self._build = Build(self._tiers, said, self.folder, self._beside, self._share)

    def _land(self) -> None:
        """Take up the segment that was being built."""
        build = self._build
        if build is None:
            return
        part = build.wait()
        if part.name:
            self._written.append(part.name)
        self._build = None  # not before: what stops this leaves it to be abandoned
        before = self._tiers.parts[: build.start]
        if part.name and all(each.name for each in before):
            self.name([*before, part])
            for each in self._tiers.parts:
                let_go(each.buffer)
            self._note_time(build.said)
        else:  # what is before it could not be kept in a file, so it stays in memory too
            self._tiers = Tiers(before)
            self._add(part._replace(name=None), build.said)

    def _add(self, part: Part, said: Sequence[Said]) -> None:
        """Take up a segment that follows, in memory."""
        self._tiers = self._tiers.added(part)
        self._note_time(said)

    def _note_time(self, said: Sequence[Said]) -> None:
        self._time = max(self._time, *[(each.ms, each.counter) for each in said])

    def _take(self) -> list[Said]:
        waiting, self._waiting = self._waiting, Waiting()
        return waiting.said

    def is_tail_long(self) -> bool:
        """Whether so much is in memory only that it should be in a file."""
        waiting, (deltas, facts, size) = self._waiting, self._tiers.tail
        size += waiting.bytes
        if size < 2 * self._refused_bytes:  # the file system said no to so much: to ask each time would be slow
            return False
        return (
            facts + waiting.facts_said >= TAIL_FACTS or deltas + len(waiting.said) >= TAIL_DELTAS or size >= TAIL_BYTES
        )

    def spill(self) -> None:
        """Move what is in memory to a file, and name it in the catalogue; inside a write.

        Larger files are merged behind the back of those who write (`tidy`), only small ones here.
        """
        memory = self.tiers.in_memory
        if not memory:
            return
        files = list(self._tiers.in_files)
        start = len(files)
        # All of these files go into the first that is written: naming it lets go of them.
        while start and files[start - 1].weight < SMALL and fits([*files[start - 1 :], memory[0]], self._share):
            start -= 1
        parts = [*files[start:], *memory]
        together = [parts[0]]
        for part in parts[1:]:
            if fits([*together, part], self._share):
                together.append(part)
            else:
                files = [*files[:start], *self._keep(files[:start], merged(together))]
                start, together = len(files), [part]
        self._keep(files[:start], merged(together))

    def _keep(self, before: Sequence[Part], part: Part) -> list[Part]:
        """Put a part into a file and name it behind others, if it can be kept; gives it if it could."""
        part = kept(part, self.folder)
        self._refused_bytes = 0 if part.name else len(part.buffer)
        if part.name:
            self._written.append(part.name)
            self.name([*before, part])
        return [part] if part.name else []

    def name(self, parts: Sequence[Part]) -> None:
        """Make the catalogue say that these segments are the index; inside a write."""
        self.settle()
        now = {part.name for part in parts}
        self._replaced += [str(part.name) for part in self._tiers.in_files if part.name not in now]
        # Not only what is open here: a segment that was lost, or could not be read, must not stay in the catalogue.
        known = dict(self._file.typed((str, int), "SELECT name, last FROM segment"))
        gone = [(last,) for name, last in known.items() if name not in now]
        self._file.run_many("DELETE FROM segment WHERE last = ?", gone)
        rows = [
            (part.bounds.delta_last, part.name, len(part.buffer), part.seal())
            for part in parts
            if part.name not in known
        ]
        self._file.run_many("INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?)", rows)
        reached = parts[-1].bounds.delta_last
        rest = (part for part in self._tiers.in_memory if part.bounds.delta_after >= reached)
        self._tiers = Tiers([*parts, *rest])

    def settle(self) -> None:
        """Note that what is indexed was indexed here, and forget the segments that were not; inside a write."""
        if not self.is_at_home():
            self._file.run("DELETE FROM segment")
            self._known_home = f"{self.folder.place()}#{secrets.token_hex(4)}"
            self._file.run("INSERT OR REPLACE INTO home VALUES (1, ?)", (self._known_home,))

    def is_at_home(self) -> bool:
        """Whether this file was indexed where it is now, and not brought here with an index that somebody else made."""
        try:
            return self._home().partition("#")[0] == self.folder.place()
        except OSError:
            return False

    def _home(self) -> str:
        """Where the file was when it was indexed, and a number that is another each time it was indexed from nothing."""
        if self._file.format == 1:
            return ""
        rows = self._file.typed((str,), "SELECT place FROM home")
        return str(rows[0][0]) if rows else ""

    def tidy(self, choose: Callable[[Sequence[Part]], tuple[int, int] | None] | None = None) -> bool:
        """Merge some segments that are in files into one, if that is due; False if it is not."""
        rows = self._catalogue()
        self._follow(rows or ())
        files = self._tiers.in_files
        span = due(files, share=self._share) if choose is None else choose(files)
        if not rows or len(files) != len(rows) or span is None:
            return False
        old = files[slice(*span)]
        part = kept(merged(old), self.folder)
        if not part.name:
            return False
        self._written.append(part.name)
        try:
            is_first = self._exchange(old, part)
        except BaseException:
            self._file.abandon()
            self.abandon()
            raise
        if is_first:
            self.committed()
        else:
            self.abandon()
        return True

    def _exchange(self, old: Sequence[Part], part: Part) -> bool:
        """Name a part in place of those that it was merged of; False if somebody else was first, or swept it away."""
        with self._file.transaction():
            self._follow(self._catalogue() or ())  # others may have added to it meanwhile
            files = self._tiers.in_files
            start = next((place for place, each in enumerate(files) if each.name == old[0].name), len(files))
            is_first = files[start : start + len(old)] == tuple(old) and self.folder.has(str(part.name))
            if is_first:
                self.name([*files[:start], part, *files[start + len(old) :]])
        return is_first

    def replace_others(self) -> None:
        """Every file of the folder that is not in use here is replaced, if the write is kept; inside a write."""
        self._replaced = self.folder.others({str(part.name) for part in self.tiers.in_files})

    def committed(self) -> None:
        """The write was kept: remove the files that it replaced, and end the worker."""
        # First, so that nothing that stops this takes away what is named: a file that was replaced may stay.
        replaced, self._written, self._replaced = self._replaced, [], []
        self.close()
        for name in replaced:
            self.folder.remove(name)

    def abandon(self) -> None:
        """The write was not kept, or what is in the file is something else now: know nothing."""
        waiting, cells, tiers, checked = Waiting(), Cells(), Tiers(), Mark()
        build, self._build = self._build, None
        written, self._written, self._replaced = self._written, [], []
        # In one step: no call is between these, and so no Ctrl-C.
        self._waiting, self._time, self._checked, self.cells, self._tiers = waiting, (0, 0), checked, cells, tiers
        if build is not None:  # last: to wait may be interrupted, and nothing must be left half known
            build.abandon()
        for name in written:
            self.folder.remove(name)

    def begin_anew(self) -> None:
        """Know nothing, for the numbers are given anew."""
        self.beginnings += self._has_numbered  # first: once too often costs only time
        self.abandon()

    # -- catching up ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the worker. Safe to call twice."""
        self._beside.close()

    def catch_up(self, mark: Mark, is_of_here: bool) -> None:
        """Reach a mark by the log, from where the segments end that the catalogue names and that `follow` has opened."""
        trusted = is_of_here and not self._file.was_upgraded
        after = self._tiers.last.delta_last
        ends = None if is_of_here else Ends(self._checked)
        if after < mark.deltas:
            for seq, said in enumerate(self._said(after, mark.deltas, trusted), after + 1):
                self.add(said)
                if ends is not None:
                    ends.note(seq, said.epoch, said.ms, said.counter)
            self.flush()
        last = self._tiers.last
        if (last.delta_last, last.fact_last) != (mark.deltas, mark.facts):
            raise self._file.damaged("its index does not reach where it says")
        if ends is not None:
            self._check_marks(ends, mark.epoch)
        self._has_numbered = self._has_numbered or mark.deltas > 0
        self._time = (mark.ms, mark.counter)
        self._checked = mark

    def _check_marks(self, ends: Ends, last: int) -> None:
        """Compare the marks of an index that came from elsewhere with the log: they are cuts, and so answers."""
        rows = self._file.run(
            "SELECT * FROM mark WHERE epoch > ? AND epoch <= ? ORDER BY epoch", (self._checked.epoch, last)
        )
        for mark, row in zip_longest(ends.marks(self.tiers, last), rows):
            if mark is None or row != (*mark, seal(*mark)):
                raise damaged(
                    f"what was reached in epoch {row[0] if mark is None else mark.epoch} is not what the log says"
                )

    def is_far_behind(self, mark: Mark) -> bool:
        """Whether so much of the log is in no segment that it should be in files once it is indexed."""
        last = self._tiers.last
        return mark.deltas - last.delta_last >= TAIL_DELTAS or mark.facts - last.fact_last >= TAIL_FACTS

    def missing(self) -> set[str]:
        """The segments that the catalogue, as it was last followed, names and that cannot be opened."""
        opened = {part.name for part in self.tiers.in_files}
        return {name for name in self._named if name not in opened}

    def follow(self, mark: Mark) -> bool:
        """Use the segments that the catalogue names, as far as they are there; False if it is not of this place."""
        self.flush()  # what waits is behind the segments as they are
        home = self._home()
        if home != self._known_home or self._tiers.last.delta_last > mark.deltas:
            self.begin_anew()  # made again by somebody else, who may have given other numbers
            self._known_home = home
        rows = self._catalogue()
        self._named = {name for _, name, _, _ in rows or ()}
        if rows is not None:
            self._follow(rows)
        return rows is not None

    def _said(self, after: int, last: int, trusted: bool) -> Iterator[Said]:
        """What the log says; where its index came from elsewhere, every signature is looked at again."""
        for seq, epoch, envelope in log.read(self._file, after, last):
            if envelope is None:
                raise self._file.damaged(f"delta {seq} of the log is not what was written")
            try:
                yield said_in(envelope, epoch) if trusted else said_by(Delta.decode(envelope), epoch)
            except Error as error:
                raise self._file.damaged(f"delta {seq} of the log: {error.message}") from error

    def _catalogue(self) -> list[tuple[int, str, int, bytes]] | None:
        """The segments that the catalogue names; None if they are not of this place."""
        if not self.is_at_home():
            return None
        return self._file.typed((int, str, int, bytes), "SELECT last, name, size, seal FROM segment ORDER BY last")

    def _follow(self, rows: Iterable[tuple[int, str, int, bytes]]) -> None:
        """Use the segments of a catalogue as far as they are there and whole."""
        open_parts = {part.name: part for part in self._tiers.in_files}
        parts: list[Part] = []
        for last, name, size, sealed in rows:
            part = open_parts.get(name) or self._open(name, size, sealed)
            follows = parts[-1].bounds.delta_last if parts else 0
            if part is None or (part.bounds.delta_after, part.bounds.delta_last) != (follows, last):
                break
            parts.append(part)
        reached = parts[-1].bounds.delta_last if parts else 0
        memory = [part for part in self._tiers.parts if part.bounds.delta_last > reached]
        if memory and memory[0].bounds.delta_after != reached:
            memory = []  # a segment in memory lies across the end of one in a file: read that stretch again
        if [*parts, *memory] != list(self._tiers.parts):
            self._tiers = Tiers([*parts, *memory])

    def _open(self, name: str, size: int, sealed: bytes) -> Part | None:
        buffer = self.folder.map(name, size)
        if buffer is None:
            return None
        try:
            part = part_of(buffer, name)
            return part if part.seal() == sealed else None
        except StoreError:
            return None

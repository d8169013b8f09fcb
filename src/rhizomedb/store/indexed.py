"""What of a file's log is indexed: segments in files beside it, the newest deltas in memory, and how one follows the other.

Whoever writes adds to the index in the same write; whoever reads catches up with what others wrote, from segments
that they name in the catalogue or else from the log. Both give the same numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.delta import Delta
from rhizomedb.store import log
from rhizomedb.store.file import File
from rhizomedb.store.folder import Folder
from rhizomedb.store.layout import Mark
from rhizomedb.store.said import Said, said_by, said_in
from rhizomedb.store.tiers import Part, Tiers, build_segment, due, merged, part_of

GATHER_FACTS: Final = 1 << 17
GATHER_BYTES: Final = 24 << 20
"""How much is gathered before a segment is built of it, within one write."""

TAIL_FACTS: Final = 4096
TAIL_DELTAS: Final = 512
TAIL_BYTES: Final = 2 << 20
"""How much may be in memory only when a write ends: as much as a process that opens the file reads in no time."""

SMALL: Final = 1 << 14
"""Files of fewer facts are merged with what follows when that is written."""

HOLE: Final = Said(bytes(32), b"", b"", b"", b"", 0, 0, 0, 0, 0, b"", b"", b"")
"""What stands for a delta that cannot be read any more."""


class Indexed:
    """The index of one open file, up to some delta. `mark` is what it has reached, with `epoch` left to the store."""

    def __init__(self, file: File) -> None:
        self._file = file
        self.folder = Folder(file.absolute)
        self.tiers = Tiers()
        self._waiting: list[Said] = []
        self._waiting_ids: set[bytes] = set()
        self._waiting_facts = self._waiting_bytes = 0
        self._time = (0, 0)
        self._written: list[str] = []
        self._replaced: list[str] = []

    # -- reading ----------------------------------------------------------------------------------------------------

    def has(self, digest: bytes) -> bool:
        """Whether a delta is indexed, or about to be."""
        return digest in self._waiting_ids or bool(self.tiers.index.find_delta(digest))

    def mark(self, epoch: int) -> Mark:
        """What was reached, everything that waits among it."""
        self.flush()
        last = self.tiers.last
        causes = sum(part.causes for part in self.tiers.parts)
        repeats = sum(part.repeats for part in self.tiers.parts)
        return Mark(epoch, last.delta_last, last.fact_last, causes, repeats, *self._time)

    # -- writing ----------------------------------------------------------------------------------------------------

    def add(self, said: Said) -> None:
        """Take in the next delta of the log, which is not known yet."""
        self._waiting.append(said)
        self._waiting_ids.add(said.id)
        self._waiting_facts += len(said.digests) // 32
        self._waiting_bytes += len(said.data)
        if self._waiting_facts >= GATHER_FACTS or self._waiting_bytes >= GATHER_BYTES:
            self.flush()
            self.spill()

    def last_seq(self) -> int:
        """The number of the newest delta that was taken in."""
        return self.tiers.last.delta_last + len(self._waiting)

    def flush(self) -> None:
        """Build a segment of what waits."""
        if not self._waiting:
            return
        last = self.tiers.last
        made = build_segment(self.tiers.index, last.delta_last, last.fact_last, last.cell_last, self._waiting)
        self.tiers = self.tiers.added(part_of(made))
        self._time = max(self._time, *((said.ms, said.counter) for said in self._waiting))
        self._waiting = []
        self._waiting_ids.clear()
        self._waiting_facts = self._waiting_bytes = 0

    def is_tail_long(self) -> bool:
        """Whether so much is in memory only that it should be in a file."""
        memory = self.tiers.in_memory
        return bool(memory) and (
            sum(part.bounds.facts for part in memory) >= TAIL_FACTS
            or sum(part.bounds.deltas for part in memory) >= TAIL_DELTAS
            or sum(len(part.buffer) for part in memory) >= TAIL_BYTES
        )

    def spill(self) -> None:
        """Move what is in memory to a file, and name it in the catalogue; inside a write.

        Larger files are merged behind the back of those who write (`tidy`), only small ones here.
        """
        memory = self.tiers.in_memory
        if not memory:
            return
        files = list(self.tiers.in_files)
        start = len(files)
        while start and files[start - 1].weight < SMALL:
            start -= 1
        kept = self.keep(merged([*files[start:], *memory]))
        if kept is not None:  # else it stays in memory, which is slower to open and nothing worse
            self.name([*files[:start], kept])

    def keep(self, part: Part) -> Part | None:
        """A part in a file."""
        name = part.name or self.folder.write(bytes(part.buffer))
        if name is None:
            return None
        if not part.name:
            self._written.append(name)
        buffer = self.folder.map(name, len(part.buffer))
        return None if buffer is None else part_of(buffer, name)

    def name(self, parts: Sequence[Part]) -> None:
        """Make the catalogue say that these segments are the index; inside a write."""
        known = {part.name for part in self.tiers.in_files}
        now = {part.name for part in parts}
        for part in self.tiers.in_files:
            if part.name not in now:
                self._file.run("DELETE FROM segment WHERE last = ?", (part.bounds.delta_last,))
                self._replaced.append(str(part.name))
        rows = [
            (part.bounds.delta_last, part.name, len(part.buffer), part.seal())
            for part in parts
            if part.name not in known
        ]
        self._file.run_many("INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?)", rows)
        self.settle()
        reached = parts[-1].bounds.delta_last
        rest = (part for part in self.tiers.in_memory if part.bounds.delta_after >= reached)
        self.tiers = Tiers([*parts, *rest])

    def settle(self) -> None:
        """Note that what is indexed was indexed here; inside a write."""
        if not self.is_at_home():
            self._file.run("INSERT OR REPLACE INTO home VALUES (1, ?)", (self.folder.place(),))

    def is_at_home(self) -> bool:
        """Whether this file was indexed where it is now, and not brought here with an index that somebody else made."""
        home = self._file.typed((str,), "SELECT place FROM home")
        try:
            return bool(home) and home[0][0] == self.folder.place()
        except OSError:
            return False

    def tidy(self) -> bool:
        """Merge some segments that are in files into one, if that is due; False if it is not."""
        rows = self._catalogue()
        self._follow(rows or ())
        files = self.tiers.in_files
        span = due(files)
        if not rows or len(files) != len(rows) or span is None:
            return False
        kept = self.keep(merged(files[slice(*span)]))
        if kept is None:
            return False
        with self._file.transaction():
            if self._catalogue() == rows:  # else somebody else was first
                self.name([*files[: span[0]], kept, *files[span[1] :]])
                self._written = []
        if self._written:
            self.abandon()
        self.committed()
        return True

    def committed(self) -> None:
        """The write was kept: remove the files that it replaced."""
        for name in self._replaced:
            self.folder.remove(name)
        self._written, self._replaced = [], []

    def abandon(self) -> None:
        """The write was not kept, or what is in the file is something else now: know nothing."""
        for name in self._written:
            self.folder.remove(name)
        self._written, self._replaced = [], []
        self._waiting = []
        self._waiting_ids.clear()
        self._waiting_facts = self._waiting_bytes = 0
        self._time = (0, 0)
        self.tiers = Tiers()

    # -- catching up ------------------------------------------------------------------------------------------------

    def catch_up(self, mark: Mark) -> None:
        """Reach a mark: by segments that are in the catalogue, and by the log for what they do not cover."""
        if not self.tiers.last.delta_last <= mark.deltas:
            self.abandon()
        rows = self._catalogue()
        if rows is not None:
            self._follow(rows)
        after = self.tiers.last.delta_last
        trusted = rows is not None and not self._file.was_upgraded
        if after < mark.deltas:
            for said in self._said(after, mark.deltas, trusted):
                self.add(said)
            self.flush()
        last = self.tiers.last
        if (last.delta_last, last.fact_last) != (mark.deltas, mark.facts):
            raise self._file.damaged("its index does not reach where it says")
        self._time = (mark.ms, mark.counter)

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
        if self._file.format == 1:
            return None
        if not self.is_at_home():
            return None
        return self._file.typed((int, str, int, bytes), "SELECT last, name, size, seal FROM segment ORDER BY last")

    def _follow(self, rows: Iterable[tuple[int, str, int, bytes]]) -> None:
        """Use the segments of a catalogue as far as they are there and whole."""
        open_parts = {part.name: part for part in self.tiers.in_files}
        parts: list[Part] = []
        for last, name, size, sealed in rows:
            part = open_parts.get(name) or self._open(name, size, sealed)
            follows = parts[-1].bounds.delta_last if parts else 0
            if part is None or (part.bounds.delta_after, part.bounds.delta_last) != (follows, last):
                break
            parts.append(part)
        reached = parts[-1].bounds.delta_last if parts else 0
        memory = [part for part in self.tiers.parts if part.bounds.delta_last > reached]
        if memory and memory[0].bounds.delta_after != reached:
            memory = []  # a segment in memory lies across the end of one in a file: read that stretch again
        if [*parts, *memory] != list(self.tiers.parts):
            self.tiers = Tiers([*parts, *memory])

    def _open(self, name: str, size: int, sealed: bytes) -> Part | None:
        buffer = self.folder.map(name, size)
        if buffer is None:
            return None
        try:
            part = part_of(buffer, name)
            return part if part.seal() == sealed else None
        except StoreError:
            return None

    def sizes(self) -> dict[str, Any]:
        """For `stats`: how many segments there are, and their bytes in files."""
        return {"segments": len(self.tiers.parts), "bytes": os.path.getsize(self._file.absolute)}

"""Checking a file against itself, and making its index anew.

The log proves itself: each frame carries a hash, each envelope its author's signature, and its payload hashes to its
id. The index proves nothing, so every segment of it is built again from the log and compared byte for byte. What is
wrong is a finding and stops nothing; what cannot be read is a finding too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import field
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.signature import PUBLIC_BYTES
from rhizomedb.store import log
from rhizomedb.store.chunks import Chunks
from rhizomedb.store.file import File
from rhizomedb.store.folder import Folder
from rhizomedb.store.indexed import GATHER_BYTES, HOLE, Indexed
from rhizomedb.store.layout import HELD, INDEX, Mark, pack, seal, unpack
from rhizomedb.store.marks import Ends
from rhizomedb.store.progress import Passed, Progress
from rhizomedb.store.said import Said, said_by
from rhizomedb.store.store import Finding
from rhizomedb.store.tiers import Part, Tiers, build_segment, part_of

FAULTS_OF_SQLITE_MAX: Final = 100
STRETCHES_SHOWN_MAX: Final = 8
LOG_ROW_BYTES_MIN: Final = 100
"""No row of the log is shorter than this, which bounds how many a file can hold."""

DAMAGED: Final = "store.damaged"
INDEX_DAMAGED: Final = "store.index-damaged"

BROKEN: Final = (Error, TypeError, ValueError)
"""What a value that nobody wrote may lead to."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row of the log: its delta if it is intact, else what is wrong with it."""

    seq: int
    epoch: int
    delta: Delta | None
    fault: Error | None = None


def verify(path: str, progress: Progress | None = None, *, name: str = "") -> Iterator[Finding]:
    """Everything that is wrong with a file, as it is now: read through a connection of its own, at one moment."""
    try:
        file = File(path, create=False, wait_ms=0, name=name)
    except StoreError as error:
        yield Finding("file", error.code, error.message)
        return
    with closing(file):
        file.run("BEGIN")
        chunks = Chunks(file)
        passed = Passed(progress, _records(file, chunks))
        comparison = _Comparison(file, passed)
        checks = (_structure, _epochs, comparison.run, _held, _names, lambda _: chunks.verify(passed))
        for check in checks:
            try:
                yield from check(file)
            except BROKEN as error:
                yield _finding("file", error)


def _records(file: File, chunks: Chunks) -> int:
    """How many records there are to go through, as far as it can be known."""
    try:
        return last_seq(file) + chunks.total().blocks
    except BROKEN:
        return 0


def _finding(record: str, error: Exception) -> Finding:
    if isinstance(error, Error):
        return Finding(record, error.code, error.message)
    return Finding(record, DAMAGED, f"a value in the file has another type: {error}")


# -- making the index anew ---------------------------------------------------------------------------------------------


def rebuild(file: File, indexed: Indexed) -> list[Finding]:
    """Make the index anew inside a write, leaving out deltas that are not intact; returns those."""
    for table in ("mark", "segment", "home"):
        file.run(f"DROP TABLE IF EXISTS {table}")
    file.run("; ".join(INDEX))
    indexed.begin_anew()
    indexed.settle()
    findings = remake(
        file,
        indexed,
        lambda mark: file.run("INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*mark, seal(*mark))),
    )
    indexed.spill()
    indexed.replace_others()
    return findings


def remake(file: File, indexed: Indexed, note: Callable[[Mark], object]) -> list[Finding]:
    """Index the whole log and note what each epoch reached; returns what of it could not be read."""
    newest, last = file.run("SELECT count(*), coalesce(max(number), 0) FROM epoch")[0]
    if newest != last:  # which deltas came with which epoch would be a guess
        raise file.damaged(f"it has {newest:,} epochs, numbered up to {last}", fix=file.salvage)
    findings: list[Finding] = []
    ends = Ends()
    epoch, seq = 1, 0
    for row in log_rows(file, last_seq(file)):
        epoch = max(epoch, min(row.epoch, newest))
        while (seq := seq + 1) < row.seq:
            findings.append(Finding(f"delta {seq}", DAMAGED, "the log does not have it"))
            indexed.add(HOLE)
        if row.delta is None or indexed.has(pack(row.delta.id)):
            fault = row.fault or StoreError(DAMAGED, "the log holds it twice")
            findings.append(Finding(f"delta {row.seq}", fault.code, fault.message))
            said = HOLE
        else:
            said = said_by(row.delta, epoch)
        indexed.add(said)
        ends.note(row.seq, epoch, said.ms, said.counter)
    indexed.flush()
    for mark in ends.marks(indexed.tiers, newest):
        note(mark)
    return findings


# -- reading the log ---------------------------------------------------------------------------------------------------


def last_seq(file: File) -> int:
    """The number of the last row of the log, as far as it can be known, and no more than fit in the file."""
    found = [0]
    for sql in ("SELECT max(seq) FROM log", "SELECT max(deltas) FROM mark"):
        try:
            found.append(one(file, sql) or 0)
        except StoreError:
            continue  # the other may be readable
    fits = sum(os.path.getsize(file.absolute + end) for end in ("", "-wal") if os.path.exists(file.absolute + end))
    return min(max(found), fits // LOG_ROW_BYTES_MIN)


def log_rows(file: File, last: int) -> Iterator[LogRow]:
    """Every row of the log up to a number, each delta verified. Where a page cannot be read, row by row around it."""
    reached = 0
    while reached < last:
        rows = log.read(file, reached, last)
        try:
            for seq, epoch, envelope in rows:
                reached = seq
                yield _log_row(seq, epoch, envelope)
            return
        except StoreError:
            pass
        reached += 1
        try:
            for seq, epoch, envelope in log.read(file, reached - 1, reached):
                yield _log_row(seq, epoch, envelope)
        except StoreError as error:
            yield LogRow(reached, 0, None, error)


def _log_row(seq: int, epoch: int, envelope: bytes | None) -> LogRow:
    if envelope is None:
        return LogRow(seq, epoch, None, StoreError(DAMAGED, "it is not what was written"))
    try:
        return LogRow(seq, epoch, Delta.decode(envelope))
    except Error as error:
        return LogRow(seq, epoch, None, error)


def one(file: File, sql: str, bindings: Sequence[Any] = ()) -> Any:
    """The one value that a statement gives."""
    return file.run(sql, bindings)[0][0]


# -- the index against the log -----------------------------------------------------------------------------------------


@dataclass
class _Stretch:
    """The deltas that a segment should cover, gathered until it can be built."""

    part: Part | None
    last: int
    said: list[Said] = field(default_factory=list)
    altered: str | None = None
    size: int = 0


class _Comparison:
    """One walk along the log beside the index."""

    def __init__(self, file: File, passed: Passed) -> None:
        self._file = file
        self._passed = passed
        self._tiers = Tiers()
        self._ends = Ends()

    def run(self, file: File) -> Iterator[Finding]:
        newest = one(file, "SELECT count(*) FROM epoch")
        named = list(self._catalogue())
        for each in named:
            if each.altered is not None:
                yield Finding(f"index segment {each.altered}", INDEX_DAMAGED, "it is not what the catalogue says")
        stretches = iter([*named, _Stretch(None, 2**62)])
        stretch = next(stretches)
        seq, reached = 0, 1
        for row in log_rows(file, last_seq(file)):
            while (seq := seq + 1) < row.seq:
                yield Finding(f"delta {seq}", DAMAGED, f"the log goes on with delta {row.seq}")
                yield from self._add(HOLE, seq, stretch)
            record = f"delta {row.seq}" + (f" ({row.delta.id})" if row.delta else "")
            if row.fault is not None:
                yield Finding(record, row.fault.code, row.fault.message)
            if not reached <= row.epoch <= newest:
                if row.epoch or row.delta:  # what cannot be read has no epoch
                    yield Finding(record, DAMAGED, f"its epoch {row.epoch} is out of order")
            else:
                reached = row.epoch
            said = HOLE if row.delta is None else said_by(row.delta, reached)
            self._ends.note(row.seq, reached, said.ms, said.counter)
            yield from self._add(said, row.seq, stretch)
            if row.seq >= stretch.last:
                stretch = next(stretches)
            self._passed.one()
        yield from self._compare(stretch)
        if stretch.part is not None:
            yield Finding("index", INDEX_DAMAGED, "it has segments beyond the end of the log")
        if one(file, "SELECT count(*) FROM log") > seq:
            yield Finding("log", DAMAGED, "it has rows far beyond the last that can be read")
        yield from self._marks(newest)

    def _catalogue(self) -> Iterator[_Stretch]:
        """The segments that the file names; those that are lost or not of this place are only made again."""
        indexed = Indexed(self._file)
        if not indexed.is_at_home():
            return
        folder = Folder(self._file.absolute)
        rows = self._file.typed((int, str, int, bytes), "SELECT last, name, size, seal FROM segment ORDER BY last")
        for last, name, size, sealed in rows:
            buffer = folder.map(name, size)
            part = None
            try:
                part = None if buffer is None else part_of(buffer, name)
                if part is not None and part.seal() != sealed:
                    part = None
            except StoreError:
                pass
            is_there = os.path.lexists(os.path.join(folder.path, name))
            yield _Stretch(part, last, altered=name if part is None and is_there else None)

    def _add(self, said: Said, seq: int, stretch: _Stretch) -> Iterator[Finding]:
        stretch.said.append(said)
        stretch.size += len(said.data)
        if seq == stretch.last or (stretch.part is None and stretch.size > GATHER_BYTES):
            yield from self._compare(stretch)

    def _compare(self, stretch: _Stretch) -> Iterator[Finding]:
        """Build what a segment should be, and compare."""
        said, stretch.said, stretch.size = stretch.said, [], 0
        if not said:
            return
        last = self._tiers.last
        try:
            self._tiers.check()
            made = build_segment(self._tiers.index, last.delta_last, last.fact_last, last.cell_last, said)
        except StoreError as error:
            yield _finding("index", error)
            return
        part = stretch.part
        if part is not None and not Tiers([part]).is_whole():
            yield Finding(f"index segment {part.name}", INDEX_DAMAGED, "it was cut short while it was looked at")
            part = None
        if part is not None and made != part.buffer:
            deltas = f"deltas {last.delta_last + 1:,} to {last.delta_last + len(said):,}"
            yield Finding(f"index segment {part.name}", INDEX_DAMAGED, f"{deltas} are not in it as the log has them")
            part = None
        if part is None and not self._tiers.in_files:
            self._tiers = self._tiers.added(part_of(made))
        else:  # in the order of the log: one that was lost is made again among those that are in files
            self._tiers = Tiers([*self._tiers.parts, part or part_of(made)])

    def _marks(self, newest: int) -> Iterator[Finding]:
        self._tiers.check()
        marks = {row[0]: row for row in self._file.run("SELECT * FROM mark")}
        made = self._ends.marks(self._tiers, newest)
        wrong = [mark.epoch for mark in made if marks.pop(mark.epoch, None) != (*mark, seal(*mark))]
        if len(wrong) == 1:
            yield Finding(f"index epoch {wrong[0]}", INDEX_DAMAGED, "its totals are not those of the log")
        elif wrong:
            yield Finding(f"index epochs {ranges(wrong)}", INDEX_DAMAGED, "their totals are not those of the log")
        if marks:
            yield Finding("index mark", INDEX_DAMAGED, f"it has {len(marks):,} rows for epochs that never were")


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in words: `1 to 4, 7`; where there are many stretches, the first of them and how many are left."""
    stretches: list[list[int]] = []
    for number in numbers:
        if stretches and number == stretches[-1][-1] + 1:
            stretches[-1][1:] = [number]
        else:
            stretches.append([number])
    shown, rest = stretches[:STRETCHES_SHOWN_MAX], stretches[STRETCHES_SHOWN_MAX:]
    words = [" to ".join(map(str, stretch)) for stretch in shown]
    left = sum(stretch[-1] - stretch[0] + 1 for stretch in rest)
    return ", ".join(words) + (f" and {left:,} more" if left else "")


# -- the rest ----------------------------------------------------------------------------------------------------------


def _structure(file: File) -> Iterator[Finding]:
    for (message,) in file.run(f"PRAGMA integrity_check({FAULTS_OF_SQLITE_MAX})"):
        if message != "ok":
            yield Finding("file", DAMAGED, message)


def _epochs(file: File) -> Iterator[Finding]:
    epochs, first, last = file.run("SELECT count(*), coalesce(min(number), 1), coalesce(max(number), 0) FROM epoch")[0]
    if first != 1 or last != epochs:
        yield Finding("epochs", DAMAGED, f"there are {epochs:,}, numbered {first} to {last}")
    for row in file.run("SELECT * FROM epoch ORDER BY number"):
        if seal(*row[:3]) != row[3]:
            yield Finding(f"epoch {row[0]}", DAMAGED, "its time or origin was altered")


def _held(file: File) -> Iterator[Finding]:
    for (row,) in file.run("SELECT row FROM held ORDER BY row"):
        try:
            yield from _held_row(file, row)
        except BROKEN as error:
            yield _finding(f"held delta {row}", error)


def _held_row(file: File, row: int) -> Iterator[Finding]:
    ((*sealed, said, envelope),) = file.run(f"SELECT {HELD}, envelope FROM held WHERE row = ?", (row,))
    packed, author, *_, group_id, group_size = sealed
    record = f"held delta {row} ({unpack(packed)})"
    try:
        delta = Delta.decode(envelope)
    except Error as error:
        yield _finding(record, error)
        return
    group = (delta.group.id, delta.group.size) if delta.group else (None, None)
    if pack(delta.id) != packed:
        yield Finding(record, "delta.id-mismatch", f"its bytes are those of {delta.id}")
    elif (author, group_id, group_size) != (delta.author, *group):
        yield Finding(record, DAMAGED, "it is kept with another author or group")
    elif seal(*sealed) != said:
        yield Finding(record, DAMAGED, "when it came, when it is due or why it is held was altered")


def _names(file: File) -> Iterator[Finding]:
    for author, name, sealed in file.run("SELECT * FROM name"):
        if len(author) != PUBLIC_BYTES:
            yield Finding(f"name of {author.hex()}", DAMAGED, "this is no author's key")
        elif seal(author, name) != sealed:
            yield Finding(f"name of {author.hex()}", DAMAGED, "it was altered")

"""Bugs that are planted, one at a time, to show that each campaign finds them. None of this is reachable from the package.

A campaign that does not catch its bugs within the time it has in a run of the tests proves nothing.
"""

from __future__ import annotations

import re
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from struct import pack_into
from typing import Any, Final

import pytest
from workload import Broken

from rhizomedb.db.connection import Connection
from rhizomedb.errors import StoreError
from rhizomedb.store import check, frame, held, indexed, log, sealed
from rhizomedb.store.file import File
from rhizomedb.store.indexed import Indexed
from rhizomedb.store.layout import Mark
from rhizomedb.store.segment import NAMES, PAGE_BYTES, read_header
from rhizomedb.store.sqlite import SqliteStore
from rhizomedb.store.tiers import Part, merged, part_of

Bug = Callable[[], Any]


@contextmanager
def caught(bug: Bug) -> Iterator[None]:
    """A promise is broken in what follows: one of those that this bug breaks, and not another by chance."""
    with pytest.raises(Broken) as broken:
        yield
    assert re.search(BREAKS[bug], str(broken.value)), f"{bug.__name__} breaks /{BREAKS[bug]}/, and not: {broken.value}"


@contextmanager
def _patched(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for target, name, value in changes:
            stack.callback(setattr, target, name, getattr(target, name))
            setattr(target, name, value)
        yield


# -- of writing --------------------------------------------------------------------------------------------------------


def acknowledged_before_the_commit() -> Any:
    """A write returns, and is committed when the next one begins."""
    run, roll_back = File.run, File._roll_back
    late: set[int] = set()

    def lazily(self: File, sql: str, bindings: Any = ()) -> list[Any]:
        if sql == "COMMIT":
            late.add(id(self))
            return []
        if sql.startswith(("BEGIN", "PRAGMA")):
            at_last(self)
        return run(self, sql, bindings)

    def at_last(self: File) -> None:
        if id(self) in late:
            late.discard(id(self))
            run(self, "COMMIT")

    def committed_first(self: File) -> None:
        at_last(self)
        roll_back(self)

    return _patched((File, "run", lazily), (File, "_roll_back", committed_first))


def committed_in_the_middle() -> Any:
    """Half of the rows of a write are committed before the others."""
    write = log.write

    def halves(file: File, rows: Sequence[Any]) -> None:
        rows = list(rows)
        half = len(rows) // 2
        if half:
            write(file, rows[:half])
            file.run("COMMIT")
            file.run("BEGIN IMMEDIATE")
        write(file, rows[half:])

    return _patched((log, "write", halves))


def last_repeat_lost_in_a_merge() -> Any:
    """A merge forgets who said a fact again, and says that somebody said another one."""

    def lossy(parts: Sequence[Part]) -> Part:
        whole = merged(parts)
        header = read_header(whole.buffer)
        place = NAMES.index("repeat.fact")
        if len(parts) < 2 or not header.counts[place]:
            return whole
        data = bytearray(whole.buffer)
        pack_into("<I", data, header.offsets[place] + 4 * (header.counts[place] - 1), 1)
        for page, start in enumerate(range(0, header.sums_at, PAGE_BYTES)):
            end = min(start + PAGE_BYTES, header.sums_at)
            pack_into("<I", data, header.sums_at + 4 * page, zlib.crc32(data[start:end]))
        return part_of(bytes(data))

    return _patched((indexed, "merged", lossy))


def nothing_waits_for_the_disk() -> Any:
    """A full write returns before the disk has it."""
    return _patched((File, "_wait_for_disk", lambda self: None))


def failed_write_is_remembered() -> Any:
    """What a write that failed has added to the index stays in it."""
    return _patched((SqliteStore, "_forget", lambda self: None))


def lost_segments_stay_in_the_catalogue() -> Any:
    """Only the segments that are open are taken out of the catalogue when others take their place."""
    name = Indexed.name

    def forgetful(self: Indexed, parts: Sequence[Part]) -> None:
        known = {part.name for part in self.tiers.in_files}
        lost = [row for row in self._file.run("SELECT * FROM segment") if row[1] not in known]
        name(self, parts)
        self._file.run_many("INSERT OR IGNORE INTO segment VALUES (?, ?, ?, ?)", lost)

    return _patched((Indexed, "name", forgetful))


def missing_segments_are_not_looked_for_again() -> Any:
    """Who does not find a segment that the catalogue names reads the log instead, at once."""
    return _patched((Indexed, "missing", lambda self: set()))


def failed_commit_is_none() -> Any:
    """A commit that fails is taken for one that did not."""
    run = File.run

    def deaf(self: File, sql: str, bindings: Any = ()) -> list[Any]:
        try:
            return run(self, sql, bindings)
        except StoreError:
            if sql != "COMMIT":
                raise
            return []

    return _patched((File, "run", deaf))


def interrupted_write_is_kept() -> Any:
    """Ctrl-C ends a write as if it were complete."""
    abandon = File.abandon

    def stubborn(self: File) -> None:
        if self.is_writing and isinstance(sys.exc_info()[1], KeyboardInterrupt):
            self.run("COMMIT")
        abandon(self)

    return _patched((File, "abandon", stubborn))


def known_deltas_come_again() -> Any:
    """A delta that is here is appended once more."""
    return _patched((Indexed, "has", lambda self, digest: False), (SqliteStore, "has", lambda self, delta: False))


def left_open() -> Any:
    """A write that is left without being told stays open."""
    return _patched((SqliteStore, "abandon_write", lambda self: None))


def batch_by_batch() -> Any:
    """Each batch of a great write is committed by itself."""
    append = SqliteStore.append

    def piecemeal(self: SqliteStore, deltas: Any, epoch: int) -> int:
        new = append(self, deltas, epoch)
        self._end_epoch()
        self._file.run("COMMIT")
        self._file.run("BEGIN IMMEDIATE")
        return new

    return _patched((SqliteStore, "append", piecemeal))


# -- of several processes ----------------------------------------------------------------------------------------------


def what_others_write_is_not_noticed() -> Any:
    """A process goes on with what it knew when it opened the file."""
    run = File.run

    def blind(self: File, sql: str, bindings: Any = ()) -> list[Any]:
        rows = run(self, sql, bindings)
        return [(1,)] if sql.endswith("PRAGMA data_version") else rows

    return _patched((File, "run", blind))


def read_at_two_moments() -> Any:
    """The catalogue is read after the mark that it belongs to, and others write between."""

    follow = Indexed.follow

    @contextmanager
    def at_any_moment(self: File) -> Iterator[None]:
        yield

    def slowly(self: Indexed, mark: Mark) -> bool:
        time.sleep(0.002)  # so that somebody does
        return follow(self, mark)

    return _patched((File, "at_one_moment", at_any_moment), (Indexed, "follow", slowly))


def expectation_checked_too_early() -> Any:
    """What is expected is compared before the write begins."""
    transact = Connection.transact

    def early(self: Connection, items: Any, *, expect: Any = None, **options: Any) -> Any:
        if expect:
            from rhizomedb.db.naming import Names

            cut = self.cut
            self._check_expectations(expect, cut, Names(self._store, cut))
        return transact(self, items, **options)

    return _patched((Connection, "transact", early))


# -- of damage ---------------------------------------------------------------------------------------------------------


class _Whatever(bytes):
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = bytes.__hash__


def rows_without_seals() -> Any:
    """The seals of epochs and marks are not compared, nor does `verify` compare them."""
    return _patched(*((module, "seal", lambda *parts: _Whatever()) for module in (sealed, held, check)))


def errors_of_sqlite_get_out() -> Any:
    """What SQLite says of a damaged file is handed on as it is."""
    return _patched((File, "_as_ours", lambda self, error: error))


def damage_is_read_again_and_again() -> Any:
    """A row of the log that is not what was written is read until it is."""
    unframe = frame.unframe

    def patient(seq: int, epoch: int, data: bytes) -> bytes:
        while (envelope := unframe(seq, epoch, data)) is None:
            time.sleep(0.05)
        return envelope

    return _patched((log, "unframe", patient))


KILLS: tuple[Bug, ...] = (acknowledged_before_the_commit, committed_in_the_middle, last_repeat_lost_in_a_merge)
FAULTS: tuple[Bug, ...] = (
    nothing_waits_for_the_disk,
    failed_write_is_remembered,
    failed_commit_is_none,
)
SEGMENTS: tuple[Bug, ...] = (lost_segments_stay_in_the_catalogue, missing_segments_are_not_looked_for_again)
CROWD: tuple[Bug, ...] = (what_others_write_is_not_noticed, read_at_two_moments, expectation_checked_too_early)
MUTANTS: tuple[Bug, ...] = (rows_without_seals, errors_of_sqlite_get_out, damage_is_read_again_and_again)
INTERRUPTS: tuple[Bug, ...] = (batch_by_batch, known_deltas_come_again, interrupted_write_is_kept)
STEPS: tuple[Bug, ...] = (left_open,)
"""Which campaign must catch which."""

_DAMAGE = "verify finds nothing, but: .*"

BREAKS: Final[dict[Bug, str]] = {
    acknowledged_before_the_commit: "nothing acknowledged is lost",
    committed_in_the_middle: "is whole or absent|its log goes on where its epochs end|reach as far as the log",
    last_repeat_lost_in_a_merge: _DAMAGE + "store.index-damaged.*are not in it as the log has them",
    nothing_waits_for_the_disk: "nothing acknowledged is lost",
    failed_write_is_remembered: _DAMAGE + "record='(epochs|delta 1)'",
    failed_commit_is_none: "nothing acknowledged is lost|" + _DAMAGE + "record='(epochs|delta 1)'",
    lost_segments_stay_in_the_catalogue: _DAMAGE + "index segment",
    missing_segments_are_not_looked_for_again: "a segment that is there at the second look is used",
    what_others_write_is_not_noticed: "UNIQUE constraint failed|every transaction is there once|does not reach",
    read_at_two_moments: "its index does not reach where it says",
    expectation_checked_too_early: "deltas were acknowledged|the counter is|has an epoch of its own",
    batch_by_batch: "the epochs of import '.*' are as without it",
    known_deltas_come_again: "the counts of import '.*' are as without it",
    interrupted_write_is_kept: "the epochs of import '.*' are as without it",
    left_open: "nothing is open after|it goes on",
    rows_without_seals: "no answer is wrong, but",
    errors_of_sqlite_get_out: r"apsw\.|CorruptError|NotADBError",
    damage_is_read_again_and_again: "nothing takes longer than",
}
"""The promise that each breaks, as the campaign says it."""

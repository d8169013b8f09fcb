"""Backup and restore: a backup is a whole database file, to which each further backup adds what is new.

Everything is read at one moment, while others go on reading and writing, and every delta and block is hashed on its way.
What a backup adds, it adds in one write: whatever ends it in the middle leaves the backup as it was. A first backup gets
its name when it is whole. Nothing is ever removed from a backup but what is held back no longer. The index is not copied,
for it can be made again.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice, zip_longest
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.manifest import Block
from rhizomedb.store import log
from rhizomedb.store.check import BROKEN
from rhizomedb.store.chunks import Chunks
from rhizomedb.store.file import BESIDE, File
from rhizomedb.store.folder import Folder
from rhizomedb.store.frame import HEAD_BYTES, unframe
from rhizomedb.store.layout import FORMAT, HELD, pack, seal
from rhizomedb.store.progress import Progress
from rhizomedb.store.said import said_in
from rhizomedb.store.sqlite import SqliteStore

PART: Final = ".part"
"""How the name of a file ends that is not whole yet."""

PART_S: Final = 60
"""How old such a file must be before it is looked at whether anybody is at work on it."""

BATCH_ROWS: Final = 256
BATCH_BYTES: Final = 8 << 20
PAGE_ROWS: Final = 1000
BLOCKS: Final = 32
COMMIT_BYTES: Final = 64 << 20
"""After how many bytes a file that nobody knows yet is committed, so that its write-ahead log stays small."""

LOGS: Final = {
    "-wal": (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", bytes(4)),
    "-journal": (b"\xd9\xd5\x05\xf9", bytes(4)),
}
"""The logs that SQLite keeps beside a file, and how they begin if they are not empty and nothing has altered them."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup, or a restore, did: the newest epoch that it holds, and how many deltas, epochs and blocks are new.

    `discarded`: how many deltas and blocks were in the file that a restore replaced, and are not in the backup.
    """

    path: str
    epoch: int
    deltas: int
    epochs: int
    blocks: int
    bytes: int
    discarded: int = 0


def backup(
    path: str, target: str, *, wait_ms: int = 10_000, progress: Progress | None = None, name: str = ""
) -> Backup:
    """Bring a backup up to date, or make it where there is none."""
    if os.path.exists(target) and os.path.exists(path) and os.path.samefile(path, target):
        raise StoreError("store.backup-target", f"{target} is the database itself", fix="name another file")
    with closing(File(path, create=False, wait_ms=wait_ms, durability="normal", name=name)) as source:
        _check_format(source)
        source.run("BEGIN")  # what is read from here on is of one moment
        if not os.path.lexists(target):
            return _first(source, target, progress)
        with closing(_target(target, wait_ms)) as file:
            with file.transaction():
                _check_prefix(source, file)
                made = _Copy(source, file, progress).run()
            _settle(file)
        return made(target)


def restore(
    path: str,
    target: str,
    *,
    force: bool = False,
    discard: bool = False,
    wait_ms: int = 10_000,
    progress: Progress | None = None,
) -> Backup:
    """Make a database of a backup: every hash and signature is checked before it takes the place of anything.

    `force`: replace a file that is there, if the backup has all of it; `discard`: also if it has not, or if the file cannot
    be opened, so that nobody knows.
    """
    _check_free(target)
    if os.path.lexists(target) and not force:
        raise StoreError("store.exists", f"{target} is there already", fix="--force, or another name")
    if os.path.exists(target) and os.path.exists(path) and os.path.samefile(path, target):
        raise StoreError("store.backup-target", f"{target} is the backup itself", fix="name another file")
    with closing(File(path, create=False, wait_ms=wait_ms, durability="normal")) as source:
        _check_format(source)
        source.run("BEGIN")
        part = _part(os.path.realpath(target))
        if not discard:  # before the work is done for nothing
            _check_loses_nothing(source, target, wait_ms)
        try:
            made = _whole(source, part, progress)
            _index(part, source)
            discarded = _take_place(source, part, target, wait_ms, discard)
        finally:
            _remove(part)
        source.run("ROLLBACK")
        _settle(source)
    return replace(made(target), discarded=discarded)


def _check_format(file: File) -> None:
    if file.format != FORMAT:
        raise StoreError(
            "store.read-only",
            f"{file.name} has format {file.format}, and cannot be brought up to {FORMAT} as it cannot be written",
            fix=f"chmod u+w {file.path}",
        )


def _target(target: str, wait_ms: int) -> File:
    try:
        file = File(target, create=False, wait_ms=wait_ms)
    except StoreError as error:
        if error.code in ("store.not-a-database", "store.newer-format"):
            raise StoreError(
                "store.backup-target", f"no backup can be added to: {error.message}", fix=ANOTHER
            ) from None
        if error.code == "store.damaged":
            error.fix = "move it away, and make a new backup"
        raise
    return file


ANOTHER: Final = "name a file that is not there yet"


# -- a new file --------------------------------------------------------------------------------------------------------


def _first(source: File, target: str, progress: Progress | None) -> Backup:
    part = _part(target)
    try:
        made = _whole(source, part, progress)
        _make_one(part)
        _name(part, target)
    finally:
        _remove(part)
    return made(target)


def _name(part: str, target: str) -> None:
    """Give a whole file its name, which no other file has."""
    try:
        try:
            os.link(part, target)  # which never takes the place of anything
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            os.rename(part, target)
        _sync(os.path.dirname(os.path.abspath(target)))
    except FileExistsError:
        raise StoreError("store.exists", f"{target} has come to be meanwhile", fix="try again") from None
    except OSError as error:
        raise StoreError("store.unreadable", f"{target} cannot be made: {error.strerror}") from None


def _whole(source: File, part: str, progress: Progress | None) -> _Made:
    """A new file with everything in it, read back and checked."""
    with closing(File(part, create=True, wait_ms=0, durability="memory")) as file:
        with file.transaction():
            made = _Copy(source, file, progress, in_parts=True).run()
        _read_back(file)
    return made


def _read_back(file: File) -> None:
    """Hash again what was written."""
    last = log.last_seq(file)
    for seq, _, envelope in log.read(file, 0, last):
        if envelope is None:
            raise file.damaged(f"delta {seq} does not read as it was written; look after the disk")
    for cid in Chunks(file).cids():
        Chunks(file).get(cid)


def _part(target: str) -> str:
    folder, name = os.path.split(os.path.abspath(target))
    if not os.path.isdir(folder):
        raise StoreError("store.unreadable", f"there is no folder {folder}", fix=f"mkdir -p {folder}")
    _sweep(folder, name)
    return os.path.join(folder, f".{name}.{secrets.token_hex(8)}{PART}")


def _sweep(folder: str, name: str) -> None:
    """Remove what backups of this name left behind that were killed."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            is_part = re.fullmatch(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}{re.escape(PART)}", entry.name)
            if is_part and time.time() - entry.stat().st_mtime > PART_S:
                with suppress(StoreError):  # somebody is at work on it
                    has_its_name = entry.stat().st_nlink > 1  # and is the backup itself
                    left = None if has_its_name else _locked(entry.path, 0)
                    _remove(entry.path)
                    if left is not None:
                        left.close()


def _remove(part: str) -> None:
    Folder(part).clear()
    for end in (*BESIDE, ""):  # the file itself last, by which the others would be found
        with suppress(OSError):
            os.unlink(part + end)


def _sync(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(
            "store.not-durable", f"the disk does not confirm that {path} was kept: {error.strerror}", fix="try again"
        ) from None


def _settle(file: File) -> None:
    """Make it one file, which also opens where nothing can be written; unless somebody is reading it."""
    if file.read_only:
        return
    file.wait_ms = 0
    with suppress(StoreError):
        file.run("PRAGMA wal_checkpoint(TRUNCATE)")
        file.run("PRAGMA journal_mode=DELETE")


def _make_one(part: str) -> None:
    """Make a file that is about to be named one file, on the disk; an error if any of it would stay behind."""
    with closing(File(part, create=False, wait_ms=0, durability="normal")) as file:
        ((is_busy, _, _),) = file.run("PRAGMA wal_checkpoint(TRUNCATE)")
        ((mode,),) = file.run("PRAGMA journal_mode=DELETE")
        name = file.name
    if is_busy or mode != "delete" or os.path.exists(part + "-wal"):
        raise StoreError("store.unreadable", f"{name} could not be made one file", fix="try again")
    _sync(part)


# -- restoring ---------------------------------------------------------------------------------------------------------


def _index(part: str, source: File) -> None:
    """Make the index of a restored file, for which every signature is looked at."""
    store = SqliteStore(part, create=False, wait_ms=0, durability="memory")
    try:
        findings = store.rebuild_index()
    finally:
        store.close()
    if findings:
        first = findings[0]
        raise StoreError(
            "store.damaged", f"{source.name} is damaged: {first.record}: {first.message}", fix=source.salvage
        )
    _make_one(part)


def _take_place(source: File, part: str, target: str, wait_ms: int, discard: bool) -> int:
    """Put a restored file, and its index, where the old ones are; how much of the old one is lost by that."""
    place, lost = os.path.realpath(target), 0
    old = _locked(target, wait_ms) if os.path.exists(target) else None
    try:
        if old is not None:
            lost = _lost(old, source)
            if not discard:  # somebody may have written since this was looked at first
                _refuse_loss(lost, source, target)
        elif not discard:
            _check_loses_nothing(source, target, wait_ms)
        _check_free(target)
        _unlink_logs(place)  # before the rename: SQLite would take them for those of the restored file
        os.rename(part, place)
        with suppress(OSError):  # it would be made again
            Folder(part).take_the_place_of(Folder(place))
        _sync(os.path.dirname(place))
    except OSError as error:
        raise StoreError("store.unreadable", f"{target} cannot be written: {error.strerror}") from None
    finally:
        if old is not None:
            old.close()
    return lost


def _unlink_logs(place: str) -> None:
    """Remove what SQLite left behind beside a file that is no more, or cannot be read."""
    ends = [end for end in LOGS if os.path.lexists(place + end)]
    for end in [*ends, *(["-shm"] if "-wal" in ends else [])]:
        with suppress(OSError):
            os.unlink(place + end)


def _check_free(target: str) -> None:
    """Refuse to take the place of what is no file, and to remove what SQLite did not make."""
    if os.path.lexists(target) and os.path.exists(target) and not os.path.isfile(target):
        kind = "a folder" if os.path.isdir(target) else "not a file"
        raise StoreError("store.unreadable", f"{target} is {kind}; nothing was restored", fix="name a file")
    for end, beginnings in LOGS.items():
        beside = os.path.realpath(target) + end
        try:
            is_ours = stat.S_ISREG(os.lstat(beside).st_mode) and (
                os.path.exists(target) or _beginning(beside) in (b"", *beginnings)
            )
        except FileNotFoundError:
            continue
        except OSError:
            is_ours = False
        if not is_ours:
            raise StoreError(
                "store.unreadable",
                f"{target}{end} is in the way: it is not what SQLite keeps there; nothing was restored",
                fix="move it away, or name another file",
            )


def _beginning(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(4)


def _check_loses_nothing(source: File, target: str, wait_ms: int) -> None:
    """Refuse to replace a file that holds what the backup does not, or nobody knows what: it is somebody's."""
    if not os.path.exists(target) or _is_empty(target):
        return
    try:
        with closing(File(target, create=False, wait_ms=wait_ms, durability="normal")) as old:
            _refuse_loss(_lost(old, source), source, target)
    except StoreError as error:
        if error.code == LOSES:
            raise
        if error.code != "store.busy":  # that is said when its turn comes to be replaced
            raise StoreError(
                LOSES, f"what {target} holds cannot be known: {error.message}; nothing was restored", fix=DISCARD
            ) from None


def _is_empty(target: str) -> bool:
    """Whether a file holds nothing, nor a log beside it."""
    place = os.path.realpath(target)
    return os.path.getsize(place) == 0 and not any(os.path.lexists(place + end) for end in LOGS)


LOSES: Final = "store.restore-loses"
DISCARD: Final = "another name for what is restored; or --force --discard, if nobody needs it any more"


def _refuse_loss(lost: int, source: File, target: str) -> None:
    if lost:
        what = "1 delta or block" if lost == 1 else f"{lost:,} deltas and blocks"
        raise StoreError(LOSES, f"{target} holds {what} that {source.name} does not; nothing was restored", fix=DISCARD)


def _lost(old: File, source: File) -> int:
    """How many deltas and blocks a file holds that another does not, as far as it can be read."""
    agreed = _agreed(old, source)
    deltas = {*_ids(old, agreed), *_held_ids(old)}
    if deltas:
        deltas.difference_update(_ids(source, agreed))
        deltas.difference_update(_held_ids(source))
    return len(deltas) + len(_blocks_of(old) - _blocks_of(source))


def _agreed(one: File, other: File) -> int:
    """Up to which delta two logs are the same, to the byte."""
    agreed = 0
    with suppress(*BROKEN):
        pairs = zip(*(log.read_frames(file, 0, log.last_seq(file)) for file in (one, other)), strict=False)
        for ours, theirs in pairs:
            if ours != theirs:
                break
            agreed = ours[0]
    return agreed


def _ids(file: File, after: int) -> Iterator[bytes]:
    """The ids of the deltas of a log after one."""
    with suppress(*BROKEN):
        for _, epoch, envelope in log.read(file, after, log.last_seq(file)):
            if envelope is not None:
                with suppress(*BROKEN):
                    yield said_in(envelope, epoch).id


def _held_ids(file: File) -> set[bytes]:
    with suppress(*BROKEN):
        return {packed for (packed,) in file.typed((bytes,), "SELECT id FROM held")}
    return set()


def _blocks_of(file: File) -> set[Cid]:
    with suppress(*BROKEN):
        return set(Chunks(file).cids()) if file.format > 1 else set()
    return set()


def _locked(target: str, wait_ms: int) -> File | None:
    """The old file, which nobody else has open and nobody else can open until it is closed; None if it cannot be read."""
    file = None
    try:
        file = File(target, create=False, wait_ms=wait_ms, durability="normal")
        file.wait_ms = min(wait_ms, 1000)
        file.run("PRAGMA journal_mode=DELETE")  # which needs the file for itself
        file.run("BEGIN EXCLUSIVE")
    except StoreError as error:
        if file is not None:
            file.close()
        if error.code == "store.busy":
            raise StoreError(
                "store.busy", f"another process has {target} open; nothing was restored", fix="close it there first"
            ) from None
        return None
    return file


# -- copying -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Made:
    """What was copied."""

    epoch: int
    deltas: int
    epochs: int
    blocks: int

    def __call__(self, path: str) -> Backup:
        return Backup(path, self.epoch, self.deltas, self.epochs, self.blocks, os.path.getsize(path))


class _Copy:
    """One copying of what a file does not have yet, inside a write of it."""

    def __init__(self, source: File, target: File, progress: Progress | None, *, in_parts: bool = False) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._in_parts = in_parts
        self._bytes = self._done = self._total = 0

    def run(self) -> _Made:
        after, last = log.last_seq(self._target), log.last_seq(self._source)
        blocks = Chunks(self._source).total().blocks
        self._total = last - after + blocks
        deltas = self._log(after, last)
        epochs = self._sealed("epoch", "number")
        self._sealed("mark", "epoch")
        self._held()
        self._names()
        new_blocks = self._blocks()
        newest = self._target.run("SELECT coalesce(max(number), 0) FROM epoch")[0][0]
        return _Made(newest, deltas, epochs, new_blocks)

    def _log(self, after: int, last: int) -> int:
        rows = self._rows(after, last)
        batch: list[tuple[int, int, bytes]] = []
        size = 0
        for row in rows:
            batch.append(row)
            size += len(row[2])
            if len(batch) == BATCH_ROWS or size >= BATCH_BYTES or row[0] == last:
                log.write(self._target, batch)
                self._wrote(len(batch), size)
                batch, size = [], 0
        return last - after

    def _rows(self, after: int, last: int) -> Iterator[tuple[int, int, bytes]]:
        """The frames of some deltas, each hashed, as they stand in the log: a backup has the same bytes."""
        for seq, epoch, data in log.read_frames(self._source, after, last):
            after += 1
            if seq != after or unframe(seq, epoch, data) is None:
                raise self._source.damaged(
                    f"delta {after} of the log is not what was written", fix=self._source.salvage
                )
            yield seq, epoch, data
        if after != last:
            raise self._source.damaged(f"delta {after + 1} of the log is missing", fix=self._source.salvage)

    def _wrote(self, many: int, size: int) -> None:
        self._done += many
        self._bytes += size
        if self._in_parts and self._bytes >= COMMIT_BYTES:
            self._bytes = 0
            self._target.run("COMMIT")
            self._target.run("BEGIN IMMEDIATE")
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _sealed(self, table: str, key: str) -> int:
        """Copy the rows of a table that end with a seal and are numbered; gives how many."""
        reached = before = self._target.run(f"SELECT coalesce(max({key}), 0) FROM {table}")[0][0]
        sql = f"SELECT * FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT {PAGE_ROWS}"
        while rows := self._source.run(sql, (reached,)):
            for row in rows:
                reached += 1
                if row[0] != reached or seal(*row[:-1]) != row[-1]:
                    raise self._source.damaged(f"what is kept of epoch {reached} was altered")
            marks = ", ".join("?" * len(rows[0]))
            self._target.run_many(f"INSERT INTO {table} VALUES ({marks})", rows)
        return int(reached - before)

    def _held(self) -> None:
        """Hold back in the copy what is held back here, and no more."""
        ids = "SELECT id FROM held"
        here, there = ({row[0] for row in file.typed((bytes,), ids)} for file in (self._source, self._target))
        self._target.run_many("DELETE FROM held WHERE id = ?", [(each,) for each in there - here])
        columns = f"{HELD}, envelope"
        for (row,) in self._source.typed((int,), "SELECT row FROM held ORDER BY row"):
            held = list(self._source.run(f"SELECT {columns} FROM held WHERE row = ?", (row,))[0])
            if held[0] not in there:
                self._check_held(held)
                self._target.run(f"INSERT INTO held({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", held)

    def _check_held(self, held: list[Any]) -> None:
        try:
            sound = pack(Delta.decode(held[-1]).id) == held[0] and seal(*held[:-2]) == held[-2]
        except Error:
            sound = False
        if not sound:
            raise self._source.damaged("a delta that is held back is not what was written")

    def _names(self) -> None:
        names = "SELECT author, name, seal FROM name"
        here, there = (set(file.typed((bytes, str, bytes), names)) for file in (self._source, self._target))
        if any(seal(author, name) != sealed for author, name, sealed in here):
            raise self._source.damaged("the name of an author was altered")
        self._target.run_many("INSERT OR REPLACE INTO name VALUES (?, ?, ?)", sorted(here - there))

    def _blocks(self) -> int:
        source, target = Chunks(self._source), Chunks(self._target)
        cids, new = source.cids(), 0
        while some := list(islice(cids, BLOCKS)):
            known = target.sizes(some)
            blocks = [self._block(source, cid) for cid in some if cid not in known]
            new += target.put(blocks).blocks
            self._wrote(len(some), sum(len(block.body) for block in blocks))
        return new

    def _block(self, chunks: Chunks, cid: Cid) -> Block:
        body = chunks.get(cid)
        if body is None:
            raise self._source.damaged(f"block {cid} is listed and not there")
        try:
            return Block(cid, body)
        except Error as error:
            raise self._source.damaged(f"block {cid}: {error.message}") from None


# -- whose backup it is ------------------------------------------------------------------------------------------------


def _check_prefix(source: File, target: File) -> None:
    """Refuse a file that does not hold the beginning of what the database holds."""
    for ours, theirs in zip_longest(_epochs(source), _epochs(target)):
        if theirs is None:
            break
        if ours is None:
            raise StoreError(
                "store.backup-ahead",
                f"{target.name} holds epochs from {theirs[0]} on that {source.name} does not: it is the newer one",
                fix=f"rhizome restore {target.path} {source.path} --force, if {source.name} lost what came after",
            )
        if ours != theirs:
            raise _other(source, target, theirs[0] - 1)
    ours_last, theirs_last = log.last_seq(source), log.last_seq(target)
    if theirs_last > ours_last:
        raise _other(source, target, 0)
    for seq in (1, theirs_last // 2, theirs_last):
        if 0 < seq <= theirs_last and _head(source, seq) != _head(target, seq):
            raise _other(source, target, 0)


def _other(source: File, target: File, agreed: int) -> StoreError:
    what = (
        f"went its own way after epoch {agreed}, which both it and {source.name} hold"
        if agreed
        else f"is not a backup of {source.name}"
    )
    return StoreError("store.backup-target", f"{target.name} {what}; nothing was written", fix=ANOTHER)


def _epochs(file: File) -> Iterator[tuple[Any, ...]]:
    reached = 0
    sql = f"SELECT * FROM epoch WHERE number > ? ORDER BY number LIMIT {PAGE_ROWS}"
    while rows := file.typed((int, int, str, bytes), sql, (reached,)):
        yield from rows
        reached = rows[-1][0]


def _head(file: File, seq: int) -> tuple[Any, ...] | None:
    """The epoch of a delta and the hash of its frame."""
    rows = file.typed((int, bytes), f"SELECT epoch, substr(frame, 2, {HEAD_BYTES - 1}) FROM log WHERE seq = ?", (seq,))
    return rows[0] if rows else None

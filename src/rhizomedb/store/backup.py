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
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.errors import StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.store import log
from rhizomedb.store.check import BROKEN
from rhizomedb.store.chunks import Chunks
from rhizomedb.store.copying import ANOTHER, Copied, Copy, check_prefix
from rhizomedb.store.file import File
from rhizomedb.store.folder import Folder
from rhizomedb.store.layout import FORMAT
from rhizomedb.store.place import BESIDE
from rhizomedb.store.progress import Progress
from rhizomedb.store.said import said_in
from rhizomedb.store.sqlite import SqliteStore

PART: Final = ".part"
"""How the name of a file ends that is not whole yet."""

PART_S: Final = 60
"""How old such a file must be before it is looked at whether anybody is at work on it."""

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
                check_prefix(source, file)
                made = Copy(source, file, progress).run()
            _settle(file)
        return _backup(made, target)


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
    return replace(_backup(made, target), discarded=discarded)


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


# -- a new file --------------------------------------------------------------------------------------------------------


def _first(source: File, target: str, progress: Progress | None) -> Backup:
    part = _part(target)
    try:
        made = _whole(source, part, progress)
        _make_one(part)
        _name(part, target)
    finally:
        _remove(part)
    return _backup(made, target)


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


def _whole(source: File, part: str, progress: Progress | None) -> Copied:
    """A new file with everything in it, read back and checked."""
    with closing(File(part, create=True, wait_ms=0, durability="memory")) as file:
        with file.transaction():
            made = Copy(source, file, progress, in_parts=True).run()
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


def _backup(copied: Copied, path: str) -> Backup:
    return Backup(path, copied.epoch, copied.deltas, copied.epochs, copied.blocks, os.path.getsize(path))

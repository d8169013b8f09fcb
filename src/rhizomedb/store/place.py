"""Where a database file is: what is wrong with a path, said before SQLite says it less well, and whether it is still there."""

from __future__ import annotations

import os
import shlex
import stat
from typing import Final

from rhizomedb.errors import StoreError
from rhizomedb.store import stranger
from rhizomedb.store.failure import Blank, Failures

BESIDE: Final = ("-wal", "-shm", "-journal")
"""How the names end of what SQLite keeps beside a file: its logs, and what processes share."""

_MAGIC: Final = b"SQLite format 3\x00"


def check_place(path: str, absolute: str, failures: Failures, *, create: bool, vfs: str) -> None:
    """Refuse a path where no database is, nor can be made if that is wanted. `path` is what the user calls it."""
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        raise StoreError(
            "store.unreadable",
            f"{path} cannot be opened: the name is not UTF-8, which SQLite needs",
            fix="give the file, or the folder that it is in, another name",
        ) from None
    _check_beside(path, absolute)
    try:
        mode = os.stat(absolute).st_mode
    except FileNotFoundError:
        folder = os.path.dirname(os.path.abspath(path))
        if not create:
            raise StoreError("store.not-found", f"there is no file {path}") from None
        if not os.path.isdir(folder):
            raise StoreError(
                "store.unreadable", f"there is no folder {folder}", fix=f"mkdir -p {shlex.quote(folder)}"
            ) from None
        return
    except (OSError, ValueError) as error:
        raise StoreError("store.unreadable", f"{path} cannot be opened: {_reason(error)}") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a file"
        raise StoreError("store.unreadable", f"{path} is {kind}", fix="name a file, such as films.db")
    head = _head(path, absolute, vfs)
    if not head.startswith(_MAGIC) and (head or not create):
        if not head:
            raise failures.foreign("is empty", Blank)
        what, right = stranger.looks_like(head, path)
        raise failures.foreign(f"looks like {what}", fix=right)


def _check_beside(path: str, absolute: str) -> None:
    """Refuse what would let SQLite wait for ever in the place of what it keeps beside a file."""
    for end in BESIDE:
        try:
            mode = os.lstat(absolute + end).st_mode
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "not a file"
            raise StoreError(
                "store.unreadable",
                f"{path} cannot be opened: {path}{end}, where SQLite keeps what it needs, is {kind}",
                fix=f"move it away: mv {shlex.quote(path + end)} elsewhere",
            )


def _head(path: str, absolute: str, vfs: str) -> bytes:
    """The first bytes of the file, read through SQLite: to close a file behind its back would drop its locks."""
    import apsw

    try:
        file = apsw.VFSFile(vfs, absolute, [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
        try:
            head: bytes = file.xRead(min(file.xFileSize(), stranger.HEAD_BYTES), 0)
            return head
        finally:
            file.xClose()
    except apsw.IOError:  # it was made shorter meanwhile
        return b"" if os.path.getsize(absolute) == 0 else b"?"
    except apsw.Error as error:
        raise StoreError("store.unreadable", f"{path} cannot be read: {error}") from None


def is_shared(absolute: str) -> bool:
    """Whether there is what processes share that have the file open, or what one of them left behind."""
    return any(os.path.lexists(absolute + end) for end in BESIDE)


def may_make_files(absolute: str) -> bool:
    """Whether files can be made beside this one, as far as the one who runs this process is concerned."""
    return os.access(os.path.dirname(absolute), os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def identity(path: str) -> tuple[int, int] | None:
    """Which file a path leads to; None if to none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()

"""Who writes to a file just now, as far as the system tells: Linux lists every lock, and which process holds it.

Nothing is opened for that: to close a file that SQLite has open would drop the locks of this process on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeAlias

LOCKS: Final = "/proc/locks"

WRITER: Final = ["120", "120"]
"""The byte of `FILE-shm` that the one writer locks, first and last (SQLite, "WAL-mode File Format", 2.3)."""

Waiting: TypeAlias = Callable[[float, int | None], object]
"""Told that a write has to wait: for how many seconds more at most, and for which process, if that can be known."""


def writer(path: str) -> int | None:
    """The process that writes to the database file at a path; None if there is none, or nobody can say."""
    try:
        inode = str(os.stat(f"{path}-shm").st_ino)
        with open(LOCKS, encoding="ascii", errors="replace") as file:
            locks = [line.split() for line in file]
    except OSError:
        return None
    for _, kind, _, access, process, place, *stretch in (lock for lock in locks if len(lock) == len(_EXAMPLE)):
        # The device is not compared: some file systems show one to `stat` and another one here.
        if (kind, access, place.rpartition(":")[2], stretch) == ("POSIX", "WRITE", inode, WRITER):
            return int(process) if process.isdecimal() and int(process) else None
    return None


_EXAMPLE: Final = ["1:", "POSIX", "ADVISORY", "WRITE", "7827", "fe:00:9978161", "120", "120"]
"""A lock as it is listed; one more word stands in the line of a process that waits for it."""


def words(process: int | None) -> str:
    """A process that writes, in the words of an error or a note."""
    if process is None:
        return "another process"
    return "this process itself, by another connection" if process == os.getpid() else f"process {process}"

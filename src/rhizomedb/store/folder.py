"""The folder beside a database file in which its index is kept, one file for each segment.

Nothing here is truth: a file that is lost, cut short or altered is made again. Whatever the file system says no to only
means that a segment stays in memory.
"""

from __future__ import annotations

import mmap
import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Final

SUFFIX: Final = "-index"
ENDING: Final = ".seg"
NAME: Final = re.compile(rf"[0-9a-f]{{16}}{re.escape(ENDING)}")
"""What segments are called. Nothing that has another name is ever removed."""

WRITE_BYTES: Final = 64 << 10

READ_BYTES_MAX: Final = 1 << 20
"""A segment up to this size is read into memory, where nobody else can change it; a larger one is mapped."""


class Folder:
    """The index folder of the database file at an absolute path."""

    def __init__(self, database: str, *, is_durable: bool = False) -> None:
        self.path = database + SUFFIX
        self._database = database
        self._is_durable = is_durable

    def place(self) -> str:
        """Where the database file is, as only this machine can know: a copy of the file has another place."""
        status = os.stat(self._database)
        return f"{_machine()}:{status.st_dev}:{status.st_ino}"

    def write(self, data: bytes | memoryview) -> str | None:
        """Keep a segment under a new name, which is given; None if it cannot be kept."""
        name = secrets.token_hex(8) + ENDING
        try:
            os.makedirs(self.path, exist_ok=True)
            with open(self._join(name), "xb", buffering=0) as file:
                # In pieces: what is written at once is kept in memory at once, and then mapped at once.
                for at in range(0, len(data), WRITE_BYTES):
                    piece = memoryview(data)[at : at + WRITE_BYTES]
                    while piece:
                        piece = piece[file.write(piece) :]
                if (
                    self._is_durable
                ):  # before anything names it: else a loss of power could leave pages of nothing in it
                    _sync(file.fileno())
        except OSError:
            self.remove(name)
            return None
        return name

    def map(self, name: str, size: int) -> memoryview | None:
        """The bytes of a segment, read or mapped; None if there is no such file of this size."""
        if not NAME.fullmatch(name):
            return None
        try:
            with open(self._join(name), "rb", opener=_at_once) as file:
                if os.fstat(file.fileno()).st_size != size or not size:
                    return None
                if size <= READ_BYTES_MAX:
                    data = file.read(size)
                    return memoryview(data) if len(data) == size else None
                return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
        except (OSError, ValueError):
            return None

    def remove(self, name: str) -> None:
        """Remove a segment. Whoever has it mapped goes on reading it."""
        if NAME.fullmatch(name):
            with suppress(OSError):
                os.unlink(self._join(name))

    def clear(self) -> None:
        """Remove all segments, and the folder if nothing else is in it."""
        for name in self.others(set()):
            self.remove(name)
        with suppress(OSError):  # something else is in it, or it is none
            os.rmdir(self.path)

    def take_the_place_of(self, old: Folder) -> None:
        """Move to where another index is, whose segments are removed.

        What else is in that folder stays beside the segments. Where it is a link, or no folder, nothing is moved.
        """
        old.clear()
        try:
            os.rename(self.path, old.path)
        except OSError:
            if not old._is_folder():
                return
            for name in self.others(set()):
                os.rename(self._join(name), old._join(name))

    def has(self, name: str) -> bool:
        """Whether a segment is there."""
        return os.path.isfile(self._join(name))

    def others(self, named: set[str], seconds: float | None = None) -> list[str]:
        """The segments that are not among some, if need be only those that are older than so many seconds.

        None behind a link: the folder that it leads to may be that of another database.
        """
        if not self._is_folder():
            return []
        try:
            found = [entry for entry in os.scandir(self.path) if NAME.fullmatch(entry.name) and entry.name not in named]
            return [entry.name for entry in found if seconds is None or time.time() - entry.stat().st_mtime > seconds]
        except OSError:
            return []

    def size(self) -> int:
        """The bytes of all files in it."""
        try:
            return sum(entry.stat().st_size for entry in os.scandir(self.path))
        except OSError:
            return 0

    def _is_folder(self) -> bool:
        return os.path.isdir(self.path) and not os.path.islink(self.path)

    def _join(self, name: str) -> str:
        return os.path.join(self.path, name)


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for anybody: a pipe in the place of a segment has no other end."""
    return os.open(path, flags | os.O_NONBLOCK)


def size_now(buffer: bytes | memoryview) -> Callable[[], int] | None:
    """What tells how long the file is now that a segment is mapped from; None if it is not mapped."""
    mapped = buffer.obj if isinstance(buffer, memoryview) else None
    return mapped.size if isinstance(mapped, mmap.mmap) else None


def let_go(buffer: bytes | memoryview) -> None:
    """Give back the memory of mapped pages that were read; they are mapped again when they are read again."""
    mapped = buffer.obj if isinstance(buffer, memoryview) else None
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


_sync: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


@cache
def _machine() -> str:
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip() or os.uname().nodename
    except (OSError, ValueError):
        return os.uname().nodename

"""Making a file small: pages that are not in use are given back, the index becomes few segments, the log beside is emptied.

Others may read and write meanwhile; while pages are given back, writers wait.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from rhizomedb._record import dataclass
from rhizomedb.errors import StoreError
from rhizomedb.store.file import File
from rhizomedb.store.folder import Folder
from rhizomedb.store.indexed import Indexed
from rhizomedb.store.storage import size_of
from rhizomedb.store.tiers import BYTES_MAX, FACTS_MAX, Part

ROOM: Final = 2
"""How many times its size a file needs for a while to be written anew: once beside it, and once in its log."""

ORPHAN_S: Final = 600
"""How old a file that nothing names must be before it is worth a word: a younger one may be about to be named."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """What was gained, in bytes of the file, of its write-ahead log and of its index; and what became of the index."""

    file_bytes_before: int
    file_bytes: int
    wal_bytes_before: int
    wal_bytes: int
    index_bytes_before: int
    index_bytes: int
    segments_before: int
    segments: int

    @property
    def gained(self) -> int:
        """How many bytes less there are than before."""
        before = self.file_bytes_before + self.wal_bytes_before + self.index_bytes_before
        return before - (self.file_bytes + self.wal_bytes + self.index_bytes)


def compact(path: str, *, wait_ms: int = 10_000, name: str = "") -> Compaction:
    """Make a file, its index and its write-ahead log as small as they can be."""
    with closing(File(path, create=False, wait_ms=wait_ms, durability="normal", name=name)) as file:
        if file.read_only:
            raise StoreError("store.read-only", f"{file.name} cannot be written", fix=f"chmod u+w {file.path}")
        before = _sizes(file)
        merge_all(file)
        sweep(file)
        _give_back(file)
        checkpoint(file)
        after = _sizes(file)
    return Compaction(*(size for pair in zip(before, after, strict=True) for size in pair))


def _sizes(file: File) -> tuple[int, int, int, int]:
    segments = file.run("SELECT count(*) FROM segment")[0][0]
    wal = size_of(file.absolute + "-wal")
    return size_of(file.absolute), wal, Folder(file.absolute).size(), segments


def merge_all(file: File) -> None:
    """Merge the segments in files into as few as there may be."""
    indexed = Indexed(file)
    while indexed.tidy(mergeable):
        pass


def mergeable(parts: Sequence[Part]) -> tuple[int, int] | None:
    """The first adjacent parts that may be one: from where to where."""
    for start in range(len(parts) - 1):
        weight = size = 0
        end = start
        for part in parts[start:]:
            weight, size = weight + part.weight, size + len(part.buffer)
            if weight > FACTS_MAX or size > BYTES_MAX:
                break
            end += 1
        if end - start > 1:
            return start, end
    return None


def orphans(file: File) -> list[str]:
    """The files of the index folder that nothing names, and that are so old that no write under way will."""
    return Folder(file.absolute).others(_named(file), ORPHAN_S)


def sweep(file: File) -> int:
    """Remove the files of the index folder that nothing names; gives how many.

    Files are named by the one writer, which this is meanwhile; who merges finds out that a file is gone and merges again.
    """
    folder = Folder(file.absolute)
    with file.transaction():
        left = folder.others(_named(file))
        for name in left:
            folder.remove(name)
    return len(left)


def _named(file: File) -> set[str]:
    return {name for (name,) in file.typed((str,), "SELECT name FROM segment")}


def _give_back(file: File) -> None:
    """Write the file anew without the pages that are not in use, if there are any."""
    if not file.run("PRAGMA freelist_count")[0][0]:
        return
    room = shutil.disk_usage(os.path.dirname(file.absolute)).free
    size = size_of(file.absolute)
    if room < ROOM * size:
        raise StoreError(
            "store.full",
            f"to make {file.name} smaller takes {ROOM * size:,} bytes for a while, and {room:,} are left",
            fix="make room, or make a backup elsewhere and restore it",
        )
    file.run("PRAGMA temp_store=FILE")  # else all of it would be in memory
    file.run("VACUUM")


def checkpoint(file: File) -> bool:
    """Empty the write-ahead log into the file; False while somebody is reading what is older."""
    ((busy, _, _),) = file.run("PRAGMA wal_checkpoint(TRUNCATE)")
    return not busy

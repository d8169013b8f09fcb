"""Storage: how many bytes a database takes, and of what, known without walking through it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from rhizomedb._record import dataclass

if TYPE_CHECKING:
    from rhizomedb.store.chunks import Chunks
    from rhizomedb.store.file import File
    from rhizomedb.store.indexed import Indexed


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the bytes are: `log_bytes` is everything in the file that cannot be made again but attachments, with what
    SQLite needs around it; `free_bytes` are pages of the file that are not in use (`compact` gives them back);
    `wal_bytes` is the write-ahead log, `held_bytes` of `log_bytes` are deltas that are held back. A database in memory
    has format 0 and no files. Of the index, `index_memory_bytes` are in the memory of this process and in no file yet.
    """

    format: int = 0
    durability: str = "memory"
    file_bytes: int = 0
    wal_bytes: int = 0
    log_bytes: int = 0
    held_bytes: int = 0
    attachment_blocks: int = 0
    attachment_bytes: int = 0
    free_bytes: int = 0
    index_bytes: int = 0
    segments: int = 0
    index_memory_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """What is in use, of the file and its index."""
        return self.log_bytes + self.attachment_bytes + self.index_bytes

    def bytes_per_fact(self, facts: int) -> float:
        """How much log and index there is for each fact; 0 where there is none."""
        return (self.log_bytes + self.index_bytes) / facts if facts else 0.0

    def as_dict(self) -> dict[str, object]:
        """As data."""
        return {name: getattr(self, name) for name in self.__slots__}


def storage_of(file: File, indexed: Indexed, chunks: Chunks | None = None) -> Storage:
    """How many bytes of what there are; without `chunks`, theirs are counted with the log and nothing is summed up."""
    (page, pages, free), *_ = file.run(
        "SELECT p.page_size, c.page_count, f.freelist_count"
        " FROM pragma_page_size AS p, pragma_page_count AS c, pragma_freelist_count AS f"
    )
    blocks = size = held = 0
    if chunks is not None:
        if file.format > 1:
            blocks, size = chunks.total()
        ((held,),) = file.typed((int,), "SELECT coalesce(sum(length(envelope)), 0) FROM held")
    parts = indexed.tiers.parts
    return Storage(
        format=file.format,
        durability=file.durability,
        file_bytes=size_of(file.absolute),
        wal_bytes=size_of(file.absolute + "-wal"),
        log_bytes=max(0, (pages - free) * page - size),
        held_bytes=held,
        attachment_blocks=blocks,
        attachment_bytes=size,
        free_bytes=free * page,
        index_bytes=sum(len(part.buffer) for part in parts),
        segments=len(parts),
        index_memory_bytes=sum(len(part.buffer) for part in parts if not part.name),
    )


def size_of(path: str) -> int:
    """The bytes of a file; 0 if there is none."""
    with suppress(OSError):
        return os.stat(path).st_size
    return 0

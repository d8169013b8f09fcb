"""The log of a file: every envelope in the order in which it arrived, one frame each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rhizomedb.store.file import File
from rhizomedb.store.frame import unframe

PAGE_BYTES: Final = 8 << 20
PAGE_ROWS: Final = 256
"""How much of the log is read at once."""

_NEXT: Final = {
    1: "SELECT seq, epoch, envelope FROM log WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
    2: "SELECT seq, epoch, frame FROM log WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
}


def last_seq(file: File) -> int:
    """The number of the newest delta in the log."""
    ((last,),) = file.typed((int,), "SELECT coalesce(max(seq), 0) FROM log")
    return int(last)


def write(file: File, rows: Iterable[tuple[int, int, bytes]]) -> None:
    """Add frames, each with its number and its epoch."""
    file.run_many("INSERT INTO log(seq, epoch, frame) VALUES (?, ?, ?)", rows)


def read(file: File, after: int, last: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Number, epoch and envelope of the deltas after < seq <= last, in order; None for an envelope that was altered."""
    for seq, epoch, data in read_frames(file, after, last):
        yield seq, epoch, data if file.format == 1 else unframe(seq, epoch, data)


def read_frames(file: File, after: int, last: int) -> Iterator[tuple[int, int, bytes]]:
    """Number, epoch and frame (format 1: envelope) of the deltas after < seq <= last, in order, as they stand there.

    They come page by page, each a finished statement: a slow reader holds no lock.
    """
    most = 16
    while rows := file.typed((int, int, bytes), _NEXT[file.format], (after, last, most)):
        for seq, epoch, data in rows:
            if seq <= after:  # a broken tree may lead back
                raise file.damaged("the log is out of order")
            after = seq
            yield seq, epoch, data
        size = sum(len(data) for *_, data in rows) // len(rows) + 1
        most = max(1, min(PAGE_ROWS, PAGE_BYTES // size))


def envelope_at(file: File, seq: int) -> bytes:
    """The envelope of one delta, as it arrived."""
    for _, _, envelope in read(file, seq - 1, seq):
        if envelope is not None:
            return envelope
    raise file.damaged(f"delta {seq} of the log is not what was written")

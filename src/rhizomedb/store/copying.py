"""Copying a log into another file: what that does not have yet, inside one write of it, each delta and block hashed on its way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import Error, StoreError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.manifest import Block
from rhizomedb.store import log
from rhizomedb.store.chunks import Chunks
from rhizomedb.store.file import File
from rhizomedb.store.frame import HEAD_BYTES, unframe
from rhizomedb.store.layout import HELD, pack, seal
from rhizomedb.store.progress import Progress

BATCH_ROWS: Final = 256
BATCH_BYTES: Final = 8 << 20
PAGE_ROWS: Final = 1000
BLOCKS: Final = 32
COMMIT_BYTES: Final = 64 << 20
"""After how many bytes a file that nobody knows yet is committed, so that its write-ahead log stays small."""

ANOTHER: Final = "name a file that is not there yet"
"""What to do where a file cannot be added to."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    epoch: int
    deltas: int
    epochs: int
    blocks: int


class Copy:
    """One copying of what a file does not have yet, inside a write of it."""

    def __init__(self, source: File, target: File, progress: Progress | None, *, in_parts: bool = False) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._in_parts = in_parts
        self._bytes = self._done = self._total = 0

    def run(self) -> Copied:
        """Copy, and say what was copied."""
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
        return Copied(newest, deltas, epochs, new_blocks)

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


def check_prefix(source: File, target: File) -> None:
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

"""Where the blocks of attachments are kept: chunks and manifests by their CID, in a file and in memory.

A block is here once, however many attachments have it. It comes in as a `Block`, whose bytes were hashed, and goes out
only if its bytes still hash to its CID. Everything that is written here is written inside `Store.writing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, Protocol

from rhizomedb.errors import AttachmentError, Error, StoreError
from rhizomedb.facts.cid import CID_BYTES, PREFIX, Cid
from rhizomedb.facts.manifest import BLOCK_BYTES_MAX, CHUNK_PREFIX, Block, Manifest, is_manifest
from rhizomedb.store.file import File
from rhizomedb.store.progress import Passed
from rhizomedb.store.store import Finding

ASK_KEYS: Final = 128
"""How many CIDs are asked for in one statement."""

PAGE_ROWS: Final = 1000
WRITE_BLOCKS: Final = 64
"""How many blocks one statement adds: at most 16 MiB."""

DAMAGED: Final = "store.damaged"
NOBODY: Final = Passed()


class Stored(NamedTuple):
    """A number of blocks and of their bytes."""

    blocks: int = 0
    bytes: int = 0


class ChunkStore(Protocol):
    """The blocks of attachments, as `Store.chunks` offers them."""

    def put(self, blocks: Iterable[Block]) -> Stored:
        """Keep blocks; gives how many were new. Inside `writing`."""
        ...

    def get(self, cid: Cid) -> bytes | None:
        """The bytes of a block, hashed again, or None; `store.damaged` if they are not what they were."""
        ...

    def sizes(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Those of some CIDs whose blocks are here, with the sizes of the blocks."""
        ...

    def cids(self, *, manifests: bool = False) -> Iterator[Cid]:
        """The CIDs of all blocks, or of the manifests only, in the order of their bytes; streamed."""
        ...

    def total(self) -> Stored:
        """How much is here."""
        ...

    def drop(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Remove blocks; gives those that there were, with their sizes. Inside `writing`."""
        ...

    def verify(self, passed: Passed = NOBODY) -> Iterator[Finding]:
        """Hash every block again and look for the parts of every manifest; yield what is wrong. `passed` is told of each."""
        ...


class Chunks:
    """The blocks in a database file."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._counted: tuple[tuple[int, int], Stored] | None = None  # at which version of the file, and how much

    def put(self, blocks: Iterable[Block]) -> Stored:
        """Keep blocks; gives how many were new. Inside `writing`."""
        new = size = 0
        blocks = iter(blocks)
        while some := {block.cid: block for block in islice(blocks, WRITE_BLOCKS)}:
            known = self.sizes(some)
            self._mend(block for cid, block in some.items() if cid in known)
            rows = [(bytes(cid), len(block.body), block.body) for cid, block in some.items() if cid not in known]
            self._file.run_many("INSERT INTO chunk(cid, size, body) VALUES (?, ?, ?)", rows)
            added = Stored(len(rows), sum(row[1] for row in rows))
            self._count(added.blocks, added.bytes)
            new, size = new + added.blocks, size + added.bytes
        return Stored(new, size)

    def _mend(self, blocks: Iterable[Block]) -> None:
        """Put the bytes of blocks in the place of those that were altered since they were written."""
        for block in blocks:
            key, size = bytes(block.cid), len(block.body)
            rows = self._file.run(
                "SELECT 1 FROM chunk WHERE cid = ? AND (size != ? OR body IS NOT ?)", (key, size, block.body)
            )
            if rows:
                self._file.run("UPDATE chunk SET size = ?, body = ? WHERE cid = ?", (size, block.body, key))

    def get(self, cid: Cid) -> bytes | None:
        """The bytes of a block, hashed again, or None; `store.damaged` if they are not what they were."""
        rows = self._file.typed((int,), "SELECT row FROM chunk WHERE cid = ?", (bytes(cid),))
        return self._body(rows[0][0], cid) if rows else None

    def _body(self, row: int, cid: Cid) -> bytes:
        sql = "SELECT CASE WHEN length(body) <= ? THEN body END FROM chunk WHERE row = ?"
        rows = self._file.run(sql, (BLOCK_BYTES_MAX, row))
        body: object = rows[0][0] if rows else None
        if type(body) is not bytes or not _is_intact(cid, body):
            raise self._file.damaged(f"the bytes of block {cid} are not those that were written")
        return body

    def sizes(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Those of some CIDs whose blocks are here, with the sizes of the blocks."""
        found: dict[Cid, int] = {}
        cids = iter(cids)
        while some := {bytes(cid): cid for cid in islice(cids, ASK_KEYS)}:
            keys: list[bytes | None] = [*some, *[None] * (ASK_KEYS - len(some))]
            for raw, size in self._file.typed((bytes, int), _SIZES, keys):
                found[some[raw]] = size
        return found

    def cids(self, *, manifests: bool = False) -> Iterator[Cid]:
        """The CIDs of all blocks, or of the manifests only, in the order of their bytes; streamed."""
        return (cid for cid, _ in self._rows(PREFIX if manifests else CHUNK_PREFIX))

    def _rows(self, after: bytes) -> Iterator[tuple[Cid, int]]:
        while rows := self._file.typed(
            (bytes, int), "SELECT cid, row FROM chunk WHERE cid > ? ORDER BY cid LIMIT ?", (after, PAGE_ROWS)
        ):
            for raw, row in rows:
                if raw <= after or len(raw) != CID_BYTES or raw[:4] not in (PREFIX, CHUNK_PREFIX):
                    raise self._file.damaged("the blocks are out of order, or not named by CIDs of theirs")
                after = raw
                yield Cid(raw), row

    def total(self) -> Stored:
        """How much is here: counted once, and again only when another process has written."""
        version = self._file.version()  # before it is counted: what comes between is counted again
        if self._counted is None or self._counted[0] != version:
            self._counted = version, self._total()
        return self._counted[1]

    def _count(self, blocks: int, size: int) -> None:
        if self._counted is not None:
            version, total = self._counted
            self._counted = version, Stored(total.blocks + blocks, total.bytes + size)

    def _total(self) -> Stored:
        return Stored(*self._file.typed((int, int), "SELECT count(*), coalesce(sum(size), 0) FROM chunk")[0])

    def drop(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Remove blocks; gives those that there were, with their sizes. Inside `writing`."""
        found = self.sizes(cids)
        self._file.run_many("DELETE FROM chunk WHERE cid = ?", [(bytes(cid),) for cid in found])
        self._count(-len(found), -sum(found.values()))
        return found

    def verify(self, passed: Passed = NOBODY) -> Iterator[Finding]:
        """Hash every block again and look for the parts of every manifest; yield what is wrong. `passed` is told of each."""
        for cid, row in self._rows(CHUNK_PREFIX):
            try:
                body = self._body(row, cid)
                ((said,),) = self._file.typed((int,), "SELECT size FROM chunk WHERE row = ?", (row,))
                if said != len(body):
                    yield Finding(f"block {cid}", DAMAGED, f"it has {len(body):,} bytes and is kept as one of {said:,}")
                yield from _lacking(self, cid, body)
            except Error as error:
                yield Finding(f"block {cid}", error.code, error.message)
            passed.one()


_SIZES: Final = f"SELECT cid, size FROM chunk WHERE cid IN ({','.join('?' * ASK_KEYS)})"


class MemoryChunks:
    """The blocks in memory: a dict. The oracle for the file, and as atomic: `begin`, and `rollback` where a write fails."""

    def __init__(self) -> None:
        self._kept: dict[Cid, bytes] | None = {}
        self._before: dict[Cid, bytes | None] = {}

    def close(self) -> None:
        """Forget everything, with the store."""
        self._kept = None

    @property
    def _blocks(self) -> dict[Cid, bytes]:
        if self._kept is None:
            raise StoreError("store.closed", ":memory: is closed")
        return self._kept

    def begin(self) -> None:
        """A write begins: `rollback` comes back to here."""
        self._before = {}

    def rollback(self) -> None:
        """Undo everything since `begin`."""
        for cid, body in self._before.items():
            if body is None:
                self._blocks.pop(cid, None)
            else:
                self._blocks[cid] = body
        self._before = {}

    def put(self, blocks: Iterable[Block]) -> Stored:
        """Keep blocks; gives how many were new. Inside `writing`."""
        new = size = 0
        for block in blocks:
            known = self._blocks.get(block.cid)
            if known is not None and known != block.body:  # altered since it was written
                self._blocks[block.cid] = block.body
            if known is None:
                self._before.setdefault(block.cid, None)
                self._blocks[block.cid] = block.body
                new += 1
                size += len(block.body)
        return Stored(new, size)

    def get(self, cid: Cid) -> bytes | None:
        """The bytes of a block, hashed again, or None; `store.damaged` if they are not what they were."""
        body = self._blocks.get(cid)
        if body is not None and not _is_intact(cid, body):
            raise StoreError(DAMAGED, f"the bytes of block {cid} are not those that were written")
        return body

    def sizes(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Those of some CIDs whose blocks are here, with the sizes of the blocks."""
        return {cid: len(self._blocks[cid]) for cid in cids if cid in self._blocks}

    def cids(self, *, manifests: bool = False) -> Iterator[Cid]:
        """The CIDs of all blocks, or of the manifests only, in the order of their bytes; streamed."""
        return iter(sorted(cid for cid in self._blocks if is_manifest(cid) or not manifests))

    def total(self) -> Stored:
        """How much is here."""
        return Stored(len(self._blocks), sum(map(len, self._blocks.values())))

    def drop(self, cids: Iterable[Cid]) -> dict[Cid, int]:
        """Remove blocks; gives those that there were, with their sizes. Inside `writing`."""
        found = self.sizes(cids)
        for cid in found:
            self._before.setdefault(cid, self._blocks[cid])
            del self._blocks[cid]
        return found

    def verify(self, passed: Passed = NOBODY) -> Iterator[Finding]:
        """Hash every block again and look for the parts of every manifest; yield what is wrong. `passed` is told of each."""
        for cid in self.cids():
            try:
                yield from _lacking(self, cid, self.get(cid) or b"")
            except Error as error:
                yield Finding(f"block {cid}", error.code, error.message)
            passed.one()


def missing(chunks: ChunkStore, cids: Sequence[Cid]) -> list[Cid]:
    """Those of some CIDs whose blocks are not here, once each and in their order."""
    here = chunks.sizes(cids)
    return [cid for cid in dict.fromkeys(cids) if cid not in here]


def _is_intact(cid: Cid, body: bytes) -> bool:
    return hashlib.sha256(body).digest() == bytes(cid)[4:]


def _lacking(chunks: ChunkStore, cid: Cid, body: bytes) -> Iterator[Finding]:
    """What a block lacks if it is a manifest."""
    if not is_manifest(cid):
        return
    try:
        manifest = Manifest.decode(body)
    except (
        AttachmentError
    ):  # what its author made is here as it was made; `attachments` says that it contradicts itself
        return
    here = chunks.sizes(part.cid for part in manifest.parts)
    lacking = [part.cid for part in manifest.parts if part.cid not in here]
    if lacking:
        many = f"{len(lacking):,} of its {len(manifest.parts):,} parts are not here, the first {lacking[0]}"
        yield Finding(f"block {cid}", "attachment.missing", many, len(set(lacking)))

"""The content of an attachment, read as a stream: each chunk is hashed as it is read, and what is missing is named."""

from __future__ import annotations

import io
from bisect import bisect_right
from typing import TYPE_CHECKING

from rhizomedb.db.attachments.attachment import contradicts, lacking, manifest_of, not_one
from rhizomedb.db.limits import Limits, check_size
from rhizomedb.facts.chunking import SEGMENT_BYTES
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.manifest import Manifest, is_manifest
from rhizomedb.store.store import ALL, Store

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def read(store: Store, root: Cid, limits: Limits) -> io.BufferedReader:
    """The content of an attachment as a file for reading, which one can seek in."""
    if not is_manifest(root):
        raise not_one(f"{root} is not the CID of a manifest")
    manifest = manifest_of(store, root)
    if manifest is None:
        if store.has(root) or any(True for _ in store.scan("fact", {"$cid": root}, ALL)):
            raise not_one(f"{root} names a fact or a delta, not an attachment")
        raise lacking(root, "manifest")
    check_size(limits, manifest.size)
    return io.BufferedReader(_Stream(store, manifest), SEGMENT_BYTES)


class _Stream(io.RawIOBase):
    """The content behind a manifest. Holds a manifest of each height, and one chunk."""

    def __init__(self, store: Store, root: Manifest) -> None:
        self._store = store
        self._root = root
        self._at = 0
        self._path: list[tuple[int, Manifest]] = [(0, root)]  # where each manifest begins, the lowest last
        self._chunk = b""
        self._chunk_cid: Cid | None = None
        self._chunk_start = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        self._check_open()
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check_open()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._root.size}
        if whence not in base:
            raise ValueError(f"there is no whence {whence}")
        if base[whence] + offset < 0:
            raise ValueError("there is nothing before the beginning")
        self._at = base[whence] + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._check_open()
        room = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(room) and self._at < self._root.size:
            if not 0 <= self._at - self._chunk_start < len(self._chunk):
                self._load()
            start = self._at - self._chunk_start
            count = min(len(room) - filled, len(self._chunk) - start)
            room[filled : filled + count] = self._chunk[start : start + count]
            filled += count
            self._at += count
        return filled

    def readall(self) -> bytes:
        pieces = []
        while piece := self.read(SEGMENT_BYTES):
            pieces.append(piece)
        return b"".join(pieces)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the attachment is closed")

    def _load(self) -> None:
        """Come to the chunk that holds the place where reading goes on."""
        while not 0 <= self._at - self._path[-1][0] < self._path[-1][1].size:
            self._path.pop()
        while True:
            start, manifest = self._path[-1]
            index = bisect_right(manifest.ends, self._at - start)
            part = manifest.parts[index]
            start += manifest.ends[index] - part.size
            if not manifest.height:
                break
            lower = manifest_of(self._store, part.cid)
            if lower is None:
                raise lacking(part.cid, "manifest")
            if lower.height != manifest.height - 1 or lower.size != part.size:
                raise contradicts(part.cid)
            self._path.append((start, lower))
        body = self._chunk if part.cid == self._chunk_cid else self._store.chunks.get(part.cid)
        if body is None:
            raise lacking(part.cid, f"the chunk at byte {start:,},")
        if len(body) != part.size:
            raise contradicts(part.cid)
        self._chunk, self._chunk_cid, self._chunk_start = body, part.cid, start

"""Attaching: content on its way in, as a stream, so that nothing names it before all of it is here.

Chunks are written as they come, in writes of their own, so that a slow source keeps nobody waiting; the last of them in
the same write as the fact. Meanwhile another process may remove what nothing names yet: that shows at the end, and then
the content is taken in again.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Final, TypeAlias, TypeVar

from rhizomedb._record import dataclass
from rhizomedb.db.attachments.attachment import WRITE_BYTES, missing_blocks, put
from rhizomedb.db.limits import Limits, check_size
from rhizomedb.db.transaction import Transaction
from rhizomedb.errors import AttachmentError, RequestError
from rhizomedb.facts.chunking import SEGMENT_BYTES, chunks
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.manifest import Block, Tree
from rhizomedb.store.chunks import Stored
from rhizomedb.store.store import Store
from rhizomedb.store.writing import write

Content: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes]
"""What can be attached: bytes, the path of a file, or a file that is open for reading bytes."""

Progress: TypeAlias = Callable[[int, int], object]
"""Called with the bytes that are done, and those in all (0 if unknown)."""

TRIES: Final = 3
"""How often content is taken in anew when another process removes what nothing names yet."""

NONE: Final = Stored()

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Attached(Transaction):
    """What an attach did: a transaction, the attachment's `cid` and `size`, and which blocks were new here."""

    cid: Cid | None = None
    size: int = 0
    new: Stored = NONE


class Intake:
    """Content on its way in. What is still `pending` is written together with what names it."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._tree = Tree()
        self._pending: list[Block] = []
        self._pending_bytes = 0
        self._written = False
        self._new = NONE
        self.root: Cid | None = None

    @property
    def size(self) -> int:
        """How many bytes of content came in so far."""
        return self._tree.size

    @property
    def new(self) -> Stored:
        """The blocks that were not here before."""
        return self._new

    def take(self, blocks: Iterable[bytes], progress: Progress, total: int) -> None:
        """Cut content that comes in blocks, and write it as it comes; the end stays pending."""
        check_size(self._limits, total)
        for body in chunks(blocks):
            chunk = Block.chunk(body)
            check_size(self._limits, self.size + len(body))
            self._gather([*self._tree.add(chunk), chunk])
            progress(self.size, total)
            if self._pending_bytes >= WRITE_BYTES:
                write(self._store, self._put)
                self._written = True
        last = list(self._tree.close())
        self._gather(last)
        self.root = last[-1].cid

    def finish(self) -> Cid:
        """Write what is pending, inside `writing`; gives the attachment's name once all of it is here."""
        assert self.root is not None, "the content has come to its end"
        self._put()
        if self._written and any(True for _ in missing_blocks(self._store, self.root)):
            raise _Collected
        return self.root

    def _gather(self, blocks: list[Block]) -> None:
        self._pending += blocks
        self._pending_bytes += sum(len(block.body) for block in blocks)

    def _put(self) -> None:
        blocks, self._pending, self._pending_bytes = self._pending, [], 0
        new = put(self._store, blocks, self._limits)
        self._new = Stored(self._new.blocks + new.blocks, self._new.bytes + new.bytes)


class _Collected(Exception):
    """Blocks that were written already are gone again."""


def take_in(
    store: Store, content: Content, limits: Limits, progress: Progress | None, say: Callable[[Intake], _T]
) -> _T:
    """Take content in, and let `say` finish it and name it. What can be read again is, if it went missing meanwhile."""
    with _opened(content, store.path) as (file, total):
        start = _position(file)
        for _ in range(TRIES):
            intake = Intake(store, limits)
            intake.take(_blocks(file), progress or (lambda _done, _total: None), total)
            try:
                return say(intake)
            except _Collected:
                if start is None:
                    break
                file.seek(start)
    raise AttachmentError(
        "attachment.collected",
        "chunks of this content were removed by another process before anything named them; nothing was said",
        fix="attach it again",
    )


@contextmanager
def _opened(content: Content, database: str) -> Iterator[tuple[IO[bytes], int]]:
    """A file to read content from, and how many bytes it has (0 if unknown)."""
    if isinstance(content, bytes | bytearray | memoryview):
        whole = bytes(content)
        yield io.BytesIO(whole), len(whole)
    elif isinstance(content, str | os.PathLike):
        path = os.fspath(content)
        # Before it is opened: to close a database behind SQLite's back would drop the locks of this process on it.
        if any(_is_same(path, database + end) for end in ("", "-wal", "-shm")):
            raise RequestError("db.usage", f"{path} is this database itself", fix="attach another file")
        try:
            file: IO[bytes] = open(path, "rb")  # noqa: SIM115  # closed two lines on; only opening it may fail here
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        with file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not file.isatty()):
                raise AttachmentError(
                    "attachment.source",
                    f"{path!s} is a device, whose content may have no end",
                    fix="attach a file or a pipe: head -c SIZE DEVICE | rhizome attach FILE ENTITY ATTRIBUTE -",
                )
            yield file, os.fstat(file.fileno()).st_size
    elif hasattr(content, "read"):
        yield content, 0
    else:
        kind = type(content).__name__
        raise RequestError("db.usage", f"{kind} cannot be attached", fix="bytes, a path, or a file opened with 'rb'")


def _is_same(path: str | bytes, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def _position(file: IO[bytes]) -> int | None:
    """Where a file stands, if one can come back to it."""
    try:
        return file.tell() if file.seekable() else None
    except (AttributeError, OSError):
        return None


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while True:
        try:
            block: object = file.read(SEGMENT_BYTES)
        except OSError as error:
            raise _unreadable(getattr(file, "name", "the file"), error) from None
        if not block:
            return
        if not isinstance(block, bytes | bytearray | memoryview):
            raise AttachmentError(
                "attachment.source", f"the file gives {type(block).__name__}, not bytes", fix='open(path, "rb")'
            )
        yield bytes(block)


def _unreadable(name: object, error: Exception) -> AttachmentError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return AttachmentError("attachment.source", f"{name} cannot be read: {reason}", fix="name a file that you can read")

"""Framing what a write adds to the log: of a great write beside what goes on, for deflating takes as long as signing.

Frames come to the log in the order of their numbers, none is lost when the write is kept, and all are forgotten when it
is not.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from rhizomedb.store import log
from rhizomedb.store.beside import Beside
from rhizomedb.store.file import File
from rhizomedb.store.frame import frame

if TYPE_CHECKING:
    from concurrent.futures import Future

BESIDE_FROM_BYTES: Final = 32 << 10
"""From which size an envelope is framed by a thread of its own: less is done sooner than handed over."""

WAITING_BYTES_MAX: Final = 8 << 20
"""How much may wait to be framed."""


class Framing:
    """The frames of one open file that are not in its log yet. `share`: how much of the usual room they have (`room`)."""

    def __init__(self, file: File, share: float = 1.0) -> None:
        self._file = file
        self._most = int(WAITING_BYTES_MAX * share)
        self._waiting: deque[tuple[int, int, int, Future[bytes] | bytes]] = deque()
        self._bytes = 0
        self._beside = Beside("rhizomedb-frame")

    def add(self, seq: int, epoch: int, envelope: bytes) -> None:
        """Frame the envelope that comes next; inside a write."""
        size = len(envelope)
        framed: Future[bytes] | bytes
        if size < BESIDE_FROM_BYTES:
            framed = frame(seq, epoch, envelope)
        else:
            framed = self._beside.do(frame, seq, epoch, envelope)
        self._waiting.append((seq, epoch, size, framed))
        self._bytes += size

    def settle(self) -> None:
        """Write what is framed, and wait for the rest where that is much or nothing is framed beside."""
        self._write(self._most if self._beside.is_there else 0)

    def finish(self) -> None:
        """Write all of it; inside a write."""
        self._write(0)

    def forget(self) -> None:
        """Write nothing of it, for the write is not kept or all of it is written, and let the thread go."""
        for *_, framed in self._waiting:
            if not isinstance(framed, bytes):
                framed.cancel()
        self._waiting.clear()
        self._bytes = 0
        self._beside.close()

    def _write(self, most: int) -> None:
        rows: list[tuple[int, int, bytes]] = []
        left = self._bytes
        for seq, epoch, size, framed in self._waiting:
            if not isinstance(framed, bytes) and left <= most and not framed.done():
                break
            rows.append((seq, epoch, framed if isinstance(framed, bytes) else framed.result()))
            left -= size
        if not rows:
            return
        log.write(self._file, rows)
        # Not before: what is interrupted here is written twice, which ends the write, and never not at all.
        for _ in rows:
            self._waiting.popleft()
        self._bytes = left

"""How a database file is laid out: the log, which is the truth, and the catalogue of the index made of it.

The *log* is every delta's bytes in the order in which they arrived, and what only this copy knows: epochs, deltas held
back, names, the chunks of attachments. The *index* is segments (`segment.py`) in a folder beside the file; the file
itself keeps which they are, and for each epoch the numbers that were reached (a `Mark`). All of it can be made again.

Rows are numbered in log order without gaps. So a mark is a cut: what was visible then is every row up to it.
What stands in a table of its own and is not hashed by its content carries a `seal`, so that an altered row is known.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

from rhizomedb.facts.cid import CID_BYTES, PREFIX, Cid

APPLICATION_ID: Final = 0x5268_697A
"""What the header of our files says they are: "Rhiz"."""

FORMAT: Final = 2
"""The version of the layout, in the header too. Older ones are brought up to it when they are opened."""

CHUNKS: Final = (
    "CREATE TABLE chunk(row INTEGER PRIMARY KEY, cid BLOB NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX chunk_cid ON chunk(cid, size)",
)
"""The blocks of attachments (`chunks.py`). The index also holds the sizes, so that bodies are touched only to be read."""

LOG: Final = (
    "CREATE TABLE epoch(number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, origin TEXT NOT NULL,"
    " seal BLOB NOT NULL) STRICT",
    "CREATE TABLE log(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, frame BLOB NOT NULL) STRICT",
    "CREATE TABLE held(row INTEGER PRIMARY KEY, id BLOB NOT NULL, author BLOB NOT NULL, arrived_ms INTEGER NOT NULL,"
    " origin TEXT NOT NULL, due_ms INTEGER, reason TEXT NOT NULL, group_id BLOB, group_size INTEGER,"
    " seal BLOB NOT NULL, envelope BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX held_id ON held(id)",
    "CREATE INDEX held_group ON held(author, group_id, group_size) WHERE group_id IS NOT NULL",
    "CREATE TABLE name(author BLOB PRIMARY KEY, name TEXT NOT NULL, seal BLOB NOT NULL) STRICT, WITHOUT ROWID",
    *CHUNKS,
)
"""What cannot be made again."""

INDEX: Final = (
    "CREATE TABLE mark(epoch INTEGER PRIMARY KEY, deltas INTEGER NOT NULL, facts INTEGER NOT NULL,"
    " causes INTEGER NOT NULL, repeats INTEGER NOT NULL, ms INTEGER NOT NULL, counter INTEGER NOT NULL,"
    " seal BLOB NOT NULL) STRICT",
    "CREATE TABLE segment(last INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL, seal BLOB NOT NULL) STRICT",
    "CREATE TABLE home(one INTEGER PRIMARY KEY, place TEXT NOT NULL) STRICT",
)
"""What is made of the log, and can be made again: marks, the segments by the delta that each ends with, and the place
in the file system where the index was made. An index that came from elsewhere is not believed."""


HELD_1: Final = "id, author, arrived_ms, origin, due_ms, reason, group_id, group_size"
HELD: Final = f"{HELD_1}, seal"
"""The columns of what is held back, in the order in which the seal covers those before it."""


class Mark(NamedTuple):
    """What was reached at the end of an epoch: totals, which are also last numbers, and the greatest claimed time."""

    epoch: int = 0
    deltas: int = 0
    facts: int = 0
    causes: int = 0
    repeats: int = 0
    ms: int = 0
    counter: int = 0


def seal(*parts: Any) -> bytes:
    """What a row that nothing else hashes carries, so that an altered one is known."""
    return hashlib.sha256(repr(parts).encode()).digest()[:8]


def pack(cid: Cid) -> bytes:
    """A CID in a table: the digest alone of our own blocks (32 bytes), else all of it (never 32 bytes)."""
    raw = bytes(cid)
    return raw[4:] if len(raw) == CID_BYTES and raw.startswith(PREFIX) else raw


def unpack(packed: bytes) -> Cid:
    """The CID that was packed. What was not is a `TypeError` or `ValueRefused`."""
    if type(packed) is not bytes:
        raise TypeError("a CID is not bytes")
    return Cid._trusted(PREFIX + packed) if len(packed) == 32 else Cid(packed)

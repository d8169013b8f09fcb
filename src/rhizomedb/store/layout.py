"""How a database file is laid out: the log, which is the truth, and the index, which is made of it.

The *log* is every delta's bytes in the order in which they arrived, and what only this copy knows: epochs, deltas held
back, names. The *index* can be dropped and made again. What keeps it small and quick to write:

* Rows are numbered in log order without gaps. So the numbers reached at the end of an epoch (a `Mark`) are a cut: what
  was visible then is every row up to them, without a join; and totals come for free.
* A fact's row names the first delta that asserts it; only further assertions have rows of their own (`repeat`).
* Entities, attributes and authors are numbers in the index. Bytes stand in it as their *stub*: themselves below
  `STUB_BYTES` bytes, else the first 32 and the SHA-256 of all, the whole being kept once in `long`.
* Digests are looked up by eight of their bytes, and then compared whole.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from rhizomedb.facts.cid import CID_BYTES, PREFIX, Cid

APPLICATION_ID: Final = 0x5268_697A
"""What the header of our files says they are: "Rhiz"."""

FORMAT: Final = 1
"""The version of the layout, in the header too."""

STUB_BYTES: Final = 64

LOG: Final = (
    "CREATE TABLE epoch(number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, origin TEXT NOT NULL) STRICT",
    "CREATE TABLE log(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, envelope BLOB NOT NULL) STRICT",
    "CREATE TABLE held(row INTEGER PRIMARY KEY, id BLOB NOT NULL, author BLOB NOT NULL, arrived_ms INTEGER NOT NULL,"
    " origin TEXT NOT NULL, due_ms INTEGER, reason TEXT NOT NULL, group_id BLOB, group_size INTEGER,"
    " envelope BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX held_id ON held(id)",
    "CREATE INDEX held_group ON held(author, group_id, group_size) WHERE group_id IS NOT NULL",
    "CREATE TABLE name(author BLOB PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID",
)
"""What cannot be made again."""

INDEX: Final = (
    "CREATE TABLE mark(epoch INTEGER PRIMARY KEY, deltas INTEGER NOT NULL, facts INTEGER NOT NULL,"
    " entities INTEGER NOT NULL, attributes INTEGER NOT NULL, authors INTEGER NOT NULL, causes INTEGER NOT NULL,"
    " repeats INTEGER NOT NULL, ms INTEGER NOT NULL, counter INTEGER NOT NULL) STRICT",
    "CREATE TABLE delta(seq INTEGER PRIMARY KEY, id BLOB NOT NULL, author INTEGER NOT NULL, system TEXT NOT NULL,"
    " ms INTEGER NOT NULL, counter INTEGER NOT NULL, edge BLOB NOT NULL, scope TEXT NOT NULL, epoch INTEGER NOT NULL,"
    " group_id BLOB, group_size INTEGER, fact_after INTEGER NOT NULL, fact_last INTEGER NOT NULL) STRICT",
    "CREATE INDEX delta_id ON delta(substr(id, 1, 8))",
    "CREATE INDEX delta_group ON delta(author, group_id, group_size) WHERE group_id IS NOT NULL",
    "CREATE TABLE author(row INTEGER PRIMARY KEY, stub BLOB NOT NULL UNIQUE) STRICT",
    "CREATE TABLE entity(row INTEGER PRIMARY KEY, stub BLOB NOT NULL UNIQUE) STRICT",
    "CREATE TABLE attribute(row INTEGER PRIMARY KEY, stub BLOB NOT NULL UNIQUE, facts INTEGER NOT NULL) STRICT",
    "CREATE TABLE fact(row INTEGER PRIMARY KEY, cid BLOB NOT NULL, entity INTEGER NOT NULL,"
    " attribute INTEGER NOT NULL, value BLOB NOT NULL, delta INTEGER NOT NULL) STRICT",
    "CREATE INDEX fact_cid ON fact(substr(cid, 1, 8))",
    "CREATE INDEX fact_entity ON fact(entity, attribute)",
    "CREATE INDEX fact_attribute ON fact(attribute)",
    "CREATE INDEX fact_value ON fact(value, attribute)",
    "CREATE TABLE repeat(fact INTEGER, delta INTEGER, PRIMARY KEY(fact, delta)) STRICT, WITHOUT ROWID",
    "CREATE INDEX repeat_delta ON repeat(delta)",
    "CREATE TABLE cause(fact INTEGER, cid BLOB, PRIMARY KEY(fact, cid)) STRICT, WITHOUT ROWID",
    "CREATE INDEX cause_cid ON cause(substr(cid, -8), fact)",
    "CREATE TABLE long(stub BLOB PRIMARY KEY, body BLOB NOT NULL) STRICT",
)
"""What is made of the log, and can be made again."""

INDEX_TABLES: Final = ("mark", "delta", "author", "entity", "attribute", "fact", "repeat", "cause", "long")


class Mark(NamedTuple):
    """The totals at the end of an epoch, which are also the last row numbers; and the greatest claimed time."""

    epoch: int = 0
    deltas: int = 0
    facts: int = 0
    entities: int = 0
    attributes: int = 0
    authors: int = 0
    causes: int = 0
    repeats: int = 0
    ms: int = 0
    counter: int = 0


def stub(data: bytes) -> bytes:
    """What stands for bytes in the index: short enough for a key, and as good as the bytes to tell them apart."""
    return data if len(data) < STUB_BYTES else data[:32] + hashlib.sha256(data).digest()


def pack(cid: Cid) -> bytes:
    """A CID in the index: the digest alone of our own blocks (32 bytes), else all of it (never 32 bytes)."""
    raw = bytes(cid)
    return raw[4:] if len(raw) == CID_BYTES and raw.startswith(PREFIX) else raw


def unpack(packed: bytes) -> Cid:
    """The CID that was packed. What was not is a `TypeError` or `ValueRefused`."""
    if type(packed) is not bytes:
        raise TypeError("a CID is not bytes")
    return Cid._trusted(PREFIX + packed) if len(packed) == 32 else Cid(packed)

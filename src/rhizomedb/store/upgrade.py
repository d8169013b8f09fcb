"""From older formats to the newest. Old files always open; what is in their log stays, byte for byte.

Format 1 kept each envelope as it is, and its index in tables. Format 2 keeps frames, which say what was written where,
and its index beside the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rhizomedb.store.frame import frame
from rhizomedb.store.layout import CHUNKS, HELD, HELD_1, INDEX, LOG, seal

if TYPE_CHECKING:
    from rhizomedb.store.file import File

_LOG_1: Final = (
    "CREATE TABLE epoch(number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, origin TEXT NOT NULL) STRICT",
    "CREATE TABLE log(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, envelope BLOB NOT NULL) STRICT",
    "CREATE TABLE held(row INTEGER PRIMARY KEY, id BLOB NOT NULL, author BLOB NOT NULL, arrived_ms INTEGER NOT NULL,"
    " origin TEXT NOT NULL, due_ms INTEGER, reason TEXT NOT NULL, group_id BLOB, group_size INTEGER,"
    " envelope BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX held_id ON held(id)",
    "CREATE INDEX held_group ON held(author, group_id, group_size) WHERE group_id IS NOT NULL",
    "CREATE TABLE name(author BLOB PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID",
)

_INDEX_1: Final = (
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

TABLES: Final = {1: {*_LOG_1, *_INDEX_1}}
"""The tables of each older format."""

_TABLES_1: Final = ("mark", "delta", "author", "entity", "attribute", "fact", "repeat", "cause", "long")
_PAGE_ROWS: Final = 64


def steps(file: File, version: int) -> Iterator[str]:
    """The statements that bring a file of an older format to the newest, inside a write; rows are moved between them."""
    assert version == 1, "there is one older format"
    for table in _TABLES_1:
        yield f"DROP TABLE {table}"
    yield "ALTER TABLE epoch RENAME TO epoch_1"
    yield "ALTER TABLE log RENAME TO log_1"
    yield "ALTER TABLE held RENAME TO held_1"
    yield "ALTER TABLE name RENAME TO name_1"
    yield "DROP INDEX held_id"
    yield "DROP INDEX held_group"
    yield from (statement for statement in LOG if statement not in CHUNKS)
    yield from CHUNKS
    yield from INDEX
    epochs = file.run("SELECT number, at_ms, origin FROM epoch_1 ORDER BY number")
    file.run_many("INSERT INTO epoch VALUES (?, ?, ?, ?)", [(*row, seal(*row)) for row in epochs])
    names = file.run("SELECT author, name FROM name_1")
    file.run_many("INSERT INTO name VALUES (?, ?, ?)", [(*row, seal(*row)) for row in names])
    for *row, envelope in file.run(f"SELECT {HELD_1}, envelope FROM held_1 ORDER BY row"):
        file.run(
            f"INSERT INTO held({HELD}, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, seal(*row), envelope)
        )
    after = -1
    while rows := file.run(
        "SELECT seq, epoch, envelope FROM log_1 WHERE seq > ? ORDER BY seq LIMIT ?", (after, _PAGE_ROWS)
    ):
        framed = [(seq, epoch, frame(seq, epoch, envelope)) for seq, epoch, envelope in rows]
        file.run_many("INSERT INTO log VALUES (?, ?, ?)", framed)
        if rows[-1][0] <= after:
            raise file.damaged("the log is out of order")
        after = rows[-1][0]
    for table in ("held_1", "name_1", "epoch_1"):
        yield f"DROP TABLE {table}"
    yield "DROP TABLE log_1"

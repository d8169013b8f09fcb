"""SQLite through apsw: interned numbers, a table of facts, and beside it the digest and three orders as covering indexes."""

from __future__ import annotations

from typing import Any

import apsw

from bench.child import Watch
from bench.store.sizes import ATTRIBUTES

TABLES = (
    "CREATE TABLE entity(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE) STRICT",
    "CREATE TABLE attribute(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
    "CREATE TABLE value(id INTEGER PRIMARY KEY, value ANY NOT NULL UNIQUE) STRICT",
    "CREATE TABLE fact(row INTEGER PRIMARY KEY, cid BLOB NOT NULL UNIQUE, entity INTEGER NOT NULL,"
    " attribute INTEGER NOT NULL, value INTEGER NOT NULL, cause INTEGER NOT NULL) STRICT",
    "CREATE INDEX eav ON fact(entity, attribute, value)",
    "CREATE INDEX aev ON fact(attribute, entity, value)",
    "CREATE INDEX ave ON fact(attribute, value, entity)",
)
"""Every index of SQLite ends with the row, so these hold all that they are asked for but the digest."""

ROWS = (
    "SELECT fact.cid, entity.name, attribute.name, value.value FROM fact JOIN entity ON entity.id = fact.entity"
    " JOIN attribute ON attribute.id = fact.attribute JOIN value ON value.id = fact.value"
)
INSERT = "INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?)"


def import_all() -> None:
    """Everything is imported."""


def _open(path: str) -> Any:
    db = apsw.Connection(path)
    db.set_busy_timeout(60_000)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -262144")
    return db


class Writer:
    """A new database: one transaction an epoch, in WAL mode, synchronous to the full, with 256 MiB of cache."""

    def __init__(self, path: str) -> None:
        self._db = _open(path)
        with self._db:
            for table in TABLES:
                self._db.execute(table)
            self._db.executemany("INSERT INTO attribute VALUES (?, ?)", list(enumerate(ATTRIBUTES)))

    def prepare(self, batch: Any) -> Any:
        """Tuples of interned numbers, and what is new among what they number."""
        from bench.store.facts import DIGEST_BYTES, split

        rows = batch.rows
        numbers = (rows[name].tolist() for name in ("entity", "attribute", "value", "cause"))
        digests = split(rows["digest"].tobytes(), DIGEST_BYTES)
        facts = list(zip(range(batch.first, batch.first + len(rows)), digests, *numbers, strict=True))
        return batch.new_entities, batch.new_values, facts

    def load(self, prepared: Any) -> None:
        new_entities, new_values, facts = prepared
        with self._db:
            self._db.executemany("INSERT INTO entity VALUES (?, ?)", new_entities)
            self._db.executemany("INSERT INTO value VALUES (?, ?)", new_values)
            self._db.executemany(INSERT, facts)

    def settle(self) -> None:
        """Nothing goes on in the background."""

    def close(self) -> None:
        self._db.close()


class Reader:
    """A database that is there."""

    def __init__(self, path: str) -> None:
        self._db = _open(path)

    def epoch(self) -> int:
        return int(self._db.execute("SELECT max(row) FROM fact").fetchone()[0])

    def entity(self, entity: bytes) -> Any:
        return self._db.execute(f"{ROWS} WHERE entity.name = ?", (entity,)).fetchall()

    def fact(self, digest: bytes) -> Any:
        return self._db.execute(f"{ROWS} WHERE fact.cid = ?", (digest,)).fetchall()

    def attribute(self, name: str) -> Any:
        """Rows of numbers; SQLite has no columns to give."""
        select = "SELECT entity, value, row FROM fact WHERE attribute = (SELECT id FROM attribute WHERE name = ?)"
        return self._db.execute(select, (name,)).fetchall()

    def counts(self, columns: Any) -> list[int]:
        return [len(columns), len({entity for entity, _, _ in columns})]

    def plain(self, rows: Any) -> list[tuple[str, str, Any]]:
        return [(cid.hex(), attribute, value) for cid, _, attribute, value in rows]

    def make(self, number: int) -> int:
        return number

    def commit(self, made: int) -> None:
        """One fact whose parts are interned."""
        from hashlib import sha256

        self._db.execute("BEGIN IMMEDIATE")  # others may write too, and the row is the next one
        row = self.epoch() + 1
        self._db.execute(INSERT, (row, sha256(b"%d" % row).digest(), 0, made % len(ATTRIBUTES), 1, row - 1))
        self._db.execute("COMMIT")

    def time_syncs(self, watch: Watch) -> bool:
        return False

    def close(self) -> None:
        self._db.close()


open_writer, open_reader = Writer, Reader

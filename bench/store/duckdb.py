"""DuckDB: a table of columns with the values in them, indexed by entity and by digest, and a table of entities.

What repeats in a column it packs by itself, so only entities are interned: by their numbers it finds them faster.
"""

from __future__ import annotations

from typing import Any

import duckdb

from bench.child import Watch
from bench.store.sizes import ATTRIBUTES

TABLES = (
    "CREATE TABLE entity(id UINTEGER, name BLOB PRIMARY KEY)",
    "CREATE TABLE fact(row UINTEGER, cid BLOB, entity UINTEGER, attribute UTINYINT, whole BIGINT, number DOUBLE,"
    " text VARCHAR, cause UINTEGER)",
    "CREATE INDEX by_entity ON fact(entity)",
    "CREATE INDEX by_cid ON fact(cid)",
)
ROWS = "SELECT cid, entity, attribute, whole, number, text FROM fact WHERE"


def import_all() -> None:
    """Everything is imported."""


class Writer:
    """A new database: one transaction an epoch, read from arrays."""

    def __init__(self, path: str) -> None:
        self._db = duckdb.connect(path)
        for table in TABLES:
            self._db.execute(table)

    def prepare(self, batch: Any) -> Any:
        """An array for each column; what is no value of a column's kind is masked."""
        import numpy as np

        from bench.store.facts import DIGEST_BYTES, split, value_of

        rows = batch.rows
        values = [value_of(term) for term in rows["term"].tolist()]

        def of(kind: type, missing: Any, dtype: Any) -> Any:
            column = np.array([value if type(value) is kind else missing for value in values], dtype)
            return np.ma.masked_array(column, [type(value) is not kind for value in values])

        entities = {
            "id": np.array([number for number, _ in batch.new_entities], np.uint32),
            "name": np.array([name for _, name in batch.new_entities], object),
        }
        facts = {
            "row": np.arange(batch.first, batch.first + len(rows), dtype=np.uint32),
            "cid": np.array(split(rows["digest"].tobytes(), DIGEST_BYTES), object),
            "entity": rows["entity"].copy(),
            "attribute": rows["attribute"].copy(),
            "whole": of(int, 0, np.int64),
            "number": of(float, 0.0, np.float64),
            "text": np.array([value if type(value) is str else None for value in values], object),
            "cause": rows["cause"].copy(),
        }
        return entities, facts

    def load(self, prepared: Any) -> None:
        new_entities, facts = prepared  # noqa: RUF059  # DuckDB reads the variables by their names
        self._db.begin()
        if len(new_entities["id"]):
            self._db.execute("INSERT INTO entity SELECT * FROM new_entities")
        self._db.execute("INSERT INTO fact SELECT * FROM facts")
        self._db.commit()

    def settle(self) -> None:
        """What goes on in the background is waited for by what comes next."""

    def close(self) -> None:
        self._db.close()


class Reader:
    """A database that is there."""

    def __init__(self, path: str) -> None:
        self._db = duckdb.connect(path)

    def epoch(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM fact").fetchall()[0][0])

    def entity(self, entity: bytes) -> Any:
        ((number,),) = self._db.execute("SELECT id FROM entity WHERE name = ?", (entity,)).fetchall()
        return self._db.execute(f"{ROWS} entity = ?", (number,)).fetchall()

    def fact(self, digest: bytes) -> Any:
        return self._db.execute(f"{ROWS} cid = ?", (digest,)).fetchall()

    def attribute(self, name: str) -> Any:
        """Its columns hold the values themselves, not numbers: those of fixed width are read."""
        select = "SELECT row, entity, whole, number FROM fact WHERE attribute = ?"
        return self._db.execute(select, (ATTRIBUTES.index(name),)).fetchnumpy()

    def counts(self, columns: Any) -> list[int]:
        return [len(columns["row"]), len(set(columns["entity"].tolist()))]

    def plain(self, rows: Any) -> list[tuple[str, str, Any]]:
        return [
            (bytes(cid).hex(), ATTRIBUTES[attribute], next(value for value in values if value is not None))
            for cid, _, attribute, *values in rows
        ]

    def make(self, number: int) -> int:
        return number

    def commit(self, made: int) -> None:
        """One fact."""
        self._db.execute(
            "INSERT INTO fact VALUES (?, ?, ?, ?, ?, NULL, NULL, ?)",
            (made, b"%032d" % made, 0, made % len(ATTRIBUTES), made, 1),
        )

    def time_syncs(self, watch: Watch) -> bool:
        return False

    def close(self) -> None:
        self._db.close()


open_writer, open_reader = Writer, Reader

"""DuckDB: one table of columns, as it likes them (what repeats it packs by itself), with an index by entity and by digest."""

from __future__ import annotations

from typing import Any

import duckdb

from bench.store.sizes import ATTRIBUTES

TABLES = (
    "CREATE TABLE fact(row UINTEGER, cid BLOB, entity BLOB, attribute UTINYINT, whole BIGINT, number DOUBLE,"
    " text VARCHAR, cause UINTEGER)",
    "CREATE INDEX by_entity ON fact(entity)",
    "CREATE INDEX by_cid ON fact(cid)",
)
ROWS = "SELECT cid, entity, attribute, whole, number, text FROM fact"


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

        return {
            "row": np.arange(batch.first, batch.first + len(rows), dtype=np.uint32),
            "cid": np.array(split(rows["digest"].tobytes(), DIGEST_BYTES), object),
            "entity": np.array([batch.ids[number] for number in rows["entity"].tolist()], object),
            "attribute": rows["attribute"].copy(),
            "whole": of(int, 0, np.int64),
            "number": of(float, 0.0, np.float64),
            "text": np.array([value if type(value) is str else None for value in values], object),
            "cause": rows["cause"].copy(),
        }

    def load(self, prepared: Any) -> None:
        facts = prepared  # noqa: F841  # DuckDB reads the variable by its name
        self._db.execute("INSERT INTO fact SELECT * FROM facts")

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
        return self._db.execute(f"{ROWS} WHERE entity = ?", (entity,)).fetchall()

    def fact(self, digest: bytes) -> Any:
        return self._db.execute(f"{ROWS} WHERE cid = ?", (digest,)).fetchall()

    def attribute(self, name: str) -> Any:
        """Its columns hold entities and values themselves, not numbers: the row and two of fixed width are read."""
        select = "SELECT row, whole, number FROM fact WHERE attribute = ?"
        return self._db.execute(select, (ATTRIBUTES.index(name),)).fetchnumpy()

    def counts(self, columns: Any) -> list[int]:
        return [len(columns["row"]), len(set(columns["entity"].tolist()))]

    def plain(self, rows: Any) -> list[tuple[str, str, Any]]:
        return [
            (bytes(cid).hex(), ATTRIBUTES[attribute], next(value for value in values if value is not None))
            for cid, _, attribute, *values in rows
        ]

    def commit(self, number: int) -> None:
        """One fact."""
        self._db.execute(
            "INSERT INTO fact VALUES (?, ?, ?, ?, ?, NULL, NULL, ?)",
            (number, b"%032d" % number, b"%016d" % number, number % len(ATTRIBUTES), number, 1),
        )

    def close(self) -> None:
        self._db.close()


open_writer, open_reader = Writer, Reader

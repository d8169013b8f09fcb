"""The peer's part of `ingest`: sqlite-utils, as its documentation loads a CSV file with inferred types.

By itself it would commit every batch of rows; here all of a file is one transaction, as ours is.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.utils import Format, TypeTracker, rows_from_file

from bench.child import Watch


def load(watch: Watch, csv: str, path: str) -> int:
    """Insert the rows of a CSV file into a new table; returns how many cells it then holds."""
    with watch("load"), open(csv, "rb") as file:
        db = Database(path)
        rows, _ = rows_from_file(file, format=Format.CSV)
        tracker = TypeTracker()
        with db.atomic():
            db["film"].insert_all(tracker.wrap(rows), pk="id")
            db["film"].transform(types=tracker.types)
        db.close()
    return _cells(path)


def again(watch: Watch, csv: str, path: str) -> int:
    """Upsert the rows of the file into the table that has them."""
    with watch("load"), open(csv, "rb") as file:
        db = Database(path)
        rows, _ = rows_from_file(file, format=Format.CSV)
        with db.atomic():
            db["film"].upsert_all(rows, pk="id")
        db.close()
    return _cells(path)


def _cells(path: str) -> int:
    db = Database(path)
    count = db["film"].count * len(db["film"].columns)
    db.close()
    return count

"""Our part of `ingest`: the path that `rhizome import` takes."""

from __future__ import annotations

from bench.child import Watch
from rhizomedb.db.connection import connect
from rhizomedb.exchange.importer import import_table
from rhizomedb.exchange.reader import read_table
from rhizomedb.exchange.table import Options

KEY = ("id",)


def load(watch: Watch, csv: str, path: str, author: str = "first") -> int:
    """Import a CSV file; returns how many facts the file then holds."""
    with watch("load"), connect(path) as db:
        import_table(db, read_table(csv, Options(key=KEY)), author=author, key=KEY)
    with connect(path) as db:
        return db.stats().facts

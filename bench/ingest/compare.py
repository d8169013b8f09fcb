"""Whether an import said what the table says: every cell of the peer's table is a fact of ours, and nothing else is."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import rhizomedb
from bench.child import Watch
from bench.data import COLUMNS
from rhizomedb.budget import UNLIMITED

ALL = "cell(entity: E, attribute: A, value: V) :- fact(entity: E, attribute: A, value: V)."


def compare(_watch: Watch, ours: str, peer: str) -> None:
    """Stop with an error if the two differ."""
    with closing(sqlite3.connect(peer)) as table:
        rows = table.execute(f"SELECT {', '.join(COLUMNS)} FROM film").fetchall()
    expected = {
        (rhizomedb.entity(id=row[0]), attribute, value)
        for row in rows
        for attribute, value in zip(COLUMNS, row, strict=True)
    }
    with rhizomedb.open(ours) as db:
        assert set(map(tuple, db.query(ALL, budget=UNLIMITED))) == expected, "ours holds what the peer holds"

"""Our part of `get`."""

from __future__ import annotations

import rhizomedb
from bench.child import Watch
from bench.data import COLUMNS, film_id, film_title, some_films
from rhizomedb.db.connection import connect

NAMES = {"id": lambda number: rhizomedb.entity(id=film_id(number)), "title": film_title}


def get(watch: Watch, path: str, rows: int, asked: int, by: str) -> list[list[object]]:
    """Open a file and get films from it; returns what the view showed."""
    first, *names = [NAMES[by](number) for number in some_films(rows, asked)]
    with watch("open"):
        db = connect(path)
    with watch("first"):
        records = [db.get(first)]
    for name in names:
        with watch("warm"):
            record = db.get(name)
        records.append(record)
    db.close()
    return [[record[column] for column in COLUMNS] for record in records]

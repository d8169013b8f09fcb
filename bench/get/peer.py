"""The peer's part of `get`: a SQLite table, through the same apsw as ours."""

from __future__ import annotations

import csv as csv_format

import apsw

from bench.child import Watch
from bench.data import COLUMNS, film_id, film_title, some_films

NAMES = {"id": film_id, "title": film_title}


def build(_watch: Watch, csv: str, path: str) -> None:
    """Make the table and its indexes from the CSV file."""
    db = apsw.Connection(path)
    db.execute("PRAGMA journal_mode = WAL")
    with db, open(csv, encoding="utf-8", newline="") as file:
        db.execute("CREATE TABLE film (id TEXT PRIMARY KEY, title TEXT, year INTEGER, runtime INTEGER, director TEXT)")
        lines = csv_format.reader(file)
        next(lines)
        db.executemany("INSERT INTO film VALUES (?, ?, ?, ?, ?)", lines)
        db.execute("CREATE INDEX film_title ON film (title)")
    db.close()


def get(watch: Watch, path: str, rows: int, asked: int, by: str) -> list[list[object]]:
    """Open the table and select the same films from it."""
    first, *names = [NAMES[by](number) for number in some_films(rows, asked)]
    select = f"SELECT {', '.join(COLUMNS)} FROM film WHERE {by} = ?"
    with watch("open"):
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    with watch("first"):
        found = [db.execute(select, (first,)).fetchall()]
    for name in names:
        with watch("warm"):
            films = db.execute(select, (name,)).fetchall()
        found.append(films)
    db.close()
    return [list(film) for films in found for film in films]

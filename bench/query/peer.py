"""The peer's part of `query`: DuckDB in memory, as it comes, with all its threads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb

from bench.child import Watch
from bench.data import COLUMNS, GRAPHS, film_id, some_films
from bench.query.questions import CLOSURE_SQL, QUESTIONS, digest

NUMBERS = ("year", "runtime")
"""The columns that hold whole numbers; the others hold text."""


def ask(watch: Watch, name: str, csv: str, layout: str) -> str:
    """Ask a question of one of the two layouts; returns a hash of the answer."""
    db = duckdb.connect()
    load(db, csv, layout)
    question = QUESTIONS[name]
    sql = getattr(question, layout)
    rows = db.execute("SELECT count(*) FROM film").fetchall()[0][0]
    parameters = [[entity(film_id(number))] for number in some_films(rows, question.asked)] or [[]]
    if layout == "eav":
        db.execute("DROP TABLE film")
    db.execute(sql, parameters[0]).fetchall()
    answers: list[Any] = []
    for each in parameters:
        with watch("ask"):
            found = db.execute(sql, each).fetchall()
        answers += pairs(found, layout) if question.asked else found
    return digest(answers)


def load(db: duckdb.DuckDBPyConnection, csv: str, layout: str) -> None:
    """The films as one wide table and, if asked for, as one (entity, attribute, value) table."""
    db.execute("CREATE TABLE film AS SELECT unhex(md5(id)) AS entity, * FROM read_csv(?)", [csv])
    if layout == "wide":
        db.execute("CREATE INDEX film_entity ON film (entity)")
        return
    db.execute("CREATE TABLE fact (entity BLOB, attribute VARCHAR, text VARCHAR, number BIGINT)")
    for column in COLUMNS:
        value = f"NULL, {column}" if column in NUMBERS else f"{column}, NULL"
        db.execute(f"INSERT INTO fact SELECT entity, '{column}', {value} FROM film")
    db.execute("CREATE INDEX fact_entity ON fact (entity)")


def entity(name: str) -> bytes:
    """Sixteen bytes for a film, as many as ours have."""
    return hashlib.md5(name.encode(), usedforsecurity=False).digest()


def pairs(rows: Iterable[tuple[Any, ...]], layout: str) -> Iterator[tuple[str, Any]]:
    """What was found of one film, as attributes and values."""
    for row in rows:
        if layout == "wide":
            yield from zip(COLUMNS, row, strict=True)
        else:
            attribute, text, number = row
            yield attribute, number if text is None else text


def closure(watch: Watch, graph: str, edges: int) -> str:
    """The closure of a graph by a recursive query."""
    db = duckdb.connect()
    db.execute("CREATE TABLE edge (a BIGINT, b BIGINT)")
    db.executemany("INSERT INTO edge VALUES (?, ?)", GRAPHS[graph](edges))
    db.execute(CLOSURE_SQL).fetchall()
    with watch("ask"):
        found = db.execute(CLOSURE_SQL).fetchall()
    return digest(found)

"""The questions, each in PomoLogic and in SQL for the two ways in which DuckDB holds the data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `asked` is of how many single films it is asked, 0 if it is about all."""

    what: str
    program: str
    eav: str
    wide: str
    asked: int = 0


QUESTIONS = {
    "long": Question(
        "the titles of films over three hours (two attributes of one entity)",
        """
        long(title: T) :- fact(entity: E, attribute: "title", value: T),
                          fact(entity: E, attribute: "runtime", value: R), R > 180.
        """,
        """
        SELECT DISTINCT t.text FROM fact t JOIN fact r USING (entity)
        WHERE t.attribute = 'title' AND r.attribute = 'runtime' AND r.number > 180
        """,
        "SELECT DISTINCT title FROM film WHERE runtime > 180",
    ),
    "work": Question(
        "for each director the films since 1990, their number and minutes (three attributes, then count and sum)",
        """
        film(director: D, entity: E, runtime: R) :-
            fact(entity: E, attribute: "director", value: D), fact(entity: E, attribute: "year", value: Y), Y >= 1990,
            fact(entity: E, attribute: "runtime", value: R).
        work(director: D, films: N, minutes: S) :-
            film(director: D), N := count : film(director: D), S := sum R : film(director: D, runtime: R).
        """,
        """
        SELECT d.text, count(*), sum(r.number)::BIGINT
        FROM fact d JOIN fact y USING (entity) JOIN fact r USING (entity)
        WHERE d.attribute = 'director' AND y.attribute = 'year' AND y.number >= 1990 AND r.attribute = 'runtime'
        GROUP BY d.text
        """,
        "SELECT director, count(*), sum(runtime)::BIGINT FROM film WHERE year >= 1990 GROUP BY director",
    ),
    "one": Question(
        "every attribute of one entity, given by its id (the median of 100 films)",
        "one(attribute: A, value: V) :- fact(entity: $entity, attribute: A, value: V).",
        "SELECT attribute, text, number FROM fact WHERE entity = ?",
        "SELECT id, title, year, runtime, director FROM film WHERE entity = ?",
        asked=100,
    ),
}

CLOSURE = """
path(a: X, b: Y) :- edge(a: X, b: Y).
path(a: X, b: Z) :- edge(a: X, b: Y), path(a: Y, b: Z).
"""

CLOSURE_SQL = """
WITH RECURSIVE path AS (
    SELECT a, b FROM edge UNION SELECT edge.a, path.b FROM edge JOIN path ON edge.b = path.a
) SELECT a, b FROM path
"""


def digest(rows: Iterable[Sequence[Any]]) -> str:
    """A hash of a set of tuples, whatever their order."""
    return hashlib.sha256("\n".join(sorted(repr(tuple(row)) for row in rows)).encode()).hexdigest()

"""Questions about little of much: one bound constant in a million facts, and the first question of a fresh process.

`point` asks relations in memory, `file` asks a database file; DuckDB has the same facts in a table with an index on the
entity, in memory and in a file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.child import Watch

FIRST, WARM = "first", "warm"

ABOUT = "about(attribute: A, value: V) :- fact(entity: $entity, attribute: A, value: V)."

COLLEAGUES = """
colleague(title: T) :-
    fact(entity: $entity, attribute: "director", value: D), fact(entity: E, attribute: "director", value: D),
    fact(entity: E, attribute: "title", value: T).
"""

COLLEAGUES_SQL = """
SELECT DISTINCT t.text FROM fact f JOIN fact d ON d.text = f.text JOIN fact t ON t.entity = d.entity
WHERE f.entity = ? AND f.attribute = 'director' AND d.attribute = 'director' AND t.attribute = 'title'
"""
"""The titles of the films of one film's director: the first question that a fresh process asks."""


def point_ours(watch: Watch, inputs: str, asked: int) -> int:
    """Facts of one entity after another; the checksum of all."""
    from bench.flow import ours
    from bench.flow.inputs import read

    loaded = ours.load(read(Path(inputs)))

    def ask(entity: int) -> Any:
        loaded.run("point", ("about",), entity=entity)
        return loaded.rows("about")

    return _points(watch, ask, inputs, asked)


def point_duckdb(watch: Watch, inputs: str, asked: int) -> int:
    """The same of a table with an index."""
    from bench.flow.duckdb import connect
    from bench.flow.inputs import read

    db = connect(read(Path(inputs)))
    db.execute("CREATE INDEX fact_e ON fact (e)")
    return _points(
        watch, lambda entity: db.execute("SELECT a, v FROM fact WHERE e = ?", [entity]).fetchall(), inputs, asked
    )


def _points(watch: Watch, ask: Callable[[int], Any], inputs: str, asked: int) -> int:
    import numpy as np

    from bench.flow import checksum
    from bench.flow.inputs import read

    _, (entities, *_) = read(Path(inputs))["fact"]
    chosen = np.random.default_rng(12).choice(entities, asked + 1).tolist()
    rows = []
    for number, entity in enumerate(chosen):
        with watch(WARM if number else FIRST):
            found = ask(entity)
        rows += [(entity, *row) for row in found]
    return checksum.of_rows(rows)


def build_duckdb(watch: Watch, csv: str, path: str) -> None:
    """The films in a file of DuckDB, as (entity, attribute, value)."""
    import duckdb

    from bench.query.peer import load

    with duckdb.connect(path) as db:
        load(db, csv, "eav")
        db.execute("DROP TABLE film")


def first_ours(watch: Watch, path: str, films: int, asked: int) -> list[str]:
    """Import, open and ask; then the facts of some entities. Hashes of the answers."""
    with watch(FIRST):
        from bench.flow import ours

        db = ours.open_file(path)
        first = ours.ask(db, COLLEAGUES, _first_film(films))
    return _answers(watch, first, films, asked, lambda film: ours.ask(db, ABOUT, film))


def first_duckdb(watch: Watch, path: str, films: int, asked: int) -> list[str]:
    """The same of a file of DuckDB."""
    with watch(FIRST):
        import duckdb

        from bench.query.peer import entity, pairs

        db = duckdb.connect(path)
        first = db.execute(COLLEAGUES_SQL, [entity(_first_film(films))]).fetchall()
    sql = "SELECT attribute, text, number FROM fact WHERE entity = ?"
    return _answers(
        watch, first, films, asked, lambda film: list(pairs(db.execute(sql, [entity(film)]).fetchall(), "eav"))
    )


def _first_film(films: int) -> str:
    from bench.data import film_id

    return film_id(films // 2)


def _answers(watch: Watch, first: Any, films: int, asked: int, ask: Callable[[str], Any]) -> list[str]:
    from bench.data import film_id, some_films
    from bench.query.questions import digest

    rows = []
    for number in some_films(films, asked):
        with watch(WARM):
            found = ask(film_id(number))
        rows += found
    return [digest(first), digest(rows)]

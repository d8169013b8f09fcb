"""DuckDB in memory, as it comes, with all its threads: each workload in the quickest form that was found.

Closures and same generation are recursive queries, whose results are made into tables. Points-to is not linear, which a
recursive query can say only with a key, and slowly: a loop of statements that join what is new with everything takes half as
long. Components keep one label a node, by `USING KEY`. The join of five atoms reads a table for each attribute, which are
there when the clock starts, or one table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from bench.flow import checksum

if TYPE_CHECKING:
    from bench.flow.graphs import Relations

ONE_TABLE = "one table"

CLOSURE = """
CREATE TABLE path AS WITH RECURSIVE path AS (
    SELECT a, b FROM edge UNION SELECT path.a, edge.b FROM path JOIN edge ON path.b = edge.a
) SELECT a, b FROM path
"""

_GENERATION = """
CREATE TABLE same AS WITH RECURSIVE same AS (
    SELECT p.b AS a, q.b AS b FROM parent p JOIN parent q USING (a) WHERE p.b <> q.b
    UNION SELECT p.b, q.b FROM same JOIN parent p ON p.a = same.a JOIN parent q ON q.a = same.b
) SELECT a, b FROM same
"""

_POINTS_TO_STEP = """
CREATE OR REPLACE TABLE found AS SELECT DISTINCT a, b FROM (
    SELECT s.a, n.b FROM assign s JOIN fresh n ON s.b = n.a
    UNION ALL SELECT l.a, q.b FROM fresh n JOIN load l ON l.b = n.a JOIN points_to q ON q.a = n.b
    UNION ALL SELECT l.a, n.b FROM fresh n JOIN points_to p ON p.b = n.a JOIN load l ON l.b = p.a
    UNION ALL SELECT n.b, q.b FROM fresh n JOIN store s ON s.a = n.a JOIN points_to q ON q.a = s.b
    UNION ALL SELECT p.b, n.b FROM fresh n JOIN store s ON s.b = n.a JOIN points_to p ON p.a = s.a
) ANTI JOIN points_to USING (a, b)
"""

_COMPONENTS = """
CREATE TABLE label AS WITH RECURSIVE label(node, least) USING KEY (node) AS (
    SELECT DISTINCT a, a FROM edge
    UNION SELECT edge.b, min(label.least) FROM label JOIN edge ON edge.a = label.node
        JOIN recurring.label AS known ON known.node = edge.b
        WHERE label.least < known.least GROUP BY edge.b
) SELECT node, least FROM label
"""

_TRIANGLES = """
CREATE TABLE triangles AS SELECT count(*) AS count
FROM edge p JOIN edge q ON q.a = p.b JOIN edge r ON r.a = p.a AND r.b = q.b
"""

_TABLES = """
CREATE TABLE found AS SELECT DISTINCT f0.e, f1.v AS d, f2.v AS b, g3.v AS s
FROM fact_0 f0 JOIN fact_1 f1 USING (e) JOIN fact_2 f2 USING (e)
    JOIN fact_1 g1 ON g1.e = f2.v AND g1.v = f1.v JOIN fact_3 g3 ON g3.e = f2.v
WHERE f0.v < 100
"""

_ONE_TABLE = """
CREATE TABLE found AS SELECT DISTINCT f0.e, f1.v AS d, f2.v AS b, g3.v AS s
FROM fact f0 JOIN fact f1 USING (e) JOIN fact f2 USING (e)
    JOIN fact g1 ON g1.e = f2.v AND g1.v = f1.v JOIN fact g3 ON g3.e = f2.v
WHERE f0.a = 0 AND f0.v < 100 AND f1.a = 1 AND f2.a = 2 AND g1.a = 1 AND g3.a = 3
"""

_TEXT = """
CREATE TABLE has_child AS SELECT DISTINCT parent FROM inserted;
CREATE TABLE later_child AS SELECT DISTINCT c.parent, c.id
    FROM inserted c JOIN inserted d ON c.parent = d.parent AND d.id > c.id;
CREATE TABLE first_child AS SELECT parent, id FROM inserted ANTI JOIN later_child USING (parent, id);
CREATE TABLE sibling AS SELECT p.id AS a, q.id AS b FROM inserted p JOIN inserted q USING (parent);
CREATE TABLE later_sibling AS SELECT a, b FROM sibling WHERE a > b;
CREATE TABLE later_sibling_but_one AS SELECT DISTINCT p.a, q.b AS b FROM later_sibling p JOIN later_sibling q ON p.b = q.a;
CREATE TABLE next_sibling AS SELECT a, b FROM later_sibling ANTI JOIN later_sibling_but_one USING (a, b);
CREATE TABLE last_child AS SELECT id, parent FROM inserted WHERE id NOT IN (SELECT a FROM next_sibling);
CREATE TABLE next_sibling_above AS WITH RECURSIVE above AS (
    SELECT a, b FROM next_sibling UNION SELECT last_child.id, above.b FROM above JOIN last_child ON last_child.parent = above.a
) SELECT a, b FROM above;
CREATE TABLE next_element AS SELECT parent AS a, id AS b FROM first_child
    UNION SELECT a, b FROM next_sibling_above WHERE a NOT IN (SELECT parent FROM has_child);
CREATE TABLE assigned AS SELECT id, 1 AS value FROM inserted;
CREATE TABLE has_value AS SELECT id FROM inserted ANTI JOIN removed USING (id);
CREATE TABLE next_after_blank AS SELECT a, b FROM next_element WHERE a NOT IN (SELECT id FROM has_value);
CREATE TABLE skipped AS WITH RECURSIVE skipped AS (
    SELECT a, b FROM next_element JOIN has_value ON id = a
    UNION SELECT skipped.a, n.b FROM skipped JOIN next_after_blank n ON n.a = skipped.b
) SELECT a, b FROM skipped;
CREATE TABLE next_visible AS SELECT a, b FROM skipped SEMI JOIN has_value ON skipped.b = has_value.id;
CREATE TABLE result AS SELECT DISTINCT p.counter AS before, q.counter AS after, value
    FROM next_visible JOIN inserted p ON p.id = a JOIN inserted q ON q.id = b JOIN assigned ON assigned.id = b;
"""


def _points_to(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("CREATE TABLE points_to AS SELECT DISTINCT a, b FROM address_of")
    db.execute("CREATE TABLE fresh AS SELECT a, b FROM points_to")
    while True:
        db.execute(_POINTS_TO_STEP)
        if not db.execute("SELECT count(*) FROM found").fetchall()[0][0]:
            return
        db.execute("INSERT INTO points_to SELECT a, b FROM found")
        db.execute("CREATE OR REPLACE TABLE fresh AS SELECT a, b FROM found")


def _sql(text: str) -> Callable[[duckdb.DuckDBPyConnection], None]:
    def make(db: duckdb.DuckDBPyConnection) -> None:
        db.execute(text)

    return make


RUNS: dict[str, Callable[[duckdb.DuckDBPyConnection], None]] = {
    "closure": _sql(CLOSURE),
    "generation": _sql(_GENERATION),
    "points to": _points_to,
    "components": _sql(_COMPONENTS),
    "triangles": _sql(_TRIANGLES),
    "five atoms": _sql(_TABLES),
    f"five atoms, {ONE_TABLE}": _sql(_ONE_TABLE),
    "text": _sql(_TEXT),
}
"""What to do for a program; `five atoms` is here twice."""


def missing() -> str | None:
    """DuckDB comes with the benchmarks."""
    return None


def connect(relations: Relations) -> duckdb.DuckDBPyConnection:
    """A database in memory with a table for each relation, of 32-bit numbers."""
    db = duckdb.connect()
    for name, (names, columns) in relations.items():
        db.register("arrays", dict(zip(names, columns, strict=True)))
        chosen = ", ".join(f'"{column}"::INTEGER AS "{column}"' for column in names)
        db.execute(f'CREATE TABLE "{name}" AS SELECT {chosen} FROM arrays')
        db.unregister("arrays")
    return db


class Loaded:
    """Tables, and the tables made of them."""

    def __init__(self, relations: Relations, variant: str) -> None:
        self._db = connect(relations)
        self._variant = variant
        if "fact" in relations and variant != ONE_TABLE:
            for number in range(10):
                self._db.execute(f"CREATE TABLE fact_{number} AS SELECT e, v FROM fact WHERE a = {number}")
            self._db.execute("DROP TABLE fact")

    def run(self, program: str, answers: Sequence[str]) -> list[int]:
        """Make the tables of a program; how many rows each answer has."""
        for answer in answers:
            self._db.execute(f"DROP TABLE IF EXISTS {answer}")
        RUNS[f"{program}, {self._variant}" if self._variant else program](self._db)
        return [self._db.execute(f"SELECT count(*) FROM {answer}").fetchall()[0][0] for answer in answers]

    def checksums(self, answers: Sequence[str]) -> list[int]:
        """The checksum of each answer."""
        return [checksum_of(self._db, answer) for answer in answers]


def checksum_of(db: duckdb.DuckDBPyConnection, table: str) -> int:
    """The checksum of a table."""
    found: list[Any] = db.execute(f'DESCRIBE "{table}"').fetchall()
    weighted = checksum.weighted_sum([f'"{row[0]}"::BIGINT' for row in found])
    sql = f'SELECT sum({checksum.cube("w")}) FROM (SELECT {weighted} AS w FROM "{table}")'
    return int(db.execute(sql).fetchall()[0][0] or 0)


def load(relations: Relations, variant: str = "") -> Loaded:
    """Take relations in."""
    return Loaded(relations, variant)

"""Views kept up to date: what one change costs, and whether the view then holds what evaluating everything again gives.

A part deletes rows that are there, a batch at a time, and inserts them again. The answer after the deletions and the
answer after the insertions must be those of DuckDB over the same rows, which evaluates everything: it keeps no
views, so its time for one evaluation stands beside ours for one change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.child import Watch

if TYPE_CHECKING:
    from bench.flow.graphs import Relations

BUILD, DELETE, INSERT = "build", "delete", "insert"

TEN_OPERATORS = """
CREATE TABLE reached AS SELECT region, kind, sum FROM (
    SELECT region, kind, sum(amount)::BIGINT AS sum FROM (
        SELECT DISTINCT region, product.kind, amount, customer.id
        FROM ordered JOIN customer ON customer.id = ordered.customer JOIN product ON product.id = ordered.product
        WHERE amount >= 500 AND customer.id NOT IN (SELECT customer FROM blocked) AND (region < 15 OR kind < 10)
    ) GROUP BY region, kind
) JOIN aim USING (region, kind) WHERE sum >= least
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A view: its program, its answer, the relation that changes, and DuckDB's words for it."""

    program: str
    answer: str
    changes: str
    make: str
    sql: str


def kept() -> dict[str, Kept]:
    """The views, by what they are called."""
    from bench.flow.duckdb import CLOSURE

    return {
        "closure": Kept("closure", "path", "edge", "random", CLOSURE),
        "closure of ten": Kept("closure", "path", "edge", "islands", CLOSURE),
        "closure, acyclic": Kept("closure", "path", "edge", "dag", CLOSURE),
        "ten operators": Kept("ten operators", "reached", "ordered", "orders", TEN_OPERATORS),
    }


def prepare(watch: Watch, view: str, arguments: list[int], inputs: str) -> int:
    """Generate and write the input of a view; how many tuples the relation that changes has."""
    from bench.flow import graphs
    from bench.flow.inputs import write

    chosen = kept()[view]
    relations: Relations = getattr(graphs, chosen.make)(*arguments)
    write(relations, Path(inputs))
    return len(relations[chosen.changes][1][0])


def ours(watch: Watch, view: str, inputs: str, batch: int, batches: int) -> list[tuple[int, int]]:
    """Delete and insert again, a lap each; the answer's tuples and checksum after each half."""
    from bench.flow import ours as engine
    from bench.flow.inputs import read

    chosen = kept()[view]
    relations = read(Path(inputs))
    rows = _changed(relations, chosen, batch * batches)
    parts = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    with watch(BUILD):
        held = engine.view(relations, chosen.program)
    for each in parts:
        with watch(DELETE):
            held.delete(chosen.changes, each)
    after_deletions = held.answer(chosen.answer)
    for each in parts:
        with watch(INSERT):
            held.insert(chosen.changes, each)
    return [after_deletions, held.answer(chosen.answer)]


def duckdb(watch: Watch, view: str, inputs: str, batch: int, batches: int) -> list[tuple[int, int]]:
    """Evaluate over the rows that are left after the deletions, and over all."""
    import numpy as np

    from bench.flow.duckdb import checksum_of, connect
    from bench.flow.inputs import read

    chosen = kept()[view]
    relations = read(Path(inputs))
    names, columns = relations[chosen.changes]
    left = np.ones(len(columns[0]), bool)
    left[_places(len(left), batch * batches)] = False
    answers = []
    for rows in ([column[left] for column in columns], columns):
        db = connect({**relations, chosen.changes: (names, rows)})
        with watch(BUILD):
            db.execute(chosen.sql)
        count = db.execute(f"SELECT count(*) FROM {chosen.answer}").fetchall()[0][0]
        answers.append((count, checksum_of(db, chosen.answer)))
    return answers


def _changed(relations: Relations, view: Kept, count: int) -> list[tuple[int, ...]]:
    _, columns = relations[view.changes]
    places = _places(len(columns[0]), count)
    return list(zip(*(column[places].tolist() for column in columns), strict=True))


def _places(rows: int, count: int) -> list[int]:
    import numpy as np

    places: list[int] = np.random.default_rng(11).permutation(rows)[:count].tolist()
    assert len(places) == count, "there are as many rows as are changed"
    return places

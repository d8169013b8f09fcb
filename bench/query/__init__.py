"""Query: the same joins in PomoLogic over a database and in SQL over DuckDB, and closures over plain relations.

Our evaluator is the plain one, kept as the oracle for the ones to come; DuckDB is a compiled columnar engine with
threads. It is here twice: with the data as we keep it, (entity, attribute, value), and as one wide table, which no two
sources could have written without agreeing on its columns.
"""

from __future__ import annotations

from pathlib import Path

from bench.data import GRAPHS, write_csv
from bench.process import in_turn, part
from bench.query.questions import QUESTIONS
from bench.report import Section
from bench.series import Case, Series, case_table

SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (100, 1_000)

EDGES = (100, 1_000)
QUICK_EDGES = (10, 100)

REPEATS = 3

WHAT = f"""\
Films of five attributes (size is films; five facts each) in a file of ours, and in DuckDB in memory as one (entity,
attribute, value) table and as one wide table, both with an index on the entity. Loading is not counted; parsing,
planning and handing over Python tuples are. Every question is asked once before it is timed.

{chr(10).join(f"- `{name}`: {question.what}" for name, question in QUESTIONS.items())}
- `closure`: everything that can be reached, of a chain and of a random graph with twice as many edges as nodes (size
  is edges), by `rhizomedb.evaluate` over plain tuples and by DuckDB's recursive CTE.

The answers of every run are equal, compared by a hash over the sorted tuples."""

LAYOUTS = {"eav": "DuckDB, (e, a, v)", "wide": "DuckDB, wide"}


def run(folder: Path, *, quick: bool) -> Section:
    """Ask every question at every size, then compute the closures."""
    cases: list[Case] = []
    for rows in QUICK_SIZES if quick else SIZES:
        csv, ours = write_csv(folder, rows), folder / f"ours-{rows}.db"
        part("ingest.ours", "load", csv=csv, path=ours)
        for name in QUESTIONS:
            cases += _question(name, ours, csv, rows)
    for graph in GRAPHS:
        cases += [_closure(graph, edges) for edges in (QUICK_EDGES if quick else EDGES)]
    return Section("query", WHAT, (), (case_table(cases),))


def _question(name: str, ours: Path, csv: Path, rows: int) -> list[Case]:
    mine, *peers = in_turn(
        REPEATS,
        lambda: part("query.ours", "ask", name=name, path=ours, rows=rows),
        *(lambda layout=layout: part("query.peer", "ask", name=name, csv=csv, layout=layout) for layout in LAYOUTS),
    )
    return [
        Case(name, rows, Series.of(mine, "ask"), label, Series.of(runs, "ask"))
        for label, runs in zip(LAYOUTS.values(), peers, strict=True)
    ]


def _closure(graph: str, edges: int) -> Case:
    mine, peer = in_turn(
        REPEATS,
        lambda: part("query.ours", "closure", graph=graph, edges=edges),
        lambda: part("query.peer", "closure", graph=graph, edges=edges),
    )
    return Case(f"closure, {graph}", edges, Series.of(mine, "ask"), "DuckDB", Series.of(peer, "ask"))

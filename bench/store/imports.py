"""Importing a table: `rhizome import` beside DuckDB's own CSV reader, both as whole processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bench.child import Watch
from bench.data import COLUMNS, write_csv
from bench.process import PROCESS, Run, command, in_turn, part, script
from bench.series import Case, Series


def case(folder: Path, rows: int, repeats: int) -> Case:
    """Import a CSV file into a fresh database."""
    csv = write_csv(folder, rows)

    def fresh(name: str) -> Path:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
        return folder / name / "films.db"

    def ours() -> Run:
        path = fresh("import-ours")
        run = command(script("rhizome"), "import", path, csv, "--as", "first", "--key", "id", "--json")
        return Run(run.times, json.loads(run.answer)["facts"], run.peak_bytes)

    def peer() -> Run:
        return part("store.imports", "by_duckdb", csv=csv, path=fresh("import-duckdb"))

    runs = in_turn(repeats, ours, peer)
    assert runs[0][0].answer == rows * len(COLUMNS), "every cell became a fact"
    return Case("rhizome import", rows, Series.of(runs[0], PROCESS), "DuckDB", Series.of(runs[1], PROCESS))


def by_duckdb(_watch: Watch, csv: str, path: str) -> int:
    """A table with two indexes of the file; returns how many cells it holds."""
    import duckdb

    with duckdb.connect(path) as db:
        db.execute("CREATE TABLE film AS SELECT * FROM read_csv(?)", (csv,))
        db.execute("CREATE UNIQUE INDEX film_id ON film(id)")
        db.execute("CREATE INDEX film_title ON film(title)")
        ((rows,),) = db.execute("SELECT count(*) FROM film").fetchall()
    return int(rows) * len(COLUMNS)

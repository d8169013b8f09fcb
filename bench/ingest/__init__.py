"""Ingest: a CSV file into a fresh database, durably committed, beside sqlite-utils with the same file.

The peer keeps the rows. Ours keeps for every cell a fact under its hash, in deltas that are signed and verified, with
indexes both ways: more work for more, so the ratio says what that costs.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bench.data import COLUMNS, write_csv
from bench.process import PROCESS, Run, command, in_turn, part, script
from bench.report import MustBe, Section
from bench.series import Case, Series, case_table, mebibytes, table

SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (100, 1_000)

REPEATS = 3

FACTS_PER_SECOND_MIN = 20_000
FACTS_PER_SECOND_ROWS = 100_000

WHAT = f"""\
A generated CSV of {len(COLUMNS)} columns (two of them whole numbers), its first the key. `import` is the real path
within one process: reading, inferring kinds, hashing, signing, verifying, indexing and one durable commit into a new
file. The peer reads the same file with its own reader, infers kinds and inserts with a primary key, also in one
durable transaction. `command` is the same by the two command lines, whole process; there the peer commits every
hundred rows, as it does by default. `again` is the unchanged file once more (the peer: an upsert), `second source` the
same rows said by another author (no peer has that). Size is rows; each is {len(COLUMNS)} facts."""


def run(folder: Path, *, quick: bool) -> Section:
    """Measure every size."""
    cases: list[Case] = []
    disk: list[tuple[str, ...]] = []
    must_be: list[MustBe] = []
    for rows in QUICK_SIZES if quick else SIZES:
        csv = write_csv(folder, rows)
        fresh = _fresh(folder, csv, rows)
        cases += [fresh, _command(folder, csv, rows), *_later(folder, csv, rows)]
        disk.append(_disk(folder, rows))
        if rows == FACTS_PER_SECOND_ROWS:
            must_be.append(_speed(fresh))
    rates = [_rates(case) for case in cases if case.what == "import"]
    rate_table = table(("rows", "ours, facts/s", "per CPU second", "sqlite-utils, cells/s"), rates)
    disk_header = ("rows", "ours", "a fact", "with a second source", "more a claim", "sqlite-utils", "a cell")
    return Section("ingest", WHAT, must_be, (case_table(cases), rate_table, table(disk_header, disk)))


def _fresh(folder: Path, csv: Path, rows: int) -> Case:
    ours, peer = folder / "ours.db", folder / "peer.db"

    def of(module: str, path: Path) -> Run:
        _remove(path)
        return part(f"ingest.{module}", "load", csv=csv, path=path)

    runs = in_turn(REPEATS, lambda: of("ours", ours), lambda: of("peer", peer))
    assert runs[0][0].answer == rows * len(COLUMNS), "every cell became a fact"
    part("ingest.compare", "compare", ours=ours, peer=peer)
    return Case("import", rows, Series.of(runs[0], "load"), "sqlite-utils", Series.of(runs[1], "load"))


def _command(folder: Path, csv: Path, rows: int) -> Case:
    ours, peer = folder / "ours-command.db", folder / "peer-command.db"

    def by_rhizome() -> Run:
        _remove(ours)
        run = command(script("rhizome"), "import", ours, csv, "--as", "first", "--key", "id", "--json")
        return Run(run.times, json.loads(run.answer)["facts"], run.peak_bytes)

    def by_sqlite_utils() -> Run:
        _remove(peer)
        run = command(script("sqlite-utils"), "insert", peer, "film", csv, "--csv", "--pk", "id", "--silent")
        with closing(sqlite3.connect(peer)) as db:
            count = db.execute("SELECT count(*) FROM film").fetchone()[0]
        return Run(run.times, count * len(COLUMNS), run.peak_bytes)

    runs = in_turn(REPEATS, by_rhizome, by_sqlite_utils)
    _remove(ours)
    _remove(peer)
    return Case("command", rows, Series.of(runs[0], PROCESS), "sqlite-utils", Series.of(runs[1], PROCESS))


def _later(folder: Path, csv: Path, rows: int) -> list[Case]:
    """What comes after the first import: the same file again, and the same rows from another source."""
    loaded, peer = folder / "ours.db", folder / "peer.db"
    second = folder / "second.db"

    def of_second() -> Run:
        _remove(second)
        shutil.copyfile(loaded, second)
        return part("ingest.ours", "load", csv=csv, path=second, author="second")

    again = in_turn(
        REPEATS,
        lambda: part("ingest.ours", "load", csv=csv, path=loaded),
        lambda: part("ingest.peer", "again", csv=csv, path=peer),
    )
    assert again[0][0].answer == rows * len(COLUMNS), "an unchanged file adds nothing"
    agreeing = in_turn(REPEATS, of_second)
    assert agreeing[0][0].answer == rows * len(COLUMNS), "agreement adds claims and no fact"
    return [
        Case("again", rows, Series.of(again[0], "load"), "sqlite-utils", Series.of(again[1], "load")),
        Case("second source", rows, Series.of(agreeing[0], "load")),
    ]


def _disk(folder: Path, rows: int) -> tuple[str, ...]:
    ours, second, peer = (_bytes(folder / name) for name in ("ours.db", "second.db", "peer.db"))
    cells = rows * len(COLUMNS)
    return (
        f"{rows:,}",
        mebibytes(ours),
        f"{ours / cells:.0f} B",
        mebibytes(second),
        f"{(second - ours) / cells:.0f} B",
        mebibytes(peer),
        f"{peer / cells:.0f} B",
    )


def _rates(case: Case) -> tuple[str, ...]:
    facts = case.size * len(COLUMNS)
    assert case.peer is not None, "an import has a peer"
    return (
        f"{case.size:,}",
        *(f"{facts / seconds:,.0f}" for seconds in (case.ours.median, case.ours.median_cpu, case.peer.median)),
    )


def _speed(case: Case) -> MustBe:
    facts = case.size * len(COLUMNS)
    rate, rate_cpu = facts / case.ours.median, facts / case.ours.median_cpu
    return MustBe(
        f"import of a {case.size:,}-row CSV ({len(COLUMNS)} columns) at ≥ {FACTS_PER_SECOND_MIN:,} facts/s including "
        "hashing, signing per batch and the durable commit",
        rate >= FACTS_PER_SECOND_MIN,
        f"{rate:,.0f} facts/s by the wall clock (median of {REPEATS}, {facts / max(case.ours.wall):,.0f} – "
        f"{facts / min(case.ours.wall):,.0f}), {rate_cpu:,.0f} per CPU second",
    )


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path))


def _remove(path: Path) -> None:
    for file in _files(path):
        file.unlink()


def _files(path: Path) -> list[Path]:
    """A database file and what SQLite may have put beside it."""
    return [file for end in ("", "-wal", "-shm", "-journal") if (file := path.with_name(path.name + end)).exists()]

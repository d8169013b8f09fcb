"""Get: what the view shows of one entity, in files of three sizes, beside a row of a SQLite table found by an index.

The peer looks up one row. Ours finds the entity, reads every claim about it, runs the register program and lets the
policy choose, so the ratio says what a view costs over a row; growth says whether it stays the price of one entity.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from bench.data import COLUMNS, write_csv
from bench.process import in_turn, part
from bench.report import MustBe, Section
from bench.series import Case, Pick, Series, case_table, duration, p99

SIZES = (2_000, 20_000, 200_000)
"""Rows; 200,000 of them are a million facts."""

QUICK_SIZES = (200, 2_000)

REPEATS = 5

ASKED = 301
"""Films that one process asks for, the first one among them."""

FACTS = 1_000_000
MILLISECONDS_MAX = 20

WHAT = f"""\
`get` of one film (size is the facts in the file, five a film), by the id of the entity and by its title. Each of
{REPEATS} processes opens the file, asks once (`first`, with whatever is made ready at the first question), then
{ASKED - 1} films anywhere in the file (`warm`). The peer is a SQLite table through apsw, the same films a row each, an
index on the title and on the key; it selects the same row, and the values are compared for every film asked for."""

BY = {"id": "by id", "title": "by title"}


def run(folder: Path, *, quick: bool) -> Section:
    """Build a file of each size, and ask."""
    cases: list[Case] = []
    for rows in QUICK_SIZES if quick else SIZES:
        csv = write_csv(folder, rows)
        ours, peer = folder / f"ours-{rows}.db", folder / f"peer-{rows}.db"
        part("ingest.ours", "load", csv=csv, path=ours)
        part("get.peer", "build", csv=csv, path=peer)
        for by in BY:
            cases += _cases(ours, peer, rows, by)
    asked = [case for case in cases if case.size == FACTS and case.what != "open"]
    return Section("get", WHAT, [_limit(asked)] if asked else [], (case_table(cases),))


def _cases(ours: Path, peer: Path, rows: int, by: str) -> list[Case]:
    runs = in_turn(
        REPEATS,
        lambda: part("get.ours", "get", path=ours, rows=rows, asked=ASKED, by=by),
        lambda: part("get.peer", "get", path=peer, rows=rows, asked=ASKED, by=by),
    )

    def case(what: str, lap: str, pick: Pick = statistics.median) -> Case:
        ours, peer = (Series.of(of_one, lap, pick) for of_one in runs)
        return Case(what, rows * len(COLUMNS), ours, "SQLite", peer)

    opened = [case("open", "open")] if by == "id" else []
    return [
        *opened,
        case(f"first {BY[by]}", "first"),
        case(f"warm {BY[by]}, median", "warm"),
        case(f"warm {BY[by]}, p99", "warm", p99),
    ]


def _limit(asked: list[Case]) -> MustBe:
    return MustBe(
        f"`get` of one entity in a database of {FACTS:,} facts ≤ {MILLISECONDS_MAX} ms",
        all(case.ours.median * 1000 <= MILLISECONDS_MAX for case in asked),
        "; ".join(f"{case.what} {duration(case.ours.median)}" for case in asked),
    )

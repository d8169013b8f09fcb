"""The views and the questions that are measured, at which sizes, ours and DuckDB's runs in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.data import write_csv
from bench.flow.lookups import FIRST, WARM
from bench.flow.peers import LIMIT, OURS
from bench.flow.workloads import EAV, FULL
from bench.process import LeftOut, Run, must_agree, part


@dataclass(frozen=True, slots=True)
class Trial:
    """A view at one size, changed by so many rows at a time, so many times. `name` is what must-be lines ask for."""

    name: str
    view: str
    arguments: tuple[int, ...]
    batch: int
    batches: int


TRIALS = (
    Trial("closure, less", "closure", (316, 3_160, 1), 1, 200),
    Trial("closure, ten of them", "closure of ten", (10, 316, 3_160, 1), 1, 200),
    Trial("closure", "closure", (1_000, 10_000, 1), 1, 200),
    Trial("closure, acyclic", "closure, acyclic", (5_000, 30_000, 3), 1, 200),
    Trial("ten operators", "ten operators", (100_000,), 1, 200),
    Trial("ten operators, by ten", "ten operators", (100_000,), 10, 50),
    Trial("ten operators, by a hundred", "ten operators", (100_000,), 100, 20),
    Trial("ten operators, more", "ten operators", (1_000_000,), 1, 200),
)

SMALL_TRIALS = (
    Trial("closure, less", "closure", (28, 280, 1), 1, 3),
    Trial("closure, ten of them", "closure of ten", (10, 28, 280, 1), 1, 3),
    Trial("closure", "closure", (90, 900, 1), 1, 3),
    Trial("closure, acyclic", "closure, acyclic", (200, 1_200, 3), 1, 3),
    Trial("ten operators", "ten operators", (500,), 1, 3),
    Trial("ten operators, by ten", "ten operators", (500,), 10, 3),
    Trial("ten operators, by a hundred", "ten operators", (500,), 100, 3),
    Trial("ten operators, more", "ten operators", (5_000,), 1, 3),
)


@dataclass(frozen=True, slots=True)
class Tried:
    """The runs of one trial or question, by engine, and who was left out, in sentences."""

    name: str
    size: int
    runs: dict[str, list[Run]]
    left_out: list[str] = field(default_factory=list)


def views(folder: Path, size: str, repeats: int) -> dict[Trial, Tried]:
    """Every view of a size."""
    tried = {}
    for trial in TRIALS if size == FULL else SMALL_TRIALS:
        inputs = folder / trial.name
        made = part("flow.updates", "prepare", view=trial.view, arguments=trial.arguments, inputs=inputs)
        options = {"view": trial.view, "inputs": inputs, "batch": trial.batch, "batches": trial.batches, "limit": LIMIT}
        engines = {
            engine: lambda engine=engine, options=options: part("flow.updates", engine, **options)
            for engine in ("ours", "duckdb")
        }
        tried[trial] = _in_turn(trial.name, made.answer, engines, repeats)
    return tried


FILMS = 200_000
"""Five facts each: a million."""

POINT, FILE, FRESH = "one bound constant", "one bound constant, in a file", "first question of a fresh process"


def questions(folder: Path, size: str, repeats: int) -> dict[str, Tried]:
    """Questions about little of much."""
    is_full = size == FULL
    films, asked = (FILMS, 200) if is_full else (FILMS // 100, 10)
    inputs = folder / "facts"
    facts = part("flow.inputs", "prepare", workload=EAV.name, size=size, inputs=inputs).answer
    csv, paths = write_csv(folder, films), {"ours": folder / "ours.db", "duckdb": folder / "films.duckdb"}
    part("ingest.ours", "load", csv=csv, path=paths["ours"])
    part("flow.lookups", "build_duckdb", csv=csv, path=paths["duckdb"])

    def of_file(asked: int) -> dict[str, Callable[[], Run]]:
        return {
            engine: lambda engine=engine, path=path: part(
                "flow.lookups", f"first_{engine}", path=path, films=films, asked=asked, limit=LIMIT
            )
            for engine, path in paths.items()
        }

    points = {
        engine: lambda engine=engine: part("flow.lookups", f"point_{engine}", inputs=inputs, asked=asked, limit=LIMIT)
        for engine in paths
    }
    return {
        POINT: _in_turn(POINT, facts, points, repeats),
        FILE: _in_turn(FILE, films * 5, of_file(asked), repeats),
        FRESH: _in_turn(FRESH, films * 5, of_file(0), repeats),
    }


LAPS = {POINT: WARM, FILE: WARM, FRESH: FIRST}
"""The lap that a question is about."""


def _in_turn(name: str, size: int, engines: dict[str, Callable[[], Run]], repeats: int) -> Tried:
    tried = Tried(name, size, {})
    out: set[str] = set()
    for _ in range(repeats):
        for engine, run in engines.items():
            if engine in out:
                continue
            try:
                tried.runs.setdefault(engine, []).append(run())
            except LeftOut as reason:
                out.add(engine)
                tried.runs.pop(engine, None)
                tried.left_out.append(f"{'Ours' if engine == OURS else 'DuckDB'} was left out of `{name}`: {reason}.")
    _agree([run for runs in tried.runs.values() for run in runs])
    return tried


def _agree(runs: Sequence[Run]) -> None:
    if runs:
        must_agree(runs)

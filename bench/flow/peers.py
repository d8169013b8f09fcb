"""Who takes part, and how each evaluates a workload in a fresh process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.flow import compiled, swipl
from bench.flow.engine import EVALUATE
from bench.flow.workloads import Workload
from bench.process import PROCESS, LeftOut, Limit, Run, Time, command, part

LIMIT = Limit(seconds=60, bytes=12 << 30)
"""What every engine is given for one process, ours too."""

OURS = "ours"
DUCKDB = "DuckDB"
SOUFFLE = compiled.SOUFFLE.name

Evaluation = Callable[[bool], Run]
"""A workload in a fresh process; whether the answer is to be summed up."""


@dataclass(frozen=True, slots=True)
class Inside:
    """An engine that runs in a process of Python: a module of this folder."""

    module: str
    variant: str = ""

    def missing(self) -> str | None:
        """Why it does not take part."""
        from importlib import import_module

        # DuckDB and our own are installed; to import them here would give this process what its children must not inherit.
        return import_module("bench.flow.cozo").missing() if self.module == "cozo" else None

    def evaluation(self, workload: Workload, inputs: Path, folder: Path) -> Evaluation:
        """How it evaluates."""
        options = {"engine": self.module, "workload": workload.name, "inputs": inputs, "variant": self.variant}
        return lambda checked: part("flow.engine", "evaluate", **options, checked=checked, limit=LIMIT)


@dataclass(frozen=True, slots=True)
class Prolog:
    """SWI-Prolog."""

    def missing(self) -> str | None:
        """Why it does not take part."""
        return swipl.missing()

    def evaluation(self, workload: Workload, inputs: Path, folder: Path) -> Evaluation:
        """How it evaluates."""
        folder.mkdir(parents=True, exist_ok=True)
        options = {"folder": folder, "inputs": inputs, "program": workload.program, "answers": workload.answers}
        path = Path(part("flow.peers", "write_prolog", **options).answer)

        def run(checked: bool) -> Run:
            made = command(*swipl.command(path, checked=checked), limit=LIMIT)
            try:
                said = json.loads(made.answer)
            except ValueError:
                raise LeftOut("it failed") from None
            counts, sums = said["answer"]
            times = {**made.times, EVALUATE: [Time(*said["eval"])]}
            return Run(times, [counts, sums] if checked else [counts], made.peak_bytes)

        return run


@dataclass(frozen=True, slots=True)
class Compiled:
    """An engine that compiles the program first."""

    compiler: compiled.Compiler

    def missing(self) -> str | None:
        """Why it does not take part."""
        return self.compiler.missing()

    def evaluation(self, workload: Workload, inputs: Path, folder: Path) -> Evaluation:
        """How it evaluates: the whole process is what it says of itself."""
        options = {"folder": folder, "inputs": inputs, "program": workload.program, "answers": workload.answers}
        part("flow.peers", "compile_program", compiler=self.compiler.name, **options)

        def run(checked: bool) -> Run:
            made = command(*self.compiler.command(folder, checked=checked), limit=LIMIT)
            times = {**made.times, EVALUATE: made.times[PROCESS]}
            if not checked:
                return Run(times, [compiled.counts(made.answer)], made.peak_bytes)
            summed = part("flow.peers", "sum_up", folder=folder, answers=workload.answers).answer
            return Run(times, summed, made.peak_bytes)

        return run


Engine = Inside | Prolog | Compiled

ENGINES: dict[str, tuple[Engine, frozenset[str]]] = {
    OURS: (
        Inside("ours"),
        frozenset(
            {"closure", "generation", "points to", "components", "triangles", "five atoms", "text", "text as written"}
        ),
    ),
    DUCKDB: (
        Inside("duckdb"),
        frozenset({"closure", "generation", "points to", "components", "triangles", "five atoms", "text"}),
    ),
    "DuckDB, one table": (Inside("duckdb", "one table"), frozenset({"five atoms"})),
    "Cozo": (
        Inside("cozo"),
        frozenset({"closure", "generation", "points to", "components", "triangles", "five atoms"}),
    ),
    "SWI-Prolog": (Prolog(), frozenset(swipl.RULES)),
    compiled.SOUFFLE.name: (Compiled(compiled.SOUFFLE), frozenset(compiled.RULES)),
    compiled.FLOWLOG.name: (Compiled(compiled.FLOWLOG), frozenset(compiled.RULES)),
}
"""The engines by what they are called, and the programs that each has a text for."""


def write_prolog(watch: object, folder: str, inputs: str, program: str, answers: list[str]) -> str:
    """A part of its own: facts are arrays."""
    return str(swipl.write(Path(folder), Path(inputs), program, answers))


def compile_program(watch: object, compiler: str, folder: str, inputs: str, program: str, answers: list[str]) -> None:
    """A part of its own: facts are arrays."""
    shutil.rmtree(folder, ignore_errors=True)
    chosen = {each.name: each for each in (compiled.SOUFFLE, compiled.FLOWLOG)}[compiler]
    chosen.compile(Path(folder), Path(inputs), program, answers)


def sum_up(watch: object, folder: str, answers: list[str]) -> list[list[int]]:
    """How many tuples a binary wrote, and their checksums."""
    return compiled.sizes_and_checksums(Path(folder), answers)

"""Measuring one size: every engine loads the same facts, and is asked, opened and left idle; ours and the peers' in turn."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.process import PROCESS, Run, Time, in_turn, part
from bench.series import Series
from bench.store.sizes import GROUP

OURS = "ours"
ENGINES = {OURS: OURS, "sqlite": "SQLite", "lmdb": "LMDB", "duckdb": "DuckDB"}
"""The engines by the names of their modules, and what they are called."""

OPENS = 5
COMMITS = 200

LOADED = "loaded"
ALL_IN = "loaded, all in"
"""The time until everything is committed; and until the background has nothing to do and the file is closed."""


@dataclass(frozen=True, slots=True)
class Size:
    """What was measured at one number of facts, by name and then by engine."""

    facts: int
    block_bytes: float
    series: dict[str, dict[str, Series]] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    loading_bytes: dict[str, float] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)

    def of(self, name: str, engine: str = OURS) -> float:
        """A median wall time."""
        return self.series[name][engine].median


class Room:
    """The files of one size, in a folder of their own."""

    def __init__(self, folder: Path, facts: int, engines: Sequence[str]) -> None:
        self.folder = folder / str(facts)
        self.folder.mkdir()
        self.facts = facts
        self.engines = engines
        self.inputs = self.folder / "inputs"
        self.questions = self.folder / "questions"
        made = part("store.facts", "prepare", inputs=self.inputs, facts=facts).answer
        options = {"inputs": self.inputs, "facts": facts, "questions": self.questions}
        self.entity = part("store.facts", "ask_for", **options).answer
        self.size = Size(facts, made["block_bytes"])

    def path(self, engine: str) -> Path:
        """The database of an engine."""
        return self.folder / engine / "facts.db"

    def measure(self, repeats: int) -> Size:
        """Everything that leaves the databases as they are."""
        self._load(repeats)
        self._ask(repeats)
        self._ask_the_api(repeats)
        self._open()
        idle = part("store.engine", "idle", engine=OURS, path=self.path(OURS), entity=self.entity)
        self.size.figures.update(idle.answer)
        return self.size

    def commits(self) -> Size:
        """Single facts committed to each database, which is another one after that."""
        beside = self.folder / "beside"
        for engine in self.engines:
            run = part("store.engine", "commit", engine=engine, path=self.path(engine), beside=beside, commits=COMMITS)
            names = ["commit", "append", "overwrite"]
            if engine == OURS:  # peers have nothing to make, and do not show when they wait
                names += ["make", "sync", "beyond"]
            self._keep(engine, [run], {name: (name, statistics.median) for name in names})
            if engine == OURS:
                self.size.figures["commit bytes"] = run.answer["bytes"]
            beside.unlink()
        return self.size

    def remove(self) -> None:
        """Make room for what comes next."""
        shutil.rmtree(self.folder)

    def _load(self, repeats: int) -> None:
        def one(engine: str) -> Run:
            folder = self.path(engine).parent
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            options = {"engine": engine, "inputs": self.inputs, "path": self.path(engine), "facts": self.facts}
            return part("store.engine", "load", **options)

        runs = [[one(engine) for engine in self.engines] for _ in range(repeats)]
        for engine, of_one in zip(self.engines, zip(*runs, strict=True), strict=True):
            summed = [Run(_sums(run), run.answer, run.peak_bytes) for run in of_one]
            self._keep(engine, summed, {name: (name, sum) for name in (LOADED, ALL_IN)})
            self.size.loading_bytes[engine] = statistics.median(
                max(0, run.answer["most"] - run.answer["before"]) for run in of_one
            )
            files = self.path(engine).parent.rglob("*")
            self.size.bytes[engine] = sum(file.stat().st_size for file in files if file.is_file())

    def _ask(self, repeats: int) -> None:
        def asking(engine: str) -> Callable[[], Run]:
            options = {"engine": engine, "path": self.path(engine), "questions": self.questions}
            return lambda: part("store.engine", "ask", **options)

        runs = in_turn(repeats, *map(asking, self.engines))
        for engine, of_one in zip(self.engines, runs, strict=True):
            names = [f"{what} {time_of}" for what in ("entity", "fact") for time_of in ("first", "warm")]
            self._keep(engine, of_one, {name: (name, _each) for name in names})
            self._keep(engine, of_one, {"attribute": ("attribute", statistics.median)})

    def _ask_the_api(self, repeats: int) -> None:
        """What a program asks of a connection, which is more than rows: of ours only."""
        options = {"path": self.path(OURS), "questions": self.questions}
        runs = [part("store.ours", "ask_the_api", **options) for _ in range(repeats)]
        self._keep(OURS, runs, {name: (name, _each) for name in ("api get", "api facts")})

    def _open(self) -> None:
        def opening(engine: str, function: str) -> Callable[[], Run]:
            options = {"engine": engine, "path": self.path(engine), "entity": self.entity}
            return lambda: part("store.engine", function, **options)

        for function, name in (("first", "open and get"), ("first_of_all", "import, open and get")):
            runs = in_turn(OPENS, *(opening(engine, function) for engine in self.engines))
            for engine, of_one in zip(self.engines, runs, strict=True):
                self._keep(engine, of_one, {name: (name, statistics.median)})
                if function == "first_of_all":
                    self._keep(engine, of_one, {"whole process": (PROCESS, statistics.median)})

    def _keep(
        self, engine: str, runs: Sequence[Run], names: Mapping[str, tuple[str, Callable[[Sequence[float]], float]]]
    ) -> None:
        for name, (lap, pick) in names.items():
            self.size.series.setdefault(name, {})[engine] = Series.of(runs, lap, pick)


def _sums(run: Run) -> dict[str, list[Time]]:
    """The laps of a load, as one time that ends with the last commit and one that ends with everything."""
    rest = [*run.times["load"], *run.times["settle"], *run.times["close"]]
    return {LOADED: run.times["load"], ALL_IN: rest}


def _each(laps: Sequence[float]) -> float:
    """The time of one question, of laps that are groups of them."""
    return statistics.median(laps) / GROUP

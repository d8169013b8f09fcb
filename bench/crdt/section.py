"""The section on `crdt`: everything measured, and its tables."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.crdt import traces
from bench.crdt.digest import digest
from bench.process import Run, part
from bench.report import MustBe, Section
from bench.series import Pick, Series, duration, factor, mebibytes, p99, table

OURS = "ours"
ENGINES = {OURS: "rhizomedb", "yrs": "pycrdt", "loros": "loro"}
LABELS = {OURS: OURS, "yrs": "Yrs (pycrdt)", "loros": "Loro"}

WRITERS = 10

WHAT = f"""\
One document and three smaller data types, in fresh processes, ours and each peer in turn; the texts and values that they
end with are compared. Ours is a file with its index, opened with `durability="normal"`; the peers hold one document in
memory, and what they save is one blob.

- `replay`: the edits of a paper (size is edits), a thousand a batch, with the text open, then its text read. `bytes` is
  what is on the disk afterwards, for each edit.
- `load`: that document from its file, and its text read.
- `key`: single characters anywhere in it, each an own delta, told to a watch. Beside it once more without a wait for the
  disk (`durability="memory"`), which the peers never have.
- `merge`: what two or three writers said while they saw each other's work now and then, a stretch of edits a delta, taken
  into one more copy whose text is open, and read. Everything that is taken in is verified.
- `counter`, `set`, `map`: operations of {WRITERS} writers (size is all of them), a fact each, merged and read. Each
  writer has members and keys of their own, since concurrent ones end otherwise in each engine. Yrs has no counters, and a
  map stands for a set in both peers."""

HEADER = ("what", "size", "engine", "time", "CPU", "peak", "bytes", "ours ÷ it", "growth")


@dataclass(slots=True)
class Measured:
    """One thing measured at one size: the runs of each engine by its name, and the lap that it is about."""

    what: str
    size: int
    lap: str
    runs: dict[str, list[Run]] = field(default_factory=dict)
    pick: Pick = statistics.median
    left_out: list[str] = field(default_factory=list)

    def series(self, engine: str) -> Series:
        return Series.of(self.runs[engine], self.lap, self.pick)

    def as_p99(self) -> Measured:
        return Measured(f"{self.what}, p99", self.size, self.lap, self.runs, p99)


def run(folder: Path, *, quick: bool) -> Section:
    """Measure everything."""
    lines: list[str] = []
    absent = traces.missing()
    if absent is not None:
        lines.append(f"Histories that were made stand for the real ones: {absent}.")
    for engine, package in ENGINES.items():
        if importlib.util.find_spec(package) is None:
            lines.append(f"{LABELS[engine]} did not take part: {package} is not installed.")
    name = "made 4000" if absent else traces.PAPER
    sizes = (1_000, 4_000) if quick or absent else (65_000, 130_000, 259_778)
    repeats = 1 if quick else 3
    measured: list[Measured] = []
    for size in sizes:
        measured += _document(folder / f"document-{size}", name, size, repeats, 30 if quick else 500)
    for concurrent in ("made 300",) if absent else traces.CONCURRENT:
        most = 400 if quick else None
        measured.append(
            _each(f"merge {concurrent}", most or len(traces.edits(concurrent)), "merge", "merge", repeats,
                  lambda engine, turn, name=concurrent, most=most: {
                      "name": name, "most": most, "path": folder / f"merge-{name}-{engine}-{turn}.db"})
        )  # fmt: skip
    for each in measured:
        ending = None if absent or quick or not each.what.startswith("merge ") else traces.ending(each.what.split()[1])
        if ending is not None and each.runs[OURS][0].answer["text"] != digest(ending):
            raise SystemExit(f"`{each.what}` does not end with the text that it has to end with")
        lines += each.left_out
    for what, function in (("counter", "counter"), ("set", "members"), ("map", "entries")):
        for each in (50, 200) if quick else (1_000, 10_000):
            measured.append(
                _each(what, each * WRITERS, function, "merge", repeats,
                      lambda engine, turn, what=what, each=each: {
                          "writers": WRITERS, "each": each, "path": folder / f"{what}-{each}-{engine}-{turn}.db"})
            )  # fmt: skip
    found = {(each.what, each.size): each for each in measured}
    must = [] if quick or absent else _must_be(found, sizes[-1])
    return Section("crdt", WHAT, must, [table(HEADER, _rows(measured)), "\n".join(f"- {line}" for line in lines)])


def _document(folder: Path, name: str, size: int, repeats: int, keys: int) -> list[Measured]:
    def path(engine: str, turn: int) -> Path:
        return folder / f"{engine}-{turn}"

    replayed = _each("replay", size, "replay", "replay", repeats,
                     lambda engine, turn: {"name": name, "most": size, "path": path(engine, turn)})  # fmt: skip
    loaded = _each("load", size, "load", "load", repeats, lambda engine, turn: {"path": path(engine, turn)})
    pressed = [
        _each(what, size, "keys", "key", repeats,
              lambda engine, turn, durability=durability: {
                  "path": path(engine, turn), "count": keys, "durability": durability}, only)
        for what, durability, only in (("key", "normal", tuple(ENGINES)), ("key, in memory", "memory", (OURS,)))
    ]  # fmt: skip
    return [replayed, loaded, *(each for one in pressed for each in (one, one.as_p99()))]


def _each(
    what: str, size: int, function: str, lap: str, repeats: int, options: Callable[[str, int], dict[str, Any]],
    engines: tuple[str, ...] = tuple(ENGINES),
) -> Measured:  # fmt: skip
    """The runs of every engine that is installed and has such a thing, in turn; what they found must be equal."""
    found = Measured(what, size, lap)
    for turn in range(repeats):
        answers = {}
        for engine in engines:
            if importlib.util.find_spec(ENGINES[engine]) is None or (engine == "yrs" and function == "counter"):
                continue
            run = part(f"crdt.{engine}", function, **options(engine, turn))
            answers[engine] = run.answer["text"] if isinstance(run.answer, dict) else run.answer
            found.runs.setdefault(engine, []).append(run)
        for engine, answer in answers.items():
            if answer == answers[OURS]:
                continue
            if function != "merge":
                raise SystemExit(f"answers of `{what}` differ, so nothing was measured: {answers!s:.300}")
            found.left_out.append(f"{LABELS[engine]} was left out of `{what}`: its copies end with another text.")
            found.runs.pop(engine)
            engines = tuple(name for name in engines if name != engine)
    return found


def _rows(measured: list[Measured]) -> list[tuple[str, ...]]:
    before: dict[tuple[str, str], float] = {}
    rows = []
    for each in measured:
        for engine, runs in each.runs.items():
            series = each.series(engine)
            smaller = before.get((each.what, engine))
            before[each.what, engine] = series.median
            rows.append((
                each.what, f"{each.size:,}", LABELS[engine], str(series), duration(series.median_cpu), mebibytes(series.peak_bytes),
                _bytes(runs, each.size), "" if engine == OURS else factor(each.series(OURS).median / series.median),
                "" if smaller is None else factor(series.median / smaller),
            ))  # fmt: skip
    return rows


def _bytes(runs: list[Run], size: int) -> str:
    answer = runs[0].answer
    return f"{answer['bytes'] / size:.1f}" if isinstance(answer, dict) and "bytes" in answer else ""


def _must_be(found: Mapping[tuple[str, int], Measured], size: int) -> list[MustBe]:
    def seconds(what: str) -> list[float]:
        return [
            each.series(OURS).median
            for (name, of), each in found.items()
            if name.startswith(what) and of in (size, each.size)
        ]

    def line(text: str, most: float, *figures: float) -> MustBe:
        return MustBe(text, max(figures) <= most, "; ".join(map(duration, figures)))

    replayed = found["replay", size]
    per_key = max(run.answer["bytes"] for run in replayed.runs[OURS]) / size
    largest = 10_000 * WRITERS
    return [
        line(f"the {size:,} edits of a paper, the view live, in batches ≤ 10 s (aim 2 s)", 10, replayed.series(OURS).median),
        line("one keystroke into it, the view and a watch live, p50 ≤ 500 µs (aim 100 µs)", 500e-6, found["key", size].series(OURS).median),
        line("the same, p99 ≤ 5 ms (aim 1 ms)", 5e-3, found["key, p99", size].series(OURS).median),
        line("a concurrent history merged into a copy ≤ 2 s (aim 0.3 s)", 2, *seconds("merge")),
        line("counter, set, map: 100,000 operations of 10 writers merged ≤ 3 s (aim 1 s)", 3,
             *(found[what, largest].series(OURS).median for what in ("counter", "set", "map"))),
        line("load the saved paper and read it ≤ 1 s (aim 200 ms)", 1, found["load", size].series(OURS).median),
        MustBe("bytes on the disk for a keystroke, in batches ≤ 60 (aim 20)", per_key <= 60, f"{per_key:.1f}"),
    ]  # fmt: skip

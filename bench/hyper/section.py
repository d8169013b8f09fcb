"""The section on `hyper`: everything measured, and its tables."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.hyper.world import LEVELS, PARENTS
from bench.plot import Points, growth
from bench.process import LeftOut, Limit, Run, Time, command, part
from bench.report import MustBe, Section
from bench.series import Series, duration, factor, mebibytes, table

VARIABLE = "RHIZOMEDB_REFERENCE"
"""Where the folder `dist` of a built checkout of the reference stands: github.com/mbilokonsky/rhizomedb, in its folder
`typescript` after `npm ci --ignore-scripts` and `npx tsc` (which complains and builds)."""

SCRIPT = Path(__file__).with_name("reference.mjs")

SIZES = (1_000, 10_000, 100_000, 1_000_000)
REFERENCE_MAX = 100_000
ASKED_FOR = 100_000
"""The size that the figures are asked for."""

WHAT = f"""\
Statements about things from a fixed seed: about a hundred a thing, ten properties, two pointers each, twenty authors, one in
a hundred a negation of an earlier one. Ours is a file, every statement signed by who passes it on, and read by fresh
processes; the reference (TypeScript) holds all of it as objects in memory. Both are asked the same, and what they find is
compared where the reference is right.

- `target`: all that points at a thing, what is taken back left out, of things that were asked for once before (`first`);
- `view`: the HyperView of a thing, about a hundred hyperedges that nothing had read before; `nested`: of a parent with ten
  such things inside;
- `update`: a view that is kept up to date, read after one more statement about its thing that this process knows of (as
  the reference does); `elsewhere`: what another process has written is read from the file first;
- `shared`: {LEVELS} levels, each pointing twice at the next: 2^{LEVELS} ways from the top to the bottom;
- `travel`: the view of a thing at twenty moments;
- `open`: a fresh process that has imported the package opens the file and makes a view; the reference loads what it was
  given."""

NAMES = ("target, first", "target", "view", "nested", "update", "update, elsewhere", "shared", "travel", "open")

MOST = {
    "target": (0.2e-3, "hyperedges by target, what is taken back left out"),
    "view": (2e-3, "a HyperView of a hundred hyperedges, cold"),
    "nested": (5e-3, "the same with ten nested"),
    "update": (0.3e-3, "the update of a view that is kept"),
    "shared": (20e-3, f"a shared graph of {LEVELS} levels"),
    "travel": (50e-3, "a thing at twenty moments"),
    "open": (0.1, "open and first view"),
}

FLAT_MAX = 3.0
"""How much an answer may grow from the smallest size to the largest, where it is to be flat or logarithmic."""

COLD_FROM = 10_000
"""From here on there are things enough that none was read before; a thousand statements are about ten things."""

PICTURE = Path(__file__).parents[1] / "hyper.svg"


@dataclass(slots=True)
class Measured:
    """One size: the runs of ours, and of the reference where it took part."""

    size: int
    ours: dict[str, Series]
    reference: dict[str, Series]
    left_out: str = ""


def run(folder: Path, *, quick: bool) -> Section:
    """Measure everything."""
    repeats = 1 if quick else 3
    sizes = (1_000, 5_000) if quick else SIZES
    measured = []
    for size in sizes:
        place = folder / str(size)
        place.mkdir()
        measured.append(_measure(place, size, repeats))
        shutil.rmtree(place)
    lines = [_absent()] if _absent() else []
    lines += [f"{each.size:,}: {each.left_out}" for each in measured if each.left_out]
    if not quick:
        growth(PICTURE, "hyperedges in the store", *_lines(measured), peer="the reference")
        lines.append(f"![How each question grows with the store]({PICTURE.name})")
    return Section("hyper", WHAT, [] if quick else _must(measured), [*lines, _table(measured)])


def _lines(measured: Sequence[Measured]) -> tuple[dict[str, Points], dict[str, Points]]:
    """By question, the sizes and what each took, of ours and of the reference."""
    ours = {name: [(each.size, each.ours[name].median) for each in measured] for name in MOST}
    theirs = {name: [(each.size, each.reference[name].median) for each in measured if each.reference] for name in MOST}
    return ours, theirs


def _absent() -> str:
    """Why the reference takes no part; nothing where it does."""
    if not shutil.which("node"):
        return "The reference did not take part: node is not installed."
    if not os.environ.get(VARIABLE):
        return f"The reference did not take part: {VARIABLE} does not name the folder `dist` of a built checkout of it."
    return ""


def _measure(folder: Path, size: int, repeats: int) -> Measured:
    asked: Mapping[str, Any] = part("hyper.world", "prepare", folder=folder, deltas=size).answer
    things, moments = asked["things"], asked["moments"]
    part("hyper.ours", "load", folder=folder)
    runs: dict[str, list[Run]] = {name: [] for name in ("ask", "shared", "first", "update")}
    for _ in range(repeats):
        runs["ask"].append(part("hyper.ours", "ask", folder=folder, things=things, moments=moments))
        runs["shared"].append(part("hyper.ours", "shared", folder=folder))
        runs["first"].append(part("hyper.ours", "first", folder=folder, things=things))
    for _ in range(repeats):  # these change the file
        runs["update"].append(part("hyper.ours", "update", folder=folder, things=things))
    where = {"update": "update", "update, elsewhere": "update", "shared": "shared", "open": "first"}
    ours = {name: Series.of(runs[where.get(name, "ask")], name) for name in NAMES}
    found = Measured(size, ours, {})
    if not _absent() and size <= REFERENCE_MAX:
        try:
            theirs = [_reference(folder, things, moments) for _ in range(repeats)]
        except LeftOut as reason:
            found.left_out = f"the reference did not take part: {reason}"
        else:
            found.reference = {
                name: Series.of(theirs, "load world" if name == "open" else name)
                for name in NAMES
                if name != "update, elsewhere"
            }
            _compare(runs["ask"][0].answer, theirs[0].answer)
    return found


def _reference(folder: Path, things: Sequence[str], moments: Sequence[int]) -> Run:
    options = json.dumps({"things": things, "moments": moments, "levels": LEVELS, "parents": PARENTS})
    run = command("node", SCRIPT, os.environ[VARIABLE], folder, options, limit=Limit(600, 8 << 30))
    said = json.loads(run.answer)
    times = {name: [Time(lap, lap) for lap in laps] for name, laps in said["times"].items()}
    return Run(times, said["counts"], said["peak"])


def _compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """What both find by target; its views count what was taken back and said again, or in the past, otherwise (B4, B5)."""
    if ours["target"] != theirs["target"]:
        raise SystemExit(f"by target ours finds {ours['target']:,} hyperedges, the reference {theirs['target']:,}")


def _must(measured: Sequence[Measured]) -> list[MustBe]:
    by_size = {each.size: each for each in measured}
    asked = by_size[ASKED_FOR]
    lines = []
    for name, (most, what) in MOST.items():
        took = asked.ours[name].median
        theirs = f"; the reference {duration(asked.reference[name].median)}" if asked.reference else ""
        lines.append(
            MustBe(f"{what}, {ASKED_FOR:,} in the store, ≤ {duration(most)}", took <= most, f"{duration(took)}{theirs}")
        )
    last = measured[-1]
    for name in ("target", "view", "nested", "update", "travel", "open"):
        first = by_size[COLD_FROM] if name in ("view", "nested") else measured[0]
        grown = last.ours[name].median / first.ours[name].median
        lines.append(
            MustBe(
                f"{MOST[name][1]}: flat or logarithmic from {first.size:,} to {last.size:,} (×{FLAT_MAX:g} tolerated)",
                grown <= FLAT_MAX,
                f"×{grown:.3g}",
            )
        )
    return lines


def _table(measured: Sequence[Measured]) -> str:
    rows = []
    for name in NAMES:
        before: Measured | None = None
        for each in measured:
            ours, theirs = each.ours[name], each.reference.get(name)
            rows.append(
                (
                    name,
                    f"{each.size:,}",
                    str(ours),
                    mebibytes(ours.peak_bytes),
                    "" if theirs is None else str(theirs),
                    "" if theirs is None else mebibytes(theirs.peak_bytes),
                    "" if theirs is None else factor(ours.median / theirs.median),
                    "" if before is None else factor(ours.median / before.ours[name].median),
                )
            )
            before = each
    header = ("what", "hyperedges", "ours", "peak", "reference", "its peak", "ours ÷ it", "growth, ours")
    return table(header, rows)

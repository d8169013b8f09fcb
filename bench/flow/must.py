"""What must hold of evaluating programs, what is aimed at beyond that, and whether either does."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.flow.engine import AGAIN, EVALUATE, LOAD
from bench.flow.measure import Measured
from bench.flow.peers import DUCKDB, OURS, SOUFFLE
from bench.flow.trials import FILE, FRESH, POINT, Trial, Tried
from bench.flow.updates import DELETE, INSERT
from bench.flow.workloads import CC, EAV, RECURSIVE, TEXT, TRI
from bench.process import PROCESS, Run
from bench.report import MustBe
from bench.series import Series, duration

FASTER_MIN, FASTER_AIM = 2.5, 4.0
BESIDE_MIN, BESIDE_AIM = 1.0, 10.0
"""How many times faster than the peer: over everything recursive, and for components and triangles."""

JOIN_SECONDS = (10e-3, 4e-3)
POINT_SECONDS = (1e-3, 200e-6)
INSERT_SECONDS = (200e-6, 50e-6)
DELETE_SECONDS = (1e-3, 100e-6)
SMALLEST_SECONDS = (200e-6, 50e-6)
TEXT_SECONDS = (3.4, 1.0)
FRESH_SECONDS = (300e-3, 150e-3)
"""At most so many seconds, and what is aimed at."""

PEAK_BYTES = (300_000_000, 150_000_000)
LARGEST = "r10m"

FLAT_MAX = 2.0
"""What still counts as the same cost, from one size to one ten times as large: caches of the processor are of one size."""

ROOT_MAX = 10**0.5
"""The same where ten times as many tuples are the closure of one larger graph: an edge is then in as many more derivations
as there are more nodes from which it is reached."""

LINEAR_MAX = 12.0
"""The same for a change that is itself ten times as large."""


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was measured at full size."""

    workloads: Mapping[str, Measured]
    views: Mapping[str, Tried]
    questions: Mapping[str, Tried]


def by_name(tried: Mapping[Trial, Tried]) -> dict[str, Tried]:
    """Views by the names that the lines ask for."""
    return {trial.name: each for trial, each in tried.items()}


def must_be(found: Found) -> list[MustBe]:
    """All lines."""
    return [
        _recursive(found),
        _join(found),
        _point(found),
        _limit(
            "a question of a fresh process to a file of a million facts, from the start of the process to its end",
            FRESH_SECONDS, _median(found.questions[FRESH], PROCESS),
        ),
        _limit("one edge into a maintained closure of 1,000,000 tuples, p50", INSERT_SECONDS, _median(found.views["closure"], INSERT)),
        _limit("one edge out of it, p50", DELETE_SECONDS, _median(found.views["closure"], DELETE)),
        _limit(
            "one row into a view of ten operators over 100,000, p50", SMALLEST_SECONDS, _median(found.views["ten operators"], INSERT)
        ),
        _beside(found, CC.name, "connected components", EVALUATE),
        _beside(found, TRI.name, "triangles", EVALUATE),
        _text(found),
        _peak(found),
        *_growth(found),
    ]  # fmt: skip


def ratios(workloads: Mapping[str, Measured], peer: str, lap: str) -> dict[str, float]:
    """For each recursive workload that both finished, how many times as long as the peer we take."""
    chosen = {}
    for workload in RECURSIVE:
        runs = workloads[workload.name].runs if workload.name in workloads else {}
        if OURS in runs and peer in runs:
            chosen[workload.name] = Series.of(runs[OURS], lap).median / Series.of(runs[peer], lap).median
    return chosen


def geometric_mean(numbers: Sequence[float]) -> float:
    """The mean of ratios."""
    return math.exp(statistics.fmean(map(math.log, numbers)))


def _recursive(found: Found) -> MustBe:
    said, met, aimed = [], False, True
    for peer in (DUCKDB, SOUFFLE):
        chosen = ratios(found.workloads, peer, EVALUATE)
        absent = [workload.name for workload in RECURSIVE if workload.name not in chosen]
        if not chosen:
            said.append(f"{peer}: nothing to compare with")
            aimed = False
            continue
        mean = 1 / geometric_mean(list(chosen.values()))
        if peer == DUCKDB:
            met = mean >= FASTER_MIN and not absent
        aimed = aimed and mean >= FASTER_AIM and not absent
        without = f", without {', '.join(absent)}" if absent else ""
        each = ", ".join(f"{name} ×{1 / ratio:.3g}" for name, ratio in chosen.items())
        said.append(f"×{mean:.3g} than {peer}{without} ({each})")
    return MustBe(
        f"transitive closures, same generation and points-to, evaluated ≥ {FASTER_MIN} times faster than {DUCKDB} "
        f"(geometric mean; aim: ≥ {FASTER_AIM:g} times, and {SOUFFLE} too)",
        met,
        f"{'; '.join(said)}{_aim(aimed)}",
    )


def _median(tried: Tried, lap: str) -> Callable[[], float] | str:
    """A median of ours, or the name of what was not measured."""
    if OURS not in tried.runs:
        return tried.name
    return lambda: Series.of(tried.runs[OURS], lap).median


def _limit(text: str, limits: tuple[float, float], figure: Callable[[], float] | str) -> MustBe:
    most, aim = limits
    line = f"{text} ≤ {duration(most)} (aim: {duration(aim)})"
    if isinstance(figure, str):
        return MustBe(line, False, f"nothing, since ours was left out of `{figure}`")
    seconds = figure()
    return MustBe(line, seconds <= most, f"{duration(seconds)}{_aim(seconds <= aim)}")


def _join(found: Found) -> MustBe:
    runs = found.workloads[EAV.name].runs
    figure = (lambda: Series.of(runs[OURS], AGAIN).median) if OURS in runs else EAV.name
    return _limit("a join of five atoms over a million facts, warm", JOIN_SECONDS, figure)


def _point(found: Found) -> MustBe:
    most, aim = POINT_SECONDS
    line = f"one bound constant in a million facts, warm, in memory and in a file ≤ {duration(most)} (aim: {duration(aim)})"
    asked = {name: found.questions[name] for name in (POINT, FILE)}
    if absent := [name for name, tried in asked.items() if OURS not in tried.runs]:
        return MustBe(line, False, f"nothing, since ours was left out of `{absent[0]}`")
    seconds = {name: Series.of(tried.runs[OURS], "warm").median for name, tried in asked.items()}
    said = ", ".join(f"{name} {duration(each)}" for name, each in seconds.items())
    return MustBe(line, max(seconds.values()) <= most, f"{said}{_aim(max(seconds.values()) <= aim)}")


def _beside(found: Found, name: str, what: str, lap: str) -> MustBe:
    runs = found.workloads[name].runs
    line = f"{what} no slower than {DUCKDB} (aim: {BESIDE_AIM:g} times faster)"
    if absent := [engine for engine in (OURS, DUCKDB) if engine not in runs]:
        return MustBe(line, False, f"nothing, since {absent[0]} was left out of `{name}`")
    ours, peer = (Series.of(runs[engine], lap).median for engine in (OURS, DUCKDB))
    faster = peer / ours
    said = f"×{faster:.3g} ({duration(ours)}, {DUCKDB} {duration(peer)})"
    return MustBe(line, faster >= BESIDE_MIN, f"{said}{_aim(faster >= BESIDE_AIM)}")


def _text(found: Found) -> MustBe:
    most, aim = TEXT_SECONDS
    line = f"the edit history of a text, from columns in memory to the visible text ≤ {duration(most)} (aim: {duration(aim)})"
    runs = found.workloads[TEXT.name].runs
    if OURS not in runs:
        return MustBe(line, False, f"nothing: {' '.join(found.workloads[TEXT.name].left_out) or 'left out'}")
    load, evaluate = (Series.of(runs[OURS], lap).median for lap in (LOAD, EVALUATE))
    said = f"{duration(load + evaluate)} ({duration(load)} to load, {duration(evaluate)} to evaluate)"
    return MustBe(line, load + evaluate <= most, f"{said}{_aim(load + evaluate <= aim)}")


def _peak(found: Found) -> MustBe:
    most, aim = PEAK_BYTES
    line = (
        f"peak memory of the whole process that evaluates `{LARGEST}` ≤ {most / 1e6:.0f} MB (aim: {aim / 1e6:.0f} MB)"
    )
    runs = found.workloads[LARGEST].runs
    if OURS not in runs:
        return MustBe(line, False, f"nothing, since ours was left out of `{LARGEST}`")
    peak = statistics.median(run.peak_bytes for run in runs[OURS])
    return MustBe(line, peak <= most, f"{peak / 1e6:.0f} MB{_aim(peak <= aim)}")


def _growth(found: Found) -> Iterator[MustBe]:
    for what, less, more, most in (
        ("an update costs the same over ten times the facts", "ten operators", "ten operators, more", FLAT_MAX),
        ("an update costs the same in ten times the derived tuples", "closure, less", "closure, ten of them", FLAT_MAX),
        ("an update in ten times the derived tuples of one graph costs what it changes", "closure, less", "closure", ROOT_MAX),
        ("a change of ten rows costs what ten of one do", "ten operators", "ten operators, by ten", LINEAR_MAX),
        ("a change of a hundred rows costs what ten of ten do", "ten operators, by ten", "ten operators, by a hundred", LINEAR_MAX),
    ):  # fmt: skip
        line = f"{what} (p50; ×{most:.3g} tolerated)"
        pair = [found.views[name] for name in (less, more)]
        if absent := [tried.name for tried in pair if OURS not in tried.runs]:
            yield MustBe(line, False, f"nothing, since ours was left out of `{absent[0]}`")
            continue
        factors = {lap: _factor([tried.runs[OURS] for tried in pair], lap) for lap in (INSERT, DELETE)}
        said = ", ".join(f"{lap} ×{factor:.3g}" for lap, factor in factors.items())
        yield MustBe(line, max(factors.values()) <= most, said)


def _factor(pair: Sequence[list[Run]], lap: str) -> float:
    less, more = (Series.of(runs, lap).median for runs in pair)
    return more / less


def _aim(reached: bool) -> str:
    return f"; the aim is {'reached' if reached else 'not reached'}"

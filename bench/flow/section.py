"""The section on `flow`: everything measured, and its tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.flow.engine import AGAIN, EVALUATE
from bench.flow.measure import SLOW_SECONDS, Measured, measure
from bench.flow.must import Found, by_name, geometric_mean, must_be, ratios
from bench.flow.peers import DUCKDB, ENGINES, LIMIT, OURS
from bench.flow.trials import LAPS, Trial, Tried, questions, views
from bench.flow.updates import BUILD, DELETE, INSERT
from bench.flow.workloads import FULL, RECURSIVE, SMALL, WORKLOADS
from bench.process import PROCESS, Run
from bench.report import Section
from bench.series import Series, duration, factor, mebibytes, p99, table

REPEATS, SMALL_REPEATS = 3, 1

WHAT = f"""\
Programs of recursion, joins and aggregates over relations of whole numbers, from fixed seeds:

{chr(10).join(f"- `{each.name}`: {each.what}" for each in WORKLOADS.values())}

`evaluate` begins when the relations are in memory in the form that an engine takes best, and ends when every tuple is
derived and kept (Cozo and SWI-Prolog: derived and counted). `process` is the whole process, with its start, its imports,
reading the input and loading it; compilers are run before. `warm` is the same question to the same process again. All use
the threads that they come with. Before that each engine ran once for the answer alone: its size and a sum over the tuples
were compared. An engine that needed over {SLOW_SECONDS} s was measured once; one that needs more than {LIMIT.seconds:.0f} s
or {LIMIT.bytes >> 30} GiB, ours too, is left out.

A view is a program that is kept up to date: `delete` and `insert` are what one change costs before the next question can
be asked. DuckDB keeps none, so beside it stands what evaluating everything again takes it. What the view holds after
all deletions, and after all insertions, is compared with that. `closure of ten` is the closure of ten graphs with nothing
between them, each as large as the smallest `closure`: ten times the tuples, of which an edge changes no more; in one graph
of ten times the tuples an edge is in √10 times as many derivations. Questions are asked with one constant, each time another."""

HEADER = ("what", "tuples", "engine", "evaluate", "CPU", "warm", "process", "CPU", "peak", "ours ÷ it", "whole process")

VIEWS_HEADER = (
    "view", "rows", "a change", "build", "insert, p50", "p99", "delete, p50", "p99", "process", "CPU", "peak", "DuckDB, everything",
)  # fmt: skip

QUESTIONS_HEADER = ("question", "facts", "engine", "time", "CPU", "process", "CPU", "peak", "ours ÷ it")


def run(folder: Path, *, quick: bool) -> Section:
    """Measure everything."""
    size, repeats = (SMALL, SMALL_REPEATS) if quick else (FULL, REPEATS)
    workloads = {}
    for number, workload in enumerate(WORKLOADS.values()):
        workloads[workload.name] = measure(workload, folder / f"workload-{number}", size, repeats)
    viewed, asked = views(folder, size, repeats), questions(folder, size, repeats)
    lines = [] if quick else must_be(Found(workloads, by_name(viewed), asked))
    notes = [note for each in (*workloads.values(), *viewed.values(), *asked.values()) for note in each.left_out]
    absent = [
        f"{name} did not take part: {reason}." for name, (each, _) in ENGINES.items() if (reason := each.missing())
    ]
    tables = (
        table(HEADER, _workloads(workloads.values())),
        _means(workloads),
        table(VIEWS_HEADER, _views(viewed)),
        table(QUESTIONS_HEADER, _questions(asked)),
        "\n".join(f"- {note}" for note in (*absent, *notes)),
    )
    return Section("flow", WHAT, lines, [each for each in tables if each])


def _workloads(measured: Iterable[Measured]) -> Iterable[tuple[str, ...]]:
    for each in measured:
        for engine, runs in each.runs.items():
            series, process = Series.of(runs, EVALUATE), Series.of(runs, PROCESS)
            warm = str(Series.of(runs, AGAIN)) if AGAIN in runs[0].times else ""
            yield (
                each.workload.name, f"{each.tuples:,}", engine, str(series), duration(series.median_cpu), warm, str(process),
                duration(process.median_cpu), mebibytes(process.peak_bytes), _ratio(each.runs, engine, EVALUATE), _ratio(each.runs, engine, PROCESS),
            )  # fmt: skip


def _ratio(runs: Mapping[str, list[Run]], engine: str, lap: str) -> str:
    if engine == OURS or OURS not in runs:
        return ""
    return factor(Series.of(runs[OURS], lap).median / Series.of(runs[engine], lap).median)


def _means(workloads: Mapping[str, Measured]) -> str:
    """How long we take beside each peer, over the recursive workloads that both finished."""
    rows = []
    for peer in ENGINES:
        of_evaluate, of_process = (ratios(workloads, peer, lap) for lap in (EVALUATE, PROCESS))
        if peer == OURS or not of_evaluate:
            continue
        means = (f"×{geometric_mean(list(each.values())):.3g}" for each in (of_evaluate, of_process))
        rows.append((peer, f"{len(of_evaluate)} of {len(RECURSIVE)}", *means))
    if not rows:
        return ""
    return table(("peer", "recursive workloads", "ours ÷ it, evaluate (geometric mean)", "whole process"), rows)


def _views(tried: Mapping[Trial, Tried]) -> Iterable[tuple[str, ...]]:
    for trial, each in tried.items():
        runs = each.runs.get(OURS)
        figures = ("left out", *[""] * 7) if runs is None else _view(runs)
        again = each.runs.get("duckdb")
        peer = "left out" if again is None else str(Series.of(again, BUILD))
        yield (trial.view, f"{each.size:,}", f"{trial.batch:,}", *figures, peer)


def _view(runs: list[Run]) -> tuple[str, ...]:
    process = Series.of(runs, PROCESS)
    return (
        str(Series.of(runs, BUILD)),
        str(Series.of(runs, INSERT)),
        duration(Series.of(runs, INSERT, p99).median),
        str(Series.of(runs, DELETE)),
        duration(Series.of(runs, DELETE, p99).median),
        str(process),
        duration(process.median_cpu),
        mebibytes(process.peak_bytes),
    )


def _questions(asked: Mapping[str, Tried]) -> Iterable[tuple[str, ...]]:
    for name, each in asked.items():
        for engine, runs in each.runs.items():
            series, process = Series.of(runs, LAPS[name]), Series.of(runs, PROCESS)
            yield (
                name, f"{each.size:,}", OURS if engine == OURS else DUCKDB, str(series), duration(series.median_cpu), str(process),
                duration(process.median_cpu), mebibytes(process.peak_bytes), _ratio(each.runs, engine, LAPS[name]),
            )  # fmt: skip

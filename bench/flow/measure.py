"""Measuring one workload: every engine evaluates it in fresh processes, in turn, and all answers must be equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.flow import edits
from bench.flow.engine import EVALUATE
from bench.flow.peers import ENGINES, Evaluation
from bench.flow.workloads import FULL, Workload
from bench.process import LeftOut, Run, part

SLOW_SECONDS = 10
"""An engine that needs longer is measured once: three times would be known to be slow no better."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of a workload by engine, how many tuples came out, and who was left out, in sentences."""

    workload: Workload
    tuples: int
    runs: Mapping[str, list[Run]]
    left_out: tuple[str, ...] = ()


def measure(workload: Workload, folder: Path, size: str, repeats: int) -> Measured:
    """All engines that have a text for the program and are installed."""
    if workload.make == "history" and size == FULL and (reason := edits.missing()):
        return Measured(workload, 0, {}, (f"`{workload.name}` was left out: {reason}.",))
    inputs = folder / "inputs"
    part("flow.inputs", "prepare", workload=workload.name, size=size, inputs=inputs)
    taking_part = {
        name: engine.evaluation(workload, inputs, folder / f"engine-{number}")
        for number, (name, (engine, programs)) in enumerate(ENGINES.items())
        if workload.program in programs and engine.missing() is None
    }
    return compare(workload, taking_part, size, repeats)


def compare(workload: Workload, taking_part: Mapping[str, Evaluation], size: str, repeats: int) -> Measured:
    """A checked run of each, whose times do not count, then the runs that do."""
    left_out: list[str] = []

    def attempt(name: str, evaluation: Callable[[], Run]) -> Run | None:
        try:
            return evaluation()
        except LeftOut as reason:
            left_out.append(f"{name} was left out of `{workload.name}`: {reason}.")
            return None

    checked: dict[str, Run] = {}
    for name, evaluation in taking_part.items():
        run = attempt(name, lambda evaluation=evaluation: evaluation(True))
        if run is not None:
            checked[name] = run
    counts = _must_agree(workload, checked, size)
    runs: dict[str, list[Run]] = {}
    for turn in range(repeats):
        for name, first in checked.items():
            if turn and (name not in runs or first.times[EVALUATE][0].wall > SLOW_SECONDS):
                continue
            run = attempt(name, lambda name=name: taking_part[name](False))
            if run is not None:
                assert run.answer[0] == counts, f"{name} found {run.answer[0]} tuples where {counts} are right"
                runs.setdefault(name, []).append(run)
    return Measured(workload, sum(counts), runs, tuple(left_out))


def _must_agree(workload: Workload, checked: Mapping[str, Run], size: str) -> list[int]:
    """Stop everything if two engines answered differently, or not as is known of the full size."""
    answers = {name: run.answer for name, run in checked.items()}
    if len({str(answer) for answer in answers.values()}) > 1:
        raise SystemExit(f"answers to `{workload.name}` differ, so nothing was measured: {answers}")
    counts: list[int] = next(iter(answers.values()), [[]])[0]
    if size == FULL and counts and tuple(counts) != workload.counts:
        raise SystemExit(f"`{workload.name}` must have {workload.counts} tuples, and every engine found {counts}")
    return counts

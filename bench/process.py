"""Running parts, each in a process of its own, and what a run measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit in which the system says a process's peak memory."""

PROCESS = "process"
"""The name of the time that a whole process took, from its start to its end."""


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds by the wall clock, and seconds of CPU (user and system, all threads)."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Run:
    """One process: its times by name, what it answered, and the most memory that it held."""

    times: dict[str, list[Time]]
    answer: Any
    peak_bytes: int


def command(*words: str | Path, beside: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext()) -> Run:
    """Run a command of this environment as a process; its answer is what it printed. `beside` is entered while it runs."""
    started = time.perf_counter()
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None, "the output is piped"
    with process.stdout as output, beside(process.pid):
        answer = output.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a part of the benchmark failed: {' '.join(map(str, words[1:]))}")
    times = {PROCESS: [Time(wall, usage.ru_utime + usage.ru_stime)]}
    return Run(times, answer, usage.ru_maxrss * MAXRSS_BYTES)


def part(module: str, function: str, **options: Any) -> Run:
    """Run a function of a benchmark in a fresh process (see `child`)."""
    run = command(sys.executable, "-m", "bench.child", f"bench.{module}", function, json.dumps(options, default=str))
    said = json.loads(run.answer)
    times = {name: [Time(*lap) for lap in laps] for name, laps in said["times"].items()}
    return Run({**run.times, **times}, said["answer"], run.peak_bytes)


def script(name: str) -> Path:
    """A command that is installed beside this Python."""
    return Path(sys.executable).parent / name


def in_turn(repeats: int, *parts: Callable[[], Run]) -> list[list[Run]]:
    """Run parts A B A B …, and return the runs of each. What they answer must be equal, every time."""
    runs = [[each() for each in parts] for _ in range(repeats)]
    must_agree([run for turn in runs for run in turn])
    return [list(of_one) for of_one in zip(*runs, strict=True)]


def must_agree(runs: Sequence[Run]) -> None:
    """Stop everything if two runs answered differently."""
    first = runs[0].answer
    for run in runs:
        if run.answer != first:
            raise SystemExit(f"answers differ, so nothing was measured: {first!r:.200} and {run.answer!r:.200}")

"""Running parts, each in a process of its own, and what a run measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
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


@dataclass(frozen=True, slots=True)
class Limit:
    """What a process is given before it is ended: seconds by the wall clock, and bytes of memory that it holds."""

    seconds: float
    bytes: int


class LeftOut(Exception):
    """A process that was given a limit did not end well within it; the reason, as the end of a sentence."""


def command(
    *words: str | Path,
    limit: Limit | None = None,
    beside: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> Run:
    """Run a command of this environment as a process; its answer is what it printed. `beside` is entered while it runs."""
    # An installed package has its bytecode at hand; a checkout has it from the second process on, unless it is told not to.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, cwd=ROOT, env=environment)
    watchdog = Watchdog(process, limit) if limit else None
    assert process.stdout is not None, "the output is piped"
    with process.stdout as output, beside(process.pid):
        answer = output.read().decode()
    # The watchdog is done before the process is waited for: until then its number means this process.
    reason = watchdog.stop() if watchdog else None
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if reason is not None:
        raise LeftOut(reason)
    if process.returncode and limit:
        raise LeftOut("it failed")
    if process.returncode:
        raise SystemExit(f"a part of the benchmark failed: {' '.join(map(str, words[1:]))}")
    times = {PROCESS: [Time(wall, usage.ru_utime + usage.ru_stime)]}
    return Run(times, answer, usage.ru_maxrss * MAXRSS_BYTES)


class Watchdog(threading.Thread):
    """Ends a process that goes beyond its limit."""

    PAUSE_SECONDS = 0.05

    def __init__(self, process: subprocess.Popen[bytes], limit: Limit) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._limit = limit
        self._over = threading.Event()
        self._reason: str | None = None
        self.start()

    def run(self) -> None:
        ends = time.monotonic() + self._limit.seconds
        while self._reason is None and not self._over.wait(self.PAUSE_SECONDS):
            if time.monotonic() > ends:
                self._reason = f"it did not end within {self._limit.seconds:.0f} s"
            elif _resident_bytes(self._process.pid) > self._limit.bytes:
                self._reason = f"it held more than {self._limit.bytes / (1 << 30):.0f} GiB of memory"
        if self._reason is not None:
            self._process.kill()

    def stop(self) -> str | None:
        """Why the process was ended, if it was."""
        self._over.set()
        self.join()
        return self._reason


def _resident_bytes(pid: int) -> int:
    """What a process holds in memory; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def part(module: str, function: str, *, limit: Limit | None = None, **options: Any) -> Run:
    """Run a function of a benchmark in a fresh process (see `child`)."""
    called = json.dumps(options, default=str)
    run = command(sys.executable, "-m", "bench.child", f"bench.{module}", function, called, limit=limit)
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

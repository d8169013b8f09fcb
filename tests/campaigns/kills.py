"""Killing: processes that write are killed at random moments, and what they were told was written must be there.

The log of what was acknowledged is outside: a line through a pipe, sent after the call returned. Half of the lives end
by a signal from outside, at any instruction; half end at a call into the operating system counted in advance, which
finds the places between two writes, and those of merges behind the back of the writer.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from faulty_disk import Disk
from workload import Broken, drain, examine, fork, opened, say, small_thresholds

from rhizomedb.errors import StoreError

LIVES_OF_A_FILE = 12
"""How many lives write to one file before the next one is begun: what is checked after each kill grows with it."""

STRIDE = 1_000_000
"""Each writer has numbers of its own."""


@dataclass
class Tally:
    """What a campaign of kills comes to."""

    kills: int = 0
    acknowledged: int = 0
    in_flight_kept: int = 0
    seconds: float = 0.0
    ends: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kills:,} kills, {self.acknowledged:,} acknowledged, 0 lost ({self.seconds:.0f} s)"


Bug = Callable[[], AbstractContextManager[object]]


def run(folder: Path, seed: int, kills: int, bug: Bug = nullcontext, tally: Tally | None = None) -> Tally:
    """Kill so many writers. Raises `Broken` if a promise does not hold."""
    tally = tally or Tally()
    began = time.monotonic()
    with small_thresholds():
        while kills > 0:
            lives = min(kills, LIVES_OF_A_FILE)
            _one_file(folder / f"{seed}", Random(seed), lives, bug, tally)
            kills, seed = kills - lives, seed + 1
    tally.seconds += time.monotonic() - began
    return tally


def _one_file(folder: Path, rng: Random, lives: int, bug: Bug, tally: Tally) -> None:
    folder.mkdir(parents=True)
    path = str(folder / "killed.db")
    if rng.random() < 0.5:  # else the first life is killed while it makes the file
        opened(path).close()
    acknowledged: set[int] = set()
    begun: set[int] = set()
    following = [1, STRIDE]
    left = lives
    while left:
        writers = [who for who in range(rng.choice([1, 1, 2])) if left > who]
        left -= len(writers)
        calls = [int(40 * 30 ** rng.random()) if rng.random() < 0.6 else 0 for _ in writers]
        started = [(who, *_start(path, folder, following[who], rng, calls[who], bug)) for who in writers]
        read = []
        for who, process, receive in started:
            # Who kills itself is mostly given the time to.
            read.append(_await(receive, rng, rng.choice([60, 60, 5]) if calls[who] else rng.choice([0, 3, 12, 24])))
            os.kill(process, signal.SIGKILL)
        for (who, process, receive), before in zip(started, read, strict=True):
            os.waitpid(process, 0)
            numbers = [int(line) for line in drain(receive, before)]
            acknowledged.update(numbers)
            begun.update((following[who] + len(numbers),))
            following[who] += len(numbers) + 1
            tally.acknowledged += len(numbers)
            tally.kills += 1
        if os.path.exists(path) and (os.path.getsize(path) or acknowledged):
            _check(path, acknowledged, begun, rng.random() < 0.3)
    tally.in_flight_kept += len(begun & _check(path, acknowledged, begun, True)) if acknowledged else 0
    shutil.rmtree(folder)


def _check(path: str, acknowledged: set[int], begun: set[int], twin: bool) -> set[int]:
    if not acknowledged:  # who was killed while making the file may have left none: it can be made again
        opened(path).close()
    try:
        return examine(path, acknowledged, begun, twin=twin)
    except StoreError as error:
        raise Broken(f"the file of one that was killed cannot be read: {error}") from error


def _start(path: str, folder: Path, first: int, rng: Random, calls: int, bug: Bug) -> tuple[int, int]:
    durability = rng.choice(["full", "full", "normal", "memory"])

    def work(send: int) -> None:
        disk = Disk.killing(calls) if calls else None
        with bug(), disk.in_place() if disk else nullcontext():
            db = opened(path, vfs=disk.vfs if disk else "", durability=durability)  # type: ignore[arg-type]  # one of them
            number = first
            while True:
                say(db, number, folder)
                os.write(send, b"%d\n" % number)
                number += 1

    return fork(work)


def _await(receive: int, rng: Random, enough: int) -> bytes:
    """Wait for some acknowledgements, and then for the blink of an eye; gives what was read."""
    enough = rng.randrange(enough + 1) if enough < 60 else enough
    read = b""
    while read.count(b"\n") < enough and select.select([receive], [], [], 1)[0]:
        some = os.read(receive, 4096)
        if not some:  # it has killed itself
            return read
        read += some
    time.sleep(0.006 * rng.random())
    return read

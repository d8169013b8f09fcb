"""A crowd: many processes write to one file and read it at once.

Nothing is lost or said twice, counters that are compared and set end exactly where they must, what a reader sees only
grows and is always all of some epoch, and nobody waits longer than a bound.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from workload import Broken, drain, examine_nothing_wrong, fork, opened, require, small_thresholds

from rhizomedb.db.connection import Connection
from rhizomedb.errors import Error
from rhizomedb.store import ALL, Cut

WAIT_S_MAX = 5.0
"""Longer than this nobody waits for a write."""

Bug = Callable[[], AbstractContextManager[object]]
COUNTER = b"counter"


@dataclass
class Tally:
    """What a crowd comes to."""

    writers: int = 0
    acknowledged: int = 0
    conflicts: int = 0
    reads: int = 0
    longest_wait_s: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.acknowledged:,} transactions of {self.writers} processes, {self.conflicts:,} lost races, "
            f"{self.reads:,} reads, longest wait {self.longest_wait_s:.2f} s, 0 lost ({self.seconds:.0f} s)"
        )


def _together(works: list[Callable[[int], None]]) -> list[list[str]]:
    """Run each in a process of its own; gives what each wrote."""
    started = [fork(work) for work in works]
    found: list[list[str]] = []
    failure: Broken | None = None
    for process, receive in started:
        try:
            found.append(drain(receive))
        except Broken as broken:
            failure = failure or broken
        os.waitpid(process, 0)
    if failure is not None:
        raise failure
    return found


# -- writers and a reader ----------------------------------------------------------------------------------------------


def write_and_read(
    folder: Path, writers: int, transactions: int, bug: Bug = nullcontext, *, counting: bool = True
) -> Tally:
    """Some writers and one reader on a file. Every tenth transaction also counts one up, by comparing and setting."""
    began = time.monotonic()
    path = str(folder / "crowd.db")
    stop = folder / "stop"
    with small_thresholds():
        with closing(opened(path)) as db:
            db.transact([(COUNTER, "count", 0)])
        works = [_writer(path, who, transactions, counting, bug) for who in range(writers)]
        reader, sees = fork(_reader(path, stop, bug))
        try:
            reports = _together(works)
        finally:
            stop.touch()
            os.waitpid(reader, 0)
        (reads,) = drain(sees)
        tally = Tally(writers, reads=int(reads))
        counted = 0
        for (report,) in reports:
            done, ups, races, longest = report.split()
            tally.acknowledged += int(done)
            tally.conflicts += int(races)
            tally.longest_wait_s = max(tally.longest_wait_s, float(longest))
            counted += int(ups)
        with closing(opened(path, create=False)) as db:
            facts = {row[1] for row in db._store.scan("fact", {"attribute": "said"}, ALL)}
            expected = {b"w%d/%d" % (who, number) for who in range(writers) for number in range(transactions)}
            require(facts == expected, f"every transaction is there once: {len(facts)} of {len(expected)}")
            deltas = 1 + tally.acknowledged
            require(db.stats().deltas == deltas, f"{deltas} deltas were acknowledged, {db.stats().deltas} are there")
            require(db._store.epoch() == deltas, f"each has an epoch of its own: {db._store.epoch()} of {deltas}")
            require(db.get(COUNTER, "count") == counted, f"the counter is {db.get(COUNTER, 'count')}, not {counted}")
            require(not db.conflicts(COUNTER), "nobody's update of the counter stands beside another's")
            examine_nothing_wrong(db)
    require(
        tally.longest_wait_s <= WAIT_S_MAX, f"nobody waits longer than {WAIT_S_MAX} s: {tally.longest_wait_s:.1f} s"
    )
    tally.seconds = time.monotonic() - began
    return tally


def _writer(path: str, who: int, transactions: int, counting: bool, bug: Bug) -> Callable[[int], None]:
    def work(send: int) -> None:
        done = ups = races = 0
        longest = 0.0
        with bug(), closing(opened(path, create=False, wait_ms=30_000)) as db:
            for number in range(transactions):
                began = time.monotonic()
                db.transact([(b"w%d/%d" % (who, number), "said", number)])
                longest = max(longest, time.monotonic() - began)
                done += 1
                if counting and number % 10 == 0:
                    lost = _count_up(db)
                    ups, races, done = ups + 1, races + lost, done + 1
        os.write(send, f"{done} {ups} {races} {longest}\n".encode())

    return work


def _count_up(db: Connection) -> int:
    """Count one up, however often somebody else is first; gives how often."""
    races = 0
    while True:
        seen = db.get(COUNTER, "count")
        try:
            db.transact([(COUNTER, "count", seen + 1)], expect={(COUNTER, "count"): seen})
            return races
        except Error as error:
            if error.code != "db.expectation-failed":
                raise
            races += 1


def _reader(path: str, stop: Path, bug: Bug) -> Callable[[int], None]:
    """What is seen only grows; an epoch is always all that it will ever be."""

    def work(send: int) -> None:
        reads, epoch, facts = 0, 0, 0
        with bug(), closing(opened(path, create=False)) as db:
            while not stop.exists():
                now = db._store.epoch()
                seen = db._store.counts(Cut(epoch=now))
                require(now >= epoch, f"epochs only grow: {epoch}, then {now}")
                require(seen["deltas"] == now, f"at epoch {now} there are {now} deltas, not {seen['deltas']}")
                require(seen["facts"] >= facts, "facts only become more")
                before = db._store.counts(Cut(epoch=epoch)) if epoch else seen
                require(not epoch or before["deltas"] == epoch, f"epoch {epoch} is what it was")
                rows = list(db._store.scan("fact", {"attribute": "said"}, Cut(epoch=now)))
                by_writer: dict[bytes, set[int]] = {}
                for _, entity, _, value in rows:
                    writer = entity.split(b"/")[0]  # type: ignore[union-attr]  # an entity is bytes
                    by_writer.setdefault(writer, set()).add(value)  # type: ignore[arg-type]  # the value is an int
                for writer, numbers in by_writer.items():
                    require(numbers == set(range(len(numbers))), f"of {writer!r} a beginning is seen, without gaps")
                epoch, facts, reads = now, seen["facts"], reads + 1
                time.sleep(0.002)  # two processors for all
        os.write(send, b"%d\n" % reads)

    return work


# -- makers ------------------------------------------------------------------------------------------------------------


def make_at_once(folder: Path, rounds: int, bug: Bug = nullcontext) -> int:
    """Two processes make the same file at the same moment, again and again."""
    for number in range(rounds):
        place = folder / str(number)
        place.mkdir()
        path = str(place / "new.db")
        gate, hold = os.pipe()

        def maker(who: int, path: str = path, gate: int = gate, hold: int = hold) -> Callable[[int], None]:
            def work(send: int) -> None:
                os.close(hold)
                os.read(gate, 1)  # both go on when the parent closes its end
                with bug(), closing(opened(path, wait_ms=30_000)) as db:
                    db.transact([(b"maker %d" % who, "made", who)])
                os.write(send, b"made\n")

            return work

        started = [fork(maker(who)) for who in range(2)]
        os.close(gate)
        os.close(hold)
        for process, receive in started:
            require(drain(receive) == ["made"], "each of two who make a file has it")
            os.waitpid(process, 0)
        with closing(opened(path, create=False)) as db:
            require(db.stats().deltas == 2 and db.stats().facts == 2, "what both said is there")
            examine_nothing_wrong(db)
        shutil.rmtree(place)
    return rounds

"""Imports that are interrupted and run again: the file ends as it would have without the interruption.

The process is killed at a random moment or at a call into the disk, gets Ctrl-C at a call of one of our functions, or
the disk fails at a call.
Then the same import runs to its end. What is said, what the views show and how many epochs there are is the same as
after an import that nothing interrupted; only times differ.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from faulty_disk import Disk
from workload import KEYS, NOW, drain, examine_nothing_wrong, fork, opened, require, small_thresholds

from rhizomedb.db.connection import Connection
from rhizomedb.errors import Error
from rhizomedb.exchange.importer import import_deltas, import_table
from rhizomedb.exchange.reader import Options, read_table
from rhizomedb.exchange.source import Source
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL

Bug = Callable[[], AbstractContextManager[object]]
ROWS: Final = 240
DELTAS: Final = 60
WAYS: Final = ("kill", "Ctrl-C", "kill at a call", "fault")


@dataclass
class Tally:
    """What a campaign of interruptions comes to."""

    interrupted: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.interrupted:,} imports interrupted ({dict(self.ways)}), {self.kept:,} of them after the end, all the same again ({self.seconds:.0f} s)"


def write_sources(folder: Path) -> None:
    """A table, a later version of it, and deltas of a peer."""
    lines = [f"{row},name {row},{row % 17}" for row in range(ROWS)]
    (folder / "first.csv").write_text("\n".join(["id,name,rank", *lines]) + "\n")
    changed = [line if row % 9 else f"{row},name {row} anew,{row % 13}" for row, line in enumerate(lines)]
    (folder / "second.csv").write_text("\n".join(["id,name,rank", *changed[: ROWS - 20]]) + "\n")
    key = KEYS.key("bob")
    deltas = []
    for number in range(DELTAS):
        group = Group(b"g%d" % (number // 3), 3) if number % 4 else None
        facts = [Fact(b"p%d" % (number % 20), f"a{part}", number) for part in range(8)]
        deltas.append(Delta.sign(key, system="peer", time=HybridTime(NOW, number), facts=facts, group=group))
    (folder / "peer.jsonl").write_text("".join(delta.to_json() + "\n" for delta in deltas))


def _first(db: Connection, folder: Path) -> None:
    import_table(db, read_table(str(folder / "first.csv"), Options(key=("id",))), author="table", key=("id",))


def _second(db: Connection, folder: Path) -> None:
    import_table(db, read_table(str(folder / "second.csv"), Options(key=("id",))), author="table", key=("id",))


def _peer(db: Connection, folder: Path) -> None:
    import_deltas(db, Source(str(folder / "peer.jsonl")), origin="peer")


IMPORTS: Final = {"first": _first, "second": _second, "peer": _peer}


def state(db: Connection) -> dict[str, Any]:
    """All that must be the same: what is said, by how many deltas, in which epochs, what is shown and what is held back."""
    facts = dict.fromkeys(db._store.scan("fact", {}, ALL))
    return {
        "facts": facts.keys(),
        "causes": set(db._store.scan("cause", {}, ALL)),
        "counts": db._store.counts(ALL),
        "epochs": [(epoch.number, epoch.origin.split("/")[-1]) for epoch in db.arrivals()],
        "sizes": [epoch for epoch, _ in db._store.envelopes()],
        "held": sorted(held.id for held in db.held()),
        "view": [(record.entity, {name: str(record[name]) for name in record}) for record in db.records()],
    }


def run(folder: Path, seed: int, times: int, bug: Bug = nullcontext) -> Tally:
    """Interrupt so many imports, each at another moment, and compare."""
    began = time.monotonic()
    tally = Tally()
    folder.mkdir(parents=True, exist_ok=True)
    write_sources(folder)
    with small_thresholds():
        expected = {name: _undisturbed(folder, name) for name in IMPORTS}
        for number in range(times):
            rng = Random(f"{seed}/{number}")
            name = ("first", "second", "peer")[number % 3]
            way = rng.choice(WAYS)
            usual = expected[name]
            where = folder / f"run {number}"
            shutil.copytree(usual.before, where)
            tally.kept += _interrupt(where, folder, name, way, usual, rng, bug)
            with bug(), closing(opened(str(where / "imported.db"))) as db:
                IMPORTS[name](db, folder)
                examine_nothing_wrong(db)
                found = state(db)
            for part, value in usual.state.items():
                require(
                    found[part] == value,
                    f"after {way!r} the {part} of import {name!r} are as without it (number {number} of seed {seed})",
                )
            tally.interrupted += 1
            tally.ways[way] += 1
            shutil.rmtree(where)
    tally.seconds = time.monotonic() - began
    return tally


class _Calls:
    """Counts the calls of our functions in this thread, and gives Ctrl-C at one of them."""

    def __init__(self, at: int = 0) -> None:
        self.count = 0
        self._at = at

    def __call__(self, frame: Any, event: str, argument: object) -> None:
        if event == "call" and "rhizomedb" in frame.f_code.co_filename:
            self.count += 1
            if self.count == self._at:
                sys.setprofile(None)
                os.kill(os.getpid(), signal.SIGINT)

    @contextmanager
    def counted(self) -> Iterator[None]:
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)


@dataclass(frozen=True)
class Usual:
    """What is there before an import, what it comes to, and how long it takes: in seconds, and in calls of either kind."""

    before: Path
    state: dict[str, Any]
    seconds: float
    disk_calls: int
    our_calls: int


def _undisturbed(folder: Path, name: str) -> Usual:
    """Run an import without interrupting it."""
    base, done = folder / f"before {name}", folder / f"after {name}"
    base.mkdir()
    if name == "second":
        with closing(opened(str(base / "imported.db"))) as db:
            _first(db, folder)
    shutil.copytree(base, done)
    disk, ours = Disk(), _Calls()
    with disk.in_place(), ours.counted():
        began = time.monotonic()
        with closing(opened(str(done / "imported.db"), vfs=disk.vfs)) as db:
            IMPORTS[name](db, folder)
        seconds = time.monotonic() - began
    with closing(opened(str(done / "imported.db"))) as db:
        wanted = state(db)
    shutil.rmtree(done)
    return Usual(base, wanted, seconds, len(disk.kinds), ours.count)


def _interrupt(where: Path, folder: Path, name: str, way: str, usual: Usual, rng: Random, bug: Bug) -> bool:
    """Run an import in a process that is interrupted; whether it had ended before."""
    at = rng.randrange(1, usual.disk_calls + 1)
    ours = _Calls(rng.randrange(1, usual.our_calls + 1) if way == "Ctrl-C" else 0)
    fault: Any = {"kill at a call": "kill", "fault": rng.choice(["eio", "full", "short", "eio for good"])}.get(way)

    def work(send: int) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        disk = Disk(fault, at)
        os.write(send, b"begun\n")
        try:
            with (
                bug(),
                disk.in_place() if fault else nullcontext(),
                ours.counted() if way == "Ctrl-C" else nullcontext(),
                closing(opened(str(where / "imported.db"), vfs=disk.vfs if fault else "")) as db,
            ):
                IMPORTS[name](db, folder)
            os.write(send, b"done\n")
        except (Error, KeyboardInterrupt):
            os.write(send, b"stopped\n")

    process, receive = fork(work)
    if way == "kill":
        os.read(receive, 1)
        time.sleep(rng.random() * usual.seconds)
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return "done" in drain(receive)

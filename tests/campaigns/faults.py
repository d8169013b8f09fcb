"""Faults at every call into the disk: three short scripts, each run once for every call and every fault.

What comes of a script is success or an error of ours. Afterwards, when the disk is well again, the file holds every
transaction that was acknowledged, of every other all or nothing, and `verify` finds nothing. Where a bit was changed
behind the back of everybody, `verify` or a reader may also say so; where the disk lied about what it keeps and then
lost its power, later transactions may be missing, but never one before another that is there.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from faulty_disk import APPLIES, Disk, Fault
from workload import (
    Broken,
    Found,
    _kind,
    _table,
    examine,
    opened,
    own_triples,
    require,
    say,
    shows,
    small_thresholds,
)

from rhizomedb.db.connection import Connection
from rhizomedb.errors import Error
from rhizomedb.store.file import File
from rhizomedb.store.folder import Folder
from rhizomedb.store.indexed import Indexed
from rhizomedb.store.keeper import Keeper
from rhizomedb.store.layout import APPLICATION_ID
from rhizomedb.store.upgrade import TABLES

FAULTS: tuple[Fault, ...] = tuple(fault for fault in APPLIES if fault != "kill")  # type: ignore[assignment]  # its keys are faults


@dataclass
class Scene:
    """One run of a script: where it is, what was acknowledged, in which order things were begun."""

    folder: Path
    disk: Disk
    acknowledged: list[int] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def path(self) -> str:
        return str(self.folder / "faulty.db")

    def attempt(self, act: Callable[[], Any]) -> Any:
        """Do something that may fail with an error of ours."""
        try:
            return act()
        except Error as error:
            self.errors[error.code] += 1
            return None

    def open(self) -> Connection | None:
        found: Connection | None = self.attempt(lambda: opened(self.path, vfs=self.disk.vfs))
        return found

    def say(self, db: Connection, *numbers: int) -> None:
        for number in numbers:
            self.begun.append(number)
            try:
                say(db, number, self.folder)
            except Error as error:
                self.errors[error.code] += 1
            else:
                self.acknowledged.append(number)

    def read(self, db: Connection) -> None:
        """What was acknowledged is shown, or an error of ours."""
        for number in self.acknowledged:
            seen = self.attempt(lambda number=number: shows(db, number))
            require(seen is not False, f"transaction {number} is read as it was written, or not at all")


def _numbers(*kinds: str) -> list[int]:
    """Transactions of some kinds, each the first of its kind that is not taken."""
    taken: list[int] = []
    for kind in kinds:
        taken.append(
            next(number for number in range(1, 10_000) if _kind(number).__name__ == kind and number not in taken)
        )
    return taken


def write_and_reopen(scene: Scene) -> None:
    """Make a file, write, close it, open it, write again."""
    numbers = _numbers("_one", "_several", "_group", "_repeat", "_one", "_attach", "_repeat")
    for some in (numbers[:4], numbers[4:]):
        db = scene.open()
        if db is not None:
            with closing(db):
                scene.say(db, *some)
                scene.read(db)


def import_again_and_read(scene: Scene) -> None:
    """Import a table, import it again, read it: nothing is said twice."""
    (table,) = _numbers("_table")
    db = scene.open()
    if db is None:
        return
    with closing(db):
        scene.say(db, table)
        before = scene.attempt(db._store.epoch)
        again = scene.attempt(lambda: _table(db, table, scene.folder) or db._store.epoch())
        if table in scene.acknowledged and before is not None and again is not None:
            require(again == before, "an unchanged table adds nothing")
        scene.read(db)


def upgrade_and_rebuild(scene: Scene) -> None:
    """Open a file of the older format, write, checkpoint, make the index anew, merge it."""
    before = _numbers("_one", "_several", "_group")
    scene.acknowledged += before
    scene.begun += before
    db = scene.open()
    if db is None:
        return
    with closing(db):
        scene.read(db)
        scene.say(db, *_numbers("_one", "_one", "_one", "_one", "_repeat", "_repeat")[3:])
        file: File = db._store._file  # type: ignore[attr-defined]  # the store is one in a file
        scene.attempt(lambda: file.run("PRAGMA wal_checkpoint(TRUNCATE)"))
        scene.attempt(db.rebuild_index)
        scene.read(db)
        scene.attempt(Indexed(file).tidy)


def _nothing(folder: Path) -> None:
    """Begin without a file."""


def _old_file(folder: Path) -> None:
    """A file of format 1, as older versions made it, with some transactions in it."""
    with closing(opened(str(folder / "new.db"))) as db:
        for number in _numbers("_one", "_several", "_group"):
            say(db, number, folder)
        epochs = [(epoch.number, epoch.at_ms, epoch.origin) for epoch in db.arrivals()]
        log = [(seq, *row) for seq, row in enumerate(db._store.envelopes(), 1)]
    old = sqlite3.connect(folder / "faulty.db", isolation_level=None)
    old.execute("PRAGMA journal_mode=WAL")
    for statement in sorted(TABLES[1], key=lambda text: text.startswith("CREATE INDEX") or "UNIQUE INDEX" in text):
        old.execute(statement)
    old.executemany("INSERT INTO epoch VALUES (?, ?, ?)", epochs)
    old.executemany("INSERT INTO log VALUES (?, ?, ?)", log)
    old.execute(f"PRAGMA application_id={APPLICATION_ID}")
    old.execute("PRAGMA user_version=1")
    old.close()
    for path in folder.glob("new.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


SCRIPTS: dict[str, tuple[Callable[[Path], None], Callable[[Scene], None]]] = {
    "write": (_nothing, write_and_reopen),
    "import": (_nothing, import_again_and_read),
    "upgrade": (_old_file, upgrade_and_rebuild),
}
"""Each script, with what is there before it."""

Bug = Callable[[], AbstractContextManager[object]]


@dataclass
class Tally:
    """What a campaign of faults comes to."""

    calls: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.runs.total():,} faults, at {self.calls.total():,} calls of {len(self.calls)} scripts: {dict(self.outcomes)}"


class Grid:
    """Every call of a script with every fault."""

    def __init__(self, folder: Path, script: str, seed: int = 0, bug: Bug = nullcontext) -> None:
        self.folder = folder
        self.script = script
        self.seed = seed
        self.bug = bug
        self.tally = Tally()
        self._template = folder / "template"
        self._template.mkdir(parents=True)
        SCRIPTS[script][0](self._template)
        self.kinds = self._play(Disk()).disk.kinds
        self.tally.calls[script] = len(self.kinds)

    def run(self, fault: Fault, calls: Iterable[int] | None = None, repeat: int = 1) -> Tally:
        """Run the script for each call at which a fault can strike."""
        for at in calls or range(1, len(self.kinds) + 1):
            if at <= len(self.kinds) and self.kinds[at - 1] in APPLIES[fault]:
                for again in range(repeat):
                    self.strike(fault, at, hash((self.seed, at, again)))
        return self.tally

    def strike(self, fault: Fault, at: int, seed: int) -> None:
        """One run."""
        disk = Disk(fault, at, seed)
        if fault == "lie":
            disk.dies_at = Random(seed).randrange(at + 1, len(self.kinds) + 10)
        try:
            scene = self._play(disk)
            if fault in ("power", "lie"):
                disk.lose_power()
            outcome = self._judge(scene, fault, seed)
        except Broken as broken:
            raise Broken(f"{broken} (script {self.script!r}, fault {fault!r} at call {at}, seed {seed})") from broken
        self.tally.runs[fault] += 1
        self.tally.outcomes[outcome if disk.struck else "not reached"] += 1

    def _play(self, disk: Disk) -> Scene:
        folder = self.folder / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._template, folder)
        scene = Scene(folder, disk)
        with ExitStack() as stack:
            stack.enter_context(small_thresholds())
            stack.enter_context(_merging_at_once())
            stack.enter_context(disk.in_place())
            stack.enter_context(self.bug())
            try:
                SCRIPTS[self.script][1](scene)
            except Broken:
                raise
            except Exception as error:
                raise Broken(f"only errors of ours come out, not {type(error).__name__}: {error}") from error
        return scene

    def _judge(self, scene: Scene, fault: Fault, seed: int) -> str:
        try:
            if not scene.acknowledged:  # the file may not have been made yet: it can be, now
                opened(scene.path).close()
            acknowledged = [] if fault == "lie" else scene.acknowledged
            with small_thresholds():
                lost = fault in ("power", "lie")
                present = examine(scene.path, acknowledged, scene.begun, twin=seed % 4 == 0, index_may_be_lost=lost)
        except Found:
            if fault not in ("flip read", "flip write", "lie"):
                raise
            return "found by verify"
        except Error as error:
            if fault not in ("flip read", "flip write", "lie"):
                raise Broken(f"the file is well when the disk is, but: {error}") from error
            return "refused"
        order = [number for number in scene.begun if number in present]
        if fault == "lie" and set(scene.acknowledged) - present:
            kept = [number for number in scene.acknowledged if number in present]
            require(
                kept == scene.acknowledged[: len(kept)],
                f"what is left is what was first, not {order} of {scene.acknowledged}",
            )
            return "shorter after a lie"
        return "failed with an error" if scene.errors else "went well"


# -- segments that are not there ---------------------------------------------------------------------------------------


def _with_segments(folder: Path, many: int = 6) -> tuple[str, list[int]]:
    """A file with some segments, and the transactions in it."""
    folder.mkdir(parents=True)
    path = str(folder / "segments.db")
    numbers = _numbers(*["_several"] * many)
    with small_thresholds(), closing(opened(path)) as db:
        for number in numbers:
            say(db, number, folder)
    return path, numbers


def lose_a_segment(folder: Path, bug: Bug = nullcontext) -> None:
    """A segment is gone for good, and what is written next is as if it had never been."""
    path, numbers = _with_segments(folder)
    segments = sorted(Path(f"{path}-index").glob("*.seg"))
    require(segments, "there are segments")
    kept = {segment: segment.read_bytes() for segment in segments}
    for segment in segments:
        segment.unlink()
    more = _numbers(*["_several"] * 9)[6:]
    with small_thresholds(), bug(), closing(opened(path)) as db:
        require(shows(db, numbers[0]), "what was written is read without them")
        for segment, data in kept.items():  # they come back too late
            segment.write_bytes(data)
        for number in more:
            say(db, number, folder)
    examine(path, [*numbers, *more], [*numbers, *more])


def lose_one_in_the_middle(folder: Path) -> None:
    """Of three segments the second is gone, and what was written last is in none."""
    path, numbers = _with_segments(folder, 20)
    with closing(sqlite3.connect(path)) as file:
        names = [name for (name,) in file.execute("SELECT name FROM segment ORDER BY last")]
    require(len(names) > 2, "there are three segments")
    last = _numbers("_one")
    with closing(opened(path)) as db:
        say(db, last[0], folder)
    Path(f"{path}-index", names[1]).unlink()
    examine(path, [*numbers, *last], [*numbers, *last])


def miss_a_segment(folder: Path, bug: Bug = nullcontext) -> None:
    """A segment is not there for a moment, as when somebody merged it between two looks."""
    path, numbers = _with_segments(folder)
    find, late = Folder.map, 1

    def blink(self: Folder, name: str, size: int) -> memoryview | None:
        nonlocal late
        late -= 1
        return None if late >= 0 else find(self, name, size)

    with bug(), ExitStack() as stack:
        stack.callback(setattr, Folder, "map", find)
        Folder.map = blink  # type: ignore[method-assign]  # put back above
        with closing(opened(path)) as db:
            require(shows(db, numbers[0]), "what was written is read")
            indexed: Indexed = db._store._indexed  # type: ignore[attr-defined]  # the store is one in a file
            require(
                not indexed.tiers.in_memory, "a segment that is there at the second look is used, and not made again"
            )
            require(late < 0, "it was looked for again")


def _merging_at_once() -> AbstractContextManager[object]:
    """Merges are done in the thread that asks for them, so that calls come in one order."""
    stack = ExitStack()
    before = Keeper.look
    Keeper.look = Keeper._work  # type: ignore[method-assign]  # put back below
    stack.callback(setattr, Keeper, "look", before)
    return stack


__all__ = ["FAULTS", "SCRIPTS", "Grid", "Tally", "own_triples"]

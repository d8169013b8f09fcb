"""Ctrl-C between any two steps of a connection that goes on being used: it answers like a fresh one afterwards.

A script of writes, reads and looks at a standing view runs over one file. In each of its parts Ctrl-C comes once, where
Python looks for it: as a function of ours is entered (so before the first step of an `__exit__`, too), or as a call out
of one of ours returns. First the parts run undisturbed and every such place is noted; then each is visited, or as many
as there is time for. What was raised is kept, as an interactive session keeps it: so nothing is mended by chance when a
frame is forgotten.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from inspect import CO_GENERATOR
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw
from workload import Broken, examine_nothing_wrong, opened, require, small_thresholds

from rhizomedb.db.connection import Connection
from rhizomedb.db.live.outlet import ViewWatch
from rhizomedb.db.live.view_change import ViewChange
from rhizomedb.errors import Error
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL

Place = tuple[str, int, str]
"""Where Python looks for Ctrl-C: a file, a line, and what happens there."""

PROGRAM: Final = """
edge(a: X, b: Y) :- stands(entity: X, attribute: "to", value: Y).
path(a: X, b: Y) :- edge(a: X, b: Y).
path(a: X, b: Z) :- path(a: X, b: Y), edge(a: Y, b: Z).
"""
RELATIONS: Final = ("edge", "path")
NODES: Final = 12
STEPS_PER_FILE: Final = 25
TIMES_MAX: Final = 4
"""At which visit of a place, at most, Ctrl-C comes."""

WITHIN: Final = ("/rhizomedb/store/", "/rhizomedb/db/", "/contextlib.py")
"""Where it comes: in what keeps state of a file from one call to the next, and in the contexts that this uses."""

WAITS: Final = ("db.view-waits", "db.nothing-to-retract", "db.unknown-entity")
"""What a part of the script may say without being interrupted."""


@dataclass
class Tally:
    """What a campaign of steps comes to."""

    places: int = 0
    interrupted: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"Ctrl-C {self.interrupted:,} times at {self.places:,} places ({dict(self.kinds)}) ({self.seconds:.0f} s)"
        )


class _Looks:
    """Counts the places at which Python looks for Ctrl-C, and lets it come at one of them."""

    def __init__(self, at: Place | None = None, visit: int = 1) -> None:
        self.seen: Counter[Place] = Counter()
        self._at = at
        self._visit = visit

    def __call__(self, frame: Any, event: str, _argument: object) -> None:
        if event not in ("call", "c_return"):
            return
        code = frame.f_code
        # A generator that is closed is said to be entered too, where nobody would hear of it.
        if code.co_name == "__del__" or (event == "call" and code.co_flags & CO_GENERATOR):
            return
        if not any(part in code.co_filename for part in WITHIN):
            return
        place = code.co_filename, frame.f_lineno, event
        self.seen[place] += 1
        if place == self._at and self.seen[place] == self._visit:
            sys.setprofile(None)
            raise KeyboardInterrupt

    @contextmanager
    def noted(self) -> Iterator[None]:
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)


class Script:
    """One file, the connection that is interrupted, its view and watch, and what the watch told so far."""

    def __init__(self, path: str, rng: Random) -> None:
        self.rng = rng
        self.path = path
        self.db = opened(path, durability="memory")
        self.db.transact([self._edge() for _ in range(NODES)])
        self.view = self.db.view(PROGRAM)
        self.watch: ViewWatch = self.view.watch(RELATIONS, from_now=False, timeout_s=0, buffer=rng.choice([1, 3, 1000]))
        self.handed: list[ViewChange] = []
        self.told: dict[str, set[Any]] = {name: set() for name in RELATIONS}

    def _edge(self) -> tuple[bytes, str, object]:
        return b"n%d" % self.rng.randrange(NODES), "to", b"n%d" % self.rng.randrange(NODES)

    def say(self) -> None:
        """A write."""
        self.db.transact([self._edge() for _ in range(self.rng.randrange(1, 4))])

    def say_much(self) -> None:
        """A write of several deltas, that goes to files and has them merged."""
        facts = [Fact(b"m%d" % self.rng.randrange(10**9), "part", part) for part in range(120)]
        self.db.transact([*facts, self._edge()])

    def take_back(self) -> None:
        """Another."""
        self.db.retract(b"n%d" % self.rng.randrange(NODES), "to")

    def attach(self) -> None:
        """A write of blocks too."""
        self.db.attach(b"n%d" % self.rng.randrange(NODES), "file", self.rng.randbytes(2_000))

    def catch_up(self) -> None:
        """A read of what somebody else wrote."""
        self.db.query(PROGRAM, relation="edge")

    def ask(self) -> None:
        """Reads at two moments."""
        list(self.db.query(PROGRAM, relation="path"))
        list(self.db.records())

    def look(self) -> None:
        """The view."""
        self.view.relation("path")

    def follow(self) -> None:
        """The view, after whatever was."""
        self.view.refresh()

    def rewind(self) -> None:
        """The view, elsewhere."""
        self.view.rewind(self.rng.randrange(1, self.view.epoch + 1))

    def take(self) -> None:
        """The watch."""
        for change in self.watch:
            self.handed.append(change)

    def apply(self) -> None:
        """Do what the watch told."""
        self.take()
        changes, self.handed = self.handed, []
        for change in changes:
            for name in RELATIONS:
                came, went, known = set(change[name].plus), set(change[name].minus), self.told[name]
                require(went <= known and not came & known, "every change is handed out once, and in order")
                known -= went
                known |= came

    def by_others(self) -> None:
        """What another process writes."""
        other = opened(self.path, durability="memory")
        try:
            for _ in range(self.rng.randrange(1, 4)):
                other.transact([self._edge()])
        finally:
            other.close()

    def check(self, of: str) -> None:
        """The connection goes on, answers like a fresh one, and its view and watch are where they should be."""
        try:
            store = self.db._store
            require(not store.is_writing and not store.file.is_writing, f"nothing is open after {of}")
            require(store.file._connection.txn_state() == apsw.SQLITE_TXN_NONE, f"nothing is open after {of}")
            fresh = opened(self.path, durability="memory")
            try:
                asked: dict[str, Callable[[Connection], object]] = {
                    "facts": lambda db: set(db._store.scan("fact", {}, ALL)),
                    "counts": lambda db: db._store.counts(ALL),
                    "epochs": lambda db: [epoch.number for epoch in db.arrivals()],
                    "storage": lambda db: db._store.chunks.total(),
                    **{name: lambda db, name=name: set(db.query(PROGRAM, relation=name)) for name in RELATIONS},
                }
                answers = {name: ask(fresh) for name, ask in asked.items()}
                for name, ask in asked.items():
                    require(ask(self.db) == answers[name], f"it answers like a fresh one ({name}) after {of}")
            finally:
                fresh.close()
            self.apply()
            self.view.refresh()
            self.apply()
            for name in RELATIONS:
                require(set(self.view.relation(name)) == answers[name], f"the view answers like a fresh one after {of}")
                require(self.told[name] == answers[name], f"every change is handed out once: {name} after {of}")
        except Broken:
            raise
        except (Error, AssertionError) as error:
            require(False, f"it goes on after {of}, and not: {error}")


OWN: Final = ("say", "say_much", "take_back", "attach", "catch_up", "ask", "look", "follow", "rewind", "take")

FOLLOWING: Final = ("catch_up", "look", "follow", "take")
"""Before these somebody else writes, so that they have something to do."""


def run(
    folder: Path,
    seed: int,
    times: int,
    bug: Callable[[], AbstractContextManager[object]] = nullcontext,
    seconds: float = 60.0,
) -> Tally:
    """Let Ctrl-C come so often, each time at another place as long as there are others; no longer than so many seconds."""
    began = time.monotonic()
    tally = Tally()
    folder.mkdir(parents=True, exist_ok=True)
    kept: list[BaseException] = []
    with small_thresholds(), bug():
        places = _places(folder, Random(f"{seed}/places"))
        tally.places = len(places)
        script, left = None, 0
        for number in range(times):
            if time.monotonic() - began > seconds:
                break
            rng = Random(f"{seed}/{number}")
            kind, place, visits = places[number % len(places)]
            if script is None or not left:
                if script is not None:
                    _end(script)
                script, left = Script(str(folder / f"{number}.db"), rng), STEPS_PER_FILE
            left -= 1
            script.rng = rng
            of = f"{kind} at {Path(place[0]).name}:{place[1]} ({place[2]}), number {number} of seed {seed}"
            if kind in FOLLOWING or rng.random() < 0.2:
                script.by_others()
            try:
                with _Looks(place, rng.randrange(1, min(visits, TIMES_MAX) + 1)).noted():
                    getattr(script, kind)()
            except KeyboardInterrupt as error:
                kept[:] = [error]
                tally.interrupted += 1
                tally.kinds[kind] += 1
            except (Error, AssertionError) as error:
                require(isinstance(error, Error) and error.code in WAITS, f"it goes on at {of}, and not: {error}")
            script.check(of)
        if script is not None:
            _end(script)
    tally.seconds = time.monotonic() - began
    return tally


def _end(script: Script) -> None:
    script.db.close()
    with_fresh = opened(script.path, durability="memory")
    try:
        examine_nothing_wrong(with_fresh)
    finally:
        with_fresh.close()


def _places(folder: Path, rng: Random) -> list[tuple[str, Place, int]]:
    """Where Ctrl-C can come in each part of the script, and how often; the parts in turn, each in an order of chance."""
    script = Script(str(folder / "undisturbed.db"), rng)
    seen: dict[tuple[str, Place], int] = {}
    for kind in OWN * 3:
        if kind in FOLLOWING:
            script.by_others()
        looks = _Looks()
        with suppress(Error), looks.noted():
            getattr(script, kind)()
        script.check(f"{kind}, undisturbed")
        for place, count in looks.seen.items():
            seen[kind, place] = max(count, seen.get((kind, place), 0))
    _end(script)
    of: dict[str, list[tuple[str, Place, int]]] = {kind: [] for kind in OWN}
    for (kind, place), count in sorted(seen.items()):
        of[kind].append((kind, place, count))
    for some in of.values():
        rng.shuffle(some)
    return [each for turn in zip_longest(*of.values()) for each in turn if each is not None]

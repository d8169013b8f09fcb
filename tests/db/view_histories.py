"""What the laws of standing views draw: programs over what is stored, and histories of several authors and copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import ProgramError, RequestError
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import exact
from rhizomedb.logic import Program, parse
from rhizomedb.testing.strategies import programs

BASES = {
    "edge": (
        'edge(from: X, to: Y) :- fact(entity: X, attribute: "a", value: Y).',
        'edge(from: X, to: Y) :- stands(entity: X, attribute: "a", value: Y).',
        "edge(from: X, to: Y) :- cause(from: X, to: Y).",
        "edge(from: X, to: Y) :- asserts(delta: X, fact: Y).",
        'edge(from: X, to: Y) :- fact(entity: X, attribute: "nobody says it", value: Y).',
        'edge(from: X, to: Y) :- fact(entity: E, attribute: "a", value: X), stands(entity: E, attribute: "b", value: Y).',
    ),
    "node": (
        'node(id: X) :- stands(attribute: "b", value: X).',
        "node(id: X) :- delta(author: X).",
        "node(id: X) :- fact(attribute: X).",
        "node(id: X) :- arrival(epoch: X).",
        'node(id: X) :- X := fact(attribute: "b").',
        'node(id: X) :- fact(entity: X), !stands(entity: X, attribute: "b").',
    ),
    "score": (
        'score(of: X, points: Y) :- stands(entity: X, attribute: "b", value: Y).',
        "score(of: X, points: Y) :- fact(entity: X, value: Y).",
        "score(of: X, points: Y) :- delta(author: X, counter: Y).",
        'score(of: X, points: N) :- fact(entity: X), N := count : stands(entity: X, attribute: "a").',
        'score(of: X, points: N) :- fact(entity: X, attribute: "a"), N := sum V : fact(entity: X, attribute: "a", value: V).',
    ),
}
"""Rules from what is stored to the relations that random programs read."""

ENTITIES = [bytes([number]) * 16 for number in range(3)]
AUTHORS = st.sampled_from(["ann", "bob", "imdb"])
SAYINGS = st.lists(
    st.tuples(st.sampled_from(ENTITIES), st.sampled_from(["a", "b"]), st.integers(0, 2) | st.sampled_from([1.0, *ENTITIES[:2]])),
    min_size=1,
    max_size=3,
)  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.sampled_from(["person", "source", "import", "elsewhere", "ahead"]), AUTHORS, SAYINGS),
    st.tuples(st.just("causes"), AUTHORS, SAYINGS),
    st.tuples(st.just("echo"), AUTHORS, st.integers(0, 3)),
    st.tuples(st.just("echo"), AUTHORS, st.just(0)),
    st.tuples(st.sampled_from(["retract", "retract own"]), AUTHORS, st.sampled_from(ENTITIES)),
    st.tuples(st.sampled_from(["merge", "wait"]), st.none(), st.none()),
)
HISTORIES = st.lists(STEPS, min_size=3, max_size=9)


@st.composite
def stored_programs(draw: Any) -> Program:
    """Random programs whose base relations are rules over what a database stores."""
    drawn = draw(programs(rules_max=5))
    rules = parse("\n".join(draw(st.sampled_from(texts)) for texts in BASES.values())).rules
    return Program((*rules, *drawn.rules))


class Wall:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        self.ms += 1
        return self.ms


class World:
    """A database and another copy, that are written to step by step."""

    def __init__(self, db: Connection, other: Connection, wall: Wall) -> None:
        self.db = db
        self.other = other
        self.wall = wall

    def step(self, action: str, author: Any, what: Any) -> None:
        match action:
            case "person" | "source":
                self.db.transact(what, author=author, scope="seen" if action == "person" else "own")
            case "import":
                self.db.write_source([list(dict.fromkeys(what))], author=author, origin="import")
            case "causes":
                known = [fact.cid for fact in self.db.facts()][:2]
                self.db.transact([Fact(*parts, known) for parts in what], author=author)
            case "echo":  # the same facts, said by another
                self.db.transact(list(self.db.facts())[what : what + 2], author=author)
            case "elsewhere":
                self.other.transact(what, author=author)
            case "ahead":  # what is said by a clock that is an hour ahead is held back
                self.wall.ms += 3_600_000 + AHEAD_MS_MAX
                self.other.transact(what, author=author)
                self.wall.ms -= 3_600_000 + AHEAD_MS_MAX
            case "merge":
                for copy, there in ((self.db, self.other), (self.other, self.db)):
                    copy.admit([delta.encode() for delta in there.deltas()], origin="merge")
            case "wait":
                self.wall.ms += 3_700_000
            case _:
                try:
                    self.db.retract(what, author=author, scope="own" if action.endswith("own") else "seen")
                except RequestError as error:
                    assert error.code in ("db.nothing-to-retract", "db.unknown-entity")


@contextmanager
def world(kind: str) -> Iterator[World]:
    """A new database in memory or in a file, and another copy."""
    wall, keyring = Wall(), Keyring()

    def opened(path: str) -> Connection:
        return connect(path, clock=wall, keyring=keyring, author="ann", durability="memory")

    with TemporaryDirectory() as folder:
        path = ":memory:" if kind == "memory" else str(Path(folder) / "test.db")
        with opened(path) as db, opened(":memory:") as other:
            yield World(db, other, wall)


def sensible(make: Callable[[], Any]) -> Any:
    """What it makes; a program that the check refuses is not looked at."""
    try:
        return make()
    except ProgramError:
        assume(False)


def cells(rows: Iterable[Any]) -> set[Any]:
    """Tuples under which 1, 1.0 and true are three."""
    return {tuple(map(exact, row)) for row in rows}

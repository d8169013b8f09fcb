"""Views that are interrupted anywhere are what queries say, and tell each change once, whoever writes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from rhizomedb.budget import Meter
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import RequestError

PROGRAM = """
    edge(x: X, y: Y) :- stands(entity: X, attribute: "to", value: Y).
    name(x: X, n: N) :- stands(entity: X, attribute: "n", value: N).
    path(x: X, y: Y) :- edge(x: X, y: Y).
    path(x: X, y: Z) :- path(x: X, y: Y), edge(x: Y, y: Z).
    lone(x: X) :- name(x: X), !edge(x: X).
    loud(x: X, y: T) :- name(x: X, n: N), T := concat(N, "!").
    both(x: T) :- loud(y: T), name(n: T).
    many(x: X, n: N) :- name(x: X), N := count : path(x: X).
    best(x: M) :- M := max T : name(n: T).
    turn(x: X) :- edge(x: X, y: Y), edge(x: Y, y: Z), edge(x: Z, y: X).
"""
WATCHED = ("path", "lone", "loud", "both", "many", "best", "turn")
ALL = "\n".join(f"all(x: X) :- {name}(x: X)." for name in WATCHED)
NODES = [bytes([number]) * 16 for number in range(6)]
STEPS = 20
NOTHING = ("db.unknown-entity", "db.nothing-to-retract")


class Interrupting:
    """Meters that raise at one of their next calls."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls_left: int | None = None
        for name in ("check", "spend", "round"):
            patch.setattr(Meter, name, self._counted(getattr(Meter, name)))

    def _counted(self, method: Any) -> Any:
        def call(meter: Meter, *arguments: Any) -> Any:
            if self.calls_left is not None:
                self.calls_left -= 1
                if self.calls_left <= 0:
                    self.calls_left = None
                    raise KeyboardInterrupt
            return method(meter, *arguments)

        return call


def act(chance: random.Random, writer: Connection, view: Any) -> None:
    """Something that moves the view: what is said, taken back, or another epoch that is asked for."""
    node = chance.choice(NODES)
    match chance.choices(["to", "n", "retract", "rewind"], [5, 4, 1, 1])[0]:
        case "to":
            writer.transact([(node, "to", chance.choice(NODES))])
        case "n":
            writer.transact([(node, "n", chance.choice(["v", "v!", "v!!", "w", "w!"]))])
        case "retract":
            writer.retract(node, chance.choice(["to", "n"]))
        case _:
            view.rewind(chance.randint(0, view.epoch))


def rows(result: Any) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in result}


@pytest.mark.parametrize("seed", range(6))
def test_a_view_that_is_interrupted_is_the_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    path = ":memory:" if seed % 3 == 0 else str(tmp_path / "test.db")
    keyring = Keyring()
    with connect(path, author="ann", keyring=keyring) as db:
        writers = [db] if path == ":memory:" else [db, connect(path, author="bob", keyring=keyring)]
        db.transact([(NODES[0], "n", "v"), (NODES[0], "to", NODES[1])])
        view = db.view(PROGRAM + ALL, relation="all")
        watch = view.watch(WATCHED, timeout_s=0)
        told = {name: rows(view.relation(name)) for name in WATCHED}
        meters, interrupted = Interrupting(monkeypatch), 0
        for _ in range(STEPS):
            for calls, move in ((12, lambda: act(chance, chance.choice(writers), view)), (30, view.refresh)):
                meters.calls_left = chance.randint(1, calls) if chance.random() < 0.4 else None
                try:
                    move()
                except KeyboardInterrupt:
                    interrupted += 1
                except RequestError as error:
                    assert error.code in NOTHING, error
            meters.calls_left = None
            view.refresh()
            for change in watch:
                for name in WATCHED:
                    went, came = rows(change[name].minus), rows(change[name].plus)
                    assert went <= told[name] and not came & told[name], "each change is told once"
                    told[name] = told[name] - went | came
            for name in WATCHED:
                assert rows(view.relation(name)) == told[name] == rows(db.query(PROGRAM, relation=name)), name
        assert interrupted
        for writer in writers[1:]:
            writer.close()

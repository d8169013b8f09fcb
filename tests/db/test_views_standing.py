"""Standing views: what they tell, when they move, what stops them, and what is left when they are closed."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import weakref
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import pytest

import rhizomedb
from rhizomedb._native import backend
from rhizomedb.budget import Budget
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.live.live_view import View
from rhizomedb.db.live.outlet import Outlet
from rhizomedb.db.live.stored import NumberStored, PlainStored
from rhizomedb.db.live.view_change import ViewChange
from rhizomedb.errors import BudgetExceeded, ProgramError, RequestError
from rhizomedb.facts.clock import AHEAD_MS_MAX
from rhizomedb.facts.fact import Fact
from rhizomedb.flow.engine import Engine

FILMS = """
    film(title: T, minutes: R) :-
        stands(entity: E, attribute: "name", value: T), stands(entity: E, attribute: "runtime", value: R).
    long(title: T) :- film(title: T, minutes: R), R > 120.
"""
SCRIPT = str(Path(__file__).with_name("watch_script.py"))
COUNTED = 'n(of: N) :- N := count : fact(attribute: "n").'


def rows(result: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in result]


def say(db: Connection, minutes: int, title: str = "Alien") -> None:
    db.transact([(title, "runtime", minutes)])


# What is told


def test_an_epoch_tells_what_came_and_what_went(db: Connection) -> None:
    say(db, 117)
    view = db.view(FILMS, relation="film")
    watch = view.watch(timeout_s=0)
    say(db, 137)
    (change,) = watch
    assert (change.epoch, change.before, change.relation) == (2, 1, "film")
    assert rows(change.plus) == [("Alien", 137)] and rows(change.minus) == [("Alien", 117)]
    assert change.plus[0].minutes == 137
    assert str(change) == "epoch 2\n  - film('Alien', 117)\n  + film('Alien', 137)"
    assert [(sign, tuple(row)) for sign, row in change] == [("-", ("Alien", 117)), ("+", ("Alien", 137))]
    db.retract("Alien", "runtime")
    (change,) = watch
    assert not change.plus and rows(change.minus) == [("Alien", 137)]


def test_one_item_for_each_epoch_that_changes_what_is_watched(db: Connection) -> None:
    view = db.view(FILMS)
    film, both = view.watch("film", timeout_s=0), view.watch(["long", "film"], timeout_s=0)
    say(db, 117)
    db.transact([("Alien", "genre", "Horror")])
    say(db, 137)
    assert [change.epoch for change in film] == [1, 3]
    changes = list(both)
    assert [list(change.relations) for change in changes] == [["film"], ["long", "film"]]
    assert rows(changes[1].plus) == [("Alien",)] and rows(changes[1]["film"].minus) == [("Alien", 117)]


def test_everything_that_there_is_can_come_first(db: Connection) -> None:
    say(db, 117)
    say(db, 170, "Heat")
    view = db.view(FILMS, relation="film")
    first, *rest = view.watch(from_now=False, timeout_s=0)
    assert (first.before, first.epoch, rest) == (None, 2, [])
    assert rows(first.plus) == [("Alien", 117), ("Heat", 170)]


def test_what_is_read_is_read_and_not_computed(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    say(db, 137)
    view = db.view(FILMS)
    monkeypatch.setattr("rhizomedb.algebra.evaluation.evaluate", None)
    monkeypatch.setattr(Engine, "step", None)
    assert rows(view.relation()) == [("Alien",)] and rows(view.relation("film")) == [("Alien", 137)]


def test_what_a_view_does_not_read_costs_it_no_step(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    view = db.view('x(of: E) :- fact(entity: E, attribute: "nobody says it"), !fact(entity: E, attribute: "nor this").')
    right = Engine.step

    def step(self: Engine, *changes: object) -> object:
        assert not self.standing, "a query runs once, a view is not stepped"
        return right(self, *changes)  # type: ignore[arg-type]  # what was given

    monkeypatch.setattr(Engine, "step", step)
    say(db, 137)
    assert view.epoch == 1 and rows(view.relation()) == []


def test_why(db: Connection) -> None:
    say(db, 137)
    view = db.view(FILMS)
    (long,) = view.relation()
    then = view.relation()
    assert str(then.why(long)) == str(db.query(FILMS).why(long))
    db.retract("Alien", "runtime")
    assert not view.relation() and str(then.why(long)).startswith("long"), "what was read keeps its reasons"


def test_parameters_aggregates_and_windows(db: Connection) -> None:
    db.transact([(b"x" * 16, "n", 1), (b"x" * 16, "n", 5)], author="ann", scope="own")
    program = 'm(of: N) :- N := largest V : fact(attribute: "n", value: V). above(v: V) :- m(of: V), V > $least.'
    largest = rhizomedb.user_aggregate("largest", lambda given: max(value for (value,) in given))
    everybody = db.view(program, aggregates={"largest": largest}, least=3)
    db.transact([(b"z" * 16, "name", "Zed")], author="bob")
    bob = db.view(program, {"least": 3}, aggregates={"largest": largest}, by="bob")
    nobody = db.view(program, aggregates={"largest": largest}, least=3, as_of=0)
    assert rows(everybody.relation()) == [(5,)] and rows(bob.relation()) == [] and rows(bob.relation("m")) == []
    db.transact([(b"y" * 16, "n", 4)], author="bob")
    assert rows(everybody.relation()) == [(5,)] and rows(bob.relation()) == [(4,)] and rows(nobody.relation()) == []


def test_notices_end_when_the_attribute_comes(db: Connection) -> None:
    view = db.view(FILMS)
    assert view.relation().notices == ("no fact here has the attribute name", "no fact here has the attribute runtime")
    say(db, 117)
    assert view.relation().notices == () == view.notices


# When it moves


def test_a_view_that_was_rewound_stays_there(db: Connection) -> None:
    for minutes in (117, 137, 90):
        say(db, minutes)
    view = db.view(FILMS, relation="film")
    watch = view.watch(timeout_s=0)
    assert rows(view.rewind(1).relation()) == [("Alien", 117)]
    say(db, 60)
    assert view.epoch == 1 and repr(view).endswith("epoch 1, rewound>")
    assert rows(view.rewind(2).relation()) == [("Alien", 137)]
    assert view.refresh() == 4 and rows(view.relation()) == [("Alien", 60)]
    assert [(change.before, change.epoch) for change in watch] == [(3, 1), (1, 2), (2, 3), (3, 4)]
    for wrong in (-1, 5, "1", True):
        with pytest.raises(RequestError) as caught:
            view.rewind(wrong)  # type: ignore[arg-type]  # that is what is tested
        assert caught.value.code == "db.epoch"


def test_what_comes_due_is_told(db: Connection, wall: Any, another: Callable[[], Connection]) -> None:
    copy = another()
    wall.forward(AHEAD_MS_MAX + 1000)
    say(copy, 117)
    wall.forward(-AHEAD_MS_MAX - 1000)
    view = db.view(FILMS, relation="film")
    watch = view.watch(timeout_s=0)
    assert db.admit([delta.encode() for delta in copy.deltas()], origin="copy").held == 1
    assert list(watch) == []
    wall.forward(2000)
    assert [rows(change.plus) for change in view.watch(from_now=False, timeout_s=0)] == [[("Alien", 117)]]
    assert [rows(change.plus) for change in watch] == [[("Alien", 117)]]


def test_a_write_that_fails_is_never_seen(db: Connection) -> None:
    view = db.view(COUNTED)
    seen = []

    def items() -> Any:
        yield [(b"x" * 16, "n", 1)]
        seen.append(rows(view.relation()))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.write_source(items(), author="ann", origin="import")
    assert seen == [[(0,)]] and view.epoch == 0 and rows(view.relation()) == [(0,)]


@pytest.mark.parametrize("watching", [True, False])
def test_epochs_of_another_process(tmp_path: Path, watching: bool) -> None:
    path = tmp_path / "shared.db"
    with connect(path, author="me") as db, db.view(COUNTED) as view:
        watch = view.watch(from_now=False, poll_s=0.01, timeout_s=60)
        writers = [subprocess.Popen([sys.executable, SCRIPT, str(path), who, "10"]) for who in "ab"]
        if watching:
            told = [next(watch) for _ in range(21)]
            assert [rows(change.plus) for change in told] == [[(n,)] for n in range(21)]
            assert [change.epoch for change in told] == list(range(21))
        assert [writer.wait(60) for writer in writers] == [0, 0]
        watch.close()
        assert rows(view.relation()) == [(20,)] and view.epoch == 20


# Slow watchers


def numbered(db: Connection, first: int, last: int) -> None:
    for number in range(first, last + 1):
        db.transact([(bytes([number]) * 16, "n", number)])


def test_the_view_waits_for_a_slow_watch_which_loses_nothing(db: Connection) -> None:
    view = db.view(COUNTED)
    slow, other = view.watch(buffer=3, timeout_s=0), view.watch(timeout_s=0)
    numbered(db, 1, 9)
    assert view.epoch == 3 and rows(view.relation()) == [(3,)]
    assert "waits at epoch 3" in view.relation().notices[-1]
    for _ in range(3):
        next(other)
    with pytest.raises(RequestError) as caught:
        next(other)
    assert caught.value.code == "db.view-waits"
    with pytest.raises(RequestError, match="waits for"):
        view.rewind(1)
    assert [change.plus[0].of for change in slow] == list(range(1, 10))
    assert [change.plus[0].of for change in other] == list(range(4, 10))
    assert view.relation().notices == () and view.epoch == 9


def test_the_oldest_can_be_dropped(db: Connection) -> None:
    view = db.view(COUNTED)
    watch = view.watch(buffer=3, overflow="drop-oldest", timeout_s=0)
    numbered(db, 1, 9)
    assert view.epoch == 9
    assert [(change.plus[0].of, change.missed) for change in watch] == [(7, 6), (8, 0), (9, 0)]


def test_changes_can_be_made_one(db: Connection) -> None:
    view = db.view(COUNTED)
    watch = view.watch(buffer=2, overflow="coalesce", timeout_s=0)
    numbered(db, 1, 9)
    told = [(change.before, change.epoch, rows(change.plus), rows(change.minus)) for change in watch]
    assert told == [(0, 1, [(1,)], [(0,)]), (1, 9, [(9,)], [(1,)])]
    view.rewind(1)
    view.refresh()
    assert [change.epoch for change in watch] == [1, 9]


def test_what_comes_and_goes_while_nobody_looks_is_nothing(db: Connection) -> None:
    view = db.view(FILMS, relation="film")
    watch = view.watch(buffer=1, overflow="coalesce", timeout_s=0)
    say(db, 117)
    db.retract("Alien", "runtime")
    assert list(watch) == []


def test_a_watch_can_end_where_it_is_too_slow(db: Connection) -> None:
    view = db.view(COUNTED)
    watch = view.watch(buffer=2, overflow="error")
    numbered(db, 1, 9)
    assert [next(watch).epoch, next(watch).epoch] == [1, 2] and watch.is_closed
    with pytest.raises(RequestError) as caught:
        next(watch)
    assert caught.value.code == "db.view-overflow" and view.epoch == 9


# asyncio


def test_async_for_lets_others_run(tmp_path: Path) -> None:
    async def main() -> tuple[list[int], int]:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        async def write() -> None:
            for number in range(1, 6):
                await asyncio.sleep(0.01)
                numbered(db, number, number)

        with connect(tmp_path / "a.db", author="me", durability="memory") as db, db.view(COUNTED) as view:
            tasks = [asyncio.create_task(others()), asyncio.create_task(write())]
            told = []
            async for change in view.watch(timeout_s=30):
                told.append(change.plus[0].of)
                if len(told) == 5:
                    break
            for task in tasks:
                task.cancel()
            return told, turns

    told, turns = asyncio.run(main())
    assert told == [1, 2, 3, 4, 5] and turns > 5


def test_async_for_ends(db: Connection) -> None:
    async def main() -> list[int]:
        view = db.view(COUNTED)
        numbered(db, 1, 3)
        told = [change.epoch async for change in view.watch(from_now=False, timeout_s=0)]
        watch = view.watch()
        asyncio.get_running_loop().call_later(0.01, view.close)
        return [*told, *[change.epoch async for change in watch]]

    assert asyncio.run(main()) == [3]


def test_several_slow_readers_in_one_loop_are_told_everything(db: Connection) -> None:
    async def read(view: View, pause: float) -> list[int]:
        told = []
        async for change in view.watch(buffer=2, poll_s=0.002, timeout_s=5):
            told.append(change.plus[0].of)
            await asyncio.sleep(pause)
            if len(told) == 12:
                break
        return told

    async def main() -> Any:
        view = db.view(COUNTED)
        readers = [asyncio.create_task(read(view, pause)) for pause in (0.0, 0.003)]
        await asyncio.sleep(0)
        numbered(db, 1, 12)
        return await asyncio.gather(*readers)

    assert asyncio.run(main()) == [list(range(1, 13))] * 2


def test_a_watch_outlives_an_event_loop(db: Connection) -> None:
    view = db.view(COUNTED)
    watch = view.watch(poll_s=0.01)

    async def one() -> int:
        asyncio.get_running_loop().call_later(0.005, numbered, db, len(told) + 1, len(told) + 1)
        return (await anext(watch)).epoch

    told: list[int] = []
    for _ in range(3):
        told.append(asyncio.run(one()))
    assert told == [1, 2, 3]


# Sinks


def test_sinks_are_called_once_for_each_epoch(db: Connection) -> None:
    view = db.view(FILMS)
    one: list[Any] = []
    two: list[Any] = []
    sink = view.sink("film", lambda change: one.append((change.epoch, rows(change.plus))))
    view.sink(["film", "long"], two.append, from_now=False)
    say(db, 117)
    db.transact([("Alien", "genre", "Horror")])
    sink.close()
    say(db, 137)
    assert one == [(1, [("Alien", 117)])] and [change.epoch for change in two] == [0, 1, 3]


def test_a_sink_that_raises_is_called_no_more(db: Connection, caplog: pytest.LogCaptureFixture) -> None:
    view = db.view(COUNTED)
    told: list[int] = []

    def raising(change: Any) -> None:
        raise ZeroDivisionError("on purpose")

    sink = view.sink(None, raising)
    view.sink(None, lambda change: told.append(change.epoch))
    with caplog.at_level(logging.ERROR, "rhizomedb"):
        numbered(db, 1, 3)
    assert told == [1, 2, 3] and isinstance(sink.error, ZeroDivisionError) and sink.is_closed
    assert len(caplog.records) == 1 and "on purpose" in caplog.text


def test_a_sink_may_write(db: Connection) -> None:
    view = db.view(COUNTED)
    told: list[int] = []

    def more(change: Any) -> None:
        told.append(change.plus[0].of)
        if len(told) < 4:
            numbered(db, 100 + len(told), 100 + len(told))

    view.sink(None, more)
    after: list[int] = []
    view.sink(None, lambda change: after.append(change.plus[0].of))
    numbered(db, 1, 1)
    assert told == after == [1, 2, 3, 4]


def test_a_sink_may_close_its_view(db: Connection) -> None:
    view = db.view(COUNTED)
    view.sink(None, lambda change: view.close())
    numbered(db, 1, 2)
    assert repr(view).endswith("closed>") and db.cut.epoch == 2


def test_coroutines_as_sinks(db: Connection) -> None:
    told: list[int] = []

    async def slow(change: Any) -> None:
        await asyncio.sleep(0.001)
        told.append(change.plus[0].of)

    async def main() -> None:
        sink = view.sink(None, slow, buffer=2)
        numbered(db, 1, 9)
        await sink.settled()
        sink.close()

    async def bad(change: Any) -> None:
        raise ZeroDivisionError

    view = db.view(COUNTED)
    asyncio.run(main())
    assert told == list(range(1, 10))
    view.sink(None, slow)  # no loop runs: each is awaited before the commit returns
    failing = view.sink(None, bad)
    numbered(db, 10, 11)
    assert told == list(range(1, 12)) and isinstance(failing.error, ZeroDivisionError)


# What stops it


def test_a_step_over_its_budget_leaves_the_view_where_it_was(db: Connection) -> None:
    program = 'pair(a: X, b: Y) :- fact(attribute: "n", value: X), fact(attribute: "n", value: Y).'
    view = db.view(program, budget=Budget(facts=30))
    told: list[int] = []
    view.sink(None, lambda change: told.append(change.epoch))
    numbered(db, 1, 3)
    before = rows(view.relation())
    db.transact([(b"y" * 16, "n", number) for number in range(100, 120)])
    assert view.epoch == 3 and view.error is not None and repr(view).endswith("epoch 3, stays there: budget.facts>")
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            view.relation()
    with pytest.raises(BudgetExceeded):
        view.refresh()
    with pytest.raises(BudgetExceeded):
        next(view.watch())
    assert rows(view.rewind(3).relation()) == before and view.error is None
    assert db.cut.epoch == 4 and told == [1, 2, 3]
    assert len(db.view(program).relation()) == 23 * 23


def test_the_first_evaluation_has_a_budget(db: Connection) -> None:
    numbered(db, 1, 9)
    with pytest.raises(BudgetExceeded):
        db.view("pair(a: X, b: Y) :- fact(value: X), fact(value: Y).", budget=Budget(facts=30))


@pytest.mark.parametrize("where", ["step", "difference"])
def test_ctrl_c_leaves_the_view_as_it_was(db: Connection, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    say(db, 117)
    view = db.view(FILMS, relation="film")
    watch = view.watch(timeout_s=0)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    place = "rhizomedb.flow.counted.terms" if where == "step" else "rhizomedb.db.live.live_view.tuples"
    monkeypatch.setattr(place, interrupted)
    with pytest.raises(KeyboardInterrupt):
        say(db, 137)
    monkeypatch.undo()
    assert view.epoch == 1
    assert rows(view.rewind(1).relation()) == [("Alien", 117)]
    view.refresh()
    (change,) = watch
    assert change.epoch == 2 and rows(change.plus) == [("Alien", 137)] and rows(change.minus) == [("Alien", 117)]
    assert rows(view.relation()) == [("Alien", 137)]


def test_after_ctrl_c_what_comes_next_is_taken_in_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory a view that begins anew numbers its values anew."""
    with rhizomedb.open(":memory:", author="alice") as db:
        db.transact([("Alien", "by", "Scott"), ("Ran", "by", "Kurosawa")])
        view = db.view('by(who: W) :- stands(attribute: "by", value: W).')
        watch = view.watch(timeout_s=0)
        db.transact([("Alien", "by", "Ridley Scott")])

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("rhizomedb.db.live.live_view.tuples", interrupted)
        with pytest.raises(KeyboardInterrupt):
            db.transact([("Brazil", "by", "Gilliam")])
        monkeypatch.undo()
        db.transact([("Heat", "by", "Mann"), ("Ran", "by", "Akira Kurosawa")])
        assert [rows(change.plus) for change in watch] == [
            [("Ridley Scott",)],
            [("Gilliam",)],
            [("Akira Kurosawa",), ("Mann",)],
        ]
        assert rows(view.relation()) == [("Akira Kurosawa",), ("Gilliam",), ("Mann",), ("Ridley Scott",)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("next_step", ["read", "rewind"])
def test_a_change_that_ctrl_c_kept_from_being_told_is_told_once(
    db: Connection, monkeypatch: pytest.MonkeyPatch, when: str, next_step: str
) -> None:
    say(db, 117)
    view = db.view(FILMS, relation="film")
    watch = view.watch(timeout_s=0)
    take = Outlet._take

    def interrupted(outlet: Outlet, serial: int, change: ViewChange) -> None:
        if when == "after":
            take(outlet, serial, change)
        raise KeyboardInterrupt

    monkeypatch.setattr(Outlet, "_take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        say(db, 137)
    monkeypatch.undo()
    if next_step == "read":
        view.relation()
    else:
        view.rewind(2)
    assert [(change.epoch, rows(change.plus)) for change in watch] == [(2, [("Alien", 137)])]


@pytest.mark.parametrize("rewound", [False, True])
def test_what_comes_after_ctrl_c_has_the_ids_that_the_view_has(
    db: Connection, monkeypatch: pytest.MonkeyPatch, rewound: bool
) -> None:
    """A view that begins anew numbers its cells anew; first of all what was computed and is only then said."""
    view = db.view("""
        said(value: V) :- fact(attribute: "n", value: V).
        loud(value: T) :- said(value: V), T := concat(V, "!").
        both(value: V) :- loud(value: V), said(value: V).
    """)
    for number in range(4):
        db.transact([(bytes([number]) * 16, "n", f"v{number}")])

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rhizomedb.flow.counted.terms", interrupted)
    with pytest.raises(KeyboardInterrupt):
        db.transact([(b"x" * 16, "n", "v1!")])
    monkeypatch.undo()
    if rewound:
        assert rows(view.rewind(3).relation("both")) == []
        view.refresh()
    assert rows(view.relation("both")) == [("v1!",)]
    db.transact([(b"y" * 16, "n", "v1!!")])
    assert sorted(rows(view.relation("both"))) == [("v1!",), ("v1!!",)]


def test_an_aggregate_cannot_move_the_view_it_is_part_of(db: Connection) -> None:
    found: list[str] = []

    def meddling(given: Any) -> int:
        for meddle in (view.relation, lambda: view.rewind(0)):
            try:
                meddle()
            except RequestError as error:
                found.append(error.code)
        return 1

    program = 'm(of: N) :- N := meddle V : fact(attribute: "n", value: V).'
    numbered(db, 1, 1)
    view: Any = None
    aggregate = rhizomedb.user_aggregate("meddle", lambda given: 1 if view is None else meddling(given))
    view = db.view(program, aggregates={"meddle": aggregate})
    numbered(db, 2, 2)
    assert set(found) == {"db.view-waits"}


def test_a_program_that_is_wrong_is_refused_with_all_errors(db: Connection) -> None:
    with pytest.raises(ProgramError) as caught:
        db.view("p(x: X) :- fact(valu: X).\nq(x: Y) :- fact(value: X).")
    assert {error.code for error in caught.value.errors} == {"logic.unknown-attribute", "logic.unbound-variable"}


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda view: view.relation("flim"), "db.relation"),
        (lambda view: view.watch("flim"), "db.relation"),
        (lambda view: view.watch(5), "db.relation"),
        (lambda view: view.watch([]), "db.relation"),
        (lambda view: view.watch(buffer=0), "db.usage"),
        (lambda view: view.watch(overflow="block"), "db.usage"),
        (lambda view: view.watch(poll_s=-1), "db.usage"),
        (lambda view: view.sink("film", "print"), "db.usage"),
    ],
)
def test_what_makes_no_sense(db: Connection, ask: Callable[[View], object], code: str) -> None:
    with pytest.raises(RequestError) as caught:
        ask(db.view(FILMS))
    assert caught.value.code == code


# What it costs and holds


def test_an_epoch_is_read_and_not_what_is_stored(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    say(db, 117)
    say(db, 130, "Heat")
    view = db.view(FILMS)
    for way in (NumberStored, PlainStored):
        monkeypatch.setattr(way, "read", None)  # of all that there is
    with view.watch("film", timeout_s=0) as watch:
        say(db, 118)
        db.retract("Heat", "runtime")
        said = [(rows(change.plus), rows(change.minus)) for change in watch]
    assert said == [([("Alien", 118)], [("Alien", 117)]), ([], [("Heat", 130)])]


def test_what_is_computed_and_goes_is_forgotten(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhizomedb.db.live.upkeep.SWEPT_MIN", 40)
    view = db.view('text(of: T) :- N := count : fact(attribute: "n"), T := concat("there are ", text(N)).')
    held = []
    for number in range(200):
        db.transact([(bytes([number]) * 16, "n", f"value {number}")])
        held.append(view._kept()._stored.dictionary.own)
    assert rows(view.relation()) == [("there are 200",)]
    if isinstance(view._kept()._stored, NumberStored):
        assert max(held) <= 41, "the store holds the rest"
    else:
        assert held[-1] < 2 * (3 * 200), "each fact has a CID, an entity and a value that stays"


def test_a_recursion_goes_on_when_its_stamps_are_used_up(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have 32 bits, and each tuple that comes takes one: a view of much that comes and goes needs another engine some day."""
    monkeypatch.setattr("rhizomedb.flow.run.STAMPS_MAX", 100)
    program = """
        edge(x: X, y: Y) :- fact(entity: X, attribute: "to", value: Y).
        path(x: X, y: Y) :- edge(x: X, y: Y).
        path(x: X, y: Z) :- edge(x: X, y: Y), path(x: Y, y: Z).
    """
    view = db.view(program)
    watch = view.watch("path", timeout_s=0)
    engines: list[Engine] = []
    told: set[tuple[Any, ...]] = set()
    nodes = [bytes([number]) * 16 for number in range(16)]
    for step in range(14, -1, -1):
        db.transact([(nodes[step], "to", nodes[step + 1]), (nodes[step], "to", nodes[step // 2])])
        if step == 5:
            view.rewind(4)
            view.refresh()
        for change in watch:
            told = (told - set(rows(change.minus))) | set(rows(change.plus))
        assert told == set(rows(view.relation("path"))) == set(rows(db.query(program, relation="path")))
        engines.append(view._kept()._engine)
    assert all(engine._run.stamp < 500 for engine in engines)
    assert len(set(map(id, engines))) > 2, "one followed the other"


def test_an_index_that_is_made_anew(tmp_path: Path) -> None:
    """With a delta that is lost, later facts have other numbers; who watches is told of what went."""
    path = str(tmp_path / "test.db")
    with connect(path, author="ann") as db:
        for number in range(4):
            say(db, 100 + number, f"film {number}")
        view = db.view(FILMS)
        watch = view.watch("film", timeout_s=0)
        db.rebuild_index()
        say(db, 105, "film 5")
        assert [rows(change.plus) for change in watch] == [[("film 5", 105)]]
        apsw.Connection(path).execute("DELETE FROM log WHERE seq = 2")
        db.rebuild_index()
        say(db, 106, "film 6")
        left = [("film 0", 100), ("film 2", 102), ("film 3", 103), ("film 5", 105), ("film 6", 106)]
        assert sorted(rows(view.relation("film"))) == left
        assert [(rows(change.plus), rows(change.minus)) for change in watch] == [([left[-1]], [("film 1", 101)])]
        view.rewind(2)
        assert rows(view.relation("film")) == [("film 0", 100)]


# Much at once

SUPPORTED = """
    open(gate: G) :- stands(entity: G, attribute: "gate", value: true).
    pair(x: X, y: Y) :- open(), fact(attribute: "left", value: X), fact(attribute: "right", value: Y).
    path(x: X, y: Y) :- open(), fact(attribute: "step", value: X), Y := X + 1.
    path(x: X, y: Z) :- path(x: X, y: Y), fact(attribute: "step", value: Y), Z := Y + 1.
"""


def test_the_only_support_of_a_million_tuples_goes_and_comes_back() -> None:
    """Of a product and of a recursion; the plain kernels are given fewer."""
    db = connect(":memory:", author="me")
    most, steps = (1000, 300) if backend() == "rust" else (100, 40)
    gate = rhizomedb.entity(gate="only")
    given = [(side, number) for side in ("left", "right") for number in range(most)]
    given += [("step", number) for number in range(steps)]
    db.transact([Fact(gate, attribute, number) for attribute, number in given])
    db.transact([(gate, "gate", True)])
    sizes = {"pair": most * most, "path": steps * (steps + 1) // 2}
    with db, db.view(SUPPORTED, only=list(sizes)) as view, view.watch(list(sizes), timeout_s=0) as watch:
        for is_open in (False, True):
            if is_open:
                db.transact([(gate, "gate", True)])
            else:
                db.retract(gate, "gate")
            held = {name: len(view.relation(name)) for name in sizes}
            assert held == {name: size if is_open else 0 for name, size in sizes.items()}
            (change,) = watch
            came = {name: (len(change[name].plus), len(change[name].minus)) for name in sizes}
            assert came == {name: (size, 0) if is_open else (0, size) for name, size in sizes.items()}


# The end


def test_closing_frees_it(db: Connection) -> None:
    say(db, 117)
    view = db.view(FILMS)
    watch, result = view.watch(timeout_s=0), view.relation("film")
    view.sink(None, print)
    say(db, 118)
    upkeep = view._kept()
    parts = upkeep, upkeep._engine, upkeep._stored, upkeep._stored.dictionary, upkeep._engine._run, view
    gone = [weakref.ref(part) for part in parts]
    view.close()
    view.close()
    for ask in ("relation", "refresh", "watch"):
        with pytest.raises(RequestError) as caught:
            getattr(view, ask)()
        assert caught.value.code == "db.view-closed"
    assert db._views is not None and not db._views._arrivals._remembered
    del view, upkeep, parts, caught
    gc.collect()
    assert [part() for part in gone] == [None] * 6
    assert [rows(change["film"].plus) for change in watch] == [] and rows(result) == [("Alien", 117)]
    assert str(result.why(result[0])).startswith("film")


def test_closing_the_database_closes_its_views(db: Connection) -> None:
    view = db.view(COUNTED)
    watch = view.watch()
    numbered(db, 1, 2)
    db.close()
    assert repr(view).endswith("closed>")
    assert [change.epoch for change in watch] == [1, 2], "what came already can still be taken"


def test_views_end_with_their_blocks(db: Connection) -> None:
    with db.view(COUNTED) as view, view.watch() as watch:
        numbered(db, 1, 1)
    assert watch.is_closed and repr(view).endswith("closed>")
    assert [change.epoch for change in watch] == [1]


def test_a_view_sees_what_another_connection_wrote(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    with connect(path, author="me") as one, connect(path, author="me") as two:
        view = one.view(COUNTED)
        numbered(two, 1, 3)
        assert rows(view.relation()) == [(3,)]


# What is nothing that one can ask for

WRONG = {
    "an overflow": lambda db, view: view.watch(overflow=[]),
    "a relation": lambda db, view: view.watch(5),
    "relations": lambda db, view: view.watch([["n"]]),
    "a relation to read": lambda db, view: view.relation(["n"]),
    "a budget of a view": lambda db, view: db.view(COUNTED, budget=5),
    "a budget of a question": lambda db, view: db.query(COUNTED, budget={"facts": 5}),
    "a budget of an explanation": lambda db, view: db.explain(COUNTED, budget="5"),
    "a budget without a database": lambda db, view: rhizomedb.evaluate("p(x: 1).", budget=0),  # type: ignore[arg-type]
    "aggregates": lambda db, view: db.query(COUNTED, aggregates=["count"]),
    "an aggregate": lambda db, view: db.query(COUNTED, aggregates={"count": len}),
    "an aggregate of a view": lambda db, view: db.view(COUNTED, aggregates={"count": len}),
}


@pytest.mark.parametrize("ask", WRONG.values(), ids=list(WRONG))
def test_wrong_arguments_are_told(db: Connection, ask: Callable[[Any, Any], object]) -> None:
    with db.view(COUNTED) as view, pytest.raises(RequestError) as caught:
        ask(db, view)
    assert caught.value.code in ("db.usage", "db.relation") and caught.value.fix


SKIPPING = """
    next(a: X, b: Y) :- fact(entity: X, attribute: "next", value: Y).
    shown(of: X) :- fact(entity: X, attribute: "shown", value: true).
    skip(a: X, b: Y) :- next(a: X, b: Y).
    skip(a: X, b: Z) :- next(a: X, b: Y), !shown(of: Y), skip(a: Y, b: Z).
    after(a: X, b: Y) :- skip(a: X, b: Y), shown(of: X), shown(of: Y).
"""


def test_a_view_of_one_relation_derives_no_more_than_that_needs(db: Connection) -> None:
    """Ways through what is not shown are derived to where they end, not between any two (Kleppmann's list)."""
    nodes = [bytes([number]) * 16 for number in range(40)]
    db.transact([(one, "next", other) for one, other in pairwise(nodes)])
    db.transact([(nodes[number], "shown", True) for number in (0, 39)])
    whole, only = db.view(SKIPPING), db.view(SKIPPING, only="after")
    assert only.relations == ("after",) and len(whole.relations) == 4
    with pytest.raises(RequestError) as refused:
        only.relation("skip")
    assert refused.value.code == "db.relation"

    def held(view: View) -> int:
        return sum(len(each.table) for each in view._kept()._engine._held.values())

    assert held(only) < held(whole) / 3
    for number in (20, 5, 30):
        db.transact([(nodes[number], "shown", True)])
        assert rows(only.relation()) == rows(whole.relation("after")) == rows(db.query(SKIPPING, relation="after"))
    assert len(db.view(SKIPPING, only=["after", "next"]).relation("next")) == 39
    with pytest.raises(RequestError) as refused:
        db.view(SKIPPING, only=["afterwards"])
    assert refused.value.code == "db.relation" and "after" in str(refused.value)
    for wrong in ({"only": []}, {"only": ["after"], "relation": "next"}):
        with pytest.raises(RequestError, match="only") as refused:
            db.view(SKIPPING, **wrong)
        assert refused.value.code == "db.usage" and refused.value.fix
    view = db.view(SKIPPING, only=["after", "next"], relation="next")
    assert rows(view.relation()) == rows(view.relation("next")) and view.relation("after") is not None

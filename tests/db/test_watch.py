"""Watching: every epoch once and in order, whoever wrote it, in this process or another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rhizomedb.db.connection import Connection, connect
from rhizomedb.errors import RequestError
from rhizomedb.facts.clock import AHEAD_MS_MAX

SCRIPT = str(Path(__file__).with_name("watch_script.py"))
RHIZOME = [sys.executable, "-m", "rhizomedb"]


def test_it_tells_of_each_epoch_once(db: Connection, wall: Any) -> None:
    db.transact([("Alien", "runtime", 117)], origin="one")
    epochs = db.watch(poll_s=0.001)
    db.transact([("Alien", "runtime", 118)], origin="two")
    db.transact([("Alien", "genre", "Horror"), ("Heat", "runtime", 170)], origin="three")
    two, three = next(epochs), next(epochs)
    assert (two.number, two.origin, two.deltas, two.facts, two.at_ms) == (2, "two", 1, 1, wall.ms)
    assert (three.number, three.origin, three.deltas, three.facts) == (3, "three", 1, 3)
    db.transact([("Heat", "genre", "Crime")])
    assert next(epochs).number == 4


def test_it_goes_on_where_it_was(db: Connection) -> None:
    for number in range(5):
        db.transact([("Alien", "n", number)])
    assert [epoch.number for epoch in db.watch(since=0, timeout_s=0)] == [1, 2, 3, 4, 5]
    assert [epoch.number for epoch in db.watch(since=3, timeout_s=0)] == [4, 5]
    assert list(db.watch(timeout_s=0)) == []


def test_what_was_changed(db: Connection) -> None:
    db.transact([("Alien", "runtime", 117), ("Alien", "genre", "Horror")], author="imdb")
    db.transact([("Alien", "runtime", 118)], author="wikipedia", scope="own")
    epochs = db.watch(poll_s=0.001)
    alien = db.entity("Alien")
    db.transact([("Alien", "genre", "Space horror")])
    assert set(next(epochs).registers()) == {(alien, "genre")}, "what falls by it is of the same register"
    db.retract("Alien", "runtime")
    assert list(next(epochs).registers()) == [(alien, "runtime")], "what is taken back has changed, too"


def test_what_was_before_and_after_can_be_asked(db: Connection) -> None:
    db.transact([("Alien", "runtime", 117)])
    db.transact([("Alien", "runtime", 118)])
    (epoch,) = db.watch(since=1, timeout_s=0)
    assert db.at_epoch(epoch.number - 1).get("Alien", "runtime") == 117
    assert db.at_epoch(epoch.number).get("Alien", "runtime") == 118


def test_what_was_held_back_arrives_when_its_time_has_come(
    db: Connection, wall: Any, another: Callable[[], Connection]
) -> None:
    copy = another()
    wall.forward(AHEAD_MS_MAX + 1000)
    copy.transact([("Alien", "runtime", 117)])
    wall.forward(-AHEAD_MS_MAX - 1000)
    assert db.admit([delta.encode() for delta in copy.deltas()], origin="copy").held == 1
    epochs = db.watch(poll_s=0.001)
    wall.forward(2000)
    assert next(epochs).origin == "copy"


def test_closing_ends_it(db: Connection) -> None:
    db.transact([("Alien", "runtime", 117)])
    epochs = db.watch(since=0)
    assert next(epochs).number == 1
    db.close()
    assert list(epochs) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"since": -1}, "db.epoch"),
        ({"since": 9}, "db.epoch"),
        ({"since": "1"}, "db.cursor"),
        ({"poll_s": -1}, "db.usage"),
        ({"timeout_s": "1"}, "db.usage"),
    ],
)
def test_what_makes_no_sense(db: Connection, arguments: dict[str, object], code: str) -> None:
    with pytest.raises(RequestError) as caught:
        db.watch(**arguments)  # type: ignore[arg-type]  # that is what is tested
    assert caught.value.code == code


def writers(path: Path, names: str, times: int) -> list[subprocess.Popen[bytes]]:
    return [subprocess.Popen([sys.executable, SCRIPT, str(path), name, str(times)]) for name in names]


def test_no_epoch_of_other_processes_is_missed_or_repeated(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    with connect(path, author="me") as db:
        db.transact([("Alien", "n", 0)])
        began = writers(path, "abc", 25)
        told = []
        for epoch in db.watch(since=0, poll_s=0.01, timeout_s=60):
            told.append(epoch)
            if epoch.number % 10 == 0:  # to write while watching does no harm
                db.transact([("Alien", "n", epoch.number)], origin="me")
            if sum(each.origin.startswith("by") for each in told) == 75:
                break
        assert [process.wait(60) for process in began] == [0, 0, 0]
        assert [epoch.number for epoch in told] == list(range(1, len(told) + 1))
        assert [(e.number, e.origin, e.at_ms) for e in told] == [
            (e.number, e.origin, e.at_ms) for e in db.arrivals()[: len(told)]
        ]
        assert sum(epoch.deltas for epoch in told) == len(told), "each of them is one delta"


def test_two_watchers_of_two_processes_are_told_the_same(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    connect(path, author="me").close()
    command = [*RHIZOME, "watch", str(path), "--since", "0", "--limit", "40", "--json"]
    watching = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    began = writers(path, "ab", 20)
    first, second = (process.communicate(timeout=60)[0] for process in watching)
    assert [process.wait(60) for process in began] == [0, 0]
    assert first == second and len(first.splitlines()) == 40


def test_ctrl_c_ends_the_watching_of_a_program(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    with connect(path, author="me") as db:
        db.transact([("Alien", "n", 0)], origin="first")
        command = [*RHIZOME, "watch", str(path), 'n(v: V) :- stands(attribute: "n", value: V).', "--since", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert [process.stdout.readline().split()[:2] for _ in range(2)] == [["epoch", "1"], ["+", "0"]]
        db.transact([("Alien", "n", 1)], origin="second")
        assert [process.stdout.readline().split()[:2] for _ in range(3)] == [["epoch", "2"], ["-", "0"], ["+", "1"]]
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    with connect(path, author="me") as db:
        db.transact([("Alien", "n", 0)], origin="first")
        command = [*RHIZOME, "watch", str(path), "--since", "0", "--changes"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert "first: 1 delta, 2 new facts" in process.stdout.readline()
        assert {process.stdout.readline().strip() for _ in range(2)} == {"Alien · n", "Alien · name"}
        db.transact([("Alien", "n", 1)], origin="second")
        assert "second: 1 delta, 1 new fact" in process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")

"""Ctrl-C is heard while a kernel works: within 200 ms, says the specification; a busy machine is given more."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from array import array
from contextlib import contextmanager
from operator import ge, gt, le, lt
from pathlib import Path

import pytest
from long_work import WORK, edges_of
from test_engine_failures import Counting

from rhizomedb._native import backend
from rhizomedb.algebra import Relations
from rhizomedb.algebra.formula import Attribute, Comparison
from rhizomedb.db.live.view_change import named, tuples
from rhizomedb.db.programs.result import Result
from rhizomedb.flow import bounded, cells
from rhizomedb.flow.body import Input
from rhizomedb.flow.dictionary import Interned
from rhizomedb.flow.formulas import keep
from rhizomedb.flow.graph import Closure, Groups, components, first_reached
from rhizomedb.flow.relation import Batch, Table
from rhizomedb.flow.stored import CellReading, Kept

EDGES = {"rust": 3_000_000, "python": 150_000}
LOOKS_AT = {"rust": 600_000, "python": 150_000}
SECONDS_MAX = 2.0


def heard_after(work: str, edges: int, seconds: float) -> float:
    """How long after an interruption a process that is at some work hears of it."""
    command = [sys.executable, str(Path(__file__).with_name("long_work.py")), work, str(edges)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(seconds)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    return float(said) - sent


@pytest.mark.parametrize("work", WORK)
def test_an_interruption_is_heard(work):
    seconds = random.Random(work).uniform(0.05, 0.5)
    assert heard_after(work, EDGES[backend()], seconds) < SECONDS_MAX


def stops_at_a_look(call):
    """Whether it is the first look that ends the work, one on the way or the last; how many there are."""
    whole = Counting()
    call(whole.check)
    for place in {1, whole.calls // 2, whole.calls} - {0}:
        meter = Counting(place)
        with pytest.raises(KeyboardInterrupt):
            call(meter.check)
        assert meter.calls == place
    return whole.calls


CALLS = {
    "components": lambda edges, check: components(edges, None, check),
    "first_reached": lambda edges, check: first_reached(edges, None, check),
    "Closure": lambda edges, check: Closure(edges, None, check),
    "Groups": lambda edges, check: Groups(edges, [0, 1], check),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("spread", [0, 24], ids=["near", "far"])
def test_a_kernel_looks_up_at_intervals(name, spread):
    """Ids that lie near each other are numbered otherwise than those that do not."""
    columns = edges_of(LOOKS_AT[backend()], random.Random(1))
    if spread:
        columns = [column[1:] + column[:1] for column in columns]
    edges = Batch.of(columns)
    assert stops_at_a_look(lambda check: CALLS[name](edges, check)) >= 2


# -- tables -----------------------------------------------------------------------------------------------------------

MANY = 3_000_000


class Stopped(Exception):
    """What a handler of a signal raised."""


@contextmanager
def stopped_after(seconds):
    """What is in the block is stopped by a signal after so many seconds, wherever it is."""

    def stop(number, frame):
        raise Stopped

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with pytest.raises(Stopped):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def numbers(first, last):
    return array("I", range(first, last)).tobytes()


def filled(width):
    """A table of many rows, none of which has a place yet."""
    table = Table(width)
    table.put(Batch.of([numbers(0, MANY)] * width))
    return table


kernels_only = pytest.mark.skipif(backend() == "python", reason="what is written in Python stops at every line")


@kernels_only
@pytest.mark.parametrize("width", [2, 3])
def test_rows_get_their_places_or_do_not(width):
    table = filled(width)
    bytes_before = table.bytes
    with stopped_after(0.002):
        table.remove(Batch.of_rows([(5,) * width], width))
    assert (len(table), table.bytes) == (MANY, bytes_before)
    assert table.remove(Batch.of_rows([(5,) * width, (MANY,) * width], width)) == 1
    assert len(table) == MANY - 1


@kernels_only
@pytest.mark.parametrize("columns", [(0,), (0, 1)])
def test_an_index_goes_on_where_it_was_stopped(columns):
    table, whole = filled(3), filled(3)
    keys = [(column, 7) for column in columns]
    assert whole.size(keys) == 1
    with stopped_after(0.002):
        table.size(keys)
    assert table.bytes < whole.bytes
    for id in (7, MANY // 2, MANY - 1):
        assert table.size([(column, id) for column in columns]) == 1
    assert table.size([(column, MANY) for column in columns]) == 0
    assert table.keys(list(columns)) == MANY


@kernels_only
@pytest.mark.parametrize("width", [2, 3])
def test_a_table_grows_or_does_not(width):
    """Of pairs that lie apart, which are hashed, and of wider rows: at the row for which there is no more room."""
    table, room = Table(width), 1 << 21
    apart = [numbers(0, room), *[bytes(reversed(numbers(0, room)))] * (width - 1)]
    table.add(Batch.of(apart))
    more = [numbers(room, room + 9), *[numbers(0, 9)] * (width - 1)]
    with stopped_after(0.002):
        table.add(Batch.of(more))
    assert len(table) == table.extent == room
    assert table.add(Batch.of(more)) == 9
    assert table.add(Batch.of([*more[:1], *more[:1] * (width - 1)])) == 9
    assert table.add(Batch.of(apart)) == 0


@kernels_only
def test_different_rows_are_found_or_are_not():
    """A call that is stopped ends long before one that is not; both do the same work in one process."""
    batch = Batch.of([numbers(0, MANY)] * 3)
    begin = time.thread_time()
    assert len(batch.distinct()) == MANY
    whole, begin = time.thread_time() - begin, time.thread_time()
    with stopped_after(0.002):
        batch.distinct()
    assert time.thread_time() - begin < whole / 2


# -- in Python --------------------------------------------------------------------------------------------------------


class Listening:
    """A dictionary that notes how many cells it is asked for at once."""

    def __init__(self):
        self.within = Interned()
        self.most = 0

    def cells(self, ids):
        self.most = max(self.most, len(ids))
        return self.within.cells(ids)

    def __getattr__(self, name):
        return getattr(self.within, name)


@pytest.fixture
def few(monkeypatch):
    """Pieces of four, so that a small answer comes in many."""
    for module in (bounded, cells):
        monkeypatch.setattr(module, "EVERY", 4)
    monkeypatch.setattr(bounded, "SAMPLES", 2)


ROWS = [(f"a{number * 7 % 30}", number * 11 % 30) for number in range(30)]


def test_an_answer_is_read_in_pieces(few):
    dictionary = Listening()
    batch = Batch.of_rows(dictionary.rows(ROWS), 2)
    assert cells.cells_of(batch, dictionary) == ROWS
    assert dictionary.most == 4
    assert cells.cells_of(Batch.of_rows([()], 0), dictionary) == [()]


def test_an_answer_is_put_in_order_in_pieces(few, monkeypatch):
    sorts = []

    def noted(items, **how):
        sorts.append(len(found := list(items)))
        return sorted(found, **how)

    monkeypatch.setattr(bounded, "sorted", noted, raising=False)
    assert [tuple(row) for row in Result("r", ("x", "y"), ROWS)] == sorted(ROWS)
    assert [tuple(row) for row in tuples(ROWS, named(("x", "y")))] == sorted(ROWS)
    assert len(sorts) > 10
    assert max(sorts) < len(ROWS)


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_two_columns_are_compared_in_pieces(few, operator):
    pairs = [(f"a{number * 7 % 30}", f"a{number * 11 % 30}") for number in range(30)]
    dictionary, meter = Listening(), Counting()
    batch = Batch.of_rows(dictionary.rows(pairs), 2)
    formula = Comparison(Attribute("x"), operator, Attribute("y"))
    kept = keep(batch, formula, {"x": 0, "y": 1}, dictionary, meter)
    holds = {"<": gt, "<=": ge, ">": lt, ">=": le}[operator]
    assert cells.cells_of(kept, dictionary) == [(x, y) for x, y in pairs if holds(y, x)]
    assert dictionary.most == 4
    assert meter.calls > 10


def test_what_was_read_in_part_is_not_kept():
    """Ctrl-C while a stored relation is read: the next question reads it again."""

    class Interrupted(CellReading):
        calls = 0

        def read(self, input):
            self.calls += 1
            if self.calls == 1:
                raise KeyboardInterrupt
            return super().read(input)

    kept = Kept(Interrupted(Relations({"r": (("x",), [(1,), (2,)])})), 1 << 20)
    of = Input("r", (), ("x",))
    with pytest.raises(KeyboardInterrupt):
        kept.table(of).read()
    assert len(kept.table(of).read()) == 2

"""Texts through their handle: against plain strings, against the program, with others, interrupted, rewound and watched."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rhizomedb
from rhizomedb.budget import Budget
from rhizomedb.crdt import rope, text_order
from rhizomedb.crdt.library import LIBRARY
from rhizomedb.db.connection import Connection, connect
from rhizomedb.db.live.live_view import View
from rhizomedb.db.programs.query import prepare
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.db.types import text as texts
from rhizomedb.db.types import text_batch
from rhizomedb.errors import Error, RequestError
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import plain
from rhizomedb.store import ALL, COLUMNS

D = rhizomedb.entity(text="minutes")
MOST = 2**63 - 1
WHOLE = prepare(LIBRARY["text"].program, COLUMNS, relation="character")


def by_program(db: Connection, entity: bytes = D) -> str:
    """The text by its definition, evaluated whole by the plain evaluator."""
    rows = WHOLE.run(StoreSource(db._store, ALL), Budget(facts=2_000_000)).relations["character"]
    after = {row[:2]: row[2:] for row in (tuple(map(plain, row)) for row in rows)}
    found, at = [], (entity, 0)
    while at in after:
        *at, character = after[at]
        at = tuple(at)
        found.append(character)
    return "".join(found)


def meet(one: Connection, other: Connection) -> None:
    one.admit([delta.encode() for delta in other.deltas()], origin="meeting")
    other.admit([delta.encode() for delta in one.deltas()], origin="meeting")


@pytest.fixture(params=["kernel", "plain"])
def either_rope(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(text_order, "Rope", rope.Rope)


# -- one writer ------------------------------------------------------------------------------------------------------------

EDITS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 4), st.sampled_from(["", "a", "bc", "d\n.:", "é✓𝄞", "longer text"])),
    max_size=14,
)


def fitted(edit, size):
    """An edit as it can be made of a text of some size; mostly near where one just was."""
    position, count, inserted = edit
    position = position % (size + 1)
    return position, min(count, size - position), inserted


@given(EDITS, st.lists(st.integers(1, 6), min_size=1))
@settings(max_examples=60)
def test_a_text_is_what_a_string_is(edits, sizes):
    with connect(":memory:", author="ann") as db, db.text(D) as text, text.watch(timeout_s=0) as watch:
        expected, told, chance = "", "", random.Random(len(edits))
        while edits:
            some, edits = edits[: sizes[0]], edits[sizes[0] :]
            if chance.random() < 0.3:
                for edit in some:
                    position, count, inserted = fitted(edit, len(expected))
                    text.splice(position, count, inserted)
                    expected = expected[:position] + inserted + expected[position + count :]
                    assert str(text) == expected
            else:
                with text.batch():
                    for edit in some:
                        position, count, inserted = fitted(edit, len(expected))
                        text.splice(position, count, inserted)
                        expected = expected[:position] + inserted + expected[position + count :]
                        assert text[:] == expected and len(text) == len(expected)
            for change in watch:
                told = change.apply(told)
                assert {splice.author for splice in change.splices} == {"ann"}
            assert told == str(text) == expected
        assert by_program(db) == expected
        with db.text(D) as again:
            assert again == expected and again == text


@pytest.mark.usefixtures("either_rope")
def test_typing_and_taking_back_in_a_batch_says_little(db: Connection) -> None:
    text = db.text(D)
    with text.batch():
        for character in "Helo wrld":
            text.append(character)
        text.delete(3, 6)
        text.append("lo, world")
        for _ in range(5):
            text.delete(len(text) - 1)
    assert str(text) == "Hello, " == by_program(db)
    assert db.stats().facts == 1, "it was typed at the end of one run"
    with text.batch():
        for _ in range(3):
            text.delete(1)
        text.delete(2, 2)
        text.delete(0)
    assert str(text) == "o" == by_program(db)
    assert db.stats().facts == 3, "deletions side by side are one"
    with text.batch():
        text.append("gone again")
        text.delete(1, 10)
    assert db.stats().facts == 3 and str(text) == "o"


def test_a_long_text_is_several_runs(db: Connection) -> None:
    whole = "".join(random.Random(1).choices("abcé✓𝄞", k=3 * text_batch.RUN_CHARACTERS_MAX + 5))
    text = db.text(D)
    text.insert(0, whole)
    with text.batch():
        for start in range(0, len(whole), 50_000):
            text.append(whole[start : start + 50_000])
    assert str(text) == 2 * whole
    assert db.text(D) == text
    text.delete(0, len(whole))
    assert str(text) == whole


@pytest.mark.parametrize("place", [0, 1, -1, -5, slice(None), slice(1, 3), slice(-3, None), slice(4, 1), slice(None, None, -1),
    slice(0, 100, 2)])  # fmt: skip
def test_parts(db: Connection, place: object) -> None:
    text = db.text(D)
    text.insert(0, "hello")
    assert text[place] == "hello"[place]  # type: ignore[index]


def test_the_characters_one_after_the_other(db: Connection) -> None:
    text = db.text(D)
    text.insert(0, "hello")
    assert list(text) == list("hello") and "ell" in text and "" in text and "x" not in text
    assert list(reversed(text)) == list("olleh") and "".join(text) == "hello"


@pytest.mark.parametrize(("call", "code"), [
    (lambda text: text.insert(6, "x"), "crdt.position"), (lambda text: text.insert(-1, "x"), "crdt.position"),
    (lambda text: text.insert("0", "x"), "crdt.position"), (lambda text: text.insert(True, "x"), "crdt.position"),
    (lambda text: text.delete(0, 6), "crdt.position"), (lambda text: text.delete(5, 1), "crdt.position"),
    (lambda text: text.delete(0, -1), "crdt.position"), (lambda text: text.delete(0, 0.0), "crdt.position"),
    (lambda text: text.insert(0, 5), "crdt.text"), (lambda text: text.insert(0, b"x"), "crdt.text"),
    (lambda text: text.append("a\ud800b"), "facts.text-not-utf8"), (lambda text: text[5], "crdt.position"), (lambda text: text["x"], "crdt.position"),
    (lambda text: text.watch(overflow="wait"), "db.usage"), (lambda text: text.watch(buffer=0), "db.usage"),
    (lambda text: text.rewind(99), "db.epoch"), (lambda text: text.rewind(0).insert(0, "x"), "crdt.rewound"),
])  # fmt: skip
def test_what_cannot_be(db: Connection, call, code) -> None:
    text = db.text(D)
    text.insert(0, "hello")
    with pytest.raises(Error) as caught:
        call(text)
    assert caught.value.code == code and caught.value.fix
    text.refresh()
    assert str(text) == "hello" and db.stats().epoch == 1


def test_closed(db: Connection) -> None:
    text = db.text(D)
    text.insert(0, "x")
    watch = text.watch()
    text.close()
    text.close()
    assert list(watch) == [] and "closed" in repr(text) and "closed" in repr(watch)
    for call in (lambda: str(text), lambda: text.insert(0, "x"), lambda: len(text), text.watch):
        with pytest.raises(RequestError, match="the text is closed"):
            call()
    with db.text(D) as other:
        assert repr(other) == "<rhizomedb.Text of 1 characters: 'x'>"


def test_a_text_that_nobody_holds_is_closed(db: Connection) -> None:
    db.text(D).append("said")
    watch = db.text(D).watch(timeout_s=0)
    gc.collect()
    assert db._views is not None and len(db._views._views) == 1, "who watches holds the text"
    db.text(D).append("!")
    assert [change.apply("said") for change in watch] == ["said!"]
    del watch
    gc.collect()
    assert not db._views._views


def test_by_name_and_beside_other_things(db: Connection) -> None:
    db.transact([("Minutes", "year", 2026)])
    text = db.text("Minutes")
    text.append("said")
    assert list(db.get("Minutes")) == ["name", "year"] and not db.conflicts()
    with pytest.raises(RequestError, match="Minuets"):
        db.text("Minuets")


# -- several writers ---------------------------------------------------------------------------------------------------------

DOINGS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.integers(0, 2), EDITS.map(lambda edits: edits[:3])),
        st.tuples(st.just("meet"), st.integers(0, 2), st.integers(0, 2)),
    ),
    max_size=10,
)


@given(DOINGS)
@settings(max_examples=40)
def test_copies_that_met_have_the_text_of_the_program(doings):
    # one author for all: two devices of one person are two writers
    dbs = [connect(":memory:", author="one person") for _ in range(3)]
    held = [db.text(D) for db in dbs]
    watches = [text.watch(timeout_s=0) for text in held]
    told = ["", "", ""]
    for what, place, which in [*doings, ("meet", 0, 1), ("meet", 1, 2), ("meet", 0, 1)]:
        if what == "meet":
            meet(dbs[place], dbs[which])
        else:
            with held[place].batch():
                for edit in which:
                    held[place].splice(*fitted(edit, len(held[place])))
        for number, watch in enumerate(watches):
            for change in watch:
                told[number] = change.apply(told[number])
        assert told == [str(text) for text in held]
        assert str(held[place]) == by_program(dbs[place])
    assert len({str(text) for text in held}) == 1
    for db in dbs:
        db.close()


@pytest.mark.parametrize("durability", ["full", "normal", "memory"])
def test_two_connections(tmp_path, durability) -> None:
    path = tmp_path / "shared.db"
    with connect(path, author="ann", durability=durability) as ann, connect(path, author="ben") as ben:
        mine, yours = ann.text(D), ben.text(D)
        watch = mine.watch(timeout_s=0)
        mine.insert(0, "hello")
        yours.append(" there")
        assert str(mine) == "hello there"
        with mine.batch():
            mine.append("!")
            yours.insert(0, "Oh: ")
            assert str(mine) == "hello there!", "within a batch nothing comes in"
            mine.delete(0, 5)
        assert str(mine) == str(yours) == "Oh:  there!"
        told, authors = "", []
        for change in watch:
            told = change.apply(told)
            authors += [splice.author for splice in change.splices]
        assert told == "Oh:  there!"
        assert authors == ["ann", "ben", "ann", "ann", "ben"]
        yours.insert(0, "x")
        yours.insert(0, "y")
        assert [change.epoch - change.before for change in watch] == [1, 1], "one for each epoch"


@pytest.mark.parametrize(("is_watched", "most", "steps"), [(False, 1_024, 1), (True, 1_024, 30), (True, 20, 1)])
def test_what_others_said_is_looked_at_at_once_unless_somebody_watches(
    db: Connection, monkeypatch, is_watched, most, steps
) -> None:
    monkeypatch.setattr(texts, "_KEPT_MAX", most)
    text = db.text(D)
    watch = text.watch(timeout_s=0) if is_watched else []
    other = db.text(D)
    for _ in range(30):
        other.append("x")
    taken, step = [], View._step
    monkeypatch.setattr(View, "_step", lambda view, epoch: taken.append(epoch) or step(view, epoch))
    assert len(text) == 30 and len(taken) == steps
    told = ""
    for change in watch:
        told = change.apply(told)
    assert told == ("x" * 30 if is_watched else "")


ANOTHER = """
import sys, rhizomedb
with rhizomedb.open(sys.argv[1], author="ben") as db, db.text(bytes.fromhex(sys.argv[2])) as text:
    text.insert(5, " there")
    with text.batch():
        text.append("!")
        text.delete(0)
    print(text, end="")
"""


def test_another_process(tmp_path) -> None:
    path = tmp_path / "shared.db"
    with connect(path, author="ann") as db, db.text(D) as text:
        text.insert(0, "hello")
        watch = text.watch(timeout_s=0)
        run = subprocess.run(
            [sys.executable, "-c", ANOTHER, str(path), D.hex()], capture_output=True, text=True, check=True
        )
        assert run.stdout == str(text) == "ello there!"
        changes = list(watch)
        assert [change.splices[0].author for change in changes] == ["ben", "ben"]
        told = "hello"
        for change in changes:
            told = change.apply(told)
        assert told == "ello there!" and by_program(db) == told


def test_what_came_before_its_parent_waits(another) -> None:
    source, copy = another(), another()
    writer, reader = source.text(D), copy.text(D)
    writer.insert(0, "abc")
    writer.insert(1, "XY")
    writer.delete(1, 1)
    writer.insert(2, "z")
    deltas = [delta.encode() for delta in source.deltas()]
    for place, expected in [(3, ""), (2, ""), (1, ""), (0, "aYzbc")]:
        copy.admit([deltas[place]], origin="late")
        assert str(reader) == expected == by_program(copy)


@pytest.mark.usefixtures("either_rope")
def test_hostile_facts(db: Connection) -> None:
    text = db.text(D)
    text.insert(0, "hello")
    (cid,) = (row[0] for row in db._store.scan("fact", {"entity": D}, db.cut))
    forged = Fact(D, "text/insert", f"4.{MOST}.zzzzzzzz:F", [cid])
    beyond = Fact(D, "text/insert", "7.1.zzzzzzzz:beyond", [cid])
    other = Fact(b"another text", "text/insert", "0.1.zzzzzzzz:other", [cid])
    db.transact([forged, beyond, other, Fact(D, "text/insert", "0.1.zzzzzzzz:below", [beyond.cid])], author="mallory")
    db.transact([Fact(D, "text/delete", f"3.{MOST}", [forged.cid]), Fact(D, "text/delete", "0.1", [other.cid])])
    assert str(text) == "helloF"
    with text.batch():
        text.insert(5, "1")
        text.insert(5, "2")
        text.append("end")
    assert sorted(str(text)) == sorted("helloF12end") and str(text).startswith("hello")
    assert str(text) == by_program(db)
    text.insert(2, "--")
    assert str(text)[:7] == "he--llo" and str(text) == by_program(db)


# -- interrupted -------------------------------------------------------------------------------------------------------------


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop, ValueError])
def test_a_batch_that_raises_says_nothing(db: Connection, error) -> None:
    text = db.text(D)
    text.insert(0, "hello")
    watch = text.watch(timeout_s=0)
    with pytest.raises(error), text.batch():
        text.append(" there")
        text.delete(0, 3)
        raise error
    assert str(text) == "hello" and db.stats().epoch == 1
    assert list(watch) == []
    text.append("!")
    assert [change.apply("hello") for change in watch] == ["hello!"]


def test_a_batch_that_is_left_without_being_told(db: Connection) -> None:
    """As Ctrl-C leaves one before the first step of its `__exit__`."""
    text = db.text(D)
    text.insert(0, "hello")
    batch = text.batch()
    batch.__enter__()
    text.append(" there")
    assert str(text) == "hello there"
    with pytest.raises(RequestError, match="a batch of this text is open"):
        text.batch()
    for call in (text.refresh, lambda: text.rewind(0), text.watch):
        with pytest.raises(RequestError, match="a batch of this text is open"):
            call()
    del batch
    assert str(text) == "hello"
    text.append("!")
    assert str(text) == "hello!" == by_program(db)


def test_a_batch_can_be_begun_again_and_not_used_outside(db: Connection) -> None:
    text = db.text(D)
    batch = text.batch()
    for said in ("a", "b"):
        with batch:
            batch.splice(0, 0, said)
            with pytest.raises(RequestError, match="a batch of this text is open"), text.batch():
                pass
        with pytest.raises(RequestError, match="the batch has ended"):
            batch.splice(0, 0, "c")
    assert str(text) == "ba" == by_program(db) and db.stats().facts == 2


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_write_that_fails(db: Connection, monkeypatch, where) -> None:
    text = db.text(D)
    text.insert(0, "hello")
    watch = text.watch(timeout_s=0)
    transact = db.transact

    def failing(*arguments, **options):
        if where == "after":
            transact(*arguments, **options)
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(db, "transact", failing)
        with pytest.raises(Stop):
            text.append("!")
    expected = {"before": "hello", "after": "hello!"}[where]
    assert str(text) == expected == by_program(db)
    told = "hello"
    for change in watch:
        told = change.apply(told)
    assert told == expected


@pytest.mark.parametrize("seed", range(8))
def test_interrupted_anywhere_it_is_as_the_log_has_it(tmp_path, monkeypatch, seed) -> None:
    """Ctrl-C at one of the calls that a text makes: who watches is told once of what came, and nothing twice."""
    chance = random.Random(seed)
    left: list[int | None] = [None]
    monkeypatch.setattr(texts, "_UNSEEN_MAX", [1, 30, 256][seed % 3])

    def counted(method):
        def call(*arguments, **options):
            if left[0] is not None:
                left[0] -= 1
                if left[0] <= 0:
                    left[0] = None
                    raise KeyboardInterrupt
            return method(*arguments, **options)

        return call

    for owner, names in [
        (text_order.Order, ["take", "_insert", "_delete", "add", "name"]), (texts.Text, ["_tell", "_follow", "_anew", "_said", "_hand_out", "_see_own"]),
        (texts.Batch, ["_facts", "_insert"]), (texts._Feed, ["_take"]), (texts.TextWatch, ["_told", "_take"]),
    ]:  # fmt: skip
        for name in names:
            monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    with connect(tmp_path / "a.db", author="ann") as db, connect(tmp_path / "a.db", author="ben") as other:
        text, yours = db.text(D), other.text(D)
        watch, told = text.watch(timeout_s=0), ""
        for _ in range(40):
            left[0] = chance.randint(1, 25) if chance.random() < 0.6 else None
            try:
                who = chance.choice([text, text, yours])
                with who.batch():
                    for _ in range(chance.randint(1, 3)):
                        size = len(who)
                        position = chance.randint(0, size)
                        who.splice(
                            position, min(chance.choice([0, 0, 1, 2]), size - position), chance.choice(["", "a", "bc"])
                        )
                for change in watch:
                    told = change.apply(told)
            except KeyboardInterrupt:
                pass
            left[0] = None
            for change in watch:
                told = change.apply(told)
            assert told == str(text) == str(yours)
        assert by_program(db) == told


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # what is interrupted may leave a file open
def test_ctrl_c_at_any_time(tmp_path) -> None:
    chance = random.Random(1)

    def alarm(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, alarm)
    with (
        connect(tmp_path / "a.db", author="ann", durability="memory") as db,
        connect(tmp_path / "a.db", author="ben", durability="memory") as other,
    ):
        text, yours = db.text(D), other.text(D)
        text.append("all that is needed")
        yours.append(" is imported by now")
        watch, told = text.watch(timeout_s=0), str(text)
        for _ in range(80):
            who = chance.choice([text, text, yours])
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 3e-3))
                with who.batch():
                    for _ in range(chance.randint(1, 3)):
                        size = len(who)
                        position = chance.randint(0, size)
                        who.splice(
                            position, min(chance.choice([0, 0, 1, 2]), size - position), chance.choice(["", "a", "bc"])
                        )
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                pass
            for change in watch:
                told = change.apply(told)
            assert told == str(text) == str(yours)
        assert by_program(db) == told
    signal.signal(signal.SIGALRM, before)


KILLED = """
import os, sys, rhizomedb
db = rhizomedb.open(sys.argv[1], author="ben")
text = db.text(bytes.fromhex(sys.argv[2]))
text.append(" there")
with text.batch():
    text.append("!")
    os._exit(0)
"""


def test_a_process_that_ends_within_a_batch(tmp_path) -> None:
    with connect(tmp_path / "a.db", author="ann") as db, db.text(D) as text:
        text.append("hello")
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.db"), D.hex()], check=True)
        assert str(text) == "hello there" == by_program(db)


# -- other moments, and watching -----------------------------------------------------------------------------------------------


def test_rewound(db: Connection) -> None:
    text = db.text(D)
    shown = [""]
    for edit in [(0, 0, "hello"), (5, 0, " there"), (0, 3, ""), (2, 2, "XY")]:
        text.splice(*edit)
        shown.append(str(text))
    watch, told = text.watch(timeout_s=0), shown[-1]
    for epoch in (2, 0, 4, 3, 1):
        assert str(text.rewind(epoch)) == shown[epoch] and text.epoch == epoch
        for change in watch:
            told = change.apply(told)
        assert told == shown[epoch]
    db.text(D).append("!")
    assert str(text) == shown[1], "it stays where it is"
    text.refresh()
    assert str(text) == shown[-1] + "!"
    for change in watch:
        told = change.apply(told)
    assert told == str(text)


def test_watching(db: Connection) -> None:
    text = db.text(D)
    text.insert(0, "hello")
    first, few = text.watch(from_now=False, timeout_s=0), text.watch(buffer=1, timeout_s=0)
    ends = text.watch(buffer=1, overflow="error", timeout_s=0)
    for character in "abc":
        text.append(character)
    changes = list(first)
    assert [change.before for change in changes] == [None, 1, 2, 3]
    assert changes[0].splices[0].inserted == "hello" and changes[-1].splices[0].position == 7
    (one,) = few
    assert one.epoch == 4 and one.before == 1 and one.apply("hello") == "helloabc"
    assert next(ends).epoch == 2
    with pytest.raises(RequestError, match="did not take 1 changes"):
        next(ends)

    async def wait():
        async for change in text.watch(from_now=False):
            return change

    assert asyncio.run(wait()).apply("") == "helloabc"


@pytest.mark.parametrize("most", [1, 40, 256])
def test_the_view_looks_at_what_was_said_here_now_and_then(db: Connection, monkeypatch, most) -> None:
    monkeypatch.setattr(texts, "_UNSEEN_MAX", most)
    text, other = db.text(D), db.text(D)
    watch, told, expected = text.watch(timeout_s=0), "", ""
    for number in range(60):
        text.splice(number // 2, number % 2, "xyz"[number % 3])
        position = number // 2
        expected = expected[:position] + "xyz"[number % 3] + expected[position + number % 2 :]
        assert str(text) == expected and text.epoch - text._view.epoch <= most / 9
        if number == 40:
            assert str(other) == expected
    assert len(text.rewind(text.epoch - 1)) == len(expected), "the last edit put one in the place of another"
    assert str(text) != expected
    text.refresh()
    for change in watch:
        told = change.apply(told)
    assert told == str(text) == str(other) == by_program(db) == expected


def test_a_text_that_nobody_reads_for_long(db: Connection, monkeypatch) -> None:
    monkeypatch.setattr(texts, "_KEPT_MAX", 3)
    text, other = db.text(D), db.text(D)
    watch, told = text.watch(timeout_s=0), ""
    for number in range(11):
        other.append(str(number))
        if number == 4:
            assert str(text) == "01234"
    for change in watch:
        told = change.apply(told)
    assert told == str(text) == "012345678910"

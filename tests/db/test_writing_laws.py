"""Laws of writing: whatever happened before, what is said now shows; what others say, unseen, is not silenced."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import RequestError, StoreError
from rhizomedb.facts.value import exact

ENTITY = b"e" * 16
VALUES = st.lists(st.sampled_from([1, 2, 1.0, "x"]), min_size=1, max_size=2, unique_by=exact)
AUTHORS = st.sampled_from(["ann", "bob", "imdb"])
STEPS = st.one_of(
    st.tuples(st.just("person"), AUTHORS, VALUES),
    st.tuples(st.just("source"), AUTHORS, VALUES),
    st.tuples(st.just("retract"), AUTHORS, st.sampled_from(["seen", "own"])),
)


def cells(values):
    return {exact(value) for value in values}


def shown(reader):
    try:
        return cells(reader.get(ENTITY, "v", policy="all", default=[]))
    except RequestError as error:
        assert error.code == "db.unknown-entity"
        return set()


def says(db, author):
    """What stands by one author in the whole view."""
    register = {}
    for statement in db.history(ENTITY, "v") if db.stats().facts else ():
        if statement.standing and statement.author == author:
            register[exact(statement.claim.value)] = True
    return set(register)


def step(db, action, author, what):
    if action == "retract":
        try:
            db.retract(ENTITY, "v", author=author, scope=what)
        except RequestError as error:
            assert error.code in ("db.nothing-to-retract", "db.unknown-entity")
        return
    scope = "seen" if action == "person" else "own"
    db.transact([(ENTITY, "v", value) for value in what], author=author, scope=scope)


@given(st.lists(STEPS, max_size=7))
@example([("person", "ann", [2]), ("person", "ann", [1]), ("source", "bob", [2]), ("person", "bob", [1, 2])])
@example([("person", "ann", [1]), ("person", "ann", ["x"]), ("source", "ann", [1, "x"])])
@example([("person", "ann", [1]), ("person", "ann", [2]), ("retract", "ann", "seen"), ("person", "ann", [1])])
@settings(max_examples=250)
def test_what_is_said_shows_and_saying_it_again_adds_nothing(steps):
    with connect(":memory:", keyring=Keyring(), author="ann") as db:
        for action, author, what in steps:
            step(db, action, author, what)
            if action == "person":
                assert shown(db) == cells(what)
                assert says(db, author) <= cells(what)
            elif action == "source":
                assert shown(db.by(author)) == cells(what)
            elif what == "seen":
                assert shown(db) == set()
            else:
                assert says(db, author) == set()
            before = db.stats()
            step(db, action, author, what)
            if action != "person" or says(db, author) == cells(what):
                assert db.stats() == before


@given(st.lists(STEPS, max_size=5), st.lists(STEPS, max_size=5), VALUES)
@settings(max_examples=120)
def test_what_is_said_unseen_elsewhere_stands_when_copies_meet(here_steps, there_steps, values):
    with connect(":memory:", keyring=Keyring()) as here, connect(":memory:", keyring=Keyring()) as there:
        for one in here_steps:
            step(here, *one)
        for action, _, what in there_steps:
            step(there, action, "stranger", what)
        there.transact([(ENTITY, "v", value) for value in values], author="stranger")
        for copy, other in ((here, there), (there, here)):
            copy.admit([delta.encode() for delta in other.deltas()], origin="sync")
        stranger = there._keyring.key("stranger").public
        for copy in (here, there):
            with copy._store.writing():
                copy._store.name(stranger, "stranger")
            assert says(copy, "stranger") == cells(values)
        assert shown(here) == shown(there)


def test_a_source_that_comes_after_a_person_overruled_another_is_a_conflict(db):
    db.transact([(ENTITY, "v", 136)], author="imdb", scope="own")
    db.transact([(ENTITY, "v", 140)], author="ann")
    db.transact([(ENTITY, "v", 136)], author="wikipedia", scope="own")
    (conflict,) = db.conflicts()
    assert {said.value: said.authors for said in conflict.values} == {140: ("ann",), 136: ("wikipedia",)}


def test_a_clock_that_was_set_back_holds_nothing_back(db, wall):
    db.transact([(ENTITY, "v", 1)])
    wall.forward(-86_400_000)
    assert db.transact([(ENTITY, "v", 2)])
    assert db.get(ENTITY, "v") == 2 and db.held() == []


@pytest.mark.parametrize("scope", ["seen", "own"])
def test_what_is_said_shows_whatever_number_of_values_stood(db, scope):
    db.transact([(ENTITY, "v", n) for n in range(1500)], author="ann", scope="own")
    db.transact([(ENTITY, "v", -1)], author="ann", scope=scope)
    assert shown(db) == {-1}
    db.transact([(ENTITY, "v", n) for n in range(1500)], author="bob", scope="own")
    db.transact([(ENTITY, "v", -2)], author="ann")
    assert shown(db) == {-2}


def test_a_write_that_fails_leaves_what_comes_due_as_it_was(db, another, wall):
    db.transact([(ENTITY, "v", 7)])
    ahead = [delta.encode() for delta in db.deltas()]
    wall.forward(-3_600_000)
    copy = another()
    copy.admit(ahead, origin="sync")
    wall.forward(3_600_000)
    with pytest.raises(RequestError, match="expectation-failed"):
        copy.transact([(ENTITY, "v", 2)], expect={(ENTITY, "v"): 99})
    assert copy.get(ENTITY, "v") == 7 and copy.held() == []


def test_an_earlier_epoch_is_the_snapshot_taken_then(db, wall):
    snapshots = []
    for value in (1, 2, 3):
        db.transact([(ENTITY, "v", value), (ENTITY, "title", f"T{value}")], author=f"a{value}")
        snapshots.append(db.snapshot())
        wall.forward(1000)
    for number, snapshot in enumerate(snapshots, 1):
        then = db.at_epoch(number)
        assert then.stats() == snapshot.stats() and then.stats().epoch == number
        assert then.authors() == snapshot.authors()
        assert dict(then.get(ENTITY)) == dict(snapshot.get(ENTITY)) and then.get(ENTITY).label == f"T{number}"
        assert then.get(ENTITY, "v", policy=f"trusted:a{number}") == number


def test_a_corrected_title_is_the_label(db):
    db.transact([(ENTITY, "title", "Alein")])
    db.transact([(ENTITY, "title", "Alien")])
    assert db.get(ENTITY).label == "Alien"


def test_a_name_that_looks_like_an_id_is_a_name_first(db):
    db.transact([(ENTITY, "title", "20240101")])
    db.transact([(bytes.fromhex("20240101"), "title", "other")], author="stranger")
    assert db.entity("20240101") == ENTITY
    assert db.entity("0x20240101") == bytes.fromhex("20240101")


def test_a_strangers_key_does_not_take_a_name_over(db):
    import rhizomedb

    db.transact([(ENTITY, "title", "The Matrix"), (ENTITY, "runtime", 136)])
    other = rhizomedb.entity(zz="The Matrix")
    db.transact([(other, "zz", "The Matrix"), (other, "runtime", 666)], author="stranger")
    with pytest.raises(RequestError, match="ambiguous"):
        db.get("The Matrix", "runtime")


def test_a_file_that_was_replaced_is_not_written(tmp_path):
    with connect(tmp_path / "f.db") as db:
        db.transact([(ENTITY, "v", 1)])
        (tmp_path / "f.db").rename(tmp_path / "g.db")
        with connect(tmp_path / "f.db") as other:
            other.transact([(ENTITY, "v", 2)])
        with pytest.raises(StoreError, match="replaced while it was open"):
            db.transact([(ENTITY, "v", 3)])

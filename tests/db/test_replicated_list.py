"""Lists through their handle: copies that write apart and meet now and then."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from replicas import all_writers_alike, doings, holds, is_caught, meet, meet_all, opened

import rhizomedb
from rhizomedb import Fact
from rhizomedb.crdt import LIBRARY
from rhizomedb.db.connection import Connection
from rhizomedb.db.types import replicated_list
from rhizomedb.db.types.replicated_list import ReplicatedList
from rhizomedb.errors import RequestError, ValueRefused

ENTITY = rhizomedb.entity(list="shopping")
INSERT_AND_DELETE = {"insert": st.integers(0, 5), "delete": st.integers(0, 5)}


def by_program(db: Connection) -> list[object]:
    """What the program alone answers."""
    after = {before: (element, value) for before, element, value in db.query(LIBRARY["list"].program)}
    found, at = [], ENTITY
    while at in after:
        at, value = after[at]
        found.append(value)
    return found


def law(copies: int):
    """Each edit does here what it would to a plain list; and of two elements all copies say the same which is first."""

    def check(happened) -> None:
        with opened(copies) as dbs:
            lists = [db.list(ENTITY) for db in dbs]
            inserted: list[set[int]] = [set() for _ in dbs]
            deleted: list[set[int]] = [set() for _ in dbs]
            order: set[tuple[object, object]] = set()

            def look(place: int) -> None:
                found = list(lists[place])
                assert sorted(found) == sorted(inserted[place] - deleted[place])
                assert found == by_program(dbs[place])
                order.update((one, other) for n, one in enumerate(found) for other in found[n + 1 :])
                assert not any((other, one) in order for one, other in order)

            for number, (what, place, which) in enumerate(happened):
                here = list(lists[place])
                if what == "meet":
                    meet(dbs[place], dbs[which])
                    for some in (inserted, deleted):
                        some[place] |= some[which]
                        some[which] |= some[place]
                    look(which)
                elif what == "insert":
                    lists[place].insert(which, number)
                    inserted[place].add(number)
                    here.insert(which, number)
                    assert list(lists[place]) == here
                elif which < len(here):
                    del lists[place][which]
                    deleted[place].add(here.pop(which))
                    assert list(lists[place]) == here
                look(place)
            meet_all(dbs)
            found = {tuple(each) for each in lists}
            assert len(found) == 1 and set(*found) == set().union(*inserted) - set().union(*deleted)

    return check


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_hold_one_list_and_each_edit_does_what_it_says(copies):
    holds(law(copies), doings(INSERT_AND_DELETE, copies), 12)


@pytest.mark.parametrize("broken", ["counter", "place", "element"])
def test_a_broken_handle_is_caught(broken, monkeypatch):
    if broken == "counter":
        monkeypatch.setattr(replicated_list, "_GREATEST", replicated_list._GREATEST.replace("max", "min"))
    elif broken == "place":
        monkeypatch.setattr(replicated_list, "_Element", lambda _, value: ELEMENT(ENTITY, value))
    else:
        all_writers_alike(monkeypatch)
    is_caught(law(2), st.just([("insert", 0, 0)] * 8) if broken == "counter" else doings(INSERT_AND_DELETE, 2))


ELEMENT = replicated_list._Element


def alike() -> None:
    with opened(2) as dbs:
        lists = [db.list(ENTITY) for db in dbs]
        for each in lists:
            each.append("milk")
        meet(*dbs)
        assert list(lists[0]) == list(lists[1]) == ["milk", "milk"]
        for each in lists:
            del each[0]
        meet(*dbs)
        assert list(lists[0]) == list(lists[1]) == ["milk"], "the same element was deleted by both"


def test_what_two_insert_alike_stands_twice():
    alike()


def test_what_two_insert_alike_would_be_one_without_what_is_random(monkeypatch):
    all_writers_alike(monkeypatch)
    with pytest.raises(AssertionError):
        alike()


def test_it_is_a_list(db: Connection) -> None:
    some = db.list(ENTITY)
    assert list(some) == [] and len(some) == 0 and repr(some) == "ReplicatedList([])"
    some.extend([])
    assert db.stats().facts == 0
    some.extend(["b", 1, 1.0, True])
    some.insert(0, "a")
    some.insert(-1, "c")
    some.append(b"z")
    assert repr(some) == "ReplicatedList(['a', 'b', 1, 1.0, 'c', True, b'z'])"
    assert (some[0], some[-1], some[2:4]) == ("a", b"z", [1, 1.0])
    assert [some.index(each) for each in (1, 1.0, True)] == [2, 3, 5], "members are exact"
    assert True in some and 2 not in some
    with pytest.raises(ValueError):
        some.index(2)
    del some[1:3]
    del some[-1]
    assert repr(some) == "ReplicatedList(['a', 1.0, 'c', True])"
    some.clear()
    assert list(some) == []
    some.append(1)
    assert list(some) == [1]


@pytest.mark.parametrize("call", [
    lambda some: some[1], lambda some: some[-2], lambda some: some["0"], lambda some: some[True],
    lambda some: some.__delitem__(1), lambda some: some.insert("0", 1), lambda some: some.insert(None, 1),
])  # fmt: skip
def test_there_is_no_such_element(db: Connection, call) -> None:
    some = db.list(ENTITY)
    some.append("a")
    with pytest.raises(RequestError) as refused:
        call(some)
    assert refused.value.code == "crdt.place" and isinstance(refused.value, IndexError)
    assert list(some) == ["a"]


def test_what_is_no_value_is_refused_and_nothing_is_said(db: Connection) -> None:
    with pytest.raises(ValueRefused):
        db.list(ENTITY).extend([1, None])
    assert db.stats().facts == 0


def test_two_lists_of_one_database_are_two(db: Connection) -> None:
    one, other = db.list(ENTITY), db.list(rhizomedb.entity(list="other"))
    one.extend([1, 2])
    other.extend([3])
    assert (list(one), list(other)) == ([1, 2], [3])


def test_another_process_goes_on(tmp_path) -> None:
    for number in range(3):
        with rhizomedb.open(tmp_path / "a.db", author="ann") as db:
            db.list(ENTITY).append(number)
    with rhizomedb.open(tmp_path / "a.db") as db:
        assert list(db.list(ENTITY)) == [0, 1, 2]


def test_t7_a_forged_counter_only_sorts_first(db: Connection) -> None:
    some = db.list(ENTITY)
    some.append("a")
    lie = b"liar"
    db.transact([Fact(lie, name, value) for name, value in
                 [("list/after", ENTITY), ("list/counter", 2**63 - 1), ("list/value", "lie")]])  # fmt: skip
    assert list(some) == ["lie", "a"]
    some.insert(1, "b")
    some.insert(0, "c")
    # no counter is greater than the forged one, so the ids decide
    assert list(some) in (["c", "lie", "b", "a"], ["lie", "b", "c", "a"])


def test_a_ring_of_elements_has_an_end(db: Connection) -> None:
    some = db.list(ENTITY)
    some.append("a")
    (element,) = (each.entity for each in some._elements())
    db.transact([Fact(ENTITY, name, value) for name, value in
                 [("list/after", element), ("list/counter", 1), ("list/value", "around")]])  # fmt: skip
    assert len(some) <= 2
    some.append("b")


def test_the_handle_is_that_of_the_library(db: Connection) -> None:
    assert isinstance(db.list(ENTITY), ReplicatedList)

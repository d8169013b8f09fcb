"""Maps and registers through their handles: copies that write apart and meet now and then, against plain sets."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from replicas import all_writers_alike, doings, holds, is_caught, meet, meet_all, opened

import rhizomedb
from rhizomedb import Fact
from rhizomedb.crdt import LIBRARY
from rhizomedb.db.connection import Connection
from rhizomedb.db.reader import is_register
from rhizomedb.db.types import replicated_map
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import exact

ENTITY = rhizomedb.entity(map="settings")
KEYS = ["k", 1, 1.0]
WRITE_AND_DELETE = {
    "write": st.tuples(st.integers(0, 2), st.integers(0, 1)),
    "delete": st.tuples(st.integers(0, 2), st.just(0)),
}


@dataclass
class Copy:
    """What one copy knows, by numbers of operations: the key and value of writes, and the key of deletes."""

    writes: dict[int, tuple[int, int]] = field(default_factory=dict)
    deletes: dict[int, int] = field(default_factory=dict)

    def take(self, other: Copy) -> None:
        self.writes |= other.writes
        self.deletes |= other.deletes

    def entries(self, seen: dict[int, set[int]]) -> set[tuple[object, int]]:
        """A write stands that nothing later of its key had seen."""
        of = {number: key for number, (key, _) in self.writes.items()} | self.deletes
        return {
            (exact(KEYS[key]), value)
            for write, (key, value) in self.writes.items()
            if not any(write in seen[other] for other, its in of.items() if its == key)
        }


def law(copies: int):
    """A map holds what no later write or delete of its key had seen; and so does the view of what stands."""

    def check(happened) -> None:
        with opened(copies) as dbs:
            maps = [db.map(ENTITY) for db in dbs]
            known, seen = [Copy() for _ in dbs], {}

            def look(place: int) -> None:
                expected, some = known[place].entries(seen), maps[place]
                assert {(exact(key), each) for key in some for each in some.conflicts(key)} == expected
                assert {(exact(key), value) for key, value in some.items()} <= expected
                assert [exact(key) for key in some] == [exact(key) for key in (1, 1.0, "k") if key_in(key, expected)]
                assert all(some.get(key) == value for key, value in some.items())
                stands = dbs[place].query("s(k: K, v: V) :- stands(entity: $e, attribute: K, value: V).", {"e": ENTITY})
                shown = {(exact(key), value) for key, value in stands if is_register(key)}
                assert shown == expected, "`get` shows what the map does"

            for number, (what, place, which) in enumerate(happened):
                copy = known[place]
                if what == "meet":
                    meet(dbs[place], dbs[which])
                    copy.take(known[which])
                    known[which].take(copy)
                    look(which)
                elif what == "write":
                    seen[number] = {*copy.writes, *copy.deletes}
                    maps[place][KEYS[which[0]]] = which[1]
                    copy.writes[number] = which
                elif KEYS[which[0]] in maps[place]:
                    seen[number] = {*copy.writes, *copy.deletes}
                    del maps[place][KEYS[which[0]]]
                    copy.deletes[number] = which[0]
                look(place)
            meet_all(dbs)
            for copy in known[1:]:
                known[0].take(copy)
            look(0)
            assert len({repr(each) for each in maps}) == 1

    return check


def key_in(key, entries) -> bool:
    return any(each == exact(key) for each, _ in entries)


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_hold_what_plain_sets_say(copies):
    holds(law(copies), doings(WRITE_AND_DELETE, copies), 12)


@pytest.mark.parametrize("broken", ["heads", "program", "writer", "claims"])
def test_a_broken_handle_is_caught(broken, monkeypatch):
    if broken == "heads":  # a delete that names nothing removes nothing
        monkeypatch.setattr(
            replicated_map,
            "HEADS",
            "head(fact: C) :- said(fact: C), seen(fact: C). seen(fact: C) :- cause(from: C, to: C).",
        )
    elif broken == "program":
        of = LIBRARY["map"]
        rule = "seen(map: E, key: K, fact: P) :- delete(fact: C, map: E, key: K), cause(from: C, to: P)."
        program = of.program.replace(rule, "")
        assert program != of.program
        monkeypatch.setitem(LIBRARY, "map", type(of)(of.name, of.summary, program, of.answer))
    elif broken == "claims":
        monkeypatch.setattr(replicated_map, "_CLAIMS", replicated_map._CLAIMS[:-1] + ', fact(attribute: "none").')
    else:
        all_writers_alike(monkeypatch)
    is_caught(law(2), st.just(TAKEN_BACK) if broken == "writer" else doings(WRITE_AND_DELETE, 2))


TAKEN_BACK = [("write", 0, (0, 0)), ("write", 1, (0, 0)), ("delete", 0, (0, 0)), ("meet", 0, 1)]
"""A write that is taken back by somebody who had not seen that another wrote the same."""


def alike() -> None:
    with opened(2) as dbs:
        maps = [db.map(ENTITY) for db in dbs]
        for each in maps:
            each["k"] = 1
        del maps[0]["k"]
        meet(*dbs)
        assert [each.items() for each in maps] == [[("k", 1)]] * 2, "the other's write was not seen"


def test_what_two_write_alike_is_taken_back_one_by_one():
    alike()


def test_what_two_write_alike_would_be_one_without_what_is_random(monkeypatch):
    all_writers_alike(monkeypatch)
    with pytest.raises(AssertionError):
        alike()


def test_a_delete_said_by_hand_removes_nothing_and_the_handle_does(db: Connection) -> None:
    some = db.map(ENTITY)
    some["k"] = 1
    db.transact([(ENTITY, "map/delete", "k")])
    assert some["k"] == 1
    del some["k"]
    assert "k" not in some and db.get(ENTITY, "k", default=None) is None
    some["k"] = 1
    assert some.items() == [("k", 1)] and db.get(ENTITY, "k") == 1


def test_it_is_a_map(db: Connection) -> None:
    some = db.map(ENTITY)
    assert list(some) == [] and repr(some) == "ReplicatedMap({})"
    some.update([("a", 1), (1, "one"), (1.0, "two"), ("a", 2)], b=3)
    assert some.items() == [(1, "one"), (1.0, "two"), ("a", 2), ("b", 3)]
    assert repr(some) == "ReplicatedMap({1: 'one', 1.0: 'two', 'a': 2, 'b': 3})" and len(some) == 4
    assert (some.keys(), some.values()) == ([1, 1.0, "a", "b"], ["one", "two", 2, 3])
    assert (some.get("c"), some.get("c", 5), some.get("b", 5), some.conflicts("b"), some.conflicts("c")) == (
        None,
        5,
        3,
        [3],
        [],
    )
    some.clear()
    assert len(some) == 0 and not db.get(ENTITY)
    some.clear()
    with pytest.raises(RequestError) as refused:
        some["a"]
    assert refused.value.code == "crdt.place" and isinstance(refused.value, KeyError)
    with pytest.raises(RequestError):
        del some["a"]
    some.update(ab=1)
    with pytest.raises(RequestError, match="no 'abb'") as refused:
        some["abb"]
    assert refused.value.nearest == ("ab",) or list(refused.value.nearest) == ["ab"]


@pytest.mark.parametrize(
    ("key", "code"), [("set/add", "crdt.key"), ("map/delete", "crdt.key"), ("rhizome/x", "db.reserved")]
)
def test_what_is_no_key(db: Connection, key: str, code: str) -> None:
    for write in (lambda: db.map(ENTITY).update({"a": 1, key: 1}), lambda: db.register(ENTITY, key)):
        with pytest.raises(RequestError) as refused:
            write()
        assert refused.value.code == code
    assert db.stats().facts == 0


def test_more_writes_stand_than_one_fact_can_name(db: Connection) -> None:
    nonces = [Fact(ENTITY, "rhizome/writer", number.to_bytes(2)) for number in range(1100)]
    db.transact([*nonces, *(Fact(ENTITY, "k", number % 7, [nonce.cid]) for number, nonce in enumerate(nonces))])
    some = db.map(ENTITY)
    assert sorted(map(int, some.conflicts("k"))) == list(range(7))
    some["k"] = 8
    assert some.conflicts("k") == [8]
    assert len(some._heads("k")) == 1, "what was gathered is seen through"
    del some["k"]
    assert list(some) == []


def test_what_the_database_says_of_an_entity_is_no_key(db: Connection) -> None:
    db.transact([(ENTITY, "a", 1)])
    db.retract(ENTITY, "a")
    db.map(ENTITY)["b"] = 2
    assert {row[1] for row in db.query(LIBRARY["map"].program)} == {"a", "b"}, "a retraction is no delete"


# Registers


def test_a_register_holds_what_no_later_write_had_seen() -> None:
    with opened(2) as dbs:
        one, other = (db.register(ENTITY, "title") for db in dbs)
        assert (one.value, one.latest, one.values) == (None, None, [])
        one.set("a")
        one.set("b")
        other.set("b")
        other.set("c")
        one.set("d")
        meet(*dbs)
        assert one.values == other.values == ["c", "d"]
        assert (one.value == other.value and one.value in one.values and one.latest == "d") or one.latest == "c"
        assert repr(one) == "ReplicatedRegister(['c', 'd'])"
        other.set("e")
        meet(*dbs)
        assert (one.values, one.value, one.latest) == (["e"], "e", "e") and dbs[0].get(ENTITY, "title") == "e"


def same_register() -> None:
    with opened(2) as dbs:
        one, other = (db.register(ENTITY, "title") for db in dbs)
        one.set("a")
        other.set("a")
        one.set("b")
        meet(*dbs)
        assert one.values == other.values == ["a", "b"]


def test_two_who_write_the_same_value_are_replaced_one_by_one(monkeypatch) -> None:
    same_register()
    all_writers_alike(monkeypatch)
    with pytest.raises(AssertionError):
        same_register()

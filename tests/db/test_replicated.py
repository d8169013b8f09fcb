"""Sets and counters through their handles: three copies that write apart and meet now and then, against plain sets."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rhizomedb
from rhizomedb import Fact
from rhizomedb.db.connection import Connection
from rhizomedb.errors import RequestError, ValueRefused

ENTITY = rhizomedb.entity(list="shopping")
MEMBERS = ["milk", 1, 1.0, True]
COPIES = 3


@dataclass
class Copy:
    """What one copy knows, by numbers of operations: adds and removes of each member, and what each had seen."""

    adds: dict[int, int] = field(default_factory=dict)
    removes: dict[int, int] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)

    def take(self, other: Copy) -> None:
        self.adds |= other.adds
        self.removes |= other.removes
        self.steps |= other.steps

    def add_wins(self, seen: dict[int, set[int]]) -> set[int]:
        return {
            member
            for add, member in self.adds.items()
            if not any(add in seen[remove] for remove, of in self.removes.items() if of == member)
        }

    def remove_wins(self, seen: dict[int, set[int]]) -> set[int]:
        standing = {
            member
            for remove, member in self.removes.items()
            if not any(remove in seen[add] for add, of in self.adds.items() if of == member)
        }
        return set(self.adds.values()) - standing


DOINGS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "remove", "step"]), st.integers(0, COPIES - 1), st.integers(0, 3)),
        st.tuples(st.just("meet"), st.integers(0, COPIES - 1), st.integers(0, COPIES - 1)),
    ),
    max_size=14,
)


def meet(one: Connection, other: Connection) -> None:
    one.admit([delta.encode() for delta in other.deltas()], origin="meeting")
    other.admit([delta.encode() for delta in one.deltas()], origin="meeting")


@pytest.mark.parametrize("kind", ["add_wins", "remove_wins"])
@given(DOINGS)
@settings(max_examples=40)
def test_copies_hold_what_plain_sets_say(kind, doings):
    # one author for all: two devices of one person are two writers
    dbs = [rhizomedb.open(":memory:", author="one person") for _ in range(COPIES)]
    sets = [getattr(db, f"{kind}_set")(ENTITY) for db in dbs]
    counters = [db.counter(ENTITY) for db in dbs]
    copies, seen = [Copy() for _ in dbs], {}

    def check(place):
        expected = getattr(copies[place], kind)(seen)
        assert [*map(repr, sets[place])] == [repr(MEMBERS[member]) for member in ORDER if member in expected]
        assert counters[place].value == sum(copies[place].steps.values())

    for number, (what, place, which) in enumerate(doings):
        copy = copies[place]
        if what == "meet":
            meet(dbs[place], dbs[which])
            copy.take(copies[which])
            copies[which].take(copy)
            check(which)
        elif what == "step":
            counters[place].add(which - 1)
            copy.steps[number] = which - 1
        elif what == "add" or which in getattr(copy, kind)(seen):
            seen[number] = {*copy.adds, *copy.removes}
            {"add": sets[place].add, "remove": sets[place].remove}[what](MEMBERS[which])
            (copy.adds if what == "add" else copy.removes)[number] = which
        check(place)
    for db in dbs:
        db.close()


ORDER = [3, 1, 2, 0]
"""The members in the order of values: bools, ints, floats, texts."""


def test_what_is_not_there_is_not_removed(db: Connection) -> None:
    some = db.add_wins_set(ENTITY)
    with pytest.raises(RequestError, match="1 is not in the set") as caught:
        some.remove(1)
    assert caught.value.code == "crdt.no-member"
    some.discard(1)
    assert len(some) == 0 and db.stats().facts == 0


@pytest.mark.parametrize("step", [True, "1", None])
def test_a_counter_counts_numbers(db: Connection, step: object) -> None:
    with pytest.raises(RequestError, match="a counter counts numbers") as caught:
        db.counter(ENTITY).add(step)  # type: ignore[arg-type]
    assert caught.value.code == "crdt.step"


@pytest.mark.parametrize(
    "kind",
    [
        "doc",
        "text",
        "counter",
        "add_wins_set",
        "remove_wins_set",
        "grow_only_set",
        "two_phase_set",
        "grow_only_counter",
        "map",
        "list",
    ],
)
def test_one_of_which_nothing_is_said_yet_is_held_by_an_id(db: Connection, kind: str) -> None:
    with pytest.raises(RequestError) as refused:
        getattr(db, kind)("Notes")
    assert refused.value.code == "db.unknown-entity" and "rhizomedb.entity(name='Notes')" in str(refused.value.fix)
    assert getattr(db, kind)(rhizomedb.entity(name="Notes")).entity == rhizomedb.entity(name="Notes")


@pytest.mark.parametrize("call", [
    lambda db: db.doc(7), lambda db: db.text(None), lambda db: db.counter(7), lambda db: db.snapshot().doc(7),
    lambda db: db.get(7), lambda db: db.history(None), lambda db: db.retract(7),
])  # fmt: skip
def test_what_is_no_entity(db: Connection, call) -> None:
    with pytest.raises(ValueRefused) as refused:
        call(db)
    assert refused.value.code == "facts.entity-type"


def test_operations_are_no_registers(db: Connection) -> None:
    db.transact([(ENTITY, "name", "shopping")])
    some, count = db.add_wins_set("shopping"), db.counter("shopping")
    for member in ("milk", "bread"):
        some.add(member)
        count.add()
    assert list(db.get("shopping")) == ["name"] and not db.conflicts() and not db.conflicts("shopping")
    assert [list(record) for record in db.records()] == [["name"]]
    assert repr(some) == "ReplicatedSet(['bread', 'milk'])" and repr(count) == "ReplicatedCounter(2)"


def test_another_process_goes_on(tmp_path) -> None:
    with rhizomedb.open(tmp_path / "a.db", author="ann") as db:
        db.counter(ENTITY).add(2)
        db.add_wins_set(ENTITY).add("milk")
    with rhizomedb.open(tmp_path / "a.db", author="ann") as db:
        db.counter(ENTITY).add(2)
        some = db.add_wins_set(ENTITY)
        some.add("milk")
        assert db.counter(ENTITY).value == 4 and list(some) == ["milk"]
        some.remove("milk")
        assert list(some) == []


def test_what_only_grows(db: Connection) -> None:
    some, count = db.grow_only_set(ENTITY), db.grow_only_counter(ENTITY)
    for number in (1, 1.0, True):
        some.add(number)
        count.add(int(number))
    assert repr(some) == "GrowOnlySet([True, 1, 1.0])" and count.value == 3 and not hasattr(some, "remove")
    with pytest.raises(RequestError, match="never goes down") as refused:
        count.add(-1)
    assert refused.value.code == "crdt.step" and count.value == 3
    db.counter(ENTITY).add(-1)
    assert count.value == 3, "others' steps down count for nothing"


def test_what_was_removed_from_a_two_phase_set_is_out_for_good(db: Connection) -> None:
    some = db.two_phase_set(ENTITY)
    some.add(1)
    some.add(True)
    some.remove(1)
    with pytest.raises(RequestError, match="for good") as refused:
        some.add(1)
    assert refused.value.code == "crdt.removed" and list(some) == [True]
    db.add_wins_set(ENTITY).add(1)
    assert list(some) == [True]


def test_a_member_of_which_more_was_said_than_one_fact_can_name(db: Connection) -> None:
    nonces = [Fact(ENTITY, "rhizome/writer", number.to_bytes(2)) for number in range(1100)]
    db.transact([*nonces, *(Fact(ENTITY, "set/add", "milk", [nonce.cid]) for nonce in nonces)])
    some = db.add_wins_set(ENTITY)
    some.remove("milk")
    assert list(some) == []
    some.add("milk")
    assert list(some) == ["milk"]

"""Groups of deltas are visible all or none, and those that wait are told, in whatever order their parts come."""

import json
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.cli import main
from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.facts.clock import AHEAD_MS_MAX, HybridTime
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key

KEYS = [Key(bytes([number]) * 32) for number in (1, 2)]


def part(group, number, author=0, ms=1):
    fact = Fact(b"e", f"{group.id.decode()}{author}", number)
    return Delta.sign(KEYS[author], system="s", time=HybridTime(ms, number), facts=[fact], group=group, scope="own")


def parts_of_a_write(db):
    """What one write says in several deltas: a name, a hyperedge, and schemas that belong together."""
    before = {delta.id for delta in db.deltas()}
    db.relate(of=("The Matrix", "cast"), actor=("Keanu Reeves", "appearedIn"))
    db.undo()
    return [delta for delta in db.deltas() if delta.id not in before]


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_every_order_nothing_is_shown_before_all(kind, order, tmp_path):
    group = Group(b"g", 3)
    parts = [part(group, number) for number in range(3)]
    path = ":memory:" if kind == "memory" else tmp_path / "a.db"
    with connect(path, keyring=Keyring()) as db, db.view('now(v: V) :- stands(attribute: "g0", value: V).') as view:
        for place, number in enumerate(order):
            db.admit([parts[number].encode()], origin=f"peer {number}")
            waiting = db.pending()
            if place < 2:
                (told,) = waiting
                assert (told.size, told.missing, told.visible, told.due_ms) == (3, 2 - place, 0, None)
                assert {each.id for each in told.here} == {parts[n].id for n in order[: place + 1]}
                assert set(told.origins) == {f"peer {n}" for n in order[: place + 1]}
                assert told.author_key == KEYS[0].public
                assert not view.relation() and not db.stats().facts
                db.admit([parts[number].encode()], origin="again")
                assert db.pending() == waiting
            else:
                assert waiting == [] and len(view.relation()) == 3


def test_copies_that_get_parts_from_each_other(another):
    """Three copies, each with a part: whoever meets whom, a group is shown where all of it is."""
    group = Group(b"g", 3)
    parts = [part(group, number) for number in range(3)]
    for first, second in permutations(range(3), 2):
        dbs = [another() for _ in range(3)]
        for db, each in zip(dbs, parts, strict=True):
            db.admit([each.encode()], origin="author")
        target = dbs[first]
        target.admit([dbs[second]._store.envelope(parts[second].id)], origin=f"copy {second}")
        assert [(told.missing, set(told.origins)) for told in target.pending()] == [(1, {"author", f"copy {second}"})]
        third = 3 - first - second
        target.admit([parts[third].encode()], origin=f"copy {third}")
        assert target.pending() == [] and target.stats().deltas == 3
        assert [len(dbs[n].pending()) for n in (second, third)] == [1, 1]


def test_what_a_write_says_in_several_deltas_waits_as_a_whole(db, another):
    parts = parts_of_a_write(db)
    groups = {delta.group for delta in parts if delta.group}
    assert groups
    for order in permutations(parts):
        copy = another()
        for delta in order:
            copy.admit([delta.encode()], origin="one by one")
            here = {each.id for each in copy.deltas()}
            for group in groups:
                members = {each.id for each in parts if each.group == group}
                assert members <= here or not members & here
            waiting = {each.id for group in copy.pending() for each in group.here}
            assert waiting == {held.id for held in copy.held()}
        assert copy.pending() == []
        assert copy.hyperedges() == db.hyperedges()


def test_one_that_is_complete_may_wait_for_its_time(db, wall):
    group = Group(b"g", 2)
    ahead = part(group, 1, ms=wall.ms + AHEAD_MS_MAX + 60_000)
    db.admit([part(group, 0).encode(), ahead.encode()], origin="peer")
    (told,) = db.pending()
    assert (told.missing, told.due_ms) == (0, wall.ms + 60_000)
    assert "all here, not before 2027-01-15" in str(told)
    wall.forward(60_000)
    assert db.cut and db.pending() == [] and db.stats().deltas == 2


def test_who_says_it_and_how_much_is_missing_is_printed(db):
    db.transact([(b"e", "name", "The Matrix")])
    db.admit([part(Group(b"g", 3), 0).encode()], origin="sync")
    db.admit([part(Group(b"h", 2), 0, author=1).encode()], origin="sync")
    texts = sorted(map(str, db.pending()))
    assert texts[0].startswith("group 67 of ") and "1 of 3 deltas here, 2 missing; by 'sync' since " in texts[0]
    assert texts[0].endswith(": The Matrix · g0 = 0")
    assert db.pending()[0].as_dict()["missing"] in (1, 2)


def test_the_command_shows_it(tmp_path, capsys):
    path = str(tmp_path / "a.db")
    with connect(path, keyring=Keyring()) as db:
        db.admit([part(Group(b"%03d" % number, 3), 0).encode() for number in range(25)], origin="sync")
    assert main(["stats", path]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("waits", "held"))]
    assert len(lines) == 21 and lines[-1] == "waits: 5 more groups" and "2 missing; by 'sync' since" in lines[0]
    assert main(["stats", path, "--json"]) == 0
    (said,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert [group["missing"] for group in said["pending"]] == [2] * 25


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([2, 3]), st.integers(0, 2)), max_size=12))
def test_what_waits_is_what_is_held_by_groups(arriving):
    """Against the definition: of each author and group, what came; all of it once that is the whole, else nothing."""
    with connect(":memory:", keyring=Keyring()) as db:
        came = {}
        for author, size, number in arriving:
            group = Group(b"g%d" % size, size)
            db.admit([part(group, number % size, author).encode()], origin="peer")
            came.setdefault((KEYS[author].public, group), set()).add(number % size)
            waits = {key: have for key, have in came.items() if len(have) < key[1].size}
            assert {(each.author_key, Group(each.id, each.size)) for each in db.pending()} == set(waits)
            for each in db.pending():
                have = waits[each.author_key, Group(each.id, each.size)]
                assert each.missing == each.size - len(have) and len(each.here) == len(have)
            assert db.stats().deltas == sum(len(have) for key, have in came.items() if key not in waits)

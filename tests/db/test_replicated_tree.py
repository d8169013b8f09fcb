"""The tree of a database through its handle: copies that move nodes apart and meet now and then."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from replicas import all_writers_alike, doings, holds, is_caught, meet, meet_all, opened

from rhizomedb import Fact
from rhizomedb.crdt import LIBRARY
from rhizomedb.db.connection import Connection
from rhizomedb.db.types import replicated_tree
from rhizomedb.db.types.replicated_tree import ROOT
from rhizomedb.errors import RequestError

NODES = [b"a", b"b", b"c", b"d"]
MOVES = {"move": st.tuples(st.sampled_from(NODES), st.sampled_from([ROOT, *NODES]))}


def above(parents, node):
    """The nodes from one upwards."""
    found = []
    while node != ROOT:
        assert node not in found, "around a cycle"
        found.append(node)
        node = parents.get(node, ROOT)
    return found


def law(copies: int):
    """A move puts the node where it says, and is refused only where that is below it; no two moves make a cycle."""

    def check(happened) -> None:
        with opened(copies) as dbs:
            trees = [db.tree() for db in dbs]
            moved: list[set[bytes]] = [set() for _ in dbs]

            def look(place: int) -> dict[bytes, bytes]:
                tree = trees[place]
                parents = {node: tree.parent(node) for node in tree}
                assert set(parents) == moved[place] and len(tree) == len(parents)
                assert parents == dict(dbs[place].query(LIBRARY["tree"].program))
                for node in NODES[:2]:
                    assert tree.path(node) == above(parents, node)[::-1]
                    assert tree.children(node) == [each for each in NODES if parents.get(each) == node]
                return parents

            for what, place, which in happened:
                before = look(place)
                if what == "meet":
                    meet(dbs[place], dbs[which])
                    moved[place] |= moved[which]
                    moved[which] |= moved[place]
                    look(which)
                else:
                    node, parent = which
                    if node in above(before, parent):
                        with pytest.raises(RequestError) as refused:
                            trees[place].move(node, parent)
                        assert refused.value.code == "crdt.cycle"
                        assert look(place) == before
                    else:
                        trees[place].move(node, parent)
                        moved[place].add(node)
                        assert look(place)[node] == parent
                look(place)
            meet_all(dbs)
            moved[:] = [set().union(*moved)] * copies
            assert all(look(place) == look(0) for place in range(copies))

    return check


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_hold_one_tree_and_each_move_does_what_it_says(copies):
    holds(law(copies), doings(MOVES, copies), 12)


@pytest.mark.parametrize("broken", ["heads", "refusal", "program"])
def test_a_broken_handle_is_caught(broken, monkeypatch):
    if broken == "heads":
        monkeypatch.setattr(
            replicated_tree, "_STANDING", '\nanswer(fact: C) :- C := fact(entity: $node, attribute: "none").'
        )
    elif broken == "refusal":
        monkeypatch.setattr(replicated_tree, "_upwards", lambda parents, node: [node])
    else:
        of = LIBRARY["tree"]
        program = of.program.replace("kept(node: N, parent: P) :- wanted(node: N, parent: P), !undone(node: N).",
                                     "kept(node: N, parent: P) :- wanted(node: N, parent: P).")  # fmt: skip
        assert program != of.program
        monkeypatch.setitem(LIBRARY, "tree", type(of)(of.name, of.summary, program, of.answer))
    is_caught(law(2), st.just(UNDER_EACH_OTHER) if broken == "program" else doings(MOVES, 2))


UNDER_EACH_OTHER = [("move", 0, (b"a", b"b")), ("move", 1, (b"b", b"a")), ("meet", 0, 1)]


def alike() -> None:
    with opened(2) as dbs:
        trees = [db.tree() for db in dbs]
        for tree in trees:
            tree.move(b"n", b"p")
        trees[0].move(b"n", b"q")
        meet(*dbs)
        standing = dbs[0].query(LIBRARY["tree"].program, relation="standing")
        assert len(standing) == 2, "the other's move was not seen"
        assert trees[0].parent(b"n") == trees[1].parent(b"n") in (b"p", b"q")


def test_what_two_move_alike_is_replaced_one_by_one():
    alike()


def test_what_two_move_alike_would_be_one_without_what_is_random(monkeypatch):
    all_writers_alike(monkeypatch)
    with pytest.raises(AssertionError):
        alike()


def small(node: bytes, parent: bytes) -> Fact:
    """A move whose CID is small: the one that is made next is likely to be greater."""
    nonces = (Fact(node, "rhizome/writer", number.to_bytes(3)) for number in range(100_000))
    moves = (Fact(node, "tree/parent", parent, [nonce.cid]) for nonce in nonces)
    return next(move for move in moves if bytes(move.cid)[4] < 8)


def moved_beside_an_undone_move() -> None:
    around = [small(b"a", b"b"), small(b"b", b"c"), small(b"c", b"a")]
    undone = max(around, key=lambda move: bytes(move.cid))
    # The three nodes of the cycle by their part in it: the undone one hangs from no node, `last` from it, `next` from `last`.
    top, last = undone.entity, next(move.entity for move in around if move.value == undone.entity)
    for _ in range(8):
        with opened(1) as (db,):
            db.transact([*around, Fact(b"x", "tree/parent", top)])
            tree = db.tree()
            assert tree.path(last) == [top, last] and tree.path(b"x") == [top, b"x"]
            tree.move(last, b"x")
            assert tree.path(last) == [top, b"x", last]


def test_a_move_is_not_undone_by_one_that_was_undone_above_it(monkeypatch):
    moved_beside_an_undone_move()
    monkeypatch.setattr(replicated_tree, "_UNDONE", '\nanswer(node: N) :- undone(node: N), N == "none".')
    with pytest.raises(AssertionError):
        moved_beside_an_undone_move()


def test_it_is_a_tree(db: Connection) -> None:
    tree = db.tree()
    assert list(tree) == [] and tree.parent(b"a") is None and tree.path(b"a") == [b"a"] and b"a" not in tree
    db.transact([("Documents", "kind", "folder"), ("Reports", "kind", "folder")])
    documents, reports = db.entity("Documents"), db.entity("Reports")
    tree.move("Documents")
    tree.move("Reports", "Documents")
    tree.move(b"a", "Reports")
    assert tree.path(b"a") == [documents, reports, b"a"] and tree.parent("Reports") == documents
    assert tree.children("Documents") == [reports] and tree.children() == [documents] and "Reports" in tree
    assert repr(tree) == "ReplicatedTree(3 nodes under 3)"


@pytest.mark.parametrize(("node", "parent", "why"), [
    (b"a", b"a", "under itself"), (b"a", b"b", "below it"), (b"a", b"c", "below it"), (ROOT, b"a", "no name"),
])  # fmt: skip
def test_a_node_is_never_put_below_itself(db: Connection, node, parent, why) -> None:
    tree = db.tree()
    for each, to in ((b"a", ROOT), (b"b", b"a"), (b"c", b"b")):
        tree.move(each, to)
    with pytest.raises(RequestError, match=why) as refused:
        tree.move(node, parent)
    assert refused.value.code == "crdt.cycle" and refused.value.fix
    assert tree.path(b"c") == [b"a", b"b", b"c"]


def test_a_parent_that_is_no_id_is_the_root(db: Connection) -> None:
    db.transact([(b"a", "tree/parent", 7)])
    tree = db.tree()
    assert tree.parent(b"a") == ROOT and tree.children() == [b"a"]


def test_there_is_no_such_node(db: Connection) -> None:
    with pytest.raises(RequestError) as refused:
        db.tree().move("Nothing", b"a")
    assert refused.value.code == "db.unknown-entity"


def test_another_process_goes_on(tmp_path) -> None:
    import rhizomedb

    with rhizomedb.open(tmp_path / "a.db", author="ann") as db:
        db.tree().move(b"a", b"b")
    with rhizomedb.open(tmp_path / "a.db", author="ann") as db:
        db.tree().move(b"a", b"c")
        assert db.tree().parent(b"a") == b"c"

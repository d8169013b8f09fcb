"""What if: every question answers as in a copy of the database in which the same was said, and nothing is written."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reverting import STANDS, STEPS, E, state, step

from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import Error, RequestError
from rhizomedb.hyper.schema import HyperSchema

FILM = HyperSchema("film", "Film")


def copy_of(w, base, wall):
    """A plain database in which everything was said that is supposed, each delta as it was signed."""
    copy = connect(":memory:", keyring=w._keyring, author="alice", clock=wall)
    for delta in base.deltas():
        copy.admit([delta.encode()], origin="base")
    for _, envelope in w._supposed.above.envelopes():
        copy.admit([envelope], origin="supposed")
    with copy._store.writing():
        for author, name in w._store.names().items():
            copy._store.name(author, name)
    return copy


def answers(db):
    """What is asked of both."""
    said = db.history(E) if E in db else ()
    explained = []
    if E in db and "v" in db.attribute_names():
        lines = str(db.why(E, "v")).splitlines()
        explained = [line for line in lines if "arrived in epoch" not in line]  # it says what brought it
    return (
        state(db),
        explained,
        sorted(repr((each.claim, each.attribute, each.author, each.fate)) for each in said),
        sorted(str(conflict) for conflict in db.conflicts()),
        sorted(db.authors()),
        {name: getattr(db.stats(), name) for name in ("facts", "entities", "attributes", "deltas", "authors", "causes")},
        sorted(repr((each.entity, dict(each))) for each in db.records()),
        sorted(map(repr, db.schema())),
        sorted(each.edge for each in db.hyperedges(negated="mark")),
        db.negated_edges(), db.negated_edges([]),
        db.show(b"x", FILM, policy="all"),
        sorted(repr(each.delta) for each in db.log()),
    )  # fmt: skip


# -- the table ---------------------------------------------------------------------------------------------------------


def test_what_is_supposed_is_answered_and_not_written(db):
    db.transact([("The Matrix", "runtime", 136)], author="imdb")
    epoch = db.cut.epoch
    with db.what_if() as w:
        w.transact([("The Matrix", "runtime", 138), ("Alien", "runtime", 117)], author="wiki", scope="own")
        w.relate(of=("The Matrix", "cast"), actor="Keanu")
        assert w.get("The Matrix", "runtime") == 138 and w.get("Alien", "runtime") == 117
        assert [c.label for c in w.conflicts()] == ["The Matrix"] and "wiki" in str(w.why("The Matrix", "runtime"))
        assert len(w.hyperedges(contexts=["cast"])) == 1
        assert db.get("The Matrix", "runtime") == 136 and not db.conflicts() and "Alien" not in db
    assert db.cut.epoch == epoch and not db.hyperedges()
    with pytest.raises(Error, match="closed"):
        w.get("The Matrix")
    assert db.get("The Matrix", "runtime") == 136


def test_in_one_line(db):
    db.transact([(E, "v", 1)], author="ann")
    db.transact([(E, "v", 2)], author="ben", scope="own")
    assert not db.what_if(lambda w: w.retract(E, "v", 2)).conflicts() and db.conflicts()


def test_over_another_moment(db, wall):
    db.transact([(E, "v", 1)])
    wall.forward(3_600_000)
    db.transact([(E, "v", 2), (E, "w", 2)])
    wall.forward(3_600_000)
    then = db.as_of("90 minutes ago")
    with then.what_if() as w:
        w.transact([(E, "u", 3)], author="ann")
        assert dict(w.get(E)) == {"u": 3, "v": 1}
        assert dict(w.by("ann").get(E)) == {"u": 3}
        assert dict(w.at_epoch(1).get(E)) == {"v": 1}
        with w.snapshot().what_if() as deeper:
            deeper.transact([(E, "v", 9)], author="ann")
            assert dict(deeper.get(E)) == {"u": 3, "v": 9}
        assert dict(w.as_of(wall.ms - 5_400_000).get(E)) == {"v": 1}
        with pytest.raises(RequestError, match=r"db\.what-if"):
            w.commit()
    with db.by("alice").what_if() as w:
        assert dict(w.get(E)) == {"v": 2, "w": 2}


def test_what_is_said_meanwhile_is_not_seen(db):
    db.transact([(E, "v", 1)])
    with db.what_if() as w:
        db.transact([(E, "v", 2)], author="ben")
        assert w.get(E, "v") == 1
        w.transact([(E, "v", 3)], author="ann")
        assert (w.get(E, "v"), db.get(E, "v")) == (3, 2)


def test_no_key_is_made_and_nothing_signed_leaves(db, home):
    db.transact([(E, "v", 1)])
    keys = sorted(os.listdir(home / "keys"))
    with db.what_if() as w:
        w.transact([(E, "v", 2)], author="never met")
        assert "never met" in w.authors() and "never met" not in db.authors()
        for leaving in (w.deltas, w.delta_ids, lambda: w.get_deltas([]), w.subscribe, lambda: w.subscribe(print)):
            with pytest.raises(RequestError, match=r"db\.what-if"):
                leaving()
        with pytest.raises(RequestError):
            w.backup("b.db")
    assert sorted(os.listdir(home / "keys")) == keys


def test_it_can_be_said_for_good(db, home):
    db.transact([(E, "v", 1)])
    with db.what_if() as w:
        w.transact([(E, "v", 2)], author="a new one")
        w.relate(of=(b"x", "said"), what=1)
        w.attach(E, "poster", b"bytes")
        expected = state(w)
        db.transact([(E, "v", 3)], author="ben")
        done = w.commit()
    assert done.epoch == db.cut.epoch and len(done.deltas) == 3
    assert sorted(db.get(E, "v", policy="all")) == [2, 3], "neither had seen the other"
    assert state(db)[2] == expected[2]
    assert db.read_attachment(db.get(E, "poster")).read() == b"bytes"
    assert db.transact([(E, "w", 1)], author="a new one") and "a new one" in db.authors()
    assert (home / "keys" / "a new one.key").exists()
    assert not db.what_if().commit()


def test_one_over_another_is_said_in_the_other(db):
    with db.what_if() as w:
        w.transact([(E, "v", 1)])
        with w.what_if() as deeper:
            deeper.transact([(E, "v", 2)], author="another new one")
            deeper.commit()
        assert w.get(E, "v") == 2
        w.commit()
    assert db.get(E, "v") == 2 and "another new one" in db.authors()


def test_views_are_kept_and_undone(db):
    db.transact([(E, "v", 1)])
    with db.what_if() as w, w.view(STANDS) as view, w.live_hyperviews([b"x"], FILM) as live:
        assert {row[2] for row in view.relation()} == {1}
        w.transact([(E, "v", 2)])
        w.relate(of=(b"x", "said"), what=1)
        assert {row[2] for row in view.relation()} == {2} and list(live[b"x"]) == ["said"]
        w.undo()
        w.undo(w.transact([(E, "v", 5)]))
        assert {row[2] for row in view.relation()} == {2} and list(live[b"x"]) == []
        view.rewind(1)
        assert {row[2] for row in view.relation()} == {1}
        planned = w.revert(by="alice")
        assert planned.undone and w.get(E, "v", default=None) is None
    assert db.get(E, "v") == 1


def test_what_fails_leaves_what_was_supposed_before(db):
    with db.what_if() as w:
        w.transact([(E, "v", 1)])
        with pytest.raises(RequestError):
            w.transact([(E, "v", 2)], expect={(E, "v"): 7})
        assert w.get(E, "v") == 1 and w.cut.epoch == db.cut.epoch + 1
    with pytest.raises(RequestError, match="cannot be called"):
        db.what_if("x")
    with pytest.raises(ZeroDivisionError):
        db.what_if(lambda w: 1 / 0)


def test_nothing_beneath_is_copied(tmp_path):
    """However much there is, as much is read of it as the question needs."""
    with connect(tmp_path / "big.db", keyring=Keyring(), author="alice") as db:
        db.write_source([[(b"e%05d" % n, "v", n) for n in range(20_000)]], author="source", origin="import")
        store, read = db._store, []
        scan, scan_keys = store.scan, store.scan_keys

        def counted(rows):
            for row in rows:
                read.append(row)
                yield row

        store.scan = lambda *args: counted(scan(*args))
        store.scan_keys = lambda *args: counted(scan_keys(*args))
        with db.what_if() as w:
            assert not read
            w.transact([(b"e00007", "v", -1)], author="alice")
            assert w.get(b"e00007", "v") == -1 and w.get(b"e00008", "v") == 8
            assert len(w.history(b"e00007")) == 2 and str(w.why(b"e00007", "v"))
            assert not w.what_if(lambda deeper: deeper.retract(b"e00008")).get(b"e00008")
        assert len(read) < 1_000


# -- laws --------------------------------------------------------------------------------------------------------------

AUTHORED = st.tuples(st.sampled_from(["alice", "ben"]), STEPS)


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=25)
@given(
    before=st.lists(AUTHORED, max_size=5), supposed=st.lists(AUTHORED, max_size=4), after=st.lists(AUTHORED, max_size=2)
)
def test_every_answer_is_that_of_a_copy_where_it_is_said(kind, tmp_path_factory, before, supposed, after):
    def wall():
        return 1_800_000_000_000

    path = ":memory:" if kind == "memory" else tmp_path_factory.mktemp("what-if") / "a.db"
    with connect(path, keyring=Keyring(), author="alice", clock=wall) as db:
        for author, one in before:
            step(db, *one, author=author)
        with db.what_if() as w:
            with copy_of(w, db, wall) as copy:
                assert answers(w) == answers(copy)
            for author, one in supposed:
                step(w, *one, author=author)
            with copy_of(w, db, wall) as copy:
                for author, one in after:  # what is said here since is not there
                    step(db, *one, author=author)
                assert answers(w) == answers(copy)
                epoch = w.cut.epoch
                for number in range(epoch + 1 if kind == "memory" else 0):
                    assert state(w.at_epoch(number))[:3] == state(copy.at_epoch(number))[:3]
            if not after:
                expected = answers(w)
                w.commit()
                assert answers(db) == expected

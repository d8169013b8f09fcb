"""Views that are kept between processes: there at once, and never anything else than what is derived anew."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.db.care import restore
from rhizomedb.db.connection import connect
from rhizomedb.db.live import open_views, view_state
from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact

PROGRAM = 'big(e: E, v: V) :- fact(entity: E, attribute: "size", value: V), V > 10. all(n: N) :- N := count : big().'


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.db"
    with connect(path) as db:
        db.transact([(b"a", "size", 5), (b"b", "size", 15), (b"c", "size", 25)])
        db.define_program("big", PROGRAM, answer="big")
        assert shown(db.view("big", keep=True)) == [(b"b", 15), (b"c", 25)]
    return path


@pytest.fixture
def worked_out(monkeypatch):
    """How often a view was worked out."""
    made = []

    class Counted(open_views.Upkeep):
        def __init__(self, *given):
            made.append(1)
            super().__init__(*given)

    monkeypatch.setattr(open_views, "Upkeep", Counted)
    return made


def shown(view, relation=None):
    return [tuple(row) for row in view.relation(relation)]


def state_of(path):
    (found,) = (path.parent / f"{path.name}-index").glob("*.view")
    return found


def test_what_was_kept_is_there_at_once(path, worked_out):
    with connect(path) as db:
        view = db.view("big")
        assert shown(view) == [(b"b", 15), (b"c", 25)]
        assert view.relation()[0].e == b"b"
        assert not worked_out
        db.transact([(b"b", "colour", "red")])
        assert shown(view) == [(b"b", 15), (b"c", 25)]
        assert view.epoch == 3
        assert view.relation().why((b"b", 15)) is not None
        assert not worked_out
    with connect(path) as db:
        db.transact([(b"d", "size", 35)])
        view = db.view("big")
        db.transact([(b"d", "size", 36)])  # who writes does not wait for it
        assert not worked_out
        assert shown(view) == [(b"b", 15), (b"c", 25), (b"d", 35), (b"d", 36)]
        assert worked_out == [1]
    with connect(path) as db:
        assert shown(db.view("big")) == [(b"b", 15), (b"c", 25), (b"d", 35), (b"d", 36)]
        assert worked_out == [1]


def test_who_watches_a_kept_view_is_told_what_changes(path, worked_out):
    with connect(path) as db, db.view("big") as view:
        watch = view.watch(timeout_s=0)
        db.transact([(b"b", "colour", "red")])
        assert list(watch) == []
        assert not worked_out
        db.transact([(b"d", "size", 35)])
        (change,) = watch
        assert ([tuple(row) for row in change.plus], change.minus) == ([(b"d", 35)], ())
        assert shown(view.rewind(1)) == [(b"b", 15), (b"c", 25)]
        assert shown(view.rewind(0)) == []
        view.refresh()
        assert len(shown(view)) == 3


def test_a_kept_view_can_be_moved_back(path):
    with connect(path) as db, db.view("big") as view:
        assert shown(view.rewind(0)) == []
    with connect(path) as db, db.view("big") as view:  # what was rewound was not kept
        assert shown(view) == [(b"b", 15), (b"c", 25)]


def test_what_was_said_while_nobody_looked_is_caught_up(path, worked_out):
    with connect(path) as db:
        for n in range(5):
            db.transact([(b"b", "colour", n)])
    with connect(path) as db:
        assert shown(db.view("big")) == [(b"b", 15), (b"c", 25)]
        assert not worked_out
        told = []
        sink = db.view("big").sink(None, told.append)
        db.transact([(b"z", "size", 99)])  # somebody is told, so it is worked out at once
        assert (len(told), worked_out) == (1, [1])
        sink.close()
    with connect(path) as db:
        assert shown(db.view("big")) == [(b"b", 15), (b"c", 25), (b"z", 99)]
        assert worked_out == [1]


def test_nothing_is_kept_unless_it_is_asked_for(path):
    with connect(path) as db:
        db.define_program("other", 'other(e: E) :- fact(entity: E, attribute: "size").')
        db.view("other").close()
        assert len(list(state_of(path).parent.glob("*.view"))) == 1
        db.view("big", relation="big").close()
        db.view("big", keep=False).close()
        assert not list((path.parent / "a.db-index").glob("*.view*"))
        db.view("big").close()
        assert not list((path.parent / "a.db-index").glob("*.view*"))
        for call in (
            lambda: db.view(PROGRAM, keep=True),
            lambda: db.view(PROGRAM, keep=False),
            lambda: connect(":memory:").view("p(x: X) :- fact(value: X).", keep=True),
        ):
            with pytest.raises(Error) as caught:
                call()
            assert caught.value.code == "db.usage"


def test_a_program_that_was_defined_anew_is_derived_anew(path, worked_out):
    with connect(path) as db:
        db.define_program("big", PROGRAM.replace("10", "20"), answer="big")
        assert shown(db.view("big")) == [(b"c", 25)]
        assert worked_out == [1]
    with connect(path) as db:
        assert shown(db.view("big")) == [(b"c", 25)]
        assert worked_out == [1]


def test_an_imported_program_that_was_defined_anew_counts(path, worked_out):
    with connect(path) as db:
        db.define_program("over", 'import "big". over(e: E) :- big(e: E).')
        db.view("over", keep=True).close()
    with connect(path) as db:
        assert len(shown(db.view("over"))) == 2
        assert worked_out == [1]
        db.define_program("big", PROGRAM.replace("10", "20"), answer="big")
        assert len(shown(db.view("over"))) == 1


@pytest.mark.parametrize("way", ["cut", "empty", "byte", "junk", "format", "other", "json", "rows", "folder"])
def test_what_is_damaged_or_stale_is_thrown_away(path, worked_out, way):
    state = state_of(path)
    data = bytearray(state.read_bytes())

    def written(body):
        return view_state.MAGIC + hashlib.sha256(body).digest() + body

    body = bytes(data[len(view_state.MAGIC) + 32 :])
    said = json.loads(body)
    match way:
        case "cut":
            state.write_bytes(data[:-1])
        case "empty":
            state.write_bytes(b"")
        case "byte":
            data[len(data) // 2] ^= 1
            state.write_bytes(data)
        case "junk":
            state.write_bytes(b"\x00" * 1000)
        case "format":
            state.write_bytes(b"rhizome view 2\n" + data[len(view_state.MAGIC) :])
        case "other":
            state.write_bytes(written(json.dumps({**said, "key": "0" * 64}).encode()))
        case "json":
            state.write_bytes(written(b"[" * 100_000))
        case "rows":
            said["relations"]["big"]["columns"][1][1][0] = "15"
            state.write_bytes(written(json.dumps(said).encode()))
        case "folder":
            state.unlink()
            state.mkdir()
    with connect(path) as db:
        assert shown(db.view("big", keep=True)) == [(b"b", 15), (b"c", 25)]
        assert worked_out == [1]
    with connect(path) as db:
        assert shown(db.view("big")) == [(b"b", 15), (b"c", 25)]
        assert len(worked_out) == (2 if way == "folder" else 1)


def test_every_byte_counts(path, worked_out):
    state = state_of(path)
    data = state.read_bytes()
    with connect(path) as db:
        for place in range(0, len(data), 7):
            state.write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
            assert shown(db.view("big", keep=True)) == [(b"b", 15), (b"c", 25)]
            assert len(worked_out) == place // 7 + 1


def test_a_copy_and_an_older_file_believe_nothing(path, tmp_path, worked_out):
    copied = tmp_path / "copy.db"
    with connect(path) as db:
        db.backup(tmp_path / "backup.db")
        db.transact([(b"d", "size", 35)])
        assert len(shown(db.view("big"))) == 3
    worked_out.clear()
    shutil.copy(path, copied)
    shutil.copytree(f"{path}-index", f"{copied}-index")
    with connect(copied) as db:
        assert len(shown(db.view("big"))) == 3
    assert worked_out == [1]
    restore(tmp_path / "backup.db", path, force=True, discard=True)
    with connect(path) as db:
        assert shown(db.view("big")) == [(b"b", 15), (b"c", 25)]
    assert worked_out == [1, 1]


def test_an_older_file_in_the_same_place_is_told(path, tmp_path, worked_out):
    with connect(path) as db:
        db.backup(tmp_path / "older.db")
        db.transact([(b"d", "size", 35)])
        assert len(shown(db.view("big"))) == 3
    kept = state_of(path).read_bytes()
    for left in (f"{path}-wal", f"{path}-shm"):
        Path(left).unlink(missing_ok=True)
    path.write_bytes((tmp_path / "older.db").read_bytes())  # into the same file
    worked_out.clear()
    with connect(path) as db:
        assert state_of(path).read_bytes() == kept
        assert shown(db.view("big")) == [(b"b", 15), (b"c", 25)]
        assert worked_out == [1]
        db.transact([(b"e", "size", 45)])  # an epoch of the same number, and another log
    state_of(path).write_bytes(kept)
    with connect(path) as db:
        assert shown(db.view("big")) == [(b"b", 15), (b"c", 25), (b"e", 45)]


def test_looking_after_the_file_leaves_it(path, worked_out):
    with connect(path) as db:
        assert list(db.verify()) == []
        db.rebuild_index()
        db.compact()
        assert shown(db.view("big")) == [(b"b", 15), (b"c", 25)]
    assert not worked_out


def test_every_kind_of_value_is_kept_exactly(tmp_path, worked_out):
    values = [
        True,
        False,
        1,
        1.0,
        -(2**63),
        2**63 - 1,
        0.1,
        1e300,
        "",
        "ü\n\x00",
        b"",
        b"\xff",
        Cid.of(b"x"),
        "1",
        b"1",
    ]
    with connect(tmp_path / "a.db") as db:
        db.transact([Fact(b"%d" % n, "v", value) for n, value in enumerate(values)])
        db.define_program("p", 'p(e: E, v: V) :- fact(entity: E, attribute: "v", value: V). q() :- p().')
        db.define_view("v", "p", relation="p")
        before = db.view("v", keep=True).relation()
    worked_out.clear()
    with connect(tmp_path / "a.db") as db:
        after = db.view("v").relation()
        assert after == before
        assert [type(row.v) for row in after] == [type(row.v) for row in before]
    assert not worked_out


writes = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 3), st.integers(0, 20)),
    st.tuples(st.just("retract"), st.integers(0, 3)),
    st.tuples(st.just("aside"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["look", "reopen", "crash", "define"])),
)


@settings(max_examples=40)
@given(st.lists(writes, max_size=12), st.booleans())
def test_a_kept_view_is_what_is_derived_anew(tmp_path_factory, history, standing):
    read = "stands" if standing else "fact"
    path = tmp_path_factory.mktemp("kept") / "a.db"
    db = connect(path, author="ann", durability="memory")
    db.define_program(
        "p", f'p(e: E, v: V) :- {read}(entity: E, attribute: "size", value: V), V > 10. q(n: N) :- N := count : p().'
    )
    view = db.view("p", keep=True)
    others = []
    for doing in history:
        match doing:
            case ("say", entity, value):
                db.transact([(b"%d" % entity, "size", value)])
            case ("aside", entity):
                db.transact([(b"%d" % entity, "colour", entity)])
            case ("retract", entity) if db.get(b"%d" % entity, default=None):
                db.retract(b"%d" % entity)
            case ("look",):
                assert view.relation("p") == db.query('import "p". ' + "r(x: N) :- q(n: N).", relation="p")
            case ("define",):
                db.define_program("p", db.programs()["p"].text.replace("10", "9"))
            case ("reopen",):
                db.close()
                db = connect(path, author="ann", durability="memory")
                view = db.view("p")
            case ("crash",):  # it is closed by nobody, and goes on as another process would
                others.append(db)
                db = connect(path, author="ann", durability="memory")
                view = db.view("p")
        if doing == ("define",):
            view.close()
            view = db.view("p")
    for relation in ("p", "q"):
        assert view.relation(relation) == db.run("p", relation=relation)
    for each in (db, *others):
        each.close()


def test_what_lies_in_the_way_of_a_state_is_not_followed(path, tmp_path):
    state, other = state_of(path), tmp_path / "other"
    under_way = state.with_name(f"{state.name}.new")
    other.write_text("somebody else's")
    ways = (lambda: under_way.symlink_to(other), lambda: os.mkfifo(under_way), under_way.mkdir)
    for size, put in enumerate(ways, 90):
        put()
        with connect(path) as db:
            db.transact([(b"z", "size", size)])
            assert (b"z", size) in shown(db.view("big", keep=True))
    assert other.read_text() == "somebody else's"

"""Ctrl-C at the places of one step where Python looks for it: what is asked of the same connection afterwards is right.

What was raised is kept, as an interactive session keeps it, so that no frame is forgotten and tidies up by chance. The
campaign `steps` goes through whole scripts; here are small steps, each at places all along it.
"""

from __future__ import annotations

import sys
from contextlib import closing

import apsw
import pytest

from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.facts.fact import Fact
from rhizomedb.store import ALL

PROGRAM = """
link(a: E, f: F) :- fact(entity: E, attribute: "to", value: F).
shown(a: E, v: V) :- link(a: E, f: F), F := fact(entity: X, attribute: "year", value: V).
"""
RELATIONS = ("link", "shown")
TARGETS = [Fact(b"film", "year", 1979 + number) for number in range(3)]
PLACES_MAX = 40
"""At how many places of one step it comes, at most."""

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Looks:
    """Counts the places at which Python looks for Ctrl-C within some modules, and lets it come at one of them."""

    def __init__(self, files, at=0):
        self.files = files
        self.at = at
        self.count = 0

    def __call__(self, frame, event, argument):
        if event in ("call", "c_return") and frame.f_code.co_filename.endswith(self.files):
            self.count += 1
            if self.count == self.at:
                raise KeyboardInterrupt

    def done(self, work):
        """Do some work; what was raised if it was stopped."""
        sys.setprofile(self)
        try:
            work()
        except KeyboardInterrupt as error:
            return error
        finally:
            sys.setprofile(None)
        return None


def opened(path, keys):
    return connect(path, author="alice", keyring=keys, durability="memory")


def answers(db):
    return [
        set(db._store.scan("fact", {}, ALL)),
        db._store.counts(ALL),
        *(set(db.query(PROGRAM, relation=name)) for name in RELATIONS),
    ]


def say(db, view, others):
    db.transact([TARGETS[0], ("a", "year", 1)])


def say_much(db, view, others):
    db.transact([TARGETS[0], *(Fact(b"m%d" % number, "part", number) for number in range(600))])


def say_at_length(db, view, others):
    db.transact([TARGETS[0], *(Fact(b"m%d" % number, "part", "x" * 2_000) for number in range(200))])


def ask(db, view, others):
    others()
    set(db.query(PROGRAM, relation="shown"))


def look(db, view, others):
    others()
    view.relation("shown")


def rewind(db, view, others):
    view.rewind(1)


STEPS = {
    "a write": (say, ("/store/file.py", "/store/sqlite.py", "/store/writing.py", "/store/indexed.py")),
    "a write into files": (say_much, ("/store/file.py", "/store/sqlite.py", "/store/indexed.py", "/store/folder.py")),
    "a write framed beside": (say_at_length, ("/store/sqlite.py", "/store/framing.py", "/store/sealed.py")),
    "a read of what others wrote": (ask, ("/store/file.py", "/store/sqlite.py", "/store/indexed.py")),
    "numbers that go on": (ask, ("/store/numbering.py", "/db/programs/reading.py")),
    "a view that goes on": (
        look,
        ("/store/numbering.py", "/db/live/upkeep.py", "/db/live/live_view.py", "/db/live/stored.py"),
    ),
    "a view that goes back": (
        rewind,
        ("/db/live/upkeep.py", "/db/live/live_view.py", "/db/live/stored.py", "/flow/engine.py"),
    ),
}


def undertaken(path, keys, step, looks):
    """Run a step with Ctrl-C at a place of it, and look at what comes after."""
    with closing(opened(path, keys)) as db:
        db.transact([Fact(b"link%d" % number, "to", target.cid) for number, target in enumerate(TARGETS)])
        db.transact([TARGETS[2]])
        set(db.query(PROGRAM, relation="shown"))
        view = db.view(PROGRAM)
        view.relation("shown")

        def others():
            profile, _ = sys.getprofile(), sys.setprofile(None)
            with closing(opened(path, keys)) as other:
                other.transact([TARGETS[1], ("b", "to", 7)])
            sys.setprofile(profile)

        kept = looks.done(lambda: step(db, view, others))
        assert not db._store.is_writing
        assert db._store.file._connection.txn_state() == apsw.SQLITE_TXN_NONE
        with closing(opened(path, keys)) as fresh:
            wanted = answers(fresh)
            assert answers(db) == wanted
            view.refresh()
            assert [set(view.relation(name)) for name in RELATIONS] == wanted[2:]
            said = len(list(fresh.arrivals()))
        db.transact([("c", "to", 8)])
        view.refresh()
        assert [set(view.relation(name)) for name in RELATIONS] == answers(db)[2:]
        assert len(list(db.arrivals())) == said + 1
        return kept


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_is_stopped_leaves_nothing_half_done(tmp_path, name):
    step, files = STEPS[name]
    keys = Keyring(tmp_path / "keys")
    whole = Looks(files)
    undertaken(str(tmp_path / "whole.db"), keys, step, whole)
    stride = max(1, whole.count // PLACES_MAX)
    came = 0
    for at in range(1, whole.count + 1, stride):
        came += undertaken(str(tmp_path / f"{at}.db"), keys, step, Looks(files, at)) is not None
    assert came > min(20, whole.count // 2)
    with closing(opened(str(tmp_path / f"{at}.db"), keys)) as db:
        assert list(db.verify()) == []

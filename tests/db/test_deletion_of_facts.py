"""Deletion of facts, said exactly (docs/concepts/deletion.md): two and three copies, every order in which they meet.

The model is a few lines of plain Python: a claim stands where it is known and nothing that is known there takes it back;
whoever takes back, takes back the claims that they saw, by name. Everything that the database answers is held to that.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import chain, combinations, permutations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rhizomedb.crdt.policy import agreed
from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import exact

E = b"e" * 16
STANDS = 'now(value: V, delta: D) :- stands(entity: E, attribute: "v", value: V, delta: D).'


class Model:
    """What was said in the whole world: claims and what each statement takes back, by the ids of deltas."""

    def __init__(self):
        self.claims = {}  # delta: (author, value)
        self.taken = {}  # delta: the claims that it takes back
        self.older = {}  # delta: what its author had said before, standing or not

    def standing(self, known, *, at_least=False):
        """What stands where this is known; or that of it which nothing newer of its author could have replaced either."""
        taking = [self.taken, self.older] if at_least else [self.taken]
        gone = set(chain.from_iterable(each.get(delta, ()) for each in taking for delta in known))
        return {delta for delta in known if delta in self.claims and delta not in gone}

    def values(self, standing):
        return {exact(self.claims[delta][1]) for delta in standing}


class World:
    """Some copies and the model beside them."""

    def __init__(self, copies, *, paths=None, authors=None, live=None):
        self.stack = ExitStack()
        self.keys = Keyring()
        self.model = Model()
        self.dbs = [
            self.stack.enter_context(connect(paths[n] if paths else ":memory:", keyring=self.keys))
            for n in range(copies)
        ]
        # To set up a view that is kept takes longer than all the rest: where many worlds are made, one copy has one.
        self.views = [
            self.stack.enter_context(db.view(STANDS)) if live in (None, n) else None for n, db in enumerate(self.dbs)
        ]
        self.known = [set() for _ in self.dbs]
        self.authors = authors or [f"author {n}" for n in range(copies)]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stack.close()

    def do(self, copy, what, value=None):
        """`say` as a person, `source` as an import does, `retract` what stands, `own` what one said oneself."""
        db, author, known = self.dbs[copy], self.authors[copy], self.known[copy]
        standing = self.model.standing(known)
        mine = {delta for delta in standing if self.model.claims[delta][0] == author}
        of_value = {delta for delta in standing if value is None or self.model.values([delta]) == {exact(value)}}
        if what in ("say", "source"):
            done = db.transact([(E, "v", value)], author=author, scope="seen" if what == "say" else "own")
            alike = self.model.values(standing if what == "say" else mine) == {exact(value)}
            assert bool(done) is not (alike and bool(mine)), "who says it already says nothing new"
            if not done:
                return
            (delta,) = done.deltas
            if what == "source" and mine & of_value:  # a source that drops some of its values says no other anew
                self.model.taken[delta] = mine - of_value
            else:
                before = {each for each in known if self.model.claims.get(each, "")[0:1] == (author,)}
                self.model.claims[delta], self.model.older[delta] = (author, value), before
                if not alike:  # who agrees takes nothing back
                    self.model.taken[delta] = mine | (standing - of_value if what == "say" else set())
        else:
            taken = of_value & mine if what == "own" else of_value
            try:
                (delta,) = db.retract(E, "v", value, author=author, scope="own" if what == "own" else "seen").deltas
            except RequestError as error:
                assert error.code in ("db.nothing-to-retract", "db.unknown-entity", "db.unknown-attribute")
                assert not taken
                return
            self.model.taken[delta] = taken
        known.add(delta)

    def meet(self, one, other, *, both=True):
        for here, there in ((one, other), (other, one)) if both else ((one, other),):
            self.dbs[here].admit([delta.encode() for delta in self.dbs[there].deltas()], origin="meeting")
            self.known[here] |= self.known[there]

    def run(self, steps):
        for step in steps:
            if step[0] == "meet":
                self.meet(*step[1:])
            else:
                self.do(*step)

    def check(self):
        for copy in range(len(self.dbs)):
            check(self.dbs[copy], self.views[copy], self.model, self.known[copy])

    def look(self, *copies):
        """The same of what is kept up to date alone, which is quick."""
        for copy in copies:
            view = self.views[copy]
            assert {
                delta for _, delta in (view.relation() if view else self.dbs[copy].query(STANDS))
            } == self.model.standing(self.known[copy])


def check(db, view, model, known):
    """Everything that one copy answers, by whatever way."""
    expected = model.standing(known)
    rows = {(exact(value), delta) for value, delta in view.relation()}
    assert {delta for _, delta in rows} == expected, "the standing view"
    assert {value for value, _ in rows} == model.values(expected)
    assert {exact(value) for value in shown(db)} == model.values(expected), "get"
    if known:
        statements = db.history(E, "v")
        assert {each.claim.delta for each in statements if each.standing} == expected, "history"
        assert len(statements) == len(known & model.claims.keys())
    assert len(db.conflicts()) == (len({agreed(model.claims[delta][1]) for delta in expected}) > 1)
    assert {delta for _, delta in db.query(STANDS)} == expected, "a program"


def shown(db):
    try:
        return db.get(E, "v", policy="all", default=[])
    except RequestError as error:
        assert error.code == "db.unknown-entity"
        return []


# -- the table ---------------------------------------------------------------------------------------------------------

AB, AC, BC = ("meet", 0, 1), ("meet", 0, 2), ("meet", 1, 2)

SCENARIOS = {
    # what, what happens before the copies meet, and what stands everywhere when all have met
    "a retraction reaches everybody": ([(0, "say", 1), AB, (1, "retract", 1)], []),
    "who never saw it does not bring it back": ([(0, "say", 1), AB, BC, (0, "retract", 1)], []),
    "a retraction covers only what was seen": ([(0, "say", 1), AB, (0, "retract", 1), (1, "say", 2)], [2]),
    "the same said at once elsewhere survives": ([(0, "say", 1), (1, "say", 1), (0, "retract", 1)], [1]),
    "the same said at once by three": ([(0, "say", 1), (1, "say", 1), (2, "say", 1), (0, "retract")], [1]),
    "who agreed survives what did not see it": ([(0, "say", 1), AB, (1, "say", 1), (0, "retract", 1)], [1]),
    "said again survives who is behind": ([(0, "say", 1), AB, (0, "retract", 1), (0, "say", 1)], [1]),
    "said again survives a retraction of the first": (
        [(0, "say", 1), AB, (0, "retract", 1), (0, "say", 1), (1, "retract", 1)],
        [1],
    ),
    "said again survives what replaces the first": (
        [(0, "say", 1), AB, (0, "retract", 1), (0, "say", 1), (1, "say", 2)],
        [1, 2],
    ),
    "two take back the same": ([(0, "say", 1), AB, AC, (0, "retract"), (1, "retract"), (2, "say", 3)], [3]),
    "a replacement is no retraction of what was unseen": ([(0, "say", 1), (1, "say", 2), (0, "say", 3)], [2, 3]),
    "what was replaced does not come back with a retraction": (
        [(0, "say", 1), AB, (1, "say", 2), AB, (0, "retract", 2)],
        [],
    ),
    "one of two values": ([(0, "say", 1), (1, "say", 2), AB, AC, (2, "retract", 1)], [2]),
    "only what one said oneself": ([(0, "say", 1), AB, (1, "say", 1), (1, "own", 1)], [1]),
    "a source corrects itself": ([(0, "source", 1), (1, "source", 1), AB, (0, "source", 2)], [1, 2]),
    "a source says again what it took back": ([(0, "source", 1), AB, (0, "own"), (0, "source", 1), (1, "say", 2)], [1, 2]),
    "an exact value alone": ([(0, "say", 1), (1, "say", 1.0), AB, (0, "retract", 1)], [1.0]),
}  # fmt: skip

PAIRS = list(combinations(range(3), 2))
ORDERS = list(permutations(PAIRS))
OF_TWO = [name for name, (steps, _) in SCENARIOS.items() if not any(step in (AC, BC) or step[0] == 2 for step in steps)]


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("first", ORDERS)
def test_every_order_of_meeting(name, first):
    steps, stands = SCENARIOS[name]
    live = ORDERS.index(first) % 3
    with World(3, live=live) as world:
        world.run(steps)
        for one, other in (*first, *first):
            world.meet(one, other)
            world.look(one, other)
        check(world.dbs[live], world.views[live], world.model, world.known[live])
        for db in world.dbs:
            assert {exact(value) for value in shown(db)} == {exact(value) for value in stands}


@pytest.mark.parametrize("name", OF_TWO)
@pytest.mark.parametrize("there_first", [False, True])
def test_two_copies_in_either_direction(name, there_first):
    steps, stands = SCENARIOS[name]
    with World(2) as world:
        world.run(steps)
        for here in (1, 0) if there_first else (0, 1):
            world.meet(here, 1 - here, both=False)
            world.check()
        for db in world.dbs:
            assert {exact(value) for value in shown(db)} == {exact(value) for value in stands}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_order_of_arrival(name):
    """A copy that learns one statement after the other, in every order there is."""
    with World(3, live=0) as world:
        world.run(SCENARIOS[name][0])
        said = {delta.id: delta.encode() for db in world.dbs for delta in db.deltas()}
        for place, order in enumerate(permutations(said)):
            with ExitStack() as stack:
                db = stack.enter_context(connect(":memory:", keyring=Keyring()))
                is_live = place % 5 == 0
                view = stack.enter_context(db.view(STANDS)) if is_live else None
                known = set()
                for delta in order:
                    db.admit([said[delta]], origin="one by one")
                    known.add(delta)
                    # Where a statement comes before what it had seen, it may replace more than it had to.
                    standing = {each for _, each in (view.relation() if view else db.query(STANDS))}
                    assert world.model.standing(known, at_least=True) <= standing <= world.model.standing(known)
                if view is not None:
                    check(db, view, world.model, known)


# -- laws --------------------------------------------------------------------------------------------------------------

VALUES = st.sampled_from([1, 2, 1.0])


def histories(copies, most=10):
    places = st.integers(0, copies - 1)
    doings = st.one_of(
        st.tuples(places, st.sampled_from(["say", "say", "source"]), VALUES),
        st.tuples(places, st.sampled_from(["retract", "own"]), st.none() | VALUES),
        st.tuples(st.just("meet"), places, places),
    )
    return st.lists(doings, max_size=most)


@settings(max_examples=25)
@given(histories(3), st.permutations(PAIRS))
def test_what_stands_is_what_nobody_who_saw_it_took_back(steps, order):
    with World(3) as world:
        for step in steps:
            world.run([step])
            world.look(*(step[1:] if step[0] == "meet" else step[:1]))
        for one, other in (*order, *order):
            world.meet(one, other)
        world.check()
        assert world.known[0] == world.known[1] == world.known[2]


@settings(max_examples=25)
@given(histories(2))
@example([(0, "say", 1), AB, (0, "retract", 1), (0, "say", 1), (1, "say", 2), AB])
@example([(0, "source", 1), AB, (0, "own", None), (0, "source", 1), (1, "source", 2), AB])
def test_one_author_on_two_devices(steps):
    """The same, but that two devices which say the same of the same past say one thing: a replacement covers both."""
    with World(2, authors=["ann", "ann"]) as world:
        for step in steps:
            if step[0] == "meet":
                world.meet(*step[1:])
                continue
            before = {delta for _, delta in world.views[step[0]].relation()}
            if not lacks_no_twin(world, step[0], before):
                return  # what this device sees is not what the model of single statements has; the rest is no law
            world.do(*step)
        for copy in (0, 1):
            lacks_no_twin(world, copy, {delta for _, delta in world.views[copy].relation()})


@pytest.mark.parametrize("what", ["say", "source"])
def test_what_one_said_again_survives_ones_device_that_is_behind(what):
    with World(2, authors=["ann", "ann"]) as world:
        world.run([(0, what, 1), AB, (0, "retract", 1), (0, what, 1), (1, what, 2), AB])
        world.check()
        assert sorted(shown(world.dbs[0])) == [1, 2]


def lacks_no_twin(world, copy, standing):
    """Whatever stands by the model and not here, says a fact that the author's other device said as well."""
    db, expected = world.dbs[copy], world.model.standing(world.known[copy])
    assert standing <= expected
    for delta in expected - standing:
        (fact,) = [fact for _, fact in db._store.scan("asserts", {"delta": delta}, db.cut)]
        said = [twin for twin, _ in db._store.scan("asserts", {"fact": fact}, db.cut)]
        devices = {row[2] for twin in said for row in db._store.scan("delta", {"id": twin}, db.cut)}
        assert len(devices) == len(said) > 1
    return standing == expected


@settings(max_examples=8)
@given(histories(2, most=8), st.permutations(["rebuild", "compact", "reopen"]))
def test_no_index_made_anew_brings_anything_back(tmp_path_factory, steps, care):
    folder = tmp_path_factory.mktemp("deletion")
    with World(2, paths=[folder / "a.db", folder / "b.db"]) as world:
        world.run(steps)
        world.check()
        for what in care:
            if what == "rebuild":
                world.dbs[0].rebuild_index()
            elif what == "compact":
                world.dbs[0].compact()
            world.meet(0, 1)
            world.check()
        with connect(folder / "a.db", keyring=Keyring()) as again, again.view(STANDS) as view:
            check(again, view, world.model, world.known[0])

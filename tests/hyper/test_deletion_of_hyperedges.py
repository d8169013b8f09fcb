"""Deletion of hyperedges, said exactly (docs/concepts/deletion.md): two and three copies, every order in which they meet.

A negation names one hyperedge and takes back that one; it counts unless it is taken back for certain itself. The model is
that sentence over the negations that a copy knows, and whatever answers there are is held to it on every copy.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hyperedge_laws import meaning

from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.hyper import json_delta
from rhizomedb.hyper.negation import BY_ANYBODY
from rhizomedb.hyper.schema import HyperSchema

THING = b"thing"
SCHEMA = HyperSchema("s", "S")


class World:
    """Some copies, each with an author of its own, and what each of them knows: edges by the names that tests give them."""

    def __init__(self, copies, paths=None, live=None):
        self.stack = ExitStack()
        self.dbs = [
            self.stack.enter_context(connect(paths[n] if paths else ":memory:", author=f"a{n}", keyring=Keyring()))
            for n in range(copies)
        ]
        # To set up views that are kept takes longer than all the rest: where many worlds are made, one copy has them.
        self.live, self.views = {}, {}
        for n, db in enumerate(self.dbs):
            if live in (None, n):
                self.live[n] = self.stack.enter_context(db.live_hyperviews([THING], SCHEMA))
                self.views[n] = self.stack.enter_context(db.view(BY_ANYBODY, only="negated"))
        self.said = {}  # name: edge, who said it, and what it takes back
        self.known = [set() for _ in self.dbs]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stack.close()

    def say(self, copy, name, of=None):
        """Say something of the thing, or take back what has a name."""
        db = self.dbs[copy]
        what = name.rstrip("'")
        done = db.relate(of=(THING, "said"), what=what) if of is None else db.negate(self.said[of][0])
        self.said[name] = done.edge, copy, of
        self.known[copy].add(name)

    def meet(self, one, other):
        for here, there in ((one, other), (other, one)):
            self.dbs[here].admit([delta.encode() for delta in self.dbs[there].deltas()], origin="meeting")
            self.known[here] |= self.known[there]

    def run(self, steps):
        for step in steps:
            if step[0] == "meet":
                self.meet(*step[1:])
            else:
                self.say(*step)

    def shown(self, copy, trusting=True):
        """What stands on a copy, by the model."""
        known = [(name, *self.said[name]) for name in self.known[copy]]
        counts = [
            (name, of)
            for name, _, by, of in known
            if of is not None and (trusting or (of in self.known[copy] and by == self.said[of][1]))
        ]
        away, _ = meaning(counts)
        return {edge for name, edge, _, of in known if of is None and name not in away}, {
            self.said[name][0] for name in away if name in self.said
        }

    def look(self, *copies):
        """What is kept up to date on some copies."""
        for copy in copies:
            stands, away = self.shown(copy)
            if copy not in self.live:
                assert {edge.edge for edge in self.dbs[copy].hyperedges(contexts=["said"])} == stands
                continue
            assert {each.edge.edge for each in self.live[copy][THING].properties.get("said", ())} == stands, "live"
            assert {edge for (edge,) in self.views[copy].relation()} == away, "the program, kept up to date"

    def check(self):
        """Everything that every copy answers, by whatever way."""
        self.look(*range(len(self.dbs)))
        for copy, db in enumerate(self.dbs):
            check(db, *self.shown(copy), *self.shown(copy, trusting=False))


def check(db, stands, away, stands_by_own, away_by_own):
    for trusted, stand, gone in ((None, stands, away), ([], stands_by_own, away_by_own)):
        assert {edge.edge for edge in db.hyperedges(targets=[THING], trusted=trusted)} == stand
        assert db.negated_edges(trusted) == gone
        marked = db.hyperedges(contexts=["said"], negated="mark", trusted=trusted)
        assert {edge.edge for edge in marked if not edge.is_negated} == stand
        view = db.hyperview(THING, SCHEMA, trusted=trusted)
        assert {each.edge.edge for each in view.properties.get("said", ())} == stand
    shown = db.show(THING, SCHEMA, policy="all").get("said", [])
    assert len(shown) == len(stands)
    assert {edge for (edge,) in db.query(BY_ANYBODY, relation="negated")} == away


# -- the table ---------------------------------------------------------------------------------------------------------

AB, AC, BC = ("meet", 0, 1), ("meet", 0, 2), ("meet", 1, 2)

SCENARIOS = {
    # what, what happens before the copies meet, and what stands everywhere when all have met
    "a negation reaches everybody": ([(0, "x"), AB, (1, "n", "x")], []),
    "who never saw it does not bring it back": ([(0, "x"), AB, BC, (0, "n", "x")], []),
    "the same said at once elsewhere survives": ([(0, "x"), (1, "x'"), (0, "n", "x")], ["x'"]),
    "said again survives who is behind": ([(0, "x"), AB, (0, "n", "x"), (0, "x'"), (1, "m", "x")], ["x'"]),
    "two take it back, one of them takes that back": ([(0, "x"), AB, (0, "n", "x"), (1, "m", "x"), (0, "k", "n")], []),
    "both take it back and both think again": (
        [(0, "x"), AB, (0, "n", "x"), (1, "m", "x"), (0, "k", "n"), (1, "l", "m")],
        ["x"],
    ),
    "a negation of a negation of a negation": (
        [(0, "x"), AB, (0, "n", "x"), AB, (1, "m", "n"), AB, (0, "k", "m")],
        [],
    ),
    "a negation is taken back where two did": (
        [(0, "x"), AB, AC, (0, "n", "x"), BC, AB, (1, "m", "n"), (2, "k", "x")],
        [],
    ),
    "the negation comes before what it negates is known": ([(0, "x"), AB, (1, "n", "x"), BC], []),
}
PAIRS = list(combinations(range(3), 2))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_order_of_meeting(name):
    steps, stands = SCENARIOS[name]
    for number, first in enumerate(permutations(PAIRS)):
        with World(3, live=number % 3) as world:
            world.run(steps)
            for one, other in (*first, *first):
                world.meet(one, other)
                world.look(one, other)
            assert world.shown(0)[0] == {world.said[each][0] for each in stands}
            world.check()


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_order_of_arrival(name):
    """A copy that learns one statement after the other, in every order there is."""
    with World(3, live=0) as world:
        world.run(SCENARIOS[name][0])
        names = {edge: name for name, (edge, _, _) in world.said.items()}
        said = {names[delta.edge]: delta.encode() for db in world.dbs for delta in db.deltas()}
        for place, order in enumerate(permutations(said)):
            with ExitStack() as stack:
                db = stack.enter_context(connect(":memory:", keyring=Keyring()))
                is_live = place % 5 == 0
                live = stack.enter_context(db.live_hyperviews([THING], SCHEMA)) if is_live else None
                known = set()
                for each in order:
                    db.admit([said[each]], origin="one by one")
                    known.add(each)
                    world.known[0] = known
                    stands, _ = world.shown(0)
                    if live is not None:
                        assert {entry.edge.edge for entry in live[THING].properties.get("said", ())} == stands
                    assert {edge.edge for edge in db.hyperedges(targets=[THING], contexts=["said"])} == stands
                if live is not None:
                    check(db, *world.shown(0), *world.shown(0, trusting=False))


# -- laws --------------------------------------------------------------------------------------------------------------


@st.composite
def histories(draw, copies, most=9):
    """Things said, negations of whatever was said by then, and meetings."""
    steps, names, seen = [], [], [set() for _ in range(copies)]
    for number in range(draw(st.integers(1, most))):
        copy = draw(st.integers(0, copies - 1))
        what = draw(st.sampled_from(["say", "negate", "negate", "meet"]))
        if what == "meet":
            other = draw(st.integers(0, copies - 1))
            steps.append(("meet", copy, other))
            seen[copy] |= seen[other]
            seen[other] |= seen[copy]
            continue
        name = f"e{number}"
        if what == "say" or not seen[copy]:
            steps.append((copy, name))
        else:
            steps.append((copy, name, draw(st.sampled_from(sorted(seen[copy])))))
        seen[copy].add(name)
        names.append(name)
    return steps


@settings(max_examples=25)
@given(histories(3), st.permutations(PAIRS))
def test_what_stands_is_what_no_negation_that_counts_takes_back(steps, order):
    with World(3) as world:
        for step in steps:
            world.run([step])
            world.look(*(step[1:] if step[0] == "meet" else step[:1]))
        for one, other in (*order, *order):
            world.meet(one, other)
        world.check()
        assert world.known[0] == world.known[1] == world.known[2]


@settings(max_examples=8)
@given(histories(2), st.permutations(["rebuild", "compact", "reopen"]))
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
        with connect(folder / "a.db", keyring=Keyring()) as again:
            check(again, *world.shown(0), *world.shown(0, trusting=False))


# -- what is passed on -------------------------------------------------------------------------------------------------

NODE = {
    "id": "one", "timestamp": 5, "author": "x", "system": "s",
    "pointers": [{"role": "of", "target": {"id": "thing", "context": "said"}}, {"role": "what", "target": "x"}],
}  # fmt: skip


def test_who_is_behind_passes_on_what_was_taken_back_and_does_not_bring_it_back():
    """A negation names the id of a statement: whoever passes the statement on, passes on what is taken back."""
    said = json_delta.read(json.loads(json.dumps(NODE)))
    for order in permutations(PAIRS):
        with World(3) as world:
            for copy in (0, 1):
                world.dbs[copy].pass_on([said], origin="import")
            world.dbs[0].negate("one")
            for one, other in (*order, *order):
                world.meet(one, other)
                world.dbs[2].pass_on([said], origin="import")
            for db, live in zip(world.dbs, world.live.values(), strict=True):
                assert db.hyperedges(targets=[THING]) == []
                assert dict(live[THING].properties) == {}
                assert db.show(THING, SCHEMA) == {"id": "thing"}

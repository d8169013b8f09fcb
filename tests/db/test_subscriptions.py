"""Subscriptions: whoever is subscribed is told what a filter over the log in order gives, whatever it does meanwhile."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections import deque

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhizomedb.budget import Budget
from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.live import subscriptions
from rhizomedb.db.live.delta_filter import DeltaFilter
from rhizomedb.errors import Error
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.hyper import HyperSchema, Nest, json_delta
from rhizomedb.hyper.pointer import hyperedge_of

PROGRAM = 'runs(entity: E, minutes: V) :- stands(entity: E, attribute: "runtime", value: V).'
A, B = b"a", b"b"


def say(db, *values, entity=A):
    for value in values:
        db.transact([Fact(entity, "v", value)])


def values(items):
    return [told.facts[0].value for told in items]


# -- what is told -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, ["cast", "year", "plain", "no"]),
        ({"targets": [b"m"]}, ["cast", "year"]),
        ({"targets": [b"m"], "contexts": ["cast"]}, ["cast"]),
        ({"contexts": ["cast", "year"]}, ["cast", "year"]),
        ({"contexts": []}, []),
        ({"attributes": ["runtime"]}, ["plain"]),
        ({"entities": [b"m"]}, ["cast", "year", "plain"]),
        ({"entities": [b"m"], "attributes": ["runtime", "year"]}, ["year", "plain"]),
        ({"entities": [b"k"], "attributes": ["runtime"]}, []),
        ({"authors": ["ben"]}, ["year"]),
        ({"authors": ["ann"], "contexts": ["year"]}, []),
        ({"systems": ["elsewhere"]}, []),
        ({"predicate": lambda edge: edge.targets("year") == [1999]}, ["year"]),
        ({"claimed_authors": ["x"]}, []),
        ({"negated": "only"}, []),
        ({"ids": [b"unknown"]}, []),
    ],
)
def test_a_filter_says_what_is_told(wall, filter, expected):
    with connect(":memory:", author="ann", clock=wall, keyring=Keyring()) as db:
        db.subscribe()  # another one changes nothing
        for author in ("ann", "ben"):
            db.relate(named=(b"zz", "name"), name="somebody", author=author)
        sub = db.subscribe(**filter)
        names = {}
        cast = db.relate(actor=(b"k", "acts"), movie=(b"m", "cast"))
        names[cast.deltas[0]] = "cast"
        names[db.relate(movie=(b"m", "year"), year=1999, author="ben").deltas[0]] = "year"
        names[db.transact([(b"m", "runtime", 136)]).deltas[0]] = "plain"
        names[db.negate(cast.edge).deltas[0]] = "no"
        assert [names[told.delta.id] for told in sub.poll()] == expected
        assert sub.poll() == []


def test_a_delta_is_told_with_the_facts_that_are_meant(db):
    sub, whole = db.subscribe(attributes=["runtime"]), db.subscribe()
    db.transact([(A, "runtime", 136), (A, "title", "The Matrix"), (B, "runtime", 90)])
    (told,), (all_of_it,) = sub.poll(), whole.poll()
    assert [(fact.entity, fact.value) for fact in told.facts] == [(A, 136), (B, 90)]
    assert len(all_of_it.facts) == 3
    assert (told.epoch, told.missed, told.edge) == (1, 0, None)


def test_what_is_taken_back_is_told_to_who_follows_the_attribute(db):
    db.transact([(A, "runtime", 136), (A, "title", "The Matrix")])
    sub, other = db.subscribe(attributes=["runtime"]), db.subscribe(attributes=["genre"])
    db.retract(A, "runtime")
    assert [fact.attribute for told in sub.poll() for fact in told.facts] == ["rhizome/retracts"]
    assert other.poll() == []


def test_negation_is_what_was_so_at_the_end_of_the_epoch(db):
    """H28: a negation may come before what it takes back. What is taken back later was told, and stays told."""
    exclude, mark, only = (db.subscribe(targets=[b"m"], negated=each) for each in ("exclude", "mark", "only"))
    said = db.relate(movie=(b"m", "cast"))
    no = db.negate(said.edge)
    db.negate(no.edge)
    db.relate(negates=(b"early", "negated_by"))
    db.pass_on(
        [json_delta.read({"id": "early", "timestamp": 5, "author": "x", "system": "s", "pointers": [
            {"role": "movie", "target": {"id": "m", "context": "cast"}}]})], origin="test")  # fmt: skip
    assert [told.edge.edge for told in exclude.poll()] == [said.edge]
    assert [(told.edge.edge, told.edge.is_negated) for told in mark.poll()] == [(said.edge, False), (b"early", True)]
    assert [told.edge.edge for told in only.poll()] == [b"early"]
    again = db.subscribe(targets=[b"m"], after=0)
    assert [told.edge.edge for told in again.poll()] == [said.edge]


def test_what_nobody_knows_is_noted(db):
    db.transact([(A, "runtime", 136)])
    assert db.subscribe(attributes=["runtme"]).notices == (
        "no fact here has the attribute runtme; did you mean runtime?",
    )
    assert db.subscribe(targets=["Heat"], contexts=["cast"]).notices == (
        "no fact here has the attribute cast",
        "nothing here is called 'Heat' yet: it is taken for an id",
    )
    assert db.subscribe(attributes=["runtime"]).notices == ()


# -- reading and steering ---------------------------------------------------------------------------------------------


def test_pause_loses_nothing_unless_it_is_asked_to(db):
    """H54: what the reference does is `skip`."""
    sub, skipping = db.subscribe(), db.subscribe()
    say(db, 1)
    for each in (sub, skipping):
        assert values(each.poll()) == [1]
        each.pause()
    say(db, 2)
    assert sub.poll() == [] == skipping.poll()
    with pytest.raises(Error, match="paused"):
        next(sub)
    sub.resume()
    skipping.resume(skip=True)
    say(db, 3)
    assert values(sub.poll()) == [2, 3]
    assert values(skipping.poll()) == [3]
    sub.close()
    say(db, 4)
    assert sub.poll() == []
    assert sub.next(timeout_s=0) is None


def test_a_receiver_that_raises_harms_nobody_else(db, caplog):
    """H55."""
    told = []

    def failing(item):
        raise LookupError("no")

    bad = db.subscribe(failing, thread=False)
    worse = db.subscribe(failing)
    good = db.subscribe(told.append, thread=False)
    beside = db.subscribe(told.append)
    say(db, 1)
    say(db, 2)
    assert beside.settled(10)
    assert sorted(values(told)) == [1, 1, 2, 2]
    worse.settled(10)
    for each in (bad, worse):
        assert each.is_closed
        assert isinstance(each.error, LookupError)
    assert not good.is_closed
    assert "is called no more" in caplog.text


@pytest.mark.parametrize(
    ("overflow", "expected", "counts"),
    [
        ("block", [1, 2, 3, 4], (0, 2, 4, 4, 0)),
        ("drop_oldest", [3, 4], (0, 2, 4, 2, 2)),
        ("drop_newest", [1, 2], (0, 2, 4, 2, 2)),
        ("error", [1, 2], (0, 2, 3, 2, 1)),
    ],
)
def test_a_full_buffer(db, overflow, expected, counts):
    """H56, H57: the buffer is of what the filter means."""
    sub = db.subscribe(buffer=2, overflow=overflow, entities=[A])
    sub.pause()
    say(db, 1)
    say(db, 7, 8, 9, entity=B)
    say(db, 2, 3, 4)
    if overflow != "error":
        sub.resume()
    got = sub.poll()
    assert values(got) == expected
    assert sub.counts == counts
    if overflow == "error":
        assert sub.is_closed
        with pytest.raises(Error, match="did not take 2 items"):
            sub.resume()
    if overflow == "drop_oldest":
        assert [told.missed for told in got] == [2, 0]
    if overflow == "drop_newest":
        assert [told.missed for told in got] == [0, 0]
        say(db, 5)
        assert [(told.facts[0].value, told.missed) for told in sub.poll()] == [(5, 2)]


def test_who_is_let_go_can_take_what_came_and_goes_on_by_the_cursor(db):
    sub = db.subscribe(buffer=2, overflow="error")
    say(db, 1, 2, 3)
    assert values(sub.poll()) == [1, 2]
    with pytest.raises(Error) as caught:
        sub.poll()
    assert caught.value.code == "db.subscription-overflow"
    with pytest.raises(Error):
        next(sub)
    assert values(db.subscribe(after=sub.cursor).poll()) == [3]


def test_what_was_dropped_can_be_read_again(db):
    sub = db.subscribe(buffer=1, overflow="drop_oldest")
    say(db, 1, 2, 3)
    before = sub.cursor
    assert [(told.facts[0].value, told.missed) for told in sub.poll()] == [(3, 2)]
    assert values(db.subscribe(after=before).poll()) == [1, 2, 3]


def test_reading_by_loops(db):
    sub = db.subscribe(timeout_s=0)
    say(db, 1, 2, 3)
    assert sub.next().facts[0].value == 1
    assert values(sub.poll(1)) == [2]
    assert values(sub) == [3]
    say(db, 4)
    assert values(sub) == [4]
    assert values(db.subscribe(after=2, timeout_s=0)) == [3, 4]
    with db.subscribe() as inside:
        pass
    assert inside.is_closed


def test_awaiting(db):
    async def follow(sub, got):
        async for told in sub:
            got.append(told.facts[0].value)
            if told.facts[0].value == 3:
                return

    async def main():
        many = [db.subscribe(entities=[A]) for _ in range(20)]
        never = db.subscribe(entities=[B], timeout_s=0.01)
        got = [[] for _ in many]
        tasks = [asyncio.create_task(follow(*each)) for each in zip(many, got, strict=True)]
        other = asyncio.create_task(follow(never, []))
        await asyncio.sleep(0)
        say(db, 1, 2)
        await asyncio.sleep(0)
        many[0].pause()
        say(db, 3)
        await asyncio.gather(*tasks[1:], other)
        assert got[0] in ([], [1], [1, 2])
        many[0].resume()
        await tasks[0]
        assert got == [[1, 2, 3]] * len(many)

    asyncio.run(main())


def test_awaiting_hears_of_other_processes(tmp_path):
    async def main():
        with connect(tmp_path / "a.db") as db, connect(tmp_path / "a.db") as other:
            sub = db.subscribe()
            waiting = asyncio.create_task(anext(sub))
            await asyncio.sleep(0)
            say(other, 1)
            assert (await waiting).facts[0].value == 1

    asyncio.run(main())


def test_receivers_hear_of_other_processes_at_a_look(tmp_path):
    with connect(tmp_path / "a.db") as db, connect(tmp_path / "a.db") as other:
        told = []
        sub = db.subscribe(told.append)
        say(other, 1, 2)
        assert db.look() == 2
        assert sub.settled(10)
        assert values(told) == [1, 2]


def test_a_slow_receiver_delays_nobody(db):
    go_on, got, slowly = threading.Event(), [], []

    def slow(told):
        assert go_on.wait(60)
        slowly.append(told)

    first = db.subscribe(slow)
    second = db.subscribe(got.append)
    say(db, 1, 2)  # these return although the first receiver has not
    assert second.settled(60)
    assert values(got) == [1, 2]
    assert slowly == []
    go_on.set()
    assert first.settled(60)
    assert values(slowly) == [1, 2]


def test_a_receiver_that_is_behind_loses_nothing(db):
    go_on, got = threading.Event(), []

    def slow(told):
        assert go_on.wait(60)
        got.append(told)

    sub = db.subscribe(slow, buffer=1)
    say(db, *range(20))
    go_on.set()
    assert sub.settled(60)
    assert values(got) == list(range(20))
    assert sub.counts[2:] == (20, 20, 0)


def test_a_receiver_in_this_thread_can_ask_and_write(db):
    got = []

    def answer(told):
        value = told.facts[0].value
        got.append((value, db.look()))
        if value < 3:
            say(db, value + 1)

    db.subscribe(answer, thread=False, entities=[A])
    say(db, 1)
    assert got == [(1, 1), (2, 2), (3, 3)]


def test_a_receiver_can_unsubscribe_itself(db):
    got = []
    subs = []

    def once(told):
        got.append(told)
        subs[0].close()

    subs.append(db.subscribe(once, thread=False))
    other = db.subscribe(lambda told: subs[0].close(), thread=False)
    say(db, 1, 2)
    assert len(got) == 1
    other.close()
    assert len(db._subscriptions) == 0


def test_a_predicate_that_raises_ends_its_own_subscription(db):
    bad, good = db.subscribe(predicate=lambda edge: 1 / 0), db.subscribe(predicate=lambda edge: True)
    db.relate(movie=(b"m", "cast"))
    assert len(good.poll()) == 1
    with pytest.raises(ZeroDivisionError):
        bad.poll()
    assert bad.is_closed
    with pytest.raises(ZeroDivisionError):
        db.subscribe(predicate=lambda edge: 1 / 0, after=0).poll()


# -- cursors ----------------------------------------------------------------------------------------------------------


def test_a_cursor_outlasts_the_process(tmp_path):
    path = tmp_path / "a.db"
    with connect(path) as db:
        sub = db.subscribe()
        assert values(db.subscribe(after=sub.cursor).poll()) == []
        say(db, 1, 2)
        assert values(sub.poll(1)) == [1]
        cursor = sub.cursor
        within = sub.poll()[0].cursor
    with connect(path) as db:
        say(db, 3)
        assert values(db.subscribe(after=cursor).poll()) == [2, 3]
        assert values(db.subscribe(after=within).poll()) == [3]
        at_end = db.subscribe(entities=[B]).cursor
        assert values(db.subscribe(after=at_end).poll()) == []


def test_a_cursor_can_stand_within_an_epoch(db):
    made = connect(":memory:", author="ben", keyring=Keyring())
    say(made, *range(10))
    db.admit([delta.encode() for delta in made.deltas()], origin="test")
    sub = db.subscribe(after=0)
    assert values(sub.poll(4)) == [0, 1, 2, 3]
    assert values(db.subscribe(after=sub.cursor).poll()) == [4, 5, 6, 7, 8, 9]


def test_cursors_that_do_not_fit_are_told(tmp_path, another):
    with connect(tmp_path / "a.db") as db, connect(tmp_path / "b.db") as other, another() as third:
        for each, count in ((db, 3), (other, 3), (third, 9)):
            say(each, *range(count))
        cursors = [each.subscribe().cursor for each in (db, other, third)]
        for cursor, code in [
            (cursors[1], "db.cursor-foreign"),
            (cursors[2], "db.cursor-ahead"),
            (cursors[0][:-1], "db.cursor"),
            (cursors[0][:-2] + "AA", "db.cursor"),
            ("", "db.cursor"),
            ("nonsense", "db.cursor"),
            (1.5, "db.cursor"),
            (b"x", "db.cursor"),
            (True, "db.cursor"),
            (17, "db.epoch"),
            (-1, "db.epoch"),
        ]:
            with pytest.raises(Error) as caught:
                db.subscribe(after=cursor)
            assert caught.value.code == code, cursor
            with pytest.raises(Error) as caught:
                db.subscribe_view(PROGRAM, after=cursor)
            assert caught.value.code == code, cursor
        assert len(db._subscriptions) == 1
        assert not db._subscriptions._changes


# -- views ------------------------------------------------------------------------------------------------------------


def test_changes_of_a_view(db):
    db.transact([(A, "runtime", 1)])
    sub = db.subscribe_view(PROGRAM)
    db.transact([(A, "title", "x")])
    db.transact([(A, "runtime", 2)])
    (told,) = sub.poll()
    assert (told.epoch, [tuple(row) for row in told.plus], [tuple(row) for row in told.minus]) == (
        3,
        [(A, 2)],
        [(A, 1)],
    )
    assert told["runs"].plus == told.plus
    begun = db.subscribe_view(PROGRAM, after=0, buffer=1)
    assert [each.epoch for each in begun.poll()] == [1, 3]
    assert [each.epoch for each in db.subscribe_view(PROGRAM, after=begun.cursor).poll()] == []
    assert [each.epoch for each in db.subscribe_view(PROGRAM, after=1).poll()] == [3]


def test_those_who_ask_for_the_same_share_a_view(db):
    subs = [db.subscribe_view(PROGRAM, relation="runs") for _ in range(50)]
    other = db.subscribe_view(PROGRAM + " more(x: V) :- runs(minutes: V), V > $least.", least=1)
    assert len(db._views._views) == 2
    db.transact([(A, "runtime", 2)])
    assert all(len(sub.poll()) == 1 for sub in subs)
    assert len(other.poll()) == 1
    for sub in subs:
        sub.close()
    assert len(db._views._views) == 1
    other.close()
    assert not db._views._views


def test_a_view_whose_step_fails_ends_what_is_subscribed_to_it_alone(db):
    small = 'p(x: V) :- fact(attribute: "v", value: V).'
    sub, other = db.subscribe_view(small, budget=Budget(facts=5)), db.subscribe()
    say(db, 1)
    assert len(sub.poll()) == 1
    db.transact([(A, "v", n) for n in range(50)])
    assert len(other.poll()) == 2
    with pytest.raises(Error) as caught:
        sub.poll()
    assert caught.value.code == "budget.facts"
    assert sub.is_closed
    assert len(db.subscribe_view(small, after=sub.cursor).poll()) == 1


def test_changes_of_hyperviews(db):
    film = HyperSchema("film", "Film", nests={"director": Nest("std")})
    sub = db.subscribe_hyperviews([b"m"], film, schemas=[HyperSchema("std", "Standard")])
    db.relate(directed=(b"m", "director"), director=(b"w", None))
    said = db.relate(named=(b"w", "name"), name="Mann")
    db.relate(named=(b"elsewhere", "name"), name="Nobody")
    db.negate(said.edge)
    assert [[(row.object, row.property) for row in told.plus] for told in sub.poll()] == [
        [(b"m", "director")],
        [(b"w", "name")],
        [],
    ]


# -- how many there are -----------------------------------------------------------------------------------------------


def test_a_write_is_looked_at_by_those_alone_whom_it_may_concern(monkeypatch):
    looked = []
    match = DeltaFilter.match
    monkeypatch.setattr(DeltaFilter, "match", lambda self, came: looked.append(self) or match(self, came))
    with connect(":memory:") as db:
        subs = [db.subscribe(targets=[b"%d" % n]) for n in range(2_000)]
        subs += [db.subscribe(entities=[b"%d" % n], attributes=["v"]) for n in range(2_000)]
        db.relate(movie=(b"7", "cast"))
        say(db, 1, entity=b"7")
        assert len(subs[7].poll()) == 1
        assert len(subs[2_007].poll()) == 1
        # The hyperedge is about the entity as well, of which it says no `v`.
        assert len(looked) == 3
        assert [len(sub.poll()) for sub in subs].count(1) == 0


@pytest.mark.parametrize("way", ["close", "error", "connection"])
def test_unsubscribing_frees_everything(tmp_path, way):
    db = connect(tmp_path / "a.db")
    subs = [
        db.subscribe(overflow="error", buffer=1),
        db.subscribe(entities=[A], after=0, overflow="error", buffer=1),
        db.subscribe_view('p(x: V) :- fact(attribute: "v", value: V).', overflow="error", buffer=1),
        db.subscribe(lambda told: None, thread=False, predicate=lambda edge: 1 / 0, negated="mark"),
    ]
    say(db, 1, 2, 3)
    db.relate(movie=(b"m", "cast"))
    db.look()
    hub = db._subscriptions
    if way == "close":
        for sub in subs:
            sub.close()
    if way == "connection":
        db.close()
    assert len(hub) == 0
    assert not hub._changes
    assert not any((hub._receivers, hub._awaited, hub.due, hub.behind, hub._gone))
    weak = [weakref.ref(sub) for sub in subs]
    sub = None
    del subs
    gc.collect()
    assert [each() for each in weak] == [None] * len(weak)
    if way != "connection":
        assert db._views is None or not db._views._views
        db.close()


@pytest.mark.parametrize(
    "call",
    [
        {"targets": "m"},
        {"targets": 3},
        {"contexts": "cast"},
        {"attributes": "v"},
        {"attributes": [None]},
        {"entities": "Alien"},
        {"entities": ["nobody"]},
        {"authors": "ann"},
        {"authors": ["nobody"]},
        {"negated": "maybe"},
        {"negated": None},
        {"predicate": 3},
        {"since": "whenever"},
        {"buffer": 0},
        {"buffer": "many"},
        {"overflow": "drop-oldest"},
        {"overflow": None},
        {"timeout_s": "soon"},
        {"timeout_s": -1},
        {"receiver": 3},
        {"receiver": asyncio.sleep},
        {"trusted": "ann"},
    ],
)
def test_what_makes_no_sense_is_told(db, call):
    with pytest.raises(Error):
        db.subscribe(**call)
    assert db._subscriptions is None or len(db._subscriptions) == 0


def test_steering_that_makes_no_sense_is_told(db):
    sub, told = db.subscribe(), db.subscribe(print)
    for wrong in (
        lambda: sub.poll("many"),
        lambda: sub.poll(-1),
        lambda: sub.next("soon"),
        lambda: sub.settled(-1),
        lambda: sub.resume(after=0, skip=True),
        lambda: sub.resume(after="x"),
        told.poll,
        lambda: next(told),
    ):
        with pytest.raises(Error):
            wrong()
    sub.close()
    for wrong in (sub.pause, sub.resume):
        with pytest.raises(Error, match="closed"):
            wrong()


# -- the oracle -------------------------------------------------------------------------------------------------------

THINGS = [b"a", b"b", b"c"]
NAMES = ["p", "q"]
some = st.none() | st.lists(st.sampled_from(THINGS), max_size=2)
names = st.none() | st.lists(st.sampled_from(NAMES), max_size=2)
filters = st.fixed_dictionaries(
    {
        "targets": some,
        "contexts": names,
        "entities": some,
        "attributes": names,
        "authors": st.none() | st.just(["ann"]) | st.just(["ben"]),
        "negated": st.sampled_from(["exclude", "mark", "only"]),
    }
)
writes = st.one_of(
    st.tuples(st.just("relate"), st.sampled_from(THINGS), st.sampled_from(NAMES), st.sampled_from(["ann", "ben"])),
    st.tuples(st.just("negate"), st.integers(0, 9)),
    st.tuples(st.just("fact"), st.sampled_from(THINGS), st.sampled_from(NAMES), st.integers(0, 3)),
    st.tuples(st.just("retract"), st.sampled_from(THINGS)),
)
doings = st.lists(
    st.one_of(
        writes,
        writes,
        st.tuples(st.just("poll"), st.none() | st.integers(0, 3)),
        st.tuples(st.sampled_from(["pause", "resume", "again", "reopen", "back"])),
    ),
    max_size=14,
)


def write(db, edges, doing):
    match doing:
        case ("relate", thing, context, author):
            edges.append(db.relate(it=(thing, context), author=author).edge)
        case ("negate", which) if edges:
            edges.append(db.negate(edges[which % len(edges)], author="ann").edge)
        case ("fact", thing, attribute, value):
            db.transact([(thing, attribute, value)], author="ben")
        case ("retract", thing) if db.get(thing, default=None):
            db.retract(thing)


def meant(db, filter):
    """What a filter over the whole log gives, delta by delta: its id and whether it is marked as taken back."""
    authors = None if filter["authors"] is None else {db.author_key(each) for each in filter["authors"]}
    found = []
    for epoch, envelope in db._store.envelopes():
        delta = Delta.decode(envelope)
        edge = hyperedge_of(delta)
        if authors is not None and delta.author not in authors:
            continue
        references = [] if edge is None else list(edge.references)
        if filter["targets"] is not None and not any(each.entity in filter["targets"] for each in references):
            continue
        if filter["contexts"] is not None and not any(each.context in filter["contexts"] for each in references):
            continue
        away = edge is not None and edge.edge in db.at_epoch(epoch).negated_edges()
        if away is not (filter["negated"] == "only") and filter["negated"] != "mark":
            continue
        facts = []
        for fact in delta.facts:
            about = {fact.attribute}
            if fact.attribute == "rhizome/retracts":
                about |= {db.fact(cause).attribute for cause in fact.causes}
            if (filter["attributes"] is None or about & set(filter["attributes"])) and (
                filter["entities"] is None or fact.entity in filter["entities"]
            ):
                facts.append(fact)
        if facts:
            found.append((delta.id, tuple(facts), away))
    return found


def shown(told):
    return told.delta.id, told.facts, told.edge is not None and told.edge.is_negated


@pytest.fixture(params=["memory", "file", "index"])
def kind(request, monkeypatch):
    """Where a database is; with "index" what is meant is found by the index of its file, however little there is."""
    if request.param == "index":
        monkeypatch.setattr(subscriptions, "FEW", 1)
    return request.param


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filter=filters, doings=doings, buffer=st.integers(1, 4))
def test_whatever_one_does_all_of_it_is_told_once(kind, tmp_path_factory, filter, doings, buffer):
    path = ":memory:" if kind == "memory" else tmp_path_factory.mktemp("subscribe") / "a.db"
    db = connect(path, author="ann", durability="memory")
    db.transact([(b"zz", "p", 1)], author="ann")
    db.transact([(b"zz", "q", 1)], author="ben")
    sub = db.subscribe(**filter, after=0, buffer=buffer)
    got, edges = [], []
    taken_back = 0, sub.cursor
    for doing in doings:
        match doing:
            case ("poll", most):
                got += sub.poll(most)
            case ("pause",):
                sub.pause()
            case ("resume",):
                sub.resume()
            case ("again",):
                cursor = sub.cursor
                sub.close()
                sub = db.subscribe(**filter, after=cursor, buffer=buffer)
            case ("back",):  # once more from an earlier place
                got = got[: taken_back[0]]
                sub.resume(after=taken_back[1])
                taken_back = len(got), sub.cursor
            case ("reopen",) if kind != "memory":
                cursor = sub.cursor
                db.close()
                db = connect(path, author="ann", durability="memory")
                sub = db.subscribe(**filter, after=cursor, buffer=buffer)
            case ("reopen",):
                taken_back = len(got), sub.cursor
            case _:
                write(db, edges, doing)
    if sub.is_paused:
        sub.resume()
    got += sub.poll()
    assert [shown(told) for told in got] == meant(db, filter)
    assert [told._place.number for told in got] == sorted({told._place.number for told in got})
    db.close()


@settings(max_examples=100)
@given(
    overflow=st.sampled_from(["drop_oldest", "drop_newest"]),
    buffer=st.integers(1, 3),
    doings=st.lists(st.one_of(st.just("say"), st.just("say"), st.integers(0, 3)), max_size=20),
)
def test_a_bounded_buffer_is_what_a_plain_one_would_be(overflow, buffer, doings):
    with connect(":memory:", author="ann") as db:
        sub = db.subscribe(buffer=buffer, overflow=overflow)
        kept, missed, said, dropped = deque(), 0, 0, 0
        for doing in doings:
            if doing != "say":
                expected = [kept.popleft() for _ in range(min(doing, len(kept)))]
                assert [(told.facts[0].value, told.missed) for told in sub.poll(doing)] == expected
                continue
            said += 1
            say(db, said)
            if len(kept) < buffer:
                kept.append((said, missed))
                missed = 0
            elif overflow == "drop_newest":
                missed, dropped = missed + 1, dropped + 1
            else:
                gone = kept.popleft()[1] + 1
                dropped += 1
                kept.append((said, 0))
                kept[0] = kept[0][0], kept[0][1] + gone
        assert sub.counts[4] == dropped
        assert [(told.facts[0].value, told.missed) for told in sub.poll()] == list(kept)


@settings(max_examples=40)
@given(
    doings=st.lists(st.one_of(writes, st.tuples(st.sampled_from(["poll", "pause", "resume", "again"]))), max_size=12),
    buffer=st.integers(1, 3),
)
def test_changes_of_a_view_add_up_to_it(doings, buffer):
    program = 'p(e: E, v: V) :- stands(entity: E, attribute: "p", value: V).'
    with connect(":memory:", author="ann") as db:
        sub = db.subscribe_view(program, after=0, buffer=buffer)
        rows, edges, epochs = set(), [], []

        def take():
            for told in sub.poll():
                epochs.append(told.epoch)
                assert not rows & set(told.plus)
                assert rows >= set(told.minus)
                rows.difference_update(told.minus)
                rows.update(told.plus)

        for doing in doings:
            match doing:
                case ("poll",):
                    take()
                case ("pause",):
                    sub.pause()
                case ("resume",):
                    sub.resume()
                case ("again",):
                    cursor = sub.cursor
                    sub.close()
                    sub = db.subscribe_view(program, after=cursor, buffer=buffer)
                case _:
                    write(db, edges, doing)
        if sub.is_paused:
            sub.resume()
        take()
        assert rows == {tuple(row) for row in db.query(program)}
        assert epochs == sorted(set(epochs))


def test_interruptions_lose_nothing(db, monkeypatch):
    sub = db.subscribe(buffer=2)
    say(db, *range(6))
    match, calls = DeltaFilter.match, iter(range(100))

    def interrupted(self, came):
        if next(calls) % 2 == 0:
            raise KeyboardInterrupt
        return match(self, came)

    monkeypatch.setattr(DeltaFilter, "match", interrupted)
    got = []
    while len(got) < 6:
        with contextlib.suppress(KeyboardInterrupt):
            got += sub.poll(1)
    assert values(got) == list(range(6))


def test_of_many_thousands_those_alone_are_told_whom_a_write_concerns(db):
    subscriptions = [db.subscribe(targets=[b"thing-%d" % number]) for number in range(5_000)]
    db.relate(titled=(b"thing-77", "title"), title="Heat")
    db.relate(titled=(b"thing-4999", "title"), title="Alien")
    told = {number: len(sub.poll()) for number, sub in enumerate(subscriptions[4_990:], 4_990)}
    assert told == {number: int(number == 4_999) for number in range(4_990, 5_000)}
    assert [len(sub.poll()) for sub in subscriptions[76:79]] == [0, 1, 0]
    for sub in subscriptions:
        sub.close()

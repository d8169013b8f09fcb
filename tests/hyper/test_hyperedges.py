"""Hyperedges as the RhizomeDB specification has them: cases H1 to H30, in memory and in a file."""

import pytest

from rhizomedb.errors import Error
from rhizomedb.facts.clock import HybridTime
from rhizomedb.hyper import Pointer, Reference
from rhizomedb.hyper.json_delta import JsonDelta, read


def node(id="d", timestamp=1, author="a", system="s", pointers=()):
    return {"id": id, "timestamp": timestamp, "author": author, "system": system, "pointers": list(pointers)}


def said(id, t, thing, prop, value, author="a", system="s"):
    """P(id, t, thing, prop, value): one property of one thing."""
    pointers = (Pointer("e", Reference(thing.encode(), prop)), Pointer(prop, value))
    return JsonDelta(id.encode(), HybridTime(t, 0), author, system, pointers, None)


def negation(id, t, target):
    """N(id, t, target)."""
    pointers = (Pointer("negates", Reference(target.encode(), "negated_by")),)
    return JsonDelta(id.encode(), HybridTime(t, 0), "a", "s", pointers, None)


def say(db, *statements):
    return db.pass_on(statements, author="importer", origin="test")


def ids(db, **conditions):
    return [edge.edge.decode() for edge in db.hyperedges(**conditions)]


# -- format: H1 to H10 -------------------------------------------------------------------------------------------------

REFUSED = {
    "H3 id": (node(id=""), "id is empty"),
    "H3 author": (node(author=""), "author is empty"),
    "H3 system": (node(system=""), "system is empty"),
    "H4 zero": (node(timestamp=0), "timestamp is 0, not milliseconds"),
    "H4 negative": (node(timestamp=-1), "timestamp is -1"),
    "H4 text": (node(timestamp="1"), "timestamp is '1'"),
    "H4 bool": (node(timestamp=True), "timestamp is True"),
    "H5 NaN": (node(timestamp=float("nan")), "timestamp is nan"),
    "H5 infinite": (node(timestamp=float("inf")), "timestamp is inf"),
    "H6 role": (node(pointers=[{"role": "", "target": 1}]), r"pointers\[0\].role is empty"),
    "H6 null": (node(pointers=[{"role": "r", "target": None}]), r"pointers\[0\].target is null"),
    "H6 missing": (node(pointers=[{"role": "r"}]), r"pointers\[0\].target is missing"),
    "H6 list": (node(pointers=[{"role": "r", "target": [1]}]), r"pointers\[0\].target is a list"),
    "H7 id": (node(pointers=[{"role": "r", "target": {"id": ""}}]), r"target.id is empty"),
    "H7 number": (node(pointers=[{"role": "r", "target": {"id": 1}}]), r"target.id is a number"),
    "H7 context": (node(pointers=[{"role": "r", "target": {"id": "o", "context": ""}}]), r"context is empty"),
    "H7 null": (node(pointers=[{"role": "r", "target": {"id": "o", "context": None}}]), r"context is null"),
    "H8 NaN": (node(pointers=[{"role": "r", "target": float("nan")}]), r"target is nan"),
    "H9 pointer": (node(pointers=[None]), r"pointers\[0\] is null"),
    "H9 delta": (None, "the delta is null"),
    "reserved role": (node(pointers=[{"role": "rhizome/json", "target": 1}]), "reserved"),
    "reserved context": (node(pointers=[{"role": "r", "target": {"id": "o", "context": "rhizome/x"}}]), "reserved"),
    "surrogate": (node(pointers=[{"role": "r\ud800", "target": 1}]), "not Unicode"),
    "pointers": (node() | {"pointers": {}}, "pointers is an object, not a list"),
    "far away": (node(timestamp=1e300), "timestamp is 1e\\+300"),
}


@pytest.mark.parametrize(("delta", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_delta_is_refused(delta, message):
    with pytest.raises(Error, match=message) as refused:
        read(delta)
    assert refused.value.code == "hyper.json"


ACCEPTED = {
    "H2 no pointers": node(),
    "H4 fraction": node(timestamp=1.5),
    "H7 bare": node(pointers=[{"role": "r", "target": {"id": "o"}}]),
    "H8 empty and false": node(pointers=[{"role": "r", "target": ""}, {"role": "q", "target": False}]),
}


@pytest.mark.parametrize("delta", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_a_delta_is_said_once_and_given_back(db, delta):
    from rhizomedb.hyper.json_delta import of_hyperedge

    assert len(say(db, read(delta)).deltas) == 1
    again = say(db, read(delta))
    assert (again.deltas, again.known) == ((), 1)
    assert [of_hyperedge(edge, "?") for edge in db.hyperedges()] == [delta]


def test_h1_a_hyperedge_without_pointers_is_there(db):
    made = db.relate()
    (edge,) = db.hyperedges()
    assert (edge.edge, edge.pointers, len(made.edge)) == (made.edge, (), 16)


def test_h10_a_negation_points_at_what_it_takes_back(db):
    first, with_reason = db.negate(b"X"), db.negate(b"X", "why")
    assert db.hyperedge(first.edge).pointers == (Pointer("negates", Reference(b"X", "negated_by")),)
    assert db.hyperedge(with_reason.edge).pointers[1:] == (Pointer("reason", "why"),)


# -- store: H11 to H20 -------------------------------------------------------------------------------------------------


def test_h11_the_same_statement_is_one(db):
    say(db, said("d", 1, "o", "p", 1))
    assert say(db, said("d", 1, "o", "p", 1), said("d", 1, "o", "p", 1)).known == 2
    assert ids(db) == ["d"]


def test_h11_two_who_pass_it_on_say_one_statement(db):
    say(db, said("d", 1, "o", "p", 1))
    # as a copy has it that met another one: `pass_on` here would not say it again
    from rhizomedb.facts.delta import Delta
    from rhizomedb.facts.signature import Key
    from rhizomedb.hyper import facts_of

    each = said("d", 1, "o", "p", 1)
    facts = facts_of(each.edge, each.pointers, each.author)
    other = Delta.sign(Key(b"o" * 32), system="s", time=each.time, facts=facts, edge=each.edge)
    db.admit([other.encode()], origin="peer")
    assert ids(db) == ["d"]


def test_h12_an_id_keeps_its_first_content(db):
    say(db, said("d", 1, "o", "p", 1))
    with pytest.raises(Error, match="another statement has this id") as refused:
        say(db, said("e", 2, "o", "p", 3), said("d", 1, "o", "p", 2))
    assert (refused.value.code, refused.value.where) == ("hyper.taken", "statement 2")
    assert ids(db) == ["d"]
    done = db.pass_on([said("e", 2, "o", "p", 3), said("d", 1, "o", "p", 2)], origin="test", refuse="collect")
    assert (done.refused, ids(db)) == ((1,), ["d", "e"])
    assert db.hyperedge("d").targets("p") == [1]


def test_h13_what_is_returned_cannot_be_changed(db):
    say(db, said("d", 1, "o", "p", 1))
    edge = db.hyperedge("d")
    with pytest.raises(AttributeError):
        edge.pointers = ()
    with pytest.raises(AttributeError):
        edge.pointers[0].role = "x"


def test_h14_by_ids_what_is_taken_back_among_them(db):
    say(db, said("a", 1, "o", "p", 1), said("b", 2, "o", "p", 1), negation("n", 3, "a"))
    assert ids(db, ids=["b", "zz", "a"], negated="mark") == ["a", "b"]
    assert ids(db, ids=["b", "zz", "a"]) == ["b"]


def test_h15_a_time_range_has_both_its_ends(db):
    say(db, said("a", 5, "o", "p", 1), said("b", 6, "o", "p", 1), said("c", 7, "o", "p", 1))
    assert ids(db, since=5, until=6) == ["a", "b"]
    assert ids(db, since=6) == ["b", "c"]
    assert ids(db, until=6) == ["a", "b"]
    assert ids(db) == ["a", "b", "c"]


def test_h16_conditions_narrow_and_lists_widen(db):
    say(db, said("a", 1, "o1", "p", 1, "x"), said("b", 2, "o2", "p", 1, "x"), said("c", 3, "o1", "q", 1, "y"))
    assert ids(db, targets=["o1", "o2"]) == ["a", "b", "c"]
    assert ids(db, targets=["o1"], claimed_authors=["y"]) == ["c"]
    assert ids(db, targets=["o1"], contexts=["p"]) == ["a"]
    assert ids(db, contexts=["p"]) == ["a", "b"]
    assert ids(db, claimed_authors=["x"]) == ["a", "b"]
    assert ids(db, authors=["importer"]) == ["a", "b", "c"]
    assert ids(db, systems=["s"]) == ["a", "b", "c"]
    assert ids(db, systems=["t"]) == []


def test_authors_and_times_narrow_a_reader_that_is_narrowed(db):
    for time, author in enumerate(["ann", "ben", "ann", "ben"], 1):
        db.pass_on([said(f"d{time}", time, "o", "p", time)], author=author, origin="test")
    db.negate(db.hyperedge("d2"), author="cleo")
    narrowed = db.as_of(4).by("ann", "ben")
    assert ids(narrowed, since=2, until=3) == ["d2", "d3"], "cleo is not heard there"
    assert ids(db, authors=["ben"], targets=["o"]) == ["d4"], "who takes back need not be who is asked for"
    assert ids(narrowed, authors=["ben", "cleo"], since=3) == ["d4"]
    assert ids(narrowed, authors=["cleo"]) == []
    assert ids(db.since(2), since=1, authors=["ann"]) == ["d3"]


def test_who_stops_the_reading_of_a_hyperedge_reads_it_again(tmp_path, monkeypatch):
    from rhizomedb.db.connection import connect
    from rhizomedb.hyper import pointer

    with connect(tmp_path / "a.db") as db:
        say(db, said("a", 1, "o", "p", 1))
        edge = db.hyperedge("a")
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(pointer, "_set_read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            _ = edge.pointers
        assert [each.role for each in edge.pointers] == ["e", "p"]
        assert db.hyperedge("a").pointers == edge.pointers


def test_h17_targets_and_contexts_may_be_of_different_pointers(db):
    pointers = (Pointer("r", Reference(b"o1", "c1")), Pointer("q", Reference(b"o2", "c2")))
    say(db, JsonDelta(b"d", HybridTime(1, 0), "a", "s", pointers, None))
    assert ids(db, targets=["o1"], contexts=["c2"]) == ["d"]


@pytest.mark.parametrize("part", ["ids", "targets", "contexts", "authors", "claimed_authors", "systems"])
def test_h18_an_empty_list_matches_nothing(db, part):
    say(db, said("a", 1, "o", "p", 1))
    assert ids(db, **{part: []}) == []


def test_h19_a_predicate_narrows(db):
    say(db, said("a", 1, "o", "p", 1), said("b", 2, "o", "p", 5))
    assert ids(db, predicate=lambda edge: edge.targets("p")[0] > 3) == ["b"]


def test_h20_equal_times_come_in_an_order_that_does_not_tell_arrival(db, tmp_path):
    from rhizomedb.db.connection import connect

    three = [said(id, 9, "o", "p", 1) for id in "abc"]
    say(db, *three)
    with connect(tmp_path / "other.db") as other:
        other.admit(reversed([delta.encode() for delta in db.deltas()]), origin="peer")
        assert ids(other) == ids(db)


# -- negation: H21 to H30 ----------------------------------------------------------------------------------------------

CHAINS = {
    "H21 once": (["d", ("n", "d")], {"n"}),
    "H22 twice": (["d", ("n1", "d"), ("n2", "n1")], {"d", "n2"}),
    "H23 three times": (["d", ("n1", "d"), ("n2", "n1"), ("n3", "n2")], {"n1", "n3"}),
    "H24 two at once": (["d", ("n1", "d"), ("n2", "d")], {"n1", "n2"}),
    "H25 one of two taken back": (["d", ("n1", "d"), ("n2", "d"), ("n3", "n1")], {"n2", "n3"}),
    "both of two taken back": (["d", ("n1", "d"), ("n2", "d"), ("n3", "n1"), ("n4", "n2")], {"d", "n3", "n4"}),
    "H28 of what is not here": ([("n", "gone")], {"n"}),
    "H28 before its target": ([("n", "d"), "d"], {"n"}),
    "H29 each other": ([("n1", "n2"), ("n2", "n1")], {"n1", "n2"}),
    "itself": ([("n", "n")], {"n"}),
    "a ring that something takes back": ([("n1", "n2"), ("n2", "n1"), ("n3", "n1")], {"n2", "n3"}),
}


@pytest.mark.parametrize("order", [1, -1], ids=["forwards", "backwards"])
@pytest.mark.parametrize(("history", "shown"), CHAINS.values(), ids=CHAINS)
def test_what_is_taken_back_is_left_out(db, history, shown, order):
    made = [
        said(each, 1, "o", "p", place) if isinstance(each, str) else negation(each[0], 2, each[1])
        for place, each in enumerate(history)
    ]
    for each in made[::order]:
        say(db, each)
    assert set(ids(db)) == shown
    everything = {each.edge.decode() for each in made}
    assert set(ids(db, negated="mark")) == everything
    assert set(ids(db, negated="only")) == everything - shown


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("length", [301, 302], ids=["H27", "H26"])
def test_h26_and_h27_a_long_chain_alternates_exactly(db, length, order):
    chain = [said("n0", 1, "o", "p", 1), *(negation(f"n{i}", i + 1, f"n{i - 1}") for i in range(1, length))]
    say(db, *chain[::order])
    # 301 negations hide what they begin with, 300 show it
    assert ("n0" in ids(db)) is ((length - 1) % 2 == 0)
    assert set(ids(db)) == {f"n{i}" for i in range(length) if (length - 1 - i) % 2 == 0}


def test_h30_the_past_is_as_it_was(db):
    say(db, said("d", 1000, "o", "p", 1), negation("n", 2000, "d"))
    assert ids(db.as_of(999), targets=["o"]) == []
    assert ids(db.as_of(1500), targets=["o"]) == ["d"]
    assert ids(db.as_of(2500), targets=["o"]) == []


def test_with_trusted_only_who_said_it_or_is_trusted_takes_it_back(db):
    edge = db.relate(movie=(b"o", "p"), value=1, author="alice").edge
    by_bob = db.negate(edge, author="bob").edge
    assert db.negated_edges() == {edge}
    assert db.negated_edges(trusted=[]) == frozenset()
    assert db.negated_edges(trusted=["bob"]) == {edge}
    db.negate(edge, author="alice")
    assert db.negated_edges(trusted=[]) == {edge}
    db.negate(by_bob, author="carol")
    assert db.negated_edges(trusted=["bob"]) == {edge}
    assert [each.edge for each in db.hyperedges(targets=[b"o"], trusted=[])] == []


def test_nobody_adds_a_pointer_to_what_somebody_else_said(db):
    from rhizomedb.facts.delta import Delta
    from rhizomedb.facts.signature import Key
    from rhizomedb.hyper import facts_of

    edge = db.relate(movie=(b"o", "p"), value=1).edge
    forged = facts_of(edge, [Pointer("value", 2), Pointer("movie", Reference(b"o", "p"))])
    db.admit(
        [Delta.sign(Key(b"m" * 32), system="s", time=HybridTime(1), facts=forged, edge=edge).encode()], origin="peer"
    )
    assert sorted(each.targets("value") for each in db.hyperedges(ids=[edge])) == [[1], [2]]
    plain = list(facts_of(edge, [Pointer("value", 3)]))
    db.admit([Delta.sign(Key(b"m" * 32), system="s", time=HybridTime(2), facts=plain).encode()], origin="peer")
    assert sorted(each.targets("value") for each in db.hyperedges(ids=[edge])) == [[1], [2]]


def test_a_hyperedge_is_no_register_and_conflicts_with_nothing(db):
    say(db, said("a", 1, "o", "title", 1), said("b", 2, "o", "title", 2))
    assert len(db.conflicts()) == 0
    db.transact([("The Matrix", "year", 1999)])
    assert db.get("The Matrix", "year") == 1999


def test_a_thing_is_named_by_its_id_by_its_name_or_made(db):
    say(db, said("d", 1, "movie_matrix", "title", "The Matrix"))
    assert db.thing("movie_matrix") == db.thing("The Matrix") == b"movie_matrix"
    made = db.relate(actor=("Keanu Reeves", "appearedIn"), movie=("The Matrix", "cast"), characterName="Neo")
    assert {edge.edge for edge in db.hyperedges(targets=["The Matrix"])} == {b"d", made.edge}
    assert [edge.edge for edge in db.hyperedges(targets=["Keanu Reeves"])] == [made.edge]
    again = db.relate(actor=("Keanu Reeves", "appearedIn"))
    assert {edge.edge for edge in db.hyperedges(targets=["Keanu Reeves"])} == {made.edge, again.edge}


USAGE = {
    "a list is wanted": ({"targets": "movie"}, "is one, where a list is wanted"),
    "no such way": ({"negated": "hide"}, "there is no negated='hide'"),
    "a limit": ({"limit": -1}, "a limit is a whole number"),
    "an author": ({"authors": ["nobody"]}, "nobody called 'nobody'"),
}


@pytest.mark.parametrize(("conditions", "message"), USAGE.values(), ids=USAGE)
def test_what_cannot_be_asked(db, conditions, message):
    with pytest.raises(Error, match=message):
        db.hyperedges(**conditions)


UNSAYABLE = {
    "a role": (lambda db: db.relate((1, 2)), "is no role with a target"),
    "an empty role": (lambda db: db.relate(("", 2)), "a role is a text that is not empty"),
    "a reserved role": (lambda db: db.relate(("rhizome/json", 2)), "reserved"),
    "a target": (lambda db: db.relate(movie=("a", "b", "c")), "is no target"),
    "no value": (lambda db: db.relate(movie=None), "null is not a value"),
    "no name": (lambda db: db.relate(movie=("", "cast")), "a thing has a name"),
    "an empty context": (lambda db: db.relate(movie=("a", "")), "a context is a text that is not empty"),
    "unknown": (lambda db: db.hyperedge("nothing"), "no hyperedge here has the id 'nothing'"),
}


@pytest.mark.parametrize(("call", "message"), UNSAYABLE.values(), ids=UNSAYABLE)
def test_what_cannot_be_said(db, call, message):
    with pytest.raises(Error, match=message):
        call(db)
    assert db.hyperedges() == []

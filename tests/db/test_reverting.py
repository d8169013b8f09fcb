"""Taking back what was said: tables, then laws on random histories."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rhizomedb
from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import exact
from rhizomedb.hyper.schema import HyperSchema

E, F = b"e" * 16, b"f" * 16
FILM = HyperSchema("film", "Film")


def state(db):
    """Everything that is shown, by every way of looking: exactly which claims and hyperedges stand."""
    stands = {tuple(map(exact, row)) for row in db.query(STANDS)}
    registers = {}
    for policy in ("latest", "first", "all", "vote", "max"):
        for entity in (E, F):
            if entity in db:
                registers[policy, entity] = {
                    str(a): (list(map(exact, v)) if policy == "all" else exact(v))
                    for a, v in db.get(entity, policy=policy).items()
                }
    edges = sorted((edge.edge, bytes(edge.delta)) for edge in db.hyperedges() if not edge.negates)
    views = {thing: db.hyperview(thing, FILM, schemas=[FILM]).to_dict() for thing in (b"x", b"y")}
    empty = {key: shown for key, shown in registers.items() if shown}
    conflicts = len(db.conflicts())
    return stands, empty, edges, views, conflicts, {id: each.version for id, each in db.schemas().items()}


STANDS = """
now(entity: E, attribute: A, value: V, delta: D, author: W) :-
    stands(entity: E, attribute: A, value: V, delta: D, author: W).
"""


def values(db, attribute="v"):
    return db.get(E, attribute, policy="all", default=[])


# -- the table ---------------------------------------------------------------------------------------------------------


def test_what_was_replaced_stands_again_as_it_was_said(db):
    db.transact([(E, "v", 136)], author="imdb", scope="own")
    db.transact([(E, "v", 138)], author="wiki", scope="own")
    before = state(db)
    db.transact([(E, "v", 140)])
    undone = db.undo()
    assert state(db) == before
    assert [each.becomes for each in undone.statements] == ["withdrawn"] * 3
    assert [str(each.author) for each in undone.undone] == ["alice"] * 3
    fates = {each.claim.value: each.fate for each in db.history(E, "v")}
    assert fates == {136: "stands", 138: "stands", 140: "withdrawn by alice"}


def test_an_undo_is_undone(db):
    db.transact([(E, "v", 1)], author="imdb")
    db.transact([(E, "v", 2)])
    for shown in ([1], [2], [1], [2]):
        db.undo()
        assert values(db) == shown


def test_an_undo_is_undone_by_somebody_else(db):
    db.transact([(E, "v", 1)])
    db.transact([(E, "v", 2)])
    undone = db.undo()
    assert values(db) == [1]
    db.undo(undone, author="ben")
    assert values(db) == [1, 2] or values(db) == [2]


def test_what_others_said_since_stays(db):
    db.transact([(E, "v", 1), (E, "w", 1)], author="ann")
    db.transact([(E, "v", 2), (E, "w", 2)], author="bot")
    db.transact([(E, "v", 3)], author="ben")
    undone = db.revert(by="bot")
    assert values(db) == [3] and values(db, "w") == [1]
    assert {each.reason for each in undone.left} == {"what was said since stays as it was said"}


def test_what_was_taken_back_since_stays_so(db):
    db.transact([(E, "v", 1)], author="ann")
    db.transact([(E, "v", 2)], author="bot")
    db.retract(E, "v", author="ben")
    db.revert(by="bot")
    assert values(db) == []


def test_a_retraction_is_taken_back(db):
    db.transact([(E, "v", 1)], author="ann")
    before = state(db)
    db.retract(E, author="bot")
    assert values(db) == []
    db.revert(by="bot")
    assert state(db) == before
    db.undo(author="bot")
    assert values(db) == []


def test_after_a_retraction_that_others_filled_nothing_comes_back(db):
    db.transact([(E, "v", 1)], author="ann")
    db.retract(E, author="bot")
    db.transact([(E, "v", 5)], author="ben")
    left = db.revert(by="bot").left
    assert values(db) == [5] and len(left) == 1


def test_an_import_is_taken_back_and_can_come_again(db):
    rows = [(E, "v", 1), (E, "w", 2), (F, "v", 3)]
    db.write_source([rows], author="films", origin="import of films.csv")
    before = state(db)
    undone = db.revert(origin="import of films.csv")
    assert undone.author == "films" and len(undone.undone) == 3
    assert values(db) == []
    assert db.write_source([rows], author="films", origin="import of films.csv")
    assert state(db)[1] == before[1]
    assert not db.write_source([rows], author="films", origin="import of films.csv")


def test_a_stretch_of_time_and_epochs(db, wall):
    for number in range(4):
        db.transact([(E, f"a{number}", number)])
        wall.forward(60_000)
    db.revert(since=wall.ms - 130_000, until=wall.ms - 100_000)
    assert sorted(db.get(E)) == ["a0", "a1", "a3"]
    db.revert(epochs=[1, 2])
    assert sorted(db.get(E)) == ["a3"]
    db.revert(epochs=range(4, 5))
    assert sorted(db.get(E)) == []


def test_hyperedges_and_negations(db):
    one = db.relate(of=(b"x", "said"), what=1, author="ann")
    before = state(db)
    two = db.relate(of=(b"x", "said"), what=2, author="bot")
    db.negate(one.edge, author="bot")
    undone = db.revert(by="bot")
    assert state(db) == before
    assert len(undone.undone) == 2
    db.undo(undone)
    assert [edge.edge for edge in db.hyperedges(contexts=["said"])] == [two.edge]


def test_schemas(db):
    db.define(FILM)
    before = state(db)
    db.define(HyperSchema("film", "Movie", frozenset(["title"])))
    assert state(db) != before
    db.undo()
    assert state(db) == before
    assert db.schemas()["film"] == FILM


def test_many_hyperedges_are_negated_together(db):
    for number in range(30):
        db.relate(of=(b"x", "said"), what=number, author="bot")
    undone = db.revert(by="bot")
    assert len(undone.deltas) == 1 and len(undone.undone) == 30
    assert db.hyperedges(contexts=["said"]) == []
    db.undo(undone)
    assert len(db.hyperedges(contexts=["said"])) == 30


def test_twice_is_not_once_more(db):
    db.transact([(E, "v", 1)], author="bot")
    db.relate(of=(b"x", "said"), what=1, author="bot")
    db.revert(by="bot")
    again = db.revert(by="bot")
    assert not again and again.epoch is None
    assert values(db) == [] and db.hyperedges(contexts=["said"]) == []


def test_a_dry_run_writes_nothing_and_says_what_would_be(db):
    db.transact([("The Matrix", "runtime", 138)], author="bot")
    db.relate(of=("The Matrix", "cast"), actor="Keanu", author="bot")
    before, epoch = state(db), db.cut.epoch
    planned = db.revert(by="bot", dry_run=True)
    assert state(db) == before and db.cut.epoch == epoch and not planned
    text = str(planned)
    assert "4 of 4 statements taken back by bot (not written)" in text
    assert "withdrawn: The Matrix · runtime = 138  (bot)" in text and "of The Matrix, actor Keanu" in text
    done = db.revert(by="bot")
    assert done.statements == planned.statements


def test_a_value_of_a_data_type_is_left(db):
    db.add_wins_set(E, author="bot").add("x")
    left = db.revert(by="bot").left
    assert left and all("by its own means" in each.reason for each in left)
    assert list(db.add_wins_set(E)) == ["x"]


def test_watches_and_standing_views_hear_of_it(db):
    db.transact([(E, "v", 1)], author="imdb")
    db.transact([(E, "v", 2)])
    with db.view(STANDS) as view:
        assert {row[2] for row in view.relation()} == {2}
        epoch = db.undo().epoch
        assert {row[2] for row in view.relation()} == {1}
        view.rewind(epoch - 1)
        assert {row[2] for row in view.relation()} == {2}
    assert db.at_epoch(epoch - 1).get(E, "v") == 2
    (told,) = list(db.watch(since=epoch - 1, timeout_s=0))
    assert list(told.registers()) == [(E, "v")]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda db: db.revert(), "db.usage"),
        (lambda db: db.revert(by="nobody"), "db.unknown-author"),
        (lambda db: db.revert(by=3), "db.usage"),
        (lambda db: db.revert(origin="impor"), "db.nothing-to-revert"),
        (lambda db: db.revert(origin=3), "db.usage"),
        (lambda db: db.revert(epochs="7"), "db.usage"),
        (lambda db: db.revert(epochs=[None]), "db.epoch"),
        (lambda db: db.revert(epochs=99), "db.nothing-to-revert"),
        (lambda db: db.revert(since="the day before"), "db.time"),
        (lambda db: db.revert(by="alice", author=3), "db.usage"),
        (lambda db: db.undo(3), "db.usage"),
        (lambda db: db.undo(author="ben"), "db.nothing-to-revert"),
        (lambda db: db.undo(author=3), "db.usage"),
    ],
)
def test_what_cannot_be_meant_is_said(db, call, code):
    db.transact([(E, "v", 1)], origin="import")
    with pytest.raises(RequestError) as caught:
        call(db)
    assert caught.value.code == code


def test_nothing_done_is_nothing_to_undo(db):
    done = db.transact([(E, "v", 1)])
    again = db.transact([(E, "v", 1)])
    assert not db.undo(again)
    assert db.undo(done)


# -- laws --------------------------------------------------------------------------------------------------------------

VALUES = st.lists(st.sampled_from([1, 2, 1.0, "x"]), min_size=1, max_size=2, unique_by=exact)
STEPS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(["seen", "own"]), VALUES),
    st.tuples(st.just("retract"), st.sampled_from(["seen", "own"]), VALUES),
    st.tuples(st.just("relate"), st.sampled_from(["x", "y"]), st.integers(0, 2)),
    st.tuples(st.just("negate"), st.integers(0, 9), st.none()),
    st.tuples(st.just("define"), st.sampled_from(["film", "person"]), st.sets(st.sampled_from("ab"), min_size=1)),
    st.tuples(st.just("undo"), st.none(), st.none()),
)


def step(db, what, how, more, author=None):
    try:
        match what:
            case "say":
                return db.transact([(E, "v", each) for each in more], scope=how, author=author)
            case "retract":
                return db.retract(E, "v", more[0], scope=how, author=author)
            case "relate":
                return db.relate(of=(how.encode(), "said"), what=more, author=author)
            case "negate":
                edges = db.hyperedges(negated="mark")
                return db.negate(edges[how % len(edges)], author=author) if edges else None
            case "define":
                return db.define(HyperSchema(how, how, frozenset(more)), author=author)
            case "undo":
                return db.undo(author=author)
    except RequestError as error:
        assert error.code in (
            "db.nothing-to-retract", "db.unknown-entity", "db.unknown-attribute", "db.nothing-to-revert",
        )  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["alice", "alice", "ben"]), STEPS), max_size=6),
    STEPS.filter(lambda s: s[0] != "undo"),
)
def test_to_undo_what_was_just_said_is_as_if_it_had_not_been_said(steps, last):
    with connect(":memory:", keyring=Keyring(), author="alice") as db:
        for author, one in steps:
            step(db, *one, author=author)
        before = state(db)
        done = step(db, *last)
        if done:
            after = state(db)
            undone = db.undo()
            assert set(undone.of) == set(done.deltas)
            assert state(db) == before
            db.undo()
            shown = [{k: v for k, v in each.items() if k[0] == "all"} for each in (state(db)[1], after[1])]
            assert shown[0] == shown[1]
            assert state(db)[2:4] == after[2:4] and state(db)[5] == after[5]


@settings(max_examples=30)
@given(st.lists(STEPS, max_size=4), st.lists(STEPS, max_size=4))
def test_to_revert_all_that_one_said_last_is_as_if_they_had_said_nothing(before_steps, bot_steps):
    with connect(":memory:", keyring=Keyring(), author="alice") as db:
        for one in before_steps:
            step(db, *one)
        before = state(db)
        for one in bot_steps:
            step(db, *one, author="bot")
        if any(name == "bot" for name in db.authors()):
            db.revert(by="bot")
            assert state(db) == before


def test_copies_that_meet_agree_on_what_was_undone(another):
    one, other = another(), another()
    one.transact([(E, "v", 1)], author="ann")
    other.admit([delta.encode() for delta in one.deltas()], origin="sync")
    one.transact([(E, "v", 2)], author="ann")
    one.undo(author="ann")
    other.transact([(E, "v", 3)], author="ben")
    for here, there in ((one, other), (other, one)):
        here.admit([delta.encode() for delta in there.deltas()], origin="sync")
    assert values(one) == values(other) == [3]
    assert isinstance(one, rhizomedb.Connection)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.one_of(STEPS, st.just(("meet", 0, 1)), st.just(("meet", 1, 2)))), max_size=9
    )
)
def test_copies_that_undo_and_meet_in_any_order_agree(steps):
    """Whatever is undone where, and whoever meets whom when: what is shown is a matter of what is known."""

    def meet(one, other):
        for here, there in ((one, other), (other, one)):
            dbs[here].admit([delta.encode() for delta in dbs[there].deltas()], origin="meeting")

    dbs = [connect(":memory:", keyring=Keyring(), author=f"a{n}") for n in range(3)]
    with dbs[0], dbs[1], dbs[2], dbs[0].view(STANDS) as view:
        for copy, one in steps:
            if one[0] == "meet":
                meet(*one[1:])
            else:
                step(dbs[copy], *one)
        for one, other in ((0, 1), (1, 2), (0, 2), (0, 1)):
            meet(one, other)
        first = state(dbs[0])
        assert first == state(dbs[1]) == state(dbs[2])
        assert {tuple(map(exact, row)) for row in view.relation()} == first[0]
        with connect(":memory:", keyring=Keyring()) as late:
            for delta in reversed(list(dbs[0].deltas())):
                late.admit([delta.encode()], origin="backwards")
            assert state(late)[0] == first[0] and state(late)[2] == first[2]

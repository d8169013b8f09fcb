"""HyperViews that are kept up to date are, after everything that is said, the views that would be made anew."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hyperviews import STANDARD, THINGS, negation, said, shape, worlds

from rhizomedb.db.connection import connect
from rhizomedb.errors import Error
from rhizomedb.hyper.hyperview import HyperView
from rhizomedb.hyper.schema import Condition, HyperSchema, Nest

FILM = HyperSchema("film", "Film", nests={"director": Nest("std")})


def say(db, *statements):
    db.pass_on(statements, author="importer", origin="test")


def test_what_is_said_and_taken_back_is_followed(db):
    with db.live_hyperviews(["m"], STANDARD) as live:
        told = []
        live.on_change(told.append)
        assert dict(live["m"].properties) == {}
        say(db, said("a", 1, "m", "title", "Heat"))
        assert shape(live["m"]) == {"title": [("a", {})]}
        say(db, said("b", 2, "other", "title", "Alien"))
        say(db, negation("n", 3, "a"))
        assert dict(live["m"].properties) == {}
        say(db, negation("n2", 4, "n"))
        assert shape(live["m"]) == {"title": [("a", {})]}
        assert told == [[b"m"]] * 3


def test_only_what_was_touched_is_made_again(db):
    db.relate(directed=(b"m", "director"), director=(b"w", None))
    db.relate(titled=(b"m", "title"), title="Heat")
    with db.live_hyperviews([b"m", b"k"], FILM, schemas=[STANDARD]) as live:
        before, other = live[b"m"], live[b"k"]
        db.relate(named=(b"w", "name"), name="Mann")
        after = live[b"m"]
        assert after is not before
        assert after["title"] is before["title"]
        assert [entry.values("name") for entry in after["director"][0].values("director")[0]["name"]] == [["Mann"]]
        assert live[b"k"] is other
        assert live[b"m"] is after


def test_others_who_write_are_followed_too(tmp_path):
    with connect(tmp_path / "a.db") as db, db.live_hyperviews(["m"], STANDARD) as live:
        assert len(live["m"]) == 0
        with connect(tmp_path / "a.db") as other:
            other.relate(titled=(b"m", "title"), title="Heat")
        assert list(live["m"]) == ["title"]
        assert [list(view) for view in live] == [["title"]]


def test_what_is_not_kept_is_said(db):
    live = db.live_hyperviews(["m"], STANDARD)
    with pytest.raises(Error, match="no view of 'k' is kept here"):
        live["k"]
    live.close()
    live.close()
    with pytest.raises(Error, match="closed"):
        live["m"]


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=40)
@given(world=worlds(), cuts=st.lists(st.integers(0, 12), max_size=3), trusting=st.booleans())
def test_kept_views_are_those_made_anew(kind, tmp_path_factory, world, cuts, trusting):
    schemas, statements = world
    path = ":memory:" if kind == "memory" else tmp_path_factory.mktemp("live") / "a.db"
    trusted = None if trusting else []
    with connect(path) as db, db.live_hyperviews(THINGS, schemas[0], schemas=schemas, trusted=trusted) as live:
        last = 0
        for cut in [*sorted(cuts), len(statements)]:
            say(db, *statements[last:cut])
            last = max(last, cut)
            for thing in THINGS:
                assert shape(live[thing]) == shape(db.hyperview(thing, schemas[0], schemas=schemas, trusted=trusted))


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=30)
@given(world=worlds(), cut=st.integers(0, 12), trusting=st.booleans())
def test_views_are_what_their_program_derives(kind, tmp_path_factory, world, cut, trusting):
    """The program asked at once, the same kept up to date, and views that are walked to or kept: one answer."""
    schemas, statements = world
    path = ":memory:" if kind == "memory" else tmp_path_factory.mktemp("program") / "a.db"
    trusted = None if trusting else []
    with connect(path) as db:
        given_to = {"schemas": schemas, "trusted": trusted}
        program = db.hyperview_program(schemas[0], things=THINGS, **given_to)
        say(db, *statements[:cut])
        with db.view(program, only="shown") as kept, db.live_hyperviews(THINGS, schemas[0], **given_to) as live:
            for statement in statements[cut:]:
                say(db, statement)
            derived = {tuple(row) for row in db.query(program, relation="shown") if isinstance(row[2], str)}
            assert {tuple(row) for row in kept.relation() if isinstance(row[2], str)} == derived
            for views in (db.hyperviews(THINGS, schemas[0], **given_to), list(live)):
                assert rows_of(views) == derived


def test_a_thing_in_the_role_of_a_condition_counts_as_its_entity(db):
    std = HyperSchema("std", "Standard")
    schema = HyperSchema("s", "S", nests={"to": Nest("std", (Condition("by", "!=", 1),))})
    db.relate(("by", (b"k", None)), ("by", 1), ("at", (b"m", "at")), ("to", (b"w", None)))
    db.relate(named=(b"w", "name"), name="Mann")
    given_to = {"schemas": [schema, std]}
    with db.live_hyperviews([b"m"], schema, **given_to) as live:
        derived = {
            tuple(row) for row in db.query(db.hyperview_program(schema, things=[b"m"], **given_to), relation="shown")
        }
        assert len(derived) == 2
        assert rows_of([live[b"m"]]) == rows_of([db.hyperview(b"m", schema, **given_to)]) == derived


def rows_of(views):
    """The tuples of `shown` that come to some views: schema, thing, property, edge and delta."""
    found, waiting = set(), list(views)
    while waiting:
        view = waiting.pop()
        for property, entries in view.properties.items():
            for entry in entries:
                found.add((view.schema.id, view.entity, property, entry.edge.edge, entry.edge.delta))
                waiting += [target for _, target in entry.targets if isinstance(target, HyperView)]
    return found


def test_who_is_told_is_told_of_what_nested_views_become_and_of_what_comes_back(db):
    told = []
    with db.live_hyperviews([b"m", b"k"], FILM, schemas=[STANDARD]) as live:
        live.on_change(told.append)
        directed = db.relate(directed=(b"m", "director"), director=(b"w", None))
        named = db.relate(named=(b"w", "name"), name="Mann")
        taken = db.negate(named.edge)
        db.negate(taken.edge)
        db.negate(directed.edge)
        db.relate(named=(b"w", "name"), name="Michael Mann")  # nothing leads to it any more
        db.relate(titled=(b"k", "title"), title="Alien")
        assert told == [[b"m"]] * 5 + [[b"k"]]
        assert dict(live[b"m"].properties) == {} and len(live[b"k"]["title"]) == 1


def test_a_receiver_that_reads_sees_the_epoch_it_is_told_of(tmp_path):
    with connect(tmp_path / "a.db") as db, db.live_hyperviews(["m"], STANDARD) as live:
        seen = []
        live.on_change(lambda _: seen.append((live.epoch, len(live["m"]["title"]))))
        with connect(tmp_path / "a.db") as other:
            for title in ("Heat", "Collateral", "Thief"):
                other.relate(titled=(b"m", "title"), title=title)
        live.follow()
        assert seen == [(1, 1), (2, 2), (3, 3)]


def test_what_no_view_leads_to_any_more_is_forgotten(db):
    with db.live_hyperviews([b"m"], FILM, schemas=[STANDARD]) as live:
        for number in range(40):
            director = b"w%d" % number
            directed = db.relate(directed=(b"m", "director"), director=(director, None))
            db.relate(named=(director, "name"), name=f"Mann {number}")
            assert len(live[b"m"]["director"]) == 1
            db.negate(directed.edge)
            assert len(live[b"m"]) == 0
        assert len(live._shown) <= 4
        assert sum(map(len, live._places.values())) <= 4 + 40  # what was taken back may come back


def test_an_index_that_is_made_anew_changes_no_view(tmp_path):
    with connect(tmp_path / "a.db") as db, db.live_hyperviews(["m"], STANDARD) as live:
        db.relate(titled=(b"m", "title"), title="Heat")
        assert len(live["m"]["title"]) == 1
        db.rebuild_index()
        db.relate(titled=(b"m", "title"), title="Thief")
        assert [entry.values("title") for entry in live["m"]["title"]] == [["Heat"], ["Thief"]]


def test_a_step_that_fails_is_made_good(db, monkeypatch):
    with db.live_hyperviews(["m"], STANDARD) as live:
        db.relate(titled=(b"m", "title"), title="Heat")

        def interrupted(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("rhizomedb.db.live.live_hyperviews.entries_of", interrupted)
            live["m"]
        assert len(live["m"]["title"]) == 1

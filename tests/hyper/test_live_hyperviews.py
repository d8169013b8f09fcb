"""HyperViews that are kept up to date are, after everything that is said, the views that would be made anew."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hyperviews import STANDARD, THINGS, negation, said, shape, worlds

from rhizomedb.db.connection import connect
from rhizomedb.errors import Error
from rhizomedb.hyper.schema import HyperSchema, Nest

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

"""HyperViews under a name: said once, opened by it from then on, in other processes and other copies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replicas import meet

from rhizomedb.db.connection import connect
from rhizomedb.db.graph.edge_source import NumberedEdges
from rhizomedb.errors import Error
from rhizomedb.hyper import HyperSchema, Nest

PERSON = HyperSchema("person", "Person")
MOVIE = HyperSchema("movie", "Movie", nests={"director": Nest("person")})


@pytest.fixture
def films(db):
    db.define(PERSON)
    db.define(MOVIE)
    db.relate(titled=(b"m", "title"), title="Heat")
    db.relate(directed=(b"m", "director"), director=(b"w", None))
    db.relate(named=(b"w", "name"), name="Mann")
    return db


def test_views_are_opened_by_their_name(films):
    with films.materialise("front page", [b"m", b"k"], "Movie", about="what everybody sees") as live:
        assert live[b"m"]["title"][0].values("title") == ["Heat"]
    before = films.cut.epoch
    with (
        films.materialise("front page") as live,
        films.materialise("front page", [b"m", b"k"], MOVIE, about="what everybody sees"),
    ):
        assert films.cut.epoch == before
        films.relate(titled=(b"k", "title"), title="Alien")
        assert [len(view["title"]) for view in live] == [1, 1]
        assert live[b"m"]["director"][0].values("director")[0]["name"][0].values("name") == ["Mann"]
    (view,) = films.views_said().defined.values()
    assert (view.schema, view.things, view.trusted, view.about) == ("movie", (b"m", b"k"), None, "what everybody sees")
    films.drop_view("front page")
    with pytest.raises(Error, match="no view 'front page' is defined"):
        films.materialise("front page")


def test_they_survive_the_process_and_are_passed_on(tmp_path):
    with connect(tmp_path / "a.db") as db, connect(tmp_path / "b.db") as other:
        for schema in (PERSON, MOVIE):
            db.define(schema)
        db.relate(titled=(b"m", "title"), title="Heat")
        db.materialise("front page", [b"m"], "Movie")
        meet(db, other)
        other.relate(titled=(b"m", "title"), title="Heat!")
        assert len(other.materialise("front page")[b"m"]["title"]) == 2
        meet(db, other)
    with connect(tmp_path / "a.db") as db:
        assert len(db.materialise("front page")[b"m"]["title"]) == 2


def test_whom_one_trusts_is_part_of_what_they_are(films):
    said = films.relate(titled=(b"m", "title"), title="Hot")
    strict = films.materialise("strict", [b"m"], "Movie", trusted=[])
    by_ben = films.negate(said.edge, author="ben")
    ben = films.materialise("ben too", [b"m"], "Movie", trusted=["ben"])
    anybody = films.materialise("anybody", [b"m"], "Movie")
    assert [len(live[b"m"]["title"]) for live in (strict, ben, anybody)] == [2, 1, 1]
    films.negate(by_ben.edge, author="carol")
    names = ("strict", "ben too", "anybody")
    assert [len(films.materialise(name)[b"m"]["title"]) for name in names] == [2, 1, 2]


def test_to_open_them_reads_nothing_of_what_they_show(tmp_path, monkeypatch):
    """Nor the negations of the file: what is taken back is asked after where something is shown."""
    with connect(tmp_path / "a.db") as db:
        db.define(PERSON)
        for thing in (b"m", b"k"):
            for n in range(20):
                db.negate(db.relate(titled=(thing, "title"), title=n).edge)
        db.materialise("all", [b"m", b"k"], "Person")
    with connect(tmp_path / "a.db") as db:
        read = []
        reading = NumberedEdges.read
        monkeypatch.setattr(
            NumberedEdges, "read", lambda self, ids: read.append(len(ids := list(ids))) or reading(self, ids)
        )
        live = db.materialise("all")
        assert sum(read) < 10  # the definitions of the views and of the schema
        read.clear()
        assert len(live[b"m"]) == 0
        assert 40 <= sum(read) < 60


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda db: db.materialise("x"), "program.unknown"),
        (lambda db: db.materialise(None), "program.unknown"),
        (lambda db: db.materialise("x", [b"m"]), "db.usage"),
        (lambda db: db.materialise("x", schema="Movie"), "db.usage"),
        (lambda db: db.materialise("x", "m", "Movie"), "db.usage"),
        (lambda db: db.materialise("x", [], "Movie"), "db.usage"),
        (lambda db: db.materialise("x", [b"m"] * 9_500, "Movie"), "db.usage"),
        (lambda db: db.materialise("x", [b"m"], "Film"), "hyper.unknown-schema"),
        (lambda db: db.materialise("x", [b"m"], HyperSchema("movie", "Film")), "hyper.schema"),
        (lambda db: db.materialise("x(", [b"m"], "Movie"), "program.name"),
        (lambda db: db.materialise("x", [b"m"], "Movie", trusted="ann"), "db.usage"),
        (lambda db: db.materialise("x", [b"m"], "Movie", trusted=["nobody"]), "db.unknown-author"),
        (lambda db: db.materialise("x", [b"m"], "Movie", about=3), "db.usage"),
        (lambda db: db.materialise("x", trusted=[]), "db.usage"),
        (lambda db: db.view("front page"), "program.name"),
        (lambda db: db.materialise("plain"), "program.name"),
    ],
)
def test_what_makes_no_sense_is_told(films, call, code):
    films.materialise("front page", [b"m"], "Movie").close()
    films.define_program("p", "p(x: X) :- fact(value: X).")
    films.define_view("plain", "p")
    with pytest.raises(Error) as caught:
        call(films)
    assert caught.value.code == code


things = st.sampled_from([b"a", b"b", b"c"])
doings = st.one_of(
    st.tuples(st.just("say"), things, things),
    st.tuples(st.just("say"), things, things),
    st.tuples(st.just("negate"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["look", "reopen"])),
)


@settings(max_examples=40)
@given(st.lists(doings, max_size=12))
def test_whenever_they_are_opened_they_are_what_is_made_anew(tmp_path_factory, history):
    path = tmp_path_factory.mktemp("kept") / "a.db"
    db = connect(path, author="ann", durability="memory")
    db.define(PERSON)
    db.define(MOVIE)
    live = db.materialise("all", [b"a", b"b", b"c"], "Movie")
    edges = []
    for doing in history:
        match doing:
            case ("say", of, to):
                edges.append(db.relate(directed=(of, "director"), director=(to, "directs")).edge)
            case ("negate", which) if edges:
                edges.append(db.negate(edges[which % len(edges)]).edge)
            case ("look",):
                assert list(live) == db.hyperviews([b"a", b"b", b"c"], "Movie")
            case ("reopen",):
                db.close()
                db = connect(path, author="ann", durability="memory")
                live = db.materialise("all")
    assert list(live) == db.hyperviews([b"a", b"b", b"c"], "Movie")
    db.close()

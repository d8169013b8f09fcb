"""Instances of typed classes: loaded from what a view shows, and saved as what differs."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.db.connection import connect
from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.hyper.instance import Missing
from rhizomedb.hyper.schema import Condition, HyperSchema, Nest
from rhizomedb.hyper.typed import Field, Ref


@dataclass
class Person:
    id: str
    name: str


@dataclass
class Movie:
    id: str
    title: str
    year: Annotated[int, Field(role="released")] | None = None
    director: Annotated[Person, Field(back_populates="directed")] | None = None
    cast: list[Annotated[Person, Field(role="actor")]] = field(default_factory=list)
    genres: list[str] = field(default_factory=list)
    rating: float = 5.0


def a_movie():
    lana = Person("lana", "Lana Wachowski")
    return Movie("matrix", "The Matrix", 1999, lana, [Person("keanu", "Keanu Reeves"), lana], ["action"], 8.7)


def test_what_is_saved_is_loaded(db):
    saved = db.save(a_movie())
    assert (bool(saved), saved.thing, len(saved.deltas)) == (True, b"matrix", 9)
    assert db.load("matrix", Movie) == a_movie()
    assert db.load("lana", Person) == Person("lana", "Lana Wachowski")
    assert db.snapshot().load(b"matrix", Movie) == a_movie()
    assert not db.save(a_movie())
    assert not db.save(db.load("matrix", Movie))


def test_it_is_said_as_hyperedges_like_any(db):
    db.save(a_movie())
    (year,) = db.hyperedges(targets=["matrix"], contexts=["year"])
    assert [(each.role, getattr(each.target, "context", each.target)) for each in year.pointers] == [
        ("movie", "year"),
        ("released", 1999),
    ]
    (directed,) = db.hyperedges(targets=["lana"], contexts=["directed"])
    assert directed.targets("movie")[0].entity == b"matrix"


def test_only_what_changed_is_said_and_what_one_said_before_is_taken_back(db):
    movie = a_movie()
    db.save(movie)
    epoch = db.stats().epoch
    movie.year, movie.genres, movie.director.name = 2000, ["action", "sf"], "Lana"
    assert len(db.save(movie).deltas) == 5  # two said anew, two taken back for that, and a genre
    assert db.load("matrix", Movie) == movie
    assert db.at_epoch(epoch).load("matrix", Movie) == a_movie()
    movie.year, movie.genres, movie.cast = None, [], []
    db.save(movie)
    assert db.show("matrix", Movie) == {
        "id": "matrix",
        "title": "The Matrix",
        "director": {"id": "lana", "name": "Lana"},
        "rating": 8.7,
    }


def test_what_others_say_stays(db):
    db.save(a_movie(), author="ann")
    ben = db.load("matrix", Movie)
    ben.year = 2001
    db.save(ben, author="ben")
    assert db.load("matrix", Movie).year == 2001
    assert db.load("matrix", Movie, policies={"year": "trusted:ann"}).year == 1999
    assert [edge.targets("released") for edge in db.hyperedges(targets=["matrix"], contexts=["year"])] == [
        [1999],
        [2001],
    ]
    ann = db.load("matrix", Movie, policies={"year": "trusted:ann"})
    assert not db.save(ann, policies={"year": "trusted:ann"}, author="cy")  # loaded and saved by the same policies
    assert db.save(ann, author="ann")  # she insists
    assert db.load("matrix", Movie).year == 1999
    gone = db.load("matrix", Movie)
    gone.year = None
    db.save(gone, author="ann")
    assert db.load("matrix", Movie).year == 2001


def test_saying_the_same_under_a_policy_that_shows_something_else_ends(db):
    db.save(Movie("m", "A"), author="ann")
    db.save(Movie("m", "B"), author="ben")
    db.save(Movie("m", "C"), author="ben")
    assert not db.save(Movie("m", "C"), policy="first", author="ben")
    assert db.save(Movie("m", "D"), policy="first", author="ben")
    assert not db.save(Movie("m", "D"), policy="first", author="ben")
    assert len(db.hyperedges(targets=["m"])) == 2


def test_a_hyperedge_that_says_more_keeps_what_it_says(db):
    @dataclass
    class Film:
        cast: Annotated[str, Field(role="character")] | None
        title: str | None
        year: int | None

    db.relate(actor=(b"keanu", "appearedIn"), movie=(b"m", "cast"), character="Neo", author="alice")
    db.relate(of=(b"m", "title"), also=(b"m", "year"), title="T", year=1, author="alice")
    assert db.load("m", Film) == Film("Neo", "T", 1)
    db.save(Film("Thomas", "T", 2), b"m")
    assert db.load("m", Film) == Film("Thomas", "T", 2)
    (edge,) = db.hyperedges(targets=["keanu"])
    assert [each.role for each in edge.pointers] == ["actor", "movie", "character"]
    assert len(db.hyperedges(targets=["m"])) == 2
    db.save(Film("Thomas", "T", None), b"m")
    assert db.load("m", Film) == Film("Thomas", "T", None)
    db.save(Film(None, "T", None), b"m")
    assert db.hyperedges(targets=["keanu"]) == []


def test_two_properties_of_one_role_do_not_change_each_other(db):
    @dataclass
    class Film:
        title: Annotated[str, Field(role="name")] | None
        label: Annotated[str, Field(role="name")] | None
        names: Annotated[list[str], Field(role="name")]

    db.relate(of=(b"m", "title"), also=(b"m", "label"), too=(b"m", "names"), name=["A", "B"], author="alice")
    assert db.load("m", Film, policy="first") == Film("A", "A", ["A", "B"])
    db.save(Film("C", "A", ["A"]), b"m", policy="first")
    assert db.load("m", Film, policy="first") == Film("C", "A", ["A"])
    assert not db.save(Film("C", "A", ["A"]), b"m", policy="first")


def test_new_things_get_ids(db):
    tag = Tag("x")
    page = Page("t", [tag])
    saved = db.save(page)
    assert db.load(page.id, Page) == page
    assert saved.thing == db.thing(page.id)
    assert len(tag.id) == 16
    assert db.load(tag.id, Tag) == tag
    assert not db.save(page)


FULL = {
    "int": (int, [0, -5, 2**53 + 1]),
    "float": (float, [0.5, -1.0, 3.0]),
    "str": (str, ["", "é"]),
    "bool": (bool, [True, False]),
    "bytes": (bytes, [b"", b"\xff\0"]),
    "date": (dt.date, [dt.date(2026, 11, 30)]),
    "datetime": (dt.datetime, [dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, 0, 0, 0, 5)]),
    "cid": (Cid, [Cid.of(b"x")]),
    "ref": (Ref[Person], [Ref("a"), Ref(b"\xff")]),
    "any": (Any, [1, 1.5, "x", True]),
}


@pytest.mark.parametrize(("kind", "values"), FULL.values(), ids=FULL)
def test_every_kind_of_value_comes_back(db, kind, values):
    from dataclasses import make_dataclass

    thing = make_dataclass("Thing", [("one", kind), ("some", list[kind])])
    for value in values:
        db.save(thing(value, values), "t")
        found = db.load("t", thing)
        assert (found.one, type(found.one), found.some) == (value, type(value), values)
        assert not db.save(found, "t")


def test_what_is_missing_is_told_of_which_thing(db):
    db.relate(of=(b"m", "director"), director=(b"lana", None))
    db.relate(of=(b"m", "cast"), actor=[(b"keanu", None), (b"lana", None)])
    with pytest.raises(Error) as refused:
        db.load("m", Movie)
    assert set(refused.value.missing) == {
        Missing("m", "Movie", "title", ()),
        Missing("lana", "Person", "name", ("director",)),
        Missing("keanu", "Person", "name", ("cast",)),
    }
    assert (refused.value.code, refused.value.fix) == (
        "hyper.missing",
        f"say it, or let it be left out: {refused.value.missing[0].property}: … | None = None",
    )
    assert "lana (its director) lacks name, which Person requires" in refused.value.message


def test_what_a_condition_leaves_out_is_not_shown_inside(db):
    @dataclass
    class Film:
        director: Annotated[Person, Condition("year", ">", 1990)] | None
        writers: list[Annotated[Person, Field(role="writer"), Condition("year", ">", 1990)]]

    db.save(Person("lana", "Lana"))
    db.relate(of=(b"m", "director"), director=(b"lana", None), year=1980)
    db.relate(of=(b"m", "writers"), writer=(b"lana", None), year=1980)
    assert db.load("m", Film) == Film(None, [])
    db.relate(of=(b"m", "director"), director=(b"lana", None), year=1999)
    assert db.load("m", Film) == Film(Person("lana", "Lana"), [])


def test_one_thing_inside_is_one_instance(db):
    db.save(a_movie())
    movie = db.load("matrix", Movie)
    assert movie.director is next(each for each in movie.cast if each.id == "lana")


def test_a_policy_that_shows_what_the_class_does_not_take(db):
    db.save(Movie("m", "A", 1999), author="ann")
    db.save(Movie("m", "A", 2000), author="ben")
    with pytest.raises(Error, match=r"year of m is 1999\.5, which is not a whole number") as refused:
        db.load("m", Movie, policies={"year": "average"})
    assert (refused.value.code, refused.value.where) == ("hyper.instance", "Movie.year")
    with pytest.raises(Error, match="has 2 values, and the class takes one"):
        db.load("m", Movie, policies={"year": "all"})
    assert db.load("m", Movie, policies={"genres": "latest"}).genres == []


def test_a_class_may_refuse(db):
    @dataclass
    class Strict:
        year: int

        def __post_init__(self):
            if self.year < 1900:
                raise ValueError("too old")

    db.relate(of=(b"m", "year"), year=1800)
    with pytest.raises(Error, match="m is no Strict: too old") as refused:
        db.load("m", Strict)
    assert refused.value.code == "hyper.instance"


def test_a_generated_class_loads_and_saves(db):
    db.define(HyperSchema("person", "Person"))
    db.define(HyperSchema("film", "Film", frozenset(["title", "director"]), {"director": Nest("person")}))
    film = db.class_of("Film")
    db.save(film(id="m", title="T", director=db.class_of("person")(id="lana")))
    assert db.load("m", film) == film(id="m", title="T", director=db.class_of("person")(id="lana"))
    assert db.show("m", "Film") == {"id": "m", "title": "T", "director": {"id": "lana"}}
    for wrong in ("Nothing", 5, None):
        with pytest.raises(Error):
            db.class_of(wrong)


@dataclass
class Tag:
    name: str
    id: bytes = b""


@dataclass
class Page:
    text: str
    tags: list[Tag]
    id: str | None = None


@dataclass(frozen=True)
class Frozen:
    name: str
    id: str | None = None


@dataclass
class Nameless:
    name: str


@dataclass
class Holder:
    inner: Nameless


WRONG = {
    "a class": (lambda db: db.save(Movie), "Movie is a class, not an instance"),
    "a text": (lambda db: db.save("matrix"), "neither a dataclass"),
    "a dict": (lambda db: db.save({"title": "x"}), "neither a dataclass"),
    "nothing": (lambda db: db.save(None), "neither a dataclass"),
    "no id": (lambda db: db.save(Nameless("x")), "Nameless has no field `id`"),
    "no id inside": (lambda db: db.save(Holder(Nameless("x")), "h"), "Nameless has no field `id`"),
    "frozen": (lambda db: db.save(Frozen("x")), "Frozen is frozen"),
    "two ids": (lambda db: db.save(Person("a", "x"), "b"), "it is of a, not of b"),
    "an id that is none": (lambda db: db.save(Person(5, "x")), "5 is no id of a thing"),
    "a text for a number": (lambda db: db.save(Movie("m", "T", "1999")), "'1999' is not a whole number"),
    "a bool for a number": (lambda db: db.save(Movie("m", "T", True)), "True is not a whole number"),
    "a number too large": (lambda db: db.save(Movie("m", "T", 2**70)), "does not fit in 64 bits"),
    "another class": (lambda db: db.save(Movie("m", "T", director=Movie("n", "U"))), "is no Person"),
    "a text for a person": (lambda db: db.save(Movie("m", "T", director="lana")), "is no Person"),
    "one for a list": (lambda db: db.save(Movie("m", "T", genres="sf")), "where a list is wanted"),
    "a list for one": (lambda db: db.save(Movie("m", ["T"])), "list is not a kind of value"),
    "None in a list": (lambda db: db.save(Movie("m", "T", genres=[None])), "null is not a value"),
    "two that differ": (
        lambda db: db.save(Movie("m", "T", director=Person("a", "x"), cast=[Person("a", "y")])),
        "two instances are of a",
    ),
    "a policy": (lambda db: db.save(Person("a", "x"), policy="newest"), "there is no policy"),
    "policies": (lambda db: db.save(Person("a", "x"), policies=["first"]), "is no mapping"),
    "trusted": (lambda db: db.save(Person("a", "x"), trusted="ann"), "where a list is wanted"),
    "the other way round": (lambda db: db.load(Movie, "m"), "the thing comes first"),
    "a name of a schema": (lambda db: db.load("m", "Movie"), "neither a dataclass"),
    "no thing": (lambda db: db.load(None, Movie), "entity"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_said_is_told_and_nothing_is_written(another, call, message):
    with another() as db:
        with pytest.raises(Error, match=message):
            call(db)
        assert db.stats().epoch == 0


def test_pydantic_models_load_and_save(db):
    pydantic = pytest.importorskip("pydantic")

    class Author(pydantic.BaseModel):
        id: str | None = None
        name: str

    class Book(pydantic.BaseModel):
        id: str | None = None
        title: str
        pages: int = pydantic.Field(gt=0)
        author: Author | None = None
        tags: list[str] = pydantic.Field(default_factory=list)
        isbn: str | None = pydantic.Field(default=None, pattern=r"^\d+$", alias="ISBN")
        lent: dt.date = dt.date(2020, 1, 1)

    book = Book(title="Dune", pages=412, author=Author(name="Frank"), tags=["sf"], ISBN="123")
    db.save(book)
    assert book.id
    assert book.author.id
    assert db.load(book.id, Book) == book
    assert not db.save(book)
    book.pages = -1
    with pytest.raises(Error, match=r"-1 is not a whole number in \[1, \]"):
        db.save(book)
    db.relate(of=(db.thing(book.id), "isbn"), isbn="x")
    with pytest.raises(Error, match="is no Book") as refused:
        db.load(book.id, Book)
    assert refused.value.code == "hyper.instance"


# -- laws --------------------------------------------------------------------------------------------------------------


@dataclass
class Card:
    id: str
    one: int | None = None
    two: Annotated[str, Field(role="text")] | None = None
    many: list[str] = field(default_factory=list)
    friend: Ref[Card] | None = None


cards = st.builds(
    Card,
    st.sampled_from(["a", "b"]),
    st.none() | st.integers(0, 2),
    st.none() | st.sampled_from("xy"),
    st.lists(st.sampled_from("pqr"), max_size=3, unique=True),
    st.none() | st.builds(Ref, st.sampled_from("ab")),
)
histories = st.lists(st.tuples(st.sampled_from(["ann", "ben"]), cards), min_size=1, max_size=7)


@settings(max_examples=50)
@given(histories)
def test_saving_is_what_a_list_of_statements_comes_to(history):
    """Held to a list of (author, value) for each property: what differs is added, one's own before is taken away."""
    said: dict[tuple[str, str], list[tuple[str, Any]]] = {}
    with connect(":memory:") as db:
        for author, card in history:
            changed = False
            for name in ("one", "two", "friend"):
                held = said.setdefault((card.id, name), [])
                value, shown = getattr(card, name), held[-1][1] if held else None
                if value != shown:
                    mine = [each for each in held if each[0] == author]
                    changed = changed or value is not None or bool(mine)
                    held[:] = [each for each in held if each[0] != author]
                    held += [] if value is None else [(author, value)]
            held = said.setdefault((card.id, "many"), [])
            shown = dict.fromkeys(value for _, value in held)
            new = [value for value in card.many if value not in shown]
            gone = [each for each in held if each[0] == author and each[1] not in card.many]
            changed = changed or bool(new or gone)
            held[:] = [*(each for each in held if each not in gone), *((author, value) for value in new)]
            assert bool(db.save(copy.deepcopy(card), author=author)) is changed
            for id in ("a", "b"):
                latest = {
                    name: held[-1][1] if (held := said.get((id, name), [])) else None
                    for name in ("one", "two", "friend")
                }
                some = list(dict.fromkeys(value for _, value in said.get((id, "many"), [])))
                assert db.load(id, Card) == Card(id, many=some, **latest)
            assert not db.save(db.load(card.id, Card), author=author)


@settings(max_examples=60)
@given(st.lists(cards, min_size=1, max_size=4))
def test_whoever_is_alone_loads_what_he_saved(some):
    with connect(":memory:") as db:
        for card in some:
            db.save(card)
            found = db.load(card.id, Card)
            assert sorted(found.many) == sorted(card.many)
            found.many = card.many
            assert found == card


@settings(max_examples=40)
@given(histories, st.randoms(use_true_random=False))
def test_copies_that_meet_in_any_order_load_the_same(history, chance):
    with connect(":memory:") as one, connect(":memory:") as other:
        for author, card in history:
            (one if author == "ann" else other).save(card, author=author)
        mine, theirs = ([delta.encode() for delta in db.deltas()] for db in (one, other))
        chance.shuffle(mine)
        chance.shuffle(theirs)
        one.admit(theirs, origin="other")
        other.admit(mine, origin="one")
        assert [one.load(id, Card) for id in "ab"] == [other.load(id, Card) for id in "ab"]

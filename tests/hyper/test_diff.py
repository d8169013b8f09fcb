"""What is shown differently before and after: held to the comparison of two dicts."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_worlds import THINGS, moments, policies, say, schemas_, worlds

import rhizomedb
from rhizomedb.budget import Budget
from rhizomedb.db.connection import connect
from rhizomedb.errors import BudgetExceeded, Error
from rhizomedb.hyper import HyperSchema
from rhizomedb.hyper.typed import Ref


@dataclass
class Person:
    id: str
    name: str


@dataclass
class Movie:
    id: str
    title: str
    year: int | None = None
    director: Person | None = None
    genres: list[str] = field(default_factory=list)


@pytest.fixture
def films(db, wall):
    """At `START` ann says two films; a second later ben corrects one, and takes back her year."""
    db.save(Movie("bound", "Bound", 1996, Person("lana", "Lana")), author="ann")
    db.save(Movie("matrix", "The Matrix", 1999, Person("lana", "Lana"), ["action"]), author="ann")
    db.epoch_before = db.stats().epoch
    wall.forward(1000)
    theirs = db.load("matrix", Movie)
    theirs.genres, theirs.director.name = ["action", "crime"], "Lana Wachowski"
    db.save(theirs, author="ben")
    (year,) = db.hyperedges(targets=["matrix"], contexts=["year"])
    db.negate(year, author="ben")
    db.define(Movie)
    return db


def told(diff):
    return [(each.id, each.property, each.before, each.after) for each in diff]


CHANGED = [
    ("lana", "name", "Lana", "Lana Wachowski"),
    ("matrix", "genres", ["action"], ["action", "crime"]),
    ("matrix", "year", 1999, None),
]


def test_two_moments(films, wall):
    was = wall.ms - 500
    found = films.diff(schema="Movie", moments=(was, "now"))
    assert told(found) == CHANGED
    assert [each.path for each in found] == [("bound", "director"), ("matrix",), ("matrix",)]
    assert told(films.diff(schema=Movie, moments=(was, None))) == CHANGED
    assert told(films.diff(schema=Movie, epochs=(films.epoch_before, None))) == CHANGED
    assert told(rhizomedb.diff(films.as_of(was), films, schema="Movie")) == CHANGED
    assert told(rhizomedb.diff(films.at_epoch(films.epoch_before), films.snapshot(), schema="Movie")) == CHANGED
    backwards = [(id, property, after, before) for id, property, before, after in CHANGED]
    assert told(films.diff(schema=Movie, moments=(None, was))) == backwards


def test_why(films, wall):
    name, genres, year = films.diff(schema="Movie", epochs=(films.epoch_before, None))
    assert [[said.author for said in each.said_before] for each in (name, genres, year)] == [["ann"]] * 3
    assert [[said.author for said in each.said_after] for each in (name, genres, year)] == [["ben"], ["ann", "ben"], []]
    assert [said.author for said in year.taken_back] == ["ben"]
    assert [each.taken_back for each in (name, genres)] == [(), ()]
    assert year.said_before[0].edge.targets("year") == [1999]
    assert year.taken_back[0].edge.negates == (year.said_before[0].edge.edge,)
    assert year.as_dict()["after"] is None
    (kept,) = films.diff("matrix", schema=Movie, epochs=(films.epoch_before, None), trusted=[], properties="genres")
    assert kept.after == ["action", "crime"]
    assert not films.diff("matrix", schema=Movie, epochs=(films.epoch_before, None), trusted=["ann"], properties="year")
    (away,) = films.diff("matrix", schema=Movie, epochs=(films.epoch_before, None), trusted=["ben"], properties="year")
    assert [said.author for said in away.taken_back] == ["ben"]
    text = repr(films.diff(schema="Movie", epochs=(films.epoch_before, None)))
    assert text.startswith("3 differences\n  lana · name (from bound · director)   Lana (ann ")
    assert "⇒  nothing   taken back by ben " in text


def test_two_authors(films):
    found = films.diff("matrix", schema=Movie, authors=("ann", "ben"))
    assert told(found) == [
        ("matrix", "director", Ref("lana"), None),
        ("matrix", "genres", ["action"], ["crime"]),
        ("matrix", "title", "The Matrix", None),
        ("matrix", "year", 1999, None),
    ]
    assert found.to_dicts()[0]["before"] == "lana"
    assert told(films.diff("lana", schema=Person, authors=("ann", ["ann", "ben"]))) == [CHANGED[0]]
    assert told(rhizomedb.diff(films.by("ann"), films.by("ben"), "matrix", schema=Movie)) == told(found)
    assert not films.diff(schema=Movie, authors=("ann", "ann"))


def test_two_policies(films):
    assert told(films.diff(schema=Movie, policy=("first", "latest"))) == [CHANGED[0]]
    assert told(films.diff(schema=Movie, policies=({"name": "trusted:ann"}, {"name": "trusted:ben"}))) == [CHANGED[0]]
    assert told(films.diff(schema=Movie, policy=("first", "latest"), policies={"name": "first"})) == []
    (found,) = films.diff("lana", schema=Person, policy=("latest", "all"), properties="name")
    assert (found.before, found.after) == ("Lana Wachowski", ["Lana", "Lana Wachowski"])
    assert [said.author for said in found.said_after] == ["ann", "ben"]
    made_up = films.diff("lana", schema=Person, policy=("latest", lambda said: 7))
    assert [(each.after, len(each.said_after)) for each in made_up] == [(7, 2)]


def test_who_says_which_thing(db):
    """A thing that no schema shows inside, alone and in a role."""
    for author, person in (("ann", b"lana"), ("ben", b"lilly")):
        db.relate(movie=(b"bound", "writer"), writer=(person, None), author=author)
        db.relate(movie=(b"bound", "crew"), who=(person, None), job="writer", author=author)
    found = db.diff("bound", schema=HyperSchema("s", "S"), policy=("latest", "first"))
    said = [
        (each.property, *([by.author for by in some] for some in (each.said_before, each.said_after))) for each in found
    ]
    assert said == [("crew", ["ben"], ["ann"]), ("writer", ["ben"], ["ann"])]
    assert [(each.before, each.after) for each in found] == [
        ({"who": Ref("lilly"), "job": "writer"}, {"who": Ref("lana"), "job": "writer"}),
        (Ref("lilly"), Ref("lana")),
    ]


def test_things_that_nothing_shows_inside_are_called_by_name(db):
    for name in ("Lana", "Lilly"):
        db.relate(movie=("Bound", "writer"), writer=(name, "wrote"))
    schema = HyperSchema("s", "S")
    assert "writer   → Lilly" in str(db.diff("Bound", schema=schema, policy=("latest", "first")))
    assert "view shows → Lilly" in str(db.conflicts("Bound", schema=schema))


def test_two_copies(films, another):
    with another() as other:
        assert told(rhizomedb.diff(other, films, schema="Movie"))[0] == ("bound", "director", None, Ref("lana"))
        other.admit([delta.encode() for delta in films.deltas()], origin="meeting")
        assert told(rhizomedb.diff(other, films, schema="Movie")) == []
        other.relate(of=(b"matrix", "year"), year=2000)
        assert told(rhizomedb.diff(films, other, schema="Movie")) == [("matrix", "year", None, 2000)]


def test_what_would_change(films):
    with films.what_if() as supposed:
        movie = supposed.load("matrix", Movie)
        movie.year = 2005
        supposed.save(movie)
        assert told(rhizomedb.diff(films, supposed, schema=Movie)) == [("matrix", "year", None, 2005)]
        assert [each.id for each in supposed.where(Movie, year=2005)] == ["matrix"]
    assert films.where(Movie, year=2005) == []


def test_it_is_narrowed(films):
    def ask(*things, **options):
        return films.diff(*things, schema=Movie, epochs=(films.epoch_before, None), **options)

    assert told(ask("matrix")) == [CHANGED[1], CHANGED[2], CHANGED[0]]
    assert told(ask(["bound"])) == [CHANGED[0]]
    assert told(ask(properties=["year", "name"])) == [CHANGED[0], CHANGED[2]]
    assert told(ask([])) == told(ask("nothing")) == []
    for limit in range(4):
        assert (told(ask(limit=limit)), ask(limit=limit).more) == (CHANGED[:limit], limit < 3)


def test_another_thing_inside_is_one_difference_and_not_compared(db):
    db.save(Movie("m", "A", director=Person("lana", "Lana")))
    before = db.snapshot()
    movie = db.load("m", Movie)
    movie.director = Person("lilly", "Lilly")
    db.save(movie)
    found = rhizomedb.diff(before, db, schema=Movie)
    assert told(found) == [("m", "director", Ref("lana"), Ref("lilly"))]
    assert "→ lana" in repr(found)


def test_what_is_of_the_schema_on_one_side_alone_is_compared(db):
    db.save(Movie("m", "A", 1999))
    before = db.snapshot()
    (title,) = db.hyperedges(targets=["m"], contexts=["title"])
    db.negate(title)
    assert told(rhizomedb.diff(before, db, schema=Movie)) == [("m", "title", "A", None)]


WRONG = {
    "no sides": (lambda db: db.diff(schema=Movie), "the two sides are the same"),
    "moments": (lambda db: db.diff(schema=Movie, moments="yesterday"), "`moments` is a pair"),
    "three moments": (lambda db: db.diff(schema=Movie, moments=(1, 2, 3)), "`moments` is a pair"),
    "epochs": (lambda db: db.diff(schema=Movie, epochs=5), "`epochs` is a pair"),
    "an epoch that is none": (lambda db: db.diff(schema=Movie, epochs=(0, 10**6)), "there is no epoch"),
    "authors": (lambda db: db.diff(schema=Movie, authors="ann"), "`authors` is a pair"),
    "an author": (lambda db: db.diff(schema=Movie, authors=("ann", 5)), "where a list is wanted"),
    "policies": (lambda db: db.diff(schema=Movie, policy=("latest",)), "is no pair"),
    "a policy": (lambda db: db.diff(schema=Movie, policy=("latest", "x")), "there is no policy"),
    "mapping": (lambda db: db.diff(schema=Movie, policies=({}, ["x"])), "is no mapping"),
    "schema": (lambda db: db.diff(schema="Moovie", epochs=(0, 1)), "there is no schema"),
    "property": (lambda db: db.diff(schema=Movie, epochs=(0, 1), properties="yaer"), "shows no property"),
    "thing": (lambda db: db.diff(5, schema=Movie, epochs=(0, 1)), "where a list is wanted"),
    "limit": (lambda db: db.diff(schema=Movie, epochs=(0, 1), limit="x"), "a limit is a whole number"),
    "trusted": (lambda db: db.diff(schema=Movie, epochs=(0, 1), trusted="ann"), "where a list is wanted"),
    "budget": (lambda db: db.diff(schema=Movie, epochs=(0, 1), budget=1), "a budget is a rhizomedb.Budget"),
    "a reader": (lambda db: rhizomedb.diff(db, "x", schema=Movie), "is no connection or database"),
    "no reader": (lambda db: rhizomedb.diff(None, db, schema=Movie), "is no connection or database"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_wrong_kinds_are_told(films, call, message):
    with pytest.raises(Error, match=message):
        call(films)


def test_a_budget_ends_it(films):
    with pytest.raises(BudgetExceeded):
        films.diff(schema=Movie, epochs=(0, None), budget=Budget(facts=3))


# -- oracle ------------------------------------------------------------------------------------------------------------


def brief(value):
    """What is shown without what is shown inside, so that it can be compared and put in a set."""
    if isinstance(value, dict):
        if "id" in value:
            return ("thing", value["id"])
        return tuple(sorted((name, brief(each)) for name, each in value.items()))
    if isinstance(value, list):
        return ("list", *map(brief, value))
    if isinstance(value, Ref):
        return ("thing", value.id)
    return None if value is None else (isinstance(value, bool), value)


def flat(value):
    """The same with each thing as its id, as plain data has one that is not shown inside."""
    if not isinstance(value, tuple):
        return value
    return brief(value[1]) if value[:1] == ("thing",) else tuple(map(flat, value))


def inside(value):
    if isinstance(value, dict):
        if "id" in value:
            return {value["id"]: value}
        value = list(value.values())
    found = {}
    for each in value if isinstance(value, list) else []:
        found |= inside(each)
    return found


def compared(before, after):
    for name in (before.keys() | after.keys()) - {"id"}:
        was, now = before.get(name), after.get(name)
        if brief(was) != brief(now):
            yield before["id"], name, brief(was), brief(now)
        one, other = inside(was), inside(now)
        for id in one.keys() & other.keys():
            yield from compared(one[id], other[id])


sides = st.one_of(
    st.tuples(st.just("moments"), st.tuples(moments, moments)),
    st.tuples(st.just("authors"), st.sampled_from([("ann", "ben"), ("ann", ["ann", "ben"])])),
    st.tuples(st.just("policy"), st.tuples(policies, policies)),
)


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=60)
@given(worlds(), schemas_, sides, policies, st.none() | st.lists(st.sampled_from(THINGS), max_size=2))
def test_it_is_the_comparison_of_two_dicts(kind, tmp_path_factory, world, schemas, side, policy, things):
    path = ":memory:" if kind == "memory" else tmp_path_factory.mktemp("diff") / "a.db"
    with connect(path, author="ann") as db:
        say(db, world)
        name, pair = side
        readers, by = [db, db], (policy, policy)
        if name == "moments":
            readers = [db if each is None else db.as_of(each) for each in pair]
        elif name == "authors":
            readers = [db.by(*([each] if isinstance(each, str) else each)) for each in pair]
        else:
            by = pair
        options = {"policy": policy, **{name: pair}}
        found = db.diff(things, schema=schemas[0], schemas=schemas, **options)
        expected = set()
        for thing in THINGS if things is None else things:
            views = [reader.hyperview(thing, schemas[0], schemas=schemas) for reader in readers]
            if things is None and not any(view.properties and not view.missing() for view in views):
                continue
            shown = [
                reader.show(thing, schemas[0], policy=one, schemas=schemas)
                for reader, one in zip(readers, by, strict=True)
            ]
            expected |= set(compared(*shown))
        shown = {(each.id, each.property, brief(each.before), brief(each.after)) for each in found}
        assert set(map(flat, shown)) == set(map(flat, expected))
        for each in found:
            assert (each.before is None) <= (each.said_before == ())
            assert (each.after is None) <= (each.said_after == ())
            assert (each.before is None) or each.said_before
            assert (each.after is None) or each.said_after


@settings(max_examples=30)
@given(worlds(), schemas_)
def test_nothing_differs_from_itself(world, schemas):
    with connect(":memory:", author="ann") as db:
        say(db, world)
        assert not rhizomedb.diff(db, db.snapshot(), schema=schemas[0], schemas=schemas)
        other = HyperSchema("o", "O")
        assert not rhizomedb.diff(db, db, THINGS, schema=other)

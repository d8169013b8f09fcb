"""What hyperedges say in several ways of the things of a schema: who says which, when, and what the view shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_worlds import THINGS, moments, policies, say, schemas_, worlds

from rhizomedb.budget import Budget
from rhizomedb.db.connection import connect
from rhizomedb.errors import BudgetExceeded, Error
from rhizomedb.hyper import HyperSchema, HyperView, Property
from rhizomedb.hyper.schema import Schemas
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
    db.save(Movie("bound", "Bound", 1996, Person("lana", "Lana")), author="ann")
    db.save(Movie("matrix", "The Matrix", 1999, Person("lana", "Lana"), ["action"]), author="ann")
    wall.forward(1000)
    theirs = db.load("matrix", Movie)
    theirs.year, theirs.genres, theirs.director.name = 1998, ["crime"], "Lana Wachowski"
    db.save(theirs, author="ben")
    theirs.director = Person("lilly", "Lilly")
    db.save(theirs, author="ben")
    db.define(Movie)
    return db


def told(conflicts):
    return [(each.id, each.property, [value.value for value in each.values], each.shown) for each in conflicts]


def test_who_says_what(films, wall):
    found = films.conflicts(schema="Movie")
    assert told(found) == [
        ("lana", "name", ["Lana", "Lana Wachowski"], "Lana Wachowski"),
        ("matrix", "director", [Ref("lana"), Ref("lilly")], Ref("lilly")),
        ("matrix", "year", [1999, 1998], 1998),
    ]
    assert [each.path for each in found] == [("bound", "director"), ("matrix",), ("matrix",)]
    (first,), (second,) = (value.said for value in found[2].values)
    assert (first.author, first.claimed_author, second.author) == ("ann", None, "ben")
    assert second.time_ms - first.time_ms == 1000
    assert second.edge.targets("year") == [1998]
    assert found.to_dicts()[1]["shown"] == "lilly"
    assert found.to_dicts()[2]["values"][0]["said"][0]["author"] == "ann"
    assert "matrix · year   1999 (ann " in repr(found)
    assert "view shows → lilly" in repr(found)
    assert repr(found).startswith("3 conflicts\n")
    assert told(films.snapshot().conflicts(schema=Movie)) == told(found)


def test_it_is_narrowed(films):
    everything = films.conflicts(schema=Movie)
    assert told(films.conflicts("matrix", schema=Movie)) == [
        told(everything)[1],
        told(everything)[2],
        told(everything)[0],
    ]
    assert told(films.conflicts(["matrix"], "year", schema=Movie)) == [told(everything)[2]]
    assert told(films.conflicts(attribute=["year", "name"], schema=Movie)) == [told(everything)[0], told(everything)[2]]
    assert told(films.conflicts("lana", schema=Person)) == [told(everything)[0]]
    for limit in range(4):
        found = films.conflicts(schema=Movie, limit=limit)
        assert (told(found), found.more) == (told(everything)[:limit], limit < 3)
    assert len(films.conflicts("nothing", schema=Movie)) == len(films.conflicts([], schema=Movie)) == 0


def test_policies_other_moments_and_what_was_taken_back(films, wall):
    assert told(films.conflicts("matrix", "year", schema=Movie, policy="first"))[0][3] == 1999
    assert told(films.conflicts("matrix", "year", schema=Movie, policies={"Movie.year": "average"}))[0][3] == 1998.5
    assert told(films.conflicts("matrix", "director", schema=Movie, policy="all"))[0][3] == [Ref("lana"), Ref("lilly")]
    assert len(films.as_of(wall.ms - 500).conflicts(schema=Movie)) == 0
    assert len(films.by("ann").conflicts(schema=Movie)) == 0
    (edge,) = films.hyperedges(targets=["matrix"], contexts=["year"], authors=["ben"])
    films.negate(edge, author="ann")
    assert len(films.conflicts("matrix", "year", schema=Movie)) == 0
    assert len(films.conflicts("matrix", "year", schema=Movie, trusted=[])) == 1


def test_the_same_said_by_several_is_no_conflict(db):
    db.relate(of=(b"m", "year"), year=1999, author="ann")
    db.relate(of=(b"m", "year"), year=1999.0, author="ben")
    schema = HyperSchema("s", "S")
    assert len(db.conflicts(schema=schema)) == 0
    db.relate(of=(b"m", "year"), year=2000, author="ben")
    (found,) = db.conflicts(schema=schema)
    assert [[said.author for said in value.said] for value in found.values] == [["ann", "ben"], ["ben"]]
    many = HyperSchema("s", "S", properties={"year": Property(many=True)})
    assert len(db.conflicts(schema=many)) == 0


def test_registers_are_asked_as_before(db):
    db.transact([("The Matrix", "year", 1999)], author="ann", scope="own")
    db.transact([("The Matrix", "year", 1998)], author="ben", scope="own")
    assert len(db.conflicts()) == 1
    assert len(db.conflicts("The Matrix", "year")) == 1
    assert len(db.conflicts(schema=HyperSchema("s", "S"))) == 0


WRONG = {
    "schema": (lambda db: db.conflicts(schema="Moovie"), "there is no schema"),
    "property": (lambda db: db.conflicts(attribute="yaer", schema=Movie), "Movie shows no property 'yaer'"),
    "properties": (lambda db: db.conflicts(attribute=[5], schema=Movie), "Movie shows no property 5"),
    "a number": (lambda db: db.conflicts(attribute=5, schema=Movie), "where a list is wanted"),
    "thing": (lambda db: db.conflicts(5, schema=Movie), "where a list is wanted"),
    "things": (lambda db: db.conflicts([5], schema=Movie), "entity"),
    "limit": (lambda db: db.conflicts(schema=Movie, limit=-1), "a limit is a whole number"),
    "policy": (lambda db: db.conflicts(schema=Movie, policy="x"), "there is no policy"),
    "trusted": (lambda db: db.conflicts(schema=Movie, trusted="ann"), "where a list is wanted"),
    "no schema": (lambda db: db.conflicts(trusted=["ann"]), "go with a schema"),
    "budget": (lambda db: db.conflicts(schema=Movie, budget=1), "a budget is a rhizomedb.Budget"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_wrong_kinds_are_told(films, call, message):
    with pytest.raises(Error, match=message):
        call(films)


def test_a_budget_ends_it(films):
    with pytest.raises(BudgetExceeded):
        films.conflicts(schema=Movie, budget=Budget(facts=3))


# -- oracle ------------------------------------------------------------------------------------------------------------


def key(value):
    """Two values that are the same where people read."""
    if isinstance(value, dict):
        return (
            ("thing", value["id"])
            if "id" in value
            else tuple(sorted((name, key(each)) for name, each in value.items()))
        )
    if isinstance(value, list):
        return tuple(map(key, value))
    return value if isinstance(value, str) else (isinstance(value, bool), value)


def flat(key):
    """A key in which a thing is its id, as plain data has one that is not shown inside."""
    if not isinstance(key, tuple):
        return key
    return key[1] if key[:1] == ("thing",) else tuple(map(flat, key))


def written(shown):
    """What a conflict shows, as plain data shows it."""
    if isinstance(shown, list):
        return [written(each) for each in shown]
    if isinstance(shown, dict):
        return {name: written(each) for name, each in shown.items()}
    return {"id": shown.id} if isinstance(shown, Ref) else () if shown is None else shown


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=60)
@given(worlds(), schemas_, policies, moments, st.none() | st.lists(st.sampled_from(THINGS), max_size=2))
def test_it_is_where_showing_all_shows_several(kind, tmp_path_factory, world, schemas, policy, moment, things):
    path = ":memory:" if kind == "memory" else tmp_path_factory.mktemp("conflicts") / "a.db"
    with connect(path, author="ann") as db:
        say(db, world)
        reader = db if moment is None else db.as_of(moment)
        expected, seen, known = {}, set(), Schemas(schemas)

        def walk(view):
            if (view.schema.id, view.id) in seen:
                return
            seen.add((view.schema.id, view.id))
            of = known[view.schema.id]
            everything = reader.show(view.id, of, policy="all", schemas=schemas)
            shown = reader.show(view.id, of, policy=policy, schemas=schemas)
            for property, entries in view.properties.items():
                all_of_it = everything.get(property, [])
                if property == "to":  # a thing that a condition keeps from being shown inside is the same thing
                    all_of_it = [{"id": each} if isinstance(each, str) else each for each in all_of_it]
                several = len(set(map(key, all_of_it))) > 1
                if several and not of.properties.get(property, Property()).many:
                    expected[view.schema.name, view.id, property] = flat(key(shown.get(property, ())))
                for entry in entries:
                    for _, target in entry.targets:
                        if isinstance(target, HyperView):
                            walk(target)

        for thing in THINGS if things is None else things:
            view = reader.hyperview(thing, schemas[0], schemas=schemas)
            if things is not None or (view.properties and not view.missing()):
                walk(view)
        found = reader.conflicts(things, schema=schemas[0], policy=policy, schemas=schemas)
        assert {(each.schema, each.id, each.property): flat(key(written(each.shown))) for each in found} == expected
        for each in found:
            assert (
                len({key(value.value) if not isinstance(value.value, Ref) else value.value for value in each.values})
                > 1
            )
            assert all(value.said for value in each.values)

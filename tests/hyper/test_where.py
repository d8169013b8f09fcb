"""Things by constraint: what `where` finds is what remains of all things when each is shown and looked at."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_worlds import THINGS, moments, policies, say, schemas_, values, worlds

from rhizomedb.budget import Budget
from rhizomedb.db.connection import connect
from rhizomedb.errors import BudgetExceeded, Error
from rhizomedb.facts.cid import Cid
from rhizomedb.hyper import HyperSchema, HyperView, Nest, Property
from rhizomedb.hyper.typed import Field, Ref


@dataclass
class Person:
    id: str
    name: str


@dataclass
class Movie:
    id: str
    title: str
    year: Annotated[int, Field(context="released", role="when")] | None = None
    director: Person | None = None
    genres: list[str] = field(default_factory=list)
    poster: bytes | None = None
    shown: dt.date | None = None
    trailer: Cid | None = None
    good: bool | None = None
    remake: Ref[Movie] | None = None


LANA, WES = Person("lana", "Lana Wachowski"), Person("wes", "Wes Anderson")
MOVIES = [
    Movie("bound", "Bound", 1996, LANA, ["crime"], remake=Ref("noir")),
    Movie("grand", "The Grand Budapest Hotel", 2014, WES, ["comedy", "crime"], b"\1", dt.date(2014, 2, 6)),
    Movie("matrix", "The Matrix", 1999, LANA, ["action", "science fiction"], b"\0", trailer=Cid.of(b"x"), good=True),
    Movie("rushmore", "Rushmore", None, WES, shown=dt.date(1998, 9, 17), good=False),
]


@pytest.fixture
def films(db):
    for movie in MOVIES:
        db.save(movie)
    db.define(Movie)
    return db


FOUND = {
    "gt": ({"year__gt": 1996}, "grand matrix"),
    "ge": ({"year__ge": 1996}, "bound grand matrix"),
    "lt a float": ({"year__lt": 1996.5}, "bound"),
    "le": ({"year__le": 1996}, "bound"),
    "between": ({"year__gt": 1996, "year__lt": 2000}, "matrix"),
    "eq": ({"year": 1999}, "matrix"),
    "eq a float": ({"year__eq": 1999.0}, "matrix"),
    "ne needs a value": ({"year__ne": 1999}, "bound grand"),
    "in": ({"year__in": [1996, 2014.0, 5]}, "bound grand"),
    "in nothing": ({"year__in": []}, ""),
    "in many": ({"year__in": range(1000, 1999)}, "bound"),
    "text": ({"title": "The Matrix"}, "matrix"),
    "text is exact": ({"title": "the matrix"}, ""),
    "contains": ({"title__contains": "MA"}, "matrix"),
    "startswith": ({"title__startswith": "the "}, "grand matrix"),
    "texts in order": ({"title__gt": "Rushmore"}, "grand matrix"),
    "one of several": ({"genres": "crime"}, "bound grand"),
    "one of several contains": ({"genres__contains": "i"}, "bound matrix grand"),
    "bool": ({"good": True}, "matrix"),
    "bool ne": ({"good__ne": True}, "rushmore"),
    "date": ({"shown__lt": dt.date(2000, 1, 1)}, "rushmore"),
    "bytes": ({"poster": b"\1"}, "grand"),
    "cid": ({"trailer": Cid.of(b"x")}, "matrix"),
    "cid as text": ({"trailer__in": [str(Cid.of(b"x"))]}, "matrix"),
    "inside": ({"director__name": "Lana Wachowski"}, "bound matrix"),
    "inside, an operator": ({"director__name__contains": "ander"}, "grand rushmore"),
    "inside and outside": ({"director__name__startswith": "lana", "year__gt": 1997}, "matrix"),
    "a thing by id": ({"director": "lana"}, "bound matrix"),
    "a thing by name": ({"director": "Lana Wachowski"}, "bound matrix"),
    "a thing by instance": ({"director": LANA}, "bound matrix"),
    "a thing by ref": ({"director__in": [Ref("wes")]}, "grand rushmore"),
    "a thing by bytes": ({"director": b"wes"}, "grand rushmore"),
    "a thing that is another": ({"director__ne": "wes"}, "bound matrix"),
    "a thing's id": ({"director__id": "wes"}, "grand rushmore"),
    "a thing's id, an operator": ({"director__id__startswith": "w"}, None),
    "a link": ({"remake": "noir"}, "bound"),
    "id": ({"id": "matrix"}, "matrix"),
    "id in": ({"id__in": ["matrix", "bound", "nothing"]}, "bound matrix"),
    "id startswith": ({"id__startswith": "ma"}, "matrix"),
    "id of none": ({"id": "lana"}, ""),
    "nothing": ({}, "bound grand matrix rushmore"),
}


@pytest.mark.parametrize(("conditions", "expected"), FOUND.values(), ids=FOUND)
def test_what_is_found(films, conditions, expected):
    if expected is None:
        with pytest.raises(Error, match="compares no thing"):
            films.where(Movie, conditions)
        return
    wanted = sorted(expected.split())
    assert [each.id for each in films.where(Movie, conditions)] == wanted
    assert films.where(Movie, **conditions) == [each for each in MOVIES if each.id in wanted]
    assert [each.id for each in films.snapshot().where(Movie, conditions)] == wanted
    by_context = {name.replace("year", "released"): value for name, value in conditions.items()}
    assert [each["id"] for each in films.where("Movie", by_context)] == wanted
    views = films.where("movie", by_context, views=True)
    assert [each.id for each in views] == wanted
    assert all(type(each) is HyperView for each in views)
    for limit in range(3):
        assert [each.id for each in films.where(Movie, conditions, limit=limit)] == wanted[:limit]


WRONG = {
    "property": ({"yaer": 1}, "Movie shows no property 'yaer'", "year"),
    "property with an operator": ({"yaer__gt": 1}, "Movie shows no property 'yaer'", "year"),
    "property inside": ({"director__nmae": 1}, "Person shows no property 'nmae'", "name"),
    "operator": ({"year__gtt": 1}, "'gtt' is no operator", "gt"),
    "operator inside": ({"director__name__startwith": 1}, "'startwith' is no operator", "startswith"),
    "nothing inside": ({"year__name": 1}, "'name' is no operator", ""),
    "text for a number": ({"year__gt": "1990"}, "compared with a number, not with '1990'", ""),
    "bool for a number": ({"year": True}, "compared with a number, not with True", ""),
    "number for a text": ({"title": 5}, "compared with a text, not with 5", ""),
    "number for a thing": ({"director": 5}, "compared with the id of a thing, not with 5", ""),
    "number for a bool": ({"good": 1}, "compared with true or false, not with 1", ""),
    "order of bools": ({"good__gt": True}, "'gt' compares no boolean", ""),
    "order of things": ({"director__gt": "lana"}, "'gt' compares no thing", ""),
    "text in a number": ({"year__contains": "9"}, "'contains' compares no integer", ""),
    "None": ({"year": None}, "nothing is compared with None", ""),
    "a list": ({"year": [1999]}, "is several values, and one is enough", ""),
    "one for a list": ({"year__in": 1999}, "where a list is wanted", ""),
    "a text for a list": ({"title__in": "x"}, "where a list is wanted", ""),
    "number for an id": ({"id": 5}, "compared with the id of a thing", ""),
    "no name": ({"": 5}, "Movie shows no property ''", ""),
    "many parts": ({"__".join("x" * 100): 5}, "more than 64 parts", ""),
}


@pytest.mark.parametrize(("conditions", "message", "near"), WRONG.values(), ids=WRONG)
def test_what_is_no_constraint_is_told(films, conditions, message, near):
    with pytest.raises(Error) as refused:
        films.where(Movie, conditions)
    assert refused.value.code in ("db.condition", "db.usage", "facts.cid-text")
    assert message in refused.value.message
    assert near == "" or near in refused.value.nearest


USAGE = {
    "limit": (lambda db: db.where(Movie, limit=-1), "a limit is a whole number"),
    "limit of a bool": (lambda db: db.where(Movie, limit=True), "a limit is a whole number"),
    "conditions": (lambda db: db.where(Movie, ["year"]), "maps no names to values"),
    "conditions by numbers": (lambda db: db.where(Movie, {5: 6}), "maps no names to values"),
    "schema": (lambda db: db.where("Moovie"), "there is no schema 'Moovie'"),
    "no schema": (lambda db: db.where(None), "None is neither a schema nor the name of one"),
    "a class that is none": (lambda db: db.where(int), "neither a dataclass"),
    "policy": (lambda db: db.where(Movie, policy="newest"), "there is no policy"),
    "budget": (lambda db: db.where(Movie, budget=5), "a budget is a rhizomedb.Budget"),
    "trusted": (lambda db: db.where(Movie, trusted="ann"), "where a list is wanted"),
}


@pytest.mark.parametrize(("call", "message"), USAGE.values(), ids=USAGE)
def test_wrong_kinds_are_told(films, call, message):
    with pytest.raises(Error, match=message):
        call(films)


def test_a_property_that_is_called_like_an_option_or_with_underscores(db):
    schema = HyperSchema("s", "S", frozenset(["limit", "a__b", "a", "gt", "id"]))
    db.define(schema)
    db.relate(("of", (b"x", "limit")), ("limit", 5))
    db.relate(("of", (b"x", "a__b")), ("a__b", 6))
    db.relate(("of", (b"x", "gt")), ("gt", 7))
    db.relate(("of", (b"x", "id")), ("id", 8))
    for name in ("limit", "a__b", "gt", "id[]"):
        value = {"limit": 5, "a__b": 6, "gt": 7, "id[]": 8}[name]
        assert [each["id"] for each in db.where("S", {name: value})] == ["x"]
        assert [each["id"] for each in db.where("S", {f"{name}__ge": value})] == ["x"]
        assert db.where("S", {f"{name}__gt": value}) == []
    assert len(db.where("S", {"limit": 5}, limit=1)) == 1


ODD = ["constructor", "__proto__", "__class__", '"); x', "a b", "é", "id[]", "x__", "__", "a__gt"]


@pytest.mark.parametrize("name", ODD)
def test_no_name_of_a_property_spoils_a_search(db, name):
    property = "id" if name == "id[]" else name
    db.relate(("of", (b"m", property)), (property, 5))
    db.relate(("of", (b"n", property)), (property, '"); x'))
    for schema in (HyperSchema("s", "S"), HyperSchema("s", "S", frozenset([property]))):
        assert [each["id"] for each in db.where(schema, {name: 5})] == ["m"]
        assert [each["id"] for each in db.where(schema, {f"{name}__ge": 5})] == ["m"]
        assert [each["id"] for each in db.where(schema, {f"{name}__contains": '");'})] == ["n"]
        assert [each["id"] for each in db.where(schema)] == ["m", "n"]


def test_a_way_through_what_hyperedges_say_by_role(db):
    db.define(HyperSchema("person", "Person"))
    db.define(HyperSchema("movie", "Movie", nests={"actor": Nest("person")}))
    db.relate(actor=(b"keanu", "appearedIn"), movie=(b"matrix", "cast"), character="Neo")
    db.relate(actor=(b"keanu", "appearedIn"), movie=(b"wick", "cast"), character="John Wick")
    db.relate(of=(b"keanu", "name"), name="Keanu Reeves")
    found = [each["id"] for each in db.where("Movie", cast__character="Neo")]
    assert found == ["matrix"]
    assert [each["id"] for each in db.where("Movie", cast__actor__name__contains="reeves")] == ["matrix", "wick"]
    assert [each["id"] for each in db.where("Movie", cast__actor="keanu")] == ["matrix", "wick"]
    assert db.where("Movie", cast="Neo") == []
    with pytest.raises(Error, match="'charakter' is no operator"):
        db.where("Movie", cast__charakter="Neo")


def test_what_lacks_something_is_none_of_the_schema(db):
    db.relate(of=(b"a", "title"), title="A")
    db.relate(of=(b"b", "director"), director=(b"nobody", None))
    db.relate(of=(b"c", "title"), title="C")
    db.relate(of=(b"c", "director"), director=(b"nobody", None))
    db.define(Movie)
    assert [each.id for each in db.where(Movie)] == ["a"]  # nobody has a name, so no instance can be made of c
    assert [each["id"] for each in db.where("Movie")] == ["a", "c"]


def test_other_moments_authors_and_policies(db, wall):
    db.save(Movie("m", "A", 1990), author="ann")
    wall.forward(1000)
    db.save(Movie("m", "A", 2000), author="ben")
    assert [len(db.where(Movie, year=year)) for year in (1990, 2000)] == [0, 1]
    assert [len(db.where(Movie, year=year, policy="first")) for year in (1990, 2000)] == [1, 0]
    assert [len(db.where(Movie, year=year, policies={"Movie.released": "trusted:ann"})) for year in (1990, 2000)] == [
        1,
        0,
    ]
    assert [len(db.as_of(wall.ms - 500).where(Movie, year=year)) for year in (1990, 2000)] == [1, 0]
    assert len(db.by("ann").where(Movie, year=1990)) == 1
    assert [
        each["id"] for each in db.where(HyperSchema("x", "X"), released=1995, policies={"released": "average"})
    ] == []
    by_role = HyperSchema("x", "X", properties={"released": Property(role="when")})
    assert [each["id"] for each in db.where(by_role, released=1995, policies={"released": "average"})] == ["m"]
    assert [each["id"] for each in db.where(by_role, released=7, policies={"released": lambda said: 7})] == ["m"]
    (edge,) = db.hyperedges(targets=["m"], contexts=["released"], authors=["ben"])
    db.negate(edge.edge, author="cy")
    assert [len(db.where(Movie, year=year)) for year in (1990, 2000)] == [1, 0]
    assert [len(db.where(Movie, year=year, trusted=[])) for year in (1990, 2000)] == [0, 1]


def test_one_schema_is_asked_by_itself(films):
    movies, plain = films.things(Movie), films.things("Movie")
    assert movies.where(year__gt=1990) == films.where(Movie, year__gt=1990) != []
    assert plain.where({"released__gt": 1990}, limit=1) == films.where("Movie", {"released__gt": 1990}, limit=1) != []
    assert [each.id for each in movies] == sorted(each.id for each in MOVIES)
    before = films.snapshot().things(Movie)
    with films.what_if() as supposed:
        supposed.save(Movie("heat", "Heat", 1995))
        assert len(supposed.things(Movie).where()) == len(before.where()) + 1
    assert repr(plain) == "<Things of Movie>"
    with pytest.raises(Error, match="there is no schema 'Moive'"):
        films.things("Moive")
    with pytest.raises(Error, match="no property 'yaer'"):
        movies.where(yaer=1)


def test_a_budget_ends_it(films):
    with pytest.raises(BudgetExceeded):
        films.where(Movie, budget=Budget(facts=3))
    assert len(films.where(Movie, budget=Budget(facts=10_000))) == 4


def test_only_candidates_are_looked_at(films, monkeypatch):
    from rhizomedb.db.graph import finding

    asked = []
    views_of = finding.views_of
    monkeypatch.setattr(finding, "views_of", lambda *given: asked.extend(given[3]) or views_of(*given))
    films.where(Movie, year__gt=1996)
    films.where(Movie, director__name__contains="lana")
    assert asked == [b"grand", b"matrix", b"bound", b"matrix"]


# -- oracle ------------------------------------------------------------------------------------------------------------

ways = st.sampled_from([("v",), ("w",), ("to", "v"), ("to", "w"), ("to",)])
asked = st.lists(
    st.tuples(ways, st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "startswith"]), values),
    max_size=2,
)


def numbers(value):
    return type(value) in (int, float)


def compare(test, left, right):
    if test in ("eq", "ne"):
        same = left == right and (type(left) is type(right) or (numbers(left) and numbers(right)))
        return same is (test == "eq")
    if test in ("contains", "startswith"):
        if not isinstance(left, str):
            return False
        left, right = left.lower(), right.lower()
        return right in left if test == "contains" else left.startswith(right)
    if not (type(left) is type(right) or (numbers(left) and numbers(right))):
        return False
    return {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}[test]


def all_of(shown, way):
    some = [shown]
    for part in way:
        some = [each[part] for each in some if isinstance(each, dict) and part in each]
        some = [value for each in some for value in (each if isinstance(each, list) else [each])]
    return [
        each["id"] if isinstance(each, dict) else each for each in some if not isinstance(each, dict) or "id" in each
    ]


@pytest.mark.parametrize("kind", ["memory", "file"])
@settings(max_examples=80)
@given(worlds(), schemas_, asked, policies, st.none() | policies, moments, st.none() | st.integers(0, 3))
def test_it_is_what_remains_of_all_things(kind, tmp_path_factory, world, schemas, asked, policy, own, moment, limit):
    path = ":memory:" if kind == "memory" else tmp_path_factory.mktemp("where") / "a.db"
    with connect(path, author="ann") as db:
        say(db, world)
        reader = db if moment is None else db.as_of(moment)
        special = {} if own is None else {"v": own, "T.w": own}
        conditions = {}
        for way, test, value in asked:
            operand = [value, 1] if test == "in" else value
            conditions["__".join(way) + ("" if test == "eq" else f"__{test}")] = operand
        try:
            found = reader.where(schemas[0], conditions, policy=policy, policies=special, schemas=schemas, limit=limit)
        except Error as error:
            assert error.code == "db.condition"  # what the schema does not show, or is of another kind
            return
        expected = []
        for thing in THINGS:
            view = reader.hyperview(thing, schemas[0], schemas=schemas)
            if not view.properties or view.missing():
                continue
            shown = reader.show(thing, schemas[0], policy=policy, policies=special, schemas=schemas)
            kept = []
            for name, operand in conditions.items():
                *way, last = name.split("__")
                way, test = ([*way, last], "eq") if last in ("v", "w", "to") else (way, last)
                operands, test = (operand, "eq") if test == "in" else ([operand], test)
                kept.append(any(compare(test, each, one) for each in all_of(shown, way) for one in operands))
            if all(kept):
                expected.append(shown)
        assert found == (expected if limit is None else expected[:limit])


def test_a_schema_that_shows_everything_shows_neither_schemas_nor_what_is_only_negated(db):
    db.define(HyperSchema("x", "X"))
    db.define(HyperSchema("y", "Y", frozenset(["name"])))
    said = db.relate(of=(b"m", "name"), name="A")
    assert [each["id"] for each in db.where("X")] == ["m"] == [each["id"] for each in db.where("Y")]
    db.negate(said.edge)
    assert db.where("X") == []


def test_all_that_is_found_is_of_one_moment_whoever_writes_meanwhile(tmp_path):
    schema = HyperSchema("film", "Film")
    things = [f"film-{number}".encode() for number in range(100)]
    with connect(tmp_path / "a.db", author="ann") as db, connect(tmp_path / "a.db", author="ben") as other:
        for thing in things:
            db.relate(film=(thing, "year"), year=1999)

        def writing(said):
            for thing in [things.pop() for _ in range(len(things))]:
                other.relate(film=(thing, "year"), year=2000)
            return said[-1].value

        before = db.snapshot()
        assert {each["year"] for each in db.where(schema, policy=writing)} == {1999}
        assert other.show(b"film-99", schema) == {"id": "film-99", "year": 2000}
        assert {each["year"] for each in before.where(schema)} == {1999}
        assert {each["year"] for each in db.where(schema)} == {2000}

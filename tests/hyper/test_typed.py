"""Typed classes: dataclasses and pydantic models give schemas, and schemas dataclasses."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any, ClassVar, List, Literal, NewType, Optional, Union  # noqa: UP035  # as people write them

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.hyper.generated import class_of
from rhizomedb.hyper.primitive import primitive
from rhizomedb.hyper.schema import Condition, HyperSchema, Nest, Property, Schemas
from rhizomedb.hyper.schema_edges import edges_of
from rhizomedb.hyper.typed import Field, Ref, schema_of, schemas_of, snake, typed

Minutes = NewType("Minutes", int)


@dataclass
class Person:
    id: str
    name: str
    born: Annotated[int, Field(kind="integer.year")] | None = None


@dataclass
class Movie:
    id: str | None
    title: Annotated[str, Field(max_length=200)]
    runtime: Annotated[Minutes, Field(role="minutes", ge=1)]
    rating: Annotated[float, Field(gt=0, le=10)] | None
    director: Annotated[Person, Condition("year", ">", 1990), Field(back_populates="directed")] | None = None
    cast: list[Annotated[Person, Field(role="actor")]] = field(default_factory=list)
    genres: list[str] = field(default_factory=list, metadata={"context": "genre"})
    colour: bool = True
    released: dt.date | None = None
    seen: Optional[dt.datetime] = None  # noqa: UP045
    poster: bytes | None = None
    trailer: Cid | None = None
    remake_of: Ref[Movie] | None = None
    note: Any = None
    words: int = field(init=False, default=0)
    registry: ClassVar[dict[str, Any]] = {}


MOVIE = HyperSchema(
    "movie",
    "Movie",
    frozenset(
        [
            "title",
            "runtime",
            "rating",
            "director",
            "cast",
            "genre",
            "colour",
            "released",
            "seen",
            "poster",
            "trailer",
            "remake_of",
            "note",
        ]
    ),
    {"director": Nest("person", (Condition("year", ">", 1990),)), "actor": Nest("person")},
    {
        "title": Property("string[, 200]", required=True),
        "runtime": Property("integer[1, ]", "minutes", True),
        "rating": Property("number(0, 10]"),
        "director": Property("thing"),
        "cast": Property("thing", "actor", many=True),
        "genre": Property("string", many=True),
        "colour": Property("boolean"),
        "released": Property("string.date"),
        "seen": Property("string.datetime"),
        "poster": Property("string.base64"),
        "trailer": Property("attachment"),
        "remake_of": Property("thing"),
        "note": Property(),
    },
)


def test_a_dataclass_is_a_schema():
    assert schema_of(Movie) == MOVIE
    assert schemas_of(Movie) == Schemas([MOVIE, schema_of(Person)])
    assert schema_of(Person).properties == {
        "name": Property("string", required=True),
        "born": Property("integer.year"),
    }


def test_a_schema_is_a_dataclass():
    made = class_of(MOVIE, [schema_of(Person)])
    assert [each.name for each in dataclasses.fields(made)][:3] == ["id", "cast", "colour"]
    assert schema_of(made) == MOVIE
    assert made.__schema__ == "movie"  # fields alone say all of it
    hints = typed(made)
    assert {each.name: each.type for each in hints.fields if each.nested is None} == {
        "title": str, "runtime": int, "rating": float, "genre": str, "colour": bool, "released": dt.date,
        "seen": dt.datetime, "poster": bytes, "trailer": Cid, "remake_of": Ref, "note": Any,
    }  # fmt: skip
    one = made(title="The Matrix", runtime=136)
    assert (one.id, one.cast, one.rating) == (None, [], None)


@pytest.mark.parametrize(
    ("name", "id"),
    [("Movie", "movie"), ("FilmStudio", "film_studio"), ("HTTPServer", "http_server"), ("M3", "m3"), ("Été", "été")],
)
def test_what_the_schema_of_a_class_is_called(name, id):
    assert snake(name) == id


def test_a_class_says_the_id_and_name_of_its_schema():
    @dataclass
    class Film:
        __schema__ = "m"
        __schema_name__ = "Moving Picture"
        title: str

    assert (schema_of(Film).id, schema_of(Film).name) == ("m", "Moving Picture")
    again = class_of(schema_of(Film))
    assert (again.__name__, schema_of(again)) == ("Moving_Picture", schema_of(Film))


def test_a_subclass_has_all_fields_and_a_schema_of_its_own():
    @dataclass
    class Star(Person):
        fans: int = 0

    assert (schema_of(Star).id, sorted(schema_of(Star).properties)) == ("star", ["born", "fans", "name"])


ANNOTATIONS = {
    "int": (int, Property("integer", required=True)),
    "optional": (Optional[int], Property("integer")),  # noqa: UP045
    "union": (Union[int, None], Property("integer")),  # noqa: UP007
    "int or float": (int | float, Property("number", required=True)),
    "annotated inside": (Annotated[int, "anything", Field(ge=0)] | None, Property("integer[0, ]")),
    "annotated outside": (Annotated[int | None, Field(ge=0)], Property("integer[0, ]")),
    "exclusive whole ends": (Annotated[int, Field(gt=0, lt=10)], Property("integer[1, 9]", required=True)),
    "fractions of whole ends": (Annotated[int, Field(ge=0.5, le=9.5)], Property("integer[1, 9]", required=True)),
    "list": (list[int], Property("integer", many=True)),
    "typing.List": (List[int], Property("integer", many=True)),  # noqa: UP006
    "bare list": (list, Property(many=True)),
    "list that may be None": (list[str] | None, Property("string", many=True)),
    "list that must have one": (Annotated[list[str], Field(required=True)], Property("string", None, True, True)),
    "lengths": (Annotated[str, Field(min_length=1, max_length=5)], Property("string[1, 5]", required=True)),
    "year in an interval": (
        Annotated[int, Field(kind="integer.year", ge=1900)],
        Property("integer.year[1900, ]", required=True),
    ),
    "any": (Any, Property(required=True)),
    "object": (object, Property(required=True)),
    "ref": (Ref, Property("thing", required=True)),
    "new type": (Minutes, Property("integer", required=True)),
    "not required": (Annotated[int, Field(required=False)], Property("integer")),
}


@pytest.mark.parametrize(("annotation", "expected"), ANNOTATIONS.values(), ids=ANNOTATIONS)
def test_what_an_annotation_expects(annotation, expected):
    made = make_dataclass("Thing", [("p", annotation)])
    assert schema_of(made).properties["p"] == expected


BAD = {
    "dict": (dict[str, int], "is no type of a property", "a class for it"),
    "set": (set[int], "is no type of a property", "list[...]"),
    "tuple": (tuple[int, ...], "is no type of a property", "list[...]"),
    "complex": (complex, "complex is no type of a property", "another typed class"),
    "a class that is none": (type("Plain", (), {}), "Plain is no type of a property", "another typed class"),
    "literal": (Literal["a"], "is no type of a property", "another typed class"),
    "several kinds": (int | str, "several kinds of value at once", "another typed class"),
    "only None": (None, "is no type of a property", "another typed class"),
    "lists of lists": (list[list[int]], "a list of lists", "another typed class"),
    "None in a list": (list[int | None], "what a list has is never None", "list[...] | None"),
    "a kind that is none": (Annotated[int, Field(kind="integer.yaer")], "no primitive schema 'integer.yaer'", "integer.year"),
    "a kind of another type": (Annotated[str, Field(kind="integer")], "integer does not narrow string", "string"),
    "an interval of bools": (Annotated[bool, Field(ge=0)], "no interval narrows boolean", "integer[1888, 2100]"),
    "an interval of anything": (Annotated[Any, Field(ge=0)], "an interval is one of numbers", "int, float or str"),
    "an interval of nothing": (Annotated[int, Field(gt=0, lt=1)], "no value is in integer[1, 0]", "integer[1, 10]"),
    "an interval without numbers": (Annotated[int, Field(ge="x")], "`ge` is a number, not 'x'", "ge=1"),
    "an end that is none": (Annotated[float, Field(ge=float("nan"))], "nan is no end of an interval", "integer[1888, 2100]"),
    "two lower ends": (Annotated[int, Field(ge=0, gt=0)], "one end of an interval is said twice", "ge or gt"),
    "said twice": (Annotated[int, Field(role="a"), Field(role="b")], "`role` is said twice", "role='a'"),
    "a role that is none": (Annotated[int, Field(role=5)], "`role` is a str, not 5", "role="),
    "a role that is empty": (Annotated[int, Field(role="")], "no name of a role", "role="),
    "a reserved context": (Annotated[int, Field(context="rhizome/x")], "no name of a context", "context="),
    "back to a value": (Annotated[int, Field(back_populates="x")], "only a field that leads to a thing", "back_populates"),
    "a condition on a value": (Annotated[int, Condition("a", ">", 1)], "for a class that is shown inside", "Condition"),
    "unknown name": ("Nobody", "its annotation cannot be read: name 'Nobody'", "top of a module"),
    "no annotation": ("int |", "its annotation cannot be read", "top of a module"),
}  # fmt: skip


@pytest.mark.parametrize(("annotation", "message", "fix"), BAD.values(), ids=BAD)
def test_an_annotation_that_is_none_is_told_with_its_field(annotation, message, fix):
    made = make_dataclass("Thing", [("good", int), ("bad", annotation)])
    with pytest.raises(Error) as refused:
        schema_of(made)
    error = refused.value
    assert (error.code, error.where) == ("hyper.class", "Thing.bad")
    assert message in error.message
    assert fix in f"{error.fix} {error.nearest}"


@pytest.mark.parametrize("cls", [int, "Movie", None, 5, Movie("m", "t", 1, None), type("Plain", (), {})])
def test_what_is_no_typed_class(cls):
    with pytest.raises(Error, match="neither a dataclass nor a pydantic model") as refused:
        schema_of(cls)
    assert refused.value.code == "hyper.class"


def test_an_id_that_is_none():
    with pytest.raises(Error, match="has the id of the thing, a str or bytes"):
        schema_of(make_dataclass("Thing", [("id", int)]))
    named = make_dataclass("Thing", [("number", Annotated[int, Field(context="id")])])
    assert schema_of(named).selects == {"id"}


@dataclass
class Loop:
    name: str
    other: Other | None


@dataclass
class Other:
    back: list[Loop]


@dataclass
class Own:
    child: Own | None


def test_classes_that_lead_back_to_themselves_are_told_by_name():
    for cls, names in ((Loop, "Loop → Other → Loop"), (Own, "Own → Own"), (Other, "Other → Loop → Other")):
        with pytest.raises(Error, match=names) as refused:
            schema_of(cls)
        assert refused.value.code == "hyper.cycle"


def test_two_fields_under_one_name():
    twice = make_dataclass("Thing", [("a", int), ("b", Annotated[int, Field(context="a")])])
    with pytest.raises(Error, match="another field shows 'a' already"):
        schema_of(twice)
    role = make_dataclass("Thing", [("a", Person), ("b", Annotated[str, Field(role="a")])])
    with pytest.raises(Error, match=r"Thing\.a has the role 'a' as well"):
        schema_of(role)
    both = make_dataclass("Thing", [("a", Person), ("b", Annotated[Person, Field(role="a")])])
    assert schema_of(both).nests == {"a": Nest("person")}


def test_two_classes_that_are_one_schema():
    other = make_dataclass("Person", [("age", int)])
    with pytest.raises(Error, match="two classes are the schema 'person'"):
        schema_of(make_dataclass("Thing", [("a", Person), ("b", other)]))


def test_a_ref():
    ref: Ref[Person] = Ref("lana")
    assert (ref.id, ref.entity, ref, hash(ref)) == ("lana", b"lana", Ref(b"lana"), hash(Ref("lana")))
    assert repr(Ref(b"\xff")) == "Ref('rhizome:0xff')"
    assert Ref("rhizome:0xff") == Ref(b"\xff") != Ref("lana")
    with pytest.raises(AttributeError):
        ref.entity = b""
    for wrong in ("", b"", 5, None):
        with pytest.raises(Error):
            Ref(wrong)


INTERVALS = {
    "integer[1, 5]": ([1, 5, 2.0], [0, 6, 1.5, "1", True]),
    "integer(0, 6)": ([1, 5], [0, 6]),
    "number(0, 1]": ([0.1, 1, 1.0], [0, 1.1, True]),
    "number[, 1)": ([-5, 0.9], [1]),
    "string[2, 3]": (["ab", "abc"], ["a", "abcd", 2]),
    "string.email[, 6]": (["a@b.cd"], ["a@b.cde", "a"]),
    "string.base64": (["", "AAE="], ["AAE", "é", 1]),
    "string.date": (["2026-11-30"], ["2026-11-30T12:00", "x", 1]),
}


@pytest.mark.parametrize(("kind", "good", "bad"), [(kind, *each) for kind, each in INTERVALS.items()], ids=INTERVALS)
def test_intervals_narrow(kind, good, bad):
    found = primitive(kind)
    assert [found.holds(each) for each in good + bad] == [True] * len(good) + [False] * len(bad)
    assert primitive(found.name).name == found.name
    assert found.narrows(kind.partition("[")[0].partition("(")[0])


@pytest.mark.parametrize(
    "kind", ["integer[1", "integer[a, 2]", "integer[2, 1]", "colour[1, 2]", "boolean[0, 1]", "number[nan, ]", "integer[1, 2][1, 2]"]
)  # fmt: skip
def test_an_interval_that_is_none(kind):
    with pytest.raises(Error) as refused:
        Property(kind)
    assert refused.value.code == "hyper.schema"


# -- pydantic ----------------------------------------------------------------------------------------------------------


def test_a_pydantic_model_is_a_schema():
    pydantic = pytest.importorskip("pydantic")

    class Author(pydantic.BaseModel):
        id: str
        name: str = pydantic.Field(min_length=1)

    class Book(pydantic.BaseModel):
        made: dict[str, int]

    with pytest.raises(Error) as refused:
        schema_of(Book)
    assert refused.value.where == "Book.made"

    class Novel(pydantic.BaseModel):
        id: str | None = None
        title: str
        pages: Annotated[int, pydantic.Field(gt=0), Field(role="count")]
        author: Annotated[Author, Field(back_populates="wrote")]
        tags: list[str] = pydantic.Field(default_factory=list)
        isbn: str | None = pydantic.Field(default=None, pattern=r"\d+", alias="ISBN")

    schema = schema_of(Novel)
    assert schema.properties == {
        "title": Property("string", required=True),
        "pages": Property("integer[1, ]", "count", True),
        "author": Property("thing", required=True),
        "tags": Property("string", many=True),
        "isbn": Property("string"),
    }
    assert schemas_of(Novel)["author"].properties == {"name": Property("string[1, ]", required=True)}
    assert schema_of(class_of(schema, schemas_of(Novel).values())).version == schema.version


def test_a_pydantic_model_that_is_not_whole_yet_is_told():
    pydantic = pytest.importorskip("pydantic")

    class Book(pydantic.BaseModel):
        title: str
        author: Nobody | None = None  # noqa: F821

    with pytest.raises(Error, match="its annotation cannot be read: Nobody") as refused:
        schema_of(Book)
    assert refused.value.where == "Book.author"


def test_a_dataclass_of_pydantic_is_a_schema():
    pydantic = pytest.importorskip("pydantic")

    @pydantic.dataclasses.dataclass
    class Author:
        id: str
        name: str = pydantic.Field(max_length=80)
        born: int | None = pydantic.Field(default=None, ge=1)
        shown: str = pydantic.Field(default="", init=False)

    assert schema_of(Author).properties == {
        "name": Property("string[, 80]", required=True),
        "born": Property("integer[1, ]"),
    }


# -- laws --------------------------------------------------------------------------------------------------------------

SCALARS = [int, float, str, bool, bytes, dt.date, dt.datetime, Cid, Ref, Any]
names = st.text("abcxyz_é", min_size=1, max_size=6).filter(lambda name: name.isidentifier() and name != "id")
texts = st.sampled_from(["p", "q", "born in", "class", "1st", "id", "x y", "é", '"'])


@st.composite
def annotations(draw, nested):
    made = draw(st.sampled_from([*SCALARS, *nested]))
    marks = []
    if made in (int, float, str) and draw(st.booleans()):
        low, high = draw(st.integers(0, 5)), draw(st.none() | st.integers(6, 9) | st.floats(5.5, 1e18))
        marks.append(draw(st.sampled_from([Field(ge=low, le=high), Field(gt=low, le=high), Field(le=high)])))
    if made in nested and draw(st.booleans()):
        marks.append(Condition("w", ">", draw(st.sampled_from([1, 1.0, "x"]))))
    if draw(st.booleans()):
        marks.append(Field(context=draw(texts)))
    if draw(st.booleans()):
        marks.append(Field(role=draw(texts)))
    if draw(st.booleans()):
        made = list[made]
        if draw(st.booleans()):
            marks.append(Field(required=True))
    if marks:
        made = Annotated[(made, *marks)]
    return made | None if draw(st.booleans()) else made


@st.composite
def classes(draw):
    made = []
    for number in range(draw(st.integers(1, 3))):
        fields = draw(st.dictionaries(names, annotations(tuple(made)), max_size=5))
        whole = [("id", str)] if draw(st.booleans()) else []
        made.append(make_dataclass(f"Class{number}", [*whole, *fields.items()], kw_only=True))
    return made[-1]


@settings(max_examples=150)
@given(classes())
def test_class_schema_class_schema_is_the_same_schema(cls):
    try:
        schema = schema_of(cls)
    except Error as error:
        assert "already" in error.message or "as well" in error.message  # two fields met under one name
        return
    again = class_of(schema, schemas_of(cls).values())
    assert schema_of(again).version == schema.version
    assert again.__schema__ == schema.id  # its fields say it, and nothing beside them
    assert {id: each.version for id, each in schemas_of(again).items()} == {
        id: each.version for id, each in schemas_of(cls).items()
    }


kinds = st.none() | st.sampled_from(
    ["integer", "integer.year", "string[1, 2]", "number(0, 1)", "thing", "string.base64"]
)
properties = st.builds(Property, kinds, st.none() | texts, st.booleans(), st.booleans())
nests = st.builds(Nest, st.just("end"), st.lists(st.builds(Condition, texts, st.just(">"), st.just(1)), max_size=1))


@settings(max_examples=200)
@given(
    st.builds(
        HyperSchema,
        st.just("s"),
        texts,
        st.none() | st.frozensets(texts),
        st.dictionaries(texts, nests, max_size=3),
        st.dictionaries(texts, properties, max_size=3),
    )
)
def test_any_schema_is_a_class_that_gives_it_back(schema):
    end = HyperSchema("end", "End")
    made = class_of(schema, [end])
    assert schema_of(made).version == schema.version
    shown = {each.context for each in typed(made).fields}
    assert shown >= {each for each in schema.properties if schema.takes(each)}


@settings(max_examples=50)
@given(st.dictionaries(texts, properties, max_size=4))
def test_what_is_expected_is_said_and_comes_back(expected):
    from rhizomedb.db.connection import connect

    schema = HyperSchema("s", "S", properties=expected)
    with connect(":memory:") as db:
        db.define(schema)
        assert db.schemas()["s"] == schema
        assert len(edges_of(schema)) == 2 + len(expected)
        assert not db.define(db.class_of("S"))


def test_a_class_to_which_many_ways_lead_is_read_once():
    cls = None
    for number in range(40):
        inside = [] if cls is None else [(name, cls | None, field(default=None)) for name in ("left", "right")]
        cls = make_dataclass(f"Level{number}", [("id", str), *inside])
    assert len(typed(cls).schemas) == 40

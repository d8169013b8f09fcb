"""The verbs of schemas and views: define, schemas, show; and how `relate` reads a name with a colon."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.cli import main
from rhizomedb.errors import RequestError
from rhizomedb.hyper import Condition, HyperSchema, Nest, Property, schema_json

MOVIE = {
    "id": "movie",
    "name": "Movie",
    "selects": ["title", "year", "cast", "rating"],
    "nests": {"actor": {"schema": "Person", "when": [["character", "!=", "nobody"]]}},
    "properties": {"year": "integer.year", "rating": {"required": True}},
}
PERSON = {"id": "person", "name": "Person"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schemas.json").write_text(json.dumps([MOVIE, PERSON]))


@pytest.fixture
def run(capsys):
    def command(*words, exit=0):
        code = main(words)
        printed = capsys.readouterr()
        assert code == exit, printed
        return printed.out, printed.err

    return command


@pytest.fixture
def films(run):
    run("define", "a.db", "schemas.json", "--as", "ann")
    for words in (
        ("movie=@The Matrix:title", "title=The Matrix", "--as", "ann"),
        ("movie=@The Matrix:year", "year=1999", "--as", "ann"),
        ("movie=@The Matrix:year", "year=1998", "--as", "ben"),
        ("movie=@The Matrix:year", "year=soon", "--as", "ben"),
        ("movie=@The Matrix:cast", "actor=@Keanu Reeves:appearedIn", "character=Neo", "--as", "ann"),
        ("movie=@The Matrix:cast", "actor=@Keanu Reeves:appearedIn", "character=Anderson", "--as", "ben"),
        ("person=@Keanu Reeves:born", "born=1964", "--as", "ann"),
    ):
        run("relate", "a.db", *words)
    return run


def test_define_says_what_is_new(run):
    out, err = run("define", "a.db", "schemas.json", "--as", "ann")
    assert (out.splitlines(), err) == (["Person (person) defined (epoch 1)", "Movie (movie) defined (epoch 2)"], "")
    assert run("define", "a.db", "schemas.json")[0].splitlines() == [
        "Person (person) is so already",
        "Movie (movie) is so already",
    ]
    out, err = run("define", "a.db", '{"id": "shelf", "nests": {"book": "book"}}')
    assert out == "shelf (shelf) defined (epoch 3)\n"
    assert err == "note: shelf leads to book, which is not defined here yet\n"
    out, err = run("define", "a.db", '{"id": "shelf", "nests": {"book": "book"}}', "--json")
    assert ([json.loads(out)[key] for key in ("id", "epoch", "not_defined")], err) == (["shelf", None, ["book"]], "")


def test_schemas_are_listed_and_printed(films):
    out, _ = films("schemas", "a.db")
    assert out.splitlines() == [
        "name    id      shows         leads to",
        "Person  person  everything",
        "Movie   movie   4 properties  actor → Person",
        "2 schemas",
    ]
    out, _ = films("schemas", "a.db", "Movie")
    assert out.splitlines()[1:] == [
        "  shows     cast, rating, title, year",
        "  leads by  actor → Person where character != nobody",
        "  expects   rating: required",
        "            year: integer.year",
        "  said by   ann",
    ]
    program, _ = films("schemas", "a.db", "Movie", "--program")
    assert program.startswith("relation asked(object: bytes).\n")
    assert json.loads(films("schemas", "a.db", "movie", "--program", "--json")[0])["program"].strip() == program.strip()


def test_a_schema_that_is_printed_is_one_that_can_be_defined(films):
    rows = [json.loads(line)["schema"] for line in films("schemas", "a.db", "--json")[0].splitlines()]
    out, _ = films("define", "b.db", json.dumps(rows))
    assert out.count("defined") == 2
    assert films("schemas", "b.db", "--json")[0] == films("schemas", "a.db", "--json")[0]


def test_what_several_say_and_what_nobody_understands_is_listed(films):
    films("relate", "a.db", "schema=@movie:name", "name=Film", "--as", "ben")
    films("relate", "a.db", "schema=@movie:select", "pattern=@nonsense:", "--as", "cy")
    out, _ = films("schemas", "a.db")
    assert re.search(
        r"^not understood: 0x\w+, cy .*: a selector follows no pattern that is known here$", out, re.MULTILINE
    )
    assert "Film · name\n     name Movie  ann " in out
    assert "  →  name Film   ben " in out
    assert json.loads(films("schemas", "a.db", "Film", "--json")[0])["conflicts"] == ["name"]


def test_show_is_a_tree_with_who_says_what(films):
    out, _ = films("show", "a.db", "The Matrix", "--as", "Movie")
    assert [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "", line).rstrip() for line in out.splitlines()] == [
        "The Matrix  (Movie)",
        "  cast                                                 ann",
        "    actor             Keanu Reeves (Person)",
        "      appearedIn                                       ann",
        "        movie         The Matrix",
        "        character     Neo",
        "      appearedIn   →                                   ben",
        "        movie         The Matrix",
        "        character     Anderson",
        "      born         →  1964                             ann",
        "    character         Neo",
        "  cast             →                                   ben",
        "    actor             Keanu Reeves (Person), as above",
        "    character         Anderson",
        "  title            →  The Matrix                       ann",
        "  year                1999                             ann",
        "                   →  1998                             ben",
        "  rating              nothing                          it is required",
    ]


@pytest.mark.parametrize(
    ("policies", "year", "marked"),
    [
        ((), 1998, "→  1998"),
        (("year=first",), 1999, "→  1999"),
        (("trusted:ann",), 1999, "→  1999"),
        (("Movie.year=max",), 1999, "→  1999"),
        (("max", "year=min"), 1998, "→  1998"),
        (("year=average",), 1998.5, "=  1998.5"),
        (("year=all",), [1999, 1998], "→  1999"),
    ],
)
def test_a_policy_chooses_and_the_tree_marks_it(films, policies, year, marked):
    words = [word for policy in policies for word in ("--policy", policy)]
    shown = json.loads(films("show", "a.db", "The Matrix", "--as", "Movie", "--json", *words)[0])
    assert shown["year"] == year
    assert marked in films("show", "a.db", "The Matrix", "--as", "Movie", *words)[0]


def test_show_gives_the_hyperedges_and_other_moments(films):
    said = json.loads(films("show", "a.db", "The Matrix", "--as", "Movie", "--json", "--said")[0])
    assert [each["author"] for each in said["year"]] == ["ann", "ben"]
    assert "1998" not in films("show", "a.db", "The Matrix", "--as", "Movie", "--by", "ann")[0]
    assert "1998" not in films("show", "a.db", "The Matrix", "--epoch", "4")[0]
    assert "soon" in films("show", "a.db", "The Matrix")[0]  # without a schema nothing is expected
    assert films("show", "a.db", "The Matrix", "--limit", "2")[0].splitlines()[-1].startswith("  … ")


def test_what_was_taken_back_is_marked_where_that_is_asked_for(films):
    said = json.loads(films("show", "a.db", "The Matrix", "--as", "Movie", "--json", "--said")[0])
    for property in ("cast", "year"):
        films("negate", "a.db", said[property][0]["id"], "--as", "ben")
    shown = ("show", "a.db", "The Matrix", "--as", "Movie")
    assert "taken back" not in films(*shown)[0]
    marked = [line.split() for line in films(*shown, "--negated", "mark")[0].splitlines()]
    assert ["cast", "ann", "taken", "back"] in [line[:2] + line[4:] for line in marked]
    assert ["year", "1999", "ann", "taken", "back"] in [line[:3] + line[5:] for line in marked]
    assert ["→", "1998", "ben"] in [line[:3] for line in marked]
    films("negate", "a.db", said["cast"][1]["id"], "--as", "ben")
    assert "Keanu Reeves (Person)" in films(*shown, "--negated", "mark")[0]
    assert films(*shown, "--json", "--negated", "mark") == films(*shown, "--json")
    written = json.loads(films(*shown, "--json", "--said", "--negated", "mark")[0])
    assert [each.get("is_negated", False) for each in written["year"]] == [True, False]
    assert "does not go with --vocabulary" in films(*shown, "--negated", "mark", "--vocabulary", exit=2)[1]


def test_what_nothing_points_at_is_told_of(films):
    films("add", "a.db", "Heat", "year", "1995")
    assert films("show", "a.db", "Heat")[1].endswith("what is said of it otherwise: rhizome get a.db Heat\n")


NO_COLON = {
    "2001: A Space Odyssey": ("2001: A Space Odyssey", None),
    "film:42:": ("film:42", None),
    "film:42:cast": ("film:42", "cast"),
    "2001: A Space Odyssey:cast": ("2001: A Space Odyssey", "cast"),
    "The Matrix": ("The Matrix", None),
}


@pytest.mark.parametrize(("text", "meant"), NO_COLON.items(), ids=NO_COLON)
def test_a_name_may_have_colons(run, text, meant):
    out, _ = run("relate", "a.db", f"movie=@{text}")
    assert out.splitlines()[1:] == [f"  movie  → {meant[0]}" + (f" · {meant[1]}" if meant[1] else "")]


WRONG = {
    "a name that is cut in two": (("relate", "a.db", "movie=@film:42"), 2, "may mean 'film:42', which is known here"),
    "no such schema": (("show", "a.db", "The Matrix", "--as", "Movi"), 1, "did you mean: Movie"),
    "no such thing": (("show", "a.db", "Matrix", "--as", "Movie"), 1, "did you mean: The Matrix"),
    "no such policy": (("show", "a.db", "The Matrix", "--policy", "year=lates"), 1, "did you mean: latest"),
    "half a policy": (("show", "a.db", "The Matrix", "--policy", "year="), 2, "is not PROPERTY=POLICY"),
    "a program of all": (("schemas", "a.db", "--program"), 2, "--program is of one schema"),
    "no JSON": (("define", "a.db", '{"id": }'), 1, "this is no JSON: Expecting value (line 1)"),
    "twice": (("define", "a.db", '{"id": "a", "id": "b"}'), 1, "'id' stands twice in one object"),
    "no file": (("define", "a.db", "nothing.json"), 1, "nothing.json"),
    "a ring": (
        ("define", "a.db", '[{"id": "x", "nests": {"r": "y"}}, {"id": "y", "nests": {"r": "x"}}]'),
        1,
        "schemas would nest without end: x → y → x",
    ),
}


@pytest.mark.parametrize(("words", "code", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(films, words, code, message):
    films("relate", "a.db", "movie=@film:42:")
    _, err = films(*words, exit=code)
    assert message in err


def test_what_is_wrong_with_one_of_several_leaves_all_undone(run):
    run("define", "a.db", json.dumps([PERSON, {"id": "x", "nests": {"r": "x"}}]), exit=1)
    assert run("schemas", "a.db", exit=1)[1].startswith("store.not-found")


NO_SCHEMA = {
    "no object": ("movie", "a schema is a JSON object"),
    "no id": ({}, "a schema has an id"),
    "a misspelt part": ({"id": "x", "nest": {}}, "did you mean: nests"),
    "contexts that are one": ({"id": "x", "selects": "title"}, "`selects` is a list of contexts"),
    "contexts that are none": ({"id": "x", "selects": [1]}, "a context is a text"),
    "nests that are a list": ({"id": "x", "nests": []}, "`nests` is a JSON object"),
    "a nest that is a number": ({"id": "x", "nests": {"a": 1}}, "a nest is a JSON object"),
    "a nest without a schema": ({"id": "x", "nests": {"a": {"when": []}}}, "no id of a schema"),
    "a condition that is none": ({"id": "x", "nests": {"a": {"schema": "p", "when": [["y", ">"]]}}}, "is no condition"),
    "a comparison that is none": (
        {"id": "x", "nests": {"a": {"schema": "p", "when": [["y", "~", 1]]}}},
        "no comparison '~'",
    ),
    "null": ({"id": "x", "nests": {"a": {"schema": "p", "when": [["y", "==", None]]}}}, "null is no value"),
    "no primitive schema": ({"id": "x", "properties": {"a": "integr"}}, "did you mean: integer"),
    "a role that is none": ({"id": "x", "properties": {"a": {"role": 3}}}, "the role of a property is a text"),
    "required of another kind": ({"id": "x", "properties": {"a": {"required": "yes"}}}, "`required` is true or false"),
    "many of another kind": ({"id": "x", "properties": {"a": {"many": 1}}}, "`many` is true or false"),
    "an interval that is none": ({"id": "x", "properties": {"a": "integer[2, 1]"}}, "no value is in integer[2, 1]"),
    "one id twice": ([{"id": "x"}, {"id": "x"}], "two schemas have the id 'x'"),
}


@pytest.mark.parametrize(("node", "message"), NO_SCHEMA.values(), ids=NO_SCHEMA)
def test_what_is_no_schema_is_told_why(node, message):
    with pytest.raises(RequestError) as refused:
        schema_json.read(node)
    assert message in str(refused.value)


NAMES = st.text(min_size=1, max_size=4)
VALUES = st.one_of(
    st.text(max_size=3), st.integers(-9, 9), st.booleans(), st.floats(allow_nan=False, allow_infinity=False, width=16)
)
CONDITIONS = st.builds(Condition, NAMES, st.sampled_from(["==", "!=", "<", ">="]), VALUES)
SCHEMAS = st.builds(
    HyperSchema,
    st.just("the one"),
    NAMES,
    st.none() | st.frozensets(NAMES, max_size=3),
    st.dictionaries(NAMES, st.builds(Nest, NAMES, st.lists(CONDITIONS, max_size=2).map(tuple)), max_size=3),
    st.dictionaries(
        NAMES,
        st.builds(
            Property,
            st.sampled_from([None, "string", "integer.year", "number[0, 1)"]),
            st.none() | NAMES,
            st.booleans(),
            st.booleans(),
        ),
        max_size=3,
    ),
)


@given(SCHEMAS)
def test_what_is_written_is_read_as_the_same(schema):
    (again,) = schema_json.read(json.loads(json.dumps(schema_json.written(schema))))
    assert (again.version, again) == (schema.version, schema)

"""The verbs of many views: where, diff, and conflicts of a schema."""

import json

import pytest

from rhizomedb.cli import main

SCHEMAS = [
    {"id": "person", "name": "Person", "selects": ["born", "name"]},
    {
        "id": "movie",
        "name": "Movie",
        "selects": ["title", "year", "director"],
        "nests": {"director": "person"},
        "properties": {"year": "integer", "title": "string"},
    },
]


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def command(*words, exit=0):
        code = main(words)
        printed = capsys.readouterr()
        assert code == exit, printed
        return printed.err if exit else printed.out

    return command


@pytest.fixture
def films(run):
    run("define", "a.db", json.dumps(SCHEMAS), "--as", "ann")
    for words in (
        ("movie=@The Matrix:title", "title=The Matrix", "--as", "ann"),
        ("movie=@The Matrix:year", "year=1999", "--as", "ann"),
        ("movie=@The Matrix:director", "director=@Lana:directed", "--as", "ann"),
        ("person=@Lana:born", "born=1965", "--as", "ann"),
        ("movie=@1984:title", "title=1984:", "--as", "ann"),
        ("movie=@1984:year", "year=1984", "--as", "ann"),
        ("movie=@The Matrix:year", "year=1998", "--as", "ben"),
    ):
        run("relate", "a.db", *words)
    return run


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


WHERE = {
    "a comparison": (["year__gt=1990"], ["The Matrix  director: → Lana; year: 1998", "1 thing"]),
    "a sign": (["year > 1990"], ["The Matrix  director: → Lana; year: 1998", "1 thing"]),
    "signs": (["year>=1984", "year!=1998"], ["1984:  year: 1984", "1 thing"]),
    "a part of a text": (["title~198"], ["1984:  year: 1984", "1 thing"]),
    "a value with a sign in it": (["title=a<b"], ["0 things"]),
    "inside": (["director__born=1965"], ["The Matrix  director: → Lana; year: 1998", "1 thing"]),
    "by name": (["director=Lana"], ["The Matrix  director: → Lana; year: 1998", "1 thing"]),
    "a list": (["year__in=1984, 1990"], ["1984:  year: 1984", "1 thing"]),
    "a policy": (
        ["year=1999", "--policy", "year=trusted:ann"],
        ["The Matrix  director: → Lana; year: 1999", "1 thing"],
    ),
    "an author": (["year=1999", "--by", "ann"], ["The Matrix  director: → Lana; year: 1999", "1 thing"]),
    "none": (["year=7"], ["0 things"]),
}


@pytest.mark.parametrize(("words", "lines"), WHERE.values(), ids=WHERE)
def test_where(films, words, lines):
    assert films("where", "a.db", "Movie", *words).splitlines() == lines


def test_where_as_data_and_limited(films):
    found = rows(films("where", "a.db", "movie", "year__ge=1984", "--json"))
    assert sorted(each["year"] for each in found) == [1984, 1998]
    assert films("where", "a.db", "Movie", "--limit", "1").endswith("1 thing, and there are more\n")
    assert len(rows(films("where", "a.db", "Movie", "--limit", "1", "--json"))) == 1


def test_conflicts_of_a_schema(films):
    text = films("conflicts", "a.db", "--as", "Movie")
    assert [line[:22].rstrip() for line in text.splitlines()] == [
        "The Matrix · year",
        "     1999  ann 2026-11",
        "  →  1998  ben 2026-11",
        "1 conflict",
    ]
    assert films("conflicts", "a.db", "The Matrix", "--as", "Movie", "--attribute", "title") == "no conflicts\n"
    (found,) = rows(films("conflicts", "a.db", "--as", "Movie", "--json"))
    assert (found["property"], [each["value"] for each in found["values"]], found["shown"]) == (
        "year",
        [1999, 1998],
        1998,
    )
    assert films("conflicts", "a.db", "--schema", "Movie", "--limit", "0") == "1 conflict, 1 more not shown\n"


def test_what_one_author_says_is_shown_by_a_schema_of_another(films):
    assert "1998  ben" in films("show", "a.db", "The Matrix", "--schema", "Movie", "--by", "ben")
    assert films("where", "a.db", "Movie", "--by", "ben") == "The Matrix  year: 1998\n1 thing\n"
    assert films("conflicts", "a.db", "--schema", "Movie", "--since", "2020") == films(
        "conflicts", "a.db", "--schema", "Movie"
    )
    assert films("diff", "a.db", "--schema", "Movie", "--by", "ben", "--epochs", "0", "9").endswith("1 difference\n")


def test_what_is_not_shown_inside_is_named(films):
    films("define", "a.db", '{"id": "plain", "name": "Plain", "selects": ["director"]}')
    assert films("where", "a.db", "Plain") == "The Matrix  director: → Lana\n1 thing\n"


def test_diff(films):
    text = films("diff", "a.db", "The Matrix", "--schema", "Movie", "--authors", "ann", "ben")
    assert text.startswith("The Matrix · director\n  -  → Lana")
    assert text.endswith("3 differences\n")
    (found,) = rows(films("diff", "a.db", "--as", "Movie", "--policies", "first", "latest", "--json"))
    assert (found["before"], found["after"]) == (1999, 1998)
    assert films("diff", "a.db", "--as", "Movie", "--epochs", "9", "9", "--property", "year") == "no differences\n"
    assert films("diff", "a.db", "--as", "Movie", "--moments", "2020", "now", "--limit", "1").endswith(
        "more not shown\n"
    )


def test_what_chooses_or_compares_nothing_is_noted(films, capsys):
    def notes(*words):
        assert main(words) == 0
        return capsys.readouterr().err

    for words in (("show", "a.db", "The Matrix", "--schema", "Movie"), ("where", "a.db", "Movie")):
        assert notes(*words, "--policy", "yaer=first") == (
            "note: no property here is called yaer, and its policy chooses nothing; did you mean year?\n"
        )
        assert notes(*words, "--policy", "year=first", "--policy", "Person.born=max") == ""
    assert notes("define", "a.db", "[]") == "note: there is no schema in it, and nothing was said\n"
    assert notes("conflicts", "a.db") == (
        "what hyperedges say is compared by a schema: rhizome conflicts a.db --schema Movie\n"
    )
    assert films("a.db").endswith("  rhizome where a.db Movie\n  rhizome conflicts a.db --schema Movie\n")


WRONG = {
    "no condition": (["where", "a.db", "Movie", "year"], 2, "'year' is not NAME=VALUE"),
    "no name": (["where", "a.db", "Movie", "=1"], 2, "'=1' is not NAME=VALUE"),
    "twice by a sign": (["where", "a.db", "Movie", "year>1", "year__gt=2"], 2, "'year__gt' is there twice"),
    "twice": (["where", "a.db", "Movie", "year=1", "year=2"], 2, "'year' is there twice"),
    "a slip": (["where", "a.db", "Movie", "yaer=1"], 1, "did you mean: year?"),
    "an operator": (["where", "a.db", "Movie", "year__gtt=1"], 1, "did you mean: gt?"),
    "a kind": (["where", "a.db", "Movie", "year=soon"], 1, "compared with a number"),
    "said without JSON": (["show", "a.db", "The Matrix", "--said"], 2, "--said goes with --json"),
    "a schema of later": (["where", "a.db", "Movie", "--epoch", "0"], 1, "no schema 'Movie' (at epoch 0)"),
    "a thing of conflicts": (["conflicts", "a.db", "The Matrx", "--schema", "Movie"], 1, "did you mean: The Matrix?"),
    "a thing of differences": (
        ["diff", "a.db", "The Matrx", "--schema", "Movie", "--epochs", "0", "9"],
        1,
        "did you mean: The Matrix?",
    ),
    "a schema": (["where", "a.db", "Moovie"], 1, "there is no schema 'Moovie'"),
    "no sides": (["diff", "a.db", "--schema", "Movie"], 2, "--moments yesterday now"),
    "one side": (["diff", "a.db", "--as", "Movie", "--authors", "ann"], 2, "expected 2 arguments"),
    "no schema": (["diff", "a.db", "--authors", "ann", "ben"], 2, "also needs --schema"),
    "no schema, no condition": (["where", "a.db"], 2, "also needs SCHEMA\n"),
    "an author": (["diff", "a.db", "--as", "Movie", "--authors", "ann", "zoe"], 1, "zoe"),
    "a property": (["conflicts", "a.db", "--as", "Movie", "--attribute", "yaer"], 1, "did you mean: year?"),
}


@pytest.mark.parametrize(("words", "code", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told(films, words, code, message):
    assert message in films(*words, exit=code)

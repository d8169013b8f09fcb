"""The verbs of vocabulary, and reading with it: alias, same, lens, vocabulary; --vocabulary, --as-version, --believe."""

import json

import pytest

from rhizomedb.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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
    run("add", "a.db", "Ran", "runtime", "162", "--as", "imdb")
    run("add", "a.db", "Chaos", "length", "160", "--as", "library", "--new")
    run("alias", "a.db", "runtime", "length", "--as", "ann")
    run("same", "a.db", "Ran", "Chaos", "--as", "ben")
    return run


def test_what_means_the_same_is_said_and_listed(films):
    out, _ = films("vocabulary", "a.db")
    lines = out.splitlines()
    assert lines[:5] == [
        "attributes that mean the same",
        "  runtime = length",
        "things that mean the same",
        "  Ran = Chaos",
        "said by",
    ]
    assert lines[5].startswith("  runtime = length  ann ") and lines[6].startswith("  Ran = Chaos       ben ")
    rows = [json.loads(line) for line in films("vocabulary", "a.db", "--json")[0].splitlines()]
    assert [(row["means_the_same"], row["author"]) for row in rows] == [("alias", "ann"), ("same-as", "ben")]
    assert "ben" not in films("vocabulary", "a.db", "--believe", "ann")[0]


def test_it_is_read_where_it_is_asked_for(films):
    assert films("get", "a.db", "Chaos", "runtime", "--vocabulary", "--policy", "all")[0] == "160\n162\n"
    assert films("get", "a.db", "Chaos", "length", "--vocabulary", "--policy", "max")[0] == "162\n"
    assert films("get", "a.db", "Chaos", "--vocabulary", "--json")[0].startswith('{"entity": "Ran"')
    out, _ = films("get", "a.db", "Ran", "--vocabulary", "--believe", "ann", "--believe", "ben")
    assert out.endswith("try: rhizome why a.db Ran name --vocabulary --believe ann --believe ben\n")
    assert films("get", "a.db", "Ran", "--vocabulary", "--believe", "ann")[0] == "Ran\n  name     Ran\n  runtime  162\n"
    why, _ = films("why", "a.db", "Chaos", "length", "--vocabulary")
    assert "as runtime of Ran" in why and "since runtime = length, says ann" in why
    assert json.loads(films("why", "a.db", "Chaos", "length", "--vocabulary", "--json")[0])["shown"] == 160
    out, _ = films("conflicts", "a.db", "--attribute", "length", "--vocabulary")
    assert out.splitlines()[0] == "Ran · runtime"
    assert out.endswith("1 conflict\ntry: rhizome why a.db Ran runtime --vocabulary\n")
    assert films("conflicts", "a.db")[0] == "no conflicts\n"


def test_it_is_taken_back_by_what_is_printed(films):
    out, _ = films("same", "a.db", "Chaos", "Ran", "--as", "cy")
    command = out.split("taken back by: ")[1].removesuffix(")\n").split()
    ids = [json.loads(line)["id"] for line in films("vocabulary", "a.db", "--json")[0].splitlines()[1:]]
    films(*command[1:])
    films("negate", "a.db", ids[0])
    assert "things" not in films("vocabulary", "a.db")[0]


def test_a_view_by_a_vocabulary(films):
    films("relate", "a.db", "film=@Chaos:players", "player=@Nakadai:plays in", "--as", "library")
    films("alias", "a.db", "cast", "players")
    films("alias", "a.db", "actor", "player")
    films("define", "a.db", '{"id": "film", "name": "Film", "selects": ["cast"]}')
    out, _ = films("show", "a.db", "Ran", "--as", "Film", "--vocabulary")
    assert out.splitlines()[0] == "Ran  (Film)"
    assert "Nakadai" in out
    assert "Nakadai" not in films("show", "a.db", "Ran", "--as", "Film", "--vocabulary", "--believe", "ann")[0]


def test_versions(films, tmp_path):
    (tmp_path / "steps.json").write_text('[{"rename": ["runtime", "minutes"]}, {"add": ["seen", false, "minutes"]}]')
    assert films("lens", "a.db", "film/1", "film/2", "@steps.json", "--as", "ann")[0].startswith(
        "said: film/1 → film/2"
    )
    assert (
        films("get", "a.db", "Ran", "--as-version", "film/2")[0]
        == "Ran\n  minutes  162\n  name     Ran\n  seen     false\n"
    )
    assert "as runtime of Ran = 162" in films("why", "a.db", "Ran", "minutes", "--as-version", "film/2")[0]
    assert films("vocabulary", "a.db")[0].splitlines()[-3:] == [
        "film/1 → film/2",
        '  {"rename": ["runtime", "minutes"]}',
        '  {"add": ["seen", false, "minutes"]}',
    ]
    films("lens", "a.db", "film/2", "film/1", '{"rename": ["length", "runtime"]}', "--as", "ben")
    films("relate", "a.db", "vocabulary=@vocabulary:lens", "from=x")
    out, _ = films("vocabulary", "a.db")
    assert "not used, a later lens counts: 0x" in out and ": a lens leads from one version to one other" in out
    rows = [json.loads(line) for line in films("vocabulary", "a.db", "--json")[0].splitlines()]
    assert rows[-2]["steps"] == [{"rename": ["length", "runtime"]}]
    assert "reason" in rows[-1]


def test_a_misspelt_attribute_is_told_of(films):
    assert films("alias", "a.db", "runtim", "minutes")[1] == (
        "note: nothing here has runtim yet; did you mean runtime?\nnote: nothing here has minutes yet\n"
    )


def test_nothing_is_said_yet(run):
    run("add", "a.db", "Ran", "runtime", "162")
    assert run("vocabulary", "a.db") == (
        "nothing is said to mean the same\n",
        "try: rhizome alias a.db title name\n",
    )


WRONG = {
    "one name": (("alias", "a.db", "title"), 1, "try: rhizome alias a.db title name"),
    "one thing": (("same", "a.db", "Ran"), 1, "try: rhizome same a.db film:42 tt0133093"),
    "no steps": (("lens", "a.db", "1", "2", "[]"), 1, "try: rhizome lens a.db task/1 task/2 '{"),
    "no lens leads there": (("get", "a.db", "Ran", "--as-version", "9"), 1, "try: rhizome vocabulary a.db lists them"),
    "a thing nobody knows": (("same", "a.db", "Ran", "Chaoss"), 1, "did you mean: Chaos?"),
    "no step": (("lens", "a.db", "1", "2", '{"renam": []}'), 1, "did you mean: rename?"),
    "no JSON": (("lens", "a.db", "1", "2", "rename"), 1, "'rename' is no JSON"),
    "too few parts": (("lens", "a.db", "1", "2", '{"rename": ["a"]}'), 1, "rename has 2 parts: old, new"),
    "no version": (("get", "a.db", "Ran", "--as-version", "film/9"), 1, "no lens leads to a version 'film/9'"),
    "both": (("get", "a.db", "Ran", "--as-version", "1", "--vocabulary"), 2, "by a vocabulary or as a version"),
    "neither": (("why", "a.db", "Ran", "runtime", "--believe", "ann"), 2, "--believe goes with"),
    "neither in a view": (("show", "a.db", "Ran", "--believe", "ann"), 2, "--believe goes with"),
    "nobody": (("vocabulary", "a.db", "--believe", "nobody"), 1, "nobody called 'nobody'"),
}


@pytest.mark.parametrize(("words", "code", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(films, words, code, message):
    assert message in films(*words, exit=code)[1]

"""The verb program, as text and as data."""

import json

import pytest

from rhizomedb.cli import main

FILMS = (
    'film(title: T, minutes: R) :- stands(entity: E, attribute: "name", value: T), '
    'stands(entity: E, attribute: "runtime", value: R).'
)
LONG = 'import "films". long(title: T) :- film(title: T, minutes: R), R > $least.'


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def command(*words, exit=0):
        code = main(words)
        printed = capsys.readouterr()
        assert code == exit, printed
        return printed.out, printed.err

    for name, minutes in (("Alien", "117"), ("Heat", "170")):
        command("add", "a.db", name, "runtime", minutes, "--as", "ann")
    return command


def test_programs_are_defined_listed_shown_and_run(run, tmp_path):
    assert run("program", "a.db")[0] == "0 programs\n"
    (tmp_path / "films.pomo").write_text(FILMS)
    define = ("program", "a.db", "define", "films", "@films.pomo", "--about", "films with their length", "--as", "ann")
    assert run(*define)[0] == "defined: films   (epoch 3)\n"
    assert run(*define)[0] == "films was defined just so already\n"
    run("program", "a.db", "define", "long films", LONG, "--as", "ben")
    out, _ = run("program", "a.db", "list")
    assert [line.split("  ")[0] for line in out.splitlines()] == ["films", "long films", "2 programs"]
    assert out.splitlines()[0].endswith("films with their length")
    assert run("program", "a.db", "show", "films")[0].splitlines()[::2] == ["// films: films with their length", FILMS]
    assert run("program", "a.db", "run", "long films", "--param", "least=150")[0] == "title\nHeat\n1 tuple\n"
    assert run("program", "a.db", "run", "films", "--limit", "1")[0].endswith("2 tuples, 1 shown\n")
    out, _ = run("program", "a.db", "run", "long films", "--param", "least=1", "--json")
    assert [json.loads(line) for line in out.splitlines()] == [{"title": "Alien"}, {"title": "Heat"}]
    assert run("program", "a.db", "check", "long films")[0] == "long films works: film, long\n"
    rows = [json.loads(line) for line in run("program", "a.db", "--json")[0].splitlines()]
    assert [(row["program"], row["author"]) for row in rows] == [("films", "ann"), ("long films", "ben")]


def test_what_was_defined_before_can_be_run(run):
    run("program", "a.db", "define", "films", FILMS)
    run("program", "a.db", "define", "long films", LONG)
    _, err = run("program", "a.db", "define", "films", 'film(title: T) :- stands(attribute: "name", value: T).')
    assert err == "note: long films imports it and does not work now\n"
    new, old = (line.split("  ") for line in run("program", "a.db", "history", "films")[0].splitlines())
    assert old[-1] == "taken back"
    assert run("program", "a.db", "run", "films", "--version", old[0])[0].startswith("title  minutes\n")
    assert run("program", "a.db", "run", "films", "--epoch", "4")[0].startswith("title  minutes\n")
    assert FILMS in run("program", "a.db", "show", "films", "--version", old[0])[0]
    assert run("program", "a.db", "check", "long films", exit=1)[1].startswith("logic.unknown-attribute")
    assert run("program", "a.db", "drop", "films")[0] == "taken back: films   (epoch 6)\n"
    assert "long films" in run("program", "a.db")[0]
    assert new[0] in run("program", "a.db", "history", "films", "--json")[0]


def test_a_view_is_watched_by_its_name(run):
    run("program", "a.db", "define", "films", FILMS)
    run("program", "a.db", "define", "long films", LONG)
    out, _ = run("program", "a.db", "view", "epics", "long films", "--param", "least=150")
    assert out == "defined: epics, a view of long films   (epoch 5)\n"
    assert run("program", "a.db")[0].endswith("2 programs, 1 view\n")
    out, _ = run("watch", "a.db", "epics", "--since", "0", "--timeout", "0")
    assert out.splitlines()[1].split() == ["+", "Heat"]
    out, _ = run("watch", "a.db", "epics", "--since", "0", "--timeout", "0", "--param", "least=100", "--json")
    assert [json.loads(line)["plus"] for line in out.splitlines()] == [[{"title": "Alien"}], [{"title": "Heat"}]]
    for verb in ("run", "show"):
        assert run("program", "a.db", verb, "epics", exit=1)[1] == (
            "program.unknown: 'epics' is no program but a view of long films\n"
            "  try: rhizome watch a.db epics --since 0\n"
        )
    assert run("program", "a.db", "drop", "epics")[0] == "taken back: epics   (epoch 6)\n"


@pytest.mark.parametrize(
    ("words", "exit", "message"),
    [
        (["run"], 2, "run takes NAME, and 0 were given"),
        (["define", "x"], 2, "define takes NAME and PROGRAM, and 1 were given"),
        (["list", "x"], 2, "list takes no name, and 1 were given"),
        (["rum", "x"], 2, "did you mean: run?"),
        (["run", "film"], 1, "no program 'film' is defined here\n  did you mean: films?"),
        (["show", "film"], 1, "did you mean: films?"),
        (["define", "x", "p(x: X"], 1, "logic.syntax"),
        (["define", "x(", "p(x: X) :- fact(value: X)."], 1, "program.name"),
        (["run", "films", "--policy", "max"], 1, "db.unknown-policy"),
        (["run", "films", "--version", "zz"], 1, "program.version"),
        (["view", "v", "film"], 1, "program.unknown"),
        (["drop", "film"], 1, "program.unknown"),
    ],
)
def test_what_makes_no_sense_is_told(run, words, exit, message):
    run("program", "a.db", "define", "films", FILMS)
    assert message in run("program", "a.db", *words, exit=exit)[1]

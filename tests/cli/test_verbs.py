"""Every verb, as text and as data: on the demo's films, on three real tables of countries, and on a git history."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from importlib import resources
from itertools import permutations
from pathlib import Path
from typing import Any

import apsw
import pytest

import rhizomedb
from rhizomedb.cli import main, read
from rhizomedb.cli.parser import VERBS
from rhizomedb.db.programs.checking import EARLY
from rhizomedb.exchange.git import Commit
from rhizomedb.exchange.importer import commit_facts
from rhizomedb.facts.value import VALUE_BYTES_MAX

COUNTRIES = Path(__file__).parents[1] / "data" / "conflicts"
CATALOGUES = ("imdb.csv", "wiki.csv", "wiki-corrected.csv")
RHIZOME = [sys.executable, "-m", "rhizomedb"]

Row = dict[str, Any]


class Shell:
    """Runs commands in this process, in a folder of the test's own."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder
        self.notes = ""

    def __call__(self, command: str, exit: int = 0) -> str:
        """What a command prints; what it says on the error stream is in `notes`."""
        self._capsys.readouterr()
        code = main(shlex.split(command))
        printed = self._capsys.readouterr()
        self.notes = printed.err
        assert code == exit, printed.err
        return printed.out

    def rows(self, command: str) -> list[Row]:
        """What a command prints with `--json`: one object a line."""
        rows = [json.loads(line) for line in self(f"{command} --json").splitlines()]
        assert all(isinstance(row, dict) for row in rows)
        return rows

    def row(self, command: str) -> Row:
        (row,) = self.rows(command)
        return row

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's catalogues, and a database that holds two of them."""
    folder = tmp_path_factory.mktemp("shelf")
    for name in CATALOGUES:
        with resources.as_file(resources.files("rhizomedb.cli.demo") / name) as path:
            shutil.copy(path, folder / name)
    for name, author in (("imdb.csv", "imdb"), ("wiki.csv", "wikipedia")):
        assert main(["import", str(folder / "films.db"), str(folder / name), "--as", author, "--key", "title"]) == 0
    return folder


@pytest.fixture
def sh(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    yield Shell(capsys, tmp_path)


def films(name: str) -> dict[str, dict[str, str]]:
    with resources.files("rhizomedb.cli.demo").joinpath(name).open(encoding="utf-8", newline="") as file:
        return {row["title"]: row for row in csv.DictReader(file)}


# Every verb once.

QUERY = shlex.quote(
    'long(title: T, minutes: R) :- fact(entity: E, attribute: "title", value: T), '
    'fact(entity: E, attribute: "runtime", value: R), R > 180.'
)

HAPPY: list[tuple[str, str, set[str]]] = [
    ("import films.db wiki-corrected.csv --as wikipedia --key title", "41 rows as wikipedia: 12 new statements (epoch 3)",
     {"rows", "epoch", "deltas", "facts", "author", "bad_rows", "notices"}),
    ("conflicts films.db --limit 1", "70 conflicts, 69 more not shown",
     {"entity", "id", "attribute", "values", "shown", "policy", "reason"}),
    ('get films.db "The Matrix"', "  runtime   138              ≠\n", {"entity", "id", "policy", "values", "contested"}),
    ('get films.db "The Matrix" runtime', "138\n", {"entity", "id", "policy", "values", "contested"}),
    ('why films.db "The Matrix" runtime', "The Matrix · runtime = 138\n",
     {"entity", "id", "attribute", "shown", "policy", "reason", "for", "against", "fallen"}),
    ('history films.db "The Matrix" runtime', "claimed           author     value  now     arrived\n",
     {"attribute", "value", "author", "time", "status", "epoch", "arrived", "origin", "fact", "delta"}),
    ("log films.db", "12 Angry Men · title = 12 Angry Men; ", {"delta", "author", "time", "facts", "said", "parents", "missing"}),
    ('log --graph films.db "The Matrix" -n 1', "  wikipedia  20", {"delta", "author", "time", "facts", "said", "parents"}),
    ("find films.db kubrick", "2001: A Space Odyssey", {"entity", "id", "policy", "values", "contested"}),
    ("crdt", "add-wins-set          a remove takes back the adds that it had seen\n", {"name", "summary", "answer"}),
    ("crdt show counter", "step(fact: C, counter: E, by: N) :-", {"name", "summary", "answer", "program"}),
    (f"query films.db {QUERY}", "Seven Samurai           207\n3 tuples\n", {"title", "minutes"}),
    (f"query films.db {QUERY} --explain", "probe fact", {"plan"}),
    ('add films.db "The Matrix" runtime 136', "said: The Matrix · runtime = 136   (epoch 3)\n",
     {"epoch", "deltas", "facts", "new_entity"}),
    ('retract films.db "The Matrix" runtime 138', "taken back: The Matrix · runtime · 138   (1 claim;",
     {"epoch", "deltas", "facts"}),
    ("schema films.db", "runtime    int      66        46", {"attribute", "facts", "entities", "kinds"}),
    ("stats films.db", "authors: imdb, wikipedia", {"facts", "entities", "deltas", "names", "held_back"}),
    ("export films.db", "title,country,director,genre,released,runtime,year\n", {"title", "runtime"}),
    ("verify films.db", "all well: 2 deltas, 392 facts", {"ok", "deltas", "facts"}),
    ("films.db", "films.db: 392 facts about 46 entities, 7 attributes\n", {"facts", "names", "conflicts", "more_conflicts"}),
]  # fmt: skip


@pytest.mark.parametrize(("command", "text", "keys"), HAPPY, ids=[command for command, _, _ in HAPPY])
def test_verb(sh: Shell, command: str, text: str, keys: set[str]) -> None:
    shutil.copy("films.db", "again.db")
    assert text in sh(command)
    assert not sh.notes
    shutil.copy("again.db", "films.db")
    rows = sh.rows(command)
    assert rows
    assert all(keys <= set(row) for row in rows)


def test_every_verb_is_tested() -> None:
    elsewhere = {
        *("demo", "attach", "fetch", "attachments"),  # test_attach.py
        *("push", "pull"),  # tests/remote
        *("watch", "backup", "restore", "doctor", "compact", "limits"),  # test_care.py
        *("edges", "relate", "negate"),  # test_edges.py
        *("define", "schemas", "show"),  # test_schemas.py
        *("where", "diff"),  # test_views_of_schemas.py
        "revert",  # test_revert.py
        "program",  # test_program.py
        *("alias", "same", "lens", "vocabulary"),  # test_wording.py
        "check",  # below: it asks no database
    }
    assert {command.split()[0] for command, _, _ in HAPPY} >= set(VERBS) - elsewhere


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([verb, "--help"])
    text = capsys.readouterr().out
    assert leaving.value.code == 0
    assert text.startswith(f"usage: rhizome {verb} ")
    assert "--json" in text


def test_rhizome_alone(sh: Shell) -> None:
    text = sh("")
    assert all(f"  {verb} " in text for verb in VERBS)
    assert all(len(line) <= 80 for line in text.splitlines())
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0


def test_summary(sh: Shell) -> None:
    """Five lines, and what to do next, which can be typed as it stands."""
    before, _, after = sh("films.db").partition("next:\n")
    assert len(before.splitlines()) == 5
    assert "65 conflicts" in before or "70 conflicts, first 2001: A Space Odyssey · country" in before
    for command in after.splitlines():
        assert sh(command.strip().removeprefix("rhizome "))
    sh("add 'my films.db' Alien year 1979")
    assert "\n  rhizome find 'my films.db' TEXT\n" in sh("'my films.db'")


def test_more_conflicts_than_are_counted(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary does not look at every conflict of a large file, nor does `conflicts` where few are to be shown."""
    monkeypatch.setattr(read, "COUNTED_MAX", 9)
    assert "\n  more than 9 conflicts, first " in sh("films.db")
    (row,) = sh.rows("films.db")
    assert (row["conflicts"], row["more_conflicts"]) == (9, True)
    assert "\nmore than 9 conflicts, not all of them shown\n" in sh("conflicts films.db --limit 2")
    assert "\n65 conflicts\n" in sh("conflicts films.db") or "\n70 conflicts\n" in sh("conflicts films.db")


def test_demo(sh: Shell) -> None:
    text = sh("demo here")
    assert "$ rhizome verify films.db\nall well: 3 deltas, 404 facts" in text
    assert sh.rows("demo there")[0] == {
        "command": "rhizome import films.db imdb.csv --as imdb --key title",
        "about": "Two catalogues. Each is taken in as what one source says; the title names the film.",
    }


def test_options_in_any_order(sh: Shell) -> None:
    assert sh('get --policy first films.db "The Matrix" --epoch 2 runtime') == "136\n"


# What is shown.


def test_conflicts(sh: Shell) -> None:
    """As many as the files have, and for each who says what since when."""
    imdb, wiki = films("imdb.csv"), films("wiki.csv")
    expected = {
        (title, column): {imdb[title][column], wiki[title][column]}
        for title in imdb.keys() & wiki.keys()
        for column in imdb[title]
        if imdb[title][column] and wiki[title][column] and imdb[title][column] != wiki[title][column]
    }
    found = sh.rows("conflicts films.db")
    assert {(r["entity"], r["attribute"]): {str(v["value"]) for v in r["values"]} for r in found} == expected
    matrix = next(r for r in found if (r["entity"], r["attribute"]) == ("The Matrix", "runtime"))
    assert [(v["value"], [a["name"] for a in v["authors"]]) for v in matrix["values"]] == [
        (138, ["wikipedia"]),
        (136, ["imdb"]),
    ]
    assert all(a["time"].startswith("20") for v in matrix["values"] for a in v["authors"])
    assert (matrix["shown"], matrix["policy"], matrix["reason"]) == (138, "latest", "claimed most recently")
    assert len(sh.rows("conflicts films.db --limit 3")) == 3
    assert {r["attribute"] for r in sh.rows('conflicts films.db "The Matrix"')} == {
        "director", "genre", "released", "runtime",
    }  # fmt: skip
    assert {r["attribute"] for r in sh.rows("conflicts films.db --attribute runtime")} == {"runtime"}
    assert sh("conflicts films.db --by imdb") == "no conflicts\n"


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        ("latest", "138"), ("first", "136"), ("max", "138"), ("min", "136"), ("vote", "138"), ("all", "136\n138"),
        ("trusted:imdb", "136"), ("trusted:wikipedia,imdb", "138"),
    ],
)  # fmt: skip
def test_policy(sh: Shell, policy: str, shown: str) -> None:
    assert sh(f'get films.db "The Matrix" runtime --policy {policy}') == f"{shown}\n"
    (row,) = (r for r in sh.rows(f'conflicts films.db "The Matrix" --policy {policy}') if r["attribute"] == "runtime")
    assert row["policy"].partition(":")[0] == policy.partition(":")[0]


def test_moments(sh: Shell) -> None:
    """What was claimed up to a time, after a time, by somebody, and what this copy knew at an epoch."""
    get = 'get films.db "The Matrix" runtime'
    imdb, _wiki = sh.rows('history films.db "The Matrix" runtime')
    sh('add films.db "The Matrix" runtime 137 --as alice')
    assert sh(get) == "137\n"
    assert sh(f"{get} --as-of {imdb['time']}") == "136\n"
    assert sh(f"{get} --epoch 2") == "138\n"
    assert sh(f"{get} --by imdb") == "136\n"
    assert sh(f"{get} --by imdb --by wikipedia") == "138\n"
    assert sh(f"{get} --since {imdb['time']} --epoch 2") == "138\n"
    assert sh(f"{get} --as-of now") == "137\n"
    sh(f'{get} --as-of "2 hours ago"', exit=1)
    assert "(as of 2 hours ago)" in sh.notes
    assert len(sh.rows('history films.db "The Matrix" runtime --epoch 1')) == 1
    assert sh.row("stats films.db --epoch 1")["facts"] == 279


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ("--where 'year < 1950'", 1), ("--where 'year <= 1942' --where 'country = United States'", 1),
        ("--where 'title ~ matrix'", 1), ("--where 'title = \"The Matrix\"'", 1), ("--where 'year != 1999'", 45),
        ("matrix", 1), ("xyzzy", 0), ("--where 'runtime > 200'", 2), ("", 46),
    ],
)  # fmt: skip
def test_find(sh: Shell, conditions: str, count: int) -> None:
    expected = sh.rows(f"find films.db {conditions}")
    if "year" in conditions or "runtime" in conditions:
        shown = sh.rows("export films.db")
        assert len(expected) == len([r for r in shown if _holds(r, conditions)])
    else:
        assert len(expected) == count
    noun = "entity" if len(expected) == 1 else "entities"
    assert sh(f"find films.db {conditions}").splitlines()[-1] == f"{len(expected)} {noun}"
    assert len(sh.rows(f"find films.db {conditions} --limit 1")) == min(1, len(expected))


def _holds(row: Row, conditions: str) -> bool:
    tests: dict[str, Callable[[Row], bool]] = {
        "year < 1950": lambda r: r["year"] < 1950,
        "year <= 1942": lambda r: r["year"] <= 1942,
        "country = United States": lambda r: r["country"] == "United States",
        "year != 1999": lambda r: r["year"] != 1999,
        "runtime > 200": lambda r: r["runtime"] > 200,
    }
    return all(test(row) for text, test in tests.items() if text in conditions)


def test_query(sh: Shell) -> None:
    program = (
        'minutes(film: T, minutes: R) :- fact(entity: E, attribute: "title", value: T),\n'
        '                                fact(entity: E, attribute: "runtime", value: R).\n'
        "long(film: T) :- minutes(film: T, minutes: R), R > $limit.\n"
    )
    sh.write("long.dl", program)
    assert sh("query films.db @long.dl --param limit=210") == "film\nLawrence of Arabia\n1 tuple\n"
    assert sh.rows("query films.db @long.dl --param limit=210") == [{"film": "Lawrence of Arabia"}]
    assert len(sh.rows("query films.db @long.dl --param limit=0 --relation minutes --limit 5")) == 5
    assert "5 shown" in sh("query films.db @long.dl --param limit=0 --relation minutes --limit 5")
    assert "tuple" in sh("query films.db @long.dl --param limit=210 --explain")
    assert sh("query films.db @long.dl --param limit=210 --budget facts=1000000 --budget time=20 --epoch 1").endswith(
        "1 tuple\n"
    )
    assert sh.rows("query films.db 'p(x: 007). p(x: 1.5). p(x: \"\\u00e9\").'") == [{"x": 7}, {"x": 1.5}, {"x": "é"}]


def standing(sh: Shell) -> list[tuple[str, int, bool]]:
    """Who said what of one runtime, and whether it still stands."""
    rows = sh.rows('history films.db "The Matrix" runtime')
    return [(row["author"], row["value"], row["status"] == "stands") for row in rows]


def test_say_and_take_back(sh: Shell) -> None:
    assert sh('add films.db "The Matrix" runtime 140 --as alice') == "said: The Matrix · runtime = 140   (epoch 3)\n"
    assert sh('get films.db "The Matrix" runtime') == "140\n"
    assert "was said by you already" in sh('add films.db "The Matrix" runtime 140 --as alice')
    assert standing(sh) == [("imdb", 136, False), ("wikipedia", 138, False), ("alice", 140, True)]

    sh('retract films.db "The Matrix" runtime --own --as imdb', exit=1)
    assert "taken back" in sh('retract films.db "The Matrix" runtime --own --as alice')
    assert sh('get films.db "The Matrix" runtime') == ""
    assert "nothing stands" in sh.notes
    assert sh.row('get films.db "The Matrix" runtime')["values"] == {}
    assert sh('add films.db "The Matrix" runtime 140 --as alice').startswith("said: ")

    said = sh("add films.db Nostalghia year 1972")
    assert (
        said
        == "said: Nostalghia · year = 1972   (epoch 6); nothing here was called Nostalghia, so this is a new entity\n"
    )
    assert sh.row("add films.db Zerkalo year 1975")["new_entity"] is True
    assert sh.row("add films.db Zerkalo runtime 107")["new_entity"] is False
    sh("retract films.db Nostalghia")
    assert sh("get films.db Nostalghia") == ""
    assert "rhizome history films.db Nostalghia" in sh.notes


@pytest.mark.parametrize(
    ("word", "options", "value"),
    [
        ("136", "", 136), ("-5", "", -5), ("2.5", "", 2.5), ("true", "", True), ("007", "", "007"), ("+5", "", "+5"),
        ("1e3", "", 1000.0), ("1_000", "", "1_000"), ("136", "--type text", "136"), ("136", "--type float", 136.0),
        ("nan", "", "nan"), ("", "", ""), ("9" * 30, "", "9" * 30), ("two words", "", "two words"),
    ],
)  # fmt: skip
def test_values_of_words(sh: Shell, word: str, options: str, value: object) -> None:
    """A word means what it looks like, and else is text exactly as typed."""
    sh(f"add new.db thing is {options} -- {shlex.quote(word)}" if word.startswith("-") else
       f"add new.db thing is {shlex.quote(word)} {options}")  # fmt: skip
    shown = sh.row("get new.db thing is")["values"]["is"]
    assert (shown, type(shown)) == (value, type(value))


def test_labels(sh: Shell) -> None:
    """What has a title or name is called by it; what has a key, by the key."""
    sh.write("cities.csv", "city,population\nRome,2\nOslo,1\n")
    sh("import cities.db cities.csv --key city")
    assert {row["entity"] for row in sh.rows("find cities.db")} == {"Rome", "Oslo"}
    sh.write("years.csv", "country,year,people\nNamibia,2000,5\nNamibia,2001,6\n")
    sh("import years.db years.csv --key country,year")
    for row in sh.rows("find years.db"):
        assert sh.row(f"get years.db {shlex.quote(row['entity'])}")["values"] == row["values"]


# Tables in.


def _table(name: str) -> list[dict[str, str]]:
    with (COUNTRIES / f"countries_{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


NUMBERS = {"area_km2": float, "latitude": float, "longitude": float, "land_neighbours": int}


SOURCES = ("mledoze", "factbook", "codes")


def _disagreements(*sources: str) -> tuple[Counter[str], Counter[str]]:
    """Read from the files alone: for each column, the cells that differ, and those that more than one source has."""
    said: dict[tuple[str, str], list[object]] = defaultdict(list)
    for source in sources:
        for row in _table(source):
            for column, cell in row.items():
                if cell.strip() and column != "iso3":
                    said[row["iso3"], column].append(NUMBERS.get(column, str)(cell))
    differ = Counter(column for (_, column), values in said.items() if len(set(values)) > 1)
    return differ, Counter(column for (_, column), values in said.items() if len(values) > 1)


def _told_of_pairs() -> dict[frozenset[str], dict[str, tuple[int, int]]]:
    """The table of the folder's README: for each pair and column, how many cells differ, of how many that both have."""
    lines = (COUNTRIES / "README.md").read_text("utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("| column |"))
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[start : start + 12])
    pairs = [frozenset(pair.split(", ")) for pair in header[1:]]
    told: dict[frozenset[str], dict[str, tuple[int, int]]] = {pair: {} for pair in pairs}
    for column, *cells in rows:
        for pair, cell in zip(pairs, cells, strict=True):
            if cell != "–":
                differ, both = cell.split(" of ")
                told[pair][column] = int(differ), int(both)
    return told


def _import_countries(sh: Shell, *sources: str) -> None:
    for name in sources:
        sh(f"import c.db {COUNTRIES}/countries_{name}.csv --as {name} --key iso3")


@pytest.mark.parametrize("order", [*permutations(SOURCES, 2)], ids="-".join)
def test_two_tables_of_countries(sh: Shell, order: tuple[str, str]) -> None:
    """The conflicts are the cells that differ, as the README of the tables counts them, whichever comes first."""
    told = _told_of_pairs()[frozenset(order)]
    differ, both = _disagreements(*order)
    assert told == {column: (differ[column], both[column]) for column in both}
    _import_countries(sh, *order)
    found = Counter(row["attribute"] for row in sh.rows("conflicts c.db"))
    assert found == differ
    assert found["area_km2"] == (86 if "codes" not in order else 0)


@pytest.mark.parametrize("order", [*permutations(SOURCES)], ids="-".join)
def test_three_tables_of_countries(sh: Shell, order: tuple[str, ...]) -> None:
    """The conflicts are those of the files, in whatever order they come."""
    _import_countries(sh, *order)
    found = Counter(row["attribute"] for row in sh.rows("conflicts c.db"))
    assert found == _disagreements(*order)[0]
    assert (found.total(), found["capital"], found["area_km2"]) == (411, 39, 86)
    if order[0] == "mledoze":
        name = order[-1]
        again = f"import c.db {COUNTRIES}/countries_{name}.csv --as {name} --key iso3"
        assert "nothing new, everything in it was said by" in sh(again)
        assert sh.row(again)["facts"] == 0
        assert sh("verify c.db").startswith("all well")


def test_a_new_edition(sh: Shell) -> None:
    """It replaces what the same source said, and nothing else."""
    text = Path("wiki.csv").read_text("utf-8").replace(",138,", ",999,")
    assert text.count(",999,") >= 1
    sh.write("edited.csv", text)
    sh('add films.db "The Matrix" note x --as alice')
    said = sh.row("import films.db edited.csv --as wikipedia --key title")
    assert said["facts"] == text.count(",999,")
    assert standing(sh) == [("imdb", 136, True), ("wikipedia", 138, False), ("wikipedia", 999, True)]
    assert sh.row("import films.db wiki.csv --as wikipedia --key title")["facts"] == text.count(",999,")
    assert sh('get films.db "The Matrix" runtime') == "138\n"


def test_no_key(sh: Shell) -> None:
    sh("import new.db imdb.csv")
    assert "no key was named" in sh.notes
    sh("import new.db imdb.csv")
    assert sh.row("stats new.db")["entities"] == 80
    sh.write("head.csv", "a,b\n")
    assert sh("import new.db head.csv") == "0 rows as head: nothing new, there are no rows in it\n"
    assert not sh.notes


def test_standard_input(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped:
        def __init__(self, data: bytes) -> None:
            self.buffer = io.BytesIO(data)

    monkeypatch.setattr(sys, "stdin", Piped(Path("imdb.csv").read_bytes()))
    assert sh("import new.db - --key title").startswith("40 rows as stdin: ")
    monkeypatch.setattr(sys, "stdin", Piped(sh("export films.db --format jsonl").encode()))
    assert sh("import copy.db -") == "2 deltas taken in, 0 known already\n"


def test_compressed(sh: Shell) -> None:
    Path("imdb.csv.gz").write_bytes(gzip.compress(Path("imdb.csv").read_bytes()))
    assert sh("import new.db imdb.csv.gz --key title").startswith("40 rows as imdb: ")
    sh("export new.db out.json.gz")
    assert len(json.loads(gzip.decompress(Path("out.json.gz").read_bytes()))) == 40


def test_options_of_a_table(sh: Shell) -> None:
    sh.write("t.csv", 'name;n;x;y\nA;1;" q ";drop\nB;2;r;drop\n')
    sh("import t.db t.csv --key name --rename x=z --type n=float --drop y --strip --delimiter ';'")
    assert sh.row("get t.db A")["values"] == {"name": "A", "n": 1.0, "z": "q"}
    sh.write("q.tsv", 'name\tsaid\nA\t"Hello\nB\tyou" said\n')
    sh("import q.db q.tsv --key name --no-quotes")
    assert sh.row("get q.db A said")["values"] == {"said": '"Hello'}
    sh.write("u.csv", "a,\n1,2\n")
    sh('import u.db u.csv --key a --drop ""')
    assert sh.row("get u.db 1")["values"] == {"a": 1}


def test_skip_bad(sh: Shell) -> None:
    sh.write("bad.csv", "name,n\nA,1\nB\nC,3,4\nD,5\n")
    assert sh("import new.db bad.csv --key name --skip-bad").startswith("2 rows as bad: ")
    assert "2 rows skipped:\n  line 3: 1 cell where" in sh.notes
    row = sh.row("import other.db bad.csv --key name --skip-bad")
    assert [bad["line"] for bad in row["bad_rows"]] == [3, 4]


def test_dry_run(sh: Shell) -> None:
    """It reads and reports; it makes no file and changes none."""
    sh("export films.db deltas.jsonl")
    repository(sh.folder / "repo")
    files, data = sh.files(), Path("films.db").read_bytes()
    for source, said in (
        ("imdb.csv --key title", "40 rows would be imported as imdb"),
        ("deltas.jsonl", "2 deltas would be taken in"),
        ("--git repo", "5 commits would be imported as git"),
    ):
        for target in ("new.db", "films.db"):
            assert sh(f"import {target} {source} --dry-run").startswith(f"{said}; nothing was written\n")
            assert sh.rows(f"import {target} {source} --dry-run")
    assert (sh.files(), Path("films.db").read_bytes()) == (files, data)


# Out, and in again elsewhere.


@pytest.mark.parametrize("format", ["csv", "json"])
def test_export_of_the_view(sh: Shell, format: str) -> None:
    sh(f"export films.db view.{format}")
    assert sh.notes == f"46 rows written to view.{format}\n"
    sh(f"import other.db view.{format} --key title --as view")
    sh(f"export other.db again.{format}")
    assert Path(f"again.{format}").read_bytes() == Path(f"view.{format}").read_bytes()
    assert sh.rows("export other.db") == sh.rows("export films.db")
    assert sh.row(f"export films.db third.{format}") == {"file": f"third.{format}", "format": format, "rows": 46}
    assert sh("verify other.db").startswith("all well")


def test_export_of_all_that_stands(sh: Shell) -> None:
    rows = sh.rows("export films.db --policy all")
    assert next(row for row in rows if row["title"] == ["The Matrix"])["runtime"] == [136, 138]
    sh("export films.db all.json --policy all")
    sh("import other.db all.json --key title --as everybody")
    assert len(sh.rows("conflicts other.db")) == 70


def test_what_has_nothing_to_show_is_no_row(sh: Shell) -> None:
    with rhizomedb.open(sh.folder / "notes.db", author="ann") as db:
        db.doc(rhizomedb.entity(name="Notes")).update(name="Notes", todo=[])
        db.text(rhizomedb.entity(text="plain")).append("words")
    assert [row["name"] for row in json.loads(sh("export notes.db --format json"))] == ["Notes"]
    assert sh("export notes.db").splitlines()[0] == "name,todo" and len(sh("export notes.db").splitlines()) == 2


def test_export_of_every_delta(sh: Shell) -> None:
    sh('add films.db "The Matrix" runtime 137 --as alice')
    sh('retract films.db "Alien" runtime --as alice')
    sh("export films.db deltas.jsonl")
    assert sh("import other.db deltas.jsonl --as ignored") == "4 deltas taken in, 0 known already\n"
    assert "signed deltas" in sh.notes
    assert sh.row("import other.db deltas.jsonl") == {"new": 0, "known": 4, "held": 0}
    for command in ("export", "conflicts", 'history "The Matrix"', "schema"):
        verb, _, rest = command.partition(" ")
        ours, theirs = (sh.rows(f"{verb} {name}.db {rest}") for name in ("films", "other"))
        for row in (*ours, *theirs):
            for arrival in ("epoch", "arrived", "origin"):  # what each copy knows for itself
                row.pop(arrival, None)
        assert ours == theirs
    assert sh("verify other.db").startswith("all well")


def test_long_and_odd_attribute_names(sh: Shell) -> None:
    """A name is whole in what programs read, however it is cut for people."""
    name = "a" * 100
    sh(f"add new.db thing {name} 1")
    assert sh.row("get new.db thing")["values"] == {name: 1, "name": "thing"}
    assert name in sh("export new.db")


# A git history.

GIT = {
    **{
        f"GIT_{who}_{what}": f"{what.lower()}@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def git(folder: Path, *arguments: str, input: str | None = None) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, input=input, env={**os.environ, **GIT}
    ).stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "commit", "--allow-empty", "--quiet", "--file", "-", input=message)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path) -> list[str]:
    """One root, a fork, a merge, and a second fork that nobody has merged; returns the heads."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "the root")
    git(folder, "checkout", "--quiet", "-b", "side")
    commit(folder, "aside")
    git(folder, "checkout", "--quiet", "main")
    commit(folder, "onwards")
    git(folder, "merge", "--quiet", "--no-edit", "side")
    merged = git(folder, "rev-parse", "HEAD")
    git(folder, "checkout", "--quiet", "side")
    return sorted([merged, commit(folder, "aside again")])


def test_git(sh: Shell) -> None:
    heads = repository(sh.folder / "repo")
    assert sh("import g.db --git repo").startswith("5 commits as git: ")
    assert sh.row("get g.db repo git/commit --policy all")["values"] == {"git/commit": heads}
    (conflict,) = sh.rows("conflicts g.db --attribute git/commit")
    assert sorted(said["value"] for said in conflict["values"]) == heads
    assert sh.row('get g.db "onwards"')["values"]["git/author"] == "name@example.org"
    assert "nothing new" in sh("import g.db --git repo")

    git(sh.folder / "repo", "checkout", "--quiet", "main")
    git(sh.folder / "repo", "merge", "--quiet", "--no-edit", "side")
    head = git(sh.folder / "repo", "rev-parse", "HEAD")
    row = sh.row("import g.db --git repo")
    assert (row["commits"], row["facts"]) == (6, 8)  # the head, and seven facts about the one new commit
    assert sh.row("get g.db repo git/commit --policy all")["values"] == {"git/commit": [head]}
    assert sh("conflicts g.db --attribute git/commit") == "no conflicts\n"

    git(sh.folder, "clone", "--quiet", "repo", "clone")
    sh("import g.db --git clone")
    assert sh.row("get g.db repo git/commit --policy all")["values"] == {"git/commit": [head]}
    assert sh("verify g.db").startswith("all well")


def test_git_long_subject() -> None:
    """A history is not refused for a subject that no value can hold."""
    long = Commit("a" * 40, (), "é" * VALUE_BYTES_MAX, "e", 1, 1, "s" * (VALUE_BYTES_MAX + 1), "")
    facts = {fact.attribute: fact.value for fact in commit_facts([long], rhizomedb.entity(name="repo"))}
    assert str(facts["title"]).endswith("s…")
    assert len(str(facts["title"]).encode()) == VALUE_BYTES_MAX
    assert len(str(facts["git/author"]).encode()) <= VALUE_BYTES_MAX


def test_git_empty(sh: Shell) -> None:
    (sh.folder / "repo").mkdir()
    git(sh.folder / "repo", "init", "--quiet")
    assert sh("import g.db --git repo").startswith("0 commits as git: nothing new")


# At a terminal, and between processes.

EVIL = "\x1b[31mred\x07\x9b2J\u202eab\u2066c\x7f"


def test_no_control_characters(sh: Shell) -> None:
    """Nothing that is stored may drive the terminal."""
    sh.write("evil.csv", f"name,a{EVIL},b\n{EVIL},1,{EVIL}\n")
    Path("evil2.csv").write_text(f"name,b\n{EVIL},other{EVIL}\n")
    sh("import e.db evil.csv --key name")
    sh("import e.db evil2.csv --key name")
    name = shlex.quote(EVIL)
    for command in (
        f"get e.db {name}", f"history e.db {name}", f"why e.db {name} b", f"conflicts e.db {name}", "conflicts e.db",
        "find e.db", "schema e.db", "e.db", "stats e.db", f"add e.db {name} b {name}", f"add e.db --new new{name} b {name}",
        f"retract e.db {name} b", "query e.db 'p(x: X) :- fact(value: X).'",
        f"query e.db {shlex.quote('p(x: X) :- fact(attribute: $n, value: X).')} --param n={name} --explain",
    ):  # fmt: skip
        text = sh(command) + sh.notes
        assert text
        assert not {c for c in text if unicodedata.category(c) in ("Cc", "Cf")} - {"\n"}, command
    sh(f"get e.db x{name}", exit=1)
    assert not {c for c in sh.notes if unicodedata.category(c) in ("Cc", "Cf")} - {"\n"}


def at_terminal(*arguments: str, columns: int = 80, **environment: str) -> str:
    """What a command prints at a terminal."""
    child, descriptor = pty.fork()
    if child == 0:
        os.environ.update(environment, COLUMNS=str(columns), TERM="xterm")
        os.execv(sys.executable, [*RHIZOME, *arguments])
    printed = b""
    with open(descriptor, "rb", buffering=0) as terminal:
        while True:
            try:
                data = terminal.read(65536)
            except OSError:
                break
            if not data:
                break
            printed += data
    os.waitpid(child, 0)
    return printed.decode().replace("\r\n", "\n")


def test_terminal(sh: Shell) -> None:
    """Colours only where nobody asked for none; tables as wide as the terminal, times whole."""
    assert "\x1b[1m" in at_terminal("get", "films.db", "The Matrix", NO_COLOR="")
    text = at_terminal("history", "films.db", "2001: A Space Odyssey", NO_COLOR="1")
    assert "\x1b" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert all(line[16:18] == "  " and line[13] == ":" for line in text.splitlines()[2:])
    for verb in ("verify", "doctor"):
        assert re.search(r"verifying.* [0-9]+%.*\r\x1b\[K", at_terminal(verb, "films.db", NO_COLOR="1")), verb
    sh.write("long.csv", f"title,genre\nAlien,{'horror ' * 20}\n")
    sh("import films.db long.csv --as long --key title")
    text = at_terminal("conflicts", "films.db", "Alien", columns=60, NO_COLOR="1")
    assert all(len(line) <= 60 or line.startswith("try: ") for line in text.splitlines())
    assert any(line.strip().startswith("long 20") for line in text.splitlines())


def test_a_graph_in_a_narrow_terminal(sh: Shell) -> None:
    """Lines are cut to the width; the graph leaves room for what it is a graph of."""
    for number in range(12):
        sh(f'add films.db "Film {number}" year 1990 --new')
        sh(f'add films.db "Film {number}" year 1991')
    text = at_terminal("log", "films.db", "--graph", columns=40, NO_COLOR="1")
    assert all(len(line) <= 40 for line in text.splitlines())
    assert len([line for line in text.splitlines() if re.search("[●○].* …[a-z2-7]{10}  ", line)]) == 26


def test_reader_that_has_seen_enough(sh: Shell) -> None:
    """`| head` ends a command in silence."""
    for verb in (f"query films.db {shlex.quote('p(x: X, y: Y) :- fact(entity: X, attribute: 1 + 1), fact(value: Y).')}",
                 "query films.db 'p(x: X, y: Y) :- fact(entity: X, attribute: \"title\"), fact(value: Y).'",
                 "query films.db 'p(x: X, y: Y) :- fact(entity: X, attribute: \"title\"), fact(value: Y).' --json")[1:]:  # fmt: skip
        command = f"set -o pipefail; {shlex.join(RHIZOME)} {verb} | head -1"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == 1


def test_interrupted_import(sh: Shell) -> None:
    """Ctrl-C in the middle of a write leaves the file as it was, whole."""
    with open("big.csv", "w", encoding="utf-8") as file:
        file.write("id,a,b\n" + "".join(f"{n},a{n},b{n}\n" for n in range(60_000)))
    before = sh.row("stats films.db")
    process = subprocess.Popen([*RHIZOME, "import", "films.db", "big.csv", "--key", "id"], stderr=subprocess.PIPE)
    other = apsw.Connection("films.db")
    for _ in range(3000):
        try:
            other.execute("BEGIN IMMEDIATE; ROLLBACK")
        except apsw.BusyError:
            break  # it is writing
        time.sleep(0.005)
    else:
        pytest.fail("the import never began to write")
    other.close()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, b"interrupted; the file is as it was before, or holds the whole write\n")
    assert sh.row("stats films.db") == before
    assert sh("verify films.db").startswith("all well")


def test_conflicts_are_counted_up_to_some(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhizomedb.cli.read.COUNTED_MAX", 3)
    assert "more than 3 conflicts, not all of them shown\n" in sh("conflicts films.db --limit 2")
    assert ", 68 more not shown" not in sh("conflicts films.db")


def test_two_imports_at_once(sh: Shell) -> None:
    """Two processes that make and fill the same file both succeed."""
    imports = [
        subprocess.Popen(
            [*RHIZOME, "import", "both.db", name, "--as", author, "--key", "title"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name, author in (("imdb.csv", "imdb"), ("wiki.csv", "wikipedia"))
    ]
    for process in imports:
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, b"")
    row = sh.row("stats both.db")
    assert (row["epoch"], row["facts"], sorted(row["names"])) == (2, 392, ["imdb", "wikipedia"])
    assert len(sh.rows("conflicts both.db")) == 70
    assert sh("verify both.db").startswith("all well")


# Programs.


def test_check(sh: Shell) -> None:
    """What of a program may be shown early, and for the rest the place of what forbids it."""
    sh.write(
        "p.dl",
        "seen(x: X) :- cause(to: X).\nhead(x: C) :- C := fact(), !seen(x: C).\nmany(n: N) :- N := count : head().\n",
    )
    assert sh("check p.dl") == (
        "seen  may be shown before everything has arrived\n"
        "head  may be withdrawn when more arrives\n"
        "  line 2, column 29: `!seen(x: C)`: a tuple goes when `seen` gets one that matches\n"
        "many  may be withdrawn when more arrives\n"
        "  line 3, column 20: `count` over `head`: a result goes when `head` changes it\n"
    )
    assert [(row["relation"], row["monotone"]) for row in sh.rows("check p.dl")] == [
        ("seen", True), ("head", False), ("many", False),
    ]  # fmt: skip
    (reason,) = sh.rows("check p.dl")[1]["reasons"]
    assert (reason["line"], reason["column"], reason["through"]) == (2, 29, None)
    sh.write("wrong.dl", "p(x: X) :- fact(value: Y).\nq(x: X) :- p(y: X).\n")
    assert sh("check wrong.dl", exit=1) == ""
    assert [line.partition(":")[0] for line in sh.notes.splitlines() if line.startswith("logic.")] == [
        "logic.unbound-variable", "logic.unknown-attribute",
    ]  # fmt: skip
    text = "p(x: X) :- fact(value: X)."
    sh.write("p (1).dl", text)
    assert sh("check 'p (1).dl'") == sh("check '@p (1).dl'") == sh(f"check '{text}'") == f"p  {EARLY}\n"
    assert "exchange.not-found" in (sh("check q.dl", exit=1) + sh.notes)
    found = rhizomedb.check("p(x: X) :- fact(value: Y).")
    assert not found and [error.code for error in found.errors] == ["logic.unbound-variable"] and not found.relations
    assert not rhizomedb.check("p(x: X :-") and rhizomedb.check("p(x: $x) :- stands(value: X).").monotone == ()

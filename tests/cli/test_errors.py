"""Everything that can go wrong at the command line: said in one sentence with a code, a place, a near name and a fix.

A failing command prints nothing on standard output, shows no stack trace, leaves every file as it was, and says the
same as one JSON object where it was asked to.
"""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import apsw
import pytest

from rhizomedb.cli import main
from rhizomedb.errors import CODES

FILMS = "imdb.csv", "wiki.csv", "wiki-corrected.csv"

TABLES: dict[str, bytes] = {
    "good.csv": b"a,b\nx,1\ny,2\n",
    "wide.csv": b"a,b\n1,2\n1,2,3\n",
    "narrow.csv": b"a,b\n1\n",
    "twice.csv": b"a,a\n1,2\n",
    "unnamed.csv": b"a,\n1,2\n",
    "keyless.csv": b"a,b\n1,2\n,2\n",
    "latin.csv": b"a,b\ncaf\xe9,2\n",
    "latin-header.csv": b"caf\xe9,b\n1,2\n",
    "utf16.csv": "a,b\n1,2\n".encode("utf-16"),
    "nul.csv": b'a,b\n1,2\n"x\0y",2\n',
    "huge.csv": b"a,b\n" + b"x" * (2 << 20) + b",2\n",
    "open-quote.csv": b'a,b\n"x,2\n',
    "stray-quote.csv": b'a,b\n"x"y,2\n',
    "words.csv": b"a,b\nx,1\ny,two\n",
    "empty.csv": b"",
    "reserved.csv": b"a,rhizome/retracts\n1,2\n",
    "cut.json": b'[{"a": 1}, {"a": ',
    "numbers.json": b"[1, 2]",
    "nested.jsonl": b'{"a": 1}\n{"a": {"b": 1}}\n',
    "broken.jsonl": b'{"a": 1}\n{"a": }\n',
    "nan.jsonl": b'{"a": NaN}\n',
    "twice.jsonl": b'{"a": 1, "a": 2}\n',
    "sheet.csv": b"PK\x03\x04....",
    "cut.csv.gz": gzip.compress(b"a,b\n" + b"1,2\n" * 99)[:-9],
    "plain.txt": b"hello\n",
    "bad.dl": b"p(x: X) :-\n  fct(value: X).\n",
    "latin.dl": b'p(x: "caf\xe9").\n',
}


def shell(command: str) -> int:
    return main(shlex.split(command))


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the commands run in: a database of the demo's films, and files with something wrong in them."""
    folder = tmp_path_factory.mktemp("errors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RHIZOME_HOME", str(folder / "home"))
        for name in FILMS:
            with resources.as_file(resources.files("rhizomedb.cli.demo") / name) as path:
                shutil.copy(path, folder / name)
        for name, data in TABLES.items():
            (folder / name).write_bytes(data)
        assert shell("import films.db imdb.csv --as imdb --key title") == 0
        assert shell("import films.db wiki.csv --as wikipedia --key title") == 0
        assert shell("export films.db deltas.jsonl") == 0
        assert shell("add films.db Alien runtime 117") == 0  # so that there is a key of the login name
        lines = (folder / "deltas.jsonl").read_text().splitlines()
        (folder / "altered.jsonl").write_text(lines[0] + "\n" + lines[1].replace("Casablanca", "Casablanka") + "\n")
        (folder / "forged.jsonl").write_text(json.dumps(forged(json.loads(lines[0]))) + "\n")
        (folder / "not-envelopes.jsonl").write_text(lines[0] + '\n[{"/": "bafy"}, 1]\nhello\n')
        damage(folder)
        keys = folder / "home" / "keys"
        (keys / "shared.key").write_text("0" * 64)
        (keys / "shared.key").chmod(0o644)
        (keys / "broken.key").write_text("not a key")
        (keys / "broken.key").chmod(0o600)
        yield folder


def forged(envelope: object) -> object:
    """The same payload with another signature: the first bytes that are 64 long."""
    if isinstance(envelope, dict) and "bytes" in envelope:
        text = str(envelope["bytes"])
        first = "B" if text[:1] != "B" else "C"
        return {"bytes": first + text[1:] if len(text) == 86 else text}
    if isinstance(envelope, dict):
        return {name: forged(inner) for name, inner in envelope.items()}
    return [*map(forged, envelope)] if isinstance(envelope, list) else envelope


def damage(folder: Path) -> None:
    """Copies of the database with something wrong in them."""
    data = (folder / "films.db").read_bytes()
    (folder / "cut.db").write_bytes(data[:9000])
    for name, statement in (
        ("newer.db", "PRAGMA user_version=99"),
        ("altered.db", "UPDATE log SET frame = x'00' WHERE seq = 1"),
        ("strange.db", "CREATE TABLE more(x)"),
    ):
        (folder / name).write_bytes(data)
        connection = apsw.Connection(str(folder / name))
        connection.execute(statement)
        connection.close()
    connection = apsw.Connection(str(folder / "other.db"))
    connection.execute("CREATE TABLE t(x)")
    connection.close()


@dataclass(frozen=True)
class Case:
    """A command, its code, what its message names; a place, a near name where there is one; whether it has a fix."""

    command: str
    code: str
    names: str
    exit: int = 1
    where: str | None = None
    near: str | None = None
    fix: bool = True

    def __str__(self) -> str:
        return self.command[:80]


def usage(command: str, names: str, near: str | None = None) -> Case:
    return Case(command, "db.usage", names, exit=2, near=near)


def program(text: str, code: str, names: str, where: str, near: str | None = None, *, fix: bool = True) -> Case:
    return Case(f"query films.db {shlex.quote(text)}", code, names, where=where, near=near, fix=fix)


CASES = [
    # the command line
    usage("frobnicate films.db", "frobnicate"),
    usage("imprt films.db imdb.csv", "imprt", near="import"),
    usage("--versoin", "--versoin", near="--version"),
    usage("conflicts", "FILE"),
    usage("get films.db", "NAME"),
    usage('why films.db "The Matrix"', "ATTRIBUTE"),
    usage('add films.db "The Matrix" runtime', "VALUE"),
    usage("conflicts films.db --limt 3", "--limt", near="--limit"),
    usage("conflicts films.db --limit few", "few"),
    usage("conflicts films.db --limit -1", "-1"),
    usage("conflicts films.db --limit", "--limit"),
    usage("stats films.db too many words", "too"),
    usage('get films.db "The Matrix" --epoch two', "two"),
    usage("export films.db --format xml", "xml"),
    usage("import films.db imdb.csv --format josn", "josn", near="json"),
    usage('add films.db "The Matrix" runtime 1 --type integer', "integer", near="int"),
    usage('add films.db "The Matrix" runtime 12x --type int', "12x"),
    usage('add films.db "The Matrix" "" 1', "attribute"),
    usage('add films.db " " title 1', "entity"),
    usage("import films.db good.csv --key a --wait soon", "soon"),
    usage("import films.db", "--git"),
    usage("import films.db good.csv --git .", "not both"),
    usage("import films.db good.csv --type b", "'b'"),
    usage("query films.db 'p(x: 1).' --param min", "'min'"),
    usage("query films.db 'p(x: 1).' --budget fact=1", "'fact'", near="facts"),
    usage("query films.db 'p(x: 1).' --budget facts=many", "'many'"),
    usage("query films.db 'p(x: 1).' --budget facts=inf", "'inf'"),
    usage("query films.db 'p(x: 1).' --budget time=-1", "'-1'"),
    usage("export films.db films.josn", "films.josn", near="json"),
    usage("export films.db films.jsonl --as-of now", "jsonl"),
    usage("export films.db films.jsonl --policy first", "jsonl"),
    # files that are no databases
    Case("nosuch.db", "store.not-found", "nosuch.db"),
    Case("conflicts flims.db", "store.not-found", "flims.db", near="films.db"),
    Case("retract nosuch.db x", "store.not-found", "nosuch.db"),
    Case("get . x", "store.unreadable", "folder"),
    Case("add no/such/films.db x y 1", "store.unreadable", "no/such"),
    Case("stats plain.txt", "store.not-a-database", "plain.txt"),
    Case("import plain.txt good.csv --key a", "store.not-a-database", "plain.txt"),
    Case("verify other.db", "store.not-a-database", "other.db"),
    Case("get newer.db x", "store.newer-format", "99"),
    Case("get cut.db x", "store.damaged", "cut.db"),
    Case("verify cut.db", "store.damaged", "cut.db"),
    Case("stats strange.db", "store.damaged", "strange.db"),
    Case("export cut.db saved.jsonl", "store.damaged", "rhizome export cut.db saved.jsonl --salvage"),
    Case("export nosuch.db saved.jsonl --salvage", "store.not-found", "nosuch.db", fix=False),
    Case("export plain.txt saved.jsonl --salvage", "store.not-a-database", "plain.txt", fix=False),
    Case("export other.db saved.jsonl --salvage", "store.not-a-database", "other.db", fix=False),
    usage("export cut.db saved.csv --salvage --format csv", "--salvage"),
    usage("export cut.db saved.jsonl --salvage --epoch 1", "--salvage"),
    usage("export cut.db cut.db --salvage", "cut.db"),
    # names and moments
    Case('get films.db "The Matirx"', "db.unknown-entity", "The Matirx", near="The Matrix"),
    Case('conflicts films.db "The Matirx"', "db.unknown-entity", "The Matirx", near="The Matrix"),
    Case('retract films.db "The Matirx"', "db.unknown-entity", "The Matirx", near="The Matrix"),
    Case("get films.db 0xdeadbeef", "db.unknown-entity", "0xdeadbeef"),
    Case("add films.db 0xdeadbeef runtime 1", "db.unknown-entity", "0xdeadbeef"),
    Case('get films.db "The Matrix" --as-of 2000', "db.unknown-entity", "The Matrix", where="as of 2000"),
    Case('get films.db "United States"', "db.ambiguous-entity", "United States"),
    Case('add films.db "United States" x 1', "db.unknown-entity", "United States"),
    Case('get films.db "The Matrix" runtme', "db.unknown-attribute", "runtme", near="runtime"),
    Case('why films.db "The Matrix" runtme', "db.unknown-attribute", "runtme", near="runtime"),
    Case('history films.db "The Matrix" runtme', "db.unknown-attribute", "runtme", near="runtime"),
    Case("conflicts films.db --attribute runtme", "db.unknown-attribute", "runtme", near="runtime"),
    Case("find films.db --where 'yaer < 1990'", "db.unknown-attribute", "yaer", near="year"),
    Case("find films.db --where year", "db.condition", "year"),
    Case('get films.db "The Matrix" --by imbd', "db.unknown-author", "imbd", near="imdb"),
    Case('get films.db "The Matrix" --policy latst', "db.unknown-policy", "latst", near="latest"),
    Case('get films.db "The Matrix" --policy trusted:', "db.unknown-policy", "trusted"),
    Case('get films.db "The Matrix" --policy trusted:imbd', "db.unknown-author", "imbd", near="imdb"),
    Case('get films.db "The Matrix" --as-of "2 huors ago"', "db.time", "2 huors ago"),
    Case('get films.db "The Matrix" --since 2026-02-31', "db.time", "2026-02-31"),
    Case('get films.db "The Matrix" --as-of 1793534400', "db.time", "seconds"),
    Case('get films.db "The Matrix" --epoch 99', "db.epoch", "99"),
    # data types
    Case("crdt lst", "db.usage", "lst", exit=2, near="list"),
    Case("crdt list counter", "db.usage", "counter", exit=2),
    Case("crdt show", "db.usage", "show", exit=2),
    Case("crdt show lst", "crdt.unknown", "lst", near="list"),
    # what cannot be said or taken back
    Case('retract films.db "The Matrix" runtime 999', "db.nothing-to-retract", "The Matrix"),
    Case('retract films.db "The Matrix" --own --as imdb runtime 138', "db.nothing-to-retract", "The Matrix"),
    Case('add films.db "The Matrix" rhizome/retracts x', "db.reserved", "rhizome/retracts"),
    Case('add films.db "The Matrix" runtime nan --type float', "facts.float-not-finite", "nan"),
    Case('add films.db "The Matrix" runtime 99999999999999999999 --type int', "facts.integer-range", "9999999999"),
    Case('add films.db "The Matrix" note LONG', "facts.value-size", "300,000"),
    Case('add films.db "The Matrix" note "\udcff"', "facts.text-not-utf8", "surrogate"),
    Case('add films.db "The Matrix" runtime 1 --as a/b', "keys.name", "a/b"),
    Case('add films.db "The Matrix" runtime 1 --as shared', "keys.unsafe", "shared.key"),
    Case('add films.db "The Matrix" runtime 1 --as broken', "keys.malformed", "broken.key"),
    Case("add new.db x y 1 --as a/b", "keys.name", "a/b"),
    # tables
    Case("import films.db nosuch.csv", "exchange.not-found", "nosuch.csv"),
    Case("import films.db imbd.csv", "exchange.not-found", "imbd.csv", near="imdb.csv"),
    Case("import films.db .", "exchange.unreadable", "folder"),
    Case("import films.db sheet.csv", "exchange.format", "spreadsheet"),
    Case("import films.db films.db", "exchange.format", "SQLite"),
    Case("import films.db good.csv --delimiter ab", "exchange.format", "'ab'"),
    Case("import films.db cut.csv.gz", "exchange.unreadable", "cut short", where="cut.csv.gz"),
    Case("import films.db empty.csv", "exchange.header", "empty", where="empty.csv line 1"),
    Case("import films.db twice.csv", "exchange.header", "'a'", where="twice.csv line 1"),
    Case("import films.db unnamed.csv", "exchange.header", "column 2", where="unnamed.csv line 1"),
    Case("import films.db wide.csv --key a", "exchange.rows", "3 cells", where="wide.csv line 3"),
    Case("import new.db narrow.csv --key a", "exchange.rows", "1 cell", where="narrow.csv line 2"),
    Case("import films.db keyless.csv --key a", "exchange.rows", "`a`", where="keyless.csv line 3"),
    Case("import films.db nul.csv --key a", "exchange.rows", "NUL", where="nul.csv line 3"),
    Case("import films.db huge.csv --key a", "exchange.rows", "1 MiB", where="huge.csv line 2"),
    Case("import films.db open-quote.csv", "exchange.rows", "never closed", where="open-quote.csv line 2"),
    Case("import films.db stray-quote.csv", "exchange.rows", "quotation mark", where="stray-quote.csv line 2"),
    Case("import films.db words.csv --key a --type b=int", "exchange.rows", "'two'", where="words.csv line 3"),
    Case("import films.db latin.csv --key a", "exchange.encoding", "0xE9", where="latin.csv line 2"),
    Case("import films.db latin-header.csv", "exchange.encoding", "column 1", where="latin-header.csv line 1"),
    Case("import films.db utf16.csv", "exchange.encoding", "UTF-16", where="utf16.csv line 1"),
    Case("import films.db cut.json", "exchange.json", "expected", where="cut.json line 1"),
    Case("import films.db numbers.json", "exchange.rows", "a number", where="numbers.json line 1"),
    Case("import films.db nested.jsonl", "exchange.rows", "`a`", where="nested.jsonl line 2"),
    Case("import films.db broken.jsonl", "exchange.rows", "line 2", where="broken.jsonl line 2"),
    Case("import films.db nan.jsonl", "exchange.rows", "NaN", where="nan.jsonl line 1"),
    Case("import films.db twice.jsonl", "exchange.rows", "`a`", where="twice.jsonl line 1"),
    Case("import films.db imdb.csv --key tilte", "exchange.key-column", "'tilte'", near="title"),
    Case("import films.db imdb.csv --key title --only yaer", "exchange.column", "'yaer'", near="year"),
    Case("import films.db imdb.csv --key title --rename yaer=x", "exchange.column", "'yaer'", near="year"),
    Case("import films.db imdb.csv --key title --drop title", "exchange.key-column", "'title'"),
    Case("import films.db imdb.csv --type year=integer", "exchange.column", "'integer'", near="int"),
    Case("import new.db reserved.csv --key a", "db.reserved", "rhizome/retracts", where="reserved.csv line 1"),
    Case("import new.db reserved.csv --dry-run", "db.reserved", "rhizome/retracts", where="reserved.csv line 1"),
    Case("import new.db good.csv --as a/b", "keys.name", "a/b"),
    Case("import new.db good.csv --as ''", "db.usage", "is no name", exit=2),
    # what is no backup
    Case("restore nope.db r.db", "store.not-found", "nope.db"),
    Case("restore good.csv r.db", "store.not-a-database", "good.csv is no backup"),
    # deltas and histories
    Case("import new.db altered.jsonl", "exchange.json", "delta.signature", where="altered.jsonl line 2"),
    Case("import films.db forged.jsonl", "exchange.json", "delta.signature", where="forged.jsonl line 1"),
    Case("import new.db not-envelopes.jsonl", "exchange.json", "delta", where="not-envelopes.jsonl line 2"),
    Case("import new.db --git .", "exchange.git", "not a git repository"),
    Case("import new.db --git nosuch", "exchange.not-found", "nosuch"),
    Case("import new.db --git good.csv", "exchange.git", "good.csv"),
    # what cannot be written
    Case("export films.db no/such/films.csv", "exchange.unwritable", "no/such"),
    Case("export films.db . --format csv", "exchange.unwritable", "folder"),
    Case("demo .", "exchange.unwritable", "films.db"),
    Case("demo plain.txt", "exchange.unwritable", "plain.txt"),
    # programs
    program("p(x: X :- fact(value: X).", "logic.syntax", ":-", "line 1, column 8", fix=False),
    program("p(x: X) :- fact(value: X), X > 'a'.", "logic.syntax", "double quotes", "line 1, column 32"),
    program('p(x: "a', "logic.syntax", "missing", "line 1, column 6"),
    program("p(x: X) :- fct(value: X).", "logic.unknown-relation", "`fct`", "line 1, column 12", near="fact"),
    program("p(x: X) :- stand(value: X).", "logic.unknown-relation", "`stand`", "line 1, column 12", near="stands"),
    program("p(x: X) :- arrive(value: X).", "logic.unknown-relation", "`arrive`", "line 1, column 12", near="arrives"),
    program("p(x: X) :-\n  fact(vlaue: X).", "logic.unknown-attribute", "vlaue", "line 2, column 8", near="value"),
    program("p(x: X) :- fact(value: Y).", "logic.unbound-variable", "`X`", "line 1, column 6"),
    program("p(x: X) :- fact(value: X), !p(x: X).", "logic.not-stratifiable", "`p`", "line 1, column 29"),
    program("p(x: X, x: Y) :- fact(value: X, attribute: Y).", "logic.duplicate-attribute", "`x`", "line 1, column 9"),
    program("p(x: 1). p(y: 1).", "logic.attribute-conflict", "`p`", "line 1"),
    program("p(1).", "logic.positional", "named attributes", "line 1, column 3"),
    program("p(x: X).", "logic.ground-fact", "`X`", "line 1, column 6"),
    program("fact(entity: X, attribute: 1, value: 1) :- fact(entity: X).", "logic.head-is-stored", "`fact`", "line 1"),
    program('p(x: X) :- fact(value: X), X > "a" + 1.', "logic.type", '"a" + 1', "line 1"),
    program("p(x: Y) :- fact(value: X), Y := upper(X, 1).", "logic.arity", "`upper`", "line 1, column 33"),
    program("p(n: N) :- N := cuont X : fact(value: X).", "logic.unknown-aggregate", "cuont", "line 1", near="count"),
    program("relation q(a: integer). p(x: X) :- q(a: X).", "logic.unknown-type", "integer", "line 1"),
    program("p(x: X) @next :- fact(value: X).", "logic.inductive", "`p`", "line 1, column 1"),
    program("p(x: X) :- fact(value: X), X > $min.", "logic.parameter-missing", "$min", "line 1, column 32"),
    Case("query films.db 'p(x: $min).' --param min=1 --param mni=2", "logic.parameter-unknown", "$mni", near="min"),
    Case("query films.db ''", "db.relation", "no rule"),
    Case("query films.db 'long(x: 1).' --relation lnog", "db.relation", "lnog", near="long"),
    Case("query films.db @nosuch.dl", "exchange.not-found", "nosuch.dl"),
    Case("query films.db @.", "exchange.unreadable", "folder"),
    Case("query films.db @latin.dl", "exchange.encoding", "latin.dl", where="latin.dl line 1"),
    Case("query films.db @bad.dl", "logic.unknown-relation", "`fct`", where="line 2, column 3", near="fact"),
    # programs that are too big, or would never end
    Case("query films.db 'n(x: 1). n(x: Y) :- n(x: X), Y := X + 1.'", "budget.rounds", "10,000"),
    Case("query films.db 'p(x: X, y: Y) :- fact(value: X), fact(value: Y).' --budget facts=99", "budget.facts", "99"),
    Case(
        "query films.db 'p(x: X, y: Y) :- fact(value: X), fact(value: Y).' --budget time=0.000001", "budget.time", "s"
    ),
    Case(
        "query films.db 'p(x: X, y: Y) :- fact(value: X), fact(value: Y).' --budget memory=0.1", "budget.memory", "MiB"
    ),
]


def state(folder: Path) -> dict[str, bytes]:
    """Every file of the folder; what is beside a database while it is open is not there afterwards."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_error(case: Case, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = state(folder)
    arguments = ["x" * 300_000 if word == "LONG" else word for word in shlex.split(case.command)]

    assert main(arguments) == case.exit
    printed = capsys.readouterr()
    assert printed.out == ""
    text = printed.err
    assert text.startswith(f"{case.code}: ")
    assert case.names in text
    assert case.where is None or f"({case.where}" in text or case.where in text
    assert case.near is None or case.near in text.partition("did you mean: ")[2].partition("?")[0]
    assert ("  try: " in text) == case.fix
    assert "Traceback" not in text

    assert main([*arguments, "--json"]) == case.exit
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    error = json.loads(line)
    assert set(error) == {"code", "message", "where", "nearest", "fix"}
    assert error["code"] == case.code in CODES
    assert (error["where"] is not None) == (case.where is not None)
    assert case.near is None or case.near in " ".join(error["nearest"])
    assert (error["fix"] is not None) == case.fix

    assert state(folder) == before


def test_enough() -> None:
    assert len(CASES) >= 70
    assert len({case.code for case in CASES}) >= 45


def test_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A program with three mistakes is told all three, each with its place."""
    text = "p(x: X) :- fct(value: X), fact(vlaue: X). q(y: Y) :- p(x: X)."
    assert main(["query", "films.db", text]) == 1
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines() if line.startswith("logic.")] == [
        "logic.unknown-relation",
        "logic.unknown-attribute",
        "logic.unbound-variable",
    ]
    assert main(["query", "films.db", text, "--json"]) == 1
    assert len([json.loads(line) for line in capsys.readouterr().err.splitlines()]) == 3


@pytest.mark.parametrize(
    ("name", "data", "what", "fix"),
    [
        ("t.csv", b"a,b\nx,1\n", "a table (CSV or the like)", "rhizome import t.db t.csv --key COLUMN"),
        ("t.tsv", b"a\tb\n", "a table (CSV or the like)", "rhizome import t.db t.tsv --key COLUMN"),
        ("a b.csv", b"\xef\xbb\xbf" + "ä;b\n".encode() * 150, "a table (CSV or the like)", "rhizome import 'a b.db' 'a b.csv' --key COLUMN"),
        ("t.jsonl", b'{"a": 1}\n', "JSON", "rhizome import t.db t.jsonl --key COLUMN"),
        ("d.jsonl", b'[{"/": {"bytes": "x"}}]\n', "exported deltas", "rhizome import d.db d.jsonl"),
        ("d.car", b"\x3a\xa2eroots\x81\xd8*X%\x00", "an archive of deltas (CAR)", "rhizome import d.db d.car"),
        ("t.csv.gz", gzip.compress(b"a,b\n", mtime=0), "a file that gzip compressed", "if it is a table or an export: rhizome import t.db t.csv.gz"),
        ("t.xlsx", b"PK\x03\x04....", "a spreadsheet or zip archive", "save the sheet as CSV, and: rhizome import t.db table.csv --key COLUMN"),
        ("t.txt", b"words and more words\n", "a text", "a table is taken in with: rhizome import films.db table.csv --key COLUMN"),
        ("t.bin", b"\x00\x01\x02,\n", "something else", "a table is taken in with: rhizome import films.db table.csv --key COLUMN"),
        ("t.1", b"\xff\xfea\0,\0b\0", "UTF-16 text", "save it as UTF-8, and: rhizome import t.db table.csv --key COLUMN"),
        ("l.csv", "a,b\ncaf\xe9,1\n".encode("latin-1"), "a table (CSV or the like)", "rhizome import l.db l.csv --key COLUMN"),
        ("t.2", bytes(range(0x80, 0x100)) * 3, "something else", "a table is taken in with: rhizome import films.db table.csv --key COLUMN"),
    ],
)  # fmt: skip
def test_what_is_no_database_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, data: bytes, what: str, fix: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(data)
    for words in (["stats", name], ["add", name, "Heat", "runtime", "170"]):
        assert main(words) == 1
        assert capsys.readouterr().err == (
            f"store.not-a-database: {name} is not a RhizomeDB database: it looks like {what}\n  try: {fix}\n"
        )
    assert Path(name).read_bytes() == data


def test_busy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another writer is waited for, and then named as the reason; reading goes on meanwhile."""
    other = apsw.Connection(str(folder / "films.db"))
    try:
        other.execute("BEGIN IMMEDIATE")
        assert shell('add films.db "The Matrix" runtime 1 --wait 0.05') == 1
        error = capsys.readouterr().err
        assert error.startswith("store.busy: another process has been writing to films.db for 0.05 s\n  try: wait")
        assert shell('get films.db "The Matrix" runtime') == 0
        assert capsys.readouterr().out == "138\n"
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_who_writes_is_waited_for_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that writes waits as long as a great import takes, and says what it waits for."""
    shutil.copy(folder / "films.db", folder / "waited.db")
    other = apsw.Connection(str(folder / "waited.db"))
    other.execute("BEGIN IMMEDIATE")
    over = threading.Timer(1.5, other.execute, ["ROLLBACK"])
    over.start()
    try:
        assert shell('add waited.db "The Matrix" runtime 1') == 0
    finally:
        over.join()
        other.close()
    noted = capsys.readouterr().err
    assert noted == (
        "waiting for this process itself, by another connection, which writes to waited.db (for 599 s at most: --wait)\n"
    )


def test_damage_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` says which record is wrong, and leaves with 3; the rest is read again once the index leaves it out."""
    assert shell("verify altered.db") == 3
    assert "delta 1" in capsys.readouterr().out
    assert shell("verify altered.db --json") == 3
    *findings, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert findings
    assert all(set(finding) == {"record", "code", "message"} for finding in findings)
    assert last["ok"] is False
    assert shell('get altered.db "The Matrix" runtime') == 1  # rather than an answer that is not whole
    assert shell("verify altered.db --rebuild-index") == 3
    assert shell('get altered.db "The Matrix" runtime') == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = folder / "locked"
    locked.mkdir()
    shutil.copy(folder / "films.db", locked / "films.db")
    (locked / "films.db").chmod(0o444)
    locked.chmod(0o555)
    try:
        for command, code in (
            ('add locked/films.db "The Matrix" runtime 1', "store.read-only"),
            ("add locked/new.db x y 1", "store.unreadable"),
            ("export films.db locked/out.csv", "exchange.unwritable"),
        ):
            assert shell(command) == 1
            assert capsys.readouterr().err.startswith(f"{code}: ")
    finally:
        locked.chmod(0o755)
        shutil.rmtree(locked)


@pytest.mark.parametrize(
    ("command", "exit", "code"),
    [
        ("conflicts flims.db", 1, "store.not-found"),
        ("import films.db wide.csv --key a", 1, "exchange.rows"),
        ("query films.db 'p(x: X) :- fct(value: X).'", 1, "logic.unknown-relation"),
        ("cnoflicts films.db", 2, "db.usage"),
        ("query films.db 'n(x: 1). n(x: Y) :- n(x: X), Y := X + 1.' --budget rounds=9", 1, "budget.rounds"),
        ("get films.db '\x1b[31m\x9b'", 1, "db.unknown-entity"),
    ],
)
def test_processes(command: str, exit: int, code: str, folder: Path) -> None:
    """The same from a shell, in a terminal that knows ASCII alone."""
    done = subprocess.run(
        [sys.executable, "-m", "rhizomedb", *shlex.split(command)],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (exit, b"")
    assert done.stderr.startswith(code.encode() + b": ")
    assert b"Traceback" not in done.stderr
    assert all(byte == 10 or 32 <= byte < 127 for byte in done.stderr)

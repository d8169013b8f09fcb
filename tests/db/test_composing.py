"""Programs made of programs: data types by name, your own beside those of the library, and what cannot go together."""

from __future__ import annotations

import pytest

import rhizomedb
from rhizomedb import Fact, crdt
from rhizomedb.cli import main
from rhizomedb.crdt import LIBRARY, DataType, library
from rhizomedb.errors import Error
from rhizomedb.logic import parse

FLAG = DataType(
    "flag",
    "up while somebody holds it up",
    'import "add-wins-set".\nup(flag: S) :- member(set: S, member: "up").\n',
    "up",
)
SIZE = "size(set: S, total: N) :- member(set: S), N := count : member(set: S)."


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    monkeypatch.setattr(library, "_REGISTERED", {})


@pytest.fixture
def db():
    with rhizomedb.open(":memory:") as db:
        db.transact([Fact(b"s", "set/add", "up"), Fact(b"s", "set/add", "x"), Fact(b"t", "set/add", "x")])
        yield db


def rows(result):
    return [tuple(row) for row in result]


@pytest.mark.parametrize("name", LIBRARY)
def test_every_data_type_can_be_imported(name, db):
    expected = db.query(LIBRARY[name].program, relation=LIBRARY[name].answer)
    assert db.query(f'import "{name}".') == expected
    assert db.query("", using=[name]) == expected
    assert db.query("", using=[LIBRARY[name]]) == expected
    assert db.query("", using=[parse(LIBRARY[name].program)], relation=LIBRARY[name].answer) == expected


def test_ways_to_use_one(db):
    sizes = [(b"s", 2), (b"t", 1)]
    assert rows(db.query(f'import "add-wins-set". {SIZE}')) == sizes
    assert rows(db.query(SIZE, using=["add-wins-set"])) == sizes
    assert rows(db.snapshot().query(SIZE, using=("add-wins-set",))) == sizes
    assert rows(db.query(SIZE, using=["add-wins-set", "add-wins-set", LIBRARY["add-wins-set"]])) == sizes
    assert "member" in db.explain(SIZE, using=["add-wins-set"])
    view = db.view(f'import "add-wins-set". {SIZE}')
    db.transact([Fact(b"t", "set/add", "y")])
    assert rows(view.relation()) == [(b"s", 2), (b"t", 2)]
    assert rows(view.relation("member"))[-1] == (b"t", "y")
    assert str(db.query(SIZE, using=["add-wins-set"]).why((b"t", 2))).startswith("size(")


def test_over_plain_relations():
    close = parse("reach(x: X, y: Y) :- edge(x: X, y: Y). reach(x: X, y: Z) :- reach(x: X, y: Y), edge(x: Y, y: Z).")
    found = rhizomedb.evaluate("far(x: X) :- reach(x: X, y: 3).", {"edge": [(1, 2), (2, 3)]}, using=[close])
    assert rows(found["far"]) == [(1,), (2,)]
    steps = rhizomedb.steps(
        "event e(x). s(x: X)@next :- e(x: Y), reach(x: Y, y: X).",
        {"edge": [(1, 2), (2, 3)]},
        [{"e": [(1,)]}],
        using=[close],
    )
    assert [rows(step["s"]) for step in steps] == [[], [(2,), (3,)], []]


def test_a_type_of_ones_own(db):
    assert rows(db.query("", using=[FLAG])) == [(b"s",)]
    crdt.register_type(FLAG)
    assert crdt.register_type(FLAG) is FLAG and crdt.data_type("flag") is FLAG
    assert rows(db.query('import "flag".')) == [(b"s",)]
    assert rows(
        db.query('import "flag". import "add-wins-set". both(set: S) :- up(flag: S), member(set: S, member: "x").')
    ) == [(b"s",)]
    assert rhizomedb.check('import "flag". none() :- !up().').origins == {
        "add": "add-wins-set", "remove": "add-wins-set", "seen": "add-wins-set", "member": "add-wins-set", "up": "flag",
    }  # fmt: skip


def test_what_two_parts_say_alike_is_one(db):
    """Both registers are built on the same rules."""
    both = db.query('import "multi-value-register". import "last-writer-register".', relation="survivor")
    assert both == db.query('import "multi-value-register".', relation="survivor")


CLASH, CYCLE = "logic.import-clash", "logic.import-cycle"

# a program, what it uses, the code, the place, parts of the message and of the fix

REFUSED = [
    ('p(x: 1).\nimport "add-win-set".', (), "logic.unknown-import", (2, 1), "'add-win-set'", "rhizome crdt", "add-wins-set"),
    ("p(x: 1).", ("nothing like it",), "logic.unknown-import", None, "'nothing like it'", "rhizome crdt", None),
    ('import "add-wins-set".\nimport "remove-wins-set".', (), CLASH, (2, 1), "`seen` is defined by `add-wins-set`", "leave", None),
    ("p(x: 1).", ("add-wins-set", "remove-wins-set"), CLASH, None, "`seen` is defined by `add-wins-set`", "leave", None),
    ('import "add-wins-set".\nmember(set: S, member: X) :- add(set: S, member: X).', (), CLASH, (2, 1),
     "`member` is defined by `add-wins-set`, and otherwise by the program", "`my_member`", None),
    ("relation add(x).\np(x: X) :- add(x: X).", ("add-wins-set",), CLASH, (1, 10), "`add` is defined", "`my_add`", None),
    ("p(x: X) :- q(x: X).", (parse("\nq(x: X) :- fact(valu: X)."),), "logic.unknown-attribute", (2, 17), "`valu`", "fact(", "value"),
    ('import "one".', (DataType("one", "", 'import "two". p(x: 1).', "p"), DataType("two", "", 'import "one". q(x: 1).', "q")),
     CYCLE, (1, 1), "one -> two -> one", "leave", None),
    ("import flag.", (), "logic.syntax", (1, 8), "by its name as text", 'import "flag".', None),
    ('import "flag"\np(x: 1).', (), "logic.syntax", (1, 8), "period", '"flag".', None),
    ('import "flag" p(x: 1).', (), "logic.syntax", (1, 15), "expected `.`", None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "using", "code", "place", "message", "fix", "near"), REFUSED, ids=[row[0][:40] for row in REFUSED]
)
def test_refused(text, using, code, place, message, fix, near, db):
    if code == CYCLE:
        for each in using:
            crdt.register_type(each)
        using = ()
    for ask in (db.query, db.view, db.explain):
        with pytest.raises(Error) as caught:
            ask(text, using=using)
        error = caught.value
        assert error.code == code
        assert (error.span.line, error.span.column) == place if place else error.span is None
        assert message in error.message and (fix is None or fix in error.fix)
        assert near is None or near in error.nearest
    assert [error.code for error in rhizomedb.check(text, using=using).errors][:1] == [code]


def test_refused_as_using(db):
    for wrong in ("add-wins-set", 5, [5], LIBRARY["list"]):
        with pytest.raises(Error, match="`using` is a list") as caught:
            db.query("p(x: 1).", using=wrong)
        assert caught.value.code == "db.usage"


@pytest.mark.parametrize(("found", "code"), [
    ("counter", "db.usage"),
    (DataType("counter", "", "p(x: 1).", "p"), "crdt.exists"),
    (DataType("mine", "", "p(x: 1).", "q"), "crdt.program"),
    (DataType(" ", "", "p(x: 1).", "p"), "crdt.program"),
    (DataType("mine", "", "p(x: ", "p"), "logic.syntax"),
])  # fmt: skip
def test_refused_as_a_type(found, code):
    with pytest.raises(Error) as caught:
        crdt.register_type(found)
    assert caught.value.code == code


def test_what_is_registered_later_does_not_change_what_was_asked(db):
    with pytest.raises(Error):
        db.query('import "flag".')
    crdt.register_type(FLAG)
    assert rows(db.query('import "flag".')) == [(b"s",)]


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with rhizomedb.open("a.db") as db:
        db.transact([Fact(b"s", "set/add", "x")])
    (tmp_path / "size.dl").write_text(SIZE)
    (tmp_path / "big.dl").write_text("big(set: S) :- size(set: S, total: N), N >= 1.")
    assert main(["query", "a.db", "@big.dl", "--using", "add-wins-set", "--using", "@size.dl"]) == 0
    assert "0x73" in capsys.readouterr().out
    assert main(["check", "big.dl", "--using", "add-wins-set", "--using", "@size.dl"]) == 0
    assert capsys.readouterr().out.startswith("add (add-wins-set)  may be shown")
    assert main(["check", "big.dl"]) == 1
    assert "logic.unknown-relation" in capsys.readouterr().err

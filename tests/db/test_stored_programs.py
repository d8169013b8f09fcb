"""Stored programs: said, found, run by name, passed on; what is wrong with some concerns those alone who use them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replicas import meet

import rhizomedb
from rhizomedb.budget import Budget
from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.programs import stored_programs
from rhizomedb.errors import Error
from rhizomedb.hyper import json_delta
from rhizomedb.hyper.program_edges import PROGRAM, entity_of_program, is_name

FILMS = """film(title: T, minutes: R) :-
    stands(entity: E, attribute: "name", value: T), stands(entity: E, attribute: "runtime", value: R)."""
LONG = 'import "films". long(title: T) :- film(title: T, minutes: R), R > $least.'
BASE = 'thing(x: E) :- fact(entity: E, attribute: "runtime").'


@pytest.fixture
def films(db):
    db.transact([("Alien", "runtime", 117), ("Heat", "runtime", 170)])
    db.define_program("films", FILMS, about="films with their length")
    db.define_program("long films", LONG)
    return db


def titles(result):
    return sorted(row.title for row in result)


# -- defining, finding, running ---------------------------------------------------------------------------------------


def test_a_program_is_run_by_its_name(films):
    assert titles(films.run("long films", least=120)) == ["Heat"]
    assert titles(films.run("long films", {"least": 100})) == ["Alien", "Heat"]
    assert titles(films.run("long films", least=3, relation="film")) == ["Alien", "Heat"]
    assert len(films.run("films")) == 2
    assert films.run("films").why(films.run("films")[0]) is not None
    found = films.programs()
    assert list(found) == ["films", "long films"]
    assert (found["films"].text, found["films"].about, found["films"].answer) == (
        FILMS,
        "films with their length",
        None,
    )
    assert len(found["films"].version) == 64


def test_queries_and_views_import_stored_programs(films):
    count = 'import "films". n(n: N) :- N := count : film().'
    assert films.query(count)[0].n == 2
    assert films.query("n(n: N) :- N := count : film().", using=["films"])[0].n == 2
    assert "film" in films.explain(count)
    with films.view(count) as view:
        films.transact([("Ran", "runtime", 160)])
        assert view.relation()[0].n == 3
    assert films.query('import "films". import "add-wins-set". m(s: S) :- member(set: S).').notices is not None


def test_a_program_is_asked_as_it_was(films, wall):
    wall.forward(60_000)
    then = wall() - 1
    before = films.cut.epoch
    films.define_program("films", FILMS + " \n// the same, and more\nother(title: T) :- film(title: T).")
    assert films.run("films").columns == ("title",)
    assert films.at_epoch(before).run("films").columns == ("title", "minutes")
    assert films.as_of(then).run("films").columns == ("title", "minutes")
    new, old = films.program_history("films")
    assert (new.stands, old.stands, new.author) == (True, False, "alice")
    assert films.run("films", version=old.program.version[:12]).columns == ("title", "minutes")
    films.drop_program("films")
    assert "films" not in films.programs()
    assert [each.stands for each in films.program_history("films")] == [False, False]
    assert films.run("films", version=new.program.version).columns == ("title",)


def test_the_same_again_says_nothing(films):
    assert not films.define_program("films", FILMS, about="films with their length")
    assert films.define_program("films", FILMS, about="other words")
    assert films.define_program("films", FILMS, answer="film")
    assert not films.programs_said().conflicts


def test_a_program_can_be_an_object(db):
    made = rhizomedb.parse(BASE)
    db.define_program("base", made)
    assert db.programs()["base"].text == BASE
    db.define_program("two", made + rhizomedb.parse("more(x: X) :- thing(x: X)."))
    db.transact([(b"k", "runtime", 1)])
    assert [row.x for row in db.run("two")] == [b"k"]
    assert [row.x for row in db.run("two", relation="thing")] == [b"k"]


def test_programs_are_data_that_programs_find(films):
    asked = """
    names(name: N, about: A) :- F := fact(entity: E, attribute: "defines-program"), fact(entity: E, attribute: "name", value: N),
        fact(entity: E, attribute: "about", value: A), asserts(delta: D, fact: F), delta(id: D, edge: E)."""
    assert [tuple(row) for row in films.query(asked)] == [("films", "films with their length")]
    assert len(films.hyperedges(contexts=["definition"])) == 2


def test_redefining_tells_what_breaks(films):
    done = films.define_program("films", 'film(title: T) :- stands(attribute: "name", value: T).')
    assert done.breaks == ("long films",)
    assert [each.code for each in films.check_program("long films").errors] == ["logic.unknown-attribute"]
    assert films.define_program("films", FILMS).breaks == ()
    assert films.check_program("long films")
    assert films.drop_program("films").breaks == ("long films",)


@pytest.mark.parametrize(
    ("name", "program", "code"),
    [
        ("x", "p(x: X) :- q(x: X).", "logic.unknown-relation"),
        ("x", "p(x: X", "logic.syntax"),
        ("x", "", "logic.empty-program"),
        ("x", "p(x: X) :- fact(entity: X), !p(x: X).", "logic.not-stratifiable"),
        ("x", 'p(x: X) :- fact(value: X), Y := "a" + 1, Y == X.', "logic.type"),
        ("x", "fact(entity: X, attribute: X, value: X) :- fact(value: X).", "logic.head-is-stored"),
        ("x", 'import "nope". p(x: X) :- fact(value: X).', "logic.unknown-import"),
        ("x", 'import "films". film(title: T, minutes: T) :- fact(value: T).', "logic.import-clash"),
        ("x", "// " + "x" * 300_000 + "\np(x: X) :- fact(value: X).", "logic.text-size"),
        ("x", 3, "db.relation"),
        ("x", None, "db.relation"),
        ("counter", BASE, "program.name"),
        ("", BASE, "program.name"),
        ("p(x)", BASE, "program.name"),
        (" x", BASE, "program.name"),
        ("x" * 201, BASE, "program.name"),
        (None, BASE, "program.name"),
        (b"x", BASE, "program.name"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is(films, name, program, code):
    before = films.cut.epoch
    with pytest.raises(Error) as caught:
        films.define_program(name, program)
    assert caught.value.code == code
    assert films.cut.epoch == before


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda db: db.run("film"), "program.unknown"),
        (lambda db: db.run(None), "program.unknown"),
        (lambda db: db.run(["films"]), "program.unknown"),
        (lambda db: db.run("films", policy="max"), "db.unknown-policy"),
        (lambda db: db.run("films", policy=3), "db.unknown-policy"),
        (lambda db: db.run("films", policy=lambda found: None), "db.unknown-policy"),
        (lambda db: db.run("films", policy="trusted:nobody"), "db.unknown-author"),
        (lambda db: db.run("films", version="0"), "program.version"),
        (lambda db: db.run("films", version=3), "program.version"),
        (lambda db: db.run("film", version="0"), "program.unknown"),
        (lambda db: db.run("long films"), "logic.parameter-missing"),
        (lambda db: db.run("films", least=3), "logic.parameter-unknown"),
        (lambda db: db.run("films", relation="nothing"), "db.relation"),
        (lambda db: db.program_history("film"), "program.unknown"),
        (lambda db: db.check_program("film"), "program.unknown"),
        (lambda db: db.drop_program("film"), "program.unknown"),
        (lambda db: db.drop_view("films"), "program.unknown"),
        (lambda db: db.define_program("x", BASE, answer="nothing"), "db.relation"),
        (lambda db: db.define_program("x", BASE, answer=3), "db.usage"),
        (lambda db: db.define_program("x", BASE, about=b"x"), "db.usage"),
        (lambda db: db.define_view("v", "film"), "program.unknown"),
        (lambda db: db.define_view("v(", "films"), "program.name"),
        (lambda db: db.define_view("v", "films", relation="nothing"), "db.relation"),
        (lambda db: db.define_view("v", "films", parameters={"least": 1}), "logic.parameter-unknown"),
        (lambda db: db.define_view("v", "long films", parameters={"least": None}), "facts.null-value"),
        (lambda db: db.view("film"), "program.unknown"),
        (lambda db: db.view("films", using=["counter"]), "db.usage"),
        (lambda db: db.query("n(n: N) :- N := count : film().", using=["film"]), "logic.unknown-import"),
    ],
)
def test_what_makes_no_sense_is_told(films, call, code):
    with pytest.raises(Error) as caught:
        call(films)
    assert caught.value.code == code


def test_names_are_no_programs():
    assert all(map(is_name, ("films", "long films", "a", "a/b.c-d", "Filme über 2 Stunden", "1")))
    assert not any(map(is_name, ("", "p()", 'import "x".', "a\nb", " a", "a ", "a\x1bb", "-", 3, None)))


# -- views ------------------------------------------------------------------------------------------------------------


def test_a_stored_view_is_opened_by_its_name(films):
    films.define_view("epics", "long films", parameters={"least": 150}, about="really long")
    assert not films.define_view("epics", "long films", parameters={"least": 150}, about="really long")
    with films.view("epics") as view, films.view("epics", least=100) as shorter, films.view("films") as plain:
        films.transact([("Ran", "runtime", 160), ("Das Boot", "runtime", 149)])
        assert titles(view.relation()) == ["Heat", "Ran"]
        assert titles(shorter.relation()) == ["Alien", "Das Boot", "Heat", "Ran"]
        assert len(plain.relation()) == 4
    sub = films.subscribe_view("epics", after=0)
    assert [told.epoch for told in sub.poll()] == [1, 5]
    films.define_view("epics", "long films", relation="film", parameters={"least": 1})
    with films.view("epics") as view:
        assert view.relation().columns == ("title", "minutes")
    (view,) = films.views_said().defined.values()
    assert (view.program, view.answer, dict(view.parameters)) == ("long films", "film", {"least": 1})
    films.drop_view("epics")
    with pytest.raises(Error, match="no program 'epics' is defined"):
        films.view("epics")


def test_parameters_of_views_keep_their_kinds(db):
    db.define_program("p", "p(v: V) :- fact(value: V), V == $x.")
    for value in (True, 1, 1.0, "1", b"1", rhizomedb.Cid.of(b"x")):
        db.define_view("v", "p", parameters={"x": value})
        (found,) = db.views_said().defined.values()
        assert found.parameters["x"] == value
        assert type(found.parameters["x"]) is type(value)


# -- several definitions ----------------------------------------------------------------------------------------------


def copies(wall, *authors):
    return [connect(":memory:", author=each, clock=wall, keyring=Keyring()) for each in authors]


def test_several_definitions_are_listed_and_one_counts(wall):
    ann, ben = copies(wall, "ann", "ben")
    for db, value in ((ann, 1), (ben, 2)):
        db.transact([(b"k", "runtime", value)])
        wall.forward(10)
        db.define_program("p", f'p(x: X) :- fact(attribute: "runtime", value: X), X >= {value}.')
        wall.forward(10)
    meet(ann, ben)
    for db in (ann, ben):
        (conflict,) = db.programs_said().conflicts
        assert [db.author_name(each.edge.author) for each in conflict.said] == ["ann", "ben"]
        assert conflict.counts is conflict.said[1]

        def shown(policy, db=db):
            return sorted(row.x for row in db.run("p", policy=policy))

        assert shown("latest") == shown("trusted:ben") == [2]
        assert shown("first") == shown("trusted:ann") == shown("all") == [1, 2]
        assert shown(lambda found: found[0]) == [1, 2]
        assert shown("claimed:nobody") == [2]
    ben.define_program("p", ben.programs_said().conflicts[0].said[0].text)  # ben gives in
    meet(ann, ben)
    assert not ann.programs_said().conflicts
    assert ann.programs() == ben.programs()


def test_two_who_say_the_same_are_no_conflict(wall):
    ann, ben = copies(wall, "ann", "ben")
    for db in (ann, ben):
        db.define_program("p", BASE)
    meet(ann, ben)
    assert not ann.programs_said().conflicts
    assert len(ann.program_history("p")) == 2


def test_a_merge_that_makes_rules_unstratifiable_fails_those_alone_who_touch_them(wall):
    """Each copy is sound alone. Together `left` and `right` each wait for the absence of the other."""
    ann, ben = copies(wall, "ann", "ben")
    ann.transact([(b"k", "runtime", 1)])
    for name, text in (
        ("base", BASE),
        ("left", 'import "base". left(x: X) :- thing(x: X).'),
        ("right", 'import "base". right(x: X) :- thing(x: X).'),
        ("both", 'import "left". import "right". both(x: X) :- left(x: X), right(x: X).'),
        ("aside", 'import "base". aside(x: X) :- thing(x: X).'),
    ):
        ann.define_program(name, text)
    meet(ann, ben)
    ann.define_program("left", 'import "base". import "right". left(x: X) :- thing(x: X), !right(x: X).')
    ben.define_program("right", 'import "base". import "left". right(x: X) :- thing(x: X), !left(x: X).')
    assert list(ann.run("left")) == [] and len(ann.run("right")) == 1
    assert list(ben.run("right")) == [] and len(ben.run("left")) == 1
    with ann.view("aside") as view:
        meet(ann, ben)
        assert len(view.relation()) == 1
    for db in (ann, ben):
        for touched in ("left", "right", "both"):
            with pytest.raises(Error) as caught:
                db.run(touched)
            assert caught.value.code == "logic.not-stratifiable"
            assert [each.code for each in db.check_program(touched).errors] == ["logic.not-stratifiable"]
            with pytest.raises(Error):
                db.view(touched)
        assert len(db.run("aside")) == len(db.run("base")) == 1
        assert len(db.query("p(x: X) :- fact(value: X).")) > 0
        assert list(db.programs()) == ["aside", "base", "both", "left", "right"]
    ben.define_program("right", 'import "base". right(x: X) :- thing(x: X).')
    meet(ann, ben)
    assert list(ann.run("both")) == []


def test_rules_of_all_who_say_some_may_not_be_stratifiable_together(wall):
    ann, ben = copies(wall, "ann", "ben")
    declared = "relation p(x: bytes). relation q(x: bytes).\n"
    ann.define_program("set", declared + BASE + " p(x: X) :- thing(x: X), !q(x: X). q(x: X) :- thing(x: X), X != X.")
    ben.define_program("set", declared + BASE + " q(x: X) :- thing(x: X), !p(x: X). p(x: X) :- thing(x: X), X != X.")
    meet(ann, ben)
    ann.define_program("aside", BASE)
    ann.run("set")
    with pytest.raises(Error) as caught:
        ann.run("set", policy="all")
    assert caught.value.code == "logic.not-stratifiable"
    ann.run("aside", policy="all")


def test_programs_may_recur_through_each_other(db):
    db.transact([(b"a", "next", b"b"), (b"b", "next", b"c"), (b"c", "next", b"d")])
    db.define_program("step", 'step(a: A, b: B) :- fact(entity: A, attribute: "next", value: B).')
    db.define_program("odd", 'import "step". odd(a: A, b: B) :- step(a: A, b: B).')
    db.define_program("even", 'import "odd". even(a: A, c: C) :- odd(a: A, b: B), step(a: B, b: C).')
    db.define_program(
        "odd", 'import "step". import "even". odd(a: A, b: B) :- step(a: A, b: B). odd(a: A, b: C) :- even(a: A, c: B), step(a: B, b: C).'
    )  # fmt: skip
    assert sorted(tuple(row) for row in db.run("odd")) == [(b"a", b"b"), (b"a", b"d"), (b"b", b"c"), (b"c", b"d")]
    assert len(db.run("even")) == 2


# -- what comes from elsewhere ----------------------------------------------------------------------------------------


def test_json_deltas_carry_programs(films, another):
    other = another()
    statements = [
        json_delta.read(json.loads(json.dumps(json_delta.of_hyperedge(edge, "alice")))) for edge in films.hyperedges()
    ]
    other.pass_on(statements, origin="test")
    other.transact([("Heat", "runtime", 170)])
    assert {name: each.version for name, each in other.programs().items()} == {
        name: each.version for name, each in films.programs().items()
    }
    assert titles(other.run("long films", least=120)) == ["Heat"]


def test_what_is_no_definition_is_left_out_and_said(films):
    def said(*pointers):
        films.relate(*pointers)

    target = (entity_of_program("films"), "definition")
    said((PROGRAM, target), ("name", "other"), ("text", BASE))
    said((PROGRAM, target), ("name", "films"))
    said((PROGRAM, target), ("name", "films"), ("text", 3))
    said((PROGRAM, target), ("name", "p(x)"), ("text", BASE))
    said((PROGRAM, target), (PROGRAM, (b"else", "definition")), ("name", "films"), ("text", BASE))
    said((PROGRAM, (b"x", "elsewhere")), ("name", "films"), ("text", BASE))
    found = films.programs_said()
    assert len(found.refused) == 5
    assert list(found.defined) == ["films", "long films"]
    assert titles(films.run("long films", least=120)) == ["Heat"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("p(x: X", "logic.syntax"),
        ("p(x: X) :- nothing(x: X).", "logic.unknown-relation"),
        ("p(x: X) :- fact(value: X), !p(x: X).", "logic.not-stratifiable"),
        ("// nothing", "db.relation"),
    ],
)
def test_what_came_is_checked_when_it_is_used(films, text, code):
    target = (entity_of_program("came"), "definition")
    films.relate((PROGRAM, target), ("name", "came"), ("text", text))
    assert "came" in films.programs()
    with pytest.raises(Error) as caught:
        films.run("came")
    assert caught.value.code == code
    assert not films.check_program("came")
    with pytest.raises(Error) as caught:
        films.query('import "came". q(x: X) :- p(x: X).')
    if code != "db.relation":
        assert caught.value.code == code
        assert "in the stored program `came`" in str(caught.value) or code == "logic.not-stratifiable"
    assert len(films.run("films")) == 2


def test_how_much_is_imported_is_bounded(films, monkeypatch):
    monkeypatch.setattr(stored_programs, "PARTS_MAX", 5)
    films.define_program("step 0", "p0(x: X) :- fact(value: X).")
    for n in range(1, 6):
        films.define_program(f"step {n}", f'import "step {n - 1}". p{n}(x: X) :- p{n - 1}(x: X).')
    assert len(films.run("step 5")) == len(films.run("step 0"))
    with pytest.raises(Error) as caught:
        films.define_program("step 6", 'import "step 5". p6(x: X) :- p5(x: X).')
    assert caught.value.code == "logic.text-size"


def test_a_long_chain_of_imports_is_no_deep_recursion(films):
    films.define_program("step 0", "p0(x: X) :- fact(value: X).")
    for n in range(1, stored_programs.PARTS_MAX + 1):
        text = f'import "step {n - 1}". p{n}(x: X) :- p{n - 1}(x: X).'
        films.relate((PROGRAM, (entity_of_program(f"step {n}"), "definition")), ("name", f"step {n}"), ("text", text))
    assert len(films.run(f"step {stored_programs.PARTS_MAX}")) == len(films.run("step 0"))


def test_a_program_runs_within_its_budget(films):
    films.define_program("many", "p(a: A, b: B, c: C) :- fact(value: A), fact(value: B), fact(value: C).")
    with pytest.raises(Error) as caught:
        films.run("many", budget=Budget(facts=100))
    assert caught.value.code == "budget.facts"


def test_whom_one_trusts_takes_definitions_back(wall):
    ann, ben = copies(wall, "ann", "ben")
    ann.define_program("p", BASE)
    meet(ann, ben)
    ben.drop_program("p")
    meet(ann, ben)
    assert "p" not in ann.programs()
    assert "p" in ann.programs(trusted=["ann"])


# -- the oracle -------------------------------------------------------------------------------------------------------

NAMES = ["a", "b", "c"]
definitions = st.tuples(
    st.just("define"),
    st.integers(0, 1),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    st.integers(0, 2),
)


@settings(max_examples=80)
@given(
    doings=st.lists(
        st.one_of(
            definitions,
            definitions,
            st.tuples(st.just("drop"), st.integers(0, 1), st.sampled_from(NAMES)),
            st.tuples(st.just("meet")),
        ),
        max_size=8,
    )
)
def test_a_program_run_by_name_is_its_rules_with_those_that_it_imports(doings):
    dbs = [connect(":memory:", author=each) for each in ("ann", "ben")]
    for db in dbs:
        for value in range(3):
            db.transact([(b"%d" % value, "v", value)])
    for doing in doings:
        match doing:
            case ("meet",):
                meet(*dbs)
            case ("define", who, name, imports, least):
                more = "".join(f" {name}(x: X) :- {each}(x: X)." for each in imports if each != name)
                text = "".join(f'import "{each}". ' for each in imports if each != name)
                text += f'{name}(x: X) :- fact(attribute: "v", value: X), X >= {least}.' + more
                if all(each in dbs[who].programs() for each in imports if each != name):
                    dbs[who].define_program(name, text)
            case ("drop", who, name) if name in dbs[who].programs():
                dbs[who].drop_program(name)
    meet(*dbs)
    meet(*dbs)
    assert dbs[0].programs() == dbs[1].programs()
    for db in dbs:
        found = db.programs()
        for name in found:
            wanted, waiting = set(), [name]
            while waiting:
                each = waiting.pop()
                if each not in wanted:
                    wanted.add(each)
                    waiting += [one.name for one in rhizomedb.parse(found[each].text).imports] if each in found else []
            if wanted <= found.keys():
                rules = rhizomedb.Program(
                    tuple(rule for each in sorted(wanted) for rule in rhizomedb.parse(found[each].text).rules)
                )
                expected = {tuple(row) for row in db.query(rules, relation=name)}
                assert {tuple(row) for row in db.run(name)} == expected
                with db.view(name) as view:
                    assert {tuple(row) for row in view.relation()} == expected
            else:
                with pytest.raises(Error) as caught:
                    db.run(name)
                assert caught.value.code == "logic.unknown-import"
        db.close()

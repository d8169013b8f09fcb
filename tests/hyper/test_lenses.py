"""Lenses between versions: their steps as a table, round trips, and the rules held to plain Python on random lenses."""

import json
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.db.programs.query import evaluate
from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import exact
from rhizomedb.hyper import Add, Convert, Head, Hoist, Join, Remove, Rename, Sink, Split, Wrap, lens_plain
from rhizomedb.hyper import lens as lenses
from rhizomedb.hyper.lens import Lens, reading, reverse
from rhizomedb.hyper.lens_program import CLAIMED, COLUMNS, program_of

TASK, PIA = b"task", b"person:pia"

# step, what the old version says, what the new one reads, what comes back from there, what is lost on the way back
STEPS = {
    "rename": (Rename("title", "name"), {"title": ["Milk"]}, {"name": ["Milk"]}, {"title": ["Milk"]}, []),
    "wrap": (Wrap("by", "people"), {"by": ["ann"]}, {"people": ["ann"]}, {"by": ["ann"]}, []),
    "wrap several": (
        Wrap("by", "people"),
        {"by": ["ann", "ben"]},
        {"people": ["ann", "ben"]},
        {"by": ["ann"]},
        [("people", "ben", "one of a list is shown")],
    ),
    "add": (
        Add("priority", 3, "title"),
        {"title": ["Milk"]},
        {"title": ["Milk"], "priority": [3]},
        {"title": ["Milk"]},
        [("priority", 3, "it is no more")],
    ),
    "add, of another thing": (Add("priority", 3, "title"), {"city": ["Rome"]}, {"city": ["Rome"]}, {"city": ["Rome"]}, []),
    "split": (
        Split("who", ("first", "last")),
        {"who": ["Ada Byron King"]},
        {"first": ["Ada"], "last": ["Byron King"]},
        {"who": ["Ada Byron King"]},
        [],
    ),
    "split, one part": (Split("who", ("a", "b")), {"who": ["Ada"]}, {"a": ["Ada"]}, {"who": ["Ada"]}, []),
    "split what is no text": (Split("who", ("a", "b")), {"who": [1]}, {}, {}, []),
    "split at more": (Split("d", ("y", "m", "z"), "--"), {"d": ["1--2--3"]}, {"y": ["1"], "m": ["2"], "z": ["3"]}, {"d": ["1--2--3"]}, []),
    "join": (Join(("a", "b", "c"), "all", "-"), {"a": ["x"], "c": ["z"]}, {"all": ["x-z"]}, {"a": ["x"], "b": ["z"]}, []),
    "convert": (
        Convert("done", "status", {False: "todo", True: "done"}),
        {"done": [True]},
        {"status": ["done"]},
        {"done": [True]},
        [],
    ),
    "convert by another kind": (Convert("n", "m", ((1, "one"), (1.0, "float"))), {"n": [1.0]}, {"m": ["float"]}, {"n": [1.0]}, []),
    "convert two to one": (Convert("n", "m", {1: "odd", 2: "even", 3: "odd"}), {"n": [3]}, {"m": ["odd"]}, {"n": [1]}, []),
    "sink": (Sink("author", "by", "name"), {"author": ["Pia"]}, {"by.name": ["Pia"]}, {"author": ["Pia"]}, []),
    "nothing of its own": (Rename("a", "b"), {"c": [1]}, {"c": [1]}, {"c": [1]}, []),
}  # fmt: skip


def say(db, properties, thing=TASK):
    for name, values in properties.items():
        for number, value in enumerate(values):
            db.transact([(thing, name, value)], author=f"author {number}", scope="own")


def shown(read, thing=TASK):
    found = read.get(thing, policy="all", default=None)
    return {name: sorted(values, key=str) for name, values in (found or {}).items() if values}


@pytest.mark.parametrize("step", STEPS)
def test_each_step_and_back(db, step):
    made, before, after, back, lost = STEPS[step]
    db.lens("1", "2", made)
    say(db, before)
    assert shown(db.as_version("2")) == after
    with closing(connect(":memory:", keyring=Keyring())) as other:
        other.lens("1", "2", made)
        say(other, after)
        read = other.as_version("1")
        assert shown(read) == back
        found = read.lost(TASK) if after else []
        assert [(each.property, each.value, each.why) for each in found] == lost


def test_a_property_of_another_thing_is_hoisted_and_sinks_back(db):
    db.lens("1", "2", Hoist("author", "name", "author_name"))
    say(db, {"author": [PIA]})
    say(db, {"name": ["Pia"]}, PIA)
    new, old = db.as_version("2"), db.as_version("1")
    assert shown(new) == {"author_name": ["Pia"]}
    assert shown(old) == {"author": [PIA], "author.name": ["Pia"]}
    db.transact([(TASK, "author_name", "Pim")], author="ben", scope="own")
    assert shown(db.as_version("1"))["author.name"] == ["Pia", "Pim"]
    assert db.get(TASK, policy="all") == {"author": [PIA], "author_name": ["Pim"]}  # nothing was rewritten


def test_versions_are_read_over_a_path(db):
    db.lens("1", "2", Rename("title", "name"), Add("priority", 3, "name"))
    db.lens("2", "3", Rename("name", "label"), Wrap("by", "people"))
    db.lens("4", "3", Split("label_text", ("label", "more"), ": "))
    say(db, {"title": ["old"], "by": ["ann"]})
    db.transact([(TASK, "label", "new"), (TASK, "people", "cy")], author="ben", scope="own")
    db.transact([(TASK, "people", "di")], author="eve", scope="own")
    for version, names in {
        "1": ("title", "by"),
        "2": ("name", "by"),
        "3": ("label", "people"),
        "4": ("label_text",),
    }.items():
        read = db.as_version(version)
        assert read.versions[0] == version and sorted(read.versions) == ["1", "2", "3", "4"]
        assert read.get(TASK, names[0], policy="all") == ["new", "old"]
    assert db.as_version("1").get(TASK, "by", policy="first") == "ann"
    assert db.as_version("1").get(TASK, "by", policy="all") == ["ann", "cy"]  # a list has one head
    assert [(each.property, each.value) for each in db.as_version("1").lost(TASK)] == [("people", "di")]
    assert db.as_version("3").get(TASK, "priority") == 3
    assert db.as_version("1").get(TASK, "priority", default=None) is None
    program = 'names(of: E, is: V) :- read(entity: E, attribute: "name", value: V).'
    assert sorted(db.as_version("2").query(program)) == [(TASK, "new"), (TASK, "old")]


def test_who_said_it_and_as_what(db):
    lens = db.lens(
        "1", "2", Convert("done", "status", {False: "todo", True: "done"}), Add("priority", 3, "status"), author="ann"
    )
    db.transact([(TASK, "done", True)], author="old", scope="own")
    db.transact([(TASK, "status", "todo")], author="new", scope="own")
    why = db.as_version("2").why(TASK, "status", policy="first")
    assert [(each.value, each.author, each.said[1:]) for each in why.support] == [("done", "old", ("done", True))]
    assert [(each.value, each.author, each.said[1:]) for each in why.against] == [("todo", "new", ("status", "todo"))]
    assert "done  old" in str(why) and "as done of" in str(why)
    assert why.as_dict()["for"][0]["said"][1:] == ("done", True)
    assert "where nobody says it, by the lens of ann" in str(db.as_version("2").why(TASK, "priority"))
    db.transact([(TASK, "priority", 1)], author="new", scope="own")
    assert db.as_version("2").get(TASK, "priority", policy="all") == [1]
    db.negate(lens.edge)
    with pytest.raises(Error, match="no lens leads to a version '2'"):
        db.as_version("2")


def test_what_hyperedges_say_is_read_as_well(db):
    db.lens("1", "2", Rename("title", "name"), Hoist("author", "called", "author_name"))
    said = db.relate(task=(TASK, "title"), title="Milk", author="ann")
    db.relate(("task", (TASK, "author")), ("author", (PIA, "wrote")))
    db.relate(who=(PIA, "called"), called="Pia", author="ben")
    db.transact([(TASK, "name", "Oat milk")], author="cy", scope="own")
    assert shown(db.as_version("2")) == {"author_name": ["Pia"], "name": ["Milk", "Oat milk"]}
    assert shown(db.as_version("1")) == {"author": [PIA], "author.called": ["Pia"], "title": ["Milk", "Oat milk"]}
    why = db.as_version("2").why(TASK, "name", policy="first")
    assert [(each.author, each.said[1:]) for each in why.support] == [("ann", ("title", "Milk"))]
    (said_inside,) = db.as_version("2").why(TASK, "author_name").support
    assert (said_inside.author, said_inside.said[1:]) == ("ben", ("called", "Pia"))
    program = 'n(of: E, is: V) :- read(entity: E, attribute: "name", value: V).'
    assert sorted(db.as_version("2").query(program)) == [(TASK, "Milk"), (TASK, "Oat milk")]
    db.negate(said.edge)
    assert shown(db.as_version("2"))["name"] == ["Oat milk"]


def test_of_several_lenses_the_latest_counts_and_some_are_trusted(db):
    db.lens("1", "2", Rename("title", "name"), author="ann")
    db.lens("2", "1", Rename("label", "title"), author="spammer")
    said = db.lenses()
    assert [each.steps for each in said.lenses] == [(Rename("label", "title"),)]
    assert [each.steps for each, _ in said.replaced] == [(Rename("title", "name"),)]
    say(db, {"title": ["x"]})
    assert shown(db.as_version("2")) == {"label": ["x"]}
    assert shown(db.as_version("2", trusted=["ann"])) == {"name": ["x"]}


def test_what_is_no_lens_is_listed_with_the_reason(db):
    db.relate(("vocabulary", (b"vocabulary", "lens")), ("from", "1"), ("to", "2"), ("step 1", '{"renam": ["a", "b"]}'))
    db.relate(("vocabulary", (b"vocabulary", "lens")), ("from", "1"))
    db.relate(("vocabulary", (b"vocabulary", "lens")), ("from", "1"), ("to", "2"), ("step 1", "{"))
    assert [reason for _, reason in db.lenses().refused] == [
        "there is no step 'renam'",
        "a lens leads from one version to one other",
        "step 1 is no JSON",
    ]


@pytest.mark.parametrize(
    "step",
    [
        '{"add": ["a", null, "b"]}',
        '{"convert": ["a", "b", [["x", 1e999]]]}',
        '{"rename": ["a\\ud800", "b"]}',
        '{"hoist": ["a", "b\\ud800", "c"]}',
        '{"split": ["a", ["b", "c"], "\\ud800"]}',
    ],
)
def test_a_lens_of_what_is_no_value_is_refused_alone(db, step):
    db.lens("2", "3", Rename("a", "b"))
    db.relate(("vocabulary", (b"vocabulary", "lens")), ("from", "1"), ("to", "2"), ("step 1", step))
    found = db.lenses()
    assert (len(found.lenses), len(found.refused)) == (1, 1)
    assert db.as_version("3").program()


WRONG = {
    "no step": (lambda: Lens("1", "2", ()), "a lens has one step"),
    "no version": (lambda: Lens("", "2", (Rename("a", "b"),)), "a version is a text"),
    "the same version": (lambda: Lens("1", "1", (Rename("a", "b"),)), "to itself"),
    "a thing that is no step": (lambda: Lens("1", "2", ("rename",)), "is no step of a lens"),
    "a name twice": (lambda: Lens("1", "2", (Rename("a", "a"),)), "names a property twice"),
    "no name": (lambda: Lens("1", "2", (Rename("a", 3),)), "a property is a text"),
    "a reserved name": (lambda: Lens("1", "2", (Rename("a", "rhizome/b"),)), "nor reserved"),
    "what was taken": (lambda: Lens("1", "2", (Rename("a", "b"), Add("a", 1, "b"))), "'a' would be what it was before"),
    "parts that are one": (lambda: Lens("1", "2", (Split("a", "bc"),)), "the parts are a list"),
    "one part": (lambda: Lens("1", "2", (Split("a", ["b"]),)), "two parts or more"),
    "no separator": (lambda: Lens("1", "2", (Join(["a", "b"], "c", ""),)), "a separator is a text"),
    "no table": (lambda: Lens("1", "2", (Convert("a", "b", 3),)), "is no table of values"),
    "an empty table": (lambda: Lens("1", "2", (Convert("a", "b", {}),)), "pairs of values, and at least one"),
    "half a pair": (lambda: Lens("1", "2", (Convert("a", "b", [(1,)]),)), "pairs of values"),
    "bytes": (lambda: Lens("1", "2", (Add("a", b"x", "b"),)), "a value of a lens is a text"),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_lens_is_said(make, message):
    with pytest.raises(Error, match=message):
        make()


def test_what_is_asked_wrongly_is_said(db):
    db.lens("task/1", "task/2", Rename("title", "name"))
    say(db, {"title": ["x"]})
    read = db.as_version("task/2")
    for call, message in (
        (lambda: db.as_version("task/3"), "did you mean: task/"),
        (lambda: read.get(TASK, "nam"), "nam"),
        (lambda: db.as_version([]), "no lens leads to a version"),
        (lambda: read.get(TASK, []), "list"),
        (lambda: read.why(TASK, []), "list"),
        (lambda: read.why(TASK, "title"), "shows nothing as 'title'"),
        (lambda: read.get(b"nothing"), "nothing is said about"),
        (lambda: db.lenses(trusted="ann"), "is one, where a list is wanted"),
    ):
        with pytest.raises(Error, match=message):
            call()
    assert read.get(TASK, "title", default=1) == 1


def test_more_lenses_than_a_program_holds_are_refused(db):
    db.lens("v0", "v1", Rename("a", "b"), author="ann")
    for version in range(1, 8):
        steps = [Rename(f"{version}:{'x' * 50}{n}", f"{version}:{'y' * 50}{n}") for n in range(60)]
        db.lens(f"v{version}", f"v{version + 1}", *steps, author="spammer")
    say(db, {"title": ["x"]})
    with pytest.raises(Error, match="are too many") as refused:
        db.as_version("v1").get(TASK)
    assert refused.value.code == "hyper.lens"
    assert shown(db.as_version("v1", trusted=["ann"])) == {"title": ["x"]}


# -- laws ---------------------------------------------------------------------------------------------------------------

NAMES = ["p", "q", "r", "s", "t"]
THINGS = [b"x", b"y"]
VALUES = st.sampled_from([1, 1.0, True, "a b", "a", "", "a b c", b"x", b"y"])
WORDS = st.sampled_from(NAMES)
PLAIN = st.sampled_from([1, 1.0, True, "a b", "a", "c"])

some_steps = st.one_of(
    st.builds(Rename, WORDS, WORDS),
    st.builds(Wrap, WORDS, WORDS),
    st.builds(Head, WORDS, WORDS),
    st.builds(Add, WORDS, PLAIN, WORDS),
    st.builds(Remove, WORDS, PLAIN, WORDS),
    st.builds(Split, WORDS, st.tuples(WORDS, WORDS) | st.tuples(WORDS, WORDS, WORDS)),
    st.builds(Join, st.tuples(WORDS, WORDS) | st.tuples(WORDS, WORDS, WORDS), WORDS),
    st.builds(Convert, WORDS, WORDS, st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=3).map(tuple)),
    st.builds(Hoist, WORDS, WORDS, WORDS),
    st.builds(Sink, WORDS, WORDS, WORDS),
)


@st.composite
def graphs(draw):
    """Lenses among four versions; steps that make no lens together are left out."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        old, new = draw(st.sampled_from([("1", "2"), ("2", "3"), ("3", "4"), ("4", "1"), ("3", "1")]))
        steps = []
        for step in draw(st.lists(some_steps, min_size=1, max_size=4)):
            try:
                Lens(old, new, (*steps, step))
                steps.append(step)
            except Error:
                pass
        if steps and not any({each.old, each.new} == {old, new} for each in found):
            found.append(Lens(old, new, tuple(steps), Cid.of(bytes([number])), b"author"))
    return found


@st.composite
def claims(draw):
    found = []
    for thing, name, value in draw(
        st.lists(st.tuples(st.sampled_from(THINGS), st.sampled_from([*NAMES, "p.q", "z"]), VALUES), max_size=8)
    ):
        fact = Cid.of(repr((thing, name, exact(value))).encode())
        delta = Cid.of(bytes([draw(st.integers(0, 3))]))
        found.append((thing, name, value, fact, delta, b"someone", draw(st.integers(1, 3)), draw(st.integers(0, 1))))
    return found


def same(rows):
    return {tuple(map(exact, row)) for row in rows}


@settings(max_examples=40)
@given(graphs(), claims())
def test_the_rules_read_what_plain_python_reads(lenses_, said):
    for version in sorted({version for each in lenses_ for version in (each.old, each.new)}):
        plan = reading(lenses_, version)
        expected, lost = lens_plain.read(plan, said)
        rows = [dict(zip(COLUMNS, each, strict=True)) for each in said]
        found = evaluate(program_of(plan, "claim"), {"claim": rows} if rows else {"claim": []})
        order = list(found["read"].columns)
        assert same([[row[order.index(name)] for name in COLUMNS] for row in found["read"]]) == same(expected)
        order = list(found["lost"].columns)
        assert same([[row[order.index(name)] for name in (*COLUMNS, "why")] for row in found["lost"]]) == same(
            [*claim, why] for claim, why in lost
        )


fresh = st.lists(
    st.sampled_from(
        [Rename("a", "a1"), Wrap("b", "b1"), Hoist("c", "name", "c1"), Sink("d", "d1", "name"), Rename("a1", "a2")]
    ),
    min_size=1,
    max_size=5,
    unique=True,
)


@given(fresh, st.dictionaries(st.sampled_from(["a", "b", "c.name", "d", "z"]), VALUES, min_size=1))
def test_renaming_wrapping_and_hoisting_come_back(steps, said):
    steps = sorted(steps, key=lambda step: step == Rename("a1", "a2"))  # what is not there yet has no other name
    lens = Lens("1", "2", tuple(steps), Cid.of(b"lens"), b"author")
    rows = [(b"x", name, value, Cid.of(name.encode()), Cid.of(b"d"), b"someone", 1, 0) for name, value in said.items()]
    there, lost = lens_plain.read(reading([lens], "2"), rows)
    assert (len(there), lost) == (len(rows), [])
    back, lost = lens_plain.read(reading([lens], "1"), there)
    assert (same(back), lost) == (same(rows), [])


@given(some_steps)
def test_a_step_is_its_reverse_twice_and_its_json(step):
    assert reverse(reverse(step)) == step
    try:
        (checked,) = Lens("1", "2", (step,)).steps
    except Error:
        return
    again = lenses.read(json.loads(json.dumps(lenses.written(checked))))
    assert repr(again) == repr(checked)


@settings(max_examples=25)
@given(graphs(), st.lists(st.tuples(st.sampled_from(THINGS), WORDS, PLAIN, st.booleans()), max_size=5), st.data())
def test_a_database_reads_the_same(lenses_, facts, data):
    with closing(connect(":memory:", author="ann", keyring=Keyring())) as db:
        for each in lenses_:
            db.lens(each.old, each.new, *each.steps)
        edges = []
        for number, (thing, name, value, is_fact) in enumerate(facts):
            if is_fact:
                db.transact([(thing, name, value)], author="ab"[number % 2], scope="own")
            else:
                edges.append(db.relate(("at", (thing, name)), (name, value), author="ab"[number % 2]).edge)
        for thing in THINGS:
            if db.get(thing, default=None) and data.draw(st.booleans()):
                db.retract(thing)
        for edge in edges:
            if data.draw(st.booleans()):
                db.negate(edge)
        stands = (
            "s(e: E, p: P, v: V, f: F, d: D, a: A, t: T, n: N) :- claimed(entity: E, attribute: P, value: V, fact: F, "
            f"delta: D, author: A, time: T, counter: N).\n{CLAIMED}"
        )
        rows = [row for row in db.query(stands, relation="s") if row[0] in THINGS]
        said = db.lenses().lenses
        assert {replace(each, delta=None, author=b"") for each in said} == {
            replace(each, delta=None, author=b"") for each in lenses_
        }
        for version in sorted({version for each in said for version in (each.old, each.new)}):
            expected, _ = lens_plain.read(reading(said, version), [tuple(row) for row in rows])
            read = db.as_version(version)
            for thing in THINGS:
                claims_ = {
                    (name, exact(value))
                    for name, values in (read.get(thing, policy="all", default=None) or {}).items()
                    for value in values
                }
                distinct = {(each[1], exact(each[2])) for each in expected if each[0] == thing}
                assert {name for name, _ in claims_} == {name for name, _ in distinct}
                assert claims_ <= distinct  # one number in two kinds is one

"""What is said to mean the same: attributes and things, by authors, taken back, and read with."""

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import Error
from rhizomedb.hyper import Condition, HyperSchema, Nest, Property
from rhizomedb.hyper.resolution import POLICIES, resolve
from rhizomedb.hyper.vocabulary import Classes, Vocabulary
from rhizomedb.logic import parse

A, B, C = b"thing:a", b"thing:b", b"thing:c"


def said(db, *rows, author="alice"):
    db.transact(rows, author=author, scope="own")


# -- as a table ---------------------------------------------------------------------------------------------------------


def test_an_attribute_is_read_in_any_of_its_names(db):
    said(db, (A, "title", "Ran"), author="imdb")
    said(db, (A, "dc:title", "Chaos"), author="library")
    db.alias("title", "name", "dc:title", author="ann")
    read = db.with_vocabulary()
    assert dict(read.get(A, policy="all")) == {"title": ["Chaos", "Ran"]}
    assert [read.get(A, name, policy="first") for name in ("title", "name", "dc:title")] == ["Ran"] * 3
    assert dict(db.get(A, policy="all")) == {"title": ["Ran"], "dc:title": ["Chaos"]}  # whoever does not ask
    (conflict,) = read.conflicts()
    assert (conflict.attribute, [each.authors for each in conflict.values]) == ("title", [("library",), ("imdb",)])


def test_things_that_are_one_are_shown_as_the_first(db):
    said(db, (A, "year", 1985), (B, "runtime", 162), (C, "country", "Japan"))
    db.same(B, A, author="ann")
    db.same(C, A, author="ben")
    read = db.with_vocabulary()
    assert [dict(read.get(thing)) for thing in (A, B, C)] == [{"country": "Japan", "runtime": 162, "year": 1985}] * 3
    assert [record.entity for record in read.records()] == [B]
    assert db.vocabulary().things.all(C) == (B, A, C)


def test_who_said_it_can_be_asked_and_taken_back(db):
    said(db, (A, "year", 1985), author="imdb")
    said(db, (C, "year", 1986), author="library")
    one, other = db.same(A, B, author="ann"), db.same(B, C, author="ben")
    things = db.vocabulary().things
    assert [edge.edge for edge in things.why(A, C)] == [one.edge, other.edge]
    assert [edge.edge for edge in things.why(C, B)] == [other.edge]
    assert (things.why(A, A), things.why(A, b"stranger")) == ((), ())
    why = db.with_vocabulary().why(A, "year")
    assert [(each.value, each.author, [edge.edge for edge in each.because]) for each in why.support] == [
        (1986, "library", [one.edge, other.edge])
    ]
    assert [(each.value, each.because) for each in why.against] == [(1985, ())]
    assert [db.author_name(edge.author) for edge in why.because] == ["ann", "ben"]
    assert "says ann" in str(why) and "as year of" in str(why)
    assert why.as_dict()["for"][0]["because"][0].endswith(why.as_dict()["for"][0]["because"][0][-16:])
    db.negate(other.edge, author="ben")
    assert dict(db.with_vocabulary().get(A)) == {"year": 1985}
    assert db.with_vocabulary().why(A, "year").against == ()


def test_only_those_count_who_are_trusted(db):
    said(db, (A, "year", 1985), (B, "runtime", 162))
    spam = db.same(A, B, author="spammer")
    assert db.vocabulary(trusted=["alice"]).things.all(A) == (A,)
    db.same(A, B, author="ann")
    assert db.vocabulary(trusted=["ann"]).things.all(B) == (A, B)
    db.negate(spam.edge, author="ann")
    db.negate(db.hyperedges(targets=["vocabulary"])[0].edge, author="spammer")
    assert db.vocabulary().things.all(A) == (A,)
    assert db.vocabulary(trusted=["ann"]).things.all(A) == (A, B)  # only ann may take back what ann says
    assert dict(db.with_vocabulary(trusted=["ann"]).get(A)) == {"runtime": 162, "year": 1985}


def test_it_is_a_moment_like_any_other(db):
    said(db, (A, "title", "Ran"))
    before = db.snapshot()
    db.alias("title", "name")
    read = db.with_vocabulary()
    said(db, (A, "name", "later"), author="ben")
    assert before.with_vocabulary().get(A, "name", default="nothing") == "nothing"
    assert (read.get(A, "name"), db.with_vocabulary().get(A, "name")) == ("Ran", "later")
    assert db.as_of(1).vocabulary().attributes.all("title") == ("title",)


def test_two_things_of_one_name_that_are_one_are_no_doubt(db):
    said(db, (A, "title", "Ran"), (B, "title", "Ran"), (B, "year", 1985))
    with pytest.raises(Error, match="Ran"):
        db.get("Ran")
    db.same(A, B)
    assert db.with_vocabulary().get("Ran", "year") == 1985


def test_a_program_reads_what_is_meant(db):
    said(db, (A, "runtime", 162), author="imdb")
    said(db, (B, "length", 160), author="library")
    said(db, (C, "runtime", 100))
    db.alias("runtime", "length")
    db.same(A, B)
    program = 'long(of: E, minutes: V) :- meant(entity: E, attribute: "runtime", value: V), V > 120.'
    assert sorted(db.with_vocabulary().query(program)) == [(A, 160), (A, 162)]
    assert sorted(db.with_vocabulary(trusted=[]).query(program)) == [(A, 162)]
    assert len(db.with_vocabulary().query("r(of: X, is: Y) :- attribute_is(of: X, is: Y).")) == 2


def test_a_program_reads_more_names_than_a_text_holds(db):
    words = Vocabulary(
        Classes({}, ()),
        Classes(dict.fromkeys((A, B), b"class"), [(db.hyperedge(db.same(A, B).edge), [A, B])]),
    )
    assert parse(words.program()).rules == words.rules().rules
    many = [f"name {number} {'x' * 50}" for number in range(900)]
    for first in range(3):
        db.alias(*(f"{first} {name}" for name in many))
    said(db, (A, many[3], 1), (A, f"1 {many[3]}", 2))
    program = f'm(v: V) :- meant(attribute: "1 {many[0]}", value: V).'
    assert db.with_vocabulary().query(program).to_dicts() == [{"v": 2}]
    db.alias(*(f"3 {name}" for name in many))
    with pytest.raises(Error, match="3,602 names mean the same as others, and a program takes 3,500"):
        db.with_vocabulary().query(program)


PERSON = HyperSchema("person", "Person", selects=["born"])
MOVIE = HyperSchema(
    "movie",
    "Movie",
    selects=["cast", "title", "year"],
    nests={"actor": Nest("person", (Condition("part", "!=", "nobody"),))},
    properties={"year": Property("integer.year", role="released")},
)


def test_a_view_has_the_names_of_its_schema(db):
    db.relate(film=(A, "cast"), actor=(b"keanu", "in"), part="Neo")
    db.relate(film=(B, "players"), player=(b"reeves", "plays in"), role="Thomas")
    db.relate(film=(B, "players"), player=(b"reeves", "plays in"), role="nobody")
    db.relate(of=(b"reeves", "birth"), birth=1964)
    db.relate(of=(B, "jahr"), erschienen=1999)
    db.relate(of=(B, "name"), name="Matrix")
    for names in (
        ("players", "cast"),
        ("player", "actor"),
        ("role", "part"),
        ("birth", "born"),
        ("jahr", "year"),
        ("erschienen", "released"),
        ("name", "title"),
    ):
        db.alias(*names)
    db.same(B, A)
    db.same(b"reeves", b"keanu")
    shown = db.with_vocabulary().show(A, MOVIE, schemas=[PERSON], policies={"cast": "all"})
    person = {"id": "reeves", "born": 1964}
    assert shown == {
        "id": "thing:b",
        "title": "Matrix",
        "year": 1999,
        "cast": [
            {"actor": person, "part": "Neo"},
            {"actor": person, "part": "Thomas"},
            {"actor": "reeves", "part": "nobody"},  # where a condition does not hold, the target stays
        ],
    }
    view = db.with_vocabulary().hyperview(A, MOVIE, schemas=[PERSON])
    assert [each.edge.targets("role") for each in view["cast"]] == [[], ["Thomas"], ["nobody"]]  # as it was said
    assert db.show(A, MOVIE, schemas=[PERSON])["cast"]["actor"] == {"id": "keanu"}


WRONG = {
    "one name": (lambda db: db.alias("title"), "two attributes or more"),
    "the same twice": (lambda db: db.alias("title", "title"), "two attributes or more"),
    "no name": (lambda db: db.alias("title", 3), "3 is no name of an attribute"),
    "a list": (lambda db: db.alias(["title", "name"]), "is no name of an attribute"),
    "one thing": (lambda db: db.same(A), "two things or more"),
    "no thing": (lambda db: db.same(A, None), "None is no thing"),
    "one author": (lambda db: db.with_vocabulary(trusted="ann"), "is one, where a list is wanted"),
    "nobody": (lambda db: db.vocabulary(trusted=["nobody"]), "nobody called 'nobody'"),
    "nothing is said": (lambda db: db.with_vocabulary().get(b"x"), "nothing is said about"),
    "a list for a thing": (lambda db: db.with_vocabulary().get([]), "entity"),
    "a list for a name": (lambda db: db.vocabulary().attributes.all([]), "no name of an attribute, and no thing"),
    "a number for a schema": (lambda db: db.with_vocabulary().hyperview(A, 3), "neither a schema nor the name of one"),
    "no mapping": (lambda db: db.with_vocabulary().show(A, PERSON, policies="all"), "is no mapping"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(db, call, message):
    with pytest.raises(Error, match=message):
        call(db)


# -- laws ---------------------------------------------------------------------------------------------------------------

AUTHORS = ["ann", "ben"]
NAMES = ["p", "q", "r", "s"]
THINGS = [b"w", b"x", b"y", b"z"]

steps = st.one_of(
    st.tuples(st.just("alias"), st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True)),
    st.tuples(st.just("same"), st.lists(st.sampled_from(THINGS), min_size=2, max_size=3, unique=True)),
    st.tuples(st.just("fact"), st.tuples(st.sampled_from(THINGS), st.sampled_from(NAMES), st.integers(0, 2))),
    st.tuples(st.just("negate"), st.integers(0, 5)),
)
histories = st.lists(st.tuples(steps, st.sampled_from(AUTHORS)), max_size=9)


def write(db, history):
    """Say a history; gives the statements that tie things together as they stand, for the oracle."""
    ties = []
    for (kind, what), author in history:
        if kind == "fact":
            db.transact([what], author=author, scope="own")
        elif kind == "negate":
            if what < len(ties):
                db.negate(ties[what][0], author=author)
                ties[what][3].append(author)
        else:
            edge = (db.alias if kind == "alias" else db.same)(*what, author=author).edge
            ties.append((edge, kind, author, [], what))
    return ties


def classes(ties, kind, members, trusted):
    """Union-find, the obvious way: merge until nothing changes."""
    counted = [
        what
        for _, of, author, away, what in ties
        if of == kind
        and (trusted is None or author in trusted)
        and not any(trusted is None or by in trusted or by == author for by in away)
    ]
    found = [{each} for each in members]
    for what in counted:
        tied = [group for group in found if group & set(what)]
        found = [group for group in found if not group & set(what)] + [set().union(*tied)]
    return {frozenset(group) for group in found}


trust = st.none() | st.lists(st.sampled_from(AUTHORS), unique=True)


@settings(max_examples=100)
@given(histories, trust)
def test_classes_are_those_of_union_find(history, trusted):
    with closing(connect(":memory:", author="ann", keyring=Keyring())) as db:
        for author in AUTHORS:
            db.transact([(b"author", "is", author)], author=author, scope="own")
        ties = write(db, history)
        found = db.vocabulary(trusted)
        for kind, of, members in (("alias", found.attributes, NAMES), ("same", found.things, THINGS)):
            assert {frozenset(of.all(each)) for each in members} == classes(ties, kind, members, trusted)
            for one in members:
                assert of.shown(one) == of.all(one)[0]
                for other in members:
                    chain = of.why(one, other)
                    assert bool(chain) == (one != other and other in of.all(one))


@settings(max_examples=50)
@given(histories, trust)
def test_a_record_is_all_that_stands_in_its_class(history, trusted):
    with closing(connect(":memory:", author="ann", keyring=Keyring())) as db:
        for author in AUTHORS:
            db.transact([(b"author", "is", author)], author=author, scope="own")
        write(db, history)
        words, read = db.vocabulary(trusted), db.with_vocabulary(trusted)
        expected = {}
        for thing in THINGS:
            for name in NAMES:
                for value in db.get(thing, name, policy="all", default=None) or []:
                    expected.setdefault((words.things.shown(thing), words.attributes.shown(name)), set()).add(value)
        records = {
            (record.entity, attribute): set(values)
            for record in read.records(policy="all")
            if record.entity != b"author"
            for attribute, values in record.items()
        }
        assert records == expected
        meant = "m(e: E, a: A, v: V) :- meant(entity: E, attribute: A, value: V)."
        assert {row for row in read.query(meant) if row[0] in THINGS and row[1] in NAMES} == {
            (*key, value) for key, values in expected.items() for value in values
        }
        assert {(each.entity, each.attribute) for each in read.conflicts() if each.entity in THINGS} == {
            key for key, values in expected.items() if len(values) > 1
        }


@settings(max_examples=25)
@given(histories, histories, st.randoms(use_true_random=False))
def test_copies_that_met_show_the_same(one, other, random):
    keyring = Keyring()
    with (
        closing(connect(":memory:", author="ann", keyring=keyring)) as a,
        closing(connect(":memory:", author="ben", keyring=keyring)) as b,
    ):
        write(a, one)
        write(b, other)
        deltas = [*a.deltas(), *b.deltas()]
        for copy in (a, b):
            random.shuffle(deltas)
            for delta in deltas:
                copy.admit([delta.encode()], origin="meeting")
        words, others = a.vocabulary(), b.vocabulary()
        assert [words.attributes.all(each) for each in NAMES] == [others.attributes.all(each) for each in NAMES]
        assert [words.things.all(each) for each in THINGS] == [others.things.all(each) for each in THINGS]
        assert [dict(each) for each in a.with_vocabulary().records()] == [
            dict(each) for each in b.with_vocabulary().records()
        ]


edges = st.lists(
    st.tuples(
        st.sampled_from(THINGS), st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from([*THINGS, 1, 2])
    ),
    max_size=6,
)


@settings(max_examples=60)
@given(histories, edges, st.lists(st.sampled_from(NAMES), max_size=2), st.sampled_from([*NAMES, None]))
def test_a_view_is_that_of_what_would_have_been_said_with_the_names_shown(history, said, selects, nested):
    inner = HyperSchema("inner", "Inner")
    with (
        closing(connect(":memory:", author="ann", keyring=Keyring())) as db,
        closing(connect(":memory:", author="ann", keyring=Keyring())) as plain,
    ):
        write(db, [step for step in history if step[0][0] != "fact"])
        words = db.vocabulary()
        name, thing = words.attributes.shown, words.things.shown
        schema = HyperSchema(
            "outer",
            "Outer",
            frozenset(map(name, selects)) or None,
            {} if nested is None else {name(nested): Nest("inner")},
        )
        for of, context, role, target in said:
            more = (target, name(context)) if isinstance(target, bytes) else target
            db.relate(("at", (of, context)), (role, (target, context) if isinstance(target, bytes) else target))
            plain.relate(
                ("at", (thing(of), name(context))),
                (name(role), (thing(more[0]), more[1]) if isinstance(more, tuple) else more),
            )
        expected = plain.hyperviews([thing(each) for each in THINGS], schema, schemas=[inner])
        found = db.with_vocabulary().hyperviews(THINGS, schema, schemas=[inner])
        choose = POLICIES["all"]
        assert [resolve(each, choose, {}) for each in found] == [resolve(each, choose, {}) for each in expected]


def test_attributes_of_other_kinds_are_others_though_python_calls_them_equal(db):
    db.transact([(b"thing", 1, "a"), (b"thing", 1.0, "b")])
    read = db.with_vocabulary()
    assert (read.get(b"thing", 1), read.get(b"thing", 1.0)) == ("a", "b")
    assert not read.conflicts()
    assert read.why(b"thing", 1).shown == ("a",)


def test_what_a_question_uses_is_a_list(db):
    with pytest.raises(Error, match="`using` is a list"):
        db.with_vocabulary().query("a(v: V) :- meant(value: V).", using=None)


def test_a_class_of_many_takes_no_more_than_its_members():
    edge = object()
    many = Classes(dict.fromkeys(map(str, range(20_000)), 0), [(edge, [str(n) for n in range(20_000)])])
    assert len(many) == 1
    assert many.all("7") is many.all("19999")
    assert many.why("7", "19999") == (edge,)

"""Whole records: attributes that belong together come from one delta or author, by an oracle in plain Python."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb import Together
from rhizomedb.cli import main
from rhizomedb.db.connection import connect
from rhizomedb.db.keyring import Keyring
from rhizomedb.errors import RequestError, ValueRefused
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.value import exact
from rhizomedb.hyper.json_delta import JsonDelta
from rhizomedb.hyper.pointer import Pointer, Reference
from rhizomedb.hyper.schema import HyperSchema, Nest

E = b"e" * 16
ADDRESS = ("street", "city", "zip")
TOGETHER = [ADDRESS]


def address(*values, entity=E):
    return [(entity, name, value) for name, value in zip(ADDRESS, values, strict=True) if value is not None]


def shown(db, **how):
    return dict(db.get(E, together=TOGETHER, **how))


def test_who_passes_on_what_others_said_makes_no_record_of_it_all(db):
    def said(id, time, author, property, value):
        pointers = (Pointer("of", Reference(b"office", property)), Pointer(property, value))
        return JsonDelta(id, HybridTime(time, 0), author, "elsewhere", pointers, None)

    passed = [
        said(b"1", 1, "ann", "street", "Main St"),
        said(b"2", 2, "ann", "city", "Bern"),
        said(b"3", 3, "ben", "city", "Basel"),
    ]
    db.pass_on(passed, author="importer", origin="test")
    schema = HyperSchema("office", "Office")
    together = [Together(ADDRESS, of="author")]
    assert db.show(b"office", schema, together=together) == {"id": "office", "city": "Basel"}
    assert db.show(b"office", schema, together=together, policy="first") == {
        "id": "office",
        "street": "Main St",
        "city": "Bern",
    }


# -- the table ---------------------------------------------------------------------------------------------------------


def test_nobody_is_shown_an_address_that_nobody_wrote(db, wall):
    db.transact(address("Main St", "Bern", None), author="ann", scope="own")
    wall.forward(1)
    db.transact(address(None, "Basel", 4000), author="ben", scope="own")
    assert dict(db.get(E)) == {"street": "Main St", "city": "Basel", "zip": 4000}
    assert shown(db) == {"city": "Basel", "zip": 4000}
    assert shown(db, policy="first") == {"street": "Main St", "city": "Bern"}
    assert shown(db, policy="trusted:ann") == {"street": "Main St", "city": "Bern"}
    assert db.get(E, "street", together=TOGETHER) is None
    assert db.get(E, "street", together=TOGETHER, default="?") == "?"
    assert db.get(E, "city", together=TOGETHER, policy="first") == "Bern"
    assert [dict(record) for record in db.records(together=TOGETHER)] == [{"city": "Basel", "zip": 4000}]


def test_the_others_are_shown_as_ever(db, wall):
    db.transact([*address("Main St", "Bern", 3000), (E, "name", "Ann")], author="ann", scope="own")
    wall.forward(1)
    db.transact([(E, "city", "Basel"), (E, "phone", 7)], author="ben", scope="own")
    record = db.get(E, together=TOGETHER)
    assert dict(record) == {"city": "Basel", "name": "Ann", "phone": 7}
    assert record.contested == {"city"}
    assert record.choices["city"].reason == "of one delta: claimed most recently"
    assert dict(db.get(E, together=[("city", "phone"), ("street", "zip")])) == {
        "city": "Basel", "phone": 7, "street": "Main St", "zip": 3000, "name": "Ann",
    }  # fmt: skip


def test_a_vote_is_about_records(db, wall):
    for author, said in (("a", ("x", "y", 1)), ("b", ("x", "z", 2)), ("c", ("q", "y", 2)), ("d", ("x", "y", 1.0))):
        db.transact(address(*said), author=author, scope="own")
        wall.forward(1)
    assert shown(db, policy="vote") == {"street": "x", "city": "y", "zip": 1.0}
    assert db.get(E, together=TOGETHER, policy="vote").choices["zip"].reason == "of one delta: said by 2 of 4 authors"
    assert db.get(E, policy="vote")["zip"] in (2, 1.0)


def test_what_one_author_still_says_is_a_record_too(db, wall):
    """A source says only what changed; what it said before and still says belongs to it."""
    db.transact(address("Main St", "Bern", 3000), author="ann", scope="own")
    wall.forward(1)
    db.transact(address("High St", "Basel", 4000), author="ben", scope="own")
    wall.forward(1)
    db.transact(address(None, "Biel", None), author="ann", scope="own")
    assert shown(db) == {"city": "Biel"}
    of_author = [Together(ADDRESS, of="author")]
    assert dict(db.get(E, together=of_author)) == {"street": "Main St", "city": "Biel", "zip": 3000}
    assert dict(db.get(E, together=of_author, policy="first")) == {"street": "High St", "city": "Basel", "zip": 4000}


def test_who_writes_together_says_it_whole(db, wall):
    db.transact(address("Main St", "Bern", 3000), together=True)
    wall.forward(1)
    assert not db.transact(address("Main St", "Bern", 3000), together=True), "it is said so already"
    done = db.transact(address("Main St", "Biel", 3000), together=True)
    assert len(done.deltas) == 1 and done.facts == 3
    assert shown(db) == {"street": "Main St", "city": "Biel", "zip": 3000} == dict(db.get(E))
    db.transact(address("Main St", "Thun", 3000))
    assert shown(db) == {"city": "Thun"}, "only what changed was said"
    wall.forward(1)
    for scope in ("own", "seen"):
        db.transact(address("Main St", "Chur", 7000), author="ben", scope=scope, together=True)
        wall.forward(1)
        assert shown(db) == {"street": "Main St", "city": "Chur", "zip": 7000}


def test_many_entities_are_whole_each(db):
    items = [(b"e%04d" % n, name, f"{n}{name}") for name in ADDRESS for n in range(700)]
    done = db.transact(items, together=True)
    assert len(done.deltas) > 1
    assert all(len(record) == 3 for record in db.records(together=TOGETHER))
    assert not db.transact(items, together=True)


def test_what_is_taken_back_is_in_no_record(db, wall):
    db.transact(address("a", "b", 1), author="ann", scope="own")
    wall.forward(1)
    db.transact(address("c", "d", 2), author="ben", scope="own")
    db.retract(E, "zip", author="ben", scope="own")
    assert shown(db) == {"street": "c", "city": "d"}
    db.retract(E, author="ben", scope="own")
    assert shown(db) == {"street": "a", "city": "b", "zip": 1}


@pytest.mark.parametrize(
    ("together", "code"),
    [
        ("street", "db.usage"),
        (["street"], "db.usage"),
        ([()], "db.usage"),
        ([("a", "a")], "db.usage"),
        ([("a", "b"), ("b", "c")], "db.usage"),
        (3, "db.usage"),
        (None, "db.usage"),
        ([None], "db.usage"),
        ([("a", None)], "facts.attribute-type"),
        (Together(("a", "b")), "db.usage"),
    ],
)
def test_what_cannot_belong_together_is_said(db, together, code):
    db.transact(address("a", "b", 1))
    for ask in (lambda: db.get(E, together=together), lambda: db.show(E, SCHEMA, together=together)):
        with pytest.raises((RequestError, ValueRefused)) as caught:
            ask()
        assert caught.value.code == code


@pytest.mark.parametrize("policy", ["all", "max", "min"])
def test_policies_that_choose_no_record_are_refused(db, policy):
    db.transact(address("a", "b", 1))
    for ask in (db.get, lambda *args, **how: db.show(E, SCHEMA, **how)):
        with pytest.raises(RequestError, match="chooses no single record"):
            ask(E, together=TOGETHER, policy=policy)
    with pytest.raises(RequestError, match="of a delta or an author"):
        Together(("a", "b"), of="epoch")
    with pytest.raises(RequestError, match="True or False"):
        db.transact([], together=TOGETHER)


def test_the_command(tmp_path, capsys, wall):
    path = str(tmp_path / "a.db")
    with connect(path, keyring=Keyring(), clock=wall) as db:
        db.transact([*address("Main St", "Bern", None), (E, "name", "Ann")], author="ann", scope="own")
        wall.forward(1)
        db.transact(address(None, "Basel", 4000), author="ben", scope="own")
    assert main(["get", path, "Ann", "--together", "street, city,zip"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:4]] == [
        ["city", "Basel", "≠"], ["name", "Ann"], ["zip", "4000"],
    ]  # fmt: skip
    assert main(["get", path, "Ann", "street", "--together", "street,city"]) == 0
    assert "Main" not in capsys.readouterr().out
    assert main(["export", path, "-", "--together", "street,city,zip"]) == 0
    assert capsys.readouterr().out.splitlines() == ["name,city,zip", "Ann,Basel,4000"]
    assert main(["get", path, "Ann", "--together", "street,cty"]) == 1
    assert "did you mean: city?" in capsys.readouterr().err


# -- hyperedges --------------------------------------------------------------------------------------------------------

SCHEMA = HyperSchema("place", "Place")
PERSON = HyperSchema("person", "Person", nests={"home": Nest("place")})


def said(db, wall, author=None, thing=E, **values):
    """A hyperedge that says several properties of a thing at once."""
    wall.forward(1)
    pointers = [(f"of {name}", Reference(thing, name)) for name in values]
    return db.relate(*pointers, *values.items(), author=author)


def test_properties_come_from_one_hyperedge(db, wall):
    said(db, wall, "ann", street="Main St", city="Bern", zip=3000)
    edge = said(db, wall, "ben", city="Basel", zip=4000)
    said(db, wall, "cy", phone=7)
    whole = {"id": db.show(E, SCHEMA)["id"]}
    assert db.show(E, SCHEMA) == {**whole, "street": "Main St", "city": "Basel", "zip": 4000, "phone": 7}
    assert db.show(E, SCHEMA, together=TOGETHER) == {**whole, "city": "Basel", "zip": 4000, "phone": 7}
    for policy in ("first", "trusted:ann", lambda records: records[0].value):
        found = db.show(E, SCHEMA, together=TOGETHER, policy=policy)
        assert found == {**whole, "street": "Main St", "city": "Bern", "zip": 3000, "phone": 7}
    assert db.show(E, SCHEMA, together=[("Place.street", "Place.city", "zip")]).get("street") is None
    assert db.show(E, SCHEMA, together=[("Other.street", "Other.city")])["street"] == "Main St"
    db.negate(edge.edge)
    assert db.show(E, SCHEMA, together=TOGETHER)["street"] == "Main St"
    with pytest.raises(RequestError, match="none of the records"):
        db.show(E, SCHEMA, together=TOGETHER, policy=lambda records: {"street": "made up"})


def test_nested_views_are_whole_too(db, wall):
    said(db, wall, "ann", b"p", street="Main St", city="Bern")
    said(db, wall, "ben", b"p", city="Basel")
    db.relate(of=(b"ann", "home"), home=(b"p", None))
    shown = db.show(b"ann", PERSON, schemas=[SCHEMA], together=TOGETHER)
    assert shown["home"] == {"id": "p", "city": "Basel"}


# -- laws --------------------------------------------------------------------------------------------------------------

SAYINGS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "ben", "cy"]),
        st.fixed_dictionaries({}, optional={name: st.sampled_from([1, 2, 1.0]) for name in (*ADDRESS, "other")}),
        st.sampled_from(["own", "seen"]),
        st.booleans(),
    ),
    max_size=6,
)
POLICIES = st.sampled_from(["latest", "first", "vote", "trusted:ann", "trusted:cy,ben"])


def oracle(claims, policy, names, of):
    """What is shown of some attributes: `claims` are (attribute, value, delta, author, rank), those that stand."""
    records = {}
    for attribute, value, delta, author, rank in sorted(claims, key=lambda each: each[4]):
        if attribute in names:
            records.setdefault(delta if of == "delta" else author, {})[attribute] = value, author, rank
    wholes = [
        (max(rank for *_, rank in record.values()), next(iter(record.values()))[1], record)
        for record in records.values()
    ]  # fmt: skip
    if not wholes:
        return {}
    candidates = wholes
    if policy == "vote":
        votes = {}
        for _, author, record in wholes:
            votes.setdefault(frozenset((a, float(v)) for a, (v, *_) in record.items()), set()).add(author)
        most = max(map(len, votes.values()))
        candidates = [w for w in wholes if len(votes[frozenset((a, float(v)) for a, (v, *_) in w[2].items())]) == most]
    elif policy.startswith("trusted:"):
        for name in policy.removeprefix("trusted:").split(","):
            theirs = [whole for whole in wholes if whole[1] == name]
            if theirs:
                candidates = theirs
                break
    best = (min if policy == "first" else max)(candidates, key=lambda whole: whole[0])
    return {attribute: exact(value) for attribute, (value, *_) in best[2].items()}


@settings(max_examples=120)
@given(SAYINGS, POLICIES, st.sampled_from(["delta", "author"]))
def test_what_is_shown_was_written_by_one(sayings, policy, of):
    with connect(":memory:", keyring=Keyring()) as db:
        for author in ("ann", "ben", "cy"):  # whom a policy names has said something
            db.transact([(b"x", "there", author)], author=author, scope="own")
        for author, values, scope, together in sayings:
            db.transact([(E, name, v) for name, v in values.items()], author=author, scope=scope, together=together)
        if E not in db:
            return
        record = db.get(E, policy=policy, together=[Together(ADDRESS, of=of)])
        stands = [each for each in db.history(E) if each.standing]
        claims = [(s.attribute, s.claim.value, s.claim.delta, s.author, s.claim.rank) for s in stands]
        found = {name: exact(record[name]) for name in record if name in ADDRESS}
        assert found == oracle(claims, policy, ADDRESS, of)
        sources = {choice.decided_by.delta if of == "delta" else choice.decided_by.author
                   for name, choice in record.choices.items() if name in ADDRESS}  # fmt: skip
        assert len(sources) == bool(found)
        assert record.get("other") == dict(db.get(E, policy=policy)).get("other")
        assert [dict(each) for each in db.records(policy=policy, together=[Together(ADDRESS, of=of)])][0:1]


@settings(max_examples=60)
@given(SAYINGS, POLICIES, st.sampled_from(["delta", "author"]))
def test_the_same_of_hyperedges(sayings, policy, of):
    with connect(":memory:", keyring=Keyring()) as db:
        claims = []
        for author in ("ann", "ben", "cy"):
            db.relate(of=(b"x", "there"), author=author)
        for author, values, negate, _ in sayings:
            if not values:
                continue
            done = db.relate(*[(f"of {n}", Reference(E, n)) for n in values], *values.items(), author=author)
            edge = db.hyperedge(done.edge)
            if negate == "own":
                claims += [(name, value, edge.delta, author, edge.rank) for name, value in values.items()]
            else:
                db.negate(edge, author=author)
        shown = db.show(E, SCHEMA, policy=policy, together=[Together(ADDRESS, of=of)])
        assert {name: exact(shown[name]) for name in shown if name in ADDRESS} == oracle(claims, policy, ADDRESS, of)


@settings(max_examples=60)
@given(SAYINGS)
def test_saying_whole_shows_whole_and_again_adds_nothing(sayings):
    with connect(":memory:", keyring=Keyring()) as db:
        for author, values, scope, together in sayings:
            items = [(E, name, value) for name, value in values.items()]
            db.transact(items, author=author, scope=scope, together=together)
            if together and values and scope == "seen":
                assert {n: exact(v) for n, v in db.get(E, together=[tuple(values)]).items() if n in values} == {
                    n: exact(v) for n, v in values.items()
                }
            if together:
                before = db.stats()
                assert not db.transact(items, author=author, scope=scope, together=together)
                assert db.stats() == before

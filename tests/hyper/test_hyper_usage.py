"""What newcomers get wrong about hyperedges, schemas and views is said, and nothing else comes."""

import pytest

import rhizomedb
from rhizomedb.crdt import data_type
from rhizomedb.db.graph.relating import Related
from rhizomedb.errors import Error
from rhizomedb.facts.cid import Cid
from rhizomedb.hyper.schema import Condition, HyperSchema, Nest
from rhizomedb.logic import parse

STANDARD = HyperSchema("std", "Standard")

WRONG = {
    "no schema": (lambda db: db.define("movie"), "is no HyperSchema"),
    "a statement for its id": (lambda db: db.hyperedge(Related(1, (), 1, b"edge")), "said.edge"),
    "no predicate": (lambda db: db.hyperedges(predicate=3), "cannot be called"),
    "a context that is no text": (lambda db: db.hyperedges(contexts=[3]), "are texts, not 3"),
    "no selects": (lambda db: HyperSchema("m", "M", 3), "is no list of contexts"),
    "no role": (lambda db: Condition(3, ">", 3), "is no role of a condition"),
    "a policy without names": (lambda db: db.show("m", STANDARD, policy="trusted:"), "trusted needs names"),
    "no parameters": (lambda db: db.query("p(x: X) :- fact(value: X).", 3), "maps no names to values"),
    "no stored parameters": (lambda db: db.define_view("v", "p", parameters=3), "maps no names to values"),
    "one context": (lambda db: HyperSchema("m", "M", "title"), "is one context, not several"),
    "contexts that are none": (lambda db: HyperSchema("m", "M", [1]), "a context is a text"),
    "a nest that is none": (
        lambda db: HyperSchema("m", "M", nests={"director": "person"}),
        "`nests` maps names to Nest",
    ),
    "a property that is none": (
        lambda db: HyperSchema("m", "M", properties={"year": "integer"}),
        "maps names to Property",
    ),
    "properties that are none": (lambda db: HyperSchema("m", "M", properties=["year"]), "`properties` maps names"),
    "one condition": (lambda db: Nest("person", Condition("year", ">", 1)), "`when` is a list of conditions"),
    "no condition": (lambda db: Nest("person", ("year", ">", 1)), "`when` is a list of conditions"),
    "no schema of a nest": (lambda db: Nest(""), "is no id of a schema"),
    "no things": (lambda db: db.live_hyperviews([], STANDARD), "no thing is named"),
    "one thing": (lambda db: db.live_hyperviews("m", STANDARD), "is one, where a list is wanted"),
    "one thing where several views are wanted": (
        lambda db: db.hyperviews("m", STANDARD),
        "is one, where a list is wanted",
    ),
    "no list": (lambda db: db.live_hyperviews(5, STANDARD), "is one, where a list is wanted"),
    "no policies": (lambda db: db.show("m", STANDARD, policies="all"), "is no mapping"),
    "no statement": (lambda db: db.pass_on([{}], origin="x"), "is no JSON delta that was read"),
    "a role called author": (lambda db: db.relate(author=("Tolkien", "wrote")), "a text about the statement"),
    "a role called origin": (lambda db: db.relate(origin=3, of=("a", "b")), r'relate\(\("origin", target\)'),
    "a blank author": (lambda db: db.transact([("a", "b", 1)], author=" "), "is no name of an author"),
    "an author that is no name": (lambda db: db.hyperedges(authors=[3]), "an author is given by name"),
    "no schemas": (lambda db: db.hyperview("m", STANDARD, schemas=3), "is one, where a list is wanted"),
    "no things of a program": (lambda db: db.hyperview_program(STANDARD, things=[]), "no thing is named"),
    "no text to look for": (lambda db: db.find(3), "3 is no text to look for"),
    "no CID": (lambda db: Cid.parse(3), "it is a int, not a text"),
    "no program": (lambda db: parse(3), "a program is a text"),
    "no relations": (lambda db: rhizomedb.evaluate("p(x: 1).", 3), "3 is no mapping of relations"),
    "no data type": (lambda db: data_type(3), "there is no data type 3"),
    "no path": (lambda db: rhizomedb.open(None), "None is no path"),
    "no path either": (lambda db: rhizomedb.open("a\0b"), "is no path"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(db, call, message):
    with pytest.raises(Error, match=message):
        call(db)
    assert db.stats().epoch == 0


def test_a_receiver_that_raises_is_called_no_more(db, caplog):
    with db.live_hyperviews(["m"], STANDARD) as live:
        told = []
        live.on_change(lambda things: 1 / 0)
        live.on_change(told.append)
        for number in range(2):
            db.relate(titled=(b"m", "title"), title=str(number))
        assert len(live["m"]["title"]) == 2
    assert told == [[b"m"]] * 2
    assert len([record for record in caplog.records if "called no more" in record.message]) == 1


def test_a_thing_is_written_of_by_what_it_is_called_not_by_what_it_has(db):
    db.transact([("Heat", "director", "Michael Mann")])
    db.transact([("Michael Mann", "born", 1943)])
    assert db.get("Heat", "born") is None
    assert db.get("Michael Mann", "born") == 1943
    with pytest.raises(Error, match="nothing here is called '1995'"):
        db.retract("1995")
    db.transact([("Heat", "year", "1995")])
    with pytest.raises(Error, match="nothing here is called '1995'; it is what Heat has as a value"):
        db.retract("1995")
    db.relate(who=("1995", "was"))
    assert db.hyperedges(targets=["Heat"]) == []


def test_what_is_said_is_taken_back_by_what_came_back(db):
    said = db.relate(movie=("The Matrix", "cast"), character="Neo")
    db.negate(said)
    assert db.hyperedges(contexts=["cast"]) == []


def test_what_a_prompt_shows_is_readable(db):
    db.define(STANDARD)
    db.alias("title", "name")
    said = db.relate(movie=(b"matrix", "cast"), character="Neo")
    assert repr(db.hyperedge(said.edge)).endswith(": movie=→ matrix · cast, character='Neo'>")
    assert str(db.history(b"matrix")) == "matrix: 0 statements"
    assert repr(db.schemas()) == "<Schemas: std>"
    assert repr(db.vocabulary()) == "<Vocabulary: 1 class of attributes and 0 classes of things>"
    with pytest.raises(Error, match="that is the name of std"):
        db.schemas()["Standard"]

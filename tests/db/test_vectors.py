"""The graphs that PomoDB and PomoIPLD print (vectors C.1), asked through a database."""

from __future__ import annotations

from typing import Any

import pytest

from rhizomedb import Fact
from rhizomedb.db.connection import Connection

OLD_HOME = Fact(b"246", "home", b"357")
GRAPH = {
    "abc": Fact(b"789", "home", b"456"),
    "def": OLD_HOME,
    "jkl": Fact(b"456", "is", "city"),
    "mno": Fact(b"456", "name", "Vancouver"),
    "pqr": Fact(b"357", "name", "Calgary"),
    "stu": Fact(b"246", "last_name", "Zelenka"),
    "vwx": Fact(b"357", "is", "city"),
    "yzA": Fact(b"789", "first_name", "Boris"),
    "BCD": Fact(b"246", "first_name", "Brooklyn"),
    "EFG": Fact(b"246", "home", b"456", [OLD_HOME.cid]),
    "GHI": Fact(b"789", "last_name", "Mann"),
}
"""The example of PomoDB 4.1.2.2, by its labels."""

LABELS = {fact.cid: label for label, fact in GRAPH.items()}

WAYS = {
    "at once": [list(GRAPH.values())],
    "one by one": [[fact] for fact in GRAPH.values()],
    "effects first": [[fact] for fact in reversed(GRAPH.values())],
}

NOW = """
lives(first: F, last: L) :-
    stands(entity: P, attribute: "home", value: H), stands(entity: H, attribute: "name", value: $city),
    stands(entity: P, attribute: "first_name", value: F), stands(entity: P, attribute: "last_name", value: L).
"""
EVER = """
lived(first: F, last: L) :-
    fact(entity: P, attribute: "home", value: H), fact(entity: H, attribute: "name", value: $city),
    fact(entity: P, attribute: "first_name", value: F), fact(entity: P, attribute: "last_name", value: L).
"""

S = bytes(range(16))
NOON = Fact(S, "color", "blue")
SUNSET = Fact(S, "color", "orange", [NOON.cid])
MIDNIGHT = Fact(S, "color", "black", [SUNSET.cid])
ANCESTORS = """
ancestor(of: C, is: P) :- cause(from: C, to: P).
ancestor(of: C, is: A) :- cause(from: C, to: P), ancestor(of: P, is: A).
"""


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def places(db: Connection, request: pytest.FixtureRequest) -> Connection:
    """A database that holds the graph, said in several ways."""
    for facts in request.param:
        db.transact(facts)
    assert {fact.cid for fact in db.facts()} == set(LABELS)
    return db


def labels(db: Connection, program: str, **parameters: Any) -> set[str]:
    return {LABELS[row[0]] for row in db.query(program, **parameters)}


def test_the_current_home(places: Connection) -> None:
    current = 'home(at: H) :- stands(entity: $who, attribute: "home", value: H).'
    assert [row.at for row in places.query(current, who=b"246")] == [b"456"]
    assert places.get(b"246", "home", policy="all") == [b"456"]
    assert places.query('from(f: F) :- F := fact(entity: $who, attribute: "home").', who=b"246").to_dicts() == [
        {"f": cid} for cid in sorted((GRAPH["def"].cid, GRAPH["EFG"].cid))
    ]
    superseded = (
        "old(f: O) :- O := fact(attribute: A, entity: E), cause(from: C, to: O), C := fact(attribute: A, entity: E)."
    )
    assert labels(places, superseded) == {"def"}


def test_who_lives_there_now(places: Connection) -> None:
    assert set(places.query(NOW, city="Vancouver")) == {("Boris", "Mann"), ("Brooklyn", "Zelenka")}
    assert not places.query(NOW, city="Calgary")


def test_who_ever_lived_there(places: Connection) -> None:
    assert set(places.query(EVER, city="Calgary")) == {("Brooklyn", "Zelenka")}
    assert set(places.query(EVER, city="Vancouver")) == {("Boris", "Mann"), ("Brooklyn", "Zelenka")}


def test_geneses_and_heads(places: Connection) -> None:
    assert labels(places, "genesis(f: C) :- C := fact(), !cause(from: C).") == set(GRAPH) - {"EFG"}
    assert labels(places, "head(f: C) :- C := fact(), !cause(to: C).") == set(GRAPH) - {"def"}
    assert labels(places, "now(f: C) :- stands(fact: C).") == set(GRAPH) - {"def"}


@pytest.mark.parametrize("facts", [(NOON, SUNSET, MIDNIGHT), (MIDNIGHT, SUNSET, NOON)], ids=["noon first", "noon last"])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_sky(db: Connection, facts: tuple[Fact, ...], at_once: bool) -> None:
    for said in [facts] if at_once else [(fact,) for fact in facts]:
        db.transact(said)
    assert db.get(S, "color") == "black"
    assert db.get(S, "color", policy="all") == ["black"]
    found = db.query('now(v: V, f: C) :- stands(entity: $sky, attribute: "color", value: V, fact: C).', sky=S)
    assert set(found) == {("black", MIDNIGHT.cid)}
    asked = ANCESTORS + "before(f: A) :- ancestor(of: $fact, is: A)."
    assert {row.f for row in db.query(asked, fact=MIDNIGHT.cid)} == {SUNSET.cid, NOON.cid}
    assert {row.f for row in db.query("g(f: C) :- C := fact(), !cause(from: C).")} == {NOON.cid}
    assert {row.f for row in db.query("h(f: C) :- C := fact(), !cause(to: C).")} == {MIDNIGHT.cid}

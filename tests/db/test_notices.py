"""What is said beside an answer that is probably not the one that was meant."""

from __future__ import annotations

import pytest

from rhizomedb.db.connection import Connection
from rhizomedb.facts.fact import Fact

RULE = 'p(e: E) :- fact(entity: E, attribute: "{attribute}", value: X), {comparison}.'
FLOATS = "salary has floats, and 3000 is an int, which is never in order with them; try 3000.0"
INTS = "age has ints, and 30.5 is a float, which is never in order with them; try 30"
UNKNOWN = "no fact here has the attribute salry; did you mean salary?"


@pytest.mark.parametrize(
    ("attribute", "comparison", "notices"),
    [
        ("salary", "X > 3000", [FLOATS]),
        ("salary", "3000 <= X", [FLOATS]),
        ("salary", "X > 3000.0", []),
        ("salary", "X > 1000000.0", []),
        ("age", "X > 30", []),
        ("age", "X > 30.5", [INTS]),
        ("name", "X > 3", []),
        ("salary", 'X > "a"', []),
        ("salry", "X > 3000", [UNKNOWN]),
    ],
)
def test_notices(db: Connection, attribute: str, comparison: str, notices: list[str]) -> None:
    db.transact([("Ann", "salary", 5200.5), ("Ann", "age", 41), ("Ann", "name", "Ann"), ("Ben", "salary", 9000.0)])
    result = db.query(RULE.format(attribute=attribute, comparison=comparison))
    assert list(result.notices) == notices


def test_what_gives_something_is_not_doubted(db: Connection) -> None:
    db.transact([("Ann", "salary", 5200.5), ("Ben", "salary", 9000)])
    assert not db.query(RULE.format(attribute="salary", comparison="X > 3000")).notices


@pytest.mark.parametrize(
    ("program", "said", "notices"),
    [
        ('import "text".', ["text/insert"], []),
        ('import "add-wins-set".', ["set/add"], []),
        ('import "text".', ["set/add"], ["text/insert", "text/delete"]),
        ('import "add-wins-set".', [], ["set/add", "set/remove"]),
    ],
)
def test_a_text_without_deletions_is_no_mistake(
    db: Connection, program: str, said: list[str], notices: list[str]
) -> None:
    db.transact([Fact(b"a", attribute, "0.1.AAAAAAAA:x") for attribute in said])
    assert list(db.query(program).notices) == [f"no fact here has the attribute {each}" for each in notices]

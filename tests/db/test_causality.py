"""Questions of the causal graph, against sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rhizomedb
from rhizomedb import Cid, Fact
from rhizomedb.errors import RequestError

HISTORIES = st.lists(st.lists(st.integers(0, 20), max_size=3), min_size=1, max_size=9)


def facts_of(history):
    """A fact for each list of causes, which are places of earlier ones."""
    facts: list[Fact] = []
    for number, causes in enumerate(history):
        facts.append(Fact(b"e", "n", number, [facts[cause % number].cid for cause in causes] if number else []))
    return facts


def pasts(facts):
    found: dict[Cid, set[Cid]] = {}
    for fact in facts:
        found[fact.cid] = {past for cause in fact.causes for past in (cause, *found[cause])}
    return found


@given(HISTORIES)
def test_the_answers_are_those_of_the_sets(history):
    facts = facts_of(history)
    past = pasts(facts)
    named = {cause for fact in facts for cause in fact.causes}
    with rhizomedb.open(":memory:") as db:
        db.transact(facts, author="somebody")
        assert db.heads() == sorted(set(past) - named, key=bytes)
        for a in facts:
            assert db.ancestors(a.cid) == db.ancestors(str(a.cid)) == sorted(past[a.cid], key=bytes)
            for b in facts:
                both = past[a.cid] & past[b.cid]
                latest = [cid for cid in both if not any(cid in past[other] for other in both)]
                assert db.common_ancestors(a.cid, b.cid) == sorted(latest, key=bytes)
                assert db.is_ancestor(a.cid, of=b.cid) == (a.cid in past[b.cid])


def test_a_cause_that_is_not_here_is_an_ancestor_all_the_same_and_asked_of_itself_an_error():
    missing = Fact(b"e", "n", 1)
    here = Fact(b"e", "n", 2, [missing.cid])
    with rhizomedb.open(":memory:") as db:
        db.transact([here], author="somebody")
        assert db.ancestors(here.cid) == [missing.cid]
        assert db.is_ancestor(missing.cid, of=here.cid)
        with pytest.raises(RequestError, match="no fact here has the CID") as error:
            db.ancestors(missing.cid)
        assert error.value.code == "db.unknown-fact"


def test_they_are_asked_of_any_moment():
    first = Fact(b"e", "n", 1)
    with rhizomedb.open(":memory:") as db:
        db.transact([first], author="somebody")
        db.transact([Fact(b"e", "n", 2, [first.cid])], author="somebody")
        assert db.heads() != [first.cid]
        assert db.at_epoch(1).heads() == [first.cid]

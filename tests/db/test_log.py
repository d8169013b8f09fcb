"""The log as it is read: newest first, nothing before what had seen it, and which delta had seen which."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rhizomedb
from rhizomedb import Fact
from rhizomedb.db import log as logs
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.signature import Key

KEYS = [Key(bytes([n]) * 32) for n in range(2)]
NOW = 1_800_000_000_000


@dataclass(frozen=True)
class Said:
    """A delta: facts of entities, each with earlier facts as causes, and how many earlier facts it says again."""

    facts: tuple[tuple[int, tuple[int, ...]], ...]
    again: tuple[int, ...]


def histories():
    fact = st.tuples(st.integers(0, 1), st.lists(st.integers(0, 30), max_size=2).map(tuple))
    return st.lists(
        st.builds(
            Said,
            facts=st.lists(fact, min_size=1, max_size=2).map(tuple),
            again=st.lists(st.integers(0, 30), max_size=1).map(tuple),
        ),
        max_size=8,
    )


def deltas_of(history):
    facts, deltas = [], []
    for place, said in enumerate(history):
        own = []
        for entity, causes in said.facts:
            past = [facts[cause % len(facts)].cid for cause in causes] if facts else []
            own.append(Fact(b"entity%d" % entity, "x", len(facts) + len(own), past))
        own += [facts[each % len(facts)] for each in said.again if facts]
        deltas.append(Delta.sign(KEYS[place % 2], system="test", time=HybridTime(NOW + place), facts=own))
        facts += own
    return deltas


def held(deltas, path=":memory:"):
    db = rhizomedb.open(path, clock=lambda: NOW + 1000)
    for delta in deltas:
        db.admit([delta.encode()], origin="test")
    return db


def expected_links(deltas):
    """For each delta the deltas that it had seen and the causes that are not here, by looking at every pair."""
    first = {}
    for delta in deltas:
        for fact in delta.facts:
            first.setdefault(fact.cid, delta.id)
    links = {}
    for delta in deltas:
        causes = [cause for fact in delta.facts for cause in fact.causes]
        links[delta.id] = (
            {first[cause] for cause in causes if cause in first} - {delta.id},
            {cause for cause in causes if cause not in first},
        )
    return links


def check_log(deltas, path=":memory:"):
    with held(deltas, path) as db:
        found = list(db.log())
        assert list(islice(db.log(), 2)) == found[:2]
    expected = expected_links(deltas)
    assert {each.delta: (set(each.parents), set(each.missing)) for each in found} == expected
    assert len(found) == len(expected)
    return [each.delta for each in found], expected


@given(histories(), st.randoms(use_true_random=False), st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_the_log_is_every_delta_once_and_none_before_what_had_seen_it(history, random, lost):
    deltas = deltas_of(history)
    del deltas[lost : lost + 1]
    random.shuffle(deltas)
    order, links = check_log(deltas)
    place = {delta: number for number, delta in enumerate(order)}

    def reaches(start, goal, met):
        return start == goal or any(
            reaches(each, goal, met) for each in links[start][0] if not (each in met or met.add(each))
        )

    for delta, (parents, _) in links.items():
        for parent in parents:
            # only where each had seen the other, by way of what somebody said again, is there no order
            assert place[delta] < place[parent] or reaches(parent, delta, set())


def test_a_file_tells_the_same(tmp_path):
    deltas = deltas_of([Said(((0, (n, n // 2)),), (n,)) for n in range(60)])
    assert check_log(deltas, tmp_path / "a.db")[0] == check_log(deltas)[0] == [each.id for each in reversed(deltas)]


@pytest.mark.parametrize("at_once", [(1, 1), (2, 4), (16, 1024)])
def test_how_many_are_looked_at_together_never_shows(at_once, monkeypatch):
    deltas = deltas_of([Said(((n % 2, (n, n // 3)),), ()) for n in range(20)])
    expected = check_log(deltas)
    monkeypatch.setattr(logs, "AT_ONCE", at_once)
    assert check_log(deltas) == expected


@pytest.mark.parametrize("waves", [0, 1, 16])
def test_of_an_entity_what_lies_between_is_passed_over(waves, monkeypatch):
    monkeypatch.setattr(logs, "WAVES_MAX", waves)
    a = Fact(b"entity0", "x", 1)
    b = Fact(b"entity1", "x", 1, [a.cid])
    c = Fact(b"entity0", "x", 2, [b.cid])
    unknown = Fact(b"entity1", "x", 9)
    d = Fact(b"entity0", "x", 3, [c.cid, unknown.cid])
    deltas = [
        Delta.sign(KEYS[0], system="test", time=HybridTime(NOW + n), facts=[fact])
        for n, fact in enumerate([a, b, c, d])
    ]
    with held(deltas) as db:
        found = list(db.log(b"entity0"))
        assert [each.delta for each in found] == [deltas[n].id for n in (3, 2, 0)]
        assert [each.parents for each in found] == [(deltas[2].id,), (deltas[0].id,), ()]
        assert [each.missing for each in found] == [(unknown.cid,), (), ()]
        assert [len(list(db.at_epoch(n).log())) for n in range(5)] == [0, 1, 2, 3, 4]
        assert found[0].said[0].value == 3


def test_a_long_chain_of_others_is_walked_once():
    """Beside each fact of a chain somebody puts a fact of an entity: its log took the square of the length, 21 s for 4,000."""
    chain = [Fact(b"other", "x", 0, ())]
    for number in range(1, 3000):
        chain.append(Fact(b"other", "x", number, (chain[-1].cid,)))
    beside = [Fact(b"one", "y", number, (fact.cid,)) for number, fact in enumerate(chain)]
    with rhizomedb.open(":memory:") as db:
        for some in (chain, beside):
            db.transact(some)
        begun = process_time()
        found = list(db.log(b"one"))
        assert process_time() - begun < 5
        assert sum(each.facts for each in found) == len(beside)
        assert not any(each.parents or each.missing for each in found)


def test_two_deltas_that_had_each_seen_the_other():
    """B's facts were said again, by who had seen what follows from them: then A and C have each seen the other."""
    b = Fact(b"entity0", "x", 1)
    a = Fact(b"entity0", "x", 2, [b.cid])
    c = Fact(b"entity0", "x", 3, [a.cid])
    said = [[a], [b, c]]
    deltas = [Delta.sign(KEYS[0], system="t", time=HybridTime(NOW + n), facts=facts) for n, facts in enumerate(said)]
    order, links = check_log(deltas)
    assert set(order) == {delta.id for delta in deltas}
    assert links[deltas[0].id][0] == {deltas[1].id} and links[deltas[1].id][0] == {deltas[0].id}

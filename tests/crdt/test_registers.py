"""Registers: the program behind every view against a plain reference, and against the papers' register where they must agree."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rhizomedb.crdt.policy import RULES, Claim, agreed, policy
from rhizomedb.crdt.register import LAST_WRITER, MULTI_VALUE, RETRACTS
from rhizomedb.db import view
from rhizomedb.db.programs.compiled import answering
from rhizomedb.db.programs.query import prepare
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.db.view import VIEW_BUDGET
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.reserved import is_reserved
from rhizomedb.facts.signature import Key
from rhizomedb.facts.value import exact, order
from rhizomedb.store import ALL, COLUMNS, MemoryStore, admit

KEYS = [Key(bytes([n]) * 32) for n in range(3)]
NOW = 1_800_000_000_000


@dataclass(frozen=True)
class Saying:
    """One delta of a random history, causes and retractions as places of earlier facts and deltas."""

    author: int
    entity: int
    attribute: str
    value: object
    causes: tuple[int, ...]
    scope: str
    retracts: tuple[int, int] | None


def sayings(scopes=("seen", "own"), retract=True):
    return st.builds(
        Saying,
        author=st.integers(0, 2),
        entity=st.integers(0, 1),
        attribute=st.sampled_from(["a", "b"]),
        value=st.sampled_from([1, 1.0, True, "x"]),
        causes=st.lists(st.integers(0, 30), max_size=3).map(tuple),
        scope=st.sampled_from(scopes),
        retracts=st.none() | st.tuples(st.integers(0, 30), st.integers(0, 30)) if retract else st.none(),
    )


def said(history):
    """The deltas of a random history."""
    deltas: list[Delta] = []
    facts: list[Fact] = []
    for place, saying in enumerate(history):
        causes = [facts[cause % len(facts)].cid for cause in saying.causes] if facts else []
        fact = Fact(b"e%d" % saying.entity, saying.attribute, saying.value, causes)
        if saying.retracts is not None and deltas:
            delta = deltas[saying.retracts[0] % len(deltas)]
            target = delta.facts[0]
            fact = Fact(target.entity, RETRACTS, delta.id, [target.cid])
        facts.append(fact)
        deltas.append(
            Delta.sign(
                KEYS[saying.author],
                system="test",
                time=HybridTime(NOW - 1000 + place // 2),
                facts=[fact],
                scope=saying.scope,
            )
        )
    return deltas


def store_of(deltas):
    store = MemoryStore()
    admit(store, [delta.encode() for delta in deltas], now_ms=NOW, origin="test")
    return store


def by_program(deltas):
    store = store_of(deltas)
    found = view.registers(store, ALL, [b"e0", b"e1"], VIEW_BUDGET)
    return {(claim.fact, claim.delta) for register in found.values() for claim in register.claims}


def by_reference(deltas):
    """The same, as its three sentences are read, over plain sets."""
    deltas = list({delta.id: delta for delta in deltas}.values())
    facts = {fact.cid: fact for delta in deltas for fact in delta.facts}

    def past(cid: Cid, seen=None):
        seen = set() if seen is None else seen
        for cause in facts[cid].causes if cid in facts else ():
            if cause not in seen:
                seen.add(cause)
                past(cause, seen)
        return seen

    claims = [(fact, delta) for delta in deltas for fact in delta.facts if fact.attribute != RETRACTS]
    standing = set()
    for fact, delta in claims:
        falls = any(
            fact.cid in past(later.cid) and (by.scope == "seen" or by.author == delta.author)
            for later, by in claims
            if (later.entity, exact(later.attribute)) == (fact.entity, exact(fact.attribute))
        )
        taken_back = any(
            f.attribute == RETRACTS and f.entity == fact.entity and f.value == delta.id and fact.cid in f.causes
            for f in facts.values()
        )
        if not falls and not taken_back:
            standing.add((fact.cid, delta.id))
    return standing


@given(st.lists(sayings(), max_size=12))
@settings(max_examples=300)
def test_the_program_is_the_reference(history):
    deltas = said(history)
    assert by_program(deltas) == by_reference(deltas)


@given(st.lists(sayings(), min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_order_duplication_and_grouping_never_show(history, random):
    deltas = said(history)
    shuffled = [*deltas, *random.choices(deltas, k=3)]
    random.shuffle(shuffled)
    assert by_program(shuffled) == by_program(deltas)


@given(st.lists(sayings(scopes=("seen",), retract=False), max_size=12))
@settings(max_examples=150)
def test_where_everybody_saw_the_view_the_facts_are_those_of_the_papers_register(history):
    deltas = said(history)
    store = store_of(deltas)
    prepared = prepare(MULTI_VALUE, COLUMNS, relation="survivor")
    papers = prepared.run(StoreSource(store, ALL), VIEW_BUDGET).relations["survivor"]
    assert {fact for fact, _ in by_program(deltas)} == {row[3] for row in papers}


@given(st.lists(sayings(scopes=("seen",), retract=False), max_size=8))
@settings(max_examples=50)
def test_last_writer_is_one_of_the_survivors(history):
    store = store_of(said(history))
    run = prepare(LAST_WRITER, COLUMNS).run(StoreSource(store, ALL), VIEW_BUDGET)
    survivors = {(row[0], row[1]): set() for row in run.relations["survivor"]}
    for entity, attribute, value, _ in run.relations["survivor"]:
        survivors[entity, attribute].add(value)
    last = list(run.relations["last"])
    assert len(last) == len(survivors)
    assert all(value in survivors[entity, attribute] for entity, attribute, value in last)


@given(st.lists(sayings(), max_size=10))
@settings(max_examples=60)
def test_contested_is_every_register_with_different_values(history):
    store = store_of(said(history))
    everything = view.registers(store, ALL, [b"e0", b"e1"], VIEW_BUDGET)
    expected = {key: cells(r) for key, r in everything.items() if len({agreed(v) for v in r.values}) > 1}
    found = view.contested(store, ALL, VIEW_BUDGET, lambda key: not is_reserved(key[1]))
    assert {(r.entity, exact(r.attribute)): cells(r) for r in found} == expected


def cells(register):
    return {exact(value) for value in register.values}


@given(st.lists(sayings(), max_size=12))
@settings(max_examples=60)
def test_where_nothing_is_withdrawn_a_program_for_less_says_the_same(history):
    store = store_of(said(history))
    found = view.derived(store, ALL, [b"e0", b"e1"], VIEW_BUDGET)
    whole = view.run(view._of_subjects(None, True), store, ALL, {"subject": [(b"e0",), (b"e1",)]}, VIEW_BUDGET)
    names = {"written", "withdrawn", "write", "seen", "past", "superseded", "retracted", "survivor"}
    assert names <= {*found, *whole}
    assert all(set(found[name]) == set(whole[name]) for name in names)
    assert whole.keys() - {"withdrawal"} <= found.keys(), "whoever reads one finds it in the other"


# Broken variants of the register, which the reference must catch: else it would catch nothing.
BROKEN = {
    "only direct causes": (
        "seen(entity: E, attribute: A, fact: P) :- seen(entity: E, attribute: A, fact: Q), cause(from: Q, to: P).",
        "",
    ),
    "a source silences the others": ('scope: "seen"), cause', "author: _), cause"),
    "a correction leaves its own old value": ("past(entity: E, attribute: A, author: W, fact: C).", "seen(entity: E, attribute: A, fact: C), W != W."),
    "retraction of the fact, not the claim": ('attribute: "rhizome/retracts", value: D)', 'attribute: "rhizome/retracts")'),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_the_reference_catches(name, monkeypatch):
    from rhizomedb.crdt import register
    from rhizomedb.logic import parse

    old, new = BROKEN[name]
    assert old in register.CLAIMS
    broken = parse(register.CLAIMS.replace(old, new) + register.OF_SUBJECTS)
    program = answering(broken, COLUMNS, view.SUBJECT, view.SURVIVOR)
    monkeypatch.setattr(view, "_of_subjects", lambda relation, may_withdraw: program)

    @given(st.lists(sayings(), max_size=12))
    @settings(max_examples=2000, database=None, phases=[Phase.generate])  # it need not be the smallest one
    def search(history):
        deltas = said(history)
        assert by_program(deltas) == by_reference(deltas)

    with pytest.raises(AssertionError):
        search()


def claims():
    values = [1, 2, 1.0, True, "x", b"x"]
    return st.lists(_claim(values), min_size=1, max_size=8)


def _claim(values):
    return st.sampled_from(values).flatmap(
        lambda value: st.builds(
            Claim,
            value=st.just(value),
            fact=st.just(Cid.of(repr(value).encode())),
            delta=st.integers(0, 5).map(lambda n: Cid.of(b"%d" % n)),
            author=st.integers(0, 3).map(lambda n: bytes([n]) * 32),
            time=st.builds(HybridTime, st.integers(0, 2), st.integers(0, 1)),
        )
    )


@pytest.mark.parametrize("name", [*RULES, "trusted:a", "trusted:a,b"])
@given(claims(), st.randoms(use_true_random=False))
def test_policies_do_not_see_the_order_of_claims(name, some, random):
    # one delta says a fact once; claims of one delta with several values are told apart by the value
    unique = list({(exact(c.value), c.delta): c for c in some}.values())
    chosen = policy(name, lambda author: {"a": b"\0" * 32, "b": b"\1" * 32}[author])
    shuffled = list(unique)
    random.shuffle(shuffled)
    assert [exact(v) for v in chosen.choose(unique).values] == [exact(v) for v in chosen.choose(shuffled).values]


@given(claims())
def test_policies_mean_what_they_say(some):
    by_name = {name: policy(name, lambda _: b"").choose(some) for name in RULES}
    assert by_name["latest"].decided_by.rank == max(c.rank for c in some)
    assert by_name["first"].decided_by.rank == min(c.rank for c in some)
    assert order(by_name["max"].values[0]) == max(order(c.value) for c in some)
    assert order(by_name["min"].values[0]) == min(order(c.value) for c in some)
    assert list(by_name["all"].values) == sorted(by_name["all"].values, key=order)
    votes = {agreed(c.value): {d.author for d in some if agreed(d.value) == agreed(c.value)} for c in some}
    assert len(votes[agreed(by_name["vote"].values[0])]) == max(map(len, votes.values()))

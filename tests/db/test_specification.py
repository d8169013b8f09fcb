"""Rows of the PomoDB checklists that need a whole database; the others stand beside the layer that they are about.

F rows and the rest of O belong to the incremental engine, D8 to D12 to sources and sinks that run by themselves.
"""

from __future__ import annotations

import pytest

import rhizomedb
from rhizomedb import Fact
from rhizomedb.crdt.register import CLAIMS, LAST_WRITER, MULTI_VALUE
from rhizomedb.db.programs.query import prepare
from rhizomedb.errors import Error
from rhizomedb.facts.value import Exact
from rhizomedb.store.store import COLUMNS

E = bytes(15) + b"\x01"
ALIAS = bytes(15) + b"\x02"

MVR = MULTI_VALUE + "answer(v: V) :- survivor(entity: $e, value: V)."
READY = """
known(c: C)      :- C := fact().
dangling(c: C, missing: P) :- cause(from: C, to: P), !known(c: P).
notReady(c: C)   :- dangling(c: C).
notReady(c: C)   :- cause(from: C, to: P), notReady(c: P).
ready(c: C)      :- known(c: C), !notReady(c: C).
"""


def values(result):
    return {row[0] for row in result}


def test_D1_equal_content_hours_apart_is_one_fact(db, wall):
    db.transact([Fact(E, "v", 1)], author="a")
    wall.forward(3_600_000)
    db.transact([Fact(E, "v", 1)], author="b")
    assert db.stats().facts == 1


def test_D2_a_write_after_a_read_has_it_as_cause(db):
    db.transact([(E, "v", 1)])
    db.transact([(E, "v", 2)])
    assert next(f for f in db.facts(E) if f.value == 2).causes == (Fact(E, "v", 1).cid,)


def test_D5_the_programs_behind_the_views_are_pomologic():
    for text in (CLAIMS, MULTI_VALUE, LAST_WRITER):
        assert rhizomedb.parse(str(rhizomedb.parse(text))) == rhizomedb.parse(text)


def test_D6_the_same_program_by_two_ways_of_running_it(db):
    from rhizomedb.algebra import evaluate
    from rhizomedb.db.programs.source import StoreSource

    for value in range(6):
        db.transact([(E, "v", value), (E, "w", value % 2)])
    plan = prepare(LAST_WRITER, COLUMNS).plan
    source = StoreSource(db._store, db.cut)
    fast, plain = evaluate(plan, source), evaluate(plan, source, seminaive=False, probe=False)
    assert {name: set(table) for name, table in fast.relations.items()} == {
        name: set(table) for name, table in plain.relations.items()
    }


def test_D7_a_source_can_be_asked_alone(db):
    db.transact([(E, "v", 1)], author="one", scope="own")
    db.transact([(E, "v", 2)], author="two", scope="own")
    assert values(db.by("one").query("a(v: V) :- fact(value: V).")) == {1}


def test_D20_after_a_removal_history_still_has_it(db):
    db.transact([(E, "v", 1)])
    db.retract(E, "v")
    assert db.get(E, "v") is None
    assert [s.claim.value for s in db.history(E, "v")] == [1]
    assert db.fact(Fact(E, "v", 1).cid).value == 1


def test_D23_facts_are_found_by_their_cid(db):
    fact = Fact(E, "v", 1)
    db.transact([fact])
    assert db.fact(fact.cid).cid == fact.cid


def test_D27_several_ids_of_one_thing_are_reconciled_by_a_query(db):
    db.transact([(E, "v", 1), (ALIAS, "v", 2), (ALIAS, "same", E)])
    program = """
    same(x: X, y: X) :- fact(entity: X).
    same(x: X, y: Y) :- fact(entity: Y, attribute: "same", value: X).
    v(v: V) :- same(x: $e, y: Y), fact(entity: Y, attribute: "v", value: V).
    """
    assert values(db.query(program, e=E)) == {1, 2}


def test_D41_said_twice_it_is_one_row_with_one_cid(db):
    for author in ("a", "b"):
        db.transact([Fact(E, "v", 1)], author=author)
    assert len(db.query("f(c: C) :- C := fact().")) == 1
    assert len(db.query("s(d: D) :- asserts(delta: D).")) == 2


def test_O1_E1_the_cid_column_does_not_clash_with_attributes_of_any_name(db):
    db.transact([(E, "$CID", 1), (E, "$cid", 2)])
    assert values(db.query('a(v: V) :- C := fact(attribute: "$cid", value: V).')) == {2}


def test_O2_epochs_are_unsigned_and_grow(db):
    for value in range(3):
        db.transact([(E, "v", value)])
    assert [epoch.number for epoch in db.arrivals()] == [1, 2, 3]


def test_O4_epochs_are_local(db, another):
    db.transact([(E, "v", 1)])
    db.transact([(E, "v", 2)])
    copy = another()
    copy.admit([delta.encode() for delta in db.deltas()], origin="sync")
    assert copy.stats().epoch == 1
    assert copy.get(E, "v") == db.get(E, "v")


def test_L2_a_constant_is_not_a_variable():
    given = {"p": [("X",), ("Y",)]}
    assert len(rhizomedb.evaluate("r(x: X) :- p(x: X).", given)["r"]) == 2
    assert len(rhizomedb.evaluate('r(x: 1) :- p(x: "X").', given)["r"]) == 1


def test_R4_a_loop_runs_until_nothing_changes():
    program = "t(a: X, b: Y) :- e(a: X, b: Y). t(a: X, b: Z) :- e(a: X, b: Y), t(a: Y, b: Z)."
    assert len(rhizomedb.evaluate(program, {"e": [(i, i + 1) for i in range(4)]})["t"]) == 10


def test_E2_a_reference_is_the_entitys_bytes_as_a_value(db):
    film, person = b"film", b"person"
    db.transact([(film, "director", person), (person, "name", "Varda")])
    program = (
        'd(n: N) :- fact(entity: $film, attribute: "director", value: P), fact(entity: P, attribute: "name", value: N).'
    )
    assert values(db.query(program, film=film)) == {"Varda"}


def test_E6_a_cause_that_is_no_fact_here_is_dangling_not_refused(db):
    missing = Fact(b"elsewhere", "v", 0).cid
    db.transact([Fact(E, "v", 1, [missing])])
    assert [row.missing for row in db.query(READY, relation="dangling")] == [missing]


def test_Q4_a_negation_over_stored_facts_is_taken_back_when_they_arrive(db):
    program = 'keep(e: X) :- fact(entity: X, attribute: "value"), !fact(entity: X, attribute: "ignored", value: true).'
    db.transact([(E, "value", 2)])
    assert values(db.query(program)) == {E}
    db.transact([(E, "ignored", True)])
    assert values(db.query(program)) == set()


def test_Q9_zero_as_a_float_is_stored(db):
    db.transact([(E, "v", 0.0), (E, "w", -0.0)])
    assert (db.get(E, "v"), str(db.get(E, "w"))) == (0.0, "0.0")


def test_Q10_repeated_and_reordered_causes_are_one_fact(db):
    causes = [Fact(E, "v", n).cid for n in (1, 2)]
    db.transact([Fact(E, "v", 3, causes), Fact(E, "v", 3, [*reversed(causes), causes[0]])])
    assert db.stats().facts == 1


def test_D13_four_values_that_python_confuses_stay_four(db):
    db.transact([(E, "v", value) for value in (1, 1.0, True, "1")])
    shown = db.get(E, "v", policy="all")
    assert [type(value) for value in shown] == [bool, int, float, str]
    assert Exact(1.0) != Exact(True) and len(db.query("a(v: V) :- fact(value: V).")) == 4


def test_T1_the_same_write_by_two_is_one_fact_and_two_with_causes_of_their_own(db):
    program = 'd(c: C, n: N) :- C := fact(attribute: "ctr/delta", value: N). t(t: T) :- T := sum N : d(c: C, n: N).'
    for author in ("a", "b"):
        db.transact([Fact(E, "ctr/delta", 1)], author=author)
    assert values(db.query(program)) == {1}
    for author in ("a", "b"):
        genesis = Fact(author.encode(), "genesis", True)
        db.transact([genesis, Fact(E, "ctr/delta", 1, [genesis.cid])], author=author)
    assert values(db.query(program)) == {3}


def test_T2_an_add_with_a_cause_of_its_own_survives_a_concurrent_remove(db):
    program = """
    add(c: C, s: S, x: X)  :- C := fact(entity: S, attribute: "set/add", value: X).
    ancestor(anc: P, desc: C) :- cause(from: C, to: P).
    ancestor(anc: A, desc: C) :- cause(from: C, to: P), ancestor(anc: A, desc: P).
    observedRemove(c: C)   :- add(c: C, s: S, x: X), R := fact(entity: S, attribute: "set/remove", value: X),
                              ancestor(anc: C, desc: R).
    member(x: X)     :- add(c: C, s: S, x: X), !observedRemove(c: C).
    """
    add = Fact(E, "set/add", "x")
    db.transact([add, Fact(E, "set/remove", "x", [add.cid])])
    assert values(db.query(program)) == set()
    nonce = Fact(b"b", "genesis", True)
    db.transact([nonce, Fact(E, "set/add", "x", [nonce.cid])])
    assert values(db.query(program)) == {"x"}


def test_T4_later_is_transitive(db):
    a = Fact(E, "x", 1)
    b = Fact(E, "y", 5, [a.cid])
    c = Fact(E, "x", 2, [b.cid])
    db.transact([a, b, c])
    assert db.get(E, "x", policy="all") == [2]
    assert values(db.query(MVR, e=E)) == {2, 5}


def test_T8_a_write_that_arrives_before_what_it_replaces(db):
    old = Fact(E, "x", 1)
    db.transact([Fact(E, "x", 2, [old.cid])], author="b")
    db.transact([old], author="a")
    assert db.get(E, "x", policy="all") == [2]


def test_T9_a_missing_middle_shows_both_until_it_arrives(db):
    a = Fact(E, "x", 1)
    b = Fact(E, "y", 5, [a.cid])
    c = Fact(E, "x", 2, [b.cid])
    db.transact([a, c], author="a")
    assert db.get(E, "x", policy="all") == [1, 2]
    assert {row.c for row in db.query(READY, relation="ready")} == {a.cid}
    db.transact([b], author="b")
    assert db.get(E, "x", policy="all") == [2]
    assert {row.c for row in db.query(READY, relation="ready")} == {a.cid, b.cid, c.cid}


def test_T10_a_fact_imported_again_is_counted_once(db, another):
    db.transact([Fact(E, "set/add", "x")])
    envelopes = [delta.encode() for delta in db.deltas()]
    for _ in range(2):
        db.admit(envelopes, origin="again")
    assert db.stats().facts == 1


@pytest.mark.parametrize("item", [(E, "v"), (E, "v", 1, (), 2), (E, "v", {"a": 1}), (None, "v", 1)])
def test_D21_D22_only_quads_can_be_said(db, item):
    with pytest.raises(Error):
        db.transact([item])
    assert db.stats().facts == 0

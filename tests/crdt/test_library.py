"""The data types: their programs on the vectors and traps of the papers, against plain references, and as laws."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizomedb.budget import Budget
from rhizomedb.crdt.library import LIBRARY, data_type
from rhizomedb.db.programs.compiled import compiled
from rhizomedb.db.programs.query import cells_of, prepare
from rhizomedb.db.programs.source import StoreSource
from rhizomedb.errors import RequestError
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.clock import HybridTime
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.facts.value import exact, plain
from rhizomedb.flow.stored import CellReading
from rhizomedb.store import ALL, COLUMNS, MemoryStore, admit

KEYS = [Key(bytes([n]) * 32) for n in range(3)]
NOW = 1_800_000_000_000
BUDGET = Budget(facts=1_000_000)
E = b"e"


def store_of(facts):
    store = MemoryStore()
    deltas = [
        Delta.sign(KEYS[n % 3], system="test", time=HybridTime(NOW - 1000 + n), facts=[fact])
        for n, fact in enumerate(facts)
    ]
    admit(store, [delta.encode() for delta in deltas], now_ms=NOW, origin="test")
    return store


def by_evaluator(name, facts, relation=None):
    """The answer of a data type by the plain evaluator, as exact cells."""
    wanted = relation or LIBRARY[name].answer
    prepared = prepare(LIBRARY[name].program, COLUMNS, relation=wanted)
    return set(prepared.run(StoreSource(store_of(facts), ALL), BUDGET).relations[wanted])


def by_engine(name, facts, relation=None):
    """The same by the dataflow."""
    wanted = relation or LIBRARY[name].answer
    reading = CellReading(StoreSource(store_of(facts), ALL))
    engine = compiled(LIBRARY[name].program, COLUMNS, {}, None, wanted).run(reading, BUDGET)
    return set(cells_of(engine.relation(wanted).table.read(), reading.dictionary))


def answer(name, facts, relation=None):
    """By both, which agree; as plain values."""
    found = by_engine(name, facts, relation)
    assert found == by_evaluator(name, facts, relation)
    return {tuple(plain(cell) for cell in row) for row in found}


def members(name, facts):
    return {member for _, member in answer(name, facts)}


def walk(items, start):
    """The chain of `item` tuples from an element on: elements and values."""
    after = {before: (element, value) for before, element, value in items}
    assert len(after) == len(items), "nothing has two successors"
    found = []
    while start in after:
        start, value = after[start]
        found.append((start, value))
    return found


# -- vectors of section D.5, and traps of section D.4 ----------------------------------------------------------------------


def fact(attribute, value, *causes, entity=E):
    return Fact(entity, attribute, value, [cause.cid for cause in causes])


def test_d5_registers():
    w1 = fact("x", 1)
    w2, w3 = fact("x", 2, w1), fact("x", 3, w1)
    assert {row[2] for row in answer("multi-value-register", [w1, w2, w3])} == {2, 3}
    greatest = max((w2, w3), key=lambda each: bytes(each.cid))
    assert answer("last-writer-register", [w1, w2, w3]) == {(E, "x", greatest.value)}
    assert {row[2] for row in answer("multi-value-register", [w1, w2, w3, fact("x", 4, w2, w3)])} == {4}


def test_d5_observed_remove_set():
    a1 = fact("set/add", "x")
    r1, a2 = fact("set/remove", "x", a1), fact("set/add", "x", a1)
    assert members("add-wins-set", [a1, r1, a2]) == {"x"}
    r2 = fact("set/remove", "x", a2, r1)
    assert members("add-wins-set", [a1, r1, a2, r2]) == set()
    assert members("add-wins-set", [a1, r1, a2, r2, fact("set/add", "x", r2)]) == {"x"}
    assert members("remove-wins-set", [a1, r1, a2]) == set()
    assert members("two-phase-set", [a1, r1, a2]) == set()
    assert members("grow-only-set", [a1, r1, a2, r2]) == {"x"}


def test_d5_counter():
    first = fact("counter/add", 5)
    facts = [first, fact("counter/add", -2), fact("counter/add", 5, first)]
    assert answer("counter", facts) == {(E, 8)}
    assert answer("grow-only-counter", facts) == {(E, 10)}


def test_d5_map():
    m1 = fact("k", 1)
    deleted, again = fact("map/delete", "k", m1), fact("k", 2, m1)
    assert {row[1:3] for row in answer("map", [m1, deleted, again])} == {("k", 2)}
    assert answer("map", [m1, deleted]) == set()


PARENTS = {1: 0, 2: 0, 3: 2, 4: 1, 5: 2, 6: 2}


def elements(parents, deleted=()):
    facts = []
    for number, parent in parents.items():
        of = {"entity": b"%d" % number}
        facts += [
            fact("list/after", b"%d" % parent, **of),
            fact("list/counter", number, **of),
            fact("list/value", number, **of),
        ]
    return [*facts, *(fact("list/deleted", True, entity=b"%d" % number) for number in deleted)]


@pytest.mark.parametrize(
    ("deleted", "expected"), [((), [2, 6, 5, 3, 1, 4]), ((2, 5), [6, 3, 1, 4]), ((1, 2, 3, 4, 5, 6), [])]
)
def test_d5_sequence(deleted, expected):
    assert [value for _, value in walk(answer("list", elements(PARENTS, deleted)), b"0")] == expected


def test_d5_readiness():
    missing = fact("y", 1)
    f1 = fact("x", 1)
    f2 = fact("x", 2, f1, missing)
    assert answer("graph", [f1, f2], "ready") == {(f1.cid,)}
    assert answer("graph", [f1, f2], "dangling") == {(f2.cid, missing.cid)}
    assert answer("graph", [f1, f2, missing], "ready") == {(each.cid,) for each in (f1, f2, missing)}


@pytest.mark.parametrize(("name", "attribute", "alone", "apart"), [
    ("counter", "counter/add", {(E, 1)}, {(E, 2)}),
    ("add-wins-set", "set/add", set(), {(E, 1)}),
])  # fmt: skip
def test_t1_t2_the_same_write_of_two_writers_is_one_fact_unless_each_names_its_own_cause(name, attribute, alone, apart):
    mine, yours = fact("writer", "a"), fact("writer", "b")

    def facts(*causes):
        first, second = (fact(attribute, 1, *cause) for cause in causes)
        return [mine, yours, first, second, *([fact("set/remove", 1, first)] if name == "add-wins-set" else [])]

    assert answer(name, facts((), ())) == alone
    assert answer(name, facts((mine,), (yours,))) == apart


def test_t4_what_comes_later_comes_later_through_anything():
    a = fact("x", 1)
    b = fact("y", 5, a)
    assert {row[2] for row in answer("multi-value-register", [a, b, fact("x", 2, b)]) if row[1] == "x"} == {2}


def test_t7_a_peer_that_lies_about_its_counter_only_sorts_first():
    facts = [*elements({1: 0, 2: 1}), *(fact(f"list/{name}", value, entity=b"z") for name, value in
             [("after", b"0"), ("counter", 2**63 - 1), ("value", 9)])]  # fmt: skip
    assert [value for _, value in walk(answer("list", facts), b"0")] == [9, 1, 2]


def test_t8_t9_what_is_missing_from_the_past():
    a = fact("x", 1)
    b = fact("x", 2, a)
    c = fact("x", 3, b)
    assert {row[2] for row in answer("multi-value-register", [b])} == {2}
    assert {row[2] for row in answer("multi-value-register", [a, c])} == {1, 3}, "the middle is not here"
    assert {row[2] for row in answer("multi-value-register", [a, b, c])} == {3}
    assert answer("graph", [b, c], "head") == {(c.cid,)}


# -- random histories against plain references ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Op:
    attribute: str
    entity: bytes
    value: object
    causes: tuple[int, ...]


def histories(attributes, values, entities=(b"e", b"f"), most=10):
    op = st.builds(
        Op,
        attribute=st.sampled_from(attributes),
        entity=st.sampled_from(entities),
        value=st.sampled_from(values),
        causes=st.lists(st.integers(0, 30), max_size=2).map(tuple),
    )
    return st.lists(op, max_size=most).map(facts_of)


def facts_of(ops):
    facts: list[Fact] = []
    for op in ops:
        causes = [facts[cause % len(facts)] for cause in op.causes] if facts else []
        facts.append(fact(op.attribute, op.value, *causes, entity=op.entity))
    return list({each.cid: each for each in facts}.values())


def pasts(facts):
    """The causal past of each fact."""
    found: dict[Cid, set[Cid]] = {}
    for each in facts:  # causes come before what they cause
        found[each.cid] = {past for cause in each.causes for past in (cause, *found[cause])}
    return found


def keyed(facts, attribute):
    found: dict[object, list[Fact]] = {}
    for each in facts:
        if each.attribute == attribute:
            found.setdefault((each.entity, exact(each.value)), []).append(each)
    return found


def add_wins(facts):
    past, removes = pasts(facts), keyed(facts, "set/remove")
    return {
        key
        for key, adds in keyed(facts, "set/add").items()
        if any(all(add.cid not in past[remove.cid] for remove in removes.get(key, ())) for add in adds)
    }


def remove_wins(facts):
    past, removes = pasts(facts), keyed(facts, "set/remove")
    return {
        key
        for key, adds in keyed(facts, "set/add").items()
        if all(any(remove.cid in past[add.cid] for add in adds) for remove in removes.get(key, ()))
    }


def two_phase(facts):
    return set(keyed(facts, "set/add")) - set(keyed(facts, "set/remove"))


def grow_only(facts):
    return set(keyed(facts, "set/add"))


SETS = {
    "add-wins-set": add_wins,
    "remove-wins-set": remove_wins,
    "two-phase-set": two_phase,
    "grow-only-set": grow_only,
}


@pytest.mark.parametrize("name", SETS)
@given(facts=histories(["set/add", "set/remove"], ["x", 1, 1.0, True]))
@settings(max_examples=150)
def test_sets(name, facts):
    assert by_evaluator(name, facts) == by_engine(name, facts) == SETS[name](facts)


@given(histories(["counter/add"], [1, 2, -3, 0], most=8))
def test_counters(facts):
    up: Counter[bytes] = Counter()
    both: Counter[bytes] = Counter()
    for each in facts:
        both[each.entity] += each.value
        up[each.entity] += max(each.value, 0)
    assert answer("counter", facts) == set(both.items())
    some = {each.entity for each in facts if each.value >= 0}
    assert answer("grow-only-counter", facts) == {(entity, up[entity]) for entity in some}


@given(histories(["k", "l", "map/delete"], ["k", "l", 1], entities=(b"e",)))
@settings(max_examples=150)
def test_maps(facts):
    past = pasts(facts)

    def key(each):
        return each.value if each.attribute == "map/delete" else each.attribute

    expected = {
        (each.entity, each.attribute, each.value, each.cid)
        for each in facts
        if each.attribute != "map/delete"
        and not any(each.cid in past[other.cid] and key(other) == each.attribute for other in facts)
    }
    assert answer("map", facts) == expected


@given(histories(["x"], [1, 2, 3], entities=(b"e",), most=8), st.integers(0, 8))
def test_the_causal_graph(facts, hidden):
    past = pasts(facts)
    here = facts[:hidden] + facts[hidden + 1 :]
    cids = {each.cid for each in here}
    named = {cause for each in here for cause in each.causes}
    assert answer("graph", here, "head") == {(cid,) for cid in cids - named}
    assert answer("graph", here, "genesis") == {(each.cid,) for each in here if not each.causes}
    assert answer("graph", here, "ready") == {(cid,) for cid in cids if past[cid] <= cids}
    if len(here) == len(facts):
        expected = {(p, cid) for cid in cids for p in past[cid]}
        assert answer("graph", here, "ancestor") == expected
        assert answer("graph", here, "concurrent") == {
            (x, y) for x in cids for y in cids if bytes(x) < bytes(y) and x not in past[y] and y not in past[x]
        }


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.booleans()), max_size=10))
def test_lists(puts):
    parents, counters, gone = {}, {}, set()
    for number, (parent, more, is_deleted) in enumerate(puts, 1):
        parents[number] = parent % number
        counters[number] = counters.get(parents[number], 0) + 1 + more
        if is_deleted:
            gone.add(number)
    facts = elements(parents, gone)
    facts = [
        fact("list/counter", counters[int(each.entity)], entity=each.entity)
        if each.attribute == "list/counter"
        else each
        for each in facts
    ]

    def order(of):
        children = sorted(
            (n for n in parents if parents[n] == of), key=lambda n: (counters[n], b"%d" % n), reverse=True
        )
        return [each for child in children for each in (child, *order(child))]

    expected = [number for number in order(0) if number not in gone]
    assert [value for _, value in walk(answer("list", facts), b"0")] == expected


def moves(most=9):
    return histories(["tree/parent"], [b"", b"a", b"b", b"c", b"d"], entities=(b"a", b"b", b"c", b"d"), most=most)


@given(moves())
@settings(max_examples=300)
def test_trees_have_no_cycle_and_every_node_one_parent(facts):
    found = answer("tree", facts)
    parents = dict(found)
    assert len(parents) == len(found)
    assert set(parents) == {each.entity for each in facts}
    for at in parents.values():
        seen = set()
        while at in parents:
            assert at not in seen, "around a cycle"
            seen.add(at)
            at = parents[at]  # noqa: PLW2901  # up from each


@given(moves())
def test_a_tree_without_a_cycle_is_where_the_last_moves_say(facts):
    last = {row[0]: row[2] for row in answer("last-writer-register", facts)}

    def is_around(node):
        steps, at = 0, node
        while at in last and steps <= len(last):
            at, steps = last[at], steps + 1
            if at == node:
                return True
        return False

    if not any(is_around(node) for node in last):
        assert dict(answer("tree", facts)) == last


def test_of_two_moves_under_each_other_one_is_undone_and_its_node_is_where_it_was():
    a, b = fact("tree/parent", b"", entity=b"a"), fact("tree/parent", b"", entity=b"b")
    under_b, under_a = fact("tree/parent", b"b", a, entity=b"a"), fact("tree/parent", b"a", b, entity=b"b")
    kept = min((under_a, under_b), key=lambda each: bytes(each.cid))
    other = b"b" if kept is under_b else b"a"
    assert dict(answer("tree", [a, b, under_a, under_b])) == {kept.entity: kept.value, other: b""}


# -- laws of every type ----------------------------------------------------------------------------------------------------

ATTRIBUTES = {
    "graph": ["x", "y"], "multi-value-register": ["x", "y"], "last-writer-register": ["x", "y"],
    "counter": ["counter/add"], "grow-only-counter": ["counter/add"], "map": ["k", "map/delete"],
    "list": ["list/after", "list/counter", "list/value", "list/deleted"], "tree": ["tree/parent"],
    "text": ["text/insert", "text/delete"],
    **{name: ["set/add", "set/remove"] for name in SETS},
}  # fmt: skip

VALUES = {"text": ["0.1.aaaaaaaa:x", "1.1.bbbbbbbb:yz", "1.2.aaaaaaaa:abc", "0.1", "1.2", "0.1.aaaaaaaa:"]}


BY_FACTS = [name for name in LIBRARY if name != "latest-register"]
"""Those that the facts alone decide; the other one goes by what deltas claim."""


@given(
    said=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.sampled_from("xy")), max_size=8),
    random=st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=60)
def test_what_was_claimed_last_is_last_in_any_order(said, random):
    deltas = [
        Delta.sign(KEYS[n % 3], system="test", time=HybridTime(NOW + ms, counter), facts=[Fact(E, name, value)])
        for n, (value, ms, counter, _, name) in enumerate(said)
    ]
    expected = {}
    for delta in sorted(deltas, key=lambda delta: (delta.time, delta.id, delta.facts[0].cid)):
        expected[delta.facts[0].attribute] = delta.facts[0].value
    for _ in range(3):
        come = [*deltas, *(random.choices(deltas, k=2) if deltas else [])]
        random.shuffle(come)
        place = random.randint(0, len(come))
        store = MemoryStore()
        for some in (come[:place], come[place:]):
            admit(store, [delta.encode() for delta in some], now_ms=NOW + 10, origin="test")
        source, program = StoreSource(store, ALL), LIBRARY["latest-register"].program
        found = prepare(program, COLUMNS, relation="latest").run(source, BUDGET).relations["latest"]
        reading = CellReading(source)
        engine = compiled(program, COLUMNS, {}, None, "latest").run(reading, BUDGET)
        assert set(cells_of(engine.relation("latest").table.read(), reading.dictionary)) == set(found)
        assert {(name, value) for _, name, value in (map(plain, row) for row in found)} == set(expected.items())


@pytest.mark.parametrize("name", BY_FACTS)
@given(data=st.data())
@settings(max_examples=30)
def test_order_duplication_and_partition_never_show(name, data):
    facts = data.draw(histories(ATTRIBUTES[name], VALUES.get(name, [1, 2, True, b"e", b"f", "k"]), most=7))
    random = data.draw(st.randoms(use_true_random=False))
    whole = by_engine(name, facts)
    shuffled = [*facts, *(random.choices(facts, k=2) if facts else [])]
    random.shuffle(shuffled)
    assert by_engine(name, shuffled) == whole
    place = random.randint(0, len(facts))
    mine, yours = store_of(shuffled[:place] + facts), store_of(facts + shuffled[place:])
    assert set(_read(name, mine)) == set(_read(name, yours)) == whole


def _read(name, store):
    wanted = LIBRARY[name].answer
    return (
        prepare(LIBRARY[name].program, COLUMNS, relation=wanted).run(StoreSource(store, ALL), BUDGET).relations[wanted]
    )


# What is broken on purpose must be caught by the references and laws above: else they would catch nothing.
BROKEN = {
    "add-wins-set": ("cause(from: R, to: P).\nseen", "cause(from: R, to: P), P != P.\nseen"),
    "remove-wins-set": ("!seen(set: S, member: X, fact: R)", "!add(set: S, member: X)"),
    "counter": ("step(fact: C, counter: E, by: N) :-", "step(fact: E, counter: E, by: N) :-"),
    "map": ("seen(map: E, key: K, fact: P) :- delete(fact: C, map: E, key: K), cause(from: C, to: P).", ""),
    "list": ("N > M", "N < M"),
    "tree": ("!undone(node: N).\nover", "undone(node: N).\nover"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_program_is_caught(name, monkeypatch):
    old, new = BROKEN[name]
    of = LIBRARY[name]
    assert old in of.program
    monkeypatch.setitem(LIBRARY, name, type(of)(of.name, of.summary, of.program.replace(old, new), of.answer))
    with pytest.raises(AssertionError):
        test_sets(name=name) if name in SETS else CAUGHT_BY[name]()


CAUGHT_BY = {
    "counter": test_counters,
    "map": test_maps,
    "list": test_lists,
    "tree": test_a_tree_without_a_cycle_is_where_the_last_moves_say,
}


def test_there_is_no_such_data_type():
    with pytest.raises(RequestError, match="no data type 'add-win-set'") as error:
        data_type("add-win-set")
    assert "add-wins-set" in str(error.value.nearest)

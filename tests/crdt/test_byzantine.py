"""Data types among liars: forged counters, missing causes, equivocation, values of any kind.

Two laws for every type. Honest copies that hold the same facts agree, in whatever order these came, whatever they are. And
what honest writers did, of things that nobody else spoke of, is there as if the others had said nothing, but for what
the type lets anybody do.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_library import (
    ATTRIBUTES,
    BY_FACTS,
    E,
    answer,
    by_engine,
    by_evaluator,
    fact,
    facts_of,
    histories,
    pasts,
    walk,
)

from rhizomedb.crdt.counter import STEP_MAX
from rhizomedb.crdt.library import LIBRARY
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import exact

ANYTHING = [
    1,
    2,
    -1,
    2**63 - 1,
    -(2**63),
    1.0,
    2.5,
    1e308,
    -1e308,
    True,
    False,
    "",
    "x",
    "k",
    b"",
    b"e",
    b"f",
    b"honest",
    Cid.of(b"nothing"),
]
"""Values of every kind, among them those at the ends, and names of other entities."""

SPOKEN_OF = (b"e", b"f", b"", b"honest")

EVERYTHING = sorted({attribute for some in ATTRIBUTES.values() for attribute in some})


@dataclass(frozen=True)
class Lie:
    """A fact of a liar: any attribute, any value, any causes, some of which nobody has."""

    attribute: str
    entity: bytes
    value: object
    causes: tuple[int, ...]
    unknown: tuple[int, ...]


def lies(attributes, most=8, entities=SPOKEN_OF):
    lie = st.builds(
        Lie,
        attribute=st.sampled_from(attributes),
        entity=st.sampled_from(entities),
        value=st.sampled_from(ANYTHING),
        causes=st.lists(st.integers(0, 30), max_size=2).map(tuple),
        unknown=st.lists(st.integers(0, 2), max_size=1).map(tuple),
    )
    return st.lists(lie, max_size=most)


def told(some, honest=()):
    """The facts of lies, which may name honest facts as causes, and what nobody has."""
    facts = list(honest)
    for lie in some:
        causes = [facts[cause % len(facts)].cid for cause in lie.causes] if facts else []
        facts.append(
            Fact(lie.entity, lie.attribute, lie.value, [*causes, *(Cid.of(b"lost%d" % n) for n in lie.unknown)])
        )
    return list({each.cid: each for each in facts[len(honest) :]}.values())


@pytest.mark.parametrize("name", BY_FACTS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_copies_that_hold_the_same_agree_whatever_it_is(name, data):
    attributes = [*ATTRIBUTES[name], *(["x"] if name == "map" else [])]
    facts = told(data.draw(lies(attributes, most=7)))
    random = data.draw(st.randoms(use_true_random=False))
    shuffled = [*facts, *(random.choices(facts, k=2) if facts else [])]
    random.shuffle(shuffled)
    whole = by_engine(name, facts)
    assert by_engine(name, shuffled) == whole
    assert by_evaluator(name, shuffled) == whole


# What honest writers did


def honest_sets():
    return histories(["set/add", "set/remove"], ["x", "y"], entities=(b"honest",), most=6)


def keys(name, facts, wanted):
    return {row for row in answer(name, facts) if wanted(row)}


@pytest.mark.parametrize("name", ["add-wins-set", "remove-wins-set", "two-phase-set", "grow-only-set"])
@given(honest=honest_sets(), some=lies(["set/add", "set/remove", "tree/parent", "x"]))
@settings(max_examples=25, deadline=None)
def test_sets_lose_only_what_somebody_removes(name, honest, some):
    """A member of which nobody else spoke is in the set, or is not, as if nobody else had spoken."""
    others = told(some, honest)
    spoken = {(each.entity, exact(each.value)) for each in others if each.attribute in ("set/add", "set/remove")}
    untouched = {row for row in answer(name, honest) if (row[0], exact(row[1])) not in spoken}
    found = answer(name, [*honest, *others])
    assert untouched <= found
    assert {row for row in found if (row[0], exact(row[1])) not in spoken} == untouched


@given(honest=honest_sets(), some=lies(["set/add"]))
@settings(max_examples=25, deadline=None)
def test_an_add_takes_nothing_out_of_an_add_wins_set(honest, some):
    assert answer("add-wins-set", honest) <= answer("add-wins-set", [*honest, *told(some, honest)])


@given(
    honest=histories(["counter/add"], [1, 2, -3, 5], entities=(b"honest",), most=6),
    some=lies(["counter/add", "set/add", "x"], entities=SPOKEN_OF),
)
@settings(max_examples=50, deadline=None)
def test_no_step_of_a_counter_is_lost(honest, some):
    """The count is the honest sum and what the others add to it; nothing they say makes it go away."""
    others = told(some, honest)
    for name, least in (("counter", None), ("grow-only-counter", 0)):

        def total(facts, least=least):
            steps = [each.value for each in facts if each.entity == b"honest" and each.attribute == "counter/add"]
            numbers = [each for each in steps if type(each) in (int, float) and abs(each) <= STEP_MAX]
            return sum(each for each in numbers if least is None or each >= least), numbers

        whole = {each.cid: each for each in [*honest, *others]}.values()
        found = dict(answer(name, list(whole)))
        expected, numbers = total(whole)
        if any(least is None or number >= least for number in numbers):
            assert found[b"honest"] == pytest.approx(expected)
        else:
            assert b"honest" not in found


@given(honest=histories(["k", "l", "map/delete"], ["k", "l", 1], entities=(b"honest",), most=6),
       some=lies(["k", "map/delete", "x"]))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_maps_and_registers_lose_only_what_somebody_wrote_or_deleted(honest, some):
    others = told(some, honest)

    def key(each):
        return each.entity, each.value if each.attribute == "map/delete" else each.attribute

    spoken = {key(each) for each in others}
    found, alone = answer("map", [*honest, *others]), answer("map", honest)
    assert {row for row in found if (row[0], row[1]) not in spoken} == {
        row for row in alone if (row[0], row[1]) not in spoken
    }
    written = {(each.entity, each.attribute) for each in others}
    for name in ("multi-value-register", "last-writer-register"):
        found, alone = answer(name, [*honest, *others]), answer(name, honest)
        assert {row for row in found if row[:2] not in written} == {row for row in alone if row[:2] not in written}


@given(honest=histories(["x"], [1, 2], entities=(b"honest",), most=6), some=lies(["x"], most=6))
@settings(max_examples=25, deadline=None)
def test_what_comes_before_what_among_honest_facts_nobody_can_change(honest, some):
    past = pasts(honest)
    found = answer("graph", [*honest, *told(some, honest)], "ancestor")
    mine = {each.cid for each in honest}
    assert {(a, d) for a, d in found if d in mine} == {(p, cid) for cid in mine for p in past[cid]}
    assert {row for row in answer("graph", [*honest, *told(some, honest)], "ready") if row[0] in mine} == {
        (cid,) for cid in mine
    }


# Lists: elements of honest writers, who put each after the list or after an honest element, and never speak of it again


def honest_list(parents, gone=()):
    facts, counters = [], {}
    for number, parent in enumerate(parents, start=1):
        after = parent % number
        counters[number] = max([counters[n] for n in counters], default=0) + 1
        of = {"entity": b"n%d" % number}
        facts += [
            fact("list/after", b"n%d" % after if after else b"honest", **of),
            fact("list/counter", counters[number], **of),
            fact("list/value", number, **of),
        ]
    return facts


LIST = ["list/after", "list/counter", "list/value", "list/deleted"]


@given(
    parents=st.lists(st.integers(0, 12), max_size=5),
    some=lies(LIST, most=10, entities=(b"liar", b"e", b"f")) | lies(LIST[:2], most=10, entities=(b"liar", b"e")),
    under=st.lists(
        st.tuples(st.sampled_from([b"liar", b"e", b"f"]), st.integers(0, 5), st.sampled_from(ANYTHING)), max_size=4
    ),
)
@settings(max_examples=60, deadline=None)
def test_a_list_keeps_every_honest_element_once_and_in_order(parents, some, under):
    """Whatever others say of elements of their own, several places and counters for one among it."""
    honest = honest_list(parents)
    liars = told(some, honest)
    for entity, number, counter in under:  # elements under honest ones, with whatever counter
        liars += [
            fact(
                "list/after",
                b"n%d" % (number % (len(parents) + 1)) if number % (len(parents) + 1) else b"honest",
                entity=entity,
            ),
            fact("list/counter", counter, entity=entity),
            fact("list/value", "lie", entity=entity),
        ]
    liars = list({each.cid: each for each in liars}.values())
    alone = [element for element, _ in walk(answer("list", honest), b"honest")]
    assert len(alone) == len(parents)
    found = answer("list", [*honest, *liars])
    order = [element for element, _ in read_chain(found, b"honest")]
    assert [element for element in order if element.startswith(b"n")] == alone


def read_chain(items, start):
    """The elements from the list on, each once; one of several values is read with all of them."""
    after: dict[object, set[object]] = {}
    for before, element, _ in items:
        after.setdefault(before, set()).add(element)
    assert all(len(elements) == 1 for elements in after.values()), "nothing has two successors"
    found, met = [], {start}
    while start in after:
        (start,) = after[start]
        assert start not in met, "the chain never comes back"
        met.add(start)
        found.append((start, None))
    return found


def test_t7_an_element_in_two_places_with_two_counters_takes_nothing_from_the_others():
    honest = honest_list([0, 1])
    twice = [
        fact("list/after", b"honest", entity=b"liar"), fact("list/after", b"n1", entity=b"liar"),
        fact("list/counter", 0, entity=b"liar"), fact("list/counter", 2**63 - 1, entity=b"liar"), fact("list/value", 9, entity=b"liar"),
    ]  # fmt: skip
    order = [element for element, _ in read_chain(answer("list", [*honest, *twice]), b"honest")]
    assert sorted(order) == [b"liar", b"n1", b"n2"]
    assert order.index(b"n1") < order.index(b"n2")


# Trees


@given(
    honest=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=5),
    some=lies(["tree/parent"], entities=(b"e", b"f", b"liar"), most=8),
)
@settings(max_examples=50, deadline=None)
def test_a_tree_keeps_honest_nodes_where_honest_writers_put_them(honest, some):
    """Among nodes that hang from each other only, and of which nobody else spoke."""
    moves = [
        fact("tree/parent", b"n%d" % (parent % node) if parent % node else b"", entity=b"n%d" % node)
        for node, parent in honest
    ]
    moves = list({each.cid: each for each in moves}.values())
    alone = dict(answer("tree", moves))
    found = answer("tree", [*moves, *told(some, moves)])
    assert len({node for node, _ in found}) == len(found), "one parent each"
    assert {(node, parent) for node, parent in found if node in alone} == set(alone.items())


__all__ = ["E", "facts_of"]


BROKEN = {
    "giant steps count": ("counter", ", N >= -1000000000000, N <= 1000000000000", "", lambda: test_giant_steps_count_for_nothing),
    "an element in two places": ("list", "N := max M : counted(element: I, counter: M)", "counted(element: I, counter: N)",
                                 lambda: test_t7_an_element_in_two_places_with_two_counters_takes_nothing_from_the_others),
    "an element without a value": ("list", ', fact(entity: I, attribute: "list/value"), !deleted', ", !deleted",
                                   lambda: test_an_element_without_a_value_hides_nothing),
    "counters of any kind": ("list", ', kind(N) == "int"', "", lambda: test_counters_that_do_not_compare_are_none),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_program_that_believes_liars_is_caught(name, monkeypatch):
    of, old, new, law = BROKEN[name]
    found = LIBRARY[of]
    assert old in found.program
    monkeypatch.setitem(LIBRARY, of, type(found)(of, found.summary, found.program.replace(old, new), found.answer))
    with pytest.raises((AssertionError, KeyError, ExceptionGroup)):
        law()()


def test_giant_steps_count_for_nothing():
    giants = [fact("counter/add", 2**62, entity=b"honest"), fact("counter/add", 2**62 + 1, entity=b"honest")]
    assert answer("counter", [fact("counter/add", 3, entity=b"honest"), *giants]) == {(b"honest", 3)}


def beside(*liar):
    honest = honest_list([0, 0])
    found = [*honest, *liar]
    return [element for element, _ in read_chain(answer("list", found), b"honest") if element != b"liar"]


def test_an_element_without_a_value_hides_nothing():
    placed = fact("list/after", b"honest", entity=b"liar"), fact("list/counter", 9, entity=b"liar")
    assert beside(*placed) == [b"n2", b"n1"]


def test_counters_that_do_not_compare_are_none():
    placed = fact("list/after", b"honest", entity=b"liar"), fact("list/value", 0, entity=b"liar")
    for counter in ("x", 1.0, True, b""):
        assert beside(*placed, fact("list/counter", counter, entity=b"liar")) == [b"n2", b"n1"]

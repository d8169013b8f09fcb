"""The causal graph: the example of PomoDB 4.2.2 with every number of it, and what holds for all graphs."""

import pytest
from fact_vectors import MEAL_COUNTS, MIDNIGHT, NOON, PLACES, SUNSET, meals
from hypothesis import given
from hypothesis import strategies as st

from rhizomedb.facts.causality import (
    ancestors,
    are_concurrent,
    concurrent,
    dangling,
    descendants,
    direct,
    geneses,
    graph,
    heads,
    is_ancestor,
)

COUNTS = [(name, *map(int, counts.split(","))) for name, counts in (row.split() for row in MEAL_COUNTS.split("·"))]


@pytest.mark.parametrize(("fact", "before", "after"), COUNTS, ids=[row[0] for row in COUNTS])
def test_D33_ancestors_and_descendants(fact, before, after):
    assert (len(ancestors(meals(), fact)), len(descendants(meals(), fact))) == (before, after)


def test_D35_geneses():
    assert geneses(meals()) == {"almond", "bacon"}


def test_D37_heads():
    assert heads(meals()) == {"berry", "coffee"}


def test_D33_pairs():
    meal = meals()
    assert len(meal) == 24
    assert sum(len(causes) for causes in meal.values()) == 29
    assert sum(len(ancestors(meal, fact)) for fact in meal) == 232
    assert sum(are_concurrent(meal, one, other) for one in meal for other in meal if one < other) == 44


@pytest.mark.parametrize(
    ("fact", "names"),
    [("agave", "adobo almond apple bacon bagel"), ("bean", "bacon bagel banana"), ("almond", "")],
)
def test_D33_ancestors(fact, names):
    assert ancestors(meals(), fact) == set(names.split())


@pytest.mark.parametrize(
    ("ancestor", "fact"), [("avocado", "baklava"), ("agave", "ambrosia"), ("bean", "bun")], ids=lambda name: name
)
def test_D33_ancestors_that_are_not_direct(ancestor, fact):
    assert ancestor not in meals()[fact]
    assert is_ancestor(meals(), ancestor, fact)
    assert not is_ancestor(meals(), fact, ancestor)


@pytest.mark.parametrize(
    ("fact", "names"),
    [
        ("coffee", "asiago baklava berry brie brine bun butter"),
        ("bean", "adobo agave almond ambrosia apple cake cherry cinnamon"),
    ],
)
def test_D38_concurrent(fact, names):
    assert concurrent(meals(), fact) == set(names.split())
    assert {other for other in meals() if are_concurrent(meals(), fact, other)} == set(names.split())


def test_D38_no_fact_is_concurrent_with_itself():
    assert not are_concurrent(meals(), "berry", "berry")


def test_D40_no_direct_cause_is_redundant():
    for causes in meals().values():
        assert direct(meals(), causes) == causes


@pytest.mark.parametrize(
    ("seen", "causes"),
    [
        pytest.param("almond apple", "apple", id="D40-a-before-b"),
        pytest.param("berry coffee", "berry coffee", id="concurrent"),
        pytest.param("almond bean berry coffee", "berry coffee", id="heads-cover-all"),
        pytest.param("", "", id="nothing"),
        pytest.param("brie brie unknown", "brie unknown", id="unknown"),
    ],
)
def test_D40_direct(seen, causes):
    assert direct(meals(), seen.split()) == set(causes.split())


def test_D36_adding_never_removes_a_genesis():
    meal = meals()
    meal["tea"] = {"almond", "berry"}
    assert geneses(meal) == {"almond", "bacon"}


def test_D37_a_parent_stops_being_a_head():
    meal = meals()
    meal["tea"] = {"berry"}
    assert heads(meal) == {"tea", "coffee"}


def test_D37_heads_are_subjective():
    meal = meals()
    del meal["coffee"], meal["berry"]
    assert heads(meal) == {"brie"}


def test_E4_partial_view():
    meal = {fact: causes for fact, causes in meals().items() if fact in ("berry", "brie")}
    assert dangling(meal) == {("brie", "baklava"), ("brie", "asiago")}
    assert geneses(meal) == set()
    assert ancestors(meal, "berry") == {"brie", "baklava", "asiago"}


def test_D34_D35_one_fact_is_genesis_and_head():
    assert geneses({"a": ()}) == heads({"a": ()}) == {"a"}


def test_D24_sky():
    sky = graph([MIDNIGHT, NOON, SUNSET])
    assert ancestors(sky, MIDNIGHT.cid) == {SUNSET.cid, NOON.cid}
    assert geneses(sky) == {NOON.cid}
    assert heads(sky) == {MIDNIGHT.cid}


def test_D35_D37_places():
    names = {fact.cid: name for name, (fact, _) in PLACES.items()}
    places = graph(fact for fact, _ in PLACES.values())
    assert {names[cid] for cid in geneses(places)} == set(PLACES) - {"EFG"}
    assert {names[cid] for cid in heads(places)} == set(PLACES) - {"def"}


def test_T6_a_long_chain_takes_no_recursion():
    chain = {number: (number - 1,) if number else () for number in range(200_000)}
    assert len(ancestors(chain, 199_999)) == 199_999
    assert len(descendants(chain, 0)) == 199_999
    assert direct(chain, chain) == heads(chain) == {199_999}


graphs = st.integers(1, 12).flatmap(
    lambda size: st.fixed_dictionaries(
        {number: st.sets(st.integers(0, number - 1)) if number else st.just(set()) for number in range(size)}
    )
)


@given(graphs)
def test_D4_laws_of_complete_graphs(causes):
    assert geneses(causes)
    assert heads(causes)
    assert not dangling(causes)
    for fact in causes:
        before, after = ancestors(causes, fact), descendants(causes, fact)
        assert fact not in before
        assert {fact} | before | after | concurrent(causes, fact) == set(causes)
        assert before == {other for other in causes if fact in descendants(causes, other)}
        assert direct(causes, causes[fact] | before) <= causes[fact]


@given(graphs)
def test_D40_direct_keeps_the_ancestors(causes):
    for seen in causes.values():
        kept = direct(causes, seen)
        reach = set().union(kept, *(ancestors(causes, fact) for fact in kept))
        assert seen <= reach
        assert all(are_concurrent(causes, one, other) for one in kept for other in kept if one != other)

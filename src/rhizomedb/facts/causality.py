"""Causality: who is before whom in a graph of facts (PomoDB 4.2).

A *graph* maps each fact that is held to its direct causes. Causes may name facts that are not held: a partial view is
normal (erratum E4). A fact is an *ancestor* of another if there is a path of causes to it; two facts are *concurrent*
if neither is an ancestor of the other. A *genesis* has no cause; a *head* is the cause of nothing held.

These are the definitions, each linear in the part of the graph that it walks and never recursive, for graphs that
fit in memory; over a database the same questions are rules.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.fact import Fact

N = TypeVar("N", bound=Hashable)
Graph: TypeAlias = Mapping[N, Collection[N]]
"""From each fact that is held to its direct causes. Any hashable name will do for a fact; usually it is its CID."""


def graph(facts: Iterable[Fact]) -> dict[Cid, tuple[Cid, ...]]:
    """The causal graph of some facts."""
    return {fact.cid: fact.causes for fact in facts}


def ancestors(causes: Graph[N], fact: N) -> set[N]:
    """Every fact that came before this one, also those that are only named and not held."""
    return _before(causes, (fact,))


def descendants(causes: Graph[N], fact: N) -> set[N]:
    """Every held fact that came after this one."""
    effects: dict[N, list[N]] = {}
    for effect, direct_causes in causes.items():
        for cause in direct_causes:
            effects.setdefault(cause, []).append(effect)
    return _before(effects, (fact,))


def is_ancestor(causes: Graph[N], ancestor: N, fact: N) -> bool:
    """Whether `ancestor` came before `fact`. No fact is its own ancestor."""
    return ancestor in _before(causes, (fact,))


def are_concurrent(causes: Graph[N], one: N, other: N) -> bool:
    """Whether neither of two facts knew of the other. No fact is concurrent with itself."""
    return one != other and not is_ancestor(causes, one, other) and not is_ancestor(causes, other, one)


def concurrent(causes: Graph[N], fact: N) -> set[N]:
    """Every held fact that neither came before this one nor after it."""
    before, after = ancestors(causes, fact), descendants(causes, fact)
    return {other for other in causes if other not in before and other not in after and other != fact}


def geneses(causes: Graph[N]) -> set[N]:
    """The held facts without a cause. One whose causes are merely not held is none (erratum E4)."""
    return {fact for fact, direct_causes in causes.items() if not direct_causes}


def heads(causes: Graph[N]) -> set[N]:
    """The held facts that are the cause of no other."""
    caused: set[N] = set()
    for direct_causes in causes.values():
        caused.update(direct_causes)
    return set(causes) - caused


def dangling(causes: Graph[N]) -> set[tuple[N, N]]:
    """The pairs of a held fact and a cause of it that is not held: not arrived yet, or not a fact (erratum E6)."""
    return {(fact, cause) for fact, direct_causes in causes.items() for cause in direct_causes if cause not in causes}


def direct(causes: Graph[N], seen: Iterable[N]) -> set[N]:
    """Of what was seen, the facts that came before nothing else of it: the causes to list (PomoDB 4.2.2.6)."""
    distinct = set(seen)
    before = _before(causes, distinct)
    return distinct - before


def _before(causes: Graph[N], facts: Iterable[N]) -> set[N]:
    """Everything on a path of causes from any of some facts, these themselves only if another leads to them."""
    found: set[N] = set()
    waiting = list(facts)
    while waiting:
        for cause in causes.get(waiting.pop(), ()):
            if cause not in found:
                found.add(cause)
                waiting.append(cause)
    return found

"""Negation: hyperedges that take others back, each other among them.

A negation points at what it takes back by the role `negates`. It counts unless it is itself taken back for certain, and a
hyperedge is negated if a negation that counts for certain takes it back: the well-founded meaning of "negated unless the
negation is negated", of chains of any length. Where negations take back each other in a ring, nothing is certain, and
what nothing certain takes back is shown: a ring is listed, and never hides what somebody said.

"For certain, all of them" needs no negation inside the recursion: the negations of one hyperedge are put in an order, and
one after the other is found to be moot. So the program is stratified, and is kept up to date like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rhizomedb.facts.value import Entity

NEGATIONS: Final = """\
// what takes back what: pointers of that role, said by a delta of that very edge
negation(by: N, of: E, delta: D) :-
    F := fact(entity: N, attribute: "negates", value: E), asserts(delta: D, fact: F), delta(id: D, edge: N).
"""

EVERYBODY: Final = """\
// whoever says it
counts(by: N, of: E) :- negation(by: N, of: E).
"""

AUTHORISED: Final = """\
// only who said a thing may take it back, or who is trusted to
counts(by: N, of: E) :- negation(by: N, of: E, delta: D), delta(id: D, author: A), trusted(author: A).
counts(by: N, of: E) :-
    negation(by: N, of: E, delta: D), delta(id: D, author: A), saying(edge: E, delta: X), delta(id: X, author: A).
saying(edge: E, delta: X) :-
    negation(of: E), F := fact(entity: E), asserts(delta: X, fact: F), delta(id: X, edge: E).
"""

NEGATED: Final = """\
// the negations of one hyperedge, one after the other
first(of: E, by: M) :- counts(of: E), M := min N : counts(of: E, by: N).
last(of: E, by: M) :- counts(of: E), M := max N : counts(of: E, by: N).
later(of: E, after: N, by: P) :- counts(of: E, by: N), counts(of: E, by: P), P > N.
next(of: E, after: N, by: M) :- later(of: E, after: N), M := min P : later(of: E, after: N, by: P).

// moot: this one and all before it are negated for certain
moot(of: E, by: N) :- first(of: E, by: N), negated(edge: N).
moot(of: E, by: M) :- moot(of: E, by: N), next(of: E, after: N, by: M), negated(edge: M).

valid(edge: N) :- counts(by: N), !counts(of: N).
valid(edge: N) :- counts(by: N), last(of: N, by: M), moot(of: N, by: M).
negated(edge: E) :- counts(of: E, by: N), valid(edge: N).

// neither: negations that take back each other
undecided(edge: N) :- counts(by: N), !valid(edge: N), !negated(edge: N).
"""

BY_ANYBODY: Final = NEGATIONS + EVERYBODY + NEGATED
BY_AUTHORISED: Final = NEGATIONS + AUTHORISED + NEGATED
"""What is taken back, as `negated`: by whoever says so; by who said it or is `trusted` alone, which is a relation of the caller's."""


def negated_by(pairs: Iterable[tuple[Entity, Entity]]) -> set[Entity]:
    """What the program calls `negated`, from what `counts`: pairs of a negation and what it takes back. Linear.

    What nothing takes back is valid; what a valid one takes back is negated; what has only negated negations is valid.
    """
    by: dict[Entity, set[Entity]] = {}
    of: dict[Entity, set[Entity]] = {}
    for negation, edge in pairs:
        by.setdefault(edge, set()).add(negation)
        of.setdefault(negation, set()).add(edge)
    left = {edge: len(negations) for edge, negations in by.items()}
    negated: set[Entity] = set()
    valid = [negation for negation in of if negation not in by]
    while valid:
        for edge in of.get(valid.pop(), ()):
            if edge in negated:
                continue
            negated.add(edge)
            for target in of.get(edge, ()):  # one of its negations is moot
                left[target] -= 1
                if not left[target] and target not in negated:
                    valid.append(target)
    return negated

"""Sets: a member is added and removed by facts about the set, and a query says what is in it.

An add is a fact ⟨set, "set/add", member⟩, a remove a fact ⟨set, "set/remove", member⟩. Two writers who add the same
member with the same causes make one fact, and whoever removes it then removes both (trap T2): so an add names a fact
that only its writer made among its causes, as the write interface does. Source: PomoDB checklist, section D.3.
"""

from __future__ import annotations

from typing import Final

ADD: Final = "set/add"
REMOVE: Final = "set/remove"

_ADDED: Final = """\
add(fact: C, set: S, member: X) :- C := fact(entity: S, attribute: "set/add", value: X).
remove(fact: C, set: S, member: X) :- C := fact(entity: S, attribute: "set/remove", value: X).
"""

GROW_ONLY: Final = """\
// what was ever added
add(fact: C, set: S, member: X) :- C := fact(entity: S, attribute: "set/add", value: X).
member(set: S, member: X) :- add(set: S, member: X).
"""

TWO_PHASE: Final = (
    _ADDED
    + """\
// what was ever removed is out for good
member(set: S, member: X) :- add(set: S, member: X), !remove(set: S, member: X).
"""
)

ADD_WINS: Final = (
    _ADDED
    + """\
// what each remove had seen
seen(set: S, member: X, fact: P) :- remove(fact: R, set: S, member: X), cause(from: R, to: P).
seen(set: S, member: X, fact: P) :- seen(set: S, member: X, fact: Q), cause(from: Q, to: P).

// a remove takes back the adds that it had seen; who adds at the same time, or again, wins
member(set: S, member: X) :- add(fact: C, set: S, member: X), !seen(set: S, member: X, fact: C).
"""
)

REMOVE_WINS: Final = (
    _ADDED
    + """\
// what each add had seen
seen(set: S, member: X, fact: P) :- add(fact: C, set: S, member: X), cause(from: C, to: P).
seen(set: S, member: X, fact: P) :- seen(set: S, member: X, fact: Q), cause(from: Q, to: P).

// a remove stands until an add has seen it; who removes at the same time wins
removed(set: S, member: X) :- remove(fact: R, set: S, member: X), !seen(set: S, member: X, fact: R).
member(set: S, member: X) :- add(set: S, member: X), !removed(set: S, member: X).
"""
)

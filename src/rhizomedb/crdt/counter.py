"""Counters: everybody says by how much, and the sum is the count.

A step is a fact ⟨counter, "counter/add", number⟩. Two writers who add one with the same causes make one fact, and an
increment is lost (trap T1): so a step names a fact that only its writer made among its causes, as the write interface
does. Source: PomoDB checklist, section D.3.

A sum that is greater than any number there is would be no number, and the count be gone. So a step larger than 10¹² either
way counts for nothing: it would take millions of liars' steps, and not two, to take the others' away.
"""

from __future__ import annotations

from typing import Final

ADD: Final = "counter/add"

STEP_MAX: Final = 10**12
"""The largest step that counts."""

GROW_ONLY: Final = """\
// a step down counts for nothing, nor does a giant one, whoever says it
step(fact: C, counter: E, by: N) :-
    C := fact(entity: E, attribute: "counter/add", value: N), N >= 0, N <= 1000000000000.
step(fact: C, counter: E, by: N) :-
    C := fact(entity: E, attribute: "counter/add", value: N), N >= 0.0, N <= 1000000000000.0.
count(counter: E, total: T) :- step(counter: E), T := sum N : step(fact: C, counter: E, by: N).
"""

POSITIVE_NEGATIVE: Final = """\
// `fact` tells equal steps apart: without it they would be one; a giant step counts for nothing
step(fact: C, counter: E, by: N) :-
    C := fact(entity: E, attribute: "counter/add", value: N), N >= -1000000000000, N <= 1000000000000.
step(fact: C, counter: E, by: N) :-
    C := fact(entity: E, attribute: "counter/add", value: N), N >= -1000000000000.0, N <= 1000000000000.0.
count(counter: E, total: T) :- step(counter: E), T := sum N : step(fact: C, counter: E, by: N).
"""

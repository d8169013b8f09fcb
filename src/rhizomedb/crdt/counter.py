"""Counters: everybody says by how much, and the sum is the count.

A step is a fact ⟨counter, "counter/add", number⟩. Two writers who add one with the same causes make one fact, and an
increment is lost (trap T1): so a step names a fact that only its writer made among its causes, as the write interface
does. Source: PomoDB checklist, section D.3.
"""

from __future__ import annotations

from typing import Final

ADD: Final = "counter/add"

GROW_ONLY: Final = """\
// a step down counts for nothing, whoever says it
step(fact: C, counter: E, by: N) :- C := fact(entity: E, attribute: "counter/add", value: N), N >= 0.
count(counter: E, total: T) :- step(counter: E), T := sum N : step(fact: C, counter: E, by: N).
"""

POSITIVE_NEGATIVE: Final = """\
// `fact` tells equal steps apart: without it they would be one
step(fact: C, counter: E, by: N) :- C := fact(entity: E, attribute: "counter/add", value: N).
count(counter: E, total: T) :- step(counter: E), T := sum N : step(fact: C, counter: E, by: N).
"""

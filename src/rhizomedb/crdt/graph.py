"""The causal graph, as a program: what is known, what comes before what, what is missing.

A fact names its causes, so every copy that has the same facts has the same graph, and these relations say of it what
clocks would have to be believed for. Source: PomoDB specification, section D.3 of the checklist.
"""

from __future__ import annotations

from typing import Final

GRAPH: Final = """\
known(fact: C) :- C := fact().

// where it begins, and where it ends so far
genesis(fact: C) :- known(fact: C), !cause(from: C).
head(fact: C) :- known(fact: C), !cause(to: C).

// what lies in the causal past of what
ancestor(anc: P, desc: C) :- cause(from: C, to: P).
ancestor(anc: A, desc: C) :- cause(from: C, to: P), ancestor(anc: A, desc: P).

// neither was known to whoever said the other
concurrent(x: X, y: Y) :- known(fact: X), known(fact: Y), X < Y,
                          !ancestor(anc: X, desc: Y), !ancestor(anc: Y, desc: X).

// a cause that follows from another cause of the same fact
redundant(from: C, to: P) :- cause(from: C, to: P), cause(from: C, to: Q), ancestor(anc: P, desc: Q).

// causes that have not arrived, and the facts whose whole past is here
dangling(fact: C, missing: P) :- cause(from: C, to: P), !known(fact: P).
not_ready(fact: C) :- dangling(fact: C).
not_ready(fact: C) :- cause(from: C, to: P), not_ready(fact: P).
ready(fact: C) :- known(fact: C), !not_ready(fact: C).
"""

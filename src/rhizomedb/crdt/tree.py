"""Trees: a node is moved by saying under which parent it is, and no two moves ever make a cycle.

A move is a fact ⟨node, "tree/parent", parent⟩ with the moves that it had seen among its causes. Of the moves of a node that
nobody has moved since, the one with the greatest CID counts: a choice that every copy makes alike. Two people may still
move two nodes under each other. Then, of the moves around such a cycle, the one with the greatest CID is undone: its node
goes back to where it was before that move if that hangs from no undone node, and else under the root of no name, empty
bytes, until somebody moves it again.
"""

from __future__ import annotations

from typing import Final

PARENT: Final = "tree/parent"

MOVABLE: Final = """\
move(fact: C, node: N, parent: P) :- C := fact(entity: N, attribute: "tree/parent", value: P).

// the move of each node that counts
seen(node: N, fact: P) :- move(fact: C, node: N), cause(from: C, to: P).
seen(node: N, fact: P) :- seen(node: N, fact: Q), cause(from: Q, to: P).
standing(node: N, fact: C) :- move(fact: C, node: N), !seen(node: N, fact: C).
last(node: N, fact: M) :- standing(node: N), M := max C : standing(node: N, fact: C).
wanted(node: N, parent: P, fact: C) :- last(node: N, fact: C), move(fact: C, node: N, parent: P).

// around each cycle, the move that is undone
above(node: N, other: P) :- wanted(node: N, parent: P).
above(node: N, other: A) :- wanted(node: N, parent: P), above(node: P, other: A).
around(node: N, other: A) :- above(node: N, other: A), above(node: A, other: N).
rival(node: N, fact: C) :- around(node: N, other: A), wanted(node: A, fact: C).
greatest(node: N, fact: M) :- rival(node: N), M := max C : rival(node: N, fact: C).
undone(node: N, fact: C) :- greatest(node: N, fact: C), wanted(node: N, fact: C).

// what is left has no cycle
kept(node: N, parent: P) :- wanted(node: N, parent: P), !undone(node: N).
over(node: N, other: P) :- kept(node: N, parent: P).
over(node: N, other: A) :- kept(node: N, parent: P), over(node: P, other: A).
hangs(node: N) :- undone(node: N).
hangs(node: N) :- over(node: N, other: A), undone(node: A).

// where an undone node was before: the moves that the undone one had seen and none of those had
had(node: N, fact: P) :- undone(node: N, fact: C), cause(from: C, to: P).
had(node: N, fact: P) :- had(node: N, fact: Q), cause(from: Q, to: P).
older(node: N, fact: P) :- had(node: N, fact: Q), move(fact: Q, node: N), cause(from: Q, to: P).
older(node: N, fact: P) :- older(node: N, fact: Q), cause(from: Q, to: P).
before(node: N, fact: C, parent: P) :-
    had(node: N, fact: C), move(fact: C, node: N, parent: P), !older(node: N, fact: C), !hangs(node: P).
back(node: N, fact: M) :- before(node: N), M := max C : before(node: N, fact: C).

parent(node: N, parent: P) :- kept(node: N, parent: P).
parent(node: N, parent: P) :- back(node: N, fact: C), move(fact: C, node: N, parent: P).
parent(node: N, parent: bytes"") :- undone(node: N), !back(node: N).
"""

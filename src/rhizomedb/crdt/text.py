"""Texts: runs of characters, each put after a character of another run (RGA, a causal tree), named by their facts.

A text is held by an entity D. What is said of it is one fact for each *run*, not for each character:

    ⟨D, "text/insert", "OFFSET.COUNTER.SESSION:CHARACTERS", {parent}⟩    after character OFFSET of the run that the parent
                                                                         brought; without a cause, where D begins
    ⟨D, "text/delete", "START.COUNT", {run}⟩                             so many characters of a run, from one on

A run's name is the CID of its fact, so nobody can say another run of the same name, and a run can only name one that was
there before (Kleppmann 2022; trap T3). The session is random, so that two people who type the same letter at the same
place have said two things (traps T1 and T2). Character n of a run stands after character n-1 of it. Of the runs put after
the same character, those with the greatest counters come first, then those with the greatest sessions and CIDs, and the
run's own next character comes last. A counter is one more than the greatest that its writer knew *at that place*: who
claims the greatest number there is spoils one place, not the text (traps T5 and T7).

`EXTRACTION` says which facts are runs and deletions at all: whatever is malformed is none, and so is nowhere in any
copy. `WALK` says in what order the characters stand; a run that stands after what is not there waits for it, for ever
where that is no character of the text. Characters are written (run, at), and (D, 0) is the beginning. The answer is a chain that begins there.
"""

from __future__ import annotations

from typing import Final

INSERT: Final = "text/insert"
DELETE: Final = "text/delete"

SESSION_CHARACTERS: Final = 8
"""How long a session is, exactly: then sessions and CIDs end to end compare, as bytes, as the pairs of them do."""

COUNTER_MAX: Final = 2**63 - 1
"""The greatest counter, and where counting ends."""

EXTRACTION: Final = """\
// what is well formed in itself: numbers written in one way only, a counter of 1 or more, a session of 8 characters, a run
put(run: C, text: D, offset: O, counter: N, session: S, characters: K) :-
    C := fact(entity: D, attribute: "text/insert", value: V), H := split_part(V, ":", 1),
    O := int(split_part(H, ".", 1)), N := int(split_part(H, ".", 2)), S := slice(H, length(H) - 8),
    H == concat(text(O), ".", text(greatest(N, 1)), ".", S), K := slice(V, length(H) + 1), K != "".
take(fact: X, text: D, start: S, count: N) :-
    X := fact(entity: D, attribute: "text/delete", value: V),
    S := int(split_part(V, ".", 1)), N := int(split_part(V, ".", 2)),
    V == concat(text(greatest(S, 0)), ".", text(greatest(N, 1))).

// each names one run, or none: then it stands where the text begins
operation(fact: C) :- put(run: C).
operation(fact: X) :- take(fact: X).
named(by: C, run: P) :- operation(fact: C), cause(from: C, to: P).
of(fact: C, run: P) :- named(by: C, run: P), N := count : named(by: C, run: Q), N == 1.
inserted(run: C, text: D, parent: D, offset: 0, counter: N, session: S, characters: K) :-
    put(run: C, text: D, offset: 0, counter: N, session: S, characters: K), !named(by: C).
inserted(run: C, text: D, parent: P, offset: O, counter: N, session: S, characters: K) :-
    put(run: C, text: D, offset: O, counter: N, session: S, characters: K), of(fact: C, run: P).
deleted(fact: X, text: D, run: R, start: S, count: N) :-
    take(fact: X, text: D, start: S, count: N), of(fact: X, run: R).
"""

WALK: Final = """\
// what is there: the runs whose parents are there and of the same text, and their characters
placed(run: C, text: D) :- inserted(run: C, text: D, parent: D).
placed(run: C, text: D) :- inserted(run: C, text: D, parent: P, offset: O), place(run: P, text: D, at: O).
place(run: C, text: D, at: 0) :- placed(run: C, text: D).
place(run: C, text: D, at: B) :-
    place(run: C, text: D, at: A), inserted(run: C, characters: K), B := A + 1, B < length(K).

// siblings, newest first
under(run: C, parent: P, offset: O, counter: N, session: S) :-
    placed(run: C), inserted(run: C, parent: P, offset: O, counter: N, session: S).
earlier(x: X, y: Y) :-
    under(run: X, parent: P, offset: O, counter: N), under(run: Y, parent: P, offset: O, counter: M), N > M.
earlier(x: X, y: Y) :-
    under(run: X, parent: P, offset: O, counter: N, session: S),
    under(run: Y, parent: P, offset: O, counter: N, session: T), S > T.
earlier(x: X, y: Y) :-
    under(run: X, parent: P, offset: O, counter: N, session: S),
    under(run: Y, parent: P, offset: O, counter: N, session: S), X > Y.
not_first(run: Y) :- earlier(x: X, y: Y).
between(x: X, z: Z) :- earlier(x: X, y: Y), earlier(x: Y, y: Z).
sibling(x: X, y: Y) :- earlier(x: X, y: Y), !between(x: X, z: Y).

// the walk: down to the first run after a character, else on to the next character of its own run, else up and on
down(run: P, at: O, to: C) :- under(run: C, parent: P, offset: O), !not_first(run: C).
has_down(run: P, at: O) :- down(run: P, at: O).
has_sibling(run: X) :- sibling(x: X).
after(run: X, to: Y, at: 0) :- sibling(x: X, y: Y).
after(run: X, to: Y, at: B) :-
    under(run: X, parent: P, offset: O), !has_sibling(run: X), on(run: P, at: O, to: Y, then: B).
on(run: C, at: A, to: C, then: B) :- place(run: C, at: A), B := A + 1, place(run: C, at: B).
on(run: C, at: A, to: Y, then: B) :-
    inserted(run: C, characters: K), A := length(K) - 1, place(run: C, at: A), after(run: C, to: Y, at: B).
next(run: P, at: O, to: C, then: 0) :- down(run: P, at: O, to: C).
next(run: C, at: A, to: Y, then: B) :- on(run: C, at: A, to: Y, then: B), !has_down(run: C, at: A).

// what was deleted is stepped over
gone(run: R, at: A) :-
    deleted(text: D, run: R, start: S, count: N), place(run: R, text: D, at: A), A >= S, A - S < N.
stop(run: D, at: 0) :- placed(text: D).
stop(run: C, at: A) :- place(run: C, at: A), !gone(run: C, at: A).
step(run: X, at: A, to: Y, then: B) :- stop(run: X, at: A), next(run: X, at: A, to: Y, then: B).
step(run: X, at: A, to: Z, then: C) :-
    step(run: X, at: A, to: Y, then: B), gone(run: Y, at: B), next(run: Y, at: B, to: Z, then: C).
character(before: X, after: A, run: Y, at: B, character: Z) :-
    step(run: X, at: A, to: Y, then: B), !gone(run: Y, at: B), inserted(run: Y, characters: K), Z := slice(K, B, B + 1).
"""

TEXT: Final = EXTRACTION + WALK
"""Characters in their order, each with the one before it."""

OF_ONE: Final = EXTRACTION.replace(": D", ": $text")
"""`EXTRACTION` of the one text that the parameter `text` names: what `crdt.rope` keeps the walk of."""

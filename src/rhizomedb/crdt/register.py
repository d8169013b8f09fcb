"""Registers: what one attribute of one entity holds, as programs over causal facts.

A *register* is an entity and an attribute. `MULTI_VALUE` and `LAST_WRITER` are the programs of the PomoDB papers: a
write stands until a write that has it among its ancestors replaces it (transitively: trap T4).

`CLAIMS` is the register behind `get`, `conflicts`, `why` and `history`. It follows the same causes but asks one
question more: *whose* saying was replaced? Two authors who say the same thing make one fact, so a fact may have
several claims: one per delta that asserts it. A claim falls when

* a later write in its register, in a delta of scope "seen", has its fact among its ancestors: someone who saw the
  view wrote anew; or
* a later write by *the same author* has its fact among its ancestors: a source corrected itself, which says nothing
  about the others who still say the old; or
* a retraction names it: a fact ⟨entity, "rhizome/retracts", delta, {fact}⟩ takes back what that delta said of it.

Where no fact has two authors and nothing is retracted, the facts of the surviving claims are those of `MULTI_VALUE`.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from rhizomedb.logic.parse import parse
from rhizomedb.logic.syntax import Program

RETRACTS: Final = "rhizome/retracts"
"""The attribute of a fact that takes a claim back: its value is the delta, its cause the fact."""

RESERVED_PREFIX: Final = "rhizome/"
"""Attributes that begin so carry the database's own facts."""

MULTI_VALUE: Final = """\
// the writes that no later write has seen
write(fact: C, entity: E, attribute: A, value: V) :- C := fact(entity: E, attribute: A, value: V).
ancestor(anc: P, desc: C) :- cause(from: C, to: P).
ancestor(anc: A, desc: C) :- cause(from: C, to: P), ancestor(anc: A, desc: P).
superseded(fact: C) :- write(fact: C, entity: E, attribute: A), write(fact: D, entity: E, attribute: A),
                       ancestor(anc: C, desc: D).
survivor(entity: E, attribute: A, value: V, fact: C) :-
    write(fact: C, entity: E, attribute: A, value: V), !superseded(fact: C).
"""

LAST_WRITER: Final = (
    MULTI_VALUE
    + """\
// of the concurrent ones, the greatest CID: a choice that every copy makes alike
top(entity: E, attribute: A, fact: M) :-
    survivor(entity: E, attribute: A), M := max C : survivor(entity: E, attribute: A, fact: C).
last(entity: E, attribute: A, value: V) :- top(entity: E, attribute: A, fact: M), write(fact: M, value: V).
"""
)

CLAIMS: Final = """\
// which registers are asked for; the surface adds the rule or the tuples
relation asked(entity: bytes, attribute: any).

// a claim: one delta saying one fact
write(fact: C, delta: D, entity: E, attribute: A, value: V) :-
    asked(entity: E, attribute: A), C := fact(entity: E, attribute: A, value: V), asserts(delta: D, fact: C).

// what the writes of a register had seen: those of authors who saw the view, and those of each author alone
seen(entity: E, attribute: A, fact: P) :-
    write(fact: G, delta: D, entity: E, attribute: A), delta(id: D, scope: "seen"), cause(from: G, to: P).
seen(entity: E, attribute: A, fact: P) :- seen(entity: E, attribute: A, fact: Q), cause(from: Q, to: P).
past(entity: E, attribute: A, author: W, fact: P) :-
    write(fact: G, delta: D, entity: E, attribute: A), delta(id: D, author: W), cause(from: G, to: P).
past(entity: E, attribute: A, author: W, fact: P) :-
    past(entity: E, attribute: A, author: W, fact: Q), cause(from: Q, to: P).

superseded(fact: C, delta: D) :-
    write(fact: C, delta: D, entity: E, attribute: A), seen(entity: E, attribute: A, fact: C).
superseded(fact: C, delta: D) :-
    write(fact: C, delta: D, entity: E, attribute: A), delta(id: D, author: W),
    past(entity: E, attribute: A, author: W, fact: C).
retracted(fact: C, delta: D, by: T) :-
    write(fact: C, delta: D, entity: E), T := fact(entity: E, attribute: "rhizome/retracts", value: D),
    cause(from: T, to: C).

survivor(entity: E, attribute: A, value: V, fact: C, delta: D, author: W, time: T, counter: N) :-
    write(fact: C, delta: D, entity: E, attribute: A, value: V),
    !superseded(fact: C, delta: D), !retracted(fact: C, delta: D),
    delta(id: D, author: W, time: T, counter: N).
"""

OF_SUBJECTS: Final = """\
relation subject(entity: bytes).
asked(entity: E, attribute: A) :- subject(entity: E), fact(entity: E, attribute: A), A != "rhizome/retracts".
"""
"""Asks for every register of the given entities."""

CONTESTED: Final = """\
asked(entity: E, attribute: $attribute) :-
    fact(entity: E, attribute: $attribute, value: V), fact(entity: E, attribute: $attribute, value: W), V != W.
"""
"""Asks for the registers of one attribute about which two different things were ever said."""


@cache
def claims_of_subjects() -> Program:
    """`CLAIMS` for entities given as `subject` tuples."""
    return parse(CLAIMS + OF_SUBJECTS)


@cache
def claims_contested() -> Program:
    """`CLAIMS` for the contested registers of the attribute given as a parameter."""
    return parse(CLAIMS + CONTESTED)

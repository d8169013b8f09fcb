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

What was said can also be *withdrawn*, a write or a retraction: ⟨entity, "rhizome/withdraws", delta, {fact}⟩ makes it as if that
delta had not said that fact, so that what it replaced or took back stands again, as whoever said it said it. A withdrawal is
not withdrawn itself; who wants that says again what was withdrawn (`db/reverting.py`).

Where no fact has two authors and nothing is retracted, the facts of the surviving claims are those of `MULTI_VALUE`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from rhizomedb.facts.reserved import RESERVED_PREFIX
from rhizomedb.logic.occurrences import atoms
from rhizomedb.logic.parse import parse
from rhizomedb.logic.syntax import Atom, Constant, Constraint, Program, Rule, Selection, Variable

RETRACTS: Final = "rhizome/retracts"
"""The attribute of a fact that takes a claim back: its value is the delta, its cause the fact."""

WITHDRAWS: Final = "rhizome/withdraws"
"""The attribute of a fact that makes as if a delta had not said a fact: its value is the delta, its cause the fact."""

WRITER: Final = "rhizome/writer"
"""The attribute of the fact by which who writes a replicated value says that they are one: its value is random."""

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

LATEST: Final = """\
// what was claimed when: one delta saying one fact
claim(fact: C, entity: E, attribute: A, value: V, delta: D, time: T, counter: N) :-
    C := fact(entity: E, attribute: A, value: V), asserts(delta: D, fact: C), delta(id: D, time: T, counter: N).

// the greatest time; of equal ones the greatest counter, then delta, then fact: an order that every copy has
at(entity: E, attribute: A, time: M) :-
    claim(entity: E, attribute: A), M := max T : claim(entity: E, attribute: A, time: T).
then(entity: E, attribute: A, time: T, counter: M) :-
    at(entity: E, attribute: A, time: T), M := max N : claim(entity: E, attribute: A, time: T, counter: N).
by(entity: E, attribute: A, delta: M) :-
    then(entity: E, attribute: A, time: T, counter: N),
    M := max D : claim(entity: E, attribute: A, time: T, counter: N, delta: D).
top(entity: E, attribute: A, fact: M) :-
    by(entity: E, attribute: A, delta: D), M := max C : claim(entity: E, attribute: A, delta: D, fact: C).
latest(entity: E, attribute: A, value: V) :- top(entity: E, attribute: A, fact: M), claim(fact: M, value: V).
"""
"""A register that goes by what clocks claimed, whatever its writers had seen: whose clock is ahead wins."""

_SAID: Final = """\
// which registers are asked for; the surface adds the rule or the tuples
relation asked(entity: bytes, attribute: any).

// a claim: one delta saying one fact, unless the fact is a part of the hyperedge that the delta is
said(fact: C, delta: D, entity: E, attribute: A, value: V, edge: G) :-
    asked(entity: E, attribute: A), C := fact(entity: E, attribute: A, value: V), asserts(delta: D, fact: C),
    delta(id: D, edge: G).
written(fact: C, delta: D, entity: E, attribute: A, value: V) :-
    said(fact: C, delta: D, entity: E, attribute: A, value: V, edge: bytes"").
written(fact: C, delta: D, entity: E, attribute: A, value: V) :-
    said(fact: C, delta: D, entity: E, attribute: A, value: V, edge: G), E != G, V != G.

"""

_NOT_WITHDRAWN: Final = """\
// what is withdrawn is as if it had not been said: claims, and retractions
withdrawn(fact: P, delta: D, by: U) :-
    written(entity: E), U := fact(entity: E, attribute: "rhizome/withdraws", value: D), cause(from: U, to: P).
withdrawal(fact: P, delta: D) :- withdrawn(fact: P, delta: D).
write(fact: C, delta: D, entity: E, attribute: A, value: V) :-
    written(fact: C, delta: D, entity: E, attribute: A, value: V), !withdrawal(fact: C, delta: D).

"""

_STANDING: Final = """\
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
    cause(from: T, to: C){unless}.

survivor(entity: E, attribute: A, value: V, fact: C, delta: D, author: W, time: T, counter: N) :-
    write(fact: C, delta: D, entity: E, attribute: A, value: V),
    !superseded(fact: C, delta: D), !retracted(fact: C, delta: D),
    delta(id: D, author: W, time: T, counter: N).
"""

CLAIMS: Final = (
    _SAID
    + _NOT_WITHDRAWN
    + _STANDING.replace("{unless}", ", asserts(delta: X, fact: T), !withdrawal(fact: T, delta: X)")
)

CLAIMS_WITHOUT_WITHDRAWALS: Final = _SAID.replace("written(", "write(") + _STANDING.replace("{unless}", "")
"""The same where nothing is withdrawn, for less: `write` has what is `written`, and there is no `withdrawn`."""

OF_SUBJECTS: Final = """\
relation subject(entity: bytes).
asked(entity: E, attribute: A) :- subject(entity: E), fact(entity: E, attribute: A), A != "rhizome/retracts",
    A != "rhizome/withdraws".
"""
"""Asks for every register of the given entities."""

STANDS: Final = "stands"
"""The relation by which any program reads what stands: the survivors of `CLAIMS`."""

_OWN_RELATIONS: Final = (
    "asked", "said", "written", "withdrawn", "withdrawal", "write", "seen", "past", "superseded", "retracted",
)  # fmt: skip


@cache
def _library() -> tuple[Rule, Program]:
    """`CLAIMS` under names that no program of a user has, its survivors as `stands`: the rule that reads, and the rest."""
    text = re.sub(r"\bsurvivor\(", f"{STANDS}(", CLAIMS)
    for name in _OWN_RELATIONS:
        text = re.sub(rf"\b{name}\(", f"`{RESERVED_PREFIX}{name}`(", text)
    program = parse(text)
    (said,) = (rule for rule in program.rules if rule.head.relation == f"{RESERVED_PREFIX}said")
    return said, Program(tuple(rule for rule in program.rules if rule is not said))


def with_stands(program: Program) -> Program:
    """The program with the rules of `stands` before its own, if it reads that relation and does not define it.

    Only the writes of registers that its atoms can match are read: those of an attribute or an entity that is written out.
    """
    defined = {rule.head.relation for rule in program.rules} | {d.relation for d in program.declarations}
    read = [atom for rule in program.rules for atom in atoms(rule) if atom.relation == STANDS]
    if STANDS in defined or not read:
        return program
    said, rest = _library()
    reading = dict.fromkeys(_narrowed(said, atom) for atom in read)
    return Program((*reading, *rest.rules, *program.rules), program.declarations, program.source)


def _narrowed(said: Rule, atom: Atom) -> Rule:
    """The rule of what is said, for the registers that an atom over `stands` can match: who asks is written into it."""
    given = {
        name: term
        for name, term in atom.arguments
        if name in ("entity", "attribute") and not isinstance(term, Variable)
    }

    def narrowed(of: Atom) -> Atom:
        return Atom(of.relation, tuple((name, given.get(name, term)) for name, term in of.arguments))

    body = [
        Selection(narrowed(predicate.atom), predicate.cid) if isinstance(predicate, Selection) else predicate
        for predicate in said.body
        if not (isinstance(predicate, Selection) and predicate.atom.relation == f"{RESERVED_PREFIX}asked")
    ]
    if "attribute" not in given:
        attribute = dict(said.head.arguments)["attribute"]
        body += [Constraint(attribute, "!=", Constant(name)) for name in (RETRACTS, WITHDRAWS)]
    return Rule(narrowed(said.head), tuple(body))


@cache
def claims_of_subjects(*, may_withdraw: bool = True) -> Program:
    """`CLAIMS` for entities given as `subject` tuples; with `may_withdraw=False`, where nothing is withdrawn."""
    return parse((CLAIMS if may_withdraw else CLAIMS_WITHOUT_WITHDRAWALS) + OF_SUBJECTS)

'''Inlining: a relation that is only a name for one rule's body is read as that body.

>>> from rhizomedb.logic.parse import parse
>>> program = parse("""
... answer(x: X) :- elder(x: X, y: "me").
... elder(x: X, y: Y) :- ancestor(old: X, young: Y), born(who: X, in: B), B < 1900.
... ancestor(old: X, young: Y) :- parent(of: Y, is: X).
... ancestor(old: X, young: Z) :- parent(of: Y, is: X), ancestor(old: Y, young: Z).
... """)
>>> stored = {"parent": ("of", "is"), "born": ("who", "in")}
>>> print(inline(program, Question("answer", stored)).rules[0])
answer(x: X) :- ancestor(old: X, young: "me"), born(who: X, in: B`1), B`1 < 1900.

It is done where it lets what is bound pass on and costs nothing: for a relation that is read in one place and reads a
derived one, and for one that is a stored relation under other names, wherever it is read. A rule whose head takes the
default of an optional atom stays, because that may not be bound before its atom runs; and bodies stay below
`PREDICATES_MAX` predicates.
'''

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from rhizomedb.logic.occurrences import atom_of
from rhizomedb.logic.rewrite import relevant
from rhizomedb.logic.rewrites.dependence import Dependence
from rhizomedb.logic.rewrites.question import Question
from rhizomedb.logic.rewrites.substitution import in_predicate
from rhizomedb.logic.syntax import (
    Assignment,
    Constraint,
    OptionalAtom,
    Predicate,
    Program,
    Rule,
    Selection,
    Term,
    Variable,
)

PREDICATES_MAX = 24
"""The longest body that inlining makes."""


def inline(program: Program, question: Question) -> Program:
    """The program without the relations that are only a name for one rule's body; the same answer."""
    if any(rule.inductive for rule in program.rules) or question.relation in question.stored:
        return program
    program = relevant(program, question.read)
    dependence = Dependence(program, question.stored)
    uses: Counter[str] = Counter()
    for rule in program.rules:
        uses.update(atom.relation for predicate in rule.body if (atom := atom_of(predicate)) is not None)
    single = {
        name: rules[0]
        for name, rules in dependence.rules.items()
        if name not in question.read
        and len(rules) == 1
        and name not in dependence.facts
        and not dependence.is_recursive(name)
        and _can_stand_elsewhere(rules[0])
        and (_is_alias(rules[0], question) or (uses[name] == 1 and _reads_derived(rules[0], dependence)))
    }
    changed: dict[str, Rule] = {}
    rules = []
    number = 0
    for rule in sorted(
        program.rules, key=lambda rule: dependence.order(rule.head.relation)
    ):  # what is read comes first
        body: list[Predicate] = []
        length = len(rule.body)
        for predicate in rule.body:
            callee = None
            if isinstance(predicate, Selection):
                callee = changed.get(predicate.atom.relation, single.get(predicate.atom.relation))
            if callee is None or length + len(callee.body) > PREDICATES_MAX + 1:
                body.append(predicate)
                continue
            assert isinstance(predicate, Selection), "only positive atoms are inlined"
            number += 1
            length += len(callee.body) - 1
            body += _read_as(callee, predicate, number)
        after = replace(rule, body=tuple(body))
        if rule.head.relation in single:
            changed[rule.head.relation] = after
        rules.append(after)
    by_head: dict[str, list[Rule]] = {}
    for rule in rules:
        by_head.setdefault(rule.head.relation, []).append(rule)
    ordered = tuple(by_head[rule.head.relation].pop(0) for rule in program.rules)
    return relevant(replace(program, rules=ordered), question.read)


def _can_stand_elsewhere(rule: Rule) -> bool:
    """Whether other atoms may bind what the head gives."""
    optional = [predicate for predicate in rule.body if isinstance(predicate, OptionalAtom)]
    defaults = {variable for predicate in optional for variable, _ in predicate.defaults}
    return not any(term in defaults for _, term in rule.head.arguments)


def _is_alias(rule: Rule, question: Question) -> bool:
    """Whether a rule gives the tuples of a stored relation under other names."""
    return (
        all(isinstance(p, Selection) and p.atom.relation in question.stored for p in rule.body) and len(rule.body) == 1
    )


def _reads_derived(rule: Rule, dependence: Dependence) -> bool:
    return any(dependence.is_derived(atom.relation) for p in rule.body if (atom := atom_of(p)) is not None)


def _read_as(rule: Rule, selection: Selection, number: int) -> list[Predicate]:
    """The body of a rule where an atom reads its head, its own variables apart from all others."""
    asked = dict(selection.atom.arguments)
    cids = {predicate.cid for predicate in rule.body if isinstance(predicate, Selection)}
    given: dict[Variable, Term] = {}
    equal: list[Predicate] = []

    def apart(variable: Variable) -> Term:
        return given.get(variable) or Variable(f"{variable.name}`{number}")

    for name, term in rule.head.arguments:
        wanted = asked.get(name)
        if wanted is None:
            continue
        if isinstance(term, Variable) and term not in given and (isinstance(wanted, Variable) or term not in cids):
            given[term] = wanted
        else:
            same = apart(term) if isinstance(term, Variable) else term
            # An assignment binds where nothing else does, and compares where something does.
            equal.append(Assignment(wanted, same) if isinstance(wanted, Variable) else Constraint(wanted, "==", same))
    return [*(in_predicate(predicate, apart) for predicate in rule.body), *equal]

"""Which `@next` rules are allowed, so that a program left alone comes to rest (PomoLogic 2.1; erratum E12).

A relation is *instantaneous* if its facts are gone at the next timestep unless they come again: it is declared as an
`event`, or it is derived by deductive rules only, each with an instantaneous relation among its positive atoms. An
inductive rule must either keep what there is (its head stands in its body) or be driven by an instantaneous relation.
"""

from __future__ import annotations

from collections.abc import Iterator

from rhizomedb.errors import ProgramError
from rhizomedb.logic.schema import Schema
from rhizomedb.logic.syntax import Atom, Program, Rule, Selection


def instantaneous(program: Program) -> frozenset[str]:
    """The relations whose facts do not last by themselves.

    The greatest set: a recursive relation belongs to it if every way into the recursion comes from an event.
    """
    inductive = {rule.head.relation for rule in program.rules if rule.inductive}
    events = {declaration.relation for declaration in program.declarations if declaration.event}
    lasting = {rule.head.relation for rule in program.rules} - inductive
    found = events | lasting
    while True:
        kept = events | {relation for relation in found if relation in lasting}
        for rule in program.rules:
            if rule.head.relation in kept and rule.head.relation not in events and not _driven(rule, found):
                kept.discard(rule.head.relation)
        if kept == found:
            return frozenset(found)
        found = kept


def _driven(rule: Rule, relations: set[str] | frozenset[str]) -> bool:
    """Whether one of a rule's positive atoms is of one of these relations."""
    return any(isinstance(predicate, Selection) and predicate.atom.relation in relations for predicate in rule.body)


def _keeps(rule: Rule) -> bool:
    """Whether the head stands in the body as it is."""
    head = _plain(rule.head)
    return any(isinstance(predicate, Selection) and _plain(predicate.atom) == head for predicate in rule.body)


def _plain(atom: Atom) -> tuple[str, frozenset[tuple[str, object]]]:
    return atom.relation, frozenset(atom.arguments)


def restless(program: Program, schema: Schema) -> Iterator[ProgramError]:
    """Inductive rules that could fire for ever."""
    if not any(rule.inductive for rule in program.rules):
        return
    passing = instantaneous(program)
    for rule in program.rules:
        if rule.inductive and not _keeps(rule) and not _driven(rule, passing):
            events = sorted(passing & schema.events)
            yield ProgramError(
                "logic.inductive",
                f"this @next rule for `{rule.head.relation}` neither repeats its head in its body nor needs an event",
                where=rule.span,
                fix=f"{rule.head} in the body, or {f'`{events[0]}`' if events else 'a relation declared as an event'}",
            )

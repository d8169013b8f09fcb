"""Which `@next` rules are allowed, so that a program left alone comes to rest (PomoLogic 2.1; erratum E12).

A relation is *instantaneous* if its facts are gone at the next timestep unless they come again: it is declared as an
`event`, or it is derived by deductive rules only, each with an instantaneous relation among its positive atoms. An
inductive rule must either keep what there is (its head stands in its body) or be driven by an instantaneous relation.

So, once no event comes, what the rules of the second kind made is there, and those of the first kind can only let go of
it: by induction over the strata everything is as it was in the step before after finitely many steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rhizomedb._record import dataclass
from rhizomedb.errors import ProgramError
from rhizomedb.logic.occurrences import atoms
from rhizomedb.logic.schema import Schema
from rhizomedb.logic.syntax import Atom, Program, Rule, Selection, Variable


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


# One timestep


@dataclass(frozen=True, slots=True)
class Timestep:
    """A program as what happens in one of its timesteps: a program without `@next`, and where its state is.

    `before` has for each relation with `@next` rules the relation of what was carried into the step, `after` that of what
    is carried out of it. `events` come from outside, into one step; `passing` are gone after it, unless they come again.
    """

    program: Program
    before: Mapping[str, str]
    after: Mapping[str, str]
    events: frozenset[str]
    passing: frozenset[str]


def is_temporal(program: Program) -> bool:
    """Whether what a program says depends on the steps that came before: it has `@next` rules, or reads events."""
    return any(rule.inductive for rule in program.rules) or any(each.event for each in program.declarations)


def timestep(program: Program, columns: Mapping[str, tuple[str, ...]]) -> Timestep:
    """One step of a checked program whose relations have these columns (PomoLogic 2.4; L6, L11).

    What holds now is what was carried here and what the deductive rules add; what is carried on is what the inductive
    rules make of that.

    >>> from rhizomedb.logic.parse import parse
    >>> print(timestep(parse("event e(x). s(x: X)@next :- e(x: X)."), {"s": ("x",)}).program)
    s(x: V1) :- `s@before`(x: V1).
    `s@after`(x: X) :- e(x: X).
    """
    kept = dict.fromkeys(rule.head.relation for rule in program.rules if rule.inductive)
    taken = {atom.relation for rule in program.rules for atom in atoms(rule)}
    before = {relation: _fresh(f"{relation}@before", taken) for relation in kept}
    after = {relation: _fresh(f"{relation}@after", taken) for relation in kept}
    rules = [_carried(relation, name, columns[relation]) for relation, name in before.items()]
    for rule in program.rules:
        if rule.inductive:
            head = replace(rule.head, relation=after[rule.head.relation])
            rules.append(replace(rule, head=head, inductive=False))
        else:
            rules.append(rule)
    events = frozenset(declaration.relation for declaration in program.declarations if declaration.event)
    rest = tuple(declaration for declaration in program.declarations if not declaration.event)
    return Timestep(
        replace(program, rules=tuple(rules), declarations=rest), before, after, events, instantaneous(program)
    )


def _carried(relation: str, before: str, columns: tuple[str, ...]) -> Rule:
    arguments = tuple((name, Variable(f"V{place}")) for place, name in enumerate(columns, start=1))
    return Rule(Atom(relation, arguments), (Selection(Atom(before, arguments)),))


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name

"""Factoring: what rules of a recursion join with the recursion at last becomes one relation, each tuple once.

    pt(y, w) :- assign(y, z), pt(z, w)                       #f(z, y) :- assign(y, z)
    pt(y, w) :- load(y, x), pt(x, z), pt(z, w)       →       #f(z, y) :- load(y, x), pt(x, z)
    pt(z, w) :- store(y, x), pt(y, z), pt(x, w)              #f(x, z) :- store(y, x), pt(y, z)
                                                             pt(y, w) :- #f(z, y), pt(z, w)

An atom of the recursion may come last if it hands a column on to the head that nothing else in the body reads, and if the
rest binds all that the body asks for. What is left of the body need then be known only once for each pair of join and head, however many ways lead there; in the first
form every way is joined with everything anew. It is done where some rule has two atoms or more beside that one, of which
one is of the recursion itself: elsewhere it would only copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.flow.body import Atom, Body, Compute, Rule, Variable

Shape: TypeAlias = tuple[object, ...]
"""How the columns of a last atom and of a head hang together; rules of one shape share a relation."""


@dataclass(frozen=True, slots=True)
class _Split:
    """A rule taken apart: its last atom, and the variables that the rest must say."""

    rule: Rule
    last: Atom
    rest: tuple[Atom, ...]
    says: tuple[str, ...]
    shape: Shape


def factored(rules: Sequence[Rule], recursive: frozenset[str], name: Callable[[int], str]) -> list[Rule]:
    """The rules of one recursion, factored; `name` makes a relation of a width and says what it is called."""
    kept: list[Rule] = []
    by_shape: dict[Shape, list[_Split]] = {}
    for rule in rules:
        split = _split(rule, recursive)
        if split is None:
            kept.append(rule)
        else:
            by_shape.setdefault(split.shape, []).append(split)
    for splits in by_shape.values():
        if not any(_is_worth(split, recursive) for split in splits):
            kept += [split.rule for split in splits]
            continue
        relation = name(len(splits[0].says))
        for split in splits:
            body = Body(split.rest, split.rule.body.negations, split.rule.body.steps)
            kept.append(Rule(relation, tuple(map(Variable, split.says)), body))
        first = splits[0]
        joined = Atom(relation, tuple(map(Variable, first.says)))
        kept.append(Rule(first.rule.head, first.rule.terms, Body((joined, first.last))))
    return kept


def _is_worth(split: _Split, recursive: frozenset[str]) -> bool:
    return len(split.rest) > 1 and any(atom.relation in recursive for atom in split.rest)


def _split(rule: Rule, recursive: frozenset[str]) -> _Split | None:
    if not all(isinstance(term, Variable) for term in rule.terms):
        return None
    head = [term.name for term in rule.terms if isinstance(term, Variable)]
    for number in reversed(range(len(rule.body.atoms))):
        last = rule.body.atoms[number]
        if last.relation not in recursive or not all(isinstance(term, Variable) for term in last.terms):
            continue
        names = [term.name for term in last.terms if isinstance(term, Variable)]
        rest = tuple(atom for place, atom in enumerate(rule.body.atoms) if place != number)
        elsewhere = _read(rest, rule)
        if not elsewhere <= _bound(rest, rule):
            continue
        joins = [each for each in names if each in elsewhere]
        passed = [each for each in names if each not in elsewhere and each in head]
        if not rest or not joins or not passed or len(set(names)) < len(names):
            continue
        if any(each not in elsewhere and each not in passed for each in head):
            continue
        says = tuple(dict.fromkeys([*joins, *(each for each in head if each not in passed)]))
        places = {each: place for place, each in enumerate([*says, *passed])}
        shape = (
            rule.head, last.relation, len(says),
            tuple(places.get(each, -1) for each in names), tuple(places[each] for each in head),
        )  # fmt: skip
        return _Split(rule, last, rest, says, shape)
    return None


def _read(rest: Sequence[Atom], rule: Rule) -> set[str]:
    """The variables that the rest of a body reads or binds."""
    found: set[str] = set()
    for atom in (*rest, *rule.body.negations):
        found |= atom.variables
    for step in rule.body.steps:
        found |= step.needs
        if isinstance(step, Compute):
            found.add(step.variable)
    return found


def _bound(rest: Sequence[Atom], rule: Rule) -> set[str]:
    """The variables that the rest of a body binds: negations and tests only ask."""
    found: set[str] = set()
    for atom in rest:
        found |= atom.variables
    steps = [step for step in rule.body.steps if isinstance(step, Compute)]
    while ready := [step for step in steps if step.needs <= found]:
        found.update(step.variable for step in ready)
        steps = [step for step in steps if step not in ready]
    return found

"""Which relations of a program are monotone: what they hold is never withdrawn when facts arrive (CALM).

A relation that is may be shown before everything has arrived, and copies that know different parts never contradict
each other about it. A relation *grows* if more facts never give it less, *shrinks* if they never give it more, and
*stays* if time alone takes nothing from it, as it does from an event. Each is the greatest set of relations for which
all rules bear it out, so a recursion is what everything that enters it is.

    a tuple of `p` in a body               grows if `p` does
    `!p(…)`                                grows if `p` shrinks, as what only the program itself says does
    an aggregate over `p`, `optional p(…)` grows if `p` neither grows nor shrinks
    `N := count : p(…), N >= 3`            grows if `p` does, where `N` is used for nothing else
    `C := fact(…), !cause(from: C)`        grows: the causes of a fact come with it
    a comparison, a function               grows: it looks at one tuple

Grows and stays, that is monotone. Source: PomoDB checklist, section D.3, and the CALM theorem.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.errors import Span
from rhizomedb.logic.occurrences import atom_of, expressions, variables
from rhizomedb.logic.syntax import (
    Aggregation,
    Assignment,
    Atom,
    Condition,
    Constraint,
    Negation,
    OptionalAtom,
    Predicate,
    Program,
    Rule,
    Selection,
    Variable,
)

COUNTS: Final = frozenset({"count", "count_distinct"})
"""Aggregates whose result is a whole number that never falls while its relation grows. Others compare by kind as well."""

KEYED: Final = {"cause": "from"}
"""Stored relations of which all tuples with one CID under an attribute come together with the fact of that CID."""

OF_FACTS: Final = frozenset({("cause", "from"), ("asserts", "fact"), ("stands", "fact")})
"""The attributes of stored relations that hold the CIDs of facts that are here."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a relation is not monotone: the rule and the place in it, and through which other relation if it inherits it."""

    message: str
    rule: Rule
    span: Span | None
    through: str | None = None

    def __str__(self) -> str:
        return f"{self.span}: {self.message}" if self.span else self.message

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        span = self.span
        return {
            "message": self.message,
            "rule": str(self.rule),
            "line": span.line if span else None,
            "column": span.column if span else None,
            "through": self.through,
        }


@dataclass(frozen=True, slots=True)
class Monotonicity:
    """Whether a derived relation is monotone, and if it is not, why: its own reasons first, then what it inherits."""

    relation: str
    reasons: tuple[Reason, ...]

    @property
    def is_monotone(self) -> bool:
        """Whether what it holds is never withdrawn when facts arrive, so that it may be shown before all of them have."""
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "relation": self.relation,
            "monotone": self.is_monotone,
            "reasons": [reason.as_dict() for reason in self.reasons],
        }


def monotonicity(
    program: Program, *, events: Collection[str] = (), falling: Mapping[str, str] | None = None
) -> dict[str, Monotonicity]:
    """For each relation that a checked program derives, whether it is monotone in what it reads.

    `events` are relations that live for one epoch beside those that the program declares; `falling` says of relations
    that the program reads and does not define, and from which facts take tuples away, why that is.

    >>> from rhizomedb.logic.parse import parse
    >>> found = monotonicity(parse("seen(x: X) :- past(x: X).\\nhead(x: X) :- all(x: X), !seen(x: X)."))
    >>> found["seen"].is_monotone, str(found["head"].reasons[0])
    (True, 'line 2, column 27: `!seen(x: X)`: a tuple goes when `seen` gets one that matches')
    """
    return _Analysis(program, events, falling or {}).report()


class _Analysis:
    """What is known of each relation."""

    def __init__(self, program: Program, events: Collection[str], falling: Mapping[str, str]) -> None:
        self.rules: dict[str, list[Rule]] = {}
        for rule in program.rules:
            self.rules.setdefault(rule.head.relation, []).append(rule)
        self.falling = {relation: why for relation, why in falling.items() if relation not in self.rules}
        self.events = {*events, *(each.relation for each in program.declarations if each.event)} - self.rules.keys()
        self.growing = set(self.rules)
        self.shrinking = set(self.rules)
        self.staying = set(self.rules)
        self.of_facts = {(name, given) for name, rules in self.rules.items() for given, _ in rules[0].head.arguments}
        while self._forget_facts():
            pass
        while self._narrow():
            pass

    def _narrow(self) -> bool:
        """Give up what some rule does not bear out; whether anything was."""
        before = len(self.growing) + len(self.shrinking) + len(self.staying)
        for relation, rules in self.rules.items():
            if any(next(self._ungrown(rule), None) for rule in rules):
                self.growing.discard(relation)
            if not all(self._shrinks_by(predicate, rule) for rule in rules for predicate in rule.body):
                self.shrinking.discard(relation)
            if next(self._unstayed(relation), None):
                self.staying.discard(relation)
        return len(self.growing) + len(self.shrinking) + len(self.staying) < before

    def grows(self, relation: str) -> bool:
        """Whether more facts never give it less."""
        return relation in self.growing if relation in self.rules else relation not in self.falling

    def shrinks(self, relation: str) -> bool:
        """Whether more facts never give it more."""
        return relation in self.shrinking

    def stays(self, relation: str) -> bool:
        """Whether time alone takes nothing from it."""
        return relation in self.staying if relation in self.rules else relation not in self.events

    def _is_settled(self, atom: Atom, rule: Rule) -> bool:
        """Whether what matches an atom never changes: the program alone says it, or it came with a fact that is there."""
        if self.grows(atom.relation) and self.shrinks(atom.relation):
            return True
        key = dict(atom.arguments).get(KEYED.get(atom.relation, ""))
        return atom.relation not in self.rules and isinstance(key, Variable) and self._is_fact(key, rule)

    def _is_fact(self, variable: Variable, rule: Rule) -> bool:
        """Whether a variable of a body stands for the CID of a fact that is here."""
        return any(
            isinstance(predicate, Selection)
            and (
                predicate.cid == variable
                or any(
                    term == variable and self._holds_facts(predicate.atom.relation, attribute)
                    for attribute, term in predicate.atom.arguments
                )
            )
            for predicate in rule.body
        )

    def _holds_facts(self, relation: str, attribute: str) -> bool:
        known = self.of_facts if relation in self.rules else OF_FACTS
        return (relation, attribute) in known

    def _forget_facts(self) -> bool:
        """Give up the attributes that some rule gives what may be no CID of a fact that is here; whether any was."""
        wrong = {
            (relation, attribute)
            for relation, rules in self.rules.items()
            for rule in rules
            for attribute, term in rule.head.arguments
            if (relation, attribute) in self.of_facts and not (isinstance(term, Variable) and self._is_fact(term, rule))
        }
        self.of_facts -= wrong
        return bool(wrong)

    def _grows_by(self, predicate: Predicate, rule: Rule) -> bool:
        match predicate:
            case Selection(atom):
                return self.grows(atom.relation)
            case Negation(atom):
                return self.shrinks(atom.relation) or self._is_settled(atom, rule)
            case Aggregation():
                return self._is_settled(predicate.atom, rule) or self._passes(predicate, rule, self.grows, self.shrinks)
            case OptionalAtom(atom):
                return self._is_settled(atom, rule)
            case _:
                return True

    def _shrinks_by(self, predicate: Predicate, rule: Rule) -> bool:
        match predicate:
            case Selection(atom):
                return self.shrinks(atom.relation)
            case Negation(atom):
                return self.grows(atom.relation)
            case Aggregation():
                return self._is_settled(predicate.atom, rule) or self._passes(predicate, rule, self.shrinks, self.grows)
            case OptionalAtom(atom):
                return self._is_settled(atom, rule)
            case _:
                return True

    def _passes(self, counted: Aggregation, rule: Rule, up: Callable[[str], bool], down: Callable[[str], bool]) -> bool:
        """Whether a count is asked only if it is great enough, and goes up, or only if it is small enough, and goes down."""
        directions = _thresholds(counted, rule)
        relation = counted.atom.relation
        return (directions == {">"} and up(relation)) or (directions == {"<"} and down(relation))

    # Reasons

    def report(self) -> dict[str, Monotonicity]:
        """For each relation, whether it is monotone, and why not."""
        return {relation: Monotonicity(relation, tuple(self._reasons(relation))) for relation in self.rules}

    def _reasons(self, relation: str) -> Iterator[Reason]:
        if not self.grows(relation):
            found = [reason for rule in self.rules[relation] for reason in self._ungrown(rule)]
        elif not self.stays(relation):
            found = list(self._unstayed(relation))
        else:
            return
        own = [reason for reason in found if reason.through is None]
        others = [reason for reason in found if reason.through not in (None, relation)]
        yield from dict.fromkeys([*own, *others] or found)

    def _ungrown(self, rule: Rule) -> Iterator[Reason]:
        """What keeps a rule from giving more and more."""
        for predicate in rule.body:
            if self._grows_by(predicate, rule):
                continue
            atom = atom_of(predicate)
            assert atom is not None, "what has no atom looks at one tuple"
            name = atom.relation
            match predicate:
                case Selection() if name in self.falling:
                    yield Reason(f"`{name}`: {self.falling[name]}", rule, atom.span)
                case Selection():
                    yield Reason(f"reads `{name}`, which is not monotone", rule, atom.span, name)
                case Negation():
                    message = f"`{predicate}`: a tuple goes when `{name}` gets one that matches"
                    yield Reason(message, rule, atom.span)
                case OptionalAtom():
                    yield Reason(f"`optional {name}`: the default goes when `{name}` gets a match", rule, atom.span)
                case Aggregation():
                    message = f"`{predicate.function}` over `{name}`: a result goes when `{name}` changes it"
                    yield Reason(message, rule, predicate.span)

    def _unstayed(self, relation: str) -> Iterator[Reason]:
        """What lets tuples of a relation go when a step is over."""
        rules = self.rules[relation]
        if any(rule.inductive for rule in rules):
            if not any(_keeps_all(rule) for rule in rules):
                first = next(rule for rule in rules if rule.inductive)
                message = f"`{relation}` is kept from step to step only where its `@next` rules say so"
                yield Reason(message, first, first.span)
            return
        for rule in rules:
            for predicate in rule.body:
                atom = atom_of(predicate)
                if atom is None or self.stays(atom.relation):
                    continue
                if atom.relation in self.events:
                    message = f"`{atom.relation}` is an event, and gone with its epoch"
                    yield Reason(message, rule, atom.span)
                else:
                    message = f"reads `{atom.relation}`, which does not last"
                    yield Reason(message, rule, atom.span, atom.relation)


def _keeps_all(rule: Rule) -> bool:
    """Whether a rule keeps every tuple of its head: `p(x: X)@next :- p(x: X).`"""
    terms = [term for _, term in rule.head.arguments]
    return (
        rule.inductive
        and all(isinstance(term, Variable) for term in terms)
        and len(set(terms)) == len(terms)
        and len(rule.body) == 1
        and isinstance(rule.body[0], Selection)
        and rule.body[0].atom.relation == rule.head.relation
        and set(rule.body[0].atom.arguments) == set(rule.head.arguments)
    )


_DIRECTIONS: Final = {">": ">", ">=": ">", "<": "<", "<=": "<"}
_MIRRORED: Final = {"<": ">", ">": "<"}


def _thresholds(counted: Aggregation, rule: Rule) -> set[str]:
    """In which directions the result of a count is compared, if that is all that is done with it; else nothing."""
    result = counted.target
    if counted.function not in COUNTS or not isinstance(result, Variable):
        return set()
    if any(term == result for _, term in rule.head.arguments):
        return set()
    found: set[str] = set()
    for predicate in rule.body:
        if predicate is counted:
            continue
        if isinstance(predicate, Constraint) and (direction := _direction(predicate, result)):
            found.add(direction)
        elif _mentions(predicate, result):
            return set()
    return found


def _direction(constraint: Constraint, result: Variable) -> str | None:
    """Whether a comparison asks for a great or a small result, and of nothing else that comes from it."""
    direction = _DIRECTIONS.get(constraint.operator)
    if constraint.left == result and result not in variables(constraint.right):
        return direction
    if constraint.right == result and result not in variables(constraint.left):
        return _MIRRORED[direction] if direction else None
    return None


def _mentions(predicate: Predicate, variable: Variable) -> bool:
    """Whether a variable occurs in a predicate."""
    atom = atom_of(predicate)
    if atom is not None and any(term == variable for _, term in atom.arguments):
        return True
    match predicate:
        case Selection(_, cid):
            return cid == variable
        case Aggregation(target):
            return target == variable
        case Assignment(target):
            return target == variable or any(variable in variables(each) for each in expressions(predicate))
        case Constraint() | Condition():
            return any(variable in variables(each) for each in expressions(predicate))
        case _:
            return False

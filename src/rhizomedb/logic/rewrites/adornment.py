"""Adornments: which attributes are bound where a relation is asked, from the answer down through every rule."""

from __future__ import annotations

from rhizomedb._record import dataclass
from rhizomedb.logic.occurrences import atom_of, atom_variables
from rhizomedb.logic.rewrites.containment import follows
from rhizomedb.logic.rewrites.dependence import Dependence
from rhizomedb.logic.rewrites.question import Question
from rhizomedb.logic.rewrites.sideways import Turn, connected, walk
from rhizomedb.logic.syntax import Atom, OptionalAtom, Rule, Variable

PATTERNS_MAX = 4
"""How many adornments one relation may have: each is a copy of its rules."""

CLOSURE_SHARE = 16
"""How many times smaller than a closure's steps a scanned relation must be to be worth asking the closure with."""

Pattern = frozenset[str]
"""The attributes that are bound where a relation is asked."""

WHOLE: Pattern = frozenset()


@dataclass(frozen=True, slots=True)
class Use:
    """A predicate in its turn, and the adornment under which it asks its relation."""

    turn: Turn
    pattern: Pattern


class Adorning:
    """Which relations are asked for under which adornments, from the answer down."""

    def __init__(self, dependence: Dependence, question: Question, asked: str, allowed: dict[str, Pattern]) -> None:
        self.dependence = dependence
        self.question = question
        self.allowed = allowed
        self.narrowed = False
        self.selective: dict[tuple[str, Pattern], bool] = {(asked, WHOLE): False}
        self.patterns: dict[str, dict[Pattern, bool]] = {}
        self.uses: dict[tuple[str, Pattern], list[tuple[Rule, list[Use]]]] = {}
        self.pending = [(asked, WHOLE)]

    def run(self) -> None:
        """Follow every demand; `narrowed` says whether it must be done again with less that may be asked."""
        while self.pending:
            relation, pattern = self.pending.pop()
            self.uses[relation, pattern] = [
                (rule, self._uses(rule, pattern, self.selective[relation, pattern]))
                for rule in self._rules(relation, pattern)
            ]

    def _rules(self, relation: str, pattern: Pattern) -> list[Rule]:
        dependence = self.dependence
        if not pattern or not dependence.is_closure(relation):
            return dependence.rules[relation]
        start, end = dependence.attributes[relation]
        forward = start in pattern
        handed_on = (start if forward else end) in dependence.passing(relation)
        return dependence.rules[relation] if handed_on else dependence.linear(relation, forward)

    def _uses(self, rule: Rule, pattern: Pattern, selective: bool) -> list[Use]:
        dependence, head = self.dependence, rule.head.relation

        def level(relation: str) -> int:
            return dependence.level(relation) - dependence.same_recursion(head, relation)

        turns = walk(rule, given(rule, pattern), selective, level)
        uses = []
        before: list[Turn] = []
        for turn in turns:
            atom = atom_of(turn.predicate)
            wanted = WHOLE
            if atom is not None and self.dependence.is_derived(atom.relation):
                wanted = self._wanted(head, pattern, selective, turn, atom, before)
                wanted = self._ask(atom.relation, wanted, turn.selective)
            uses.append(Use(turn, wanted))
            before.append(turn)
        return uses

    def _wanted(
        self, head: str, pattern: Pattern, selective: bool, turn: Turn, atom: Atom, before: list[Turn]
    ) -> Pattern:
        dependence, relation = self.dependence, atom.relation
        if dependence.same_recursion(head, relation):
            return turn.bound if selective else turn.bound & pattern
        if turn.selective:
            return turn.bound
        if not dependence.is_recursive(relation) or dependence.is_recursive(head):
            return WHOLE
        read, size = self._read(before, atom), self._size(dependence.rests_on(relation))
        if dependence.is_closure(relation):
            first = frozenset(sorted(turn.bound, key=dependence.attributes[relation].index)[:1])
            return first if read * CLOSURE_SHARE <= size < float("inf") else WHOLE
        wanted = turn.bound & dependence.passing(relation)
        return WHOLE if read > size or self._is_said(atom, wanted, before) else wanted

    def _is_said(self, atom: Atom, wanted: Pattern, before: list[Turn]) -> bool:
        """Whether each rule of a relation that does not recur says by itself what a demand for it would say."""
        terms = dict(atom.arguments)
        predicates = connected([turn.predicate for turn in before], atom_variables(atom))
        for rule in self.dependence.rules[atom.relation]:
            if any(below.relation == atom.relation for below in map(atom_of, rule.body) if below is not None):
                continue
            head = dict(rule.head.arguments)
            given = {terms[name]: head[name] for name in wanted}
            if not follows(predicates, rule.body, {v: term for v, term in given.items() if isinstance(v, Variable)}):
                return False
        return True

    def _read(self, before: list[Turn], asking: Atom) -> int:
        predicates = connected([turn.predicate for turn in before], atom_variables(asking))
        relations = [atom.relation for predicate in predicates if (atom := atom_of(predicate)) is not None]
        return max((self.question.size(name) or 0 for name in relations if name in self.question.stored), default=0)

    def _size(self, relations: frozenset[str]) -> float:
        sizes = [self.question.size(name) for name in relations if name in self.question.stored]
        return sum(size for size in sizes if size is not None) if None not in sizes else float("inf")

    def _ask(self, relation: str, wanted: Pattern, selective: bool) -> Pattern:
        """The adornment that serves; what the relation may be asked with is narrowed where there would be too many."""
        if relation in self.allowed:
            wanted &= self.allowed[relation]
        known = self.patterns.setdefault(relation, {})
        if known.get(wanted, True) and not selective:
            known[wanted] = False
        known.setdefault(wanted, selective)
        unselective = [pattern for pattern, chosen in known.items() if not chosen]
        if len(known) > 1 and WHOLE in known:
            self._narrow(relation, WHOLE)
        elif len(known) > PATTERNS_MAX:
            self._narrow(relation, frozenset.intersection(*known))
        elif len(unselective) > 1:
            self._narrow(relation, frozenset.intersection(*unselective))
        key = relation, wanted
        if key not in self.selective or (self.selective[key] and not selective):
            self.selective[key] = selective and bool(wanted)
            self.pending.append(key)
        return wanted

    def _narrow(self, relation: str, pattern: Pattern) -> None:
        if self.allowed.get(relation) != pattern:
            self.allowed[relation] = pattern
            self.narrowed = True


def given(rule: Rule, pattern: Pattern) -> list[Variable]:
    """The variables that a demand binds: those of the head under its attributes, but for defaults of optional atoms."""
    defaults = defaults_of(rule)
    terms = [term for name, term in rule.head.arguments if name in pattern]
    return [term for term in terms if isinstance(term, Variable) and term not in defaults]


def defaults_of(rule: Rule) -> set[Variable]:
    """The variables that optional atoms of a rule give a default, which nothing else may bind."""
    optional = [predicate for predicate in rule.body if isinstance(predicate, OptionalAtom)]
    return {variable for predicate in optional for variable, _ in predicate.defaults}

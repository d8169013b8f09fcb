'''Demand: derive of each relation only what is asked for (magic sets, Bancilhon et al. 1986; demand, Tekle and Liu 2010).

>>> from rhizomedb.logic.parse import parse
>>> program = parse("""
... answer(x: X) :- ancestor(old: X, young: "me").
... ancestor(old: X, young: Y) :- parent(of: Y, is: X).
... ancestor(old: X, young: Z) :- parent(of: Y, is: X), ancestor(old: Y, young: Z).
... """)
>>> print(demand(program, Question("answer", {"parent": ("of", "is")})))
demand`ancestor`fb(young: "me").
answer(x: X) :- ancestor`fb(old: X, young: "me").
ancestor`fb(old: X, young: Y) :- demand`ancestor`fb(young: Y), parent(of: Y, is: X).
ancestor`fb(old: X, young: Z) :- demand`ancestor`fb(young: Z), ancestor`fb(old: Y, young: Z), parent(of: Y, is: X).

Each derived relation is adorned with the attributes that are bound where it is asked (`f` free, `b` bound) and guarded
by a relation of what is demanded of it, which rules derive from the bodies that ask (`sideways`). A prefix of a body
that is used both to ask and to answer becomes a *supplementary* relation where it joins two relations or more.

**When.** What goes back to a constant is always handed on. A demand without a constant, from the values that another
relation happens to have, is made only where it can be shown to help: of a recursive relation

* by a rule outside any recursion, so that all of the demand is there before the recursion runs;
* under attributes that the recursion hands on unchanged, so that a tuple that nobody asked for leads to no other that
  somebody did: the demand need not grow, and each round of the recursion does less;
* with such an attribute bound in every use outside the recursion (else the relation is computed whole anyway);
* where the stored relations read for the demand are no larger than those that the recursion reads. For a transitive
  closure, for which an engine has something better, they must be known to be `CLOSURE_SHARE` times smaller.

**How.** A transitive closure is asked for from one end, whatever way its rules recur: they are brought into the form that
hands this end on, so that what is derived is what is reached, not the closure of it.

**When not.** A relation that is also asked with nothing bound is computed whole, once. So is one whose demand would
make the program unstratifiable (a negation or an aggregate that decides what is demanded of what it rests on), with
all that it rests on. A relation has at most `PATTERNS_MAX` adornments; more become the one that they share.
'''

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rhizomedb.logic.occurrences import atom_of, atom_variables
from rhizomedb.logic.rewrite import relevant
from rhizomedb.logic.rewrites.dependence import Dependence
from rhizomedb.logic.rewrites.question import Question, reserved
from rhizomedb.logic.rewrites.sideways import Turn, connected, needed, spoken, walk
from rhizomedb.logic.rewrites.substitution import with_atom
from rhizomedb.logic.stratify import components
from rhizomedb.logic.syntax import (
    Atom,
    Constant,
    Constraint,
    OptionalAtom,
    Predicate,
    Program,
    Rule,
    Selection,
    Variable,
)

PATTERNS_MAX = 4
"""How many adornments one relation may have: each is a copy of its rules."""

CLOSURE_SHARE = 16
"""How many times smaller than a closure's steps a scanned relation must be to be worth asking the closure with."""

ROUNDS_MAX = 12
"""How often the adornments may be narrowed before the program is left as it is."""

Pattern = frozenset[str]
"""The attributes that are bound where a relation is asked."""

WHOLE: Pattern = frozenset()


def demand(program: Program, question: Question) -> Program:
    """The program that derives of each relation only what the answer demands; the same answer."""
    program = relevant(program, question.relation)
    if question.relation in question.stored or not program.rules or any(rule.inductive for rule in program.rules):
        return program
    asked = question.relation
    if not any(rule.body for rule in program.rules if rule.head.relation == asked):
        return _given_facts(program, question)
    if question.bindings:
        program, asked = _bound(program, question)
    dependence = Dependence(program, question.stored)
    allowed: dict[str, Pattern] = {}
    for _ in range(ROUNDS_MAX):
        found = _Adorning(dependence, question, asked, allowed)
        found.run()
        if found.narrowed:
            continue
        rules = list(_Writing(found, dependence, question, asked).rules())
        cut = _strictly_cyclic(rules, dependence)
        if not cut:
            names = {rule.head.relation for rule in rules}
            kept = tuple(d for d in program.declarations if d.relation in names or d.relation in question.stored)
            return replace(program, rules=tuple(dict.fromkeys(rules)), declarations=kept)
        allowed.update(dict.fromkeys(cut, WHOLE))
    return relevant(program, question.relation)


def _given_facts(program: Program, question: Question) -> Program:
    """The facts of a relation without rules that agree with what is given."""
    if not question.bindings:
        return program
    facts = reserved(question.relation, "facts")
    apart = tuple(Rule(Atom(facts, fact.head.arguments)) for fact in program.rules)
    terms = tuple(
        (name, Constant(question.bindings[name]) if name in question.bindings else Variable(f"V{place}"))
        for place, (name, _) in enumerate(program.rules[0].head.arguments)
    )
    return Program((*apart, Rule(Atom(question.relation, terms), (Selection(Atom(facts, terms)),))))


def _bound(program: Program, question: Question) -> tuple[Program, str]:
    """The program with a rule of its own for the tuples that agree with what is given."""
    relation, asked = question.relation, reserved(question.relation, "asked")
    attributes = Dependence(program, question.stored).attributes[relation]
    terms = tuple(
        (name, Constant(question.bindings[name]) if name in question.bindings else Variable(f"V{place}"))
        for place, name in enumerate(attributes)
    )
    rule = Rule(Atom(asked, terms), (Selection(Atom(relation, terms)),))
    return replace(program, rules=(*program.rules, rule)), asked


@dataclass(frozen=True, slots=True)
class _Use:
    """A predicate in its turn, and the adornment under which it asks its relation."""

    turn: Turn
    pattern: Pattern


class _Adorning:
    """Which relations are asked for under which adornments, from the answer down."""

    def __init__(self, dependence: Dependence, question: Question, asked: str, allowed: dict[str, Pattern]) -> None:
        self.dependence = dependence
        self.question = question
        self.allowed = allowed
        self.narrowed = False
        self.selective: dict[tuple[str, Pattern], bool] = {(asked, WHOLE): False}
        self.patterns: dict[str, dict[Pattern, bool]] = {}
        self.uses: dict[tuple[str, Pattern], list[tuple[Rule, list[_Use]]]] = {}
        self.pending = [(asked, WHOLE)]

    def run(self) -> None:
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

    def _uses(self, rule: Rule, pattern: Pattern, selective: bool) -> list[_Use]:
        dependence, head = self.dependence, rule.head.relation

        def level(relation: str) -> int:
            return dependence.level(relation) - dependence.same_recursion(head, relation)

        turns = walk(rule, _given(rule, pattern), selective, level)
        uses = []
        before: list[Turn] = []
        for turn in turns:
            atom = atom_of(turn.predicate)
            wanted = WHOLE
            if atom is not None and self.dependence.is_derived(atom.relation):
                wanted = self._wanted(head, pattern, selective, turn, atom, before)
                wanted = self._ask(atom.relation, wanted, turn.selective)
            uses.append(_Use(turn, wanted))
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
        return turn.bound & dependence.passing(relation) if read <= size else WHOLE

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


def _given(rule: Rule, pattern: Pattern) -> list[Variable]:
    """The variables that a demand binds: those of the head under its attributes, but for defaults of optional atoms."""
    defaults = _defaults(rule)
    terms = [term for name, term in rule.head.arguments if name in pattern]
    return [term for term in terms if isinstance(term, Variable) and term not in defaults]


def _defaults(rule: Rule) -> set[Variable]:
    optional = [predicate for predicate in rule.body if isinstance(predicate, OptionalAtom)]
    return {variable for predicate in optional for variable, _ in predicate.defaults}


class _Writing:
    """The rules of the program that demands."""

    def __init__(self, found: _Adorning, dependence: Dependence, question: Question, asked: str) -> None:
        self.found = found
        self.dependence = dependence
        self.question = question
        self.asked = asked

    def rules(self) -> Iterator[Rule]:
        """Demands that are constants first, then the answer's rules, then everything it asks."""
        written = [rule for key in self.found.uses for rule in self._relation(*key)]
        derived = self.dependence.rules
        written += [fact for name, facts in self.dependence.facts.items() if name not in derived for fact in facts]
        yield from (rule for rule in written if not rule.body)
        yield from (rule for rule in written if rule.body)

    def name(self, relation: str, pattern: Pattern) -> str:
        attributes = self.dependence.attributes[relation]
        if relation == self.asked and relation != self.question.relation:
            return self.question.relation
        given = relation == self.question.relation and relation != self.asked
        if not pattern and not given:
            return relation
        return reserved(relation, "".join("b" if name in pattern else "f" for name in attributes))

    def demanded(self, relation: str, pattern: Pattern, atom: Atom) -> Atom:
        """What is demanded of a relation where an atom asks for it."""
        terms = dict(atom.arguments)
        attributes = [name for name in self.dependence.attributes[relation] if name in pattern]
        return Atom(reserved("demand", self.name(relation, pattern)), tuple((name, terms[name]) for name in attributes))

    def _relation(self, relation: str, pattern: Pattern) -> Iterator[Rule]:
        facts = self.dependence.facts.get(relation, ())
        if facts and not pattern:
            yield from (replace(fact, head=replace(fact.head, relation=self.name(relation, pattern))) for fact in facts)
        elif facts:
            yield from self.dependence.facts_apart(relation)
        for number, (rule, uses) in enumerate(self.found.uses[relation, pattern]):
            if not self.dependence.is_apart(rule) or pattern:
                yield from self._rule(rule, uses, pattern, number)

    def _rule(self, rule: Rule, uses: list[_Use], pattern: Pattern, number: int) -> Iterator[Rule]:
        relation = rule.head.relation
        name = self.name(relation, pattern)
        body: list[Predicate] = []
        after: list[Predicate] = []
        if pattern:
            asked = self.demanded(relation, pattern, rule.head)
            terms = []
            for attribute, term in asked.arguments:
                apart = Variable(f"{term}`") if isinstance(term, Variable) and term in _defaults(rule) else term
                if isinstance(apart, Variable) and apart != term:
                    after.append(Constraint(apart, "==", term))  # a default must not be bound before its atom runs
                terms.append((attribute, apart))
            body.append(Selection(Atom(asked.relation, tuple(terms))))
        for place, use in enumerate(uses):
            predicate = use.turn.predicate
            atom = atom_of(predicate)
            if atom is not None and use.pattern:
                wanted = self.demanded(atom.relation, use.pattern, atom)
                if not any(isinstance(term, Variable) for _, term in wanted.arguments):
                    yield Rule(wanted)
                elif Selection(wanted) not in body:
                    asking = connected(body, atom_variables(wanted))
                    joins = sum(atom_of(before) is not None for before in body) > 1 + bool(pattern)
                    if joins and len(asking) == len(body):  # what is not connected must not become a product
                        kept = self._supplementary(name, f"{number}`{place}", body, uses[place:], rule, after)
                        yield kept
                        body = asking = [Selection(kept.head)]
                    yield Rule(wanted, tuple(asking))
            body.append(self._asking(predicate, atom, use.pattern))
        yield Rule(replace(rule.head, relation=name), (*body, *after), span=rule.span)

    def _asking(self, predicate: Predicate, atom: Atom | None, pattern: Pattern) -> Predicate:
        """The predicate with its atom's relation adorned."""
        if atom is None or not self.dependence.is_derived(atom.relation):
            return predicate
        return with_atom(predicate, replace(atom, relation=self.name(atom.relation, pattern)))

    def _supplementary(
        self, name: str, place: str, body: list[Predicate], rest: list[_Use], rule: Rule, after: list[Predicate]
    ) -> Rule:
        """A relation for what a body has found so far, as far as it still matters."""
        later = needed([use.turn for use in rest], rule.head).union(*map(spoken, after))
        bound: dict[Variable, None] = {}
        for predicate in body:
            bound.update(dict.fromkeys(_binds(predicate)))
        kept = tuple((variable.name, variable) for variable in bound if variable in later)
        return Rule(Atom(reserved("supplementary", name, place), kept), tuple(body))


def _binds(predicate: Predicate) -> Iterator[Variable]:
    match predicate:
        case Selection(atom, cid):
            yield from atom_variables(atom)
            if cid is not None:
                yield cid
        case OptionalAtom(_, defaults):
            yield from (variable for variable, _ in defaults)
        case _:
            target = getattr(predicate, "target", None)
            if isinstance(target, Variable):
                yield target


def _strictly_cyclic(rules: list[Rule], dependence: Dependence) -> frozenset[str]:
    """The relations that must be complete before what they decide is demanded of them, with all that they rest on."""
    graph: dict[str, list[str]] = {rule.head.relation: [] for rule in rules}
    strict: list[tuple[str, str]] = []
    for rule in rules:
        for predicate in rule.body:
            atom = atom_of(predicate)
            if atom is None or atom.relation not in graph:
                continue
            graph[rule.head.relation].append(atom.relation)
            if not isinstance(predicate, Selection) or predicate.cid is not None:
                strict.append((rule.head.relation, atom.relation))
    place = {name: number for number, members in enumerate(components(graph)) for name in members}
    found: set[str] = set()
    for head, relation in strict:
        if place[head] == place[relation]:
            found |= dependence.rests_on(relation.split("`")[0])
    return frozenset(found)

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
* where the rules that do not recur do not say already what the demand would say (`containment`);
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
from dataclasses import replace

from rhizomedb.logic.occurrences import atom_of, atom_variables
from rhizomedb.logic.rewrite import relevant
from rhizomedb.logic.rewrites.adornment import WHOLE, Adorning, Pattern, Use, defaults_of
from rhizomedb.logic.rewrites.dependence import Dependence
from rhizomedb.logic.rewrites.question import Question, reserved
from rhizomedb.logic.rewrites.sideways import connected, needed, spoken
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

ROUNDS_MAX = 12
"""How often the adornments may be narrowed before everything is computed whole."""


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
    for left in reversed(range(ROUNDS_MAX)):
        if not left:
            allowed = dict.fromkeys(dependence.rules, WHOLE)
        found = Adorning(dependence, question, asked, allowed)
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
    raise AssertionError("a program that is computed whole needs no narrowing and has no new cycles")


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


class _Writing:
    """The rules of the program that demands."""

    def __init__(self, found: Adorning, dependence: Dependence, question: Question, asked: str) -> None:
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

    def _rule(self, rule: Rule, uses: list[Use], pattern: Pattern, number: int) -> Iterator[Rule]:
        relation = rule.head.relation
        name = self.name(relation, pattern)
        body: list[Predicate] = []
        after: list[Predicate] = []
        asked_before: set[Atom] = set()  # with less of the body, and so for more
        if pattern:
            asked = self.demanded(relation, pattern, rule.head)
            terms = []
            for attribute, term in asked.arguments:
                apart = Variable(f"{term}`") if isinstance(term, Variable) and term in defaults_of(rule) else term
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
                elif wanted not in asked_before and Selection(wanted) not in body:
                    asked_before.add(wanted)
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
        self, name: str, place: str, body: list[Predicate], rest: list[Use], rule: Rule, after: list[Predicate]
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

"""How the relations of a program rest on one another, as far as rewrites ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rhizomedb.logic.occurrences import atom_of, atom_variables
from rhizomedb.logic.rewrites.question import reserved
from rhizomedb.logic.rewrites.substitution import in_predicate
from rhizomedb.logic.schema import schema_of
from rhizomedb.logic.stratify import components
from rhizomedb.logic.syntax import Atom, Program, Rule, Selection, Term, Variable


class Dependence:
    """The rules of each derived relation, its facts, its recursion, and everything that it rests on.

    A relation with facts as well as rules gets one rule more, from a relation that holds the facts alone.
    """

    def __init__(self, program: Program, stored: Mapping[str, tuple[str, ...]]) -> None:
        self.attributes = schema_of(program, stored).attributes
        self.rules: dict[str, list[Rule]] = {}
        self.facts: dict[str, list[Rule]] = {}
        for rule in program.rules:
            (self.rules if rule.body else self.facts).setdefault(rule.head.relation, []).append(rule)
        graph: dict[str, list[str]] = {name: [] for name in (*self.rules, *self.facts)}
        for rule in program.rules:
            atoms = (atom_of(predicate) for predicate in rule.body)
            graph[rule.head.relation] += (atom.relation for atom in atoms if atom is not None)
        self._graph = graph
        inner = {name: [below for below in found if below in graph] for name, found in graph.items()}
        self._component: dict[str, int] = {}
        self._recursive: set[str] = set()
        for number, members in enumerate(components(inner)):
            self._component.update(dict.fromkeys(members, number))
            if len(members) > 1 or members[0] in inner[members[0]]:
                self._recursive.update(members)
        self._rests: dict[str, frozenset[str]] = {}
        for name in self.facts:
            if name in self.rules:
                self.rules[name].append(self._apart(name))

    def is_derived(self, relation: str) -> bool:
        """Whether a relation has rules, not only facts."""
        return relation in self.rules

    def is_recursive(self, relation: str) -> bool:
        """Whether a relation rests on itself."""
        return relation in self._recursive

    def same_recursion(self, one: str, other: str) -> bool:
        """Whether two relations rest on each other."""
        return one in self._recursive and self._component.get(one) == self._component.get(other)

    def order(self, relation: str) -> int:
        """The place of a derived relation where each comes after what it rests on."""
        return self._component[relation]

    def level(self, relation: str) -> int:
        """0 for a relation at hand, 1 for a derived, 2 for a recursive one."""
        return (relation in self.rules) + (relation in self._recursive)

    def passing(self, relation: str) -> frozenset[str]:
        """The attributes that a relation's recursion hands on unchanged, if it recurs through itself alone.

        >>> from rhizomedb.logic.parse import parse
        >>> text = "r(a: X, b: Z) :- e(x: X, y: Z). r(a: X, b: Z) :- e(x: X, y: Y), !n(x: Y), r(a: Y, b: Z)."
        >>> sorted(Dependence(parse(text), {"e": ("x", "y"), "n": ("x",)}).passing("r"))
        ['b']
        """
        kept = set(self.attributes[relation])
        for rule in self.rules[relation]:
            head = dict(rule.head.arguments)
            for atom in map(atom_of, rule.body):
                if atom is None or not self.same_recursion(relation, atom.relation):
                    continue
                given = dict(atom.arguments) if atom.relation == relation else {}
                kept = {name for name in kept if isinstance(head[name], Variable) and given.get(name) == head[name]}
        return frozenset(kept)

    def rests_on(self, relation: str) -> frozenset[str]:
        """A relation and everything that it needs."""
        if relation not in self._rests:
            found: set[str] = set()
            pending = [relation]
            while pending:
                name = pending.pop()
                if name not in found:
                    found.add(name)
                    pending += self._graph.get(name, ())
            self._rests[relation] = frozenset(found)
        return self._rests[relation]

    def facts_apart(self, relation: str) -> Iterator[Rule]:
        """The facts of a relation as those of one that has nothing else."""
        name = reserved(relation, "facts")
        for fact in self.facts[relation]:
            yield Rule(Atom(name, fact.head.arguments))

    def is_apart(self, rule: Rule) -> bool:
        """Whether a rule is the one that reads a relation's facts."""
        return len(rule.body) == 1 and rule.body[0] == Selection(
            Atom(reserved(rule.head.relation, "facts"), rule.head.arguments)
        )

    def _apart(self, relation: str) -> Rule:
        terms = tuple((name, Variable(f"V{place}")) for place, name in enumerate(self.attributes[relation]))
        return Rule(Atom(relation, terms), (Selection(Atom(reserved(relation, "facts"), terms)),))

    def is_closure(self, relation: str) -> bool:
        """Whether a relation is the transitive closure of stored steps, as it stands.

        >>> from rhizomedb.logic.parse import parse
        >>> text = "tc(a: X, b: Y) :- e(x: X, y: Y). tc(a: X, b: Z) :- tc(a: X, b: Y), e(x: Y, y: Z)."
        >>> Dependence(parse(text), {"e": ("x", "y")}).is_closure("tc")
        True
        """
        attributes = self.attributes[relation]
        if len(attributes) != 2:
            return False
        base, steps, through = set(), set(), False
        for rule in self.rules[relation]:
            terms = dict(rule.head.arguments)
            start, end = terms[attributes[0]], terms[attributes[1]]
            if not all(isinstance(predicate, Selection) and predicate.cid is None for predicate in rule.body):
                return False
            atoms = [atom for atom in map(atom_of, rule.body) if atom is not None]
            own = [atom for atom in atoms if atom.relation == relation]
            if not own:
                base.add(_step(atoms, start, end))
                continue
            if len(atoms) != 2:
                return False
            middle = set(atom_variables(atoms[0])) & set(atom_variables(atoms[1]))
            if len(middle) != 1 or middle & {start, end}:
                return False
            between = next(iter(middle))
            for one, other in (atoms, atoms[::-1]):
                first, second = _step([one], start, between), _step([other], between, end)
                if first is not None and second is not None:
                    whole = (relation, frozenset(((attributes[0], 0), (attributes[1], 1))))
                    through = through or first == second == whole
                    steps |= {step for step in (first, second) if step != whole}
                    if whole not in (first, second):
                        return False
                    break
            else:
                return False
        return None not in base and steps <= base and bool(base) and (through or steps == base)

    def linear(self, relation: str, forward: bool) -> list[Rule]:
        """The rules of a transitive closure with one recursive atom each, before the step or (backward) behind it.

        A closure is asked from one end. This form hands that end on unchanged, so that what is derived is what is
        reached, and not the closure of it.
        """
        start, end = self.attributes[relation]
        rules = []
        for rule in self.rules[relation]:
            atoms = [atom for atom in map(atom_of, rule.body) if atom is not None]
            if any(atom.relation == relation for atom in atoms):
                continue
            rules.append(rule)
            terms = dict(rule.head.arguments)
            near, far = (terms[start], terms[end]) if forward else (terms[end], terms[start])
            middle = Variable(f"{near}`")
            step = in_predicate(rule.body[0], _instead(near, middle))
            further = Variable(f"{far}`")
            own = ((start, further), (end, middle)) if forward else ((start, middle), (end, further))
            head = ((start, further), (end, far)) if forward else ((start, far), (end, further))
            rules.append(Rule(Atom(relation, head), (Selection(Atom(relation, own)), step)))
        return rules


def _instead(old: Term, new: Variable) -> Callable[[Variable], Term]:
    return lambda variable: new if variable == old else variable


def _step(atoms: list[Atom], start: Term, end: Term) -> tuple[str, frozenset[tuple[str, object]]] | None:
    """An atom as a step from one variable to another, whatever they are called."""
    if len(atoms) != 1 or start == end or not isinstance(start, Variable) or not isinstance(end, Variable):
        return None
    found: dict[str, object] = {}
    for name, term in atoms[0].arguments:
        if isinstance(term, Variable):
            if term not in (start, end):
                return None
            found[name] = 0 if term == start else 1
        else:
            found[name] = term
    if sorted(str(place) for place in found.values() if isinstance(place, int)) != ["0", "1"]:
        return None
    return atoms[0].relation, frozenset(found.items())

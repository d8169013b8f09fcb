"""Sideways information passing: in which order a body hands on what is bound, and how much of it is known where.

A body is walked through in the order in which most of each atom is bound when its turn comes (Beeri and Ramakrishnan
1991). What a head is asked with is bound from the start. An atom is *connected* if something of it is bound, and
connected atoms come first. A recursive relation of which nothing selective is known is asked last, when most is bound.

Two things are kept apart from being bound:

* a variable is *limited* once an atom of the body binds it. Only limited variables are computed with, compared and
  negated: a demand that computes new demands from itself (`N - 1`, and so on) would never end.
* a variable is *selective* if what binds it goes back to a constant. Every value of a scanned relation is bound too,
  but asks for nothing in particular.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from rhizomedb._record import dataclass
from rhizomedb.logic.occurrences import atom_of, atom_variables, expressions, variables
from rhizomedb.logic.safety import Step, body_steps
from rhizomedb.logic.syntax import Atom, Negation, OptionalAtom, Predicate, Rule, Selection, Term, Variable


@dataclass(frozen=True, slots=True)
class Turn:
    """A predicate in its turn: which attributes of its atom are bound then, and whether any of that is selective."""

    predicate: Predicate
    bound: frozenset[str] = frozenset()
    selective: bool = False


def walk(rule: Rule, given: Collection[Variable], selective: bool, level: Callable[[str], int]) -> tuple[Turn, ...]:
    """The predicates of a rule in their turn, its variables in `given` bound from the start.

    `level` is 0 for a relation that is at hand, 1 for one that is derived, 2 for one that a recursion derives.

    >>> from rhizomedb.logic.parse import parse
    >>> rule = parse("path(a: X, b: Z) :- path(a: X, b: Y), edge(a: Y, b: Z).").rules[0]
    >>> for turn in walk(rule, [Variable("Z")], True, {"path": 1, "edge": 0}.__getitem__):
    ...     print(turn.predicate, sorted(turn.bound))
    edge(a: Y, b: Z) ['b']
    path(a: X, b: Y) ['b']
    """
    walker = _Walk(set(given), set(given) if selective else set(), level)
    steps = list(body_steps(rule))
    selections = [step for step in steps if isinstance(step.predicate, Selection)]
    others = [step for step in steps if not isinstance(step.predicate, Selection)]
    while selections or others:
        ready = [step for step in others if walker.limited.issuperset(step.needs)]
        early = [step for step in ready if not _waits(step.predicate, level)]
        if early:
            for step in early:
                others.remove(step)
                walker.take(step)
        elif selections:
            best = walker.best(selections)
            if (
                ready and walker.turns and not walker.is_bound(best)
            ):  # what an aggregate finds may be what it is asked by
                best = ready[0]
                others.remove(best)
            else:
                selections.remove(best)
            walker.take(best)
        elif ready:
            others.remove(ready[0])
            walker.take(ready[0])
        else:
            raise AssertionError(f"a checked rule leaves nothing unbound: {rule}")
    return tuple(walker.turns)


def _waits(predicate: Predicate, level: Callable[[str], int]) -> bool:
    """Whether a predicate asks much of a relation: it comes late, where least of it is asked.

    A negation only drops tuples and comes early, so that it stops what is demanded, unless it asks a recursive relation.
    """
    atom = atom_of(predicate)
    return atom is not None and (level(atom.relation) > 1 or not isinstance(predicate, Negation))


class _Walk:
    """A walk under way."""

    def __init__(self, bound: set[Variable], selective: set[Variable], level: Callable[[str], int]) -> None:
        self.bound = bound
        self.selective = selective
        self.limited: set[Variable] = set()
        self.level = level
        self.turns: list[Turn] = []

    def best(self, selections: list[Step]) -> Step:
        """The positive atom to come next: the one that is bound most; of equals the one at hand, then the first."""
        return min(selections, key=self._rank)

    def is_bound(self, step: Step) -> bool:
        """Whether anything of an atom is bound."""
        return any(not isinstance(term, Variable) or term in self.bound for term in _terms(step))

    def _rank(self, step: Step) -> tuple[bool, float, int, int]:
        atom, terms = _atom(step), _terms(step)
        late = self.level(atom.relation) > 1 and not self._is_selective(terms)
        bound = sum(not isinstance(term, Variable) or term in self.bound for term in terms)
        if isinstance(step.predicate, Selection) and step.predicate.cid in self.bound:
            bound = len(terms)  # a CID names one tuple
        return (late, -bound / max(1, len(terms)), self.level(atom.relation), -bound)

    def _is_selective(self, terms: Iterable[Term]) -> bool:
        return any(not isinstance(term, Variable) or term in self.selective for term in terms)

    def take(self, step: Step) -> None:
        predicate = step.predicate
        atom = atom_of(predicate)
        if atom is None:
            self.turns.append(Turn(predicate))
            selective = not step.needs or any(variable in self.selective for variable in step.needs)
        else:
            own = {variable for variable, _ in predicate.defaults} if isinstance(predicate, OptionalAtom) else set()
            bound = {
                name
                for name, term in atom.arguments
                if not isinstance(term, Variable) or (term in self.bound and term not in own)
            }
            selective = self._is_selective(term for term in _terms(step) if term not in own)
            self.turns.append(Turn(predicate, frozenset(bound), selective))
        self.limited.update(step.binds)
        self.bound.update(step.binds)
        if selective:
            self.selective.update(step.binds)


def _terms(step: Step) -> list[Term]:
    """The terms of a predicate's atom, and what its tuple's CID is bound to."""
    terms = [term for _, term in _atom(step).arguments]
    cid = step.predicate.cid if isinstance(step.predicate, Selection) else None
    return terms if cid is None else [cid, *terms]


def _atom(step: Step) -> Atom:
    atom = atom_of(step.predicate)
    assert atom is not None, "asked of predicates with an atom"
    return atom


def connected(predicates: Sequence[Predicate], variables: Iterable[Variable]) -> list[Predicate]:
    """The predicates that speak of some variables, or of what one speaks of that does; in order.

    >>> from rhizomedb.logic.parse import parse
    >>> body = parse("p(x: X) :- q(x: X), r(y: Y), s(x: X, z: Z), t(z: Z).").rules[0].body
    >>> [str(predicate) for predicate in connected(body, [Variable("Z")])]
    ['q(x: X)', 's(x: X, z: Z)', 't(z: Z)']
    """
    where: dict[Variable, list[int]] = {}
    for place, predicate in enumerate(predicates):
        for variable in spoken(predicate):
            where.setdefault(variable, []).append(place)
    found: set[int] = set()
    pending = list(variables)
    while pending:
        for place in where.pop(pending.pop(), ()):
            if place not in found:
                found.add(place)
                pending += spoken(predicates[place])
    return [predicates[place] for place in sorted(found)]


def needed(turns: Collection[Turn], head: Atom) -> set[Variable]:
    """The variables that some predicates and a head speak of."""
    found = set(atom_variables(head))
    for turn in turns:
        found.update(spoken(turn.predicate))
    return found


def spoken(predicate: Predicate) -> set[Variable]:
    """The variables of a predicate."""
    found: set[Variable] = set()
    atom = atom_of(predicate)
    if atom is not None:
        found.update(atom_variables(atom))
    for expression in expressions(predicate):
        found.update(variables(expression))
    for name in ("target", "cid"):
        term = getattr(predicate, name, None)
        if isinstance(term, Variable):
            found.add(term)
    return found

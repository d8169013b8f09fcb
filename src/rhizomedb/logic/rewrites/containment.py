"""Containment: whether one body says no more than another (Chandra and Merlin 1977)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rhizomedb.logic.syntax import Atom, Predicate, Selection, Term, Variable

TRIES_MAX = 1000
"""How many ways to read an atom as another are tried: finding out in general takes exponential time."""


def follows(predicates: Sequence[Predicate], body: Sequence[Predicate], given: Mapping[Variable, Term]) -> bool:
    """Whether some predicates, their variables in `given` read so, hold wherever a body does; `False` if it is not seen.

    >>> from rhizomedb.logic.parse import parse
    >>> one, other = parse("p(x: X) :- e(x: X, y: Y), n(x: Y). q(x: A) :- e(x: A, y: B), n(x: B), n(x: A).").rules
    >>> follows(one.body, other.body, {Variable("X"): Variable("A")})
    True
    >>> follows(other.body, one.body, {Variable("A"): Variable("X")})
    False
    """
    if not all(isinstance(predicate, Selection) and predicate.cid is None for predicate in predicates):
        return False
    wanted = [predicate.atom for predicate in predicates if isinstance(predicate, Selection)]
    there = [predicate.atom for predicate in body if isinstance(predicate, Selection)]
    pending: list[tuple[int, dict[Variable, Term]]] = [(0, dict(given))]
    for _ in range(TRIES_MAX):
        if not pending:
            return False
        place, known = pending.pop()
        if place == len(wanted):
            return True
        for atom in there:
            after = _read_as(wanted[place], atom, known)
            if after is not None:
                pending.append((place + 1, after))
    return False


def _read_as(wanted: Atom, atom: Atom, known: Mapping[Variable, Term]) -> dict[Variable, Term] | None:
    """What variables stand for if an atom is to be another that says at least as much."""
    if wanted.relation != atom.relation:
        return None
    there, after = dict(atom.arguments), dict(known)
    for name, term in wanted.arguments:
        found = there.get(name)
        if found is None:
            if not isinstance(term, Variable) or term in after:
                return None
            continue
        if (after.setdefault(term, found) if isinstance(term, Variable) else term) != found:
            return None
    return after

"""Seeds: where the pipelines of a rule begin. With nothing, a changed atom, or tuples of its head."""

from __future__ import annotations

from collections.abc import Sequence

from rhizomedb.flow.batch import Batch
from rhizomedb.flow.body import Atom, Given, Rule, Term, Variable
from rhizomedb.flow.dictionary import Dictionary
from rhizomedb.flow.relation import Change, Held


def variables_of(terms: Sequence[Term | None]) -> tuple[str, ...]:
    """The variables among some terms, each once, in order."""
    return tuple(dict.fromkeys(term.name for term in terms if isinstance(term, Variable)))


def bindings(batch: Batch, terms: Sequence[Term | None], dictionary: Dictionary, more: int = 0) -> Batch:
    """Tuples of a relation as bindings of the variables of an atom, without those that do not agree with it.

    `more` columns after those of the terms stay at the end.
    """
    places: dict[str, int] = {}
    for column, term in enumerate(terms):
        match term:
            case Given(cell):
                batch = batch.where_constant(column, dictionary.ids([cell])[0], True)
            case Variable(name) if name in places:
                batch = batch.where_equal(places[name], column, True)
            case Variable(name):
                places[name] = column
    columns = [*places.values(), *range(len(terms), len(terms) + more)]
    return batch if columns == list(range(batch.width)) else batch.shaped(columns, [])


def turned(negation: Atom, held: Held, dictionary: Dictionary) -> Change:
    """The bindings for which a negation came to hold, and those for which it no longer does.

    A negation holds for a binding while no tuple agrees with it; so what matters is whether the first came or the last went.
    """
    names = variables_of(negation.terms)
    keys = [
        (column, names.index(term.name), 0)
        if isinstance(term, Variable)
        else (column, -1, dictionary.ids([term.cell])[0])
        for column, term in enumerate(negation.terms)
        if term is not None
    ]
    table = held.table
    freed = bindings(held.change.minus, negation.terms, dictionary).distinct()
    taken = bindings(held.change.plus, negation.terms, dictionary).distinct()
    return Change(
        table.matching(freed, keys, False, new=True) if len(freed) else freed,
        table.matching(taken, keys, False, new=False) if len(taken) else taken,
    )


def head_bindings(rule: Rule, batch: Batch, dictionary: Dictionary, more: int = 0) -> Batch:
    """Tuples of a rule's head as bindings of its variables."""
    return bindings(batch, rule.terms, dictionary, more)

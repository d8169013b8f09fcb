"""Seeds: where the pipelines of a rule begin. With nothing, a changed atom, or tuples of its head."""

from __future__ import annotations

from collections.abc import Sequence

from rhizomedb.flow.batch import Batch
from rhizomedb.flow.body import Given, Term, Variable
from rhizomedb.flow.dictionary import Dictionary
from rhizomedb.flow.table import Key


def variables_of(terms: Sequence[Term | None]) -> tuple[str, ...]:
    """The variables among some terms, each once, in order."""
    return tuple(dict.fromkeys(term.name for term in terms if isinstance(term, Variable)))


class Shape:
    """How tuples of a relation become bindings of the variables of an atom, worked out once."""

    def __init__(self, terms: Sequence[Term | None], dictionary: Dictionary) -> None:
        places: dict[str, int] = {}
        self._given: list[tuple[int, int]] = []
        self._equal: list[tuple[int, int]] = []
        for column, term in enumerate(terms):
            match term:
                case Given(cell):
                    self._given.append((column, dictionary.ids([cell])[0]))
                case Variable(name) if name in places:
                    self._equal.append((places[name], column))
                case Variable(name):
                    places[name] = column
        self._columns = list(places.values())
        self._width = len(terms)
        self._is_plain = self._columns == list(range(self._width)) and not self._given

    def of(self, batch: Batch, more: int = 0) -> Batch:
        """The bindings, without those of tuples that do not agree; `more` columns after those of the terms stay at the end."""
        if self._is_plain or not len(batch):
            return batch if self._is_plain else batch.shaped(self._kept(more), [])
        for column, id in self._given:
            batch = batch.where_constant(column, id, True)
        for left, right in self._equal:
            batch = batch.where_equal(left, right, True)
        return batch.shaped(self._kept(more), [])

    def _kept(self, more: int) -> list[int]:
        return [*self._columns, *range(self._width, self._width + more)]


def keys_of(terms: Sequence[Term | None], dictionary: Dictionary) -> list[Key]:
    """How a table is asked for what agrees with bindings of the variables of an atom."""
    names = variables_of(terms)
    return [
        (column, names.index(term.name), 0)
        if isinstance(term, Variable)
        else (column, -1, dictionary.ids([term.cell])[0])
        for column, term in enumerate(terms)
        if term is not None
    ]

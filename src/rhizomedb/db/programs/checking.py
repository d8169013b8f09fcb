"""Checking a program before it runs: what is wrong with it, and which of its relations may be shown early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from rhizomedb._record import dataclass
from rhizomedb.crdt.library import DataType
from rhizomedb.crdt.register import STANDS, with_stands
from rhizomedb.db.programs.arriving import foreign_events, with_arrivals
from rhizomedb.db.programs.compiled import checked_aggregates
from rhizomedb.db.programs.composing import Part, composed_of
from rhizomedb.db.programs.query import parsed_of
from rhizomedb.errors import ProgramError, ProgramErrors
from rhizomedb.logic import AGGREGATES, Aggregate, Program
from rhizomedb.logic import check as errors_of
from rhizomedb.logic.monotone import Monotonicity, monotonicity
from rhizomedb.logic.syntax import show_name
from rhizomedb.store.store import COLUMNS

FALLING: Final = {STANDS: "what stands falls when somebody replaces it or takes it back"}
"""Why more facts take tuples from a relation that every program may read."""

EARLY: Final = "may be shown before everything has arrived"
LATE: Final = "may be withdrawn when more arrives"


@dataclass(frozen=True)
class Checked:
    """A program that was checked: everything wrong with it, and for each relation that it derives whether it is monotone.

    True if nothing is wrong. `relations` is empty where something is, for such a program has no meaning. `origins`
    names the data type of each relation that is imported: places of its reasons are places in the program of that.
    """

    errors: tuple[ProgramError, ...]
    relations: Mapping[str, Monotonicity]
    origins: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return not self.errors

    @property
    def monotone(self) -> tuple[str, ...]:
        """The relations of which nothing is ever withdrawn when facts arrive."""
        return tuple(name for name, each in self.relations.items() if each.is_monotone)

    def called(self, relation: str) -> str:
        """A relation as it is told of, with where it is from."""
        origin = self.origins.get(relation)
        return f"{show_name(relation)} ({origin})" if origin else show_name(relation)

    def rows(self) -> list[dict[str, Any]]:
        """Each relation as data."""
        return [{**each.as_dict(), "origin": self.origins.get(name)} for name, each in self.relations.items()]

    def raise_if_wrong(self) -> None:
        """Raise what is wrong, if anything is."""
        if self.errors:
            raise self.errors[0] if len(self.errors) == 1 else ProgramErrors(self.errors)

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "errors": [error.as_dict() for error in self.errors],
            "relations": self.rows(),
        }

    def __str__(self) -> str:
        if self.errors:
            return "\n".join(map(str, self.errors))
        lines = []
        for name, each in self.relations.items():
            lines.append(f"{self.called(name)}: {EARLY if each.is_monotone else LATE}")
            lines += [f"  {reason}" for reason in each.reasons]
        return "\n".join(lines)

    __repr__ = __str__


def check(
    program: str | Program, *, using: Iterable[Part] = (), aggregates: Mapping[str, Aggregate] | None = None
) -> Checked:
    """Everything wrong with a program over a database, and which of its relations may be shown before all has arrived.

    A relation is monotone if facts that arrive only ever add to it. For one that is not, the reasons are told: each with
    the rule, its place, and what makes it so, a negation, an aggregate, or a relation through which it is inherited.
    Values of parameters need not be given.

    >>> found = check('film(entity: E) :- fact(entity: E, attribute: "title").  many(n: N) :- N := count : film().')
    >>> found.monotone, str(found.relations["many"].reasons[0])
    (('film',), 'line 1, column 76: `count` over `film`: a result goes when `film` changes it')
    """
    return check_with(program, using, aggregates, ())


def check_with(
    program: str | Program,
    using: Iterable[Part],
    aggregates: Mapping[str, Aggregate] | None,
    known: Iterable[DataType],
) -> Checked:
    """The same with programs of a database, which it may import."""
    try:
        whole, origins = composed_of(parsed_of(program), using, _PLAIN, known)
        whole = with_arrivals(whole)
        functions = {**AGGREGATES, **checked_aggregates(aggregates)}
        errors = [*errors_of(with_stands(whole), _PLAIN, aggregates=functions), *foreign_events(whole)]
    except ProgramError as error:
        return Checked(error.errors, {})
    if errors:
        return Checked(tuple(errors), {})
    return Checked((), monotonicity(whole, falling=FALLING), origins)


_PLAIN: Final = {name: tuple(column for column in columns if column != "$cid") for name, columns in COLUMNS.items()}

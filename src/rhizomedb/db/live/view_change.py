"""What an epoch changes in a standing view: for each relation the tuples that came and those that went."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rhizomedb._record import dataclass
from rhizomedb.facts.value import exact, order_cell, plain
from rhizomedb.flow import bounded

if TYPE_CHECKING:
    from rhizomedb.db.live.stored import Row

Named = Callable[..., Any]
"""Makes the named tuple of some values."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The tuples that came into a relation (`plus`) and that went (`minus`), in the order of their values, none in both."""

    plus: tuple[Any, ...] = ()
    minus: tuple[Any, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.plus or self.minus)

    def then(self, other: Difference) -> Difference:
        """This and afterwards another, as one: what came and went again is no change."""
        plus, minus = _by_cells(self.plus), _by_cells(self.minus)
        for added, taken, rows in ((plus, minus, other.plus), (minus, plus, other.minus)):
            for cells, row in _by_cells(rows).items():
                if taken.pop(cells, None) is None:
                    added[cells] = row
        return Difference(in_order(plus), in_order(minus))


NO_DIFFERENCE = Difference()


@dataclass(frozen=True, slots=True)
class ViewChange:
    """What moving a view from the epoch `before` to `epoch` changed in the relations that are watched.

    Each epoch that changes something comes as one of these, once: that it is here says that the epoch is done. `plus`
    and `minus` are those of the first relation asked for, `change["name"]` has those of any. `before` is None where
    everything that there is comes first; `missed` counts the changes that were dropped before this one.
    """

    epoch: int
    before: int | None
    relation: str
    relations: Mapping[str, Difference]
    missed: int = 0

    @property
    def plus(self) -> tuple[Any, ...]:
        """The tuples that came into the first relation."""
        return self[self.relation].plus

    @property
    def minus(self) -> tuple[Any, ...]:
        """The tuples that went out of the first relation."""
        return self[self.relation].minus

    def __getitem__(self, relation: str) -> Difference:
        return self.relations.get(relation, NO_DIFFERENCE)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """The tuples of the first relation that went, each with "-", and then those that came, with "+"."""
        return iter(signed(self[self.relation]))

    def __bool__(self) -> bool:
        return any(self.relations.values())

    def then(self, later: ViewChange) -> ViewChange:
        """This and the one after it, as one."""
        names = {**self.relations, **later.relations}
        both = {name: self[name].then(later[name]) for name in names}
        changed = {name: difference for name, difference in both.items() if difference}
        return ViewChange(later.epoch, self.before, self.relation, changed, self.missed + later.missed)

    def __str__(self) -> str:
        lines = [f"epoch {self.epoch}"]
        for name, difference in self.relations.items():
            lines += [f"  {sign} {name}{tuple(row)!r}" for sign, row in signed(difference)]
        return "\n".join(lines)


def signed(difference: Difference) -> Iterable[tuple[str, Any]]:
    """The tuples that went, with a minus, and then those that came, with a plus."""
    yield from (("-", row) for row in difference.minus)
    yield from (("+", row) for row in difference.plus)


def named(columns: Sequence[str]) -> Named:
    """What makes the named tuples of a relation with these columns."""
    made: Named = namedtuple("Row", columns, rename=True)  # type: ignore[misc]  # the columns are known at run time
    return made


def in_order(rows: Mapping[Row, Any]) -> tuple[Any, ...]:
    """The tuples that stand beside some cells, in the order of their values."""
    found = list(rows.values())
    keys = [tuple(map(order_cell, cells)) for cells in rows]
    return tuple(found[place] for place in bounded.in_order(keys))


def tuples(rows: Iterable[Row], make: Named) -> tuple[Any, ...]:
    """Cells as named tuples, in the order of their values."""
    return in_order({cells: make(*map(plain, cells)) for cells in rows})


def _by_cells(rows: Iterable[Any]) -> dict[Row, Any]:
    """Named tuples by their cells, under which 1, 1.0 and true are three."""
    return {tuple(map(exact, row)): row for row in rows}

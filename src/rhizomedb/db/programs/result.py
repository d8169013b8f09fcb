"""Results: the tuples of a relation as named tuples, in the total order of their values."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from rhizomedb.facts.cid import Cid
from rhizomedb.facts.value import Cell, Value, exact, order_cell, plain
from rhizomedb.flow.bounded import in_order

if TYPE_CHECKING:
    from rhizomedb.algebra import Derivation

SHOWN_ROWS_MAX = 20


class Result(Sequence[Any]):
    """The tuples of one relation: a sequence of named tuples that prints as a table.

    `columns` are the attribute names as written; a name that Python cannot use as a field is reached by index or
    through `to_dicts`. `why(row)` says how a tuple came about, where the result comes from a query.
    """

    def __init__(
        self,
        relation: str,
        columns: Sequence[str],
        cells: Collection[tuple[Cell, ...]],
        derive: Callable[[tuple[Cell, ...]], Derivation] | None = None,
    ) -> None:
        self.relation = relation
        self.columns = tuple(columns)
        self._cells = cells
        self.notices: tuple[str, ...] = ()
        """What the asker should know, such as an attribute in the program that no fact has."""
        self._derive = derive

    @cached_property
    def _rows(self) -> list[tuple[Value, ...]]:
        row_type = namedtuple("Row", self.columns, rename=True)  # type: ignore[misc]  # the columns are known at run time
        cells = list(self._cells)
        keys = [tuple(map(order_cell, row)) for row in cells]
        return [row_type(*map(plain, cells[place])) for place in in_order(keys)]

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Result):
            return self.columns == other.columns and self._rows == other._rows
        if isinstance(other, set | frozenset):
            return set(self._rows) == other
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a result is a list of rows, and like a list it cannot be a key

    def to_dicts(self) -> list[dict[str, Value]]:
        """One dict per tuple, by attribute name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self._rows]

    def why(self, row: Sequence[Value]) -> Derivation:
        """How a tuple of this result was derived: the rule, and the tuples that it rests on, down to stored facts."""
        assert self._derive is not None, "only the result of a query knows how its tuples were derived"
        return self._derive(tuple(exact(value) for value in row))

    def __repr__(self) -> str:
        head = f"{self.relation}: {len(self):,} tuple{'' if len(self) == 1 else 's'}"
        if not self._rows or not self.columns:
            return head
        shown = [[show(value) for value in row] for row in self._rows[:SHOWN_ROWS_MAX]]
        widths = [max(len(line[i]) for line in [list(self.columns), *shown]) for i in range(len(self.columns))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in shown
        ]
        title = "  ".join(name.ljust(width) for name, width in zip(self.columns, widths, strict=True)).rstrip()
        more = [f"… {len(self) - SHOWN_ROWS_MAX:,} more"] if len(self) > SHOWN_ROWS_MAX else []
        return "\n".join([head, title, "  ".join("─" * width for width in widths), *lines, *more])


def show(value: Value, width_max: int = 60) -> str:
    """A value as a table cell for people: text as it is, bytes in hex, CIDs by their last characters."""
    if isinstance(value, str):
        text = value if value.isprintable() else value.encode("unicode_escape").decode("ascii")
    elif isinstance(value, bytes):
        text = "0x" + value.hex()
    elif isinstance(value, Cid):
        text = "…" + value.short
    else:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= width_max else text[: width_max - 1] + "…"

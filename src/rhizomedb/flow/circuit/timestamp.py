"""Timestamps: when something flowed, as (epoch, iteration, …), one part for each circuit around it (PomoFlow 2.6).

There are two orders, and they are kept apart (erratum E21):

* *accumulation* goes by the product order, `t <= u`: every part of `t` is at most that part of `u`. What a circuit
  holds at `u` is the sum of all changes at times `t <= u`. (0, 2) and (1, 1) are not ordered.
* *scheduling* goes by `t.before(u)`: epochs one after the other, and in each the iterations. An epoch is closed, all
  its iterations done, before the next begins; so (0, 5) is before (1, 0), as PomoDB asks of later epochs.
"""

from __future__ import annotations

from typing import Self

from rhizomedb.errors import FlowError
from rhizomedb.flow.circuit.order import written


class Timestamp(tuple[int, ...]):
    """A time in a circuit: its epoch, then its iteration in each circuit inside.

    >>> Timestamp(0, 2) <= Timestamp(1, 1), Timestamp(0, 2).join(Timestamp(1, 1))
    (False, Timestamp(1, 2))
    """

    __slots__ = ()

    def __new__(cls, *parts: int) -> Self:
        """A time of these parts, the epoch first: unsigned integers (O8)."""
        if not parts or any(type(part) is not int or part < 0 for part in parts):
            raise FlowError("flow.timestamp", f"{parts!r} is no timestamp", fix="one unsigned integer for each depth")
        return super().__new__(cls, parts)

    @property
    def epoch(self) -> int:
        """The outermost part."""
        return self[0]

    @property
    def depth(self) -> int:
        """How many circuits are around what happened then, the root's among them."""
        return len(self)

    def __le__(self, other: tuple[int, ...]) -> bool:
        self._alike(other)
        return all(one <= two for one, two in zip(self, other, strict=True))

    def __lt__(self, other: tuple[int, ...]) -> bool:
        return self <= other and self != other

    def __ge__(self, other: tuple[int, ...]) -> bool:
        self._alike(other)
        return all(one >= two for one, two in zip(self, other, strict=True))

    def __gt__(self, other: tuple[int, ...]) -> bool:
        return self >= other and self != other

    def join(self, other: Timestamp) -> Timestamp:
        """The earliest time that is at or after both in the product order."""
        self._alike(other)
        return _made(tuple(map(max, self, other)))

    def meet(self, other: Timestamp) -> Timestamp:
        """The latest time that is at or before both in the product order."""
        self._alike(other)
        return _made(tuple(map(min, self, other)))

    def before(self, other: Timestamp) -> bool:
        """Whether this time is run earlier: epoch by epoch, iteration by iteration."""
        self._alike(other)
        return tuple.__lt__(self, other)

    def next(self) -> Timestamp:
        """The next step of the innermost circuit."""
        return _made((*self[:-1], self[-1] + 1))

    def enter(self) -> Timestamp:
        """The first iteration of a circuit inside."""
        return _made((*self, 0))

    def leave(self) -> Timestamp:
        """The time of the circuit around."""
        return Timestamp(*self[:-1])

    def within(self, outer: Timestamp) -> bool:
        """Whether this is a time of a circuit inside, during a step of the outer one."""
        return self[: len(outer)] == tuple(outer)

    def since(self, epoch: int) -> Timestamp:
        """The same time as every epoch after `epoch` sees it: epochs up to that one need not be told apart any more."""
        return self if self[0] >= epoch else _made((epoch, *self[1:]))

    def _alike(self, other: tuple[int, ...]) -> None:
        if len(self) != len(other):
            raise FlowError("flow.timestamp", f"{written(tuple(self))} and {written(tuple(other))} differ in depth")

    def __repr__(self) -> str:
        return f"Timestamp({', '.join(map(str, self))})"

    def __str__(self) -> str:
        return str(self[0]) if len(self) == 1 else written(tuple(self))


def _made(parts: tuple[int, ...]) -> Timestamp:
    """A time of parts that are known to be right."""
    return tuple.__new__(Timestamp, parts)

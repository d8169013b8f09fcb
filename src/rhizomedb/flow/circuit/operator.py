"""Operators: what a node does with its streams at one moment (PomoFlow 2.9).

A stream is a cell with what flows at this moment: a `ZSet` or an `IndexedZSet`, the change of now, or a `Trace`, all
changes so far. An operator is linear if it can be computed from the changes of now alone, bilinear if it is linear in
each of two inputs, and otherwise neither. A stateful one remembers something from one moment to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from typing import Any, ClassVar, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.budget import Meter
from rhizomedb.errors import Error, FlowError
from rhizomedb.flow.circuit.indexed import IndexedZSet
from rhizomedb.flow.circuit.order import written
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.trace import Trace
from rhizomedb.flow.circuit.zset import ZSet

Kind: TypeAlias = type[ZSet] | type[IndexedZSet] | type[Trace]
"""What a stream carries."""

CHANGES: tuple[Kind, ...] = (ZSet, IndexedZSet)
"""The kinds of stream that carry the change of one moment."""


class Linearity(Enum):
    """How an operator's output depends on its inputs."""

    LINEAR = "linear"
    BILINEAR = "bilinear"
    NON_LINEAR = "non-linear"


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of a circuit: its time, and the meter that the step spends from."""

    time: Timestamp
    meter: Meter


class Operator:
    """What a node does. A subclass says what it reads and gives, and `step` does it.

    `reads` has for each input the kinds of stream that it may be.
    """

    linearity: ClassVar[Linearity]
    reads: ClassVar[tuple[tuple[Kind, ...], ...]]
    gives: ClassVar[Kind] = ZSet
    stateful: ClassVar[bool] = False
    spends: ClassVar[bool] = False
    """Whether it spends from the meter itself, as it goes; otherwise what flows out is counted for it."""

    def step(self, moment: Moment, *inputs: Any) -> Any:
        """What flows out at this moment, given what flows in."""
        raise NotImplementedError

    def clock_start(self, scope: int, time: Timestamp) -> None:
        """A step begins: of the circuit around (`scope` 0), or of one `scope` levels further out (F9)."""

    def clock_end(self, scope: int, time: Timestamp) -> None:
        """A step has ended. At the end of a step with one part in its time, the epoch is closed."""

    def waiting(self) -> Collection[Timestamp]:
        """Later times at which the operator has something to do, whatever flows in then."""
        return ()

    @property
    def settled(self) -> bool:
        """Whether nothing is on its way out that came in before."""
        return True

    def save(self) -> Any:
        """The state, so that `restore` can bring it back. Called between epochs only."""
        return None

    def restore(self, state: Any) -> None:
        """Go back to a saved state."""

    @property
    def name(self) -> str:
        """The operator's name: `Join Trace`."""
        words = "".join(f" {letter}" if letter.isupper() else letter for letter in type(self).__name__)
        return words.strip()


class Strict(Operator):
    """An operator whose output does not depend on what flows in at the same moment: what feedback can go through.

    The output is read before the step (`output`), the input is taken after it (`take`).
    """

    stateful = True

    def output(self) -> Any:
        """What flows out at this moment."""
        raise NotImplementedError

    def take(self, given: Any) -> None:
        """What flows in at this moment, to come out later."""
        raise NotImplementedError

    def step(self, moment: Moment, *inputs: Any) -> Any:
        """Output, then input: outside a feedback the two can be done together."""
        output = self.output()
        self.take(inputs[0])
        return output


def call(function: Callable[..., Any], what: str, *arguments: Any) -> Any:
    """The result of a function that the user gave; its failure is an error of ours that says where."""
    try:
        return function(*arguments)
    except Error:
        raise
    except Exception as error:
        given = ", ".join(map(written, arguments))
        raise FlowError(
            "flow.function", f"{what} failed for {given}: {type(error).__name__}: {error}", where=what
        ) from error

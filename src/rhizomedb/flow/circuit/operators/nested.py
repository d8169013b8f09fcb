"""What the operators that are not linear share in circuits inside others: changes of changes (erratum E22).

At time (e, i) such an operator gives how its result at iteration i differs from that at i − 1, and how *that* differs
from what it was in the epoch before:

    f(e, i) − f(e, i−1) − f(e−1, i) + f(e−1, i−1)

where f(t) is its result for the sum of all changes at times ≤ t. With more circuits around there are more corners;
with one there are two, f(e) − f(e−1).

Which keys can have such a difference now? Those that change now, and those of which two changes at earlier times meet
now for the first time: changes at (0, 1) and (1, 0) meet at (1, 1), their join. So whenever a key is looked at, the
joins of now with the times in its history are noted as times at which to look again (erratum E25).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import product

from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.timestamp import Timestamp


@lru_cache(maxsize=16)  # every key of a step asks for the same
def corners(now: Timestamp) -> tuple[tuple[Timestamp, int], ...]:
    """The times whose results make the difference at `now`, each with its sign; nothing is before a part of 0."""
    found = []
    for back in product((0, 1), repeat=len(now)):
        parts = [part - less for part, less in zip(now, back, strict=True)]
        if min(parts) >= 0:
            found.append((Timestamp(*parts), (-1) ** sum(back)))
    return tuple(found)


class Visits:
    """Which keys to look at again, and when."""

    def __init__(self) -> None:
        self.due: dict[Timestamp, set[Element]] = {}

    def now(self, now: Timestamp, changed: Iterable[Element]) -> set[Element]:
        """The keys to look at now: those that change, and those that were noted."""
        return self.due.pop(now, set()) | set(changed)

    def note(self, now: Timestamp, key: Element, history: Iterable[Timestamp | None]) -> None:
        """A key is looked at now: look again where now meets its history."""
        for time in history:
            meeting = self.meeting(now, time)
            if meeting is not None:
                self.due.setdefault(meeting, set()).add(key)

    def meeting(self, now: Timestamp, time: Timestamp | None) -> Timestamp | None:
        """When a change of now and one at another time are first seen together, if that is still ahead."""
        later = now if time is None else now.join(time)
        return later if later != now else None

    def waiting(self) -> Collection[Timestamp]:
        """The times at which something is to be looked at."""
        return self.due.keys()

    def forget(self) -> None:
        """Begin anew."""
        self.due.clear()

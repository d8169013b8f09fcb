"""Join Trace (2.9.13): a change of now joined with everything that the other stream has had so far.

With it a join is kept up to date: Δ(a ⋈ b) = Δa ⋈ Δb + Δa ⋈ z⁻¹(trace b) + Δb ⋈ z⁻¹(trace a).

In a circuit inside another, times matter (erratum E30). What came at `t` joined with what comes now holds from
`t.join(now)` on, which may be an iteration that is still ahead: an edge that is added in this epoch meets what was
found in iteration 3 of an earlier one in iteration 3. Such results are held until then. The notes print the example's
output with a flat tuple; it is what the join function makes of key and values (erratum E28).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rhizomedb.flow.circuit.indexed import IndexedZSet
from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator, call
from rhizomedb.flow.circuit.operators.join_stream import Combine
from rhizomedb.flow.circuit.order import Element
from rhizomedb.flow.circuit.purity import require_pure
from rhizomedb.flow.circuit.timestamp import Timestamp
from rhizomedb.flow.circuit.trace import Trace
from rhizomedb.flow.circuit.zset import Weight, ZSet


class JoinTrace(Operator):
    """A change of now joined with the other stream's history."""

    linearity = Linearity.BILINEAR
    reads = ((IndexedZSet,), (Trace,))
    spends = True
    stateful = True

    def __init__(self, combine: Combine) -> None:
        self.combine = require_pure(combine, self.name)
        self.held: dict[Timestamp, dict[Element, Weight]] = {}

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """What the change of now gives now, and what was held for now."""
        change: IndexedZSet
        trace: Trace
        change, trace = inputs
        now = moment.time
        for key, ours in change.groups.items():
            for other, history in trace.seek(key).items():
                moment.meter.spend(len(ours))
                due = self.due(now, history)
                for one, weight in ours.items():
                    pair = call(self.combine, self.name, key, one, other)
                    for time, sum_then in due.items():
                        held = self.held.setdefault(time, {})
                        held[pair] = held.get(pair, 0) + weight * sum_then
        return ZSet.made(self.held.pop(now, {}))

    def due(self, now: Timestamp, history: dict[Timestamp | None, Weight]) -> dict[Timestamp, Weight]:
        """The weights of a value by the time from which they count for what comes now."""
        due: dict[Timestamp, Weight] = {}
        for time, weight in history.items():
            then = now if time is None else now.join(time)
            due[then] = due.get(then, 0) + weight
        return due

    def waiting(self) -> Collection[Timestamp]:
        """The times for which results are held."""
        return self.held.keys()

    def restore(self, state: Any) -> None:
        """Nothing is held between epochs."""
        self.held.clear()

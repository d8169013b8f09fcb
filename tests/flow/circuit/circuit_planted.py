"""Bugs to plant: operators as the papers print them, or as one easily writes them, each wrong in one way.

`PLANTED` has for each bug a function that puts it in with pytest's `monkeypatch`, which takes it out again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rhizomedb.flow.circuit import EMPTY, Timestamp, ZSet, compose
from rhizomedb.flow.circuit.operators import (
    AggregateTrace,
    Delay,
    DistinctIncremental,
    DistinctTrace,
    JoinStream,
    JoinTrace,
    Minus,
)
from rhizomedb.flow.circuit.operators.nested import Visits

Plant = Callable[[pytest.MonkeyPatch], None]

PLANTED: dict[str, Plant] = {}


def planted(plant: Plant) -> Plant:
    PLANTED[plant.__name__.replace("_", " ")] = plant
    return plant


@planted
def e23_what_is_new_has_weight_one(patch: pytest.MonkeyPatch) -> None:
    right = DistinctTrace.difference

    def difference(self: Any, now: Any, history: Any, weight: int) -> int:
        return right(self, now, history, weight) if history else 1

    patch.setattr(DistinctTrace, "difference", difference)


@planted
def e25_nothing_is_visited_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Visits, "note", lambda self, now, key, history: None)


@planted
def e25_visited_again_at_the_other_time(patch: pytest.MonkeyPatch) -> None:
    """The time in the trace instead of its join with now: a time of an epoch that is over."""

    def meeting(self: Any, now: Timestamp, time: Timestamp | None) -> Timestamp | None:
        return time if time is not None and now.before(time) else None

    patch.setattr(Visits, "meeting", meeting)


@planted
def e26_opposite_signs(patch: pytest.MonkeyPatch) -> None:
    """An element is put out when its weight and what the trace holds differ in sign."""

    def step(self: Any, moment: Any, change: ZSet, trace: Any) -> ZSet:
        return ZSet((e, 1 if w > 0 else -1) for e, w in change if (w > 0) != (trace.weight(e) > 0))

    patch.setattr(DistinctIncremental, "step", step)


@planted
def e30_joins_with_what_is_ahead_come_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JoinTrace, "due", lambda self, now, history: {now: sum(history.values())})


@planted
def e30_joins_with_what_is_ahead_are_lost(patch: pytest.MonkeyPatch) -> None:
    right = JoinTrace.due

    def due(self: Any, now: Timestamp, history: Any) -> Any:
        return {time: weight for time, weight in right(self, now, history).items() if time == now}

    patch.setattr(JoinTrace, "due", due)


@planted
def a_join_forgets_what_changes_on_both_sides(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JoinStream, "step", lambda self, moment, left, right: EMPTY)


@planted
def loops_count_derivations(patch: pytest.MonkeyPatch) -> None:
    """A distinct without times inside a loop: what leans on itself never goes."""

    def distinct(stream: Any) -> Any:
        return stream.circuit.add(DistinctIncremental(), stream, compose.history(stream)[0])

    patch.setattr(compose, "distinct", distinct)


@planted
def closing_an_epoch_forgets_iterations(patch: pytest.MonkeyPatch) -> None:
    def since(self: Timestamp, epoch: int) -> Timestamp:
        return self if self[0] >= epoch else Timestamp(epoch, *(0 for _ in self[1:]))

    patch.setattr(Timestamp, "since", since)


@planted
def iterations_begin_with_what_the_last_epoch_left(patch: pytest.MonkeyPatch) -> None:
    right = Delay.take
    patch.setattr(Delay, "clock_end", lambda self, scope, time: None)
    patch.setattr(Delay, "take", lambda self, given: right(self, given or self.held))
    patch.setattr(Delay, "settled", property(lambda self: True))


@planted
def old_results_of_aggregates_stay(patch: pytest.MonkeyPatch) -> None:
    right = AggregateTrace.step
    patch.setattr(AggregateTrace, "step", lambda self, *given: right(self, *given).positive())


@planted
def minus_is_a_difference_of_sets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Minus, "step", lambda self, moment, left, right: (left - right).positive())

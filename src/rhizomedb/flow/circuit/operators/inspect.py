"""Inspect (2.9.6): a callback sees what flows, which flows on unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rhizomedb.flow.circuit.operator import Linearity, Moment, Operator, call
from rhizomedb.flow.circuit.zset import ZSet


class Inspect(Operator):
    """A window on a stream, for looking. It sees steps that are taken back later, too: a sink sees what holds."""

    linearity = Linearity.LINEAR
    reads = ((ZSet,),)

    def __init__(self, callback: Callable[[ZSet], object]) -> None:
        self.callback = callback

    def step(self, moment: Moment, *inputs: Any) -> ZSet:
        """The same change, shown."""
        change: ZSet = inputs[0]
        call(self.callback, self.name, change)
        return change

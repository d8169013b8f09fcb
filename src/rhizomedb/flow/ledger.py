"""Ledgers: what is known of each group from one step to the next, so that a change is looked at and not its group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Key: TypeAlias = tuple[int, ...]
"""The ids on which the tuples of a group agree."""

State: TypeAlias = Any
"""Of one aggregate over one group: the totals of a linear one, or the result of another, `None` where it has none."""

Entry: TypeAlias = tuple[int, tuple[State, ...]]
"""Of one group: how many tuples it has, and the state of each aggregate."""


class Ledger:
    """The entries of all groups that have tuples; what a step changes in them stands apart until it is committed."""

    def __init__(self) -> None:
        self._known: dict[Key, Entry] = {}
        self._changed: Mapping[Key, Entry | None] = {}

    def entries(self) -> Mapping[Key, Entry]:
        """What the step under way began with, or what the last one left."""
        return self._known

    def change(self, entries: Mapping[Key, Entry | None]) -> None:
        """What the step under way makes of some groups; `None` of those that have no tuple left."""
        self._changed = entries

    def commit(self) -> None:
        """The step is over. One that is cut off may be done again."""
        for key, entry in self._changed.items():
            if entry is None:
                self._known.pop(key, None)
            else:
                self._known[key] = entry
        self._changed = {}

    def rollback(self) -> None:
        """The step never was."""
        self._changed = {}

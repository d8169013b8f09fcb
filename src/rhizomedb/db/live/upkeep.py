"""Upkeep: the relations of a program at one epoch, moved to another by what came and went in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rhizomedb.budget import UNLIMITED, Budget
from rhizomedb.flow.cells import cells_of
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.relation import Batch, Change, nothing

if TYPE_CHECKING:
    from rhizomedb.db.live.stored import Row, Stored, SweptDictionary
    from rhizomedb.db.programs.compiled import Standing
    from rhizomedb.flow.batch import Batch as Tuples
    from rhizomedb.store.store import Cut

SWEPT_MIN: Final = 1 << 16
"""So many cells a dictionary may hold before anybody looks which of them are still of use."""


SWEPT_BYTES_MIN: Final = 64 << 20
"""So long its texts may be together before: cells that are long are few."""


class Upkeep:
    """What a program derives at an epoch. A move that fails or is interrupted leaves it where it was.

    What is computed and goes again is forgotten: when the dictionary holds twice as many cells, or twice as long ones, as
    were of use when that was last looked at, it is looked at again. So a cell costs its share of a few looks, and no more than twice what is of
    use is held. `stored` gives what is stored, with a dictionary of its own.
    """

    def __init__(self, standing: Standing, stored: Callable[[], Stored], cut: Cut, budget: Budget) -> None:
        assert cut.epoch is not None, "the upkeep begins at an epoch"
        self._standing = standing
        self._open = stored
        self._budget = budget
        self._window = replace(cut, epoch=None)
        self.epoch = cut.epoch
        self._is_whole = True
        self._stored: Stored
        self._engine: Engine
        self._own_max, self._own_bytes_max = SWEPT_MIN, SWEPT_BYTES_MIN
        self._begin(budget)

    @property
    def is_asleep(self) -> bool:
        """Never: it is worked out at once."""
        return False

    @property
    def cut(self) -> Cut:
        """Where it is."""
        return replace(self._window, epoch=self.epoch)

    def move(self, epoch: int) -> Mapping[str, Change]:
        """Go to another epoch; what it changed of each relation. Where nothing that is read changed, it costs nothing."""
        self._mend()  # before anything is read: what begins anew has a dictionary of its own
        if not self._stored.is_current():
            return self._move_anew(epoch)
        before, after = self.cut, replace(self._window, epoch=epoch)
        self._is_whole = False  # until it has arrived: to read what came lets the dictionary go on too
        changes = self._stored.changes(self._standing.flow.inputs, before, after)
        derived: Mapping[str, Change] = {}
        if changes:
            try:
                derived = self._engine.step(changes, self._budget.meter())
            except Exception:
                self._is_whole = True  # the engine has taken the step back
                raise
        self.epoch, self._is_whole = epoch, True
        return derived

    def tidy(self) -> None:
        """Forget what is of no use any more, if there may be much of it. Changes are told by then: ids may be used again.

        Where the engine has come to its end, the next move begins with another.
        """
        dictionary = self._stored.dictionary
        if self._is_whole and (dictionary.own > self._own_max or dictionary.own_bytes > self._own_bytes_max):
            self._is_whole = False
            dictionary.sweep(self._engine.ids())
            self._is_whole = True
            self._allow_twice(dictionary)
        if self._engine.is_worn:
            self._is_whole = False

    def reset(self, epoch: int) -> None:
        """Be where it was before a move of which nobody learned."""
        if self.epoch != epoch:
            self.epoch, self._is_whole = epoch, False

    def rows(self, relation: str) -> list[Row]:
        """The tuples of a relation, in no order."""
        self._mend()
        return self.cells(self._engine.relation(relation).table.read())

    def cells(self, batch: Tuples) -> list[Row]:
        """What the ids of a batch stand for."""
        return cells_of(batch, self._stored.dictionary)

    def _begin(self, budget: Budget) -> None:
        """Work everything out that is there at the epoch."""
        flow, cut, stored = self._standing.flow, self.cut, self._open()
        engine = Engine(flow, stored.dictionary, aggregates=self._standing.aggregates)
        given = {}
        for name, read in flow.inputs.items():
            there = stored.read(read, cut)
            given[name] = Change(there, nothing(there.width).minus)
        engine.step(given, budget.meter())
        engine.ready()
        self._stored, self._engine = stored, engine
        self._allow_twice(stored.dictionary)

    def _allow_twice(self, dictionary: SweptDictionary) -> None:
        self._own_max = max(SWEPT_MIN, 2 * dictionary.own)
        self._own_bytes_max = max(SWEPT_BYTES_MIN, 2 * dictionary.own_bytes)

    def _move_anew(self, epoch: int) -> Mapping[str, Change]:
        """Go to another epoch where the ids stand for nothing any more; what that changed."""
        before = {name: set(self.rows(name)) for name in self._standing.relations}
        was = self.epoch, self._stored, self._engine, self._own_max, self._own_bytes_max
        try:
            self.epoch = epoch
            self._begin(self._budget)
        except BaseException:
            self.epoch, self._stored, self._engine, self._own_max, self._own_bytes_max = was
            raise
        self._is_whole = True
        derived = {}
        for name, old in before.items():
            now = set(self.rows(name))
            if now != old:
                derived[name] = Change(*(self._batch(name, rows) for rows in (now - old, old - now)))
        return derived

    def _batch(self, relation: str, rows: set[Row]) -> Tuples:
        ids = self._stored.dictionary.ids
        return Batch.of_rows([tuple(ids(row)) for row in rows], self._standing.flow.widths[relation])

    def _mend(self) -> None:
        """Begin anew where a step was interrupted (it may have been anywhere, even in taking itself back), or was the last."""
        if not self._is_whole:
            self._begin(UNLIMITED)
            self._is_whole = True

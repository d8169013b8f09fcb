"""Upkeep: the relations of a program at one epoch, moved to another by what came and went in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rhizomedb.budget import UNLIMITED, Budget
from rhizomedb.flow.build import build
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.relation import Change, nothing

if TYPE_CHECKING:
    from rhizomedb.db.compiled import Prepared
    from rhizomedb.db.stored import Row, Stored
    from rhizomedb.flow.batch import Batch
    from rhizomedb.store.store import Cut


class Upkeep:
    """What a program derives at an epoch. A move that fails or is interrupted leaves it where it was."""

    def __init__(self, prepared: Prepared, stored: Stored, cut: Cut, budget: Budget) -> None:
        assert cut.epoch is not None, "the upkeep begins at an epoch"
        self._prepared = prepared
        self._stored = stored
        self._budget = budget
        self._flow = build(prepared.plan)
        self._window = replace(cut, epoch=None)
        self.epoch = cut.epoch
        self._is_whole = True
        self._engine = self._begun(budget)

    @property
    def cut(self) -> Cut:
        """Where it is."""
        return replace(self._window, epoch=self.epoch)

    def move(self, epoch: int) -> Mapping[str, Change]:
        """Go to another epoch; what it changed of each relation. Where nothing that is read changed, it costs nothing."""
        after = replace(self._window, epoch=epoch)
        changes = self._stored.changes(self._flow.inputs, self.cut, after)
        derived: Mapping[str, Change] = {}
        if changes:
            self._mend()
            with self._broken_if_interrupted():
                derived = self._engine.step(changes, self._budget.meter())
                self.epoch = epoch
        self.epoch = epoch
        return derived

    def reset(self, epoch: int) -> None:
        """Be where it was before a move of which nobody learned."""
        if self.epoch != epoch:
            self.epoch, self._is_whole = epoch, False

    def rows(self, relation: str) -> list[Row]:
        """The tuples of a relation, in no order."""
        self._mend()
        return self.cells(self._engine.relation(relation).table.read())

    def cells(self, batch: Batch) -> list[Row]:
        """What the ids of a batch stand for."""
        if not batch.width:
            return [()] * len(batch)
        cells = self._stored.dictionary.cells
        return list(zip(*(cells(batch.column_ids(column)) for column in range(batch.width)), strict=True))

    def _begun(self, budget: Budget) -> Engine:
        """A new engine, at the epoch."""
        engine = Engine(self._flow, self._stored.dictionary, aggregates=self._prepared.aggregates)
        cut = self.cut
        given = {}
        for name, read in self._flow.inputs.items():
            there = self._stored.read(read, cut)
            given[name] = Change(there, nothing(there.width).minus)
        engine.step(given, budget.meter())
        return engine

    def _mend(self) -> None:
        """Begin anew where a step was interrupted: it may have been anywhere, even in taking itself back."""
        if not self._is_whole:
            self._engine = self._begun(UNLIMITED)
            self._is_whole = True

    @contextmanager
    def _broken_if_interrupted(self) -> Iterator[None]:
        self._is_whole = False
        try:
            yield
        except Exception:
            self._is_whole = True  # the engine has taken the step back
            raise
        self._is_whole = True

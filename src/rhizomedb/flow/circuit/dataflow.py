"""Dataflow: a circuit with its sources and sinks, run epoch by epoch, by hand, synchronously or with asyncio.

An epoch first asks every source and only then runs (O5), so no rule sees one source without the other's batch. Then
every sink gets what changed. If an epoch fails, the circuit is as it was, and what the sources gave is kept for the
next one; `discard` lets it go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from rhizomedb.algebra.program import Plan
from rhizomedb.algebra.relation import Attributes
from rhizomedb.budget import Budget, Meter
from rhizomedb.errors import Error, FlowError, nearest_names
from rhizomedb.facts.value import check_value, exact, plain
from rhizomedb.flow.circuit.build import build
from rhizomedb.flow.circuit.circuit import Circuit
from rhizomedb.flow.circuit.order import Element, written
from rhizomedb.flow.circuit.signal import Signal
from rhizomedb.flow.circuit.sink import Feed, Sink
from rhizomedb.flow.circuit.source import Batch, Source, batch_of
from rhizomedb.flow.circuit.trace import NO_HISTORY, Trace
from rhizomedb.flow.circuit.zset import ZSet, total
from rhizomedb.logic.builtins import AGGREGATES, Aggregate


class Dataflow:
    """A circuit that is kept up to date.

    `columns` are those of the sources whose elements are rows, which are then checked and made exact, so that `1`,
    `1.0` and `True` stay apart. `meter` makes what each epoch spends from.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        sources: Sequence[Source] = (),
        sinks: Sequence[Sink] = (),
        columns: Mapping[str, Attributes] | None = None,
        meter: Callable[[], Meter] | None = None,
    ) -> None:
        self.circuit = circuit
        self.sources = list(sources)
        self.sinks = list(sinks)
        self.columns = columns or {}
        self.meter = meter or Budget().meter
        self.staged: dict[str, list[ZSet]] = {}
        """What sources gave for an epoch that has not happened yet."""
        self._running = False
        self._held: dict[str, Trace] = dict.fromkeys(circuit.sinks, NO_HISTORY)
        for source in self.sources:
            self._known(source.into, circuit.sources, "source")
        for sink in self.sinks:
            self._known(sink.relations, circuit.sinks, "sink")

    @classmethod
    def of(
        cls,
        plan: Plan,
        *,
        sources: Sequence[Source] = (),
        sinks: Sequence[Sink] = (),
        aggregates: Mapping[str, Aggregate] = AGGREGATES,
        meter: Callable[[], Meter] | None = None,
    ) -> Dataflow:
        """The dataflow of a plan: every derived relation is kept up to date with the stored ones."""
        circuit = build(plan, aggregates)
        return cls(circuit, sources=sources, sinks=sinks, columns=plan.stored, meter=meter)

    @property
    def epoch(self) -> int:
        """The number of the next epoch. It says nothing to anyone else, and is in no fact (O4)."""
        return self.circuit.epoch

    def holds(self, relation: str) -> ZSet:
        """What a sink's changes sum to so far: the relation as it is now."""
        self._known([relation], self._held, "sink")
        return self._held[relation].consolidate()

    # -- epochs -----------------------------------------------------------------------------------------------------

    def step(self, changes: Mapping[str, object] | None = None, meter: Meter | None = None) -> dict[str, ZSet]:
        """One epoch with changes that are given by hand; gives how each derived relation changed.

        A change is a Z-set, a mapping from elements to weights, or elements to add.
        """
        given = {name: self._checked(name, batch_of(change, name)) for name, change in (changes or {}).items()}
        results = self.circuit.step(given, meter or self.meter())
        for name, change in results.items():
            self._held[name] = self._held[name].append(change)
        return results

    def run_epoch(self) -> dict[str, ZSet]:
        """One epoch: ask every source, run, and give every sink what changed.

        A sink that fails keeps what it did not take, and gets it at the next epoch before anything else; its error is
        raised after the other sinks have been served.
        """
        for source in self.sources:
            if source.is_async:
                raise FlowError("flow.source", "an async source has to be awaited", where=source.name, fix="run()")
        for sink in self.sinks:
            if sink.is_async:
                raise FlowError("flow.sink", "an async sink has to be awaited", where=sink.name, fix="run()")
            if sink.is_full and not isinstance(sink, Feed):
                sink.deliver()
            if sink.is_full:
                raise FlowError("flow.sink", f"{sink.epochs_max} epochs wait to be read", where=sink.name)
        self._ask(self.sources)
        results = self._staged_epoch()
        failures: list[Error] = []
        for sink in self.sinks:
            if not isinstance(sink, Feed):
                try:
                    sink.deliver()
                except Error as failure:
                    failures.append(failure)
        if failures:
            raise failures[0]
        return results

    async def run(self) -> None:
        """Run epochs until every iterator and async source has ended, and every sink has taken everything.

        A plain callable that blocks, blocks everyone: give an async one instead.
        """
        if self._running:
            raise FlowError("flow.running", "the dataflow is being run already")
        self._running = True
        feeds = [sink for sink in self.sinks if isinstance(sink, Feed)]
        for feed in feeds:
            feed.ended = False
        came = Signal()
        pumps = [_Pump(source, came) for source in self.sources if source.is_async]
        asked = [source for source in self.sources if not source.is_async]
        served = [sink for sink in self.sinks if not isinstance(sink, Feed)]
        tasks = _Tasks([sink.deliver_all() for sink in served] + [pump.run() for pump in pumps])
        try:
            while True:
                for sink in self.sinks:
                    await tasks.until(sink.moved, partial(_has_room, sink))
                self._ask(asked)
                for pump in pumps:
                    for batch in pump.ready():
                        self._stage(pump.source, batch)
                if self.staged:
                    self._staged_epoch()
                    await asyncio.sleep(0)  # so that sinks and sources get their turn
                elif any(source.keeps_running for source in asked):
                    await asyncio.sleep(0)
                elif live := [pump for pump in pumps if pump.is_live]:
                    await tasks.until(came, partial(_has_come, live))
                else:
                    break
                tasks.check()
            for sink in served:
                await tasks.until(sink.moved, partial(_is_served, sink))
        finally:
            await tasks.stop()
            self._running = False
            for pump in pumps:
                for batch in pump.ready():  # taken from its source, and so not to be lost
                    self._stage(pump.source, batch)
            for feed in feeds:
                feed.ended = True
                feed.moved.tell()

    def discard(self) -> None:
        """Let go of what sources gave for an epoch that failed."""
        self.staged = {}

    def _ask(self, sources: Iterable[Source]) -> None:
        for source in sources:
            self._stage(source, source.take())

    def _stage(self, source: Source, batch: Batch) -> None:
        if batch:
            checked = {name: self._checked(name, batch) for name in source.into}  # for all of them or for none
            for name, rows in checked.items():
                self.staged.setdefault(name, []).append(rows)

    def _staged_epoch(self) -> dict[str, ZSet]:
        epoch = self.epoch
        results = self.step({name: total(batches) for name, batches in self.staged.items()})
        self.staged = {}
        for sink in self.sinks:
            sink.put(epoch, results)
        return results

    def _checked(self, name: str, batch: Batch) -> ZSet:
        """A batch as a change, its rows checked and exact."""
        columns = self.columns.get(name)
        if columns is None:
            return ZSet(batch)

        def row(element: Element) -> Element:
            if not isinstance(element, tuple) or len(element) != len(columns):
                raise FlowError(
                    "flow.row",
                    f"{written(element)} is no row of `{name}`, which has the columns {', '.join(columns)}",
                )
            return tuple(exact(check_value(plain(cell))) for cell in element)

        return ZSet((row(element), weight) for element, weight in batch)

    def _known(self, names: Iterable[str], known: Iterable[str], what: str) -> None:
        for name in names:
            if name not in known:
                raise FlowError("flow.unknown", f"there is no {what} `{name}`", nearest=nearest_names(name, known))


def _has_room(sink: Sink) -> bool:
    return not sink.is_full


def _is_served(sink: Sink) -> bool:
    return not sink.waiting


def _has_come(pumps: Sequence[_Pump]) -> bool:
    return any(pump.held or not pump.is_live for pump in pumps)


class _Pump:
    """An async source being read ahead of the epochs, but not far."""

    def __init__(self, source: Source, came: Signal) -> None:
        self.source = source
        self.came = came
        """Told whenever a batch comes, and when the source has ended."""
        self.held: list[Batch] = []
        self.room = Signal()

    @property
    def is_live(self) -> bool:
        return not self.source.finished or bool(self.held)

    async def run(self) -> None:
        async with aclosing(self.source.batches()) as batches:
            async for batch in batches:
                self.held.append(batch)  # before waiting for room, so that it is never lost
                self.came.tell()
                await self.room.wait(lambda: len(self.held) < self.source.batches_max)
        self.came.tell()

    def ready(self) -> list[Batch]:
        batches, self.held = self.held, []
        self.room.tell()
        return batches


class _Tasks:
    """Tasks beside the epochs; the failure of one ends the run."""

    def __init__(self, work: Iterable[Coroutine[Any, Any, None]]) -> None:
        self.tasks = [asyncio.ensure_future(each) for each in work]

    def check(self) -> None:
        """Raise what a task has failed with."""
        for task in self.tasks:
            if task.done():
                task.result()

    async def until(self, signal: Signal, ready: Callable[[], bool]) -> None:
        """Wait until something is so, or a task fails."""
        self.check()
        wait = asyncio.ensure_future(signal.wait(ready))
        try:
            pending = [task for task in self.tasks if not task.done()]
            while not wait.done():
                await asyncio.wait([wait, *pending], return_when=asyncio.FIRST_COMPLETED)
                self.check()
                pending = [task for task in pending if not task.done()]
        finally:
            wait.cancel()
            await asyncio.gather(wait, return_exceptions=True)

    async def stop(self) -> None:
        """End every task."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

"""The engine: a plan whose relations are kept up to date by what changes.

engine = Engine(plan, dictionary)
changes = engine.step({"edge": change})     every relation that changed, with what came and what went
engine.relation("path").table.read()        what it holds now
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rhizomedb._native import threads as most_threads
from rhizomedb.algebra.program import Plan
from rhizomedb.budget import Budget, Meter
from rhizomedb.flow import counted, graph, group, recursive
from rhizomedb.flow.batch import Batch as Tuples
from rhizomedb.flow.body import Flow, Rule, Stratum, read_by
from rhizomedb.flow.build import build
from rhizomedb.flow.dictionary import Dictionary, Interned
from rhizomedb.flow.ledger import Ledger
from rhizomedb.flow.pipeline import Pipeline
from rhizomedb.flow.relation import Batch, Change, Held, Table
from rhizomedb.flow.run import Run, Templates
from rhizomedb.flow.table import Table as Rows
from rhizomedb.logic.builtins import AGGREGATES, Aggregate


class Engine:
    """The relations of a plan, and one step of change after the other.

    A `standing` engine is kept up to date; one that is not takes a single step, and pays nothing for later ones. `inputs`
    are tables that already have what the flow reads. Without `reorder` bodies are joined as they are written.
    `templates` are orders that another engine of the same flow worked out, over the same data or data like it. Kernels use
    at most `threads` threads (default: `RHIZOMEDB_THREADS`), which changes nothing that the engine says.
    """

    def __init__(
        self,
        plan: Plan | Flow,
        dictionary: Dictionary | None = None,
        *,
        aggregates: Mapping[str, Aggregate] = AGGREGATES,
        standing: bool = True,
        inputs: Mapping[str, Rows] | None = None,
        reorder: bool = True,
        templates: Templates | None = None,
        threads: int | None = None,
    ) -> None:
        self.flow = plan if isinstance(plan, Flow) else build(plan)
        self.dictionary = dictionary if dictionary is not None else Interned()
        self.standing = standing
        recursive_names = {name for stratum in self.flow.strata if stratum.recursive for name in stratum.relations}
        grouped = {grouping.head for stratum in self.flow.strata for grouping in stratum.groupings}
        # What is read is counted too: two stored tuples may agree on all that is read of them.
        self.counted = frozenset(self.flow.widths) - recursive_names - grouped if standing else frozenset()
        ready = inputs or {}
        held = {
            name: Held(
                name,
                ready[name]
                if name in ready
                else Table(width, counted=name in self.counted, stamped=standing and name in recursive_names),
                Ledger() if standing and name in grouped else None,
            )
            for name, width in self.flow.widths.items()
        }
        self._held = held
        self._run = Run(held, self.dictionary, aggregates, self.counted, reorder, templates, threads or most_threads())
        self._strata = [(stratum, [held[name] for name in read_by(stratum)]) for stratum in self.flow.strata]
        self._ending: Callable[[Held], None] | None = None

    def relation(self, name: str) -> Held:
        """A relation of the plan."""
        return self._held[name]

    def pipelines(self, rule: Rule) -> list[tuple[int | None, Pipeline]]:
        """What ran of a rule: for each input from which it began (`None`: from nothing) its pipeline."""
        return self._run.pipelines_of(rule)

    def seconds(self, name: str) -> float:
        """How long a grouping, a graph or all rules of a stratum took, in all steps, to make a relation."""
        return self._run.seconds.get(name, 0.0)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = self._run.meter.elapsed()
        yield
        self._run.seconds[name] = self.seconds(name) + self._run.meter.elapsed() - began

    @property
    def is_worn(self) -> bool:
        """Whether another engine should go on, begun with what is there now: this one cannot take steps for ever."""
        return self._run.is_worn

    def step(self, changes: Mapping[str, Change], meter: Meter | None = None) -> dict[str, Change]:
        """Take the changes of what the flow reads (`flow.inputs`) in and return those of all that the plan derives.

        A tuple may come more than once, and goes when it was taken back as often. Raises `BudgetExceeded`, and whatever
        interrupts it, with every relation as it was before.
        """
        self._end()
        run = self._run
        run.meter = meter or Budget().meter()
        with self._done_or_undone():
            for name, change in {**self._given(), **changes}.items():
                held = self._held[name]
                if self.standing:
                    held.table.count(change.plus, 1)
                    held.table.count(change.minus, -1)
                else:
                    held.table.add(change.plus)
                held.settle()
            for stratum, inputs in self._strata:
                if not run.is_first and not any(held.change for held in inputs):
                    continue
                if stratum.recursive:
                    recursive.derive(stratum, run)
                    continue
                for grouping in stratum.groupings:
                    with self._timed(grouping.head):
                        group.derive(grouping, run)
                for each in stratum.graphs:
                    with self._timed(each.head):
                        graph.derive(each, run)
                if stratum.rules:
                    self._derive(stratum)
            run.meter.check()
            derived = (held for stratum in self.flow.strata for held in map(self.relation, stratum.relations))
            found = {held.name: held.change for held in derived if held.change}
            self._ending = _commit
        return found

    def ready(self) -> None:
        """Have the look-ups made that later changes need, which else the first of them waits for."""
        assert self.standing and not self._run.is_first, "it is known how large everything is"
        for stratum, _ in self._strata:
            for grouping in stratum.groupings:
                group.ready(grouping, self._run)
            (recursive if stratum.recursive else counted).ready(stratum, self._run)

    def _derive(self, stratum: Stratum) -> None:
        if self.standing:
            counted.derive(stratum, self._run)
        else:
            with self._timed(stratum.rules[0].head):
                counted.derive_once(stratum, self._run)

    def ids(self) -> set[int]:
        """The ids that stand in any relation. Those of constants are looked up again when they are needed next."""
        self._end()
        self._run.forget_constants()
        tables = [(held.table, held.table.read()) for held in self._held.values()]
        return {id for table, batch in tables for column in range(table.width) for id in batch.distinct_ids(column)}

    def read_of(self, relation: str, columns: Sequence[str], batch: Tuples) -> Iterator[tuple[str, Tuples]]:
        """Of some tuples of a stored relation over all its columns: what each input reads of them."""
        for name, read in self.flow.inputs.items():
            if read.relation != relation:
                continue
            some = batch
            for column, cell in read.bound:
                some = some.where_constant(columns.index(column), self.dictionary.ids([cell])[0], True)
            yield name, some.shaped([columns.index(column) for column in read.columns], [])

    def _given(self) -> dict[str, Change]:
        """What the plan itself gives, at the first step."""
        if not self._run.is_first:
            return {}
        given = {}
        for name, rows in self.flow.given.items():
            width = self.flow.widths[name]
            ids = [tuple(self.dictionary.ids(row)) for row in rows]
            given[name] = Change(Batch.of_rows(ids, width), Batch.of_rows([], width))
        return given

    @contextmanager
    def _done_or_undone(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._ending = self._ending or _rollback
            raise
        finally:
            self._end()

    def _end(self) -> None:
        """Commit or roll back; what was interrupted here is done before the next step, for both may be done twice."""
        if self._ending is None:
            return
        if self.standing:
            for held in self._held.values():
                self._ending(held)
        self._run.is_first = self._run.is_first and self._ending is not _commit
        self._ending = None


def _commit(held: Held) -> None:
    held.commit()


def _rollback(held: Held) -> None:
    held.rollback()

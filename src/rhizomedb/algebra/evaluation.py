"""Evaluation: run a plan over a source and keep what it derives (PomoRA 2.1, 2.2).

This is the engine's reference: short, set-at-a-time, in plain Python. Two things make it quick enough for every day,
and both can be switched off to leave the textbook's evaluator, against which the rest is tested:

* `seminaive`: a loop whose relations occur only positively reads, from the second round on, for one occurrence at a
  time the tuples that the round before added, instead of everything again;
* `probe`: joins ask an index for the few keys that they need (see `retrieve`).

Assignment is inflationary (R3), so a relation's size says its state. Each run of an assignment that adds tuples has a
number, the *stamp* of the tuples that it adds: that is all that an explanation needs later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Row
from rhizomedb.algebra.program import Assign, Block, Loop, Plan, nodes, scans
from rhizomedb.algebra.provenance import Derivation, explain
from rhizomedb.algebra.relation import AntiJoin, Closure, Components, Difference, GroupBy, LeftJoin, Relation, Scan
from rhizomedb.algebra.retrieve import Reader
from rhizomedb.algebra.source import Source, Table
from rhizomedb.budget import Budget, Meter
from rhizomedb.logic.builtins import AGGREGATES, Aggregate


@dataclass(slots=True)
class Step:
    """What an assignment of the plan did: how often it ran, how many tuples it added, and how long that took."""

    assign: Assign
    runs: int = 0
    rows: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The relations that a plan derived over a source.

    `origins` has for each stamp of a tuple the assignment that added it, from stamp 1 on.
    """

    plan: Plan
    source: Source
    relations: Mapping[str, Table]
    steps: tuple[Step, ...]
    origins: tuple[Assign, ...]
    aggregates: Mapping[str, Aggregate]

    def explain(self, relation: str, row: Row, *, meter: Meter | None = None) -> Derivation:
        """Why a tuple is there: the rule that first added it and what the rule used, each with its own reason."""
        return explain(self, relation, row, meter or Budget().meter())


def evaluate(
    plan: Plan,
    source: Source,
    *,
    aggregates: Mapping[str, Aggregate] = AGGREGATES,
    meter: Meter | None = None,
    seminaive: bool = True,
    probe: bool = True,
) -> Evaluation:
    """Everything that the plan derives from the source.

    Raises `BudgetExceeded` where the meter's budget ends; nothing outside the returned value is ever changed.
    """
    relations = {name: Table(attributes) for name, attributes in plan.derived.items()}
    reader = Reader(relations, source, aggregates, meter or Budget().meter(), probe=probe)
    run = _Run(plan, reader, relations, seminaive)
    run.block(plan.block)
    return Evaluation(plan, source, relations, tuple(run.steps.values()), tuple(run.origins), aggregates)


class _Run:
    """One evaluation under way."""

    def __init__(self, plan: Plan, reader: Reader, relations: dict[str, Table], seminaive: bool) -> None:
        self.relations = relations
        self.reader = reader
        self.seminaive = seminaive
        self.meter = reader.meter
        self.steps = {id(assign): Step(assign) for assign in plan.block.assignments()}
        self.origins: list[Assign] = []

    def block(self, block: Block) -> None:
        for statement in block.statements:
            if isinstance(statement, Assign):
                self.add(statement, statement.expression)
            elif self.seminaive and is_monotone(statement):
                self.loop_over_changes(statement)
            else:
                self.loop_over_all(statement)
            self.reader.forget()
            self.meter.check()

    def add(self, assign: Assign, expression: Relation) -> list[Row]:
        """Add the tuples of an expression to the assigned relation, and return those that are new."""
        started = self.meter.elapsed()
        table = self.relations[assign.relation]
        have = table.rows
        new = [row for row in self.reader.rows(expression, table.columns, {}) if row not in have]
        if new:
            self.meter.spend(len(new), len(table.columns))
            self.origins.append(assign)
            table.extend(new, stamp=len(self.origins))
        step = self.steps[id(assign)]
        step.runs += 1
        step.rows += len(new)
        step.seconds += self.meter.elapsed() - started
        return new

    def loop_over_all(self, loop: Loop) -> None:
        """The loop as PomoRA defines it: everything again until nothing grows."""
        size = -1
        while size < (size := sum(len(self.relations[name]) for name in loop.relations)):
            self.meter.round()
            self.block(loop.body)

    def loop_over_changes(self, loop: Loop) -> None:
        """The same, reading from the second round on only what the round before added, one occurrence at a time."""
        assigns = list(loop.body.assignments())
        variants = [
            (assign, change, expression) for assign in assigns for change, expression in derivatives(assign, loop)
        ]
        self.meter.round()
        changes: dict[str, list[Row]] = {}
        for assign in assigns:
            changes.setdefault(assign.relation, []).extend(self.add(assign, assign.expression))
        while any(changes.values()):
            self.meter.round()
            tables = {name: Table(self.relations[name].columns) for name in loop.relations}
            for name, rows in changes.items():
                tables[name].extend(rows)
            self.reader.turn(tables)
            changes = {}
            for assign, change, expression in variants:
                if tables[change].rows:
                    changes.setdefault(assign.relation, []).extend(self.add(assign, expression))


def is_monotone(loop: Loop) -> bool:
    """Whether a flat loop can read its own relations by their changes: where each new tuple only adds, by itself."""
    if not all(isinstance(statement, Assign) for statement in loop.body.statements):
        return False
    assigned = set(loop.relations)
    guarded = (
        part for assign in loop.body.assignments() for node in nodes(assign.expression) for part in _guarded(node)
    )
    return not any(scan.relation in assigned for part in guarded for scan in scans(part))


def _guarded(node: Relation) -> tuple[Relation, ...]:
    """The children whose growth may take tuples away, or give more than each of their new tuples does by itself."""
    match node:
        case AntiJoin() | Difference():
            return (node.right,)
        case LeftJoin():
            return node.children[1:]
        case GroupBy() | Closure() | Components():
            return node.children
        case _:
            return ()


def derivatives(assign: Assign, loop: Loop) -> Iterator[tuple[str, Relation]]:
    """For each occurrence of a relation that the loop assigns: its name, and the expression that reads its change."""
    assigned = set(loop.relations)
    pending: list[tuple[Relation, tuple[tuple[Relation, int], ...]]] = [(assign.expression, ())]
    while pending:
        node, path = pending.pop()
        if isinstance(node, Scan) and node.relation in assigned:
            yield node.relation, _replaced(path, replace(node, change=True))
        pending += [(child, (*path, (node, place))) for place, child in enumerate(node.children)]


def _replaced(path: tuple[tuple[Relation, int], ...], child: Relation) -> Relation:
    for node, place in reversed(path):
        child = node.with_child(place, child)
    return child

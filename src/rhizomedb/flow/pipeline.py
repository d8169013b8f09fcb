"""Pipelines: a body put in order, from a batch of some of its variables to batches of its rule's head.

    seed edge⁺(x, y) → probe path(y, z), the old version → keep x != z → path(x, z)

Each stage takes a batch and makes batches, in pieces that fit the cache and are counted against the budget; a piece goes
through all stages before the next one is made, so a join of any size holds a few pieces at a time. The order of a body
and what each stage does is a template; over some tables it becomes a pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra.formula import Formula, Operand
from rhizomedb.budget import Meter
from rhizomedb.flow import formulas
from rhizomedb.flow.batch import CONSTANT, Batch
from rhizomedb.flow.body import Atom, Given, Rule
from rhizomedb.flow.dictionary import Dictionary
from rhizomedb.flow.relation import intersect
from rhizomedb.flow.table import LIMIT, Key, Table
from rhizomedb.flow.threads import for_intersection


@dataclass(frozen=True, slots=True)
class Probe:
    """Join each row with the rows of a table that agree on the keys.

    `expected` is how many rows were thought to come of each that goes in.
    """

    atom: Atom
    keys: list[Key]
    keep: list[int]
    take: list[int]
    new: bool
    before: int
    equal: tuple[tuple[int, int], ...]
    distinct: bool
    expected: float | None = None

    def __str__(self) -> str:
        return f"probe {self.atom}{'' if self.new else ', as it was'}"


@dataclass(frozen=True, slots=True)
class Intersect:
    """Bind one variable by several atoms of pairs at once, so that none makes what another one drops."""

    atoms: tuple[Atom, ...]
    keys: list[Key]
    keep: list[int]
    bounds: list[int]
    once: bool

    def __str__(self) -> str:
        if self.once:
            return f"where {' and '.join(map(str, self.atoms))} meet"
        return f"intersect {' and '.join(map(str, self.atoms))}"


@dataclass(frozen=True, slots=True)
class Match:
    """Keep the rows with which some row of a table agrees on the keys, or none does."""

    atom: Atom
    keys: list[Key]
    wanted: bool
    new: bool
    before: int
    expected: float | None = None

    def __str__(self) -> str:
        return f"{'with' if self.wanted else 'without'} {self.atom}{'' if self.new else ', as it was'}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Keep the rows for which a formula holds."""

    formula: Formula
    places: Mapping[str, int]

    def __str__(self) -> str:
        return f"keep {self.formula}"


@dataclass(frozen=True, slots=True)
class Column:
    """Compute one column more."""

    variable: str
    operand: Operand
    places: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.variable} := {self.operand}"


Stage: TypeAlias = Probe | Intersect | Match | Filter | Column


@dataclass(frozen=True, slots=True)
class Template:
    """The stages for one seed, and the head's columns over the last batch: places, or -1 and a constant.

    It knows relations and constants by name, so it serves wherever their sizes call for the same order.
    """

    rule: Rule
    seed: tuple[str, ...]
    stages: tuple[Stage, ...]
    columns: list[int]
    constants: tuple[Given, ...]

    def over(self, tables: Mapping[str, Table], dictionary: Dictionary, threads: int = 1) -> Pipeline:
        """The pipeline over some tables, whose kernels use at most so many threads."""
        steps = []
        for stage in self.stages:
            match stage:
                case Probe(atom, keys) | Match(atom, keys):
                    steps.append(Step(stage, [tables[atom.relation]], _with_ids(keys, (atom,), dictionary)))
                case Intersect(atoms, keys):
                    found = [tables[atom.relation] for atom in atoms]
                    steps.append(Step(stage, found, _with_ids(keys, atoms, dictionary)))
                case _:
                    steps.append(Step(stage, [], []))
        constants = dictionary.ids([each.cell for each in self.constants]) if self.constants else []
        return Pipeline(self, steps, constants, threads)


def _with_ids(keys: list[Key], atoms: Sequence[Atom], dictionary: Dictionary) -> list[Key]:
    """The keys of one atom, or one key of each of several, with the ids of constants."""
    if all(place != CONSTANT for _, place, _ in keys):
        return keys
    made = []
    for number, (column, place, id) in enumerate(keys):
        term = atoms[number if len(atoms) > 1 else 0].terms[column]
        made.append((column, place, dictionary.ids([term.cell])[0] if isinstance(term, Given) else id))
    return made


class Step:
    """A stage over its tables, with what it did: rows in, rows out, and time."""

    __slots__ = ("keys", "made", "seconds", "stage", "tables", "taken")

    def __init__(self, stage: Stage, tables: list[Table], keys: list[Key]) -> None:
        self.stage = stage
        self.tables = tables
        self.keys = keys
        self.taken = 0
        self.made = 0
        self.seconds = 0.0

    def ready(self) -> None:
        """Have the tables make the look-ups that it needs."""
        match self.stage:
            case Probe(new=new) | Match(new=new):
                (table,), columns = self.tables, [column for column, _, _ in self.keys]
                if columns and not (new and columns == list(range(table.width))):  # whole rows are found without
                    table.keys(columns)
            case Intersect():
                for table, (column, _, _) in zip(self.tables, self.keys, strict=True):
                    table.keys([column])


class Pipeline:
    """A template over tables; a tuple may come out more than once."""

    __slots__ = ("_constants", "_threads", "sizes", "steps", "template")

    def __init__(self, template: Template, steps: list[Step], constants: list[int], threads: int) -> None:
        self.template = template
        self.steps = steps
        self.sizes: tuple[int, ...] = ()
        self._constants = constants
        self._threads = threads

    def ready(self) -> None:
        """Have the look-ups made that it needs, which else the first batch waits for."""
        for step in self.steps:
            step.ready()

    def run(self, batch: Batch, dictionary: Dictionary, meter: Meter) -> Iterator[Batch]:
        """The head's tuples for a batch of the seed's variables."""
        for last in self._through(batch, 0, dictionary, meter):
            yield last.shaped(self.template.columns, self._constants)

    def _through(self, batch: Batch, first: int, dictionary: Dictionary, meter: Meter) -> Iterator[Batch]:
        for number in range(first, len(self.steps)):
            if not len(batch):
                return
            step = self.steps[number]
            step.taken += len(batch)
            began = meter.elapsed()
            match step.stage:
                case Probe() | Intersect():
                    for piece in _pieces(step, batch, meter, self._threads):
                        yield from self._through(piece, number + 1, dictionary, meter)
                    return
                case Match(_, _, wanted, new, before):
                    batch = step.tables[0].matching(batch, step.keys, wanted, new, before)
                case Filter(formula, places):
                    batch = formulas.keep(batch, formula, places, dictionary, meter)
                case Column(_, operand, places):
                    batch = formulas.compute(batch, operand, places, dictionary, meter)
            step.made += len(batch)
            step.seconds += meter.elapsed() - began
        if len(batch):
            yield batch


def _pieces(step: Step, batch: Batch, meter: Meter, threads: int) -> Iterator[Batch]:
    start, rows = 0, len(batch)
    equal: tuple[tuple[int, int], ...] = ()
    distinct = False
    while start < rows:
        began = meter.elapsed()
        match step.stage:
            case Intersect(_, _, keep, bounds, once):
                some = for_intersection(threads, rows - start)
                piece, start = intersect(batch, step.tables, step.keys, keep, bounds, once, start, LIMIT, some)
            case Probe(_, _, keep, take, new, before, equal, distinct):
                piece, start = step.tables[0].probe(batch, step.keys, keep, take, new, before, start, LIMIT)
        if len(piece):
            meter.spend(len(piece), piece.width)
            for left, right in equal:
                piece = piece.where_equal(left, right, True)
            if distinct:
                piece = piece.distinct()
            step.made += len(piece)
            step.seconds += meter.elapsed() - began
            yield piece
    meter.check()

"""Pipelines: a body put in order, from a batch of some of its variables to batches of its rule's head.

    seed edge⁺(x, y) → probe path(y, z), the old version → keep x != z → path(x, z)

Each stage takes a batch and makes batches, in pieces that fit the cache and are counted against the budget; a piece goes
through all stages before the next one is made, so a join of any size holds a few pieces at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from rhizomedb.algebra.formula import Attribute, Comparison, Formula, Operand
from rhizomedb.budget import Meter
from rhizomedb.flow import formulas
from rhizomedb.flow.batch import CONSTANT, Batch
from rhizomedb.flow.body import Atom, Compute, Given, Keep, Rule, Step, Term, Variable
from rhizomedb.flow.dictionary import Dictionary
from rhizomedb.flow.relation import Table as PairTable
from rhizomedb.flow.relation import intersect
from rhizomedb.flow.table import LIMIT, Key, Table

SELECTED: Final = 1 / 3
"""Which part of the rows a test is taken to keep."""

STAMP: Final = "\0stamp"
"""The variable of a seed under which the stamps of its rows stand."""


@dataclass(slots=True)
class Stage:
    """One stage with what it did: rows in, rows out, and how many were expected for each that came in."""

    taken: int = field(default=0, init=False)
    made: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)
    expected: float | None = field(default=None, init=False)


@dataclass(slots=True)
class Probe(Stage):
    """Join each row with the rows of a table that agree on the keys."""

    atom: Atom
    table: Table
    keys: list[Key]
    keep: list[int]
    take: list[int]
    new: bool
    before: int
    equal: tuple[tuple[int, int], ...]
    distinct: bool

    def __str__(self) -> str:
        return f"probe {self.atom}{'' if self.new else ', as it was'}"


@dataclass(slots=True)
class Intersect(Stage):
    """Bind one variable by several atoms of pairs at once, so that none makes what another one drops."""

    atoms: tuple[Atom, ...]
    tables: list[Table]
    keys: list[Key]
    keep: list[int]
    bounds: list[int]
    once: bool

    def __str__(self) -> str:
        if self.once:
            return f"where {' and '.join(map(str, self.atoms))} meet"
        return f"intersect {' and '.join(map(str, self.atoms))}"


@dataclass(slots=True)
class Match(Stage):
    """Keep the rows with which some row of a table agrees on the keys, or none does."""

    atom: Atom
    table: Table
    keys: list[Key]
    wanted: bool
    new: bool
    before: int

    def __str__(self) -> str:
        return f"{'with' if self.wanted else 'without'} {self.atom}{'' if self.new else ', as it was'}"


@dataclass(slots=True)
class Filter(Stage):
    """Keep the rows for which a formula holds."""

    formula: Formula
    places: Mapping[str, int]

    def __str__(self) -> str:
        return f"keep {self.formula}"


@dataclass(slots=True)
class Column(Stage):
    """Compute one column more."""

    variable: str
    operand: Operand
    places: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.variable} := {self.operand}"


AnyStage: TypeAlias = Probe | Intersect | Match | Filter | Column


@dataclass(slots=True)
class Pipeline:
    """The stages for one seed, and the head's columns over the last batch: places, or -1 and a constant."""

    rule: Rule
    seed: tuple[str, ...]
    stages: tuple[AnyStage, ...]
    columns: list[int]
    constants: list[int]
    sizes: tuple[int, ...] = ()

    def run(self, batch: Batch, dictionary: Dictionary, meter: Meter) -> Iterator[Batch]:
        """The head's tuples for a batch of the seed's variables; a tuple may come more than once."""
        for last in self._through(batch, 0, dictionary, meter):
            yield last.shaped(self.columns, self.constants)

    def _through(self, batch: Batch, first: int, dictionary: Dictionary, meter: Meter) -> Iterator[Batch]:
        for number in range(first, len(self.stages)):
            if not len(batch):
                return
            stage = self.stages[number]
            stage.taken += len(batch)
            began = meter.elapsed()
            match stage:
                case Probe() | Intersect():
                    for piece in _pieces(stage, batch, meter):
                        yield from self._through(piece, number + 1, dictionary, meter)
                    return
                case Match():
                    batch = stage.table.matching(batch, stage.keys, stage.wanted, stage.new, stage.before)
                case Filter(formula, places):
                    batch = formulas.keep(batch, formula, places, dictionary, meter)
                case Column(_, operand, places):
                    batch = formulas.compute(batch, operand, places, dictionary, meter)
            stage.made += len(batch)
            stage.seconds += meter.elapsed() - began
        if len(batch):
            yield batch


def _pieces(stage: Probe | Intersect, batch: Batch, meter: Meter) -> Iterator[Batch]:
    start, rows = 0, len(batch)
    while start < rows:
        began = meter.elapsed()
        if isinstance(stage, Intersect):
            piece, start = intersect(
                batch, stage.tables, stage.keys, stage.keep, stage.bounds, stage.once, start, LIMIT
            )
        else:
            piece, start = stage.table.probe(
                batch, stage.keys, stage.keep, stage.take, stage.new, stage.before, start, LIMIT
            )
        if len(piece):
            meter.spend(len(piece), piece.width)
            if isinstance(stage, Probe):
                for left, right in stage.equal:
                    piece = piece.where_equal(left, right, True)
                if stage.distinct:
                    piece = piece.distinct()
            stage.made += len(piece)
            stage.seconds += meter.elapsed() - began
            yield piece
    meter.check()


class Planner:
    """Puts bodies in order by the sizes of tables as they are."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        dictionary: Dictionary,
        counted: Collection[str] = (),
        reorder: bool = True,
    ) -> None:
        self.tables = tables
        self.dictionary = dictionary
        self.counted = counted
        self.reorder = reorder

    def plan(
        self,
        rule: Rule,
        seed: Sequence[str],
        without: int | None = None,
        versions: Sequence[bool] = (),
        stamped: Collection[str] = (),
        telling: Collection[str] = (),
    ) -> Pipeline:
        """The pipeline for a seed of these variables; `without` is the number of the atom or negation that it stands for.

        `versions` says for each atom and negation whether it is read as it is now (default: all are). Of the `stamped`
        relations only rows with a smaller stamp than the seed's `STAMP` are joined. After the head's columns come the
        stamps of the rows joined from the `telling` relations, and first the seed's `STAMP` if it has one.
        """
        body = rule.body
        atoms = {number: atom for number, atom in enumerate(body.atoms) if number != without}
        negations = {n: atom for n, atom in enumerate(body.negations, len(body.atoms)) if n != without}
        run = _Run(self, rule, list(seed), versions, stamped, telling)
        steps: list[Step] = list(body.steps)
        while True:
            run.take_steps(steps)
            for number in [n for n, atom in negations.items() if atom.variables <= run.places.keys()]:
                run.match(number, negations.pop(number), wanted=False)
            if not atoms:
                break
            number = self._next(atoms, run.places, steps)
            together = self._together(number, atoms, run)
            if together:
                joined = [atoms.pop(each) for each in together]
                run.intersect(joined, _needed(rule, [*atoms.values(), *negations.values()], steps))
                continue
            atom = atoms.pop(number)
            expected = self._cost(atom, run.places)[1]
            run.join(number, atom, _needed(rule, [*atoms.values(), *negations.values()], steps), bool(atoms))
            run.stages[-1].expected = expected
        assert not steps and not negations, "a checked rule leaves nothing unbound"
        return run.finish()

    def _next(self, atoms: Mapping[int, Atom], places: Mapping[str, int], steps: Sequence[Step]) -> int:
        if len(atoms) == 1 or not self.reorder:
            return next(iter(atoms))

        def cost(number: int) -> tuple[bool, float]:
            unconnected, rows = self._cost(atoms[number], places)
            bound = atoms[number].variables | places.keys()
            tests = sum(isinstance(step, Keep) and step.needs <= bound for step in steps)
            return unconnected, rows * SELECTED**tests

        return min(atoms, key=cost)

    def _together(self, number: int, atoms: Mapping[int, Atom], run: _Run) -> list[int]:
        """The atoms that bind one variable, and nothing else, together with that of a number, if there are others.

        They are pairs, each with its other end bound; all are read as they are now, and derivations are not counted.
        """
        variable = _other_end(atoms[number], run.places)
        if variable is None or run.telling or run.rule.head in self.counted:
            return []
        found = [n for n, atom in atoms.items() if _other_end(atom, run.places) == variable and run.is_new(n)]
        tables = [self.tables[atoms[n].relation] for n in found]
        return found if len(found) > 1 and all(isinstance(table, PairTable) for table in tables) else []

    def _cost(self, atom: Atom, places: Mapping[str, int]) -> tuple[bool, float]:
        """Whether an atom is unconnected, and about how many of its rows each row so far would be joined with."""
        table = self.tables[atom.relation]
        size = len(table)
        given = [(place, term) for place, term in enumerate(atom.terms) if _is_given(term, places)]
        if not given:
            return bool(atom.variables) and bool(places), float(size)
        constants = [(place, self.id_of(term)) for place, term in given if isinstance(term, Given)]
        if len(constants) == len(given):
            return bool(places) and bool(atom.variables), float(table.size(constants))
        if len(given) == table.width:
            return False, 0.0
        return False, size / max(1, table.keys([place for place, _ in given]))

    def id_of(self, term: Given) -> int:
        """The id of a constant."""
        return self.dictionary.ids([term.cell])[0]


def _other_end(atom: Atom, places: Mapping[str, int]) -> str | None:
    """The variable that an atom over pairs binds, where its other column is given."""
    if len(atom.terms) != 2:
        return None
    free = [term for term in atom.terms if not _is_given(term, places)]
    return free[0].name if len(free) == 1 and isinstance(free[0], Variable) else None


def _is_given(term: Term | None, places: Mapping[str, int]) -> bool:
    return isinstance(term, Given) or (isinstance(term, Variable) and term.name in places)


def _needed(rule: Rule, atoms: Iterable[Atom], steps: Iterable[Step]) -> set[str]:
    """The variables that something still asks for."""
    needed = {STAMP, *(term.name for term in rule.terms if isinstance(term, Variable))}
    for atom in atoms:
        needed |= atom.variables
    for step in steps:
        needed |= step.needs
        if isinstance(step, Compute):
            needed.add(step.variable)
    return needed


class _Run:
    """A pipeline in the making: the variables of the batch so far, in order."""

    def __init__(
        self,
        planner: Planner,
        rule: Rule,
        names: list[str],
        versions: Sequence[bool],
        stamped: Collection[str],
        telling: Collection[str],
    ) -> None:
        self.planner = planner
        self.rule = rule
        self.seed = tuple(names)
        self.names = names
        self.versions = versions
        self.stamped = stamped
        self.telling = telling
        self.stages: list[AnyStage] = []

    @property
    def places(self) -> dict[str, int]:
        """Where each variable stands."""
        return {name: place for place, name in enumerate(self.names)}

    def take_steps(self, steps: list[Step]) -> None:
        """Everything that can be tested or computed now."""
        while True:
            places = self.places
            ready = next((step for step in steps if step.needs <= places.keys()), None)
            if ready is None:
                return
            steps.remove(ready)
            match ready:
                case Keep(formula):
                    self.stages.append(Filter(formula, places))
                case Compute(variable, operand) if variable in places:
                    self.stages.append(Filter(Comparison(Attribute(variable), "==", operand), places))
                case Compute(variable, operand):
                    self.stages.append(Column(variable, operand, places))
                    self.names.append(variable)

    def _keys(self, atom: Atom) -> list[Key]:
        places = self.places
        keys: list[Key] = []
        for column, term in enumerate(atom.terms):
            match term:
                case Given():
                    keys.append((column, CONSTANT, self.planner.id_of(term)))
                case Variable(name) if name in places:
                    keys.append((column, places[name], 0))
        return keys

    def intersect(self, atoms: Sequence[Atom], needed: set[str]) -> None:
        """Bind the variable that several atoms share; or where nothing needs it later, see that there is one."""
        variable = _other_end(atoms[0], self.places)
        assert variable is not None, "each of the atoms binds one variable"
        tables = [self.planner.tables[atom.relation] for atom in atoms]
        keys = [key for atom in atoms for key in self._keys(atom)]
        once = variable not in needed
        bounds = [self._before(atom) for atom in atoms]
        self.stages.append(Intersect(tuple(atoms), tables, keys, list(range(len(self.names))), bounds, once))
        if not once:
            self.names.append(variable)

    def is_new(self, number: int) -> bool:
        """Whether an atom is read as it is now."""
        return self._is_new(number)

    def _is_new(self, number: int) -> bool:
        return self.versions[number] if self.versions else True

    def match(self, number: int, atom: Atom, wanted: bool) -> None:
        """Keep what an atom matches, or what it does not."""
        table = self.planner.tables[atom.relation]
        before = self._before(atom) if wanted else -1
        self.stages.append(Match(atom, table, self._keys(atom), wanted, self._is_new(number), before))

    def _before(self, atom: Atom) -> int:
        return self.places[STAMP] if atom.relation in self.stamped else -1

    def join(self, number: int, atom: Atom, needed: set[str], more: bool) -> None:
        """Join with an atom, keeping the variables that are needed later; `more` atoms follow."""
        places = self.places
        new: dict[str, int] = {}
        equal: list[tuple[str, int]] = []
        for column, term in enumerate(atom.terms):
            if isinstance(term, Variable) and term.name not in places:
                if term.name in new:
                    equal.append((term.name, column))
                else:
                    new[term.name] = column
        taken = {name: column for name, column in new.items() if name in needed or any(n == name for n, _ in equal)}
        tells = atom.relation in self.telling
        if not taken and not tells and not self.counts(atom, places):
            self.match(number, atom, wanted=True)
            return
        kept = [name for name in self.names if name in needed or name.startswith(STAMP)]
        # What no longer differs need not be joined again and again, unless derivations are counted.
        distinct = more and len(kept) < len(self.names) and self.rule.head not in self.planner.counted
        table = self.planner.tables[atom.relation]
        names = [*kept, *taken]
        take = [*taken.values(), *(column for _, column in equal)]
        pairs = tuple((names.index(name), len(names) + number) for number, (name, _) in enumerate(equal))
        self.stages.append(
            Probe(
                atom,
                table,
                self._keys(atom),
                [places[name] for name in kept],
                take,
                self._is_new(number),
                self._before(atom),
                pairs,
                distinct,
            )
        )
        # columns that were only taken to be compared stay behind the named ones, and nothing asks for them
        self.names = [*names, *(f"{name}={column}" for name, column in equal)]
        if tells:
            take.append(table.width)
            self.names.append(f"{STAMP} {number}")

    def counts(self, atom: Atom, places: Mapping[str, int]) -> bool:
        """Whether how often an atom matches matters: where derivations are counted and it is not bound whole."""
        return self.rule.head in self.planner.counted and any(not _is_given(term, places) for term in atom.terms)

    def finish(self) -> Pipeline:
        """The pipeline, its head over the variables that are bound now."""
        places, columns, constants = self.places, [], []
        for term in self.rule.terms:
            if isinstance(term, Variable):
                columns.append(places[term.name])
            else:
                columns.append(CONSTANT)
                constants.append(self.planner.id_of(term))
        if self.telling:
            columns += [place for name, place in places.items() if name.startswith(STAMP)]
        return Pipeline(self.rule, self.seed, tuple(self.stages), columns, constants)

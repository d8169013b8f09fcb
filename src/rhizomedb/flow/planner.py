"""The planner: puts the atoms, negations and tests of a body in order, by the sizes of tables as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from rhizomedb.algebra.formula import Attribute, Comparison
from rhizomedb.flow.batch import CONSTANT
from rhizomedb.flow.body import Atom, Compute, Given, Keep, Rule, Step, Term, Variable
from rhizomedb.flow.dictionary import Dictionary
from rhizomedb.flow.pipeline import Column, Filter, Intersect, Match, Probe, Stage, Template
from rhizomedb.flow.relation import Table as PairTable
from rhizomedb.flow.table import Key, Table

SELECTED: Final = 1 / 3
"""Which part of the rows a test is taken to keep."""

STAMP: Final = "\0stamp"
"""The variable of a seed under which the stamps of its rows stand."""


class Planner:
    """Puts bodies in order over some tables. Relations of `counted` keep how often each tuple is derived."""

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
    ) -> Template:
        """The order for a seed of these variables; `without` is the number of the atom or negation that it stands for.

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
            run.expect(expected)
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
        self.stages: list[Stage] = []

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
                    keys.append((column, CONSTANT, 0))
                case Variable(name) if name in places:
                    keys.append((column, places[name], 0))
        return keys

    def intersect(self, atoms: Sequence[Atom], needed: set[str]) -> None:
        """Bind the variable that several atoms share; or where nothing needs it later, see that there is one."""
        variable = _other_end(atoms[0], self.places)
        assert variable is not None, "each of the atoms binds one variable"
        keys = [key for atom in atoms for key in self._keys(atom)]
        once = variable not in needed
        bounds = [self._before(atom) for atom in atoms]
        self.stages.append(Intersect(tuple(atoms), keys, list(range(len(self.names))), bounds, once))
        if not once:
            self.names.append(variable)

    def is_new(self, number: int) -> bool:
        """Whether an atom is read as it is now."""
        return self._is_new(number)

    def _is_new(self, number: int) -> bool:
        return self.versions[number] if self.versions else True

    def match(self, number: int, atom: Atom, wanted: bool) -> None:
        """Keep what an atom matches, or what it does not."""
        before = self._before(atom) if wanted else -1
        self.stages.append(Match(atom, self._keys(atom), wanted, self._is_new(number), before))

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
        names = [*kept, *taken]
        take = [*taken.values(), *(column for _, column in equal)]
        pairs = tuple((names.index(name), len(names) + number) for number, (name, _) in enumerate(equal))
        self.stages.append(
            Probe(
                atom,
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
            take.append(len(atom.terms))
            self.names.append(f"{STAMP} {number}")

    def counts(self, atom: Atom, places: Mapping[str, int]) -> bool:
        """Whether how often an atom matches matters: where derivations are counted and it is not bound whole."""
        return self.rule.head in self.planner.counted and any(not _is_given(term, places) for term in atom.terms)

    def expect(self, rows: float) -> None:
        """Say of the last stage how many rows are expected to come of each that goes in."""
        last = self.stages[-1]
        if isinstance(last, Probe | Match):
            self.stages[-1] = replace(last, expected=rows)

    def finish(self) -> Template:
        """The template, its head over the variables that are bound now."""
        places, columns, constants = self.places, list[int](), list[Given]()
        for term in self.rule.terms:
            if isinstance(term, Variable):
                columns.append(places[term.name])
            else:
                columns.append(CONSTANT)
                constants.append(term)
        if self.telling:
            columns += [place for name, place in places.items() if name.startswith(STAMP)]
        return Template(self.rule, self.seed, tuple(self.stages), columns, tuple(constants))

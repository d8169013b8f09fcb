"""Runs: one engine's relations, its prepared pipelines, and the step under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from rhizomedb.budget import Meter
from rhizomedb.flow.batch import Batch
from rhizomedb.flow.body import Atom, Rule, Term
from rhizomedb.flow.dictionary import Dictionary
from rhizomedb.flow.pipeline import Pipeline, Template
from rhizomedb.flow.planner import STAMP, Planner
from rhizomedb.flow.relation import Change, Held
from rhizomedb.flow.seeds import Shape, keys_of, variables_of
from rhizomedb.flow.table import Table
from rhizomedb.logic.builtins import Aggregate

PIECE: Final = 1 << 16
"""How many new tuples of a recursion are joined at once."""

STALE: Final = 3
"""A pipeline is put in order anew when a table that it reads has grown or shrunk by this many powers of two."""

STAMPS_MAX: Final = 1 << 31
"""After so many stamps an engine is better begun anew: a stamp has 32 bits, and a step may need many."""


Templates: TypeAlias = dict[tuple[object, ...], Template]
"""The orders that were worked out, each by what it was asked for and the sizes that called for it.

A template holds the rule by whose identity it is found, so that one stays what it is.
"""


class Run:
    """What the strata of a flow share while it is kept up to date."""

    def __init__(
        self,
        held: Mapping[str, Held],
        dictionary: Dictionary,
        aggregates: Mapping[str, Aggregate],
        counted: frozenset[str],
        reorder: bool = True,
        templates: Templates | None = None,
        threads: int = 1,
    ) -> None:
        self._held = held
        self.dictionary = dictionary
        self.aggregates = aggregates
        self.is_first = True
        self.stamp = 0
        self.piece = PIECE
        self.threads = threads
        self.meter: Meter
        self.seconds: dict[str, float] = {}
        """How long the groupings and graphs took, by what they make."""
        self.planner = Planner({name: each.table for name, each in held.items()}, dictionary, counted, reorder)
        self._shapes: dict[int, Shape] = {}
        self._pipelines: dict[tuple[str, int, int | None, tuple[bool, ...], bool], Pipeline] = {}
        self._templates = {} if templates is None else templates

    def held(self, name: str) -> Held:
        """The relation of a name."""
        return self._held[name]

    def bindings(self, batch: Batch, terms: Sequence[Term | None], more: int = 0) -> Batch:
        """Tuples of a relation as bindings of the variables of an atom, without those that do not agree with it.

        `more` columns after those of the terms stay at the end.
        """
        shape = self._shapes.get(id(terms))
        if shape is None:
            shape = self._shapes[id(terms)] = Shape(terms, self.dictionary)
        return shape.of(batch, more)

    def ready(self, rule: Rule, versions: Callable[[int], tuple[bool, ...]]) -> None:
        """Have the look-ups made that changes of the inputs of a rule need, read in these versions for each."""
        atoms, negations = rule.body.atoms, rule.body.negations
        for number in range(len(atoms) + len(negations)):
            self.pipeline(rule, number, versions(number)).ready()
        for negation in negations:
            columns = [column for column, term in enumerate(negation.terms) if term is not None]
            if columns:
                self.held(negation.relation).table.keys(columns)

    def turned(self, negation: Atom) -> Change:
        """The bindings for which a negation came to hold in this step, and those for which it no longer does.

        It holds for a binding while no tuple agrees with that: what matters is whether the first came or the last went.
        """
        held = self.held(negation.relation)
        keys, table = keys_of(negation.terms, self.dictionary), held.table
        freed = self.bindings(held.change.minus, negation.terms).distinct()
        taken = self.bindings(held.change.plus, negation.terms).distinct()
        return Change(
            table.matching(freed, keys, False, new=True) if len(freed) else freed,
            table.matching(taken, keys, False, new=False) if len(taken) else taken,
        )

    def forget_constants(self) -> None:
        """Forget the ids of the constants of rules, with the pipelines that hold them; orders are kept."""
        self._shapes.clear()
        self._pipelines.clear()

    @property
    def is_worn(self) -> bool:
        """Whether stamps may come to an end."""
        return self.stamp > STAMPS_MAX

    def add(self, table: Table, batch: Batch) -> int:
        """Add what was derived from tuples that are there, each with a stamp greater than all before; how many were new.

        One stamp for all of a batch would do, but then no tuple of it could support another: a batch of a large
        closure holds most of what is reached in as many steps, and half as many tuples lost their support with an edge.
        """
        added = table.add(batch, self.stamp + 1)
        self.stamp += added
        return added

    def pipeline(self, rule: Rule, term: int | None, versions: tuple[bool, ...] = ()) -> Pipeline:
        """The pipeline for the change of one input of a rule (`None`: for the whole rule).

        `versions` says of each atom and negation whether it is read as it is now; by default all are.
        """
        return self._pipeline("change", rule, term, versions)

    def pipelines_of(self, rule: Rule) -> list[tuple[int | None, Pipeline]]:
        """The pipelines of a rule, each with the number of the input that it begins from."""
        own = [
            (term, made)
            for (use, known, term, *_), made in self._pipelines.items()
            if use == "change" and known == id(rule)
        ]
        return sorted(own, key=lambda pair: -1 if pair[0] is None else pair[0])

    def lost(self, rule: Rule, term: int, versions: tuple[bool, ...], own: frozenset[str]) -> Pipeline:
        """The pipeline to the heads of derivations that an atom had a part in, with the stamps of what else they used."""
        return self._pipeline("lost", rule, term, versions, own)

    def check(self, rule: Rule, stamped: frozenset[str]) -> Pipeline:
        """The pipeline that keeps of some tuples of a rule's head those that it derives."""
        return self._pipeline("check", rule, None, (), stamped)

    def _pipeline(
        self,
        use: str,
        rule: Rule,
        term: int | None,
        versions: tuple[bool, ...],
        stamps: frozenset[str] = frozenset(),
    ) -> Pipeline:
        atoms = (*rule.body.atoms, *rule.body.negations)
        question = (use, id(rule), term, versions, bool(stamps))
        sizes = tuple(len(self._held[atom.relation].table).bit_length() // STALE for atom in atoms)
        found = self._pipelines.get(question)
        if found is not None and found.sizes == sizes:
            return found
        exactly = (*question, sizes)
        template = self._templates.get(exactly)
        if template is None:
            self.meter.check()  # putting thousands of bodies in order takes its time too
            template = self._templates[exactly] = self._template(use, rule, term, versions, stamps)
        made = self._pipelines[question] = template.over(self.planner.tables, self.dictionary, self.threads)
        made.sizes = sizes
        return made

    def _template(
        self, use: str, rule: Rule, term: int | None, versions: tuple[bool, ...], stamps: frozenset[str]
    ) -> Template:
        if use == "check":
            names = variables_of(rule.terms)
            return self.planner.plan(rule, (*names, STAMP) if stamps else names, None, (), stamps)
        if term is None:
            return self.planner.plan(rule, (), None, versions)
        atom = (*rule.body.atoms, *rule.body.negations)[term]
        seed = variables_of(atom.terms)
        if use == "lost":
            return self.planner.plan(
                rule, (*seed, STAMP) if atom.relation in stamps else seed, term, versions, (), stamps
            )
        return self.planner.plan(rule, seed, term, versions)

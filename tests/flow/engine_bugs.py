"""Bugs to plant in the engine: what one easily writes, each wrong in one way.

`PLANTED` has for each bug a function that puts it in with pytest's `monkeypatch`, which takes it out again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rhizomedb.flow import build, counted, engine, factor, graph, group, pipeline, planner, recursive
from rhizomedb.flow.body import Variable
from rhizomedb.flow.ledger import Ledger
from rhizomedb.flow.relation import Batch, Change, Held
from rhizomedb.flow.run import Run

Plant = Callable[[pytest.MonkeyPatch], None]

PLANTED: dict[str, Plant] = {}


def planted(plant: Plant) -> Plant:
    PLANTED[plant.__name__.replace("_", " ")] = plant
    return plant


# -- recursion --------------------------------------------------------------------------------------------------------


@planted
def what_is_suspended_takes_nothing_along(patch: pytest.MonkeyPatch) -> None:
    """Support that is lost in this step is not looked for again."""
    right = recursive._Recursion._lost

    def lost(self: Any, rule: Any, number: int, seeds: Any, below: bool) -> Any:
        return [] if below else right(self, rule, number, seeds, below)

    patch.setattr(recursive._Recursion, "_lost", lost)


@planted
def support_is_anything_that_is_there(patch: pytest.MonkeyPatch) -> None:
    """Stamps are not looked at: two tuples that rest on each other stay."""
    right = Run.check
    patch.setattr(Run, "check", lambda self, rule, stamped: right(self, rule, frozenset()))


@planted
def support_may_be_as_young(patch: pytest.MonkeyPatch) -> None:
    """Stamps are compared with ≤: a tuple supports itself."""
    right = recursive._Recursion._rederived

    def rederived(self: Any, rule: Any, seeds: Any, stamped: bool) -> Any:
        if stamped:
            seeds = Batch.of_rows([(*row[:-1], row[-1] + 1) for row in seeds.rows()], seeds.width)
        return right(self, rule, seeds, stamped)

    patch.setattr(recursive._Recursion, "_rederived", rederived)


@planted
def nothing_is_restored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recursive._Recursion, "_restore", lambda self, suspended: None)


@planted
def what_is_restored_is_not_joined(patch: pytest.MonkeyPatch) -> None:
    """What follows from what came back does not."""

    def step(self: Any) -> None:
        if self.run.is_first:
            return right(self)
        suspended = self._suspend()
        self._restore(suspended)
        begin = {name: table.extent for name, table in self.tables.items()}
        self._begin_from_inputs()
        self._extend(begin)
        for name in self.tables:
            self.run.held(name).settle()
        return None

    right = recursive._Recursion.step
    patch.setattr(recursive._Recursion, "step", step)


@planted
def all_that_comes_has_one_stamp(patch: pytest.MonkeyPatch) -> None:
    """What a tuple was derived from may be as young as it is, and then never was its support."""

    def add(self: Any, table: Any, batch: Any) -> int:
        added = 0
        for row in batch.rows():
            added += table.add(Batch.of_rows([row], table.width), 1)
        return added

    patch.setattr(Run, "add", add)


@planted
def a_recursion_has_one_round(patch: pytest.MonkeyPatch) -> None:
    """Only what the step brought is joined, not what came of that."""

    def extend(self: Any, begin: dict[str, int]) -> None:
        end = {name: table.extent for name, table in self.tables.items()}
        for rule in self.stratum.rules:
            for number, atom in enumerate(rule.body.atoms):
                if atom.relation in self.own:
                    new = self.tables[atom.relation].read(True, begin[atom.relation], end[atom.relation])
                    self._add(rule, number, self.run.bindings(new, atom.terms))

    patch.setattr(recursive._Recursion, "_extend", extend)


# -- counting ---------------------------------------------------------------------------------------------------------


def _read_all(new: bool) -> Callable[[Any, int | None], tuple[bool, ...]]:
    def versions(rule: Any, term: int | None) -> tuple[bool, ...]:
        return () if term is None else (new,) * (len(rule.body.atoms) + len(rule.body.negations))

    return versions


@planted
def all_inputs_are_read_as_they_are(patch: pytest.MonkeyPatch) -> None:
    """What changes on both sides of a join at once is counted twice."""
    patch.setattr(counted, "term_versions", _read_all(True))


@planted
def all_inputs_are_read_as_they_were(patch: pytest.MonkeyPatch) -> None:
    """What changes on both sides of a join at once is forgotten."""
    patch.setattr(counted, "term_versions", _read_all(False))


@planted
def counts_only_grow(patch: pytest.MonkeyPatch) -> None:
    right = counted.terms

    def terms(rule: Any, run: Any) -> Any:
        for change, term in right(rule, run):
            yield replace(change, minus=change.minus.slice(0, 0)), term

    patch.setattr(counted, "terms", terms)


@planted
def derivations_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    """What no longer differs is joined once, also where derivations are counted."""
    patch.setattr(planner._Run, "counts", lambda self, atom, places: False)


@planted
def negation_turns_only_one_way(patch: pytest.MonkeyPatch) -> None:
    right = Run.turned

    def turned(self: Any, negation: Any) -> Change:
        change = right(self, negation)
        return Change(change.plus.slice(0, 0), change.minus)

    patch.setattr(Run, "turned", turned)


@planted
def negation_turns_with_every_tuple(patch: pytest.MonkeyPatch) -> None:
    """Not only with the first that comes and the last that goes."""

    def turned(self: Any, negation: Any) -> Change:
        change = self.held(negation.relation).change
        freed = self.bindings(change.minus, negation.terms).distinct()
        return Change(freed, self.bindings(change.plus, negation.terms).distinct())

    patch.setattr(Run, "turned", turned)


@planted
def a_change_has_what_came_and_went(patch: pytest.MonkeyPatch) -> None:
    """Settling without consolidation: a tuple that went and came back in one step is on both sides."""

    def settle(self: Any) -> None:
        came, gone = self.table.settle()
        first, last = self.table.mark, self.table.extent
        came = self.table.read(True, first, last)
        old = set(self.table.read(False).rows())
        again = [row for row in came.rows() if row in old]
        self.change = Change(came, Batch.concatenated([gone, Batch.of_rows(again, gone.width)], gone.width))

    patch.setattr(Held, "settle", settle)


# -- groups and graphs ------------------------------------------------------------------------------------------------


class _Blind:
    """A change of which only what came is seen."""

    def __init__(self, held: Any) -> None:
        self._held = held

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)

    @property
    def change(self) -> Change:
        change = self._held.change
        return Change(change.plus, change.minus.slice(0, 0))


@planted
def groups_do_not_look_at_what_went(patch: pytest.MonkeyPatch) -> None:
    right = group.derive

    def derive(grouping: Any, run: Any) -> None:
        blind = {grouping.source: _Blind(run.held(grouping.source))}

        class Seeing:
            def __getattr__(self, name: str) -> Any:
                return getattr(run, name)

            def held(self, name: str) -> Any:
                return blind.get(name) or run.held(name)

        right(grouping, Seeing())

    patch.setattr(group, "derive", derive)


@planted
def old_results_of_groups_stay(patch: pytest.MonkeyPatch) -> None:
    right = group._Step.follow

    def follow(self: Any) -> None:
        class Growing:
            def __getattr__(self, name: str) -> Any:
                return getattr(held.table, name)

            def remove(self, batch: Any) -> int:
                return 0

        held = self.target
        self.target = SimpleNamespace(table=Growing(), ledger=held.ledger)
        right(self)

    patch.setattr(group._Step, "follow", follow)


def _moving(moved: Callable[..., Any]) -> Plant:
    right = group._moved

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(group, "_moved", lambda *arguments: moved(right, *arguments))

    return plant


@planted
def an_extreme_that_goes_stays(patch: pytest.MonkeyPatch) -> None:
    def moved(right: Any, aggregate: Any, state: Any, part: Any, sign: int) -> Any:
        return state if sign < 0 and aggregate[0].selects else right(aggregate, state, part, sign)

    _moving(moved)(patch)


@planted
def totals_only_grow(patch: pytest.MonkeyPatch) -> None:
    def moved(right: Any, aggregate: Any, state: Any, part: Any, sign: int) -> Any:
        return state if sign < 0 and aggregate[0].linear else right(aggregate, state, part, sign)

    _moving(moved)(patch)


@planted
def what_is_known_of_a_group_outlives_it(patch: pytest.MonkeyPatch) -> None:
    right = Ledger.change
    patch.setattr(Ledger, "change", lambda self, new: right(self, {k: e for k, e in new.items() if e is not None}))


@planted
def closures_have_no_cycles(patch: pytest.MonkeyPatch) -> None:
    right = graph.Closure

    class Acyclic:
        def __init__(self, *arguments: Any) -> None:
            self._closure = right(*arguments)

        def next(self, limit: int) -> Any:
            piece = self._closure.next(limit)
            return None if piece is None else piece.where_equal(0, 1, False)

    patch.setattr(graph, "Closure", Acyclic)


# -- rules ------------------------------------------------------------------------------------------------------------


@planted
def factored_without_the_column_of_the_join(patch: pytest.MonkeyPatch) -> None:
    """The relation that is made says what the head needs, and not where it is joined."""
    right = factor._split

    def split(rule: Any, recursive_names: Any) -> Any:
        found = right(rule, recursive_names)
        if found is None:
            return None
        last = {term.name for term in found.last.terms if isinstance(term, Variable)}
        says = tuple(name for name in found.says if name not in last)
        return replace(found, says=says)

    patch.setattr(factor, "_split", split)


@planted
def a_variable_that_stands_twice_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    right = pipeline._pieces

    def pieces(step: Any, *rest: Any) -> Any:
        if isinstance(step.stage, pipeline.Probe):
            step.stage = replace(step.stage, equal=())
        return right(step, *rest)

    patch.setattr(pipeline, "_pieces", pieces)


@planted
def where_two_threads_meet_a_row_is_lost(patch: pytest.MonkeyPatch) -> None:
    right = pipeline.intersect

    def intersect(*arguments: Any) -> Any:
        made, then = right(*arguments)
        threads = arguments[-1]
        return (made.slice(0, len(made) - 1), then) if threads > 1 and len(made) > 1 else (made, then)

    patch.setattr(pipeline, "intersect", intersect)


@planted
def the_thread_that_is_done_first_comes_first(patch: pytest.MonkeyPatch) -> None:
    right = pipeline.intersect

    def intersect(*arguments: Any) -> Any:
        made, then = right(*arguments)
        middle = len(made) // 2 if arguments[-1] > 1 else 0
        return Batch.concatenated([made.slice(middle, len(made)), made.slice(0, middle)], made.width), then

    patch.setattr(pipeline, "intersect", intersect)


@planted
def what_a_plan_gives_itself_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine.Engine, "_given", lambda self: {})


@planted
def alternatives_are_one(patch: pytest.MonkeyPatch) -> None:
    """Of a union only the first part is derived."""
    right = build._Builder.parts
    patch.setattr(build._Builder, "parts", lambda self, node: right(self, node)[:1])

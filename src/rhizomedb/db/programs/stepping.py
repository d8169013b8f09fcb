"""Running a program step by step: what is carried from one timestep to the next, until nothing changes any more.

A step is one evaluation of the program by the plain evaluator, over what is stored, what was carried here, and the
events of this step alone. It is *at rest* if no event came and it carries on just what was carried here: then every step
after it would be the same (erratum E12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.algebra import Evaluation, Source, Table, lower
from rhizomedb.algebra import evaluate as evaluated
from rhizomedb.algebra.formula import Row
from rhizomedb.algebra.program import CID_COLUMN, Plan
from rhizomedb.budget import Meter
from rhizomedb.db.programs.compiled import Stored, checked_aggregates
from rhizomedb.facts.value import Value
from rhizomedb.logic import AGGREGATES, Aggregate, Program, checked, relevant, substitute
from rhizomedb.logic.schema import schema_of
from rhizomedb.logic.temporal import Timestep, timestep

Rows: TypeAlias = frozenset[Row]
State: TypeAlias = Mapping[str, Rows]
"""What is carried from one step to the next, of each relation with `@next` rules."""

NOTHING: Final[Mapping[str, Rows]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step that was made: everything that held in it, and what it carries on."""

    evaluation: Evaluation
    carried: State
    is_at_rest: bool

    def rows(self, relation: str) -> Rows:
        """What a relation held."""
        return frozenset(self.evaluation.relations[relation].rows)


@dataclass(frozen=True, slots=True)
class Stepping:
    """A program made ready to be run step by step; `columns` are those of every relation that it derives."""

    program: Program
    step: Timestep
    plan: Plan
    stored: Stored
    columns: Mapping[str, tuple[str, ...]]
    aggregates: Mapping[str, Aggregate]

    @property
    def nothing(self) -> State:
        """The state before anything happened."""
        return {relation: frozenset() for relation in self.step.before}

    def make(
        self, over: Callable[[Mapping[str, Table]], Source], state: State, events: Mapping[str, Rows], meter: Meter
    ) -> Stepped:
        """One step. `over` gives what is stored, together with some more relations."""
        meter.round()
        step = self.step
        extra = {name: Table(self.stored[name], state[relation]) for relation, name in step.before.items()}
        extra |= {name: Table(self.stored[name], events.get(name, ())) for name in step.events}
        found = evaluated(self.plan, over(extra), aggregates=self.aggregates, meter=meter)
        carried = {relation: frozenset(found.relations[name].rows) for relation, name in step.after.items()}
        return Stepped(found, carried, not any(events.values()) and carried == state)

    def settle(
        self, over: Callable[[Mapping[str, Table]], Source], state: State, events: Mapping[str, Rows], meter: Meter
    ) -> Iterator[Stepped]:
        """A step with events, and steps without, until one is at rest."""
        made = self.make(over, state, events, meter)
        yield made
        while not made.is_at_rest:
            made = self.make(over, made.carried, NOTHING, meter)
            yield made


def prepare_steps(
    program: Program,
    stored: Stored,
    values: Mapping[str, Value],
    aggregates: Mapping[str, Aggregate] | None = None,
    relation: str | None = None,
) -> Stepping:
    """Fill in parameters, check a program over stored relations with these columns, and make it ready to be run."""
    known = {**AGGREGATES, **checked_aggregates(aggregates)}
    plain = {name: tuple(column for column in columns if column != CID_COLUMN) for name, columns in stored.items()}
    whole = checked(substitute(program, values), plain, aggregates=known)
    if relation is not None:
        whole = relevant(whole, relation)
    schema = schema_of(whole, plain)
    step = timestep(whole, schema.attributes)
    brought = {name: schema.attributes[name] for name in step.events}
    brought |= {name: schema.attributes[relation] for relation, name in step.before.items()}
    plan = lower(step.program, {**stored, **brought}, known)
    heads = dict.fromkeys(rule.head.relation for rule in whole.rules)
    columns = {name: plan.derived[name] for name in heads if name in plan.derived}
    return Stepping(whole, step, plan, {**stored, **brought}, columns, known)

"""Compiled queries: what was parsed, checked, planned and built once is run again as it is.

The last programs that were given as text are remembered with their plans. Where only values differ (`$entity`), they come
in as tuples and the plan is the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from rhizomedb._record import dataclass
from rhizomedb.algebra import Plan, Source, lower
from rhizomedb.algebra.optimize import Applied, traced
from rhizomedb.algebra.plan import Planned, plan_query, plan_standing
from rhizomedb.algebra.program import CID_COLUMN
from rhizomedb.algebra.relation import Attributes
from rhizomedb.budget import Budget
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import KIND_NAMES, Cell, Value, exact, kind_of
from rhizomedb.flow.body import Flow, Input
from rhizomedb.flow.build import build
from rhizomedb.flow.dictionary import Dictionary
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.relation import Batch, Table
from rhizomedb.flow.stored import Kept, Reading, tables_of
from rhizomedb.flow.table import Table as Rows
from rhizomedb.logic import AGGREGATES, Aggregate, Program, checked, parse, relevant, substitute
from rhizomedb.logic.parameters import VALUE, relation_of, values_of, with_relations

if TYPE_CHECKING:
    from rhizomedb.algebra import Evaluation

REMEMBERED_MAX: Final = 256
"""How many plans are remembered."""

Stored = Mapping[str, tuple[str, ...]]
Tuples = Sequence[tuple[Cell, ...]]


class Planning(Protocol):
    """From a checked program and what is read of it to a plan, as `plan_standing` does."""

    def __call__(
        self,
        program: Program,
        relation: str,
        kept: Sequence[str],
        stored: Stored,
        /,
        *,
        aggregates: Mapping[str, Aggregate],
    ) -> Planned:
        """The plan."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A program checked and lowered for one set of stored relations."""

    program: Program
    plan: Plan
    aggregates: Mapping[str, Aggregate]
    stored: Stored

    def run(self, source: Source, budget: Budget) -> Evaluation:
        """The program evaluated plainly: what explanations are asked of."""
        from rhizomedb.algebra import evaluate  # only for who asks why

        return evaluate(self.plan, source, aggregates=self.aggregates, meter=budget.meter())


@dataclass(slots=True)
class Compiled:
    """A flow that answers a query, and the relations whose tuples come with each question, with their columns."""

    flow: Flow
    columns: Mapping[str, Attributes]
    aggregates: Mapping[str, Aggregate]
    applied: tuple[Applied, ...] = ()
    brought: Stored = field(default_factory=dict)
    tuples: Mapping[str, Tuples] = field(default_factory=dict)

    @property
    def answers(self) -> tuple[str, ...]:
        """The relations whose tuples are kept."""
        return tuple(name for name in self.columns if name in self.flow.widths)

    def bringing(self, tuples: Mapping[str, Tuples]) -> Compiled:
        """The same with these tuples."""
        return replace(self, tuples=tuples) if self.brought else self

    def with_values(self, values: Mapping[str, Value]) -> Compiled:
        """The same for other values of its parameters."""
        return self.bringing({relation_of(name): [(exact(value),)] for name, value in values.items()})

    def run(self, reading: Reading | Kept, budget: Budget) -> Engine:
        """The dataflow after its one step over what is read."""
        source = reading.reading if isinstance(reading, Kept) else reading
        tables = dict(tables_of(self.flow, reading, self.brought))
        for name, input in self.flow.inputs.items():
            if input.relation in self.brought:
                tables[name] = self._table(input, source.dictionary)
        engine = Engine(
            self.flow,
            source.dictionary,
            aggregates=self.aggregates,
            standing=False,
            inputs=tables,
            templates=reading.templates if isinstance(reading, Kept) else None,
        )
        engine.step({}, budget.meter())
        return engine

    def _table(self, input: Input, dictionary: Dictionary) -> Rows:
        """What is read of a relation that comes with the question."""
        columns = self.brought[input.relation]
        bound = [(columns.index(name), cell) for name, cell in input.bound]
        taken = [columns.index(name) for name in input.columns]
        table: Rows = Table(len(taken))
        rows = [
            tuple(dictionary.ids([row[place] for place in taken]))
            for row in self.tuples[input.relation]
            if all(row[place] == cell for place, cell in bound)
        ]
        table.add(Batch.of_rows(rows, len(taken)))
        return table


@dataclass(frozen=True, slots=True)
class Standing:
    """A flow that keeps some relations of a program up to date, and the rewrites that made it what it is."""

    flow: Flow
    relations: tuple[str, ...]
    aggregates: Mapping[str, Aggregate]
    applied: tuple[Applied, ...]


def standing(
    prepared: Prepared, relation: str, relations: Sequence[str], planning: Planning = plan_standing
) -> Standing:
    """The flow that keeps relations of a program up to date, of which one is its answer."""
    planned = planning(prepared.program, relation, relations, prepared.stored, aggregates=prepared.aggregates)
    flow = build(planned.plan, relations)
    return Standing(flow, tuple(relations), prepared.aggregates, planned.applied)


def prepare(
    program: Program,
    stored: Stored,
    values: Mapping[str, Value],
    aggregates: Mapping[str, Aggregate] | None = None,
    relation: str | None = None,
) -> Prepared:
    """Fill in parameters, check and lower a program over stored relations with these columns.

    `relation` keeps only the rules that it depends on.
    """
    known = {**AGGREGATES, **checked_aggregates(aggregates)}
    whole = checked(substitute(program, values), _plain(stored), aggregates=known)
    wanted = whole if relation is None else relevant(whole, relation)
    return Prepared(wanted, lower(wanted, stored, known), known, stored)


def checked_aggregates(aggregates: Mapping[str, Aggregate] | None) -> Mapping[str, Aggregate]:
    """The aggregates of a caller, unless they are something else."""
    if aggregates is None:
        return {}
    wrong: object = None if isinstance(aggregates, Mapping) else aggregates
    if wrong is None:
        wrong = next((each for each in aggregates.values() if not isinstance(each, Aggregate)), None)
    if wrong is not None:
        raise RequestError(
            "db.usage",
            f"aggregates are a mapping from names to what `user_aggregate` makes, not {type(wrong).__name__}",
            fix='aggregates={"dot": rhizomedb.user_aggregate("dot", dot, 2)}',
        )
    return aggregates


def compiled(
    program: str | Program,
    stored: Stored,
    parameters: Mapping[str, object],
    aggregates: Mapping[str, Aggregate] | None,
    relation: str | None,
    extend: Callable[[Program], Program] = lambda program: program,
) -> Compiled:
    """The flow of a program: for one relation, or for all that it derives (`None`).

    `extend` adds what every program may read.
    """
    values = values_of(parameters)
    kinds = {name: KIND_NAMES[kind_of(value)] for name, value in values.items()}
    if not isinstance(program, str) or aggregates:
        return _compile(extend(parsed(program)), stored, values, aggregates, relation)
    question = (program, relation, extend, tuple(sorted(kinds.items())), tuple(stored.items()))
    found = _REMEMBERED.get(question)
    if isinstance(found, Compiled):
        return found.with_values(values)
    exactly = (*question, tuple((name, exact(values[name])) for name in sorted(values)))
    if found is None:
        made = _for_all_values(extend(parsed(program)), stored, kinds, relation) if values else None
        if made is not None:
            _REMEMBERED.put(question, made)
            return made.with_values(values)
        _REMEMBERED.put(question, False)
    known = _REMEMBERED.get(exactly)
    if isinstance(known, Compiled):
        return known
    made = _compile(extend(parsed(program)), stored, values, None, relation)
    _REMEMBERED.put(exactly, made)
    return made


def answering(program: Program, stored: Stored, brought: Stored, relation: str | None = None) -> Compiled:
    """The flow of a program for one relation (`None`: for all) over stored ones and over tuples that come with a question."""
    return _built(prepare(program, {**stored, **brought}, {}, None, relation), relation, brought)


def parsed(program: str | Program) -> Program:
    """A program from its text, which is remembered, or as it is."""
    if isinstance(program, Program):
        return program
    found = _REMEMBERED.get(program)
    if not isinstance(found, Program):
        found = parse(program)
        _REMEMBERED.put(program, found)
    return found


def _compile(
    program: Program,
    stored: Stored,
    values: Mapping[str, Value],
    aggregates: Mapping[str, Aggregate] | None,
    relation: str | None,
) -> Compiled:
    prepared = prepare(program, stored, values, aggregates, relation)
    return _built(prepared, relation)


def _built(prepared: Prepared, relation: str | None, brought: Stored = MappingProxyType({})) -> Compiled:
    if relation is None:
        found = traced(prepared.plan, aggregates=prepared.aggregates)
        flow, applied = build(found.plan), found.applied
    else:
        planned = plan_query(prepared.program, relation, prepared.stored, aggregates=prepared.aggregates)
        flow, applied = build(planned.plan, [relation]), planned.applied
    return Compiled(flow, prepared.plan.derived, prepared.aggregates, applied, brought)


def _for_all_values(
    program: Program, stored: Stored, kinds: Mapping[str, str], relation: str | None
) -> Compiled | None:
    whole = with_relations(program, kinds, stored)
    if whole is None:
        return None
    brought = {relation_of(name): (VALUE,) for name in kinds}
    return _built(prepare(whole, {**stored, **brought}, {}, None, relation), relation, brought)


def _plain(stored: Stored) -> dict[str, tuple[str, ...]]:
    return {name: tuple(column for column in columns if column != CID_COLUMN) for name, columns in stored.items()}


class _Memory:
    """The last things that were made, by what they were made of."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[Any, Any] = OrderedDict()
        self._lock = Lock()

    def get(self, question: Any) -> Any:
        with self._lock:
            found = self._made.get(question)
            if found is not None:
                self._made.move_to_end(question)
            return found

    def put(self, question: Any, made: Any) -> None:
        with self._lock:
            self._made[question] = made
            if len(self._made) > self._most:
                self._made.popitem(last=False)


_REMEMBERED: Final = _Memory(REMEMBERED_MAX)

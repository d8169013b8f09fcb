"""Running programs: text or syntax in, results out, over a database or over plain relations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from rhizomedb.algebra import Derivation, Evaluation, Plan, Relations, Source, lower, show
from rhizomedb.algebra import evaluate as evaluate_plan
from rhizomedb.algebra.optimize import optimize
from rhizomedb.algebra.plan import plan_query
from rhizomedb.algebra.program import CID_COLUMN
from rhizomedb.budget import Budget
from rhizomedb.db.result import Result
from rhizomedb.errors import ProgramError, RequestError, nearest_names
from rhizomedb.facts.value import Cell, Value, check_value
from rhizomedb.flow.batch import Batch
from rhizomedb.flow.build import build
from rhizomedb.flow.dictionary import Dictionary
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.stored import CellReading, Reading, tables_of
from rhizomedb.logic import AGGREGATES, Aggregate, Program, checked, columns, parse, relevant, substitute


@dataclass(frozen=True, slots=True)
class Prepared:
    """A program checked and lowered for one set of stored relations."""

    program: Program
    plan: Plan
    """What the program says, as it was written: what explanations are asked of."""

    aggregates: Mapping[str, Aggregate]
    stored: Mapping[str, tuple[str, ...]]

    def run(self, source: Source, budget: Budget) -> Evaluation:
        """Evaluate over a source within a budget, plainly."""
        return evaluate_plan(self.plan, source, aggregates=self.aggregates, meter=budget.meter())

    def engine(self, reading: Reading, relation: str | None, budget: Budget) -> Engine:
        """The dataflow after its one step over what is read; of one relation, or of all that the program derives."""
        if relation is None:
            plan = optimize(self.plan, aggregates=self.aggregates)
        else:
            plan = plan_query(self.program, relation, self.stored, aggregates=self.aggregates).plan
        flow = build(plan, None if relation is None else [relation])
        tables = tables_of(flow, reading)
        engine = Engine(flow, reading.dictionary, aggregates=self.aggregates, standing=False, inputs=tables)
        engine.step({}, budget.meter())
        return engine

    def answers(self, reading: Reading, relation: str | None, budget: Budget) -> Answers:
        """The tuples of one derived relation, or of all, over what is read."""
        engine = self.engine(reading, relation, budget)
        names = self.plan.derived if relation is None else [relation]
        return {name: cells_of(engine.relation(name).table.read(), reading.dictionary) for name in names}


Answers: TypeAlias = dict[str, list[tuple[Cell, ...]]]
"""Tuples by relation."""


def cells_of(batch: Batch, dictionary: Dictionary) -> list[tuple[Cell, ...]]:
    """The tuples of a batch, as cells."""
    if not batch.width:
        return [()] * len(batch)
    columns = [dictionary.cells(batch.column_ids(number)) for number in range(batch.width)]
    return list(zip(*columns, strict=True))


def prepare(
    program: str | Program,
    stored: Mapping[str, tuple[str, ...]],
    parameters: Mapping[str, object] | None = None,
    aggregates: Mapping[str, Aggregate] | None = None,
    relation: str | None = None,
) -> Prepared:
    """Parse, fill in parameters, check and lower a program over stored relations with these columns.

    `relation` keeps only the rules that it depends on.
    """
    parsed = parsed_of(program)
    known = {**AGGREGATES, **(aggregates or {})}
    values = {name: check_value(value) for name, value in (parameters or {}).items()}
    seen = {name: tuple(column for column in columns if column != CID_COLUMN) for name, columns in stored.items()}
    whole = checked(substitute(parsed, values), seen, aggregates=known)
    wanted = whole if relation is None else relevant(whole, relation)
    return Prepared(wanted, lower(wanted, stored, known), known, stored)


def parsed_of(program: str | Program) -> Program:
    """A program from its text, or as it is."""
    if isinstance(program, Program):
        return program
    if not isinstance(program, str):
        raise RequestError(
            "db.relation",
            f"a program is text or a Program, not {type(program).__name__}",
            fix="p(x: X) :- fact(value: X).",
        )
    return parse(program)


def answer_relation(program: Program, relation: str | None) -> str:
    """The relation that a query answers with: the one asked for, else the head of the last rule."""
    heads = {rule.head.relation for rule in program.rules}
    if relation is None:
        answer = program.answer
        if answer is None:
            raise RequestError("db.relation", "the program has no rule", fix="answer(x: X) :- fact(value: X).")
        return answer
    if relation not in heads:
        raise RequestError(
            "db.relation",
            f"no rule of the program has {relation!r} as its head",
            nearest=nearest_names(relation, heads),
            fix=f"one of {', '.join(sorted(heads))}",
        )
    return relation


def query(
    source: Source,
    reading: Reading,
    stored: Mapping[str, tuple[str, ...]],
    program: str | Program,
    *,
    relation: str | None = None,
    parameters: Mapping[str, object] | None = None,
    aggregates: Mapping[str, Aggregate] | None = None,
    budget: Budget,
) -> Result:
    """The tuples of one derived relation of a program over a source."""
    parsed = parsed_of(program)
    answer = answer_relation(parsed, relation)
    prepared = prepare(parsed, stored, parameters, aggregates, answer)
    found = prepared.answers(reading, answer, budget)
    return _result(answer, found[answer], prepared, source, budget)


def explain(
    source: Source,
    stored: Mapping[str, tuple[str, ...]],
    program: str | Program,
    *,
    relation: str | None = None,
    parameters: Mapping[str, object] | None = None,
    aggregates: Mapping[str, Aggregate] | None = None,
    budget: Budget,
) -> str:
    """The plan of a query with estimated and real tuple counts."""
    parsed = parsed_of(program)
    prepared = prepare(parsed, stored, parameters, aggregates, answer_relation(parsed, relation))
    return show(prepared.plan, source, prepared.run(source, budget))


def evaluate(
    program: str | Program,
    relations: Mapping[str, Iterable[Sequence[Any]]] | None = None,
    *,
    aggregates: Mapping[str, Aggregate] | None = None,
    budget: Budget | None = None,
    **parameters: object,
) -> dict[str, Result]:
    """Every derived relation of a program over plain relations, without a database.

    `relations` maps a name to tuples whose columns are in the order in which the relation is declared or first used, or
    to mappings by column name.

    >>> evaluate("path(a: X, b: Y) :- edge(a: X, b: Y). path(a: X, b: Z) :- edge(a: X, b: Y), path(a: Y, b: Z).",
    ...          {"edge": [(1, 2), (2, 3)]})["path"].to_dicts()
    [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    parsed = parsed_of(program)
    budget = budget or Budget()
    rows_of = {name: list(rows) for name, rows in (relations or {}).items()}
    order = columns(parsed, {name: _width(name, rows) for name, rows in rows_of.items()})
    given = {name: [_cells(name, row, order[name]) for row in rows] for name, rows in rows_of.items()}
    source = Relations({name: (order[name], rows) for name, rows in given.items()})
    prepared = prepare(parsed, source.stored, parameters, aggregates)
    found = prepared.answers(CellReading(source), None, budget)
    return {name: _result(name, rows, prepared, source, budget) for name, rows in found.items()}


def _width(relation: str, rows: Sequence[object]) -> int | None:
    """How many values the rows of a relation have; rows that are mappings are read by name, so it does not matter."""
    first = rows[0] if rows else None
    if first is None or isinstance(first, Mapping):
        return None
    if isinstance(first, str | bytes) or not isinstance(first, Sequence):
        raise ProgramError(
            "logic.columns",
            f"a row of {relation} is a {type(first).__name__}, not a tuple or a mapping",
            fix=f'{{"{relation}": [(1, 2), (2, 3)]}}',
        )
    return len(first)


def _cells(relation: str, row: Any, names: tuple[str, ...]) -> tuple[Value, ...]:
    if isinstance(row, Mapping):
        missing = [name for name in names if name not in row]
        if missing:
            raise ProgramError(
                "logic.columns",
                f"a row of {relation} has no {missing[0]!r}",
                nearest=nearest_names(missing[0], map(str, row)),
                fix=f"its columns are {', '.join(names)}",
            )
        return tuple(check_value(row[name]) for name in names)
    _width(relation, [row])
    return tuple(map(check_value, row))


def _result(
    relation: str, rows: list[tuple[Cell, ...]], prepared: Prepared, source: Source, budget: Budget
) -> Result:
    @cache
    def evaluation() -> Evaluation:
        return prepared.run(source, budget)

    def derive(row: tuple[Cell, ...]) -> Derivation:
        return evaluation().explain(relation, row, meter=budget.meter())

    return Result(relation, prepared.plan.derived[relation], rows, derive)

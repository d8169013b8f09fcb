"""Running programs: text or syntax in, results out, over a database or over plain relations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rhizomedb.algebra import Relations, Source
from rhizomedb.budget import Budget, budget_of
from rhizomedb.db.programs.compiled import Compiled, Prepared, compiled, parsed
from rhizomedb.db.programs.compiled import prepare as prepare_program
from rhizomedb.db.programs.composing import Part, completer, composed
from rhizomedb.db.programs.result import Result
from rhizomedb.errors import ProgramError, RequestError, nearest_names
from rhizomedb.facts.value import Cell, Value, check_value
from rhizomedb.flow.cells import cells_of
from rhizomedb.flow.show import show
from rhizomedb.flow.stored import CellReading, Kept
from rhizomedb.logic import Aggregate, Program, columns
from rhizomedb.logic.parameters import values_of
from rhizomedb.logic.temporal import is_temporal

if TYPE_CHECKING:
    from rhizomedb.algebra import Derivation, Evaluation


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
    values = values_of(parameters or {})
    return prepare_program(parsed_of(program), stored, values, aggregates, relation)


def parsed_of(program: str | Program) -> Program:
    """A program from its text, or as it is."""
    if not isinstance(program, str | Program):
        raise RequestError(
            "db.relation",
            f"a program is text or a Program, not {type(program).__name__}",
            fix="p(x: X) :- fact(value: X).",
        )
    return parsed(program)


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
    reading: Kept,
    stored: Mapping[str, tuple[str, ...]],
    program: str | Program,
    *,
    relation: str | None = None,
    parameters: Mapping[str, object] | None = None,
    aggregates: Mapping[str, Aggregate] | None = None,
    budget: Budget,
    compose: Callable[[Program], Program],
) -> Result:
    """The tuples of one derived relation of a program over a source; `compose` adds what it imports and uses."""
    whole = compose(parsed_of(program))
    extend = completer(compose)
    answer = answer_relation(whole, relation)
    ready = compiled(program, stored, parameters or {}, aggregates, answer, extend)
    table = ready.run(reading, budget).relation(answer).table

    @cache
    def evaluation() -> Evaluation:
        return prepare(extend(whole), stored, parameters, aggregates, answer).run(source, budget)

    return _result(answer, ready, cells_of(table.read(), reading.reading.dictionary), evaluation, budget)


def refuse_steps(program: Program) -> None:
    """Refuse a program that is run step by step where one plan is to be shown."""
    if is_temporal(program):
        rule = next((rule for rule in program.rules if rule.inductive), program.rules[0])
        raise ProgramError(
            "logic.next-unsupported",
            "a program with @next rules or events runs step by step, and no one plan is that of all its steps",
            where=rule.span,
            fix="query it without explain",
            source=program.source,
        )


def explain(
    reading: Kept,
    stored: Mapping[str, tuple[str, ...]],
    program: str | Program,
    *,
    relation: str | None = None,
    parameters: Mapping[str, object] | None = None,
    aggregates: Mapping[str, Aggregate] | None = None,
    budget: Budget,
    compose: Callable[[Program], Program],
) -> str:
    """The plan of a query as it ran: the rewrites that changed something, and each stage with tuples and time."""
    whole = compose(parsed_of(program))
    extend = completer(compose)
    answer = answer_relation(whole, relation)
    ready = compiled(program, stored, parameters or {}, aggregates, answer, extend)
    engine = ready.run(reading, budget)
    applied = [f"rewritten by {each}" for each in ready.applied]
    return "\n".join([*applied, *([""] if applied else []), show(engine)])


def evaluate(
    program: str | Program,
    relations: Mapping[str, Iterable[Sequence[Any]]] | None = None,
    *,
    using: Iterable[Part] = (),
    aggregates: Mapping[str, Aggregate] | None = None,
    budget: Budget | None = None,
    **parameters: object,
) -> dict[str, Result]:
    """Every derived relation of a program over plain relations, without a database.

    `relations` maps a name to tuples whose columns are in the order in which the relation is declared or first used, or
    to mappings by column name. `using` are data types and programs whose rules are added.

    >>> evaluate("path(a: X, b: Y) :- edge(a: X, b: Y). path(a: X, b: Z) :- edge(a: X, b: Y), path(a: Y, b: Z).",
    ...          {"edge": [(1, 2), (2, 3)]})["path"].to_dicts()
    [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    whole = composed(parsed_of(program), using)
    budget = budget_of(budget)
    source = Relations(rows_of(whole, relations or {}))
    reading = CellReading(source)
    ready = compiled(whole, source.stored, parameters, aggregates, None)
    engine = ready.run(reading, budget)

    @cache
    def evaluation() -> Evaluation:
        return prepare(whole, source.stored, parameters, aggregates).run(source, budget)

    return {
        name: _result(name, ready, cells_of(engine.relation(name).table.read(), reading.dictionary), evaluation, budget)
        for name in ready.columns
    }


def rows_of(
    program: Program, relations: Mapping[str, Iterable[Sequence[Any]]]
) -> dict[str, tuple[tuple[str, ...], list[tuple[Value, ...]]]]:
    """The columns of relations that are given as plain rows, in the order that a program says, and their rows."""
    if not isinstance(relations, Mapping):
        raise RequestError(
            "db.usage", f"{relations!r:.60} is no mapping of relations to tuples", fix='{"edge": [(1, 2), (2, 3)]}'
        )
    rows = {name: list(some) for name, some in relations.items()}
    order = columns(program, {name: _width(name, some) for name, some in rows.items()})
    return {name: (order[name], [cells_by_name(name, row, order[name]) for row in some]) for name, some in rows.items()}


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


def cells_by_name(relation: str, row: Any, names: tuple[str, ...]) -> tuple[Value, ...]:
    """The values of a row that is given as a tuple in the order of some names, or as a mapping."""
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
    if _width(relation, [row]) != len(names):
        raise ProgramError(
            "logic.columns",
            f"a row of {relation} has {len(row)} values",
            fix=f"its columns are {', '.join(names) or 'none'}",
        )
    return tuple(map(check_value, row))


def _result(
    relation: str,
    ready: Compiled,
    rows: list[tuple[Cell, ...]],
    evaluation: Callable[[], Evaluation],
    budget: Budget,
) -> Result:
    def derive(row: tuple[Cell, ...]) -> Derivation:
        return evaluation().explain(relation, row, meter=budget.meter())

    return Result(relation, ready.columns[relation], rows, derive)

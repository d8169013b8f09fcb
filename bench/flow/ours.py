"""Everything of `flow` that touches our engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import rhizomedb
from bench.flow import checksum
from bench.flow.programs import PROGRAMS
from rhizomedb.budget import UNLIMITED
from rhizomedb.db.programs import query as queries
from rhizomedb.db.programs.compiled import compiled  # imported now, so that no first question has to
from rhizomedb.flow.engine import Engine
from rhizomedb.flow.relation import Batch, Change, Table
from rhizomedb.flow.stored import TableReading

if TYPE_CHECKING:
    from bench.flow.graphs import Relations

Row = tuple[int, ...]


def missing() -> str | None:
    """We are here."""
    return None


class Loaded:
    """Relations in memory, and what was derived from them last."""

    def __init__(self, relations: Relations) -> None:
        self._declared = _declarations(relations)
        self._columns = {name: tuple(columns) for name, (columns, _) in relations.items()}
        tables = {name: _table(columns) for name, (_, columns) in relations.items()}
        self._reading = TableReading(tables, self._columns)
        self._engine: Engine | None = None

    def run(self, program: str, answers: Sequence[str], **parameters: int) -> list[int]:
        """Derive everything that a program says; how many tuples each answer has."""
        text = self._declared + PROGRAMS[program]
        only = answers[0] if len(answers) == 1 else None
        self._engine = compiled(text, self._columns, parameters, None, only).run(self._reading, UNLIMITED)
        return [len(self._engine.relation(answer).table) for answer in answers]

    def rows(self, answer: str) -> list[Row]:
        """The tuples of an answer."""
        assert self._engine is not None, "something was run"
        return queries.cells_of(self._engine.relation(answer).table.read(), self._engine.dictionary)

    def checksums(self, answers: Sequence[str]) -> list[int]:
        """The checksum of each answer."""
        return [checksum.of_rows(self.rows(answer)) for answer in answers]


class View:
    """A program kept up to date: each change is passed on to what was derived before the call returns."""

    def __init__(self, relations: Relations, program: str) -> None:
        self._columns = {name: tuple(columns) for name, (columns, _) in relations.items()}
        text = _declarations(relations) + PROGRAMS[program]
        self._engine = Engine(queries.prepare(text, self._columns).plan)
        self._step({name: (_batch(columns), _nothing(len(names))) for name, (names, columns) in relations.items()})

    def insert(self, relation: str, rows: Iterable[Row]) -> None:
        """Add tuples."""
        width = len(self._columns[relation])
        self._step({relation: (Batch.of_rows(list(rows), width), _nothing(width))})

    def delete(self, relation: str, rows: Iterable[Row]) -> None:
        """Take tuples away."""
        width = len(self._columns[relation])
        self._step({relation: (_nothing(width), Batch.of_rows(list(rows), width))})

    def answer(self, answer: str) -> tuple[int, int]:
        """How many tuples an answer has, and their checksum."""
        rows = queries.cells_of(self._engine.relation(answer).table.read(), self._engine.dictionary)
        return len(rows), checksum.of_rows(rows)

    def _step(self, changes: Mapping[str, tuple[Any, Any]]) -> None:
        read: dict[str, Change] = {}
        for relation, (plus, minus) in changes.items():
            came = dict(self._engine.read_of(relation, self._columns[relation], plus))
            went = dict(self._engine.read_of(relation, self._columns[relation], minus))
            read |= {name: Change(came[name], went[name]) for name in came}
        self._engine.step(read, UNLIMITED.meter())


def _batch(columns: Sequence[Any]) -> Any:
    return Batch.of([column.astype("uint32") for column in columns])


def _nothing(width: int) -> Any:
    return Batch.of_rows([], width)


def _table(columns: Sequence[Any]) -> Any:
    table = Table(len(columns))
    table.add(_batch(columns))
    return table


def load(relations: Relations) -> Loaded:
    """Take relations in."""
    return Loaded(relations)


def view(relations: Relations, program: str) -> View:
    """Take relations in and derive what a program says, to be kept up to date."""
    return View(relations, program)


def _declarations(relations: Relations) -> str:
    """The relations as a program declares them: this fixes the order of their columns."""
    return "".join(
        f"relation {name}({', '.join(f'{column}: int' for column in names)}).\n"
        for name, (names, _) in relations.items()
    )


def open_file(path: str) -> rhizomedb.Connection:
    """A database file."""
    return rhizomedb.open(path)


def ask(db: rhizomedb.Connection, program: str, film: str) -> list[Any]:
    """The tuples of a program that is asked about one film."""
    return list(db.query(program, {"entity": rhizomedb.entity(id=film)}, budget=UNLIMITED))

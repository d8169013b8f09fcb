"""Everything of `flow` that touches our engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import rhizomedb
from bench.flow import checksum
from bench.flow.programs import PROGRAMS
from rhizomedb import evaluate  # imported now, so that no first evaluation has to
from rhizomedb.budget import UNLIMITED

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
        self._relations = {name: _rows(columns) for name, (_, columns) in relations.items()}
        self._derived: dict[str, Any] = {}

    def run(self, program: str, answers: Sequence[str], **parameters: int) -> list[int]:
        """Derive everything that a program says; how many tuples each answer has."""
        self._derived = evaluate(self._declared + PROGRAMS[program], self._relations, budget=UNLIMITED, **parameters)
        return [len(self._derived[answer]) for answer in answers]

    def rows(self, answer: str) -> list[Row]:
        """The tuples of an answer."""
        return list(self._derived[answer])

    def checksums(self, answers: Sequence[str]) -> list[int]:
        """The checksum of each answer."""
        return [checksum.of_rows(self.rows(answer)) for answer in answers]


class View:
    """A program kept up to date: each change is passed on to what was derived before the call returns."""

    def __init__(self, relations: Relations, program: str) -> None:
        self._program = _declarations(relations) + PROGRAMS[program]
        self._relations = {name: dict.fromkeys(_rows(columns)) for name, (_, columns) in relations.items()}
        self._derive()

    def insert(self, relation: str, rows: Iterable[Row]) -> None:
        """Add tuples."""
        self._relations[relation].update(dict.fromkeys(rows))
        self._derive()

    def delete(self, relation: str, rows: Iterable[Row]) -> None:
        """Take tuples away."""
        for row in rows:
            del self._relations[relation][row]
        self._derive()

    def answer(self, answer: str) -> tuple[int, int]:
        """How many tuples an answer has, and their checksum."""
        rows = list(self._derived[answer])
        return len(rows), checksum.of_rows(rows)

    def _derive(self) -> None:
        self._derived = evaluate(self._program, self._relations, budget=UNLIMITED)


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


def _rows(columns: Iterable[Any]) -> list[Row]:
    return list(zip(*(column.tolist() for column in columns), strict=True))


def open_file(path: str) -> rhizomedb.Connection:
    """A database file."""
    return rhizomedb.open(path)


def ask(db: rhizomedb.Connection, program: str, film: str) -> list[Any]:
    """The tuples of a program that is asked about one film."""
    return list(db.query(program, {"entity": rhizomedb.entity(id=film)}, budget=UNLIMITED))

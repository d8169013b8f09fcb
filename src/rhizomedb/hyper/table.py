"""Tables in a hypergraph: the rules by which rows of hyperedges, or of facts, are relations of a program.

A row is a hyperedge that shows up under `rows` of its table, and each column a role in it:

    db.relate(("table", (b"film", "rows")), title="Ran", year=1985)

so it has an author and a time, and to take it out of the table is to negate it. Or a row is a thing, and each column an
attribute of it, as imports of CSV files make them. A row that lacks a column is not in the table, for there is no null; one of
which two values stand is there twice, since nobody has decided which is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from rhizomedb.errors import RequestError
from rhizomedb.facts.reserved import is_name
from rhizomedb.hyper.hyperview import ASKED, program_of
from rhizomedb.hyper.json_delta import entity_of
from rhizomedb.hyper.schema import HyperSchema, Schemas
from rhizomedb.logic.parse import parse
from rhizomedb.logic.syntax import show_name, show_value

ROWS: Final = "rows"
"""The context under which the rows of a table show up there."""

TABLE: Final = HyperSchema("table", "Table", selects=frozenset([ROWS]))
"""The schema of a table: what it shows are its rows."""

STORED: Final = frozenset(("fact", "cause", "delta", "asserts", "arrival", "stands"))
"""The relations of every database, which are no tables."""

Columns: TypeAlias = "Mapping[str, Iterable[str]]"
"""Tables by name, each with its columns."""


def of_hyperedges(tables: Columns) -> str:
    """The rules of tables whose rows are hyperedges at things of the tables' names: over what the schema `TABLE` shows of them."""
    checked = _checked(tables)
    said = program_of(Schemas([TABLE]), TABLE.id)
    for table in checked:
        if any(rule.head.relation == table for rule in parse(said).rules):
            raise RequestError(
                "hyper.table",
                f"{table!r:.60} is a relation by which hyperedges are read",
                fix="call the table otherwise",
            )
    asked = "".join(f"{ASKED}(object: {show_value(entity_of(table))}).\n" for table in checked)
    rules = [said.replace(f"relation {ASKED}(object: bytes).\n", asked, 1)]
    for table, columns in checked.items():
        body = [f"shown(object: {show_value(entity_of(table))}, property: {show_value(ROWS)}, edge: E, delta: D)"]
        body += [
            f"F{place} := fact(entity: E, attribute: {show_value(column)}, value: V{place}), asserts(delta: D, fact: F{place})"
            for place, column in enumerate(columns)
        ]
        rules.append(_rule(table, columns, body))
    return "".join(rules)


def of_facts(tables: Columns) -> str:
    """The rules of tables whose rows are things of which all columns stand."""
    return "".join(
        _rule(
            table,
            columns,
            [
                f"stands(entity: E, attribute: {show_value(column)}, value: V{place})"
                for place, column in enumerate(columns)
            ],
        )
        for table, columns in _checked(tables).items()
    )


def _rule(table: str, columns: Iterable[str], body: Iterable[str]) -> str:
    head = ", ".join(f"{show_name(column)}: V{place}" for place, column in enumerate(columns))
    joined = ",\n    ".join(body)
    return f"{show_name(table)}({head}) :-\n    {joined}.\n"


def _checked(tables: Any) -> dict[str, tuple[str, ...]]:
    fix = 'of_hyperedges({"film": ["title", "year"]})'
    if not isinstance(tables, Mapping) or not tables:
        raise RequestError("hyper.table", f"{tables!r:.60} are no tables by name", fix=fix)
    found: dict[str, tuple[str, ...]] = {}
    for table, columns in tables.items():
        if isinstance(columns, str | bytes) or not isinstance(columns, Iterable):
            raise RequestError("hyper.table", f"the columns of {table!r:.60} are a list, not {columns!r:.60}", fix=fix)
        found[table] = tuple(columns)
        if table in STORED:
            raise RequestError("hyper.table", f"{table!r:.60} is a relation of the database", fix="call it otherwise")
        for name in (table, *found[table]):
            if not is_name(name) or "`" in name or "\n" in name:
                raise RequestError("hyper.table", f"{name!r:.60} is no name of a table or column", fix=fix)
        if not found[table] or len(set(found[table])) < len(found[table]):
            raise RequestError("hyper.table", f"{table!r:.60} has a column twice, or none", fix=fix)
    return found

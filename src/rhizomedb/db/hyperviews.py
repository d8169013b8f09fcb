"""HyperViews of a database: its schemas at a moment, and what they show of things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias

from rhizomedb.db import view
from rhizomedb.db.compiled import Compiled, answering
from rhizomedb.db.edge_source import edge_source
from rhizomedb.db.hyperedges import RANK, Asked, Thing, check_list
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import ASKED, SHOWN, HyperView, program_of, put_together
from rhizomedb.hyper.schema import HyperSchema, Schemas
from rhizomedb.hyper.schema_edges import SCHEMA, SchemasSaid, schemas_of
from rhizomedb.logic import parse
from rhizomedb.store.store import COLUMNS

Wanted: TypeAlias = HyperSchema | str | type[Any]
"""A schema: itself, its id or name as this database has it, or a dataclass or pydantic model that gives it."""

_ASKED: Final = {ASKED: ("object",)}

PROGRAMS_MAX: Final = 64
"""How many compiled schemas are remembered."""


@lru_cache(maxsize=PROGRAMS_MAX)
def _compiled(program: str) -> Compiled:
    return answering(parse(program), COLUMNS, _ASKED, SHOWN)


class Viewed(Asked, Protocol):
    """The reader that is asked."""

    def schemas(self) -> Schemas:
        """The schemas that are said."""
        ...


def said_of_schemas(reader: Asked) -> SchemasSaid:
    """What is said of schemas at a moment."""
    source = edge_source(reader._store, reader.cut)
    away = reader.negated_edges()
    edges = sorted((edge for edge in source.read(source.with_roles([SCHEMA])) if edge.edge not in away), key=RANK)
    return schemas_of(edges)


def views(
    reader: Viewed,
    things: Iterable[Thing],
    schema: Wanted,
    schemas: Iterable[HyperSchema],
    trusted: Iterable[str] | None,
) -> list[HyperView]:
    """The views of several things, evaluated together; see `Hypergraph.hyperview`."""
    known, id = schemas_for(reader, schema, schemas)
    entities = [reader.thing(thing) for thing in check_list(things)]
    return views_of(reader, known, id, entities, reader.negated_edges(trusted))


def views_of(
    reader: Asked, known: Schemas, id: str, entities: Sequence[Entity], away: frozenset[Entity]
) -> list[HyperView]:
    """The views of some things by one of the schemas that are known, without what is away."""
    source = edge_source(reader._store, reader.cut)
    shown = _shown(reader, known, id, entities)
    names = source.named([row[4] for row in shown])
    rows = [(row[0], row[1], row[2], name) for row, name in zip(shown, names, strict=True)]
    return put_together(known, id, entities, rows, source.read, away)


def schemas_for(reader: Viewed, schema: Wanted, more: Iterable[HyperSchema]) -> tuple[Schemas, str]:
    """All schemas that a view by one may need, and its id."""
    if isinstance(schema, type):
        from rhizomedb.hyper.typed import typed  # most programs have no such classes

        of = typed(schema)
        return Schemas([*of.schemas.values(), *more]), of.schema.id
    given = [*more, *([schema] if isinstance(schema, HyperSchema) else [])]
    if isinstance(schema, HyperSchema) and not schema.nests:
        return Schemas(given), schema.id
    said = reader.schemas()
    known = Schemas([*said.values(), *given]) if given else said
    return known, schema.id if isinstance(schema, HyperSchema) else find_schema(known, schema)


def find_schema(schemas: Schemas, name: str) -> str:
    """The id of the schema that an id or name means."""
    if name in schemas:
        return name
    named = [id for id, each in schemas.items() if each.name == name]
    if len(named) > 1:
        raise RequestError(
            "hyper.schema",
            f"{len(named)} schemas are called {name!r:.60}: {', '.join(sorted(named)[:5])}",
            fix="use the id",
        )
    if not named:
        raise schemas.unknown(name)
    return named[0]


def _shown(reader: Asked, schemas: Schemas, id: str, entities: Sequence[Entity]) -> list[Any]:
    """The tuples of what shows up, whatever was taken back: schema, thing, property, edge, delta."""
    program = _compiled(program_of(schemas, id, negation=False))
    asked = {ASKED: [(entity,) for entity in dict.fromkeys(entities)]}
    return list(view.run(program, reader._store, reader.cut, asked, view.VIEW_BUDGET)[SHOWN])

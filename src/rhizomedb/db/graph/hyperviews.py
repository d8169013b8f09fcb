"""HyperViews of a database: its schemas at a moment, and what they show of things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from rhizomedb.db.graph.edge_source import edge_source
from rhizomedb.db.graph.hyperedges import RANK, Asked, Thing, check_list, set_of
from rhizomedb.db.graph.negations import negated_among
from rhizomedb.errors import RequestError, nearest_names
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import HyperView, program_of
from rhizomedb.hyper.pointer import Hyperedge
from rhizomedb.hyper.schema import HyperSchema, Schemas
from rhizomedb.hyper.schema_edges import SCHEMA, SchemasSaid, schemas_of
from rhizomedb.hyper.walking import walk

Wanted: TypeAlias = HyperSchema | str | type[Any]
"""A schema: itself, its id or name as this database has it, or a dataclass or pydantic model that gives it."""


SCHEMAS_REMEMBERED: Final = 16
"""Of how many moments, of whatever databases, the schemas are remembered."""

if TYPE_CHECKING:
    from rhizomedb.db.programs.stored_programs import Policy


class Viewed(Asked, Protocol):
    """The reader that is asked."""

    def schemas(self) -> Schemas:
        """The schemas that are said."""
        ...


@lru_cache(maxsize=SCHEMAS_REMEMBERED)
def _latest(said: tuple[Hyperedge, ...]) -> SchemasSaid:
    return schemas_of(said)  # the same statements always say the same


def said_of_schemas(reader: Asked, policy: Policy = "latest", trusted: Iterable[str] | None = None) -> SchemasSaid:
    """What is said of schemas at a moment; see `Hypergraph.schemas_said`."""
    cut = reader.cut
    source = edge_source(reader._store, cut)
    edges = source.read(source.with_roles([SCHEMA]))
    believed = set_of(trusted, reader.author_key)
    away = negated_among(reader._store, cut, believed, {edge.edge for edge in edges})
    said = tuple(sorted((edge for edge in edges if edge.edge not in away), key=RANK))
    if policy == "latest":
        return _latest(said)
    from rhizomedb.db.programs.stored_programs import chooser  # most programs never choose otherwise

    return schemas_of(said, chooser(reader, policy))


def views(
    reader: Viewed,
    things: Iterable[Thing],
    schema: Wanted,
    schemas: Iterable[HyperSchema],
    trusted: Iterable[str] | None,
    negated: str = "exclude",
) -> list[HyperView]:
    """The views of several things, evaluated together; see `Hypergraph.hyperview`."""
    if negated not in ("exclude", "mark"):
        raise RequestError(
            "db.usage",
            f"a view has no negated={negated!r:.60}",
            nearest=nearest_names(str(negated), ("exclude", "mark")),
            fix="'exclude' or 'mark'; db.hyperedges(negated='only') lists what is taken back",
        )
    known, id = schemas_for(reader, schema, schemas)
    entities = [reader.thing(thing) for thing in check_list(things)]
    return views_of(reader, known, id, entities, set_of(trusted, reader.author_key), mark=negated == "mark")


def views_of(
    reader: Asked,
    known: Schemas,
    id: str,
    entities: Sequence[Entity],
    trusted: frozenset[bytes] | None,
    *,
    mark: bool = False,
) -> list[HyperView]:
    """The views of some things by one of the schemas that are known; what is taken back is left out, or marked."""
    cut = reader.cut
    source = edge_source(reader._store, cut)
    away = partial(negated_among, reader._store, cut, trusted)
    return walk(known, id, entities, source.under, source.read, away, mark=mark)


def program(
    reader: Viewed,
    schema: Wanted,
    things: Iterable[Thing] | None,
    schemas: Iterable[HyperSchema],
    trusted: Iterable[str] | None,
) -> str:
    """The program of a schema's views; see `Hypergraph.hyperview_program`."""
    known, id = schemas_for(reader, schema, schemas)
    entities = None if things is None else [reader.thing(thing) for thing in check_list(things)]
    if entities == []:
        raise RequestError("db.usage", "no thing is named that the program is to be about", fix='["movie_matrix"]')
    return program_of(known, id, entities, set_of(trusted, reader.author_key))


def schemas_for(reader: Viewed, schema: Wanted, more: Iterable[HyperSchema]) -> tuple[Schemas, str]:
    """All schemas that a view by one may need, and its id."""
    if isinstance(schema, type):
        from rhizomedb.hyper.typed import typed  # most programs have no such classes

        of = typed(schema)
        return Schemas([*of.schemas.values(), *check_list(more)]), of.schema.id
    given = [*check_list(more), *([schema] if isinstance(schema, HyperSchema) else [])]
    if isinstance(schema, HyperSchema) and not schema.nests:
        return Schemas(given), schema.id
    said = reader.schemas()
    known = Schemas([*said.values(), *given], said.refused) if given else said
    return known, schema.id if isinstance(schema, HyperSchema) else find_schema(known, schema)


def find_schema(schemas: Schemas, name: str) -> str:
    """The id of the schema that an id or name means."""
    if not isinstance(name, str):
        raise RequestError("hyper.schema", f"{name!r:.60} is neither a schema nor the name of one", fix='"Movie"')
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

"""HyperViews of a database: its schemas at a moment, and what they show of things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from rhizomedb.db import view
from rhizomedb.db.compiled import Compiled, answering
from rhizomedb.db.edge_source import edge_source
from rhizomedb.db.hyperedges import RANK, Hyperedges, Thing
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.hyperview import ASKED, SHOWN, HyperView, program_of, put_together
from rhizomedb.hyper.resolution import Choose, policy_of, resolve
from rhizomedb.hyper.schema import HyperSchema, Schemas
from rhizomedb.hyper.schema_edges import SCHEMA, SchemasSaid, schemas_of
from rhizomedb.logic import parse
from rhizomedb.store.store import COLUMNS

Wanted: TypeAlias = HyperSchema | str
"""A schema: itself, or its id or name as this database has it."""

_ASKED: Final = {ASKED: ("object",)}

PROGRAMS_MAX: Final = 64
"""How many compiled schemas are remembered."""


@lru_cache(maxsize=PROGRAMS_MAX)
def _compiled(program: str) -> Compiled:
    return answering(parse(program), COLUMNS, _ASKED, SHOWN)


class HyperViewing(Hyperedges):
    """The questions about schemas and views; every reader has them."""

    def schemas(self) -> Schemas:
        """The schemas that are said here at this moment, by their ids."""
        return self.schemas_said().schemas

    def schemas_said(self) -> SchemasSaid:
        """The same, with what is said in several ways, and what cannot be understood and why."""
        source = edge_source(self._store, self.cut)
        away = self.negated_edges()
        edges = sorted((edge for edge in source.read(source.with_roles([SCHEMA])) if edge.edge not in away), key=RANK)
        return schemas_of(edges)

    def hyperview(
        self,
        thing: Thing,
        schema: Wanted,
        *,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> HyperView:
        """What a schema shows of a thing: the hyperedges that point at it, property by property, and nested views.

            db.hyperview("movie_matrix", "Movie").to_dict()

        `schemas` are others than those that are said here, as is a `schema` that is given itself. What was taken back is
        left out, as by `hyperedges`.
        """
        return self.hyperviews([thing], schema, schemas=schemas, trusted=trusted)[0]

    def hyperviews(
        self,
        things: Iterable[Thing],
        schema: Wanted,
        *,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> list[HyperView]:
        """The views of several things, evaluated together."""
        known, id = self._schemas_for(schema, schemas)
        entities = [self.thing(thing) for thing in things]
        away = self.negated_edges(trusted)
        source = edge_source(self._store, self.cut)
        shown = _shown(self, known, id, entities)
        names = source.named([row[4] for row in shown])
        rows = [(row[0], row[1], row[2], name) for row, name in zip(shown, names, strict=True)]
        return put_together(known, id, entities, rows, source.read, away)

    def show(
        self,
        thing: Thing,
        schema: Wanted,
        *,
        policy: str | Choose = "latest",
        policies: Mapping[str, str | Choose] | None = None,
        schemas: Iterable[HyperSchema] = (),
        trusted: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """A thing as plain data: its `id`, and for each property what a policy chooses of all that is said.

            db.show("movie_matrix", "Movie", policies={"runtime": "max", "Person.name": "first"})

        Policies are `latest`, `first`, `all`, `vote`, `average`, `max`, `min`, `trusted:A,B` (who signed), `claimed:A,B` (whom
        unsigned statements name), or a function from all that is said, oldest first, to a value. Nothing is rewritten:
        another policy shows another side of the same hyperedges.
        """
        key_of = self.author_key
        special = {name: policy_of(each, key_of) for name, each in (policies or {}).items()}
        return resolve(
            self.hyperview(thing, schema, schemas=schemas, trusted=trusted), policy_of(policy, key_of), special
        )

    def hyperview_program(self, schema: Wanted, *, schemas: Iterable[HyperSchema] = ()) -> str:
        """The PomoLogic program of the views of a schema: which hyperedges are `shown` of the things `asked` for."""
        return program_of(*self._schemas_for(schema, schemas))

    def _schemas_for(self, schema: Wanted, more: Iterable[HyperSchema]) -> tuple[Schemas, str]:
        given = [*more, *([schema] if isinstance(schema, HyperSchema) else [])]
        if isinstance(schema, HyperSchema) and not schema.nests:
            return Schemas(given), schema.id
        said = self.schemas()
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


def _shown(reader: HyperViewing, schemas: Schemas, id: str, entities: Sequence[Entity]) -> list[Any]:
    """The tuples of what shows up, whatever was taken back: schema, thing, property, edge, delta."""
    if schemas[id].selects == frozenset():
        return []
    program = _compiled(program_of(schemas, id, negation=False))
    asked = {ASKED: [(entity,) for entity in dict.fromkeys(entities)]}
    return list(view.run(program, reader._store, reader.cut, asked, view.VIEW_BUDGET)[SHOWN])

"""Every version of a schema that was ever said: what it was after each epoch that changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rhizomedb._record import dataclass
from rhizomedb.db.graph.hyperviews import find_schema
from rhizomedb.errors import RequestError
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.json_delta import entity_of
from rhizomedb.hyper.pointer import NEGATES, Hyperedge
from rhizomedb.hyper.schema import HyperSchema
from rhizomedb.hyper.schema_edges import SCHEMA
from rhizomedb.store.store import Cut

if TYPE_CHECKING:
    from rhizomedb.db.reader import Reader


@dataclass(frozen=True, slots=True)
class SchemaOnce:
    """A schema as it was from the end of an epoch on, and who said what changed it then.

    `schema` is None from when all of it was taken back, or cannot be used.
    """

    schema: HyperSchema | None
    epoch: int
    authors: tuple[str, ...]

    @property
    def version(self) -> str | None:
        """The version that its content has."""
        return None if self.schema is None else self.schema.version


def schema_history(reader: Reader, schema: str) -> list[SchemaOnce]:
    """See `Hypergraph.schema_history`."""
    if not isinstance(schema, str) or not schema:
        raise RequestError("hyper.schema", f"{schema!r:.60} is no id or name of a schema", fix='"Movie"')
    known = reader.schemas()
    entity = entity_of(schema)
    said = _about(reader, entity)
    if not said:  # an id first: one that was taken back has no name any more
        schema = find_schema(known, schema)
        said = _about(reader, entity_of(schema))
    found: list[SchemaOnce] = []
    arrived: dict[int, list[Hyperedge]] = {}
    for edge in said:
        for _, epoch, _, _ in reader._store.scan("arrival", {"delta": edge.delta}, Cut()):
            arrived.setdefault(cast("int", epoch), []).append(edge)
    for epoch in sorted(arrived):
        then = reader.at_epoch(epoch).schemas()
        now = next((each for each in then.values() if each.id == schema), None)
        before = found[-1].schema if found else None
        if (now and now.version) != (before and before.version):
            authors = dict.fromkeys(reader.author_name(edge.author) for edge in arrived[epoch])
            found.append(SchemaOnce(now, epoch, tuple(authors)))
    return found[::-1]


def _about(reader: Reader, entity: Entity) -> list[Hyperedge]:
    """What is said of a schema, and all that takes it back, and that back."""
    found = {
        edge.edge: edge
        for edge in reader.hyperedges(targets=[entity], negated="mark")
        if any(getattr(target, "entity", None) == entity for target in edge.targets(SCHEMA))
    }
    waiting = list(found)
    while waiting:
        negations = reader.hyperedges(targets=waiting, negated="mark")
        new = [edge for edge in negations if edge.edge not in found and edge.targets(NEGATES)]
        found.update((edge.edge, edge) for edge in new)
        waiting = [edge.edge for edge in new]
    return list(found.values())

"""Saying hyperedges: relations of several things as one statement, taking them back, and passing on what others said."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from rhizomedb._record import dataclass
from rhizomedb.db.graph.edge_source import EdgeSource, edge_source
from rhizomedb.db.graph.hyperedges import meant, show_id
from rhizomedb.db.graph.hypergraph import HypergraphWriter
from rhizomedb.db.graph.negations import negated_among
from rhizomedb.db.transaction import Part, Transaction, group_of
from rhizomedb.errors import RequestError, ValueRefused
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta
from rhizomedb.facts.entity import ENTITY_BYTES, derive
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.json_delta import JsonDelta, entity_of
from rhizomedb.hyper.pointer import NEGATED_BY, NEGATES, Hyperedge, Pointer, Reference, facts_of
from rhizomedb.hyper.schema import HyperSchema, Schemas
from rhizomedb.hyper.schema_edges import SCHEMA, edges_of
from rhizomedb.store import admit

Target: TypeAlias = Any
"""A value; a thing by its bytes, as `(thing, context)`, or as a `Reference`; or a list of these, for a role played by several."""

TAKEN: Final = "another statement has this id, and stays what it was"
_EXAMPLE: Final = 'db.relate(actor=(keanu, "appearedIn"), movie=(matrix, "cast"), characterName="Neo")'


@dataclass(frozen=True, slots=True)
class Related(Transaction):
    """What saying a hyperedge did: a transaction, and the `edge` by which it is found and taken back."""

    edge: Entity = b""


@dataclass(frozen=True, slots=True)
class PassedOn(Transaction):
    """What passing on did: a transaction, how many statements were `known` already, and the places of those refused."""

    known: int = 0
    refused: tuple[int, ...] = ()


def relate(
    db: HypergraphWriter,
    pointers: Sequence[Pointer | tuple[str, Target]],
    roles: Mapping[str, Target],
    author: str | None,
    origin: str,
) -> Related:
    """See `HypergraphWriter.relate`."""
    for name, given in (("author", author), ("origin", origin)):
        if given is not None and not isinstance(given, str):  # it was meant as a role
            raise RequestError(
                "db.usage",
                f"{name}= is a text about the statement, not {given!r:.60}",
                fix=f'db.relate(("{name}", target), …) for a role that is called so',
            )
    wanted = [*map(_role, pointers), *roles.items()]
    db._release_if_due()

    def say() -> Related:
        named: dict[str, Entity] = {}
        said = [
            Pointer(role, _target(db, each, named))
            for role, target in wanted
            for each in (target if isinstance(target, list) else [target])
        ]
        edge = secrets.token_bytes(ENTITY_BYTES)
        parts = [Part(facts_of(edge, said), "seen", edge)]
        if new := [Fact(entity, "name", name) for name, entity in named.items() if entity == derive({"name": name})]:
            parts.insert(0, Part(new, "own"))
        group = group_of(parts)
        done = db._say(parts, db._key(author), author, origin, group)
        return Related(done.epoch, done.deltas, done.facts, edge)

    done: Related = db._write(say)
    return done


def negate(
    db: HypergraphWriter, edge: Hyperedge | Related | Entity | str, reason: str | None, author: str | None
) -> Related:
    """See `HypergraphWriter.negate`."""
    # What `relate` gave back is a statement, too: it has the id of what was said.
    id = edge.edge if isinstance(edge, Hyperedge | Related) else db.thing(edge)
    pointers = [Pointer(NEGATES, Reference(id, NEGATED_BY))]
    if reason is not None:
        pointers.append(Pointer("reason", reason))
    return relate(db, pointers, {}, author, "negation")


def define(db: HypergraphWriter, schemas: Sequence[HyperSchema], author: str | None) -> Transaction:
    """See `HypergraphWriter.define`."""
    db._release_if_due()

    def say() -> Transaction:
        new = {schema.id for schema in schemas}
        Schemas([*(each for each in db.schemas().values() if each.id not in new), *schemas])  # refuses a ring
        edges = [each for schema in schemas for each in _differing(db, schema)]
        parts = [Part(facts_of(edge, pointers), "seen", edge) for edge, pointers in edges]
        group = group_of(parts)
        names = ", ".join(schema.name for schema in schemas)
        return db._say(parts, db._key(author), author, f"schema {names}", group)

    done: Transaction = db._write(say)
    return done


def _differing(db: HypergraphWriter, schema: HyperSchema) -> Iterator[tuple[Entity, tuple[Pointer, ...]]]:
    """The hyperedges that make what is said of a schema what it is to be."""
    entity = entity_of(schema.id)
    source = edge_source(db._store, db.cut)
    said = [
        edge
        for edge in source.read(source.at_targets([entity]))
        if any(_is_at(target, entity) for target in edge.targets(SCHEMA))
    ]
    away = negated_among(db._store, db.cut, None, {edge.edge for edge in said})
    standing = [edge for edge in said if edge.edge not in away]
    wanted: dict[tuple[object, ...], tuple[Pointer, ...]] = {
        tuple(pointer.key for pointer in pointers): pointers for pointers in edges_of(schema)
    }
    for edge in standing:
        if wanted.pop(tuple(pointer.key for pointer in edge.pointers), None) is None:
            wanted[edge.edge,] = (Pointer(NEGATES, Reference(edge.edge, NEGATED_BY)),)
    return ((secrets.token_bytes(ENTITY_BYTES), pointers) for pointers in wanted.values())


def pass_on(
    db: HypergraphWriter,
    statements: Iterable[JsonDelta],
    author: str | None,
    origin: str,
    refuse: Literal["raise", "collect"],
) -> PassedOn:
    """See `HypergraphWriter.pass_on`."""
    db._release_if_due()

    def say() -> PassedOn:
        key, source = db._key(author), edge_source(db._store, db.cut)
        new = _New(source, statements, refuse)
        ids: list[Cid] = []
        facts = 0

        def deltas() -> Iterator[Delta]:
            nonlocal facts
            for each in new:
                said = facts_of(each.edge, each.pointers, each.author, each.json)
                delta = Delta.sign(key, system=each.system, time=each.time, facts=said, edge=each.edge)
                ids.append(delta.id)
                facts += len(said)
                yield delta

        admission = admit(db._store, deltas(), now_ms=db._clock(), origin=origin)
        if ids:
            db._store.name(key.public, db._author_name(author))
        return PassedOn(admission.epoch if ids else None, tuple(ids), facts, new.known, tuple(new.refused))

    done: PassedOn = db._write(say)
    return done


def _target(db: HypergraphWriter, target: Target, named: dict[str, Entity]) -> Any:
    match target:
        case (bytes() | str() as thing, str() as context):
            return Reference(_thing(db, thing, named), context)
        case (bytes() | str() as thing, None):
            return Reference(_thing(db, thing, named))
        case tuple():
            raise RequestError("db.item", f"{target!r:.60} is no target of a pointer", fix=_EXAMPLE)
        case bytes():
            return Reference(target)
    return target


def _thing(db: HypergraphWriter, thing: Entity | str, named: dict[str, Entity]) -> Entity:
    if isinstance(thing, bytes):
        return thing
    if not thing:
        raise ValueRefused("hyper.target", "a thing has a name that is not empty", fix=_EXAMPLE)
    if thing not in named:
        found = meant(db, thing, called=True)
        # What nobody knows by that id or name is a new thing of that name.
        named[thing] = found if db.is_known(found) else derive({"name": thing})
    return named[thing]


def _role(pointer: Pointer | tuple[str, Target]) -> tuple[str, Target]:
    match pointer:
        case Pointer(role, target) | (str() as role, target):
            return role, target
    raise RequestError("db.item", f"{pointer!r:.60} is no role with a target", fix=_EXAMPLE)


def _is_at(target: Any, entity: Entity) -> bool:
    return isinstance(target, Reference) and target.entity == entity


class _New:
    """Those of some statements that are not here yet."""

    def __init__(self, source: EdgeSource, statements: Iterable[JsonDelta], refuse: str) -> None:
        self._source = source
        self._refuse = refuse
        self._statements = statements
        self._taken: dict[Entity, JsonDelta] = {}
        self.known = 0
        self.refused: list[int] = []

    def __iter__(self) -> Iterator[JsonDelta]:
        for place, said in enumerate(self._statements):
            if not isinstance(said, JsonDelta):
                raise RequestError(
                    "db.item", f"{said!r:.60} is no JSON delta that was read", fix="json_delta.read(node)"
                )
            before = self._taken.get(said.edge)
            here = (
                [before]
                if before
                else [_statement(edge) for edge in self._source.read(self._source.of_edges([said.edge]))]
            )
            if not here:
                self._taken[said.edge] = said
                yield said
            elif any(_key_of(each) == _key_of(said) for each in here):
                self.known += 1
            elif self._refuse == "raise":
                raise RequestError("hyper.taken", f"{show_id(said.edge)}: {TAKEN}", where=f"statement {place + 1}")
            else:
                self.refused.append(place)


def _statement(edge: Hyperedge) -> JsonDelta:
    author = "" if edge.claimed_author is None else edge.claimed_author
    return JsonDelta(edge.edge, edge.time, author, edge.system, edge.pointers, edge.json)


def _key_of(said: JsonDelta) -> object:
    pointers = tuple(dict.fromkeys(pointer.key for pointer in said.pointers))
    return said.time, said.author, said.system, said.json, pointers if said.json is None else ()

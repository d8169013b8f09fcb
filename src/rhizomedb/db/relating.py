"""Saying hyperedges: relations of several things as one statement, taking them back, and passing on what others said."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias, TypeVar

from rhizomedb._record import dataclass
from rhizomedb.db.edge_source import EdgeSource, edge_source
from rhizomedb.db.hyperedges import show_id
from rhizomedb.db.hyperviews import HyperViewing
from rhizomedb.db.transaction import Part, Transaction
from rhizomedb.errors import RequestError, ValueRefused
from rhizomedb.facts.cid import Cid
from rhizomedb.facts.delta import Delta, Group
from rhizomedb.facts.entity import ENTITY_BYTES, derive
from rhizomedb.facts.fact import Fact
from rhizomedb.facts.signature import Key
from rhizomedb.facts.value import Entity
from rhizomedb.hyper.json_delta import JsonDelta, entity_of
from rhizomedb.hyper.pointer import NEGATED_BY, NEGATES, Hyperedge, Pointer, Reference, facts_of
from rhizomedb.hyper.schema import HyperSchema, Schemas
from rhizomedb.hyper.schema_edges import SCHEMA, edges_of
from rhizomedb.store import admit

Ended = TypeVar("Ended")

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


class Relating(HyperViewing):
    """The hyperedges that a connection says."""

    _key: Callable[[str | None], Key]
    _say: Callable[..., Transaction]
    _write: Callable[[Callable[[], Any]], Any]
    _author_name: Callable[[str | None], str]
    _release_if_due: Callable[[], None]

    def relate(
        self,
        *pointers: Pointer | tuple[str, Target],
        author: str | None = None,
        origin: str = "relation",
        **roles: Target,
    ) -> Related:
        """Say a hyperedge: one statement that ties several things and values together, each in a role.

            db.relate(actor=(keanu, "appearedIn"), movie=(matrix, "cast"), characterName="Neo")

        A target is a value, or a thing: `(thing, context)` where it shows up under a property of that thing, its bytes
        alone where it does not. A text alone is a value; a thing is named by `(name, context)`, and one that nobody knows
        is made. A list is a role that several play. Roles that are no Python names come first, as `(role, target)`.
        """
        wanted = [*map(_role, pointers), *roles.items()]
        self._release_if_due()

        def say() -> Related:
            named: dict[str, Entity] = {}
            said = [
                Pointer(role, self._target(each, named))
                for role, target in wanted
                for each in (target if isinstance(target, list) else [target])
            ]
            edge = secrets.token_bytes(ENTITY_BYTES)
            parts = [Part(facts_of(edge, said), "seen", edge)]
            if new := [
                Fact(entity, "name", name) for name, entity in named.items() if entity == derive({"name": name})
            ]:
                parts.insert(0, Part(new, "own"))
            group = Group(secrets.token_bytes(16), len(parts)) if len(parts) > 1 else None
            done = self._say(parts, self._key(author), author, origin, group)
            return Related(done.epoch, done.deltas, done.facts, edge)

        done: Related = self._write(say)
        return done

    def negate(
        self, edge: Hyperedge | Entity | str, reason: str | None = None, *, author: str | None = None
    ) -> Related:
        """Take a hyperedge back, by its id. It stays in the log, and is shown again once this negation is negated."""
        id = edge.edge if isinstance(edge, Hyperedge) else self.thing(edge)
        pointers = [Pointer(NEGATES, Reference(id, NEGATED_BY))]
        if reason is not None:
            pointers.append(Pointer("reason", reason))
        return self.relate(*pointers, author=author, origin="negation")

    def define(self, schema: HyperSchema, *, author: str | None = None) -> Transaction:
        """Say a schema, as hyperedges: what is said here of it and is not so any more is taken back, the rest stays.

        `hyper.cycle`, with the schemas named, where it would lead back to itself. One transaction; nothing new is none.
        """
        self._release_if_due()

        def say() -> Transaction:
            Schemas([*(each for each in self.schemas().values() if each.id != schema.id), schema])  # refuses a ring
            entity, away = entity_of(schema.id), self.negated_edges()
            source = edge_source(self._store, self.cut)
            standing = [
                edge
                for edge in source.read(source.at_targets([entity]))
                if edge.edge not in away and any(_is_at(target, entity) for target in edge.targets(SCHEMA))
            ]
            wanted: dict[tuple[object, ...], tuple[Pointer, ...]] = {
                tuple(pointer.key for pointer in pointers): pointers for pointers in edges_of(schema)
            }
            for edge in standing:
                if wanted.pop(tuple(pointer.key for pointer in edge.pointers), None) is None:
                    wanted[edge.edge,] = (Pointer(NEGATES, Reference(edge.edge, NEGATED_BY)),)
            edges = [(secrets.token_bytes(ENTITY_BYTES), pointers) for pointers in wanted.values()]
            parts = [Part(facts_of(edge, pointers), "seen", edge) for edge, pointers in edges]
            group = Group(secrets.token_bytes(16), len(parts)) if len(parts) > 1 else None
            return self._say(parts, self._key(author), author, f"schema {schema.name}", group)

        done: Transaction = self._write(say)
        return done

    def pass_on(
        self,
        statements: Iterable[JsonDelta],
        *,
        author: str | None = None,
        origin: str,
        refuse: Literal["raise", "collect"] = "raise",
    ) -> PassedOn:
        """Say what unsigned statements of others say, all or nothing. Whom they name as author stays a claim of theirs.

        The same statement is said once. The first that has the id of another one is `hyper.taken`, and nothing is written;
        with `refuse="collect"` those are left out, and told by their places.
        """
        self._release_if_due()

        def say() -> PassedOn:
            key, source = self._key(author), edge_source(self._store, self.cut)
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

            admission = admit(self._store, deltas(), now_ms=self._clock(), origin=origin)
            if ids:
                self._store.name(key.public, self._author_name(author))
            return PassedOn(admission.epoch if ids else None, tuple(ids), facts, new.known, tuple(new.refused))

        done: PassedOn = self._write(say)
        return done

    def _target(self, target: Target, named: dict[str, Entity]) -> Any:
        match target:
            case (bytes() | str() as thing, str() as context):
                return Reference(self._thing(thing, named), context)
            case (bytes() | str() as thing, None):
                return Reference(self._thing(thing, named))
            case tuple():
                raise RequestError("db.item", f"{target!r:.60} is no target of a pointer", fix=_EXAMPLE)
            case bytes():
                return Reference(target)
        return target

    def _thing(self, thing: Entity | str, named: dict[str, Entity]) -> Entity:
        if isinstance(thing, bytes):
            return thing
        if not thing:
            raise ValueRefused("hyper.target", "a thing has a name that is not empty", fix=_EXAMPLE)
        if thing not in named:
            found = self.thing(thing)
            # What nobody knows by that id or name is a new thing of that name.
            named[thing] = found if self.is_known(found) else derive({"name": thing})
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
